package auth_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/secret"
)

// visit plays the person at the authorize page and gives where the browser ends.
func (r *rig) visit(a *auth.Attempt) *url.URL {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.URL, nil)
	must(r, err)
	resp, err := r.sim.Transport().RoundTrip(req)
	must(r, err)
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.StatusCode != http.StatusFound {
		body, _ := io.ReadAll(resp.Body)
		r.Fatalf("the page answers %d: %s", resp.StatusCode, body)
	}
	return to
}

// The whole flow: state, PKCE, the form, introspection, revocation. Nothing secret is in an address, and each code is
// spent once.
func TestAuthorizationCodeFlow(t *testing.T) {
	r := newRig(t, hubspotsim.Config{Seed: 41})
	c := r.client()
	a, err := c.Begin()
	must(t, err)
	u, err := url.Parse(a.URL)
	must(t, err)
	q := u.Query()
	if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || len(q.Get("state")) < 26 || q.Get("response_type") != "code" ||
		q.Get("redirect_uri") != "http://localhost:8976/callback" || q.Get("scope") != "oauth crm.objects.contacts.read crm.objects.contacts.write" {
		t.Errorf("address %s", a.URL)
	}
	if strings.Contains(a.URL, "+") || strings.Contains(a.URL, a.Verifier().Reveal()) || strings.Contains(a.URL, r.sim.Credentials().ClientSecret) {
		t.Errorf("address %s", a.URL)
	}
	if b, err := c.Begin(); err != nil || b.URL == a.URL {
		t.Error("two attempts have one address")
	}
	code, err := a.Code(r.visit(a).Query())
	must(t, err)
	pair, err := c.Exchange(t.Context(), code, a.Verifier())
	must(t, err)
	cred := r.sim.Credentials()
	if pair.Life != 30*time.Minute || pair.HubID != cred.PortalID || len(pair.Scopes) != 3 || time.Since(pair.At) > time.Minute {
		t.Errorf("pair %+v", pair)
	}
	who, err := c.Introspect(t.Context(), pair.Access, auth.AccessToken)
	must(t, err)
	if !who.Active || who.HubID != cred.PortalID || who.Domain != "example.com" || who.User != "admin@example.com" || who.AppID == 0 ||
		len(who.Scopes) != 3 || who.Left < 29*time.Minute {
		t.Errorf("access token: %+v", who)
	}
	who, err = c.Introspect(t.Context(), pair.Refresh, auth.RefreshToken)
	must(t, err)
	if !who.Active || who.HubID != cred.PortalID || who.Left != 0 {
		t.Errorf("refresh token: %+v", who)
	}
	must(t, c.Revoke(t.Context(), pair.Refresh))
	if who, err = c.Introspect(t.Context(), pair.Refresh, auth.RefreshToken); err != nil || who.Active {
		t.Errorf("after the revocation: %+v, %v", who, err)
	}
	_, err = c.Refresh(t.Context(), pair.Refresh)
	if login, ok := errors.AsType[*auth.LoginError](err); !ok || login.Word != "BAD_REFRESH_TOKEN" {
		t.Errorf("refresh after the revocation: %v", err)
	}
	if who, err = c.Introspect(t.Context(), pair.Access, auth.AccessToken); err != nil || !who.Active {
		t.Errorf("the access token lives on: %+v, %v", who, err)
	}

	before := r.sim.Stats().TokenRequests
	_, err = c.Exchange(t.Context(), code, a.Verifier())
	if fault, ok := errors.AsType[*auth.FaultError](err); !ok || fault.Word != "BAD_AUTH_CODE" {
		t.Errorf("a code that was spent: %v", err)
	}
	a, err = c.Begin()
	must(t, err)
	b, err := c.Begin()
	must(t, err)
	_, err = c.Exchange(t.Context(), secret.New(r.visit(a).Query().Get("code")), b.Verifier())
	if fault, ok := errors.AsType[*auth.FaultError](err); !ok || fault.Word != "BAD_CODE_VERIFIER" {
		t.Errorf("a code of another attempt: %v", err)
	}
	st := r.sim.Stats()
	if st.TokenRequests != before+2 { // no second try with the credentials elsewhere
		t.Errorf("%d token requests for two exchanges", st.TokenRequests-before)
	}
	if st.SecretsInURL != 0 || st.Nameless != 0 || st.Undated != 0 {
		t.Errorf("%d secrets in addresses, %d requests without a name, %d undated paths", st.SecretsInURL, st.Nameless, st.Undated)
	}
}

// serverClient is a client of a server that the test writes.
func serverClient(t *testing.T, base string, timeout time.Duration) *auth.Client {
	t.Helper()
	transport, err := hubspot.NewBase(hubspot.BaseConfig{})
	must(t, err)
	t.Cleanup(transport.CloseIdleConnections)
	return auth.NewClient(auth.ClientConfig{BaseURL: base, APIVersion: "2026-09", ClientID: "client", ClientSecret: func() (secret.String, error) { return secret.New("client-secret"), nil },
		HTTP: &http.Client{Transport: transport, Timeout: timeout}})
}

