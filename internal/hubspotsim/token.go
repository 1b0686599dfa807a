package hubspotsim

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// tokenOps are the operations of the token endpoints: they take the app's credentials in a form instead of a bearer
// token, and count against no limit of the data API.
var tokenOps = map[string]bool{"token": true, "introspect": true, "revoke": true}

// routeOAuth serves /oauth/{2026-09,2026-03,v3,v1}/token, the dated and v3 .../token/introspect and .../token/revoke,
// and what v1 has in their place: /oauth/v1/access-tokens/{token} and /oauth/v1/refresh-tokens/{token}. HubSpot's own
// SDKs still call v1 (https://github.com/HubSpot/hubspot-api-nodejs/issues/690); it stops on 2027-02-16
// (https://developers.hubspot.com/changelog/v1-oauth-api-deprecation, read 2026-11-22).
func routeOAuth(method string, seg []string) (*call, int) {
	v, known := versions[seg[1]]
	v1 := seg[1] == "v1"
	rest := strings.Join(seg[2:], "/")
	switch {
	case !known && !v1:
		return nil, http.StatusNotFound
	case rest == "token":
		return only(method, http.MethodPost, &call{op: "token", api: v, v1: v1})
	case !v1 && (rest == "token/introspect" || rest == "token/revoke"):
		return only(method, http.MethodPost, &call{op: seg[3], api: v})
	case !v1 || len(seg) != 4 || seg[2] != "access-tokens" && seg[2] != "refresh-tokens":
		return nil, http.StatusNotFound
	case method == http.MethodDelete && seg[2] == "refresh-tokens":
		return &call{op: "revoke", v1: true, id: seg[3]}, 0
	}
	return only(method, http.MethodGet, &call{op: "introspect", v1: true, id: seg[3]})
}

// tokenCall is the token endpoint. Everything comes in the form: what a URL or an Authorization header says is not
// looked at (client_secret_post alone is advertised: https://github.com/bagofwords1/bagofwords, hubspot-mcp-preset.md).
// The 2026-09 description has no client_credentials grant. In which order HubSpot looks at the fields is not
// documented.
func (s *Sim) tokenCall(c *call) reply {
	kind := c.form.Get("grant_type")
	if kind != "authorization_code" && kind != "refresh_token" {
		return s.refuseToken(c, "BAD_GRANT_TYPE")
	}
	if status := s.checkClient(c); status != "" {
		return s.refuseToken(c, status)
	}
	if kind == "refresh_token" {
		return s.refreshCall(c)
	}
	return s.exchangeCall(c)
}

// checkClient looks at the app's credentials and gives the status of tokenErrors, or "".
func (s *Sim) checkClient(c *call) string {
	switch {
	case c.form.Get("client_id") != s.cred.ClientID:
		return "BAD_CLIENT_ID"
	case c.form.Get("client_secret") != s.cred.ClientSecret:
		return "BAD_CLIENT_SECRET"
	}
	return ""
}

// exchangeCall trades a code for tokens, once.
// https://developers.hubspot.com/docs/api-reference/legacy/authentication/manage-oauth-tokens, read 2026-11-22
func (s *Sim) exchangeCall(c *call) reply {
	code := s.codes[c.form.Get("code")]
	redirect := c.form.Get("redirect_uri")
	switch {
	case code == nil || code.used || code.client != s.cred.ClientID:
		return s.refuseToken(c, "BAD_AUTH_CODE")
	case c.now >= code.expiresAt:
		return s.refuseToken(c, "EXPIRED_AUTH_CODE")
	case redirect == "":
		return s.refuseToken(c, "BAD_REDIRECT_URI")
	case redirect != code.redirect:
		return s.refuseToken(c, "MISMATCH_REDIRECT_URI_AUTH_CODE")
	case code.challenge != "" && challengeOf(c.form.Get("code_verifier")) != code.challenge:
		return s.refuseToken(c, "BAD_CODE_VERIFIER")
	}
	code.used = true
	if s.quirks.LoginEndsOlder {
		for token, g := range s.grants {
			if g.hub == code.hub && g.client == code.client {
				delete(s.grants, token)
			}
		}
	}
	s.stats.Exchanges++
	return s.tokens(c, s.newGrant(code.hub, code.scopes))
}

// challengeOf is the S256 challenge of a verifier: https://www.rfc-editor.org/rfc/rfc7636 section 4.6.
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refreshCall gives a new access token. The access tokens before it live on. No redirect URL is asked for
// (https://github.com/usertour/usertour/pull/490), and a token that v1 issued works on every path
// (https://github.com/NangoHQ/nango/issues/7664).
func (s *Sim) refreshCall(c *call) reply {
	g := s.grants[c.form.Get("refresh_token")]
	switch {
	case g == nil:
		return s.refuseToken(c, "BAD_REFRESH_TOKEN")
	case g.client != s.cred.ClientID:
		return s.refuseToken(c, "MISMATCH_REFRESH_TOKEN_CLIENT")
	case g.gone:
		return s.refuseToken(c, "BAD_HUB")
	}
	if s.quirks.RotateRefresh {
		s.rotate(g)
	}
	s.stats.Refreshes++
	return s.tokens(c, g)
}

