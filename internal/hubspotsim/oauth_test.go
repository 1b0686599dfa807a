package hubspotsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const tokenPath = "/oauth/2026-09/token"

// watch is a wall clock that tests move by hand.
type watch struct{ at time.Time }

func newWatch() *watch                { return &watch{time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)} }
func (w *watch) now() time.Time       { return w.at }
func (w *watch) pass(d time.Duration) { w.at = w.at.Add(d) }

// form sends a form to a token endpoint; the app's credentials are added unless the fields name them.
func form(t *testing.T, s *Sim, path string, fields ...string) got {
	t.Helper()
	cred := s.Credentials()
	v := url.Values{"client_id": {cred.ClientID}, "client_secret": {cred.ClientSecret}}
	for i := 0; i < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hubspot.example.com"+path, strings.NewReader(v.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "leadsync/test")
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	g := got{status: resp.StatusCode, header: resp.Header, text: string(b)}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &g.body); err != nil {
			t.Fatalf("answer is no JSON: %v\n%s", err, b)
		}
	}
	return g
}

func refresh(t *testing.T, s *Sim, token string) got {
	t.Helper()
	return form(t, s, tokenPath, "grant_type", "refresh_token", "refresh_token", token)
}

// access makes an access token of the first login.
func access(t *testing.T, s *Sim) string {
	t.Helper()
	g := refresh(t, s, s.Credentials().RefreshToken)
	if g.status != http.StatusOK {
		t.Fatalf("refresh: %d %s", g.status, g.text)
	}
	return g.body["access_token"].(string)
}

func call200(t *testing.T, s *Sim, token, method, path, body string) got {
	t.Helper()
	g, err := try(t, s, token, method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func listWith(t *testing.T, s *Sim, token string) got {
	t.Helper()
	return call200(t, s, token, http.MethodGet, contactsPath, "")
}

// The answer of auth-and-limits.md section 1.4, with the fields of live answers.
func TestRefresh(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, TokenLife: 1800 * time.Second})
	for _, path := range []string{tokenPath, "/oauth/2026-03/token", "/oauth/v3/token", "/oauth/v1/token"} {
		g := form(t, s, path, "grant_type", "refresh_token", "refresh_token", s.Credentials().RefreshToken)
		want(t, path, g.status, 200)
		var keys []string
		for k := range g.body {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		want(t, "fields", keys, "[access_token expires_in hub_id refresh_token scopes token_type token_use]")
		want(t, "values", []any{g.body["token_type"], g.body["token_use"], g.body["expires_in"]}, "[bearer access_token 1800]")
		want(t, "account", int64(g.body["hub_id"].(float64)), s.Credentials().PortalID)
		want(t, "refresh token", g.body["refresh_token"], s.Credentials().RefreshToken)
		if n := len(g.body["access_token"].(string)); n < 200 || n > 512 {
			t.Errorf("an access token has %d characters", n)
		}
		want(t, "call", listWith(t, s, g.body["access_token"].(string)).status, 200)
	}
	st := s.Stats()
	want(t, "counted", []int{st.TokenRequests, st.Refreshes, st.Exchanges, st.Ops["token"], st.SecretsInURL}, "[4 4 0 4 0]")
	want(t, "undated", st.Undated, 2)
	want(t, "nothing against the window", st.DayUsed, 4)
}

// Several tokens of one login work at once, each to its own end; then the exact body of section 1.9, whose unit grows.
func TestAccessTokenExpires(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, TokenLife: 3 * time.Second, Limit: 100, Daily: 1000})
	first := access(t, s)
	w.pass(2 * time.Second)
	second := access(t, s)
	want(t, "both", []int{listWith(t, s, first).status, listWith(t, s, second).status}, "[200 200]")
	w.pass(time.Second)
	for _, step := range []struct {
		pass time.Duration
		ago  string
	}{{0, "0 second(s)"}, {59 * time.Second, "59 second(s)"}, {time.Second, "1 minute(s)"}, {time.Hour, "1 hour(s)"}, {48 * time.Hour, "2 day(s)"}} {
		w.pass(step.pass)
		g := listWith(t, s, first)
		want(t, "status", g.status, 401)
		want(t, "category", g.body["category"], "EXPIRED_AUTHENTICATION")
		want(t, "message", g.body["message"], "The OAuth token used to make this call expired "+step.ago+" ago.")
		want(t, "context", g.body["context"], "map[expire time:[2026-11-24T08:00:03Z]]")
		want(t, "header", g.header.Get("X-HubSpot-Auth-Failure"), "401 Unauthorized")
		want(t, "rate header", g.header.Get("X-HubSpot-RateLimit-Max"), "")
	}
	want(t, "unauthorized", s.Stats().Unauthorized, 5)
}

