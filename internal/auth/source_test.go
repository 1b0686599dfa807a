package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspotsim"
)

// The token is renewed when about three quarters of its life are over, in the background, and never after its end.
func TestRefreshIsEarly(t *testing.T) {
	for _, life := range []time.Duration{30 * time.Minute, 3 * time.Second, 5 * time.Hour} { // expires_in is believed
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 1, TokenLife: life})
			s := r.source("one")
			c := r.calls(s)
			began := time.Now()
			var at []time.Duration
			last := int64(1)
			for time.Since(began) < 40*life {
				if _, generation := r.tokenOf(s); generation != last {
					at = append(at, time.Since(began))
					began, last = time.Now(), generation
					if len(at) == 10 {
						break
					}
				}
				must(t, call(t.Context(), c))
				time.Sleep(life / 200)
			}
			for _, d := range at {
				if share := float64(d) / float64(life); share < 0.69 || share > 0.81 {
					t.Errorf("life %s: renewed after %s, %.0f %%", life, d, 100*share)
				}
			}
			if len(at) != 10 || at[1] == at[2] && at[2] == at[3] {
				t.Errorf("life %s: renewed at %v, want ten times with jitter", life, at)
			}
			r.want("early", 10, 0)
		})
	}
}

// A caller of Keep that comes when KeepIn says renews the token at that moment.
func TestKeepComesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 13})
		s := r.source("one")
		s.Keep()
		synctest.Wait()
		for i := range 20 {
			if in := s.KeepIn(); in < 20*time.Minute || in > 25*time.Minute {
				t.Fatalf("the next refresh is in %s", in)
			}
			time.Sleep(s.KeepIn())
			s.Keep()
			synctest.Wait()
			r.want("kept", i+1, 0)
		}
	})
}

// A token that is refused everywhere costs one refresh, and every call succeeds.
func TestRefusedTokenIsRenewedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 2, Latency: 100 * time.Millisecond})
		s := r.source("one")
		c := r.calls(s)
		must(t, call(t.Context(), c))
		r.sim.EndTokens(false)
		together(t, 40, func() error { return call(t.Context(), c) })
		r.want("refused", 1, 40)
	})
}

// A server that always answers 401 sees two calls and one refresh in a cool-down.
func TestAlwaysRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 3, Faults: "account=401"})
		s := r.source("one")
		other := r.source("two") // of another process: the cool-down is in the database
		c, d := r.calls(s), r.calls(other)
		for range 59 {
			_ = call(t.Context(), c)
			time.Sleep(time.Second)
			_, _, _ = other.Token(t.Context())
		}
		st := r.sim.Stats()
		if st.Refreshes != 1 || st.Ops["account"] != 2 {
			t.Errorf("in a minute: %d refreshes, %d calls", st.Refreshes, st.Ops["account"])
		}
		if _, _, err := s.Token(t.Context()); !refusedError(err) {
			t.Errorf("in the cool-down: %v", err)
		}
		_ = call(t.Context(), d) // it has not heard of the refusal
		for range 10 * 60 {
			_ = call(t.Context(), c)
			time.Sleep(time.Second)
		}
		if st = r.sim.Stats(); st.Refreshes > 11 || st.Ops["account"] > 2*st.Refreshes+1 {
			t.Errorf("in eleven minutes: %d refreshes, %d calls", st.Refreshes, st.Ops["account"])
		}
		must(t, r.sim.SetFaults(""))
		time.Sleep(time.Minute)
		must(t, call(t.Context(), c))
	})
}

func refusedError(err error) bool {
	e, ok := errors.AsType[*auth.RefusedError](err)
	return ok && e.Unauthorized() && e.After() > 0 && e.After() <= time.Minute
}

// Whatever the token endpoint does that passes by itself is waited for, and never said to be the grant's end.
func TestTokenEndpointAway(t *testing.T) {
	for _, fault := range []string{"429", "477:60", "500", "502html", "524", "hang", "lost", "cut", "423", "empty200"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 4})
			s := r.source("one")
			c := r.calls(s)
			must(t, call(t.Context(), c))
			must(t, r.sim.SetFaults("token="+fault))
			// While the token lives nobody notices.
			for range 29 {
				time.Sleep(time.Minute)
				if err := call(t.Context(), c); err != nil {
					t.Errorf("%s: while the token lived: %v", fault, err)
				}
			}
			time.Sleep(5 * time.Minute)
			for range 20 {
				err := call(t.Context(), c)
				if w, ok := errors.AsType[*auth.WaitError](err); !ok {
					t.Errorf("%s: %v", fault, err)
				} else {
					time.Sleep(max(w.After(), time.Second))
				}
			}
			if g := r.grant(); g.NeedsLogin != "" || !g.Connected() {
				t.Errorf("%s: the grant is %+v", fault, g)
			}
			if n := r.sim.Stats().TokenRequests; n > 60 {
				t.Errorf("%s: %d token requests in half an hour", fault, n)
			}
			must(t, r.sim.SetFaults(""))
			time.Sleep(2 * time.Minute)
			must(t, call(t.Context(), c))
		})
	}
}

