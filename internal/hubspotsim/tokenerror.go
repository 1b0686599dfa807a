package hubspotsim

import "net/http"

// tokenError is what the token endpoint says about one kind of refusal. The four keys of its body are documented
// (https://developers.hubspot.com/changelog/new-oauth-v3-api-endpoints-and-standardized-error-responses, read
// 2026-11-22); which error goes with which status is so for BAD_REFRESH_TOKEN, BAD_HUB and BAD_CLIENT_ID only. The
// others have the word that RFC 6749 section 5.2 gives for the case. That all are 400 was seen, not promised.
type tokenError struct{ code, message string }

// tokenErrors by status. Where no message was seen, it is in the style of the others.
var tokenErrors = map[string]tokenError{
	"BAD_REFRESH_TOKEN": {"invalid_grant", "refresh token is invalid, expired or revoked"},
	// https://github.com/PostHog/posthog, test_oauth.py
	"BAD_HUB": {"access_denied", "missing or unknown hub id"},
	// https://github.com/airbytehq/airbyte/issues/57001
	"MISMATCH_REFRESH_TOKEN_CLIENT": {"invalid_grant", "refresh token was not issued to this client"},
	// https://github.com/hubspotdev/devslackarchive, 2023-10-04, 2022-07-06, 2021-06-11
	"BAD_AUTH_CODE":                   {"invalid_grant", "missing or unknown auth code"},
	"EXPIRED_AUTH_CODE":               {"invalid_grant", "auth code is expired"},
	"MISMATCH_REDIRECT_URI_AUTH_CODE": {"invalid_grant", "redirect URI does not match initial auth code URI"},
	"BAD_REDIRECT_URI":                {"invalid_request", "missing or invalid redirect uri"},
	// https://github.com/bagofwords1/bagofwords, docs/feedback-loops/hubspot-mcp-preset.md
	"BAD_CODE_VERIFIER": {"invalid_grant", "missing or invalid code verifier"},
	"BAD_CLIENT_ID":     {"invalid_client", "missing or unknown client id"},
	"BAD_CLIENT_SECRET": {"invalid_client", "missing or invalid client secret"},
	// https://github.com/hubspotdev/devslackarchive, 2022-07-04: typically the body is not form-encoded
	"BAD_GRANT_TYPE": {"unsupported_grant_type", "missing or unknown grant type"},
	"BAD_SCOPES":     {"invalid_scope", "missing or invalid scopes"},
	"USER_LEVEL_CLIENT_CREDENTIALS_NOT_SUPPORTED": {"unauthorized_client", "client credentials are not supported for user level apps"},
}

type tokenProblem struct {
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Status      string `json:"status"`
	Message     string `json:"message"`
	ID          string `json:"correlationId,omitempty"`
}

// refuseToken is the answer of a status of tokenErrors.
func (s *Sim) refuseToken(c *call, status string) reply {
	e := tokenErrors[status]
	p := tokenProblem{Error: e.code, Description: e.message, Status: status, Message: e.message}
	if s.quirks.OldTokenErrors {
		p = tokenProblem{Status: status, Message: e.message, ID: c.correlation}
	}
	http4xx := http.StatusBadRequest
	if status == "BAD_HUB" && s.quirks.BadHubIs403 {
		http4xx = http.StatusForbidden
	}
	return reply{status: http4xx, body: mustJSON(p)}
}

// tokenLimited is the token endpoint's own 429; its ids are null.
// https://github.com/hubspotdev/devslackarchive, 2022-03-24, and https://github.com/PostHog/posthog/pull/64726
func tokenLimited() reply {
	return reply{status: http.StatusTooManyRequests, body: []byte(`{"status":"error","message":"You have reached your rate limit.",` +
		`"errorType":"RATE_LIMIT","correlationId":null,"policyName":"` + policySecond + `","requestId":null}`)}
}
