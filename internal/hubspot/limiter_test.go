package hubspot

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// worst is the largest number of times in any window, which HubSpot would count.
func worst(times []time.Time, window time.Duration) int {
	times = slices.Clone(times)
	slices.SortFunc(times, time.Time.Compare)
	most, first := 0, 0
	for i := range times {
		for times[i].Sub(times[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// starts lets workers take slots until the deadline and returns when each began.
func starts(ctx context.Context, l *Limiter, workers int, p Priority, each func()) []time.Time {
	var mu sync.Mutex
	var times []time.Time
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for l.Wait(ctx, p, KindGeneral) == nil {
				mu.Lock()
				times = append(times, time.Now())
				mu.Unlock()
				each()
			}
		})
	}
	wg.Wait()
	return times
}

func TestG10BudgetUsedAndNeverExceeded(t *testing.T) {
	for _, limit := range []int{190, 100, 7} {
		for _, answer := range []time.Duration{0, 150 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(LimiterConfig{PerWindow: limit})
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
				defer cancel()
				times := starts(ctx, l, 8, PriorityLive, func() { time.Sleep(answer) })
				if used := float64(len(times)) / float64(limit*10); used < 0.985 {
					t.Errorf("limit %d, answers after %s: %.2f %% used", limit, answer, 100*used)
				}
				for range 20 {
					arrived := make([]time.Time, len(times))
					for i, at := range times {
						arrived[i] = at.Add(rand.N(80*time.Millisecond) - 40*time.Millisecond)
					}
					if got := worst(arrived, 10*time.Second); got > limit {
						t.Errorf("limit %d: %d arrivals in one window", limit, got)
					}
				}
			})
		}
	}
}

// Late timers and pauses must not lose slots, and must not break the window.
func TestG10BudgetWithLateStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 190
		l := NewLimiter(LimiterConfig{PerWindow: limit})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		n := 0
		times := starts(ctx, l, 1, PriorityLive, func() {
			if n++; n%10 == 0 {
				time.Sleep(120 * time.Millisecond) // over two intervals late: caught up at once
			}
		})
		if used := float64(len(times)) / (limit * 10); used < 0.985 {
			t.Errorf("%.2f %% used", 100*used)
		}
		if got := worst(times, 10*time.Second); got > limit {
			t.Errorf("%d starts in one window", got)
		}
	})
}

func TestG10BudgetAfterIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100, Share: 0.9})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var times []time.Time
		for round := range 6 {
			for range 60 {
				if err := l.Wait(ctx, PriorityLive, KindGeneral); err != nil {
					t.Fatal(err)
				}
				times = append(times, time.Now())
			}
			time.Sleep(time.Duration(round) * 1700 * time.Millisecond)
		}
		if got := worst(times, 10*time.Second); got > 90 {
			t.Errorf("%d starts in one window of 90", got)
		}
		if b := l.Budget(); b.WindowLimit != 90 || b.WindowUsed > 90 {
			t.Errorf("budget %+v", b)
		}
	})
}

func TestLimiterSlotCountsFromLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 2})
		var left []time.Time
		for i := range 6 {
			got, err := l.wait(t.Context(), PriorityLive, KindGeneral)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				time.Sleep(3 * time.Second) // the first has to make its connection
			}
			l.left(got, KindGeneral, time.Now())
			left = append(left, time.Now())
		}
		if got := worst(left, 10*time.Second); got > 2 {
			t.Errorf("%d requests left in one window of 2: %v", got, left)
		}
	})
}

func TestLimiterSearchHasItsOwnCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100, SearchPerSecond: 5})
		var times []time.Time
		for range 30 {
			if err := l.Wait(t.Context(), PriorityPull, KindSearch); err != nil {
				t.Fatal(err)
			}
			times = append(times, time.Now())
		}
		if got := worst(times, time.Second); got > 5 {
			t.Errorf("%d searches in one second", got)
		}
		if used := l.Budget().WindowUsed; used != 0 {
			t.Errorf("search used %d of the window", used)
		}
	})
}

func TestLimiterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &dayStore{}
		l := NewLimiter(LimiterConfig{PerWindow: 1})
		l.SetDaily(store, nil, 1000)
		l.Hold(time.Now().Add(time.Hour), "test")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Wait(ctx, PriorityLive, KindGeneral) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if b := l.Budget(); b.DailyUsed != 0 || b.HeldFor != "test" || l.general.waiting != 0 {
			t.Errorf("a cancelled wait left %+v, waiting %d", b, l.general.waiting)
		}
	})
}

func TestLimiterNoLimit(t *testing.T) {
	l := NewLimiter(LimiterConfig{})
	for range 10_000 {
		if err := l.Wait(t.Context(), PriorityBackfill, KindGeneral); err != nil {
			t.Fatal(err)
		}
	}
}

// Which requests fall under search's own counter: search alone, and no address can pretend to be one.
func TestKindOfEveryOperation(t *testing.T) {
	kinds := map[string]Kind{}
	var now string
	c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		kinds[now] = kindOf(req)
		return reply(req, 200, "{}"), nil
	}))
	for _, address := range []string{"ada@example.com", "ada@example.com/search"} {
		for op, call := range everyOp(c, address, "/search") {
			now = op
			_ = call(t.Context())
			if (kinds[op] == KindSearch) != (op == OpSearch) {
				t.Errorf("%s: kind %d", op, kinds[op])
			}
		}
	}
	if len(kinds) != len(scopesOf) {
		t.Errorf("%d operations were sent, %d have scopes", len(kinds), len(scopesOf))
	}
}
