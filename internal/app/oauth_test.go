package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/config"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/people"
	"leadsync/internal/store"
	"leadsync/internal/testsize"
)

// oauthRig is a rig whose daemon has an OAuth grant.
type oauthRig struct {
	*rig
	cfg  *config.Loaded
	keys *people.Keyring
	said logText // the daemon's log
}

func inOAuthBubble(t *testing.T, cfg hubspotsim.Config, f func(*oauthRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &oauthRig{rig: newRig(t, cfg, "")}
		r.log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &r.said), nil))
		r.write("hubspot-client-secret", r.sim.Credentials().ClientSecret)
		r.write("leadsync.yaml", "hubspot: {timeout: 10s}")
		var err error
		r.cfg, err = config.Load(config.Source{File: filepath.Join(r.dir, "leadsync.yaml"), Environ: []string{"LEADSYNC_DATABASE_URL=" + r.url,
			"LEADSYNC_HUBSPOT_BASE_URL=http://127.0.0.1:9", "LEADSYNC_HUBSPOT_AUTHORIZE_URL=http://127.0.0.1:9/oauth/authorize",
			"LEADSYNC_HUBSPOT_AUTH_CLIENT_ID=" + r.sim.Credentials().ClientID,
			"LEADSYNC_HUBSPOT_LIMITS_REQUESTS_PER_10S=0", "LEADSYNC_HUBSPOT_LIMITS_DAILY=0", "LEADSYNC_HUBSPOT_LIMITS_SHARE=1", "LEADSYNC_STATUS_LISTEN="}})
		must(t, err)
		key, err := r.cfg.TokenKeys()
		must(t, err)
		r.keys, err = people.ParseKeys(key.Reveal())
		must(t, err)
		defer r.close()
		f(r)
	})
}

// run starts the daemon.
func (r *oauthRig) run() {
	r.t.Helper()
	a, err := New(Options{Config: r.cfg, Log: r.log, Version: "test", Base: r.sim.Transport()})
	must(r.t, err)
	ctx, stop := context.WithCancelCause(context.Background())
	run := &running{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		run.err = a.Run(ctx)
	}()
	r.running = run
}

// login does what `leadsync auth login` does in its own process, with a person who chooses the account; 0 = the first
// one.
func (r *oauthRig) login(account int64) {
	r.t.Helper()
	ctx := context.WithoutCancel(r.t.Context())
	must(r.t, r.sim.SetAuthorize(hubspotsim.Authorize{PortalID: account}))
	dial, err := Dial(ctx, r.cfg, DialOptions{Base: r.sim.Transport(), Version: "test"})
	must(r.t, err)
	client := dial.OAuth()
	attempt, err := client.Begin()
	must(r.t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, attempt.URL, nil)
	must(r.t, err)
	resp, err := r.sim.Transport().RoundTrip(req)
	must(r.t, err)
	code, err := attempt.Pasted(resp.Header.Get("Location"))
	must(r.t, err)
	pair, err := client.Exchange(ctx, code, attempt.Verifier())
	must(r.t, err)
	g := auth.Grant{Portal: "default", ClientID: client.ClientID(), HubID: pair.HubID, Scopes: auth.JoinScopes(pair.Scopes),
		ExpiresAt: pair.At.Add(pair.Life).UnixMilli(), Life: pair.Life.Milliseconds(), GrantedAt: time.Now().UnixMilli(), RefreshedAt: time.Now().UnixMilli()}
	must(r.t, g.Seal(r.keys, pair.Access, pair.Refresh))
	db, err := store.Open(ctx, r.url, store.Options{})
	must(r.t, err)
	defer db.Close()
	_, err = db.Tokens().Connect(ctx, g, r.cfg.HubSpot.BaseURL)
	must(r.t, err)
}

// errorLines are the error lines of the daemon's log.
func (r *oauthRig) errorLines() []string {
	var out []string
	for line := range strings.Lines(r.said.String()) {
		if strings.Contains(line, "level=ERROR") {
			out = append(out, line)
		}
	}
	return out
}

