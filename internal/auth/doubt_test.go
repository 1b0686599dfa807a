package auth_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/store/storetest"
)

// unreachable lets requests for a token end in an error of the network, after a while.
type unreachable struct {
	http.RoundTripper
	err  error
	slow time.Duration
}

func (u *unreachable) RoundTrip(q *http.Request) (*http.Response, error) {
	if u.err == nil || !strings.Contains(q.URL.Path, "token") {
		return u.RoundTripper.RoundTrip(q)
	}
	if u.slow > 0 {
		select {
		case <-time.After(u.slow):
		case <-q.Context().Done():
			return nil, q.Context().Err()
		}
	}
	return nil, u.err
}

// The name on a lease that is over says that a refresh may have been carried out whose answer nobody has. It stays
// until a pair is stored: a refresh that failed with an unknown outcome, or was cut off, leaves it, and one that surely
// did not reach HubSpot leaves what stood there.
func TestDoubtAboutARefreshStays(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		before bool // a process that died had the lease
		err    error
		cut    bool
		doubt  bool
	}{
		"not reached":                   {err: dial},
		"not reached, in doubt already": {before: true, err: dial, doubt: true},
		"connection broken":             {err: errors.New("broken pipe"), doubt: true},
		"cut off by a stop":             {err: dial, cut: true, doubt: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 36})
			u := &unreachable{RoundTripper: r.base}
			r.base = u
			time.Sleep(time.Hour) // the token is over
			if c.before {
				g := r.grant()
				if ok, err := r.db.Tokens().LeaseGrant(t.Context(), g, "dead", g.Now-1); !ok || err != nil {
					t.Fatal(err)
				}
			}
			u.err = c.err
			s := r.source("one")
			if c.cut {
				u.slow = time.Minute
				go func() {
					time.Sleep(time.Second)
					ctx, cancel := context.WithCancel(context.Background())
					cancel()
					s.Close(ctx)
				}()
			}
			if _, _, err := s.Token(t.Context()); err == nil {
				t.Errorf("%s: a token", name)
			}
			closeSource(s)
			if g := r.grant(); g.LeaseUntil != 0 || (g.LeaseOwner != "") != c.doubt {
				t.Errorf("%s: the lease is %q until %d, want a name: %t", name, g.LeaseOwner, g.LeaseUntil, c.doubt)
			}
			u.err = nil
			r.tokenOf(r.source("two"))
			if g := r.grant(); g.LeaseOwner != "" {
				t.Errorf("%s: after a new pair the name of %q stands", name, g.LeaseOwner)
			}
		})
	}
}

// A grant that was refused is dead, however long its last access token would live: after the cool-down it is HubSpot
// that is asked, and no token comes out of trouble.
func TestDeadGrantGivesNoLivingToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 37})
		u := &unreachable{RoundTripper: r.base}
		r.base = u
		g := r.grant()
		g.LeaseOwner = ""
		if ok, err := r.db.Tokens().RefuseGrant(t.Context(), g, "invalid_grant"); !ok || err != nil {
			t.Fatal(err)
		}
		u.err = &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		s := r.source("one", func(c *auth.Config) { c.GrantCoolDown = time.Second })
		time.Sleep(2 * time.Second)
		if token, _, err := s.Token(t.Context()); err == nil || token.Reveal() != "" {
			t.Errorf("a dead grant gives a token (%v)", err)
		}
	})
}

// A cool-down that began in the future, since the clock was set back, is over.
func TestCoolDownOfAClockThatWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 38})
		g := r.grant()
		if ok, err := r.db.Tokens().RefuseGrant(t.Context(), g, "invalid_grant"); !ok || err != nil {
			t.Fatal(err)
		}
		storetest.Exec(t, storetest.App(t, r.url), `UPDATE leadsync_tokens SET tried_at = tried_at + 7200000`)
		r.tokenOf(r.source("one"))
	})
}
