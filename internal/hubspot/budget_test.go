package hubspot

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/secret"
)

// portal is a simulated portal; it counts what arrives in its own rolling window, as HubSpot does.
func portal(t *testing.T, cfg hubspotsim.Config) *hubspotsim.Sim {
	t.Helper()
	cfg.Seed = 1
	sim, err := hubspotsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// held is a token source that has one token for ever.
type held string

func (h held) Token(context.Context) (secret.String, int64, error) {
	return secret.New(string(h)), 1, nil
}
func (h held) Reject(context.Context, int64) error { return nil }

// road is the way to HubSpot: each request travels between near and far.
type road struct {
	next      http.RoundTripper
	near, far time.Duration
}

func (r road) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.far > r.near {
		time.Sleep(r.near + rand.N(r.far-r.near))
	}
	return r.next.RoundTrip(req)
}

// clientFor is a whole client over the portal.
func clientFor(t *testing.T, sim *hubspotsim.Sim, base http.RoundTripper, limiter *Limiter) *Client {
	if base == nil {
		base = sim.Transport()
	}
	return New(Config{
		BaseURL: "https://api.hubapi.com", UserAgent: "leadsync/test",
		HTTP: &http.Client{Transport: NewTransport(TransportConfig{
			Base: base, Limiter: limiter, Tokens: held(sim.Credentials().StaticToken)})},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
}

// push has workers create contacts until the context ends, each with a pause after every answer, as settling makes it.
func push(ctx context.Context, c *Client, workers int, pause time.Duration) {
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				in := []Input{{TraceID: "r", Properties: map[string]string{"email": fmt.Sprintf("lead%d.%d@example.com", w, n)}}}
				_, _ = c.BatchCreate(ctx, in) // a refusal shows in the portal's figures
				if pause > 0 {
					time.Sleep(pause/2 + rand.N(pause))
					if n%40 == 0 {
						time.Sleep(3 * pause)
					}
				}
			}
		})
	}
	wg.Wait()
}

// The figure of the main job, without the database: answers after 150 ms, 190 requests in 10 s, share 1.
func TestG10BudgetAsHubSpotCounts(t *testing.T) {
	for _, tc := range []struct {
		limit, workers int
		far, pause     time.Duration
	}{
		{190, 4, 0, 0},
		{190, 4, 5 * time.Millisecond, 25 * time.Millisecond},
		{190, 8, 80 * time.Millisecond, 0},
		{190, 8, 80 * time.Millisecond, 110 * time.Millisecond}, // with bursts, which the window itself has to bound
		{100, 4, 40 * time.Millisecond, 40 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: tc.limit})
			l := NewLimiter(LimiterConfig{PerWindow: tc.limit})
			c := clientFor(t, sim, road{sim.Transport(), 0, tc.far}, l)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			push(ctx, c, tc.workers, tc.pause)
			s := sim.Stats()
			t.Logf("%+v: %.2f %% used, at most %d in a window", tc, s.BudgetUsed, s.MaxInWindow)
			if s.BudgetUsed < 98.5 {
				t.Errorf("%+v: %.2f %% of the budget used", tc, s.BudgetUsed)
			}
			if len(s.Limited) > 0 || s.MaxInWindow > tc.limit {
				t.Errorf("%+v: refused %v, at most %d in a window", tc, s.Limited, s.MaxInWindow)
			}
			if s.Undated+s.Nameless+s.Untraced+s.Unauthorized > 0 {
				t.Errorf("%+v: undated %d, nameless %d, untraced %d, unauthorized %d", tc, s.Undated, s.Nameless, s.Untraced, s.Unauthorized)
			}
		})
	}
}

// Somebody else sends with the same app: 60 of 100 requests a window, and does not look at the headers. What HubSpot's
// answers tell of the window makes room for them, and the rest is used. At the beginning both grow into each other, and
// the other user meets refusals; we do not.
func TestG10OtherUsersAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		other := clientFor(t, sim, nil, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				wg.Go(func() { _, _ = other.Account(ctx) })
				time.Sleep(10 * time.Second / 60)
			}
		})
		var early hubspotsim.Stats
		wg.Go(func() {
			time.Sleep(30 * time.Second)
			early = sim.Stats()
			sim.ResetStats()
		})
		var refused atomic.Int32
		base := roundTrip(func(req *http.Request) (*http.Response, error) {
			resp, err := sim.Transport().RoundTrip(req)
			if err == nil && resp.StatusCode == http.StatusTooManyRequests {
				refused.Add(1)
			}
			return resp, err
		})
		push(ctx, clientFor(t, sim, base, NewLimiter(LimiterConfig{PerWindow: 100})), 4, 0)
		wg.Wait()
		s := sim.Stats()
		t.Logf("refused %v in the first three windows, then %v; ours %d and theirs %d in nine",
			early.Limited, s.Limited, s.Ops["batch_create"], s.Ops["account"])
		if got := s.Ops["batch_create"]; got < 9*33 || got > 9*40 {
			t.Errorf("%d requests in nine windows beside another user's 540", got)
		}
		if refused.Load() > 0 || s.Limited[PolicyTenSecondly] > 0 {
			t.Errorf("%d of our requests refused; after the third window %v of both", refused.Load(), s.Limited)
		}
	})
}

// The account's limit is lower than configured: the first answer says so.
func TestG10StatedLimitIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100})
		c := clientFor(t, sim, nil, NewLimiter(LimiterConfig{PerWindow: 190}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		push(ctx, c, 4, 0)
		if s := sim.Stats(); len(s.Limited) > 0 || s.BudgetUsed < 98 {
			t.Errorf("%.2f %% used, refused %v", s.BudgetUsed, s.Limited)
		}
	})
}

// An owner that dies every few seconds, whatever it has sent, comes further each time, and HubSpot's limit is kept; one
// that dies at once each time sends nothing.
func TestG10CrashLoop(t *testing.T) {
	for _, life := range []time.Duration{500 * time.Millisecond, 2500 * time.Millisecond, 4 * time.Second, 9 * time.Second, 11 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100})
			for i := range 12 {
				l := NewLimiter(LimiterConfig{PerWindow: 100, Share: 0.9})
				if i%6 > 0 { // from time to time one that had proof of an empty window
					l.AssumeFull()
				} else if i > 0 {
					time.Sleep(11 * time.Second)
				}
				before := sim.Stats().Ops["batch_create"]
				ctx, kill := context.WithTimeout(t.Context(), life)
				push(ctx, clientFor(t, sim, nil, l), 4, 0)
				kill()
				if n := sim.Stats().Ops["batch_create"] - before; (n > 0) != (life > time.Second || i%6 == 0) {
					t.Errorf("life %d of %s: %d requests", i, life, n)
				}
			}
			if s := sim.Stats(); len(s.Limited) > 0 {
				t.Errorf("lives of %s: refused %v", life, s.Limited)
			}
		})
	}
}

// The owner dies in the middle of a full window; its successor does not know what it sent.
func TestG10TakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100})
		for range 4 {
			l := NewLimiter(LimiterConfig{PerWindow: 100})
			l.AssumeFull()
			ctx, cancel := context.WithTimeout(t.Context(), 17*time.Second)
			push(ctx, clientFor(t, sim, nil, l), 4, 0)
			cancel()
		}
		if s := sim.Stats(); len(s.Limited) > 0 || s.Ops["batch_create"] < 4*60 {
			t.Errorf("%d requests, refused %v", s.Ops["batch_create"], s.Limited)
		}
	})
}