// A grant that dies with 10,000 rows queued costs nothing but time: no row is dead, none loses an attempt, the log says
// once and then once an hour what to do, HubSpot is left alone, and after a login in another process everything is
// delivered without a restart.
func TestG5DeadGrantLosesNothing(t *testing.T) {
	t.Parallel()
	n := testsize.Of(10_000, 1_000)
	inOAuthBubble(t, hubspotsim.Config{Seed: 71, Latency: 20 * time.Millisecond}, func(r *oauthRig) {
		r.login(0)
		r.run()
		warm := r.event("warm", "lead.registered", "warm@example.com", `{}`)
		r.settled(time.Minute)
		r.want(warm, "delivered")

		must(t, r.sim.Revoke("", false))
		r.sim.EndTokens(true)
		r.sim.ResetStats()
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range n {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
		})
		time.Sleep(3*time.Hour + 10*time.Minute)
		if got := r.counts(); got["pending"] != n || len(got) != 2 {
			t.Errorf("after three hours without a grant: %v", got)
		}
		var tried int
		must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE attempts > 0`).Scan(&tried))
		if tried != 0 {
			t.Errorf("%d rows lost an attempt", tried)
		}
		st := r.sim.Stats()
		if st.TokenRequests > 14 || st.Unauthorized > 20 {
			t.Errorf("HubSpot was asked for a token %d times, and refused %d calls", st.TokenRequests, st.Unauthorized)
		}
		lines := r.errorLines()
		if len(lines) < 3 || len(lines) > 4 {
			t.Errorf("%d error lines in three hours: %s", len(lines), lines)
		}
		for _, line := range lines {
			if !strings.Contains(line, `msg="authorization required"`) || !strings.Contains(line, "leadsync auth login") {
				t.Errorf("the line does not say what to do: %s", line)
			}
		}
		if s := r.status(); s.State != "needs_login" || !strings.Contains(s.Cure, "leadsync auth login") || s.Token.ExpiresAt != nil {
			t.Errorf("status %+v", s)
		}

		r.login(0)
		time.Sleep(time.Second)
		if got := r.counts()["delivered"]; got < 2 {
			t.Errorf("a second after the login %d rows are delivered", got)
		}
		r.settled(10 * time.Minute)
		if got := r.counts(); got["delivered"] != n+1 || len(got) != 1 {
			t.Errorf("after the login: %v", got)
		}
		if s := r.status(); s.State != "running" || s.Token.ExpiresAt == nil {
			t.Errorf("status %+v", s)
		}
		if n := strings.Count(r.said.String(), `msg="daemon started"`); n != 1 {
			t.Errorf("the daemon started %d times", n)
		}
	})
}

// A daemon that is started before the first login waits for it, and an idle one finds out that its grant died, and that
// it is back.
func TestLoginIsFoundByItself(t *testing.T) {
	t.Parallel()
	inOAuthBubble(t, hubspotsim.Config{Seed: 72}, func(r *oauthRig) {
		r.run()
		id := r.event("1", "lead.registered", "ada@example.com", `{}`)
		time.Sleep(10 * time.Minute)
		if s := r.status(); s.State != "needs_login" || len(r.errorLines()) != 1 {
			t.Errorf("before the first login: %+v, %s", s, r.errorLines())
		}
		r.login(0)
		time.Sleep(time.Second)
		r.want(id, "delivered")

		// Idle for hours: the token is renewed all the same.
		time.Sleep(100 * time.Minute)
		if st := r.sim.Stats(); st.Refreshes < 4 || st.Refreshes > 5 || st.Unauthorized != 0 {
			t.Errorf("idle: %d refreshes, %d answers 401", st.Refreshes, st.Unauthorized)
		}
		must(t, r.sim.Revoke("", true))
		time.Sleep(30 * time.Minute)
		if s := r.status(); s.State != "needs_login" || len(r.errorLines()) != 2 {
			t.Errorf("idle with a dead grant: %+v, %s", s, r.errorLines())
		}
		must(t, r.sim.Reset())
		r.login(0)
		time.Sleep(time.Second)
		if s := r.status(); s.State != "running" {
			t.Errorf("idle after the login: %+v", s)
		}
	})
}

// A client secret that was changed pauses the lane with its cure when the token ends, keeps the grant, and heals when
// the file is corrected.
func TestConfigurationFaultKeepsTheGrant(t *testing.T) {
	t.Parallel()
	inOAuthBubble(t, hubspotsim.Config{Seed: 73}, func(r *oauthRig) {
		r.login(0)
		r.run()
		time.Sleep(time.Minute)
		fresh := r.sim.RotateClient(false).ClientSecret
		time.Sleep(28 * time.Minute)
		if s := r.status(); s.State != "running" {
			t.Errorf("while the token lives: %+v", s)
		}
		id := r.event("1", "lead.registered", "ada@example.com", `{}`)
		time.Sleep(10 * time.Minute)
		r.want(id, "delivered") // the token still lived
		id = r.event("2", "lead.registered", "bob@example.com", `{}`)
		time.Sleep(10 * time.Minute)
		if o := r.want(id, "pending"); o.Attempts != 0 {
			t.Errorf("%d attempts", o.Attempts)
		}
		s := r.status()
		if s.State != "paused" || !strings.Contains(s.Cause, "BAD_CLIENT_SECRET") || !strings.Contains(s.Cure, "client_secret_file") {
			t.Errorf("status %+v", s)
		}
		if n := len(r.errorLines()); n < 1 || n > 5 {
			t.Errorf("%d error lines: %s", n, r.errorLines())
		}
		if st := r.sim.Stats(); st.TokenRequests > 100 {
			t.Errorf("%d token requests", st.TokenRequests)
		}
		r.write("hubspot-client-secret", fresh)
		time.Sleep(2 * time.Minute)
		r.want(id, "delivered")
		if s := r.status(); s.State != "running" {
			t.Errorf("after the cure: %+v", s)
		}
	})
}

// A token endpoint that is away for hours degrades the lane and no more.
func TestTokenEndpointAwayDegrades(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"429", "hang"} {
		inOAuthBubble(t, hubspotsim.Config{Seed: 74}, func(r *oauthRig) {
			r.login(0)
			r.run()
			time.Sleep(time.Minute)
			must(t, r.sim.SetFaults("token="+fault))
			r.sim.EndTokens(true)
			id := r.event("1", "lead.registered", "ada@example.com", `{}`)
			time.Sleep(40 * time.Minute)
			if s := r.status(); s.State != "degraded" || len(r.errorLines()) != 0 {
				t.Errorf("%s: %+v, %s", fault, s, r.errorLines())
			}
			if o := r.want(id, "pending"); o.Attempts != 0 {
				t.Errorf("%s: %d attempts", fault, o.Attempts)
			}
			must(t, r.sim.SetFaults(""))
			time.Sleep(3 * time.Minute)
			r.want(id, "delivered")
		})
	}
}

// A login to another account with --repin, while the daemon runs: it starts over with the links of that account, and no
// contact of the first one is written there.
func TestRepinWhileRunning(t *testing.T) {
	t.Parallel()
	inOAuthBubble(t, hubspotsim.Config{Seed: 75}, func(r *oauthRig) {
		cred := r.sim.Credentials()
		r.login(0)
		r.run()
		first := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.settled(time.Minute)
		r.want(first, "delivered")
		r.login(cred.OtherPortalID)
		time.Sleep(3 * time.Second)
		second := r.event("1", "lead.updated", "ada@example.com", `{"lastname":"Lovelace"}`)
		r.settled(time.Minute)
		r.want(second, "delivered")
		rows, err := r.db.Query(`SELECT hub_id, contact_id FROM leadsync_links WHERE lead_id = '1' ORDER BY hub_id`)
		must(t, err)
		defer rows.Close()
		links := map[int64]string{}
		for rows.Next() {
			var hub int64
			var contact string
			must(t, rows.Scan(&hub, &contact))
			links[hub] = contact
		}
		must(t, rows.Err())
		if len(links) != 2 || links[cred.PortalID] == "" || links[cred.OtherPortalID] == "" || links[cred.PortalID] == links[cred.OtherPortalID] {
			t.Errorf("links %v", links)
		}
		if c := r.contact("ada@example.com"); c["lastname"] != "" {
			t.Errorf("the first account was written after the move: %v", c)
		}
		if n := r.sim.Stats().Statuses["404"]; n != 0 {
			t.Errorf("%d requests named contacts that the account does not have", n)
		}
	})
}

// A token file that is replaced by one of another account sends nothing there.
func TestOtherAccountsStaticTokenSendsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 76}, "", func(r *rig) {
		r.start()
		first := r.event("1", "lead.registered", "ada@example.com", `{}`)
		r.settled(time.Minute)
		r.want(first, "delivered")
		r.write("hubspot-token", r.sim.Credentials().OtherStaticToken)
		right := r.sim.RotateToken(true)
		id := r.event("1", "lead.updated", "ada@example.com", `{"firstname":"Ada"}`)
		time.Sleep(20 * time.Minute)
		r.want(id, "pending")
		if n := r.sim.Stats().OtherAccount; n != 0 {
			t.Errorf("%d requests went to the other account", n)
		}
		if s := r.status(); s.State != "paused" || !strings.Contains(s.Cause, fmt.Sprint(r.sim.Credentials().OtherPortalID)) {
			t.Errorf("status %+v", s)
		}
		r.write("hubspot-token", right)
		r.settled(5 * time.Minute)
		r.want(id, "delivered")
	})
}

// After a rotation of the token key the old line can go: the hash key and, at the next refresh, the tokens are sealed
// anew.
func TestTokenKeyRotation(t *testing.T) {
	t.Parallel()
	inOAuthBubble(t, hubspotsim.Config{Seed: 77}, func(r *oauthRig) {
		r.login(0)
		old, err := r.cfg.TokenKeys()
		must(t, err)
		r.run() // makes the hash key
		time.Sleep(time.Second)
		r.stop()
		fresh := people.NewKey()
		r.write("token-key", fresh+"\n"+old.Reveal())
		r.run()
		time.Sleep(25 * time.Minute)
		r.stop()
		r.write("token-key", fresh)
		r.run()
		id := r.event("1", "lead.registered", "ada@example.com", `{}`)
		time.Sleep(time.Minute)
		r.want(id, "delivered")
	})
}
