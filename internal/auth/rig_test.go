package auth_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/people"
	"leadsync/internal/secret"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
	_ "leadsync/internal/testnet" // tests reach no other machine
)

const portal = "default"

// rig is a simulator and a database with a login in it. Sources made of it are processes that share both.
type rig struct {
	*testing.T
	sim  *hubspotsim.Sim
	db   *store.DB
	url  string
	keys *people.Keyring
	line string // of the key file
	log  *slog.Logger
	base http.RoundTripper
	jump time.Duration // of the wall clock
}

func newRig(t *testing.T, cfg hubspotsim.Config) *rig {
	t.Helper()
	sim, err := hubspotsim.New(cfg)
	must(t, err)
	url, line := storetest.SQLite(t), people.NewKey()
	r := &rig{T: t, sim: sim, url: url, db: storetest.Open(t, url), keys: ringOf(t, line), line: line, base: sim.Transport(),
		log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	r.login()
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ringOf(t testing.TB, lines string) *people.Keyring {
	t.Helper()
	k, err := people.ParseKeys(lines)
	must(t, err)
	return k
}

func (r *rig) wall() time.Time { return time.Now().Add(r.jump) }

// client is the app of the simulator.
func (r *rig) client() *auth.Client {
	cred := r.sim.Credentials()
	return auth.NewClient(auth.ClientConfig{BaseURL: "https://sim.example.com", AuthorizeURL: "https://sim.example.com/oauth/authorize",
		APIVersion: "2026-09", ClientID: cred.ClientID, RedirectURL: "http://localhost:8976/callback",
		Scopes:       []string{auth.ScopeOAuth, auth.ScopeContactsRead, auth.ScopeContactsWrite},
		ClientSecret: func() (secret.String, error) { return secret.New(r.sim.Credentials().ClientSecret), nil },
		HTTP:         &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{Base: r.base, UserAgent: "leadsync/test"}), Timeout: 15 * time.Second},
		Wall:         r.wall})
}

// login stores a new login of the simulator's first account: the access token is fresh.
func (r *rig) login() int64 {
	r.Helper()
	cred := r.sim.Credentials()
	pair, err := r.client().Refresh(r.Context(), secret.New(cred.RefreshToken))
	must(r, err)
	g := auth.Grant{Portal: portal, ClientID: cred.ClientID, HubID: cred.PortalID, GrantedAt: r.wall().UnixMilli(), RefreshedAt: r.wall().UnixMilli(),
		Scopes: auth.JoinScopes(pair.Scopes), ExpiresAt: pair.At.Add(pair.Life).UnixMilli(), Life: pair.Life.Milliseconds()}
	must(r, g.Seal(r.keys, pair.Access, pair.Refresh))
	generation, err := r.db.Tokens().Connect(r.Context(), g, "https://sim.example.com")
	must(r, err)
	r.sim.ResetStats()
	return generation
}

// source is a process's.
func (r *rig) source(owner string, change ...func(*auth.Config)) *auth.Source {
	cfg := auth.Config{Portal: portal, Owner: owner, Grants: r.db.Tokens(), Keys: r.keys, Client: r.client(), Log: r.log, Wall: r.wall,
		Waits: func(n int) time.Duration { return min(time.Second<<(n-1), time.Minute) }}
	for _, f := range change {
		f(&cfg)
	}
	s := auth.NewSource(cfg)
	r.Cleanup(func() { closeSource(s) })
	return s
}

func closeSource(s *auth.Source) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s.Close(ctx)
}

// calls is a HubSpot client with the source's tokens.
func (r *rig) calls(s hubspot.TokenSource) *hubspot.Client {
	return hubspot.New(hubspot.Config{BaseURL: "https://sim.example.com", HTTP: &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{
		Base: r.base, Tokens: s, UserAgent: "leadsync/test"})}, Log: r.log})
}

// grant is the row.
func (r *rig) grant() auth.Grant {
	r.Helper()
	g, err := r.db.Tokens().Grant(context.WithoutCancel(r.Context()), portal)
	must(r, err)
	return g
}

// want holds what the simulator counted against what may be.
func (r *rig) want(what string, refreshes, unauthorized int) {
	r.Helper()
	if s := r.sim.Stats(); s.Refreshes != refreshes || s.Unauthorized != unauthorized {
		r.Errorf("%s: %d refreshes and %d answers 401, want %d and %d", what, s.Refreshes, s.Unauthorized, refreshes, unauthorized)
	}
}

// together runs f n times at once and wants no error.
func together(t testing.TB, n int, f func() error) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := f(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// tokenOf takes a token and wants one.
func (r *rig) tokenOf(s *auth.Source) (string, int64) {
	r.Helper()
	token, generation, err := s.Token(context.WithoutCancel(r.Context()))
	if err != nil {
		r.Fatalf("no token: %v", err)
	}
	return token.Reveal(), generation
}

func call(ctx context.Context, c *hubspot.Client) error {
	if _, err := c.Account(ctx); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	return nil
}
