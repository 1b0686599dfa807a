package auth_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/people"
)

// shaky is a database that can be away for writes of a new pair, or slow with them.
type shaky struct {
	auth.Grants
	mu    sync.Mutex
	fails int
	slow  time.Duration
	tried int
}

var errAway = errors.New("connection refused")

func (d *shaky) RenewGrant(ctx context.Context, next auth.Grant) (bool, error) {
	d.mu.Lock()
	d.tried++
	fail := d.fails != 0
	if d.fails > 0 {
		d.fails--
	}
	slow := d.slow
	d.slow = 0
	d.mu.Unlock()
	if fail {
		return false, errAway
	}
	if slow > 0 { // a machine that was suspended: no time-out runs
		time.Sleep(slow)
		ctx = context.WithoutCancel(ctx)
	}
	return d.Grants.RenewGrant(ctx, next)
}

// A new pair is used only when it is stored. While the database is away it is kept, HubSpot is not asked again, and it
// is stored by the first try that gets through, or by the last one at the end.
func TestPairIsStoredBeforeItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 31, Quirks: hubspotsim.Quirks{RotateRefresh: true}})
		db := &shaky{Grants: r.db.Tokens(), fails: -1}
		s := r.source("one", func(c *auth.Config) { c.Grants = db })
		time.Sleep(time.Hour)
		for range 10 {
			_, _, err := s.Token(t.Context())
			if w, ok := errors.AsType[*auth.WaitError](err); !ok || !errors.Is(err, errAway) {
				t.Fatalf("while the pair is not stored: %v", err)
			} else {
				time.Sleep(w.After())
			}
			time.Sleep(10 * time.Second)
		}
		r.want("the database is away", 1, 0)
		db.mu.Lock()
		db.fails = 0
		db.mu.Unlock()
		time.Sleep(2 * time.Minute)
		must(t, call(t.Context(), r.calls(s)))
		r.want("the database is back", 1, 0)

		// The process ends while the database is away, and it comes back just in time.
		time.Sleep(time.Hour)
		db.mu.Lock()
		db.fails = 5
		db.mu.Unlock()
		if _, _, err := s.Token(t.Context()); !errors.Is(err, errAway) {
			t.Fatalf("away once more: %v", err)
		}
		closeSource(s)
		if _, _, err := s.Token(t.Context()); err == nil {
			t.Error("a closed source gives tokens")
		}
		must(t, call(t.Context(), r.calls(r.source("two"))))
		r.want("after the end", 2, 0)
	})
}

// The database is away when the row is to be read: trouble that passes.
func TestDatabaseAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 32})
		s := r.source("one", func(c *auth.Config) { c.Grants = unreadable{r.db.Tokens()} })
		_, _, err := s.Token(t.Context())
		if _, ok := errors.AsType[*auth.WaitError](err); !ok || !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		if _, err := s.Look(t.Context()); !errors.Is(err, errAway) {
			t.Errorf("look: %v", err)
		}
	})
}

type unreadable struct{ auth.Grants }

func (unreadable) Grant(context.Context, string) (auth.Grant, error) {
	return auth.Grant{}, errAway
}

// The lease of a process that died is waited out, and not longer; while its token lives nobody waits.
func TestDeadLeaseIsWaitedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 33})
		lease := func() {
			g := r.grant()
			ok, err := r.db.Tokens().LeaseGrant(t.Context(), g, "dead", g.Now+25_000)
			if !ok || err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(25 * time.Minute) // due, not over
		lease()
		s := r.source("one")
		began := time.Now()
		must(t, call(t.Context(), r.calls(s)))
		if d := time.Since(began); d != 0 {
			t.Errorf("a token that lives was waited for: %s", d)
		}
		time.Sleep(time.Hour)
		lease()
		began = time.Now()
		must(t, call(t.Context(), r.calls(s)))
		if d := time.Since(began); d < 24*time.Second || d > 26*time.Second {
			t.Errorf("a lease of 25 s was waited for %s", d)
		}
		if g := r.grant(); g.LeaseOwner != "" {
			t.Errorf("the lease is left: %+v", g)
		}

		// The database's clock was set back: the lease seems to last for another hour.
		time.Sleep(time.Hour)
		g := r.grant()
		ok, err := r.db.Tokens().LeaseGrant(t.Context(), g, "dead", g.Now+time.Hour.Milliseconds())
		if !ok || err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		must(t, call(t.Context(), r.calls(s)))
		if d := time.Since(began); d > 30*time.Second {
			t.Errorf("a lease with an end in the far future was waited for %s", d)
		}
	})
}

