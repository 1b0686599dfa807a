package hubspotsim

import (
	"net/http"
	"testing"
	"time"
)

// Every status of section 1.7 that can be reached, and the bodies: documented form and old form.
func TestTokenErrors(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, CodeLife: time.Minute})
	cred := s.Credentials()
	check := func(g got, status, code string) {
		t.Helper()
		want(t, status, []any{g.status, g.body["status"], g.body["error"]}, []any{400, status, code})
		want(t, "description", g.body["error_description"], g.body["message"])
		want(t, "fields", len(g.body), 4)
	}
	exchange := func(code string, fields ...string) got {
		t.Helper()
		return form(t, s, tokenPath, append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", redirectURL, "code_verifier", verifier}, fields...)...)
	}
	check(refresh(t, s, "na1-nobody"), "BAD_REFRESH_TOKEN", "invalid_grant")
	check(form(t, s, tokenPath, "grant_type", "refresh_token"), "BAD_REFRESH_TOKEN", "invalid_grant")
	want(t, "documented message", refresh(t, s, "x").body["message"], "refresh token is invalid, expired or revoked")
	check(form(t, s, tokenPath, "refresh_token", cred.RefreshToken), "BAD_GRANT_TYPE", "unsupported_grant_type")
	check(form(t, s, tokenPath, "grant_type", "client_credentials"), "BAD_GRANT_TYPE", "unsupported_grant_type")
	check(form(t, s, tokenPath, "grant_type", "refresh_token", "client_id", ""), "BAD_CLIENT_ID", "invalid_client")
	check(form(t, s, tokenPath, "grant_type", "refresh_token", "client_secret", "x"), "BAD_CLIENT_SECRET", "invalid_client")

	check(exchange("nobody"), "BAD_AUTH_CODE", "invalid_grant")
	code := codeOf(t, s, "")
	check(exchange(code, "redirect_uri", redirectURL+"/"), "MISMATCH_REDIRECT_URI_AUTH_CODE", "invalid_grant")
	check(exchange(code, "redirect_uri", ""), "BAD_REDIRECT_URI", "invalid_request")
	check(exchange(code, "code_verifier", verifier+"x"), "BAD_CODE_VERIFIER", "invalid_grant")
	check(exchange(code, "code_verifier", ""), "BAD_CODE_VERIFIER", "invalid_grant")
	want(t, "exchange", exchange(code).status, 200)
	check(exchange(code), "BAD_AUTH_CODE", "invalid_grant")
	late := codeOf(t, s, "")
	w.pass(time.Minute)
	check(exchange(late), "EXPIRED_AUTH_CODE", "invalid_grant")

	s.RotateClient(true)
	check(refresh(t, s, cred.RefreshToken), "MISMATCH_REFRESH_TOKEN_CLIENT", "invalid_grant")
	check(form(t, s, tokenPath, "grant_type", "refresh_token", "client_id", cred.ClientID), "BAD_CLIENT_ID", "invalid_client")

	// What is not in the form does not count: in the URL, in an Authorization header, or as JSON.
	now := s.Credentials()
	q := "?grant_type=refresh_token&client_id=" + now.ClientID + "&client_secret=" + now.ClientSecret + "&refresh_token=" + now.RefreshToken
	g, err := try(t, s, "", http.MethodPost, tokenPath+q, `{"grant_type":"refresh_token"}`)
	if err != nil {
		t.Fatal(err)
	}
	check(g, "BAD_GRANT_TYPE", "unsupported_grant_type")
	want(t, "counted", s.Stats().SecretsInURL, 1)
}

func TestTokenErrorsUnderOtherAnswers(t *testing.T) {
	s := newSim(t, Config{Quirks: Quirks{OldTokenErrors: true, BadHubIs403: true}})
	g := refresh(t, s, "nobody")
	want(t, "old form", []any{g.body["status"], g.body["error"], g.body["correlationId"] == g.header.Get("X-Hubspot-Correlation-Id")}, "[BAD_REFRESH_TOKEN <nil> true]")
	if err := s.Revoke("", true); err != nil {
		t.Fatal(err)
	}
	g = refresh(t, s, s.Credentials().RefreshToken)
	want(t, "BAD_HUB", []any{g.status, g.body["status"], g.body["message"]}, "[403 BAD_HUB missing or unknown hub id]")
}