// Static tokens see the daily pair, OAuth tokens do not; section 3.4.
func TestDailyHeadersAreForStaticTokens(t *testing.T) {
	s := newSim(t, Config{Limit: 100, Daily: 1000})
	for token, daily := range map[string]string{s.Credentials().StaticToken: "1000", access(t, s): ""} {
		g := listWith(t, s, token)
		want(t, "window", g.header.Get("X-HubSpot-RateLimit-Max"), "100")
		want(t, "interval", g.header.Get("X-HubSpot-RateLimit-Interval-Milliseconds"), "10000")
		want(t, "daily", g.header.Get("X-HubSpot-RateLimit-Daily"), daily)
		if have := g.header.Get("X-HubSpot-RateLimit-Daily-Remaining"); (have != "") != (daily != "") {
			t.Errorf("daily remaining is %q beside a daily of %q", have, daily)
		}
	}
}

func TestRotateRefreshKillsTheOldOne(t *testing.T) {
	s := newSim(t, Config{Quirks: Quirks{RotateRefresh: true}})
	old := s.Credentials().RefreshToken
	g := refresh(t, s, old)
	next := g.body["refresh_token"].(string)
	if next == old {
		t.Fatal("the refresh token did not rotate")
	}
	want(t, "credentials follow", s.Credentials().RefreshToken, next)
	want(t, "old one", refresh(t, s, old).body["status"], "BAD_REFRESH_TOKEN")
	want(t, "new one", refresh(t, s, next).status, 200)
	want(t, "token of before", listWith(t, s, g.body["access_token"].(string)).status, 200)
	// The answer is lost, and with it the only refresh token that works.
	if err := s.SetFaults("token=lostx1"); err != nil {
		t.Fatal(err)
	}
	last := s.Credentials().RefreshToken
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://hubspot.example.com"+tokenPath, strings.NewReader(url.Values{
		"grant_type": {"refresh_token"}, "client_id": {s.Credentials().ClientID}, "client_secret": {s.Credentials().ClientSecret}, "refresh_token": {last},
	}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if _, err := s.Transport().RoundTrip(r); err == nil {
		t.Fatal("a lost answer came")
	}
	want(t, "after a lost answer", refresh(t, s, last).body["status"], "BAD_REFRESH_TOKEN")
	want(t, "granted all the same", s.Stats().Refreshes, 3)
}

// A revoked login: refreshes are refused, tokens that are out live on, and a new login works.
func TestRevoke(t *testing.T) {
	w := newWatch()
	for _, how := range []string{"people", "endpoint", "v1"} {
		s := newSim(t, Config{Clock: w.now})
		token, dead := access(t, s), s.Credentials().RefreshToken
		switch how {
		case "people":
			if err := s.Revoke("", false); err != nil {
				t.Fatal(err)
			}
			if err := s.Revoke(dead, false); err == nil {
				t.Error("a dead token was revoked again")
			}
		case "endpoint":
			g := form(t, s, tokenPath+"/revoke", "token", dead, "token_type_hint", "refresh_token")
			want(t, "revoke", []any{g.status, g.text}, "[200 ]")
			want(t, "again", form(t, s, tokenPath+"/revoke", "token", dead).status, 200)
			want(t, "wrong client", form(t, s, tokenPath+"/revoke", "token", dead, "client_id", "x").body["status"], "BAD_CLIENT_ID")
			want(t, "an access token stays", form(t, s, tokenPath+"/revoke", "token", token).status, 200)
		case "v1":
			g, err := try(t, s, "", http.MethodDelete, "/oauth/v1/refresh-tokens/"+dead, "")
			want(t, "revoke", []any{g.status, err}, "[204 <nil>]")
		}
		want(t, how, refresh(t, s, dead).body["status"], "BAD_REFRESH_TOKEN")
		want(t, "issued token", listWith(t, s, token).status, 200)
		again := form(t, s, tokenPath, "grant_type", "authorization_code", "code", codeOf(t, s, ""), "redirect_uri", redirectURL, "code_verifier", verifier)
		want(t, "login", again.status, 200)
		want(t, "refresh after login", refresh(t, s, again.body["refresh_token"].(string)).status, 200)
	}
}

// A second login leaves the first alone, or ends it: nobody knows.
func TestLoginEndsOlder(t *testing.T) {
	for _, ends := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{LoginEndsOlder: ends}})
		old, cred := s.Credentials().RefreshToken, s.Credentials()
		g := form(t, s, tokenPath, "grant_type", "authorization_code", "code", codeOf(t, s, ""), "redirect_uri", redirectURL, "code_verifier", verifier)
		want(t, "login", g.status, 200)
		want(t, "old login", refresh(t, s, old).status, map[bool]int{false: 200, true: 400}[ends])
		want(t, "other account", refresh(t, s, cred.OtherRefreshToken).status, 200)
		want(t, "exchanges", s.Stats().Exchanges, 1)
	}
}