// A machine that is suspended between HubSpot's answer and the write holds the only refresh token that works. Another
// process that takes over meanwhile finds the old one dead and says so; when the first one wakes its pair is stored,
// and both go on.
func TestSuspendedInTheMiddle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 34, Quirks: hubspotsim.Quirks{RotateRefresh: true}})
		db := &shaky{Grants: r.db.Tokens(), slow: 10 * time.Minute}
		first := r.source("first", func(c *auth.Config) { c.Grants = db })
		second := r.source("second")
		time.Sleep(time.Hour)
		done := make(chan error, 1)
		go func() {
			_, _, err := first.Token(t.Context())
			done <- err
		}()
		time.Sleep(time.Second)
		_, _, err := second.Token(t.Context())
		if login, ok := errors.AsType[*auth.LoginError](err); !ok || !login.Doubt {
			t.Errorf("the second: %v", err)
		}
		must(t, <-done)
		if connected, err := second.Look(t.Context()); !connected || err != nil {
			t.Errorf("look: %t, %v", connected, err)
		}
		must(t, call(t.Context(), r.calls(second)))
		if g := r.grant(); g.NeedsLogin != "" {
			t.Errorf("the grant is %+v", g)
		}
	})
}

// A refresh that fails looks again before it says that a person must log in: another process has renewed the pair
// meanwhile, and the token that HubSpot refuses is refused for its age.
func TestFailedRefreshLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 35, Quirks: hubspotsim.Quirks{RotateRefresh: true}})
		old := r.grant()
		time.Sleep(time.Hour)
		r.tokenOf(r.source("first"))
		s := r.source("second", func(c *auth.Config) { c.Grants = &stale{Grants: r.db.Tokens(), old: old} })
		r.tokenOf(s)
		if g := r.grant(); g.NeedsLogin != "" || g.Generation != 2 {
			t.Errorf("the grant is %+v", g)
		}
	})
}

// stale shows the row as it was, once, and lets the lease on it succeed: the moment between reading and leasing is
// stretched.
type stale struct {
	auth.Grants
	old  auth.Grant
	read int
}

func (d *stale) Grant(ctx context.Context, portal string) (auth.Grant, error) {
	if d.read++; d.read == 1 {
		return d.old, nil
	}
	return d.Grants.Grant(ctx, portal)
}

func (d *stale) LeaseGrant(ctx context.Context, seen auth.Grant, owner string, until int64) (bool, error) {
	if seen.Generation == d.old.Generation {
		return true, nil
	}
	return d.Grants.LeaseGrant(ctx, seen, owner, until)
}

// A database that is copied without the key gives no token; another portal's row does not open either; a new first line
// of the key file seals at the next refresh.
func TestSealing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 36})
		g := r.grant()
		refresh := r.sim.Credentials().RefreshToken
		if g.RefreshToken == "" || strings.Contains(g.AccessToken+g.RefreshToken, refresh) {
			t.Error("the tokens are not sealed")
		}
		for what, change := range map[string]func(*auth.Config){
			"without the key": func(c *auth.Config) { c.Keys = ringOf(t, people.NewKey()) },
			"as another portal's": func(c *auth.Config) {
				c.Grants = moved{r.db.Tokens()}
				c.Portal = "other"
			},
			"with the tokens changed over": func(c *auth.Config) { c.Grants = swapped{r.db.Tokens()} },
		} {
			s := r.source(what, change)
			_, _, err := s.Token(t.Context())
			fault, ok := errors.AsType[*auth.FaultError](err)
			if !ok || !fault.Misconfigured() || !fault.Local() || !errors.Is(err, auth.ErrSealed) || fault.Cure() == "" {
				t.Errorf("%s: %v", what, err)
			}
		}
		if now := r.grant(); now.NeedsLogin != "" || now.Generation != g.Generation {
			t.Errorf("the grant was touched: %+v", now)
		}

		old, _ := r.keys.KeyID(g.RefreshToken)
		fresh := people.NewKey()
		both := ringOf(t, fresh+"\n"+r.line)
		s := r.source("rotated", func(c *auth.Config) { c.Keys = both })
		r.tokenOf(s) // the old one opens
		time.Sleep(time.Hour)
		r.tokenOf(s)
		g = r.grant()
		if id, known := ringOf(t, fresh).KeyID(g.RefreshToken); !known || id == old {
			t.Errorf("after the refresh it is sealed by %s", id)
		}
		if id, _ := both.KeyID(g.AccessToken); id == old {
			t.Error("the access token is sealed by the old key")
		}
	})
}

// moved shows the row of the portal as that of another one.
type moved struct{ auth.Grants }

func (m moved) Grant(ctx context.Context, _ string) (auth.Grant, error) {
	g, err := m.Grants.Grant(ctx, portal)
	g.Portal = "other"
	return g, err
}

type swapped struct{ auth.Grants }

func (m swapped) Grant(ctx context.Context, portal string) (auth.Grant, error) {
	g, err := m.Grants.Grant(ctx, portal)
	g.AccessToken, g.RefreshToken = g.RefreshToken, g.AccessToken
	return g, err
}
