package openapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/secret"
	_ "leadsync/internal/testnet" // tests reach no other machine
)

const (
	host     = "https://api.hubapi.com"
	redirect = "http://localhost:8976/callback"
	timeout  = 15 * time.Second
)

// wrapper goes between client and simulator.
type wrapper func(http.RoundTripper) http.RoundTripper

// stage is a simulator with our clients before it, inside a bubble.
type stage struct {
	*testing.T
	sim     *hubspotsim.Sim
	base    http.RoundTripper // the simulator behind the wrapper
	version string
}

// onStage runs play inside a bubble. A custom unique property lead_key is defined.
func onStage(t *testing.T, version string, cfg hubspotsim.Config, wrap wrapper, play func(*stage)) {
	synctest.Test(t, func(t *testing.T) {
		cfg.Seed, cfg.Properties = 1, []hubspotsim.Property{{Name: "lead_key", HasUniqueValue: true}}
		if cfg.Subscriptions == nil {
			cfg.Subscriptions = subscriptions()
		}
		sim, err := hubspotsim.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		play(&stage{T: t, sim: sim, base: wrap(sim.Transport()), version: version})
	})
}

// held is a token source that has one token for ever.
type held string

func (h held) Token(context.Context) (secret.String, int64, error) {
	return secret.New(string(h)), 1, nil
}
func (h held) Reject(context.Context, int64) error { return nil }

// client is ours, with a token.
func (s *stage) client(token string) *hubspot.Client {
	return hubspot.New(hubspot.Config{
		BaseURL: host, APIVersion: s.version, UserAgent: "leadsync/test", Timeout: timeout,
		HTTP: &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{Base: s.base, Tokens: held(token)})},
		Log:  slog.New(slog.NewTextHandler(s.Output(), nil)),
	})
}

// good is the client with a token that works.
func (s *stage) good() *hubspot.Client { return s.client(s.sim.Credentials().StaticToken) }

// app is our client of the OAuth endpoints.
func (s *stage) app() *auth.Client {
	return auth.NewClient(auth.ClientConfig{
		BaseURL: host, AuthorizeURL: host + hubspotsim.AuthorizePath, APIVersion: s.version, ClientID: s.sim.Credentials().ClientID,
		RedirectURL: redirect, Scopes: []string{auth.ScopeOAuth, auth.ScopeContactsRead, auth.ScopeContactsWrite},
		ClientSecret: func() (secret.String, error) { return secret.New(s.sim.Credentials().ClientSecret), nil },
		HTTP:         &http.Client{Transport: s.base, Timeout: timeout},
	})
}

// ada makes a contact and gives its id.
func (s *stage) ada() string {
	s.Helper()
	got, err := s.good().BatchCreate(s.Context(), []hubspot.Input{row("a", "", "email", "ada@example.com")})
	if err != nil || len(got.Results) != 1 {
		s.Fatalf("make a contact: %v", err)
	}
	return string(got.Results[0].ID)
}

// done ends the scene when something that must work does not.
func (s *stage) done(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// code goes to the authorize page as a browser does and gives the code of the redirect. The page is not part of the
// API.
func (s *stage) code(a *auth.Attempt) secret.String {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, a.URL, nil)
	s.done("authorize", err)
	resp, err := s.sim.Transport().RoundTrip(r)
	s.done("authorize", err)
	_, _ = io.Copy(io.Discard, resp.Body)
	to, err := url.Parse(resp.Header.Get("Location"))
	s.done("authorize", err)
	code, err := a.Code(to.Query())
	s.done("authorize", err)
	return code
}

// send makes a request that our client has no method for, and wants a status.
func (s *stage) send(want int, method, path, body string) string {
	s.Helper()
	status, text := s.try(method, path, body)
	if status != want {
		s.Fatalf("%s %s: %d, want %d: %s", method, path, status, want, text)
	}
	return text
}

func (s *stage) try(method, path, body string) (int, string) {
	s.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(s.Context(), method, host+strings.ReplaceAll(path, "VERSION", s.version), reader)
	s.done("make the request", err)
	r.Header.Set("Authorization", "Bearer "+s.sim.Credentials().StaticToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.base.RoundTrip(r)
	s.done(path, err)
	text, err := io.ReadAll(resp.Body)
	s.done(path, err)
	return resp.StatusCode, string(text)
}
