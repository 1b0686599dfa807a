// Package auth gives the bearer token of a portal, and keeps an OAuth grant alive for years without a person.
//
// Guarantees. A token, a code, a verifier and a client secret leave the package as a secret.String only, or in the body
// of a request to HubSpot; no error and no log line holds one, nor anything that HubSpot said beyond its machine words.
// A token that was refused is not handed out again as a new one. For a grant (Source): the access token is renewed at
// about three quarters of the life that HubSpot told, by one process at a time, and the new pair is on the disk before
// anybody gets it; the refresh token of an answer always replaces the one before. Only HubSpot's own word about the
// grant ends it (LoginError): trouble that passes is a WaitError, and a wrong secret, client or key is a FaultError
// that keeps the grant. A 401 costs one refresh, and at most one a minute.
//
// It knows no SQL: Grants is what it needs of a database, and every decision there is a compare-and-set on the
// generation. It does not replay a refused request (package hubspot does), and decides nothing about a lane. It cannot
// undo what nobody can: when HubSpot replaces the refresh token in an answer that dies with the process that asked, the
// grant is lost, and LoginError says so (Doubt).
//
// Static serves the three credentials that never expire and look alike on the wire: service keys, static project apps
// and legacy private apps
// (https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/account-service-keys, read
// 2026-11-22).
//
// Design: golang.org/x/oauth2 makes the address, the exchange, the proof of PKCE and the refresh request, and nothing
// else. Its token sources were rejected: they keep a replaced refresh token in memory alone, hide what another process
// has renewed, and never recover from a 401; its RetrieveError prints the answer. The source is asked for a token and
// told of a refusal by generation, so that many requests that are refused at once cause one refresh. No row is locked
// while HubSpot is asked: a lease that is longer than the request stands in the row, and a write on an older generation
// changes nothing, whoever makes it and however late.
package auth