// A 429 of the token endpoint is waited for as long as it says, by everybody.
func TestTokenEndpointSaysHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 5})
		must(t, r.sim.SetFaults("token=477:3600x1"))
		s := r.source("one")
		time.Sleep(31 * time.Minute)
		_, _, err := s.Token(t.Context())
		w, ok := errors.AsType[*auth.WaitError](err)
		if !ok || w.After() < 59*time.Minute {
			t.Fatalf("%v", err)
		}
		for range 50 {
			time.Sleep(time.Minute)
			if _, _, err := s.Token(t.Context()); err == nil {
				t.Fatal("asked before its time")
			}
		}
		time.Sleep(10 * time.Minute)
		r.tokenOf(s)
		if n := r.sim.Stats().TokenRequests; n != 2 {
			t.Errorf("%d token requests", n)
		}

		// It said so to an early refresh, and then the token is refused: the wait stands.
		must(t, r.sim.SetFaults("token=477:3600x1"))
		time.Sleep(25 * time.Minute)
		must(t, call(t.Context(), r.calls(s))) // with the token that lives; the refresh in the background is told to wait
		synctest.Wait()
		r.sim.EndTokens(false)
		r.sim.ResetStats()
		for range 50 {
			if err := call(t.Context(), r.calls(s)); err == nil {
				t.Fatal("a call with an ended token succeeds")
			}
			time.Sleep(time.Minute)
		}
		if n := r.sim.Stats().TokenRequests; n != 0 {
			t.Errorf("%d token requests before the time that HubSpot named", n)
		}
		time.Sleep(15 * time.Minute)
		must(t, call(t.Context(), r.calls(s)))
	})
}

// What ends a grant, what is a fault of the configuration, and that the latter keeps the grant, in every form of the
// answers.
func TestDeadGrantsAndFaults(t *testing.T) {
	for _, tc := range []struct {
		what   string
		quirks hubspotsim.Quirks
		do     func(*hubspotsim.Sim) error
		word   string
		login  bool
	}{
		{"revoked", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.Revoke("", false) }, "BAD_REFRESH_TOKEN", true},
		{"revoked, old answers", hubspotsim.Quirks{OldTokenErrors: true}, func(s *hubspotsim.Sim) error { return s.Revoke("", false) }, "BAD_REFRESH_TOKEN", true},
		{"account gone", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.Revoke("", true) }, "BAD_HUB", true},
		{"account gone, with 403", hubspotsim.Quirks{BadHubIs403: true}, func(s *hubspotsim.Sim) error { return s.Revoke("", true) }, "BAD_HUB", true},
		{"client secret", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.SetFaults("token=400:BAD_CLIENT_SECRET") }, "BAD_CLIENT_SECRET", false},
		{"client id", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.SetFaults("token=400:BAD_CLIENT_ID") }, "BAD_CLIENT_ID", false},
		{"another app", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.SetFaults("token=400:MISMATCH_REFRESH_TOKEN_CLIENT") }, "MISMATCH_REFRESH_TOKEN_CLIENT", false},
		{"another app, old answers", hubspotsim.Quirks{OldTokenErrors: true}, func(s *hubspotsim.Sim) error { return s.SetFaults("token=400:MISMATCH_REFRESH_TOKEN_CLIENT") }, "MISMATCH_REFRESH_TOKEN_CLIENT", false},
		{"any other 4xx", hubspotsim.Quirks{}, func(s *hubspotsim.Sim) error { return s.SetFaults("token=403") }, "MISSING_SCOPES", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 6, Quirks: tc.quirks})
			s := r.source("one")
			r.tokenOf(s)
			must(t, tc.do(r.sim))
			time.Sleep(time.Hour)
			r.sim.ResetStats()
			for range 20 {
				_, _, err := s.Token(t.Context())
				login, isLogin := errors.AsType[*auth.LoginError](err)
				fault, isFault := errors.AsType[*auth.FaultError](err)
				switch {
				case tc.login && (!isLogin || !login.Unauthorized() || login.Word != tc.word || login.Cure() == "" || login.Doubt):
					t.Fatalf("%s: %v", tc.what, err)
				case !tc.login && (!isFault || !fault.Misconfigured() || fault.Word != tc.word || fault.Cure() == ""):
					t.Fatalf("%s: %v", tc.what, err)
				}
				time.Sleep(30 * time.Second)
			}
			if n := r.sim.Stats().TokenRequests; tc.login && n != 1 || n > 20 {
				t.Errorf("%s: %d token requests in ten minutes", tc.what, n)
			}
			g := r.grant()
			if !g.Connected() || (g.NeedsLogin != "") != tc.login {
				t.Errorf("%s: the grant is %+v", tc.what, g)
			}
			if !tc.login { // healed without a login
				must(t, r.sim.SetFaults(""))
				time.Sleep(2 * time.Minute)
				r.tokenOf(s)
			}
		})
	}
}