// tokens is the answer with a pair, in the field set of live answers (https://github.com/NangoHQ/nango/issues/7664); of
// the ids, which the description does not require, noids leaves out hub_id.
func (s *Sim) tokens(c *call, g *grant) reply {
	out := struct {
		Type    string   `json:"token_type"`
		Refresh string   `json:"refresh_token"`
		Access  string   `json:"access_token"`
		Hub     int64    `json:"hub_id,omitempty"`
		Scopes  []string `json:"scopes"`
		Use     string   `json:"token_use"`
		Life    int64    `json:"expires_in"`
	}{"bearer", g.refresh, s.newAccess(g, c.now), g.hub, g.scopes, "access_token", int64(s.cfg.TokenLife / time.Second)}
	if c.mangle {
		out.Hub = 0
	}
	return reply{status: http.StatusOK, header: noStore(), body: mustJSON(out)}
}

func noStore() http.Header {
	return http.Header{"Content-Type": {"application/json;charset=utf-8"}, "Cache-Control": {"no-store"}}
}

// introspectCall says what a token is. An unknown, expired or revoked one is a 200 with active false
// (https://github.com/usertour/usertour/pull/490); without a hint both kinds are looked for.
func (s *Sim) introspectCall(c *call) reply {
	token, hint := c.form.Get("token"), c.form.Get("token_type_hint")
	if c.v1 {
		token = c.id
	} else if status := s.checkClient(c); status != "" {
		return s.refuseToken(c, status)
	}
	b, g := s.bearers[token], s.grants[token]
	ok := func(v any) reply { return reply{status: http.StatusOK, header: noStore(), body: mustJSON(v)} }
	switch {
	case b != nil && b.refresh != "" && b.expiresAt > c.now && hint != "refresh_token":
		if c.v1 {
			return ok(s.tokenInfoV1(token, "access", b.grant, secondsLeft(b.expiresAt, c.now)))
		}
		info := s.tokenInfo(token, "access_token", b.grant)
		info["expires_in"] = secondsLeft(b.expiresAt, c.now)
		info["is_private_distribution"] = true
		info["signed_access_token"] = s.signedToken(b)
		return ok(info)
	case g != nil && !g.gone && hint != "access_token":
		if c.v1 {
			return ok(s.tokenInfoV1(token, "refresh", g, 0))
		}
		return ok(s.tokenInfo(token, "refresh_token", g))
	case c.v1:
		return c.refuse(http.StatusNotFound, problem{Message: "missing or unknown token"})
	}
	return ok(map[string]bool{"active": false})
}

// tokenInfo has the fields of PublicRefreshTokenInfoResponse:
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, Auth, Oauth, 2026-03, read 2026-11-22.
func (s *Sim) tokenInfo(token, use string, g *grant) map[string]any {
	return map[string]any{
		"active": true, "token": token, "token_use": use, "token_type": "Bearer", "hub_id": g.hub, "user_id": s.userID, "app_id": s.appID,
		"client_id": g.client, "user": userMail, "hub_domain": s.domainOf(g.hub), "scopes": g.scopes,
	}
}

// domainOf is the account's website.
func (s *Sim) domainOf(hub int64) string {
	if hub == s.cred.OtherPortalID {
		return otherUserDomain
	}
	return userDomain
}

func (s *Sim) signedToken(b *bearer) map[string]any {
	return map[string]any{
		"appId": s.appID, "appInstallId": itoa(int(s.appID)), "audience": "", "expiresAt": b.expiresAt, "hubId": b.hub, "hublet": "na1",
		"installingUserId": s.userID, "isPrivateDistribution": true, "isServiceAccount": false, "isUserLevel": false, "newSignature": "",
		"scopeToScopeGroupPks": "", "scopes": "", "signature": "", "trialScopeToScopeGroupPks": "", "trialScopes": "", "userId": s.userID,
	}
}

// tokenInfoV1 is the shape of the old paths, as HubSpot's SDK reads it
// (https://github.com/HubSpot/hubspot-api-nodejs, codegen/oauth/models, read 2026-11-22).
func (s *Sim) tokenInfoV1(token, kind string, g *grant, left int64) map[string]any {
	info := map[string]any{
		"token": token, "user": userMail, "hub_domain": s.domainOf(g.hub), "scopes": g.scopes, "hub_id": g.hub, "user_id": s.userID,
		"token_type": kind,
	}
	if kind == "refresh" {
		info["client_id"] = g.client
		return info
	}
	info["app_id"], info["expires_in"], info["scope_to_scope_group_pks"], info["trial_scopes"] = s.appID, left, []int{}, []string{}
	return info
}

// revokeCall ends a refresh token; its access tokens live on. 200 also for an unknown token
// (https://github.com/NangoHQ/nango/issues/7664); an access token is not ended by it. v1 answers 204.
func (s *Sim) revokeCall(c *call) reply {
	if c.v1 {
		delete(s.grants, c.id)
		return reply{status: http.StatusNoContent}
	}
	if status := s.checkClient(c); status != "" {
		return s.refuseToken(c, status)
	}
	delete(s.grants, c.form.Get("token"))
	return reply{status: http.StatusOK}
}

// secretKeys are what must not stand in a URL: https://developers.hubspot.com/changelog/v1-oauth-api-deprecation
var secretKeys = []string{"client_secret", "refresh_token", "access_token", "token", "code", "code_verifier", "hapikey"}

func secretInURL(c *call) bool {
	return c.v1 && c.id != "" || slices.ContainsFunc(secretKeys, url.Values(c.query).Has)
}