// A redirect is not followed: it would carry the secret and the token to wherever it points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var stolen atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL+r.URL.Path, status) }))
		c := serverClient(t, s.URL, time.Second)
		_, err := c.Refresh(t.Context(), secret.New("refresh"))
		if _, ok := errors.AsType[*auth.WaitError](err); !ok {
			t.Errorf("%d: refresh: %v", status, err)
		}
		if _, err := c.Introspect(t.Context(), secret.New("x"), auth.AccessToken); err == nil {
			t.Errorf("%d: introspect succeeds", status)
		}
		if err := c.Revoke(t.Context(), secret.New("x")); err == nil {
			t.Errorf("%d: revoke succeeds", status)
		}
		s.Close()
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

// Answers that are none, and lives that are odd.
func TestOddAnswers(t *testing.T) {
	for _, tc := range []struct {
		body, kind string
		life       time.Duration // -1 = no pair
	}{
		{`{"access_token":"a","refresh_token":"r","expires_in":77}`, "application/json", 77 * time.Second},
		{`{"access_token":"a","refresh_token":"r","expires_in":"77"}`, "application/json", 77 * time.Second},
		{`{"access_token":"a","refresh_token":"r"}`, "application/json", 0},
		{`{"access_token":"a","refresh_token":"r","expires_in":-5}`, "application/json", 0},
		{`{"access_token":"a","refresh_token":"r","expires_in":99999999999}`, "application/json", 24 * time.Hour},
		{`{"access_token":"a","refresh_token":"r","expires_in":77,"hub_id":"x","scopes":{}}`, "application/json", 77 * time.Second},
		{`{"access_token":"a","expires_in":77}`, "application/json", 77 * time.Second}, // the refresh token stays
		{`{"refresh_token":"r","expires_in":77}`, "application/json", -1},
		{`{"access_token":"","refresh_token":"r"}`, "application/json", -1},
		{`{"access_token":"a","refresh_tok`, "application/json", -1},
		{`[]`, "application/json", -1},
		{``, "application/json", -1},
		{`<html>a proxy says hello</html>`, "text/html", -1},
		{`hello`, "text/plain", -1},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tc.kind)
			_, _ = io.WriteString(w, tc.body)
		}))
		pair, err := serverClient(t, s.URL, time.Second).Refresh(t.Context(), secret.New("the-old-one"))
		s.Close()
		if tc.life < 0 {
			if w, ok := errors.AsType[*auth.WaitError](err); !ok || !w.Unknown || strings.Contains(err.Error(), "hello") {
				t.Errorf("%s: %v", tc.body, err)
			}
			continue
		}
		if err != nil || pair.Life != tc.life || pair.Access.Reveal() != "a" || pair.Refresh.Empty() {
			t.Errorf("%s: life %s, %v", tc.body, pair.Life, err)
		}
	}
}

// Trouble on the way is told in words of our own; whether HubSpot may have carried the request out is known.
func TestTroubleOnTheWay(t *testing.T) {
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server hears that the client has gone
		<-r.Context().Done()
	}))
	defer hanging.Close()
	cutting := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cutting.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	for _, tc := range []struct {
		url, want string
		unknown   bool
	}{
		{hanging.URL, "no answer in time", true},
		{cutting.URL, "connection broken", true},
		{gone.URL, "connection refused", false},
		{tls.URL, "certificate", false},
		{"https://nowhere.example.com", "lookup nowhere.example.com", false},
	} {
		patience := 30 * time.Second // a busy machine is no reason to time out
		if tc.url == hanging.URL {
			patience = 200 * time.Millisecond
		}
		_, err := serverClient(t, tc.url, patience).Refresh(t.Context(), secret.New("na1-refresh"))
		w, ok := errors.AsType[*auth.WaitError](err)
		if !ok || w.Unknown != tc.unknown || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: unknown %t: %v", tc.want, ok && w.Unknown, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "na1-refresh") || strings.Contains(text, "client-secret") {
			t.Errorf("the error holds a secret: %s", text)
		}
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("stopping"))
	if _, err := serverClient(t, hanging.URL, time.Second).Refresh(stopped, secret.New("x")); err == nil || hubspot.Classify(&hubspot.TokenError{Err: err}) == hubspot.ClassUnauthorized {
		t.Errorf("stopped: %v", err)
	}
}

// A client secret that cannot be read is a fault of this machine; no request is made without one.
func TestNoClientSecret(t *testing.T) {
	c := auth.NewClient(auth.ClientConfig{BaseURL: "http://127.0.0.1:9", APIVersion: "2026-09", HTTP: &http.Client{},
		ClientSecret: func() (secret.String, error) { return secret.String{}, errors.New("no file hubspot-client-secret") }})
	_, err := c.Refresh(t.Context(), secret.New("x"))
	if fault, ok := errors.AsType[*auth.FaultError](err); !ok || !fault.Local() || !strings.Contains(err.Error(), "no file") {
		t.Errorf("%v", err)
	}
}