// A grant that is dead is tried once in a cool-down, and a login of another process is found at the next look.
func TestDeadGrantComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 7})
		s := r.source("one")
		r.tokenOf(s)
		must(t, r.sim.SetFaults("token=400:BAD_REFRESH_TOKEN"))
		for range 12 * 60 {
			s.Keep()
			time.Sleep(5 * time.Second)
		}
		if n := r.sim.Stats().TokenRequests; n < 2 || n > 4 {
			t.Errorf("%d token requests in an hour", n)
		}
		must(t, r.sim.SetFaults(""))
		time.Sleep(16 * time.Minute)
		r.tokenOf(s) // HubSpot was wrong: the grant lives, and nobody had to log in

		must(t, r.sim.Revoke("", false))
		time.Sleep(31 * time.Minute)
		if _, _, err := s.Token(t.Context()); !unauthorized(err) {
			t.Fatalf("revoked: %v", err)
		}
		if connected, err := s.Look(t.Context()); connected || err != nil {
			t.Errorf("look: %t, %v", connected, err)
		}
		must(t, r.sim.Reset())
		r.login()
		if connected, err := s.Look(t.Context()); !connected || err != nil {
			t.Errorf("look after the login: %t, %v", connected, err)
		}
		if s.Failing() != nil {
			t.Error("the trouble is not forgotten")
		}
		must(t, call(t.Context(), r.calls(s)))

		// A logout is found as well, at once.
		ok, err := r.db.Tokens().Disconnect(t.Context(), r.grant())
		if !ok || err != nil {
			t.Fatal(err)
		}
		if connected, err := s.Look(t.Context()); connected || err != nil {
			t.Errorf("look after the logout: %t, %v", connected, err)
		}
		if _, _, err := s.Token(t.Context()); !unauthorized(err) {
			t.Errorf("after the logout: %v", err)
		}
	})
}

func unauthorized(err error) bool {
	e, ok := errors.AsType[*auth.LoginError](err)
	return ok && e.Unauthorized()
}

// A grant of another account is not used by a source that has begun with one.
func TestOtherAccountIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 8})
		s := r.source("one")
		r.tokenOf(s)
		g := r.grant()
		g.HubID++
		_, err := r.db.Tokens().Connect(t.Context(), g, "https://sim.example.com")
		must(t, err)
		_, err = s.Look(t.Context())
		if e, ok := errors.AsType[*auth.AccountError](err); !ok || e.Have != g.HubID {
			t.Errorf("look: %v", err)
		}
		_, _, err = s.Token(t.Context())
		if _, ok := errors.AsType[*auth.AccountError](err); !ok {
			t.Errorf("token: %v", err)
		}
	})
}

// The newest refresh token replaces the one before it, whether HubSpot rotates or not.
func TestRotationIsFollowed(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 9, Quirks: hubspotsim.Quirks{RotateRefresh: rotate}})
			s := r.source("one")
			for i := range 5 {
				if i == 3 {
					closeSource(s)
					s = r.source("restarted")
				}
				time.Sleep(45 * time.Minute)
				r.tokenOf(s)
			}
			r.want("rotation", 5, 0)
			refresh, err := r.grant().OpenRefresh(r.keys)
			if err != nil || refresh.Reveal() != r.sim.Credentials().RefreshToken {
				t.Errorf("rotate %t: the stored refresh token is not the newest one: %v", rotate, err)
			}
		})
	}
}

// Clocks that jump by an hour, in either direction, cost at most a refresh each and no 401.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, hubspotsim.Config{Seed: 10})
			s := r.source("one")
			c := r.calls(s)
			work := func() {
				for range 60 {
					must(t, call(t.Context(), c))
					time.Sleep(time.Minute)
				}
			}
			work()
			before := r.sim.Stats().Refreshes
			r.jump = jump
			work()
			// A process that starts after the jump has the database alone to go by.
			closeSource(s)
			s = r.source("two")
			c = r.calls(s)
			work()
			r.jump = 0
			work()
			st := r.sim.Stats()
			if st.Unauthorized != 0 || st.Refreshes > before+3*3+3 {
				t.Errorf("jump of %s: %d answers 401, %d refreshes (%d in the hour before it)", jump, st.Unauthorized, st.Refreshes, before)
			}
		})
	}
}

// A wall clock that is set back by an hour just before a restart does not make a token look younger than it can be.
func TestRestartAfterClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 11})
		time.Sleep(40 * time.Minute) // the stored token is dead
		r.jump = -time.Hour
		must(t, call(t.Context(), r.calls(r.source("one"))))
		r.want("set back", 1, 0)
	})
}

// A caller that gives up does not end the refresh that the others wait for.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, hubspotsim.Config{Seed: 12})
		must(t, r.sim.SetFaults("token=slow:5sx1"))
		s := r.source("one")
		time.Sleep(time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := s.Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller that gave up: %v", err)
		}
		r.tokenOf(s)
		r.want("given up", 1, 0)
	})
}