// Ended from outside: as expired, and as unusable.
func TestEndTokens(t *testing.T) {
	w := newWatch()
	for expired, category := range map[bool]string{true: "EXPIRED_AUTHENTICATION", false: "INVALID_AUTHENTICATION"} {
		s := newSim(t, Config{Clock: w.now})
		token := access(t, s)
		s.EndTokens(expired)
		g := listWith(t, s, token)
		want(t, "answer", []any{g.status, g.body["category"]}, []any{401, category})
		want(t, "new token", listWith(t, s, access(t, s)).status, 200)
		want(t, "static token", listWith(t, s, s.Credentials().StaticToken).status, 200)
	}
}

// The token endpoint's own limit; ids are null. https://github.com/PostHog/posthog/pull/64726
func TestTokenEndpointLimit(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Limit: 100, Quirks: Quirks{TokenPerSecond: 2}})
	want(t, "two", []int{refresh(t, s, s.Credentials().RefreshToken).status, refresh(t, s, s.Credentials().RefreshToken).status}, "[200 200]")
	g := refresh(t, s, s.Credentials().RefreshToken)
	want(t, "third", []any{g.status, g.text}, `[429 {"status":"error","message":"You have reached your rate limit.","errorType":"RATE_LIMIT","correlationId":null,"policyName":"SECONDLY","requestId":null}]`)
	want(t, "introspection", form(t, s, tokenPath+"/introspect", "token", "x").status, 200)
	w.pass(time.Second)
	g = refresh(t, s, s.Credentials().RefreshToken)
	want(t, "a second later", []any{g.status, g.header.Get("X-HubSpot-RateLimit-Max")}, "[200 ]")
	// Its 429 says nothing about calls, which have a limit of their own.
	listWith(t, s, s.Credentials().StaticToken)
	st := s.Stats()
	want(t, "counted", []int{st.Limited["token"], st.TokenRequests, st.Refreshes, st.Early, st.DayUsed}, "[1 4 3 0 1]")
}

func TestIntrospect(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, TokenLife: 100 * time.Second})
	cred, token := s.Credentials(), access(t, s)
	w.pass(30 * time.Second)
	ask := func(token, hint string) got {
		t.Helper()
		return form(t, s, tokenPath+"/introspect", "token", token, "token_type_hint", hint)
	}
	g := ask(token, "access_token")
	want(t, "access token", []any{g.status, g.body["active"], g.body["token_use"], g.body["expires_in"], g.body["client_id"], g.body["is_private_distribution"]},
		[]any{200, true, "access_token", 70, cred.ClientID, true})
	want(t, "account", int64(g.body["hub_id"].(float64)), cred.PortalID)
	want(t, "user", []any{g.body["user"], g.body["hub_domain"]}, "[admin@example.com example.com]")
	if signed := g.body["signed_access_token"].(map[string]any); len(signed) != 17 {
		t.Errorf("signed token has %d fields, the description 17", len(signed))
	}
	g = ask(cred.RefreshToken, "")
	want(t, "refresh token", []any{g.body["active"], g.body["token_use"], g.body["expires_in"], g.body["signed_access_token"]}, "[true refresh_token <nil> <nil>]")
	g = ask(cred.OtherRefreshToken, "refresh_token")
	want(t, "other account", []any{int64(g.body["hub_id"].(float64)), g.body["hub_domain"]}, []any{cred.OtherPortalID, "example.org"})
	for name, g := range map[string]got{
		"unknown": ask("x", ""), "wrong hint": ask(token, "refresh_token"), "static": ask(cred.StaticToken, ""),
	} {
		want(t, name, []any{g.status, g.text}, `[200 {"active":false}]`)
	}
	w.pass(70 * time.Second)
	want(t, "expired", ask(token, "").text, `{"active":false}`)
	want(t, "wrong secret", form(t, s, tokenPath+"/introspect", "token", token, "client_secret", "x").body["status"], "BAD_CLIENT_SECRET")

	// v1 has the tokens in the URL.
	fresh := access(t, s)
	g = call200(t, s, "", http.MethodGet, "/oauth/v1/access-tokens/"+fresh, "")
	want(t, "v1 access", []any{g.status, g.body["token_type"], g.body["expires_in"]}, "[200 access 100]")
	g = call200(t, s, "", http.MethodGet, "/oauth/v1/refresh-tokens/"+cred.RefreshToken, "")
	want(t, "v1 refresh", []any{g.status, g.body["token_type"], g.body["client_id"]}, []any{200, "refresh", cred.ClientID})
	want(t, "v1 unknown", call200(t, s, "", http.MethodGet, "/oauth/v1/access-tokens/x", "").status, 404)
	want(t, "in the URL", s.Stats().SecretsInURL, 3)
}
