package hubspot

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestG10PriorityOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100})
		l.Hold(time.Now().Add(time.Second), "test")
		var mu sync.Mutex
		order := make([]string, 12) // by ticket: several that start at one instant run in any order
		var wg sync.WaitGroup
		for _, p := range []Priority{PriorityBackfill, PriorityPull, PriorityLive, PriorityUnsubscribe} {
			for n := range 3 {
				wg.Go(func() {
					which, err := l.wait(t.Context(), p, KindGeneral)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					defer mu.Unlock()
					order[which-1] = fmt.Sprint(p, ".", n)
				})
				synctest.Wait()
			}
		}
		wg.Wait()
		if got, want := strings.Join(order, " "), "0.0 0.1 0.2 1.0 1.1 1.2 2.0 2.1 2.2 3.0 3.1 3.2"; got != want {
			t.Errorf("order %s, want %s", got, want)
		}
	})
}

// An unsubscribe that comes while everything else queues waits for the next slot, and that is never far: one interval,
// and a tenth more while a burst is paid back. Without the stretching a burst leaves a gap of several intervals one
// window later.
func TestG10UrgentWaitsOneInterval(t *testing.T) {
	for _, limit := range []int{190, 100, 7} {
		for _, pause := range []time.Duration{0, 3, 11} { // intervals in which nobody asks, now and then: the cause of bursts
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(LimiterConfig{PerWindow: limit})
				interval := (10*time.Second + guard) / time.Duration(limit)
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
				defer cancel()
				var wg sync.WaitGroup
				n := 0
				wg.Go(func() {
					starts(ctx, l, 1, PriorityBackfill, func() {
						if n++; n%23 == 0 {
							time.Sleep(pause * interval)
						}
					})
				})
				for {
					time.Sleep(900*time.Millisecond + rand.N(time.Second))
					began := time.Now()
					if l.Wait(ctx, PriorityUnsubscribe, KindGeneral) != nil {
						break
					}
					if waited := time.Since(began); waited > interval+interval/stretch {
						t.Errorf("limit %d, pauses of %d intervals: waited %s, an interval is %s", limit, pause, waited, interval)
					}
				}
				wg.Wait()
			})
		}
	}
}

func TestG10PullFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var live, pull, backfill []time.Time
		wg.Go(func() { live = starts(ctx, l, 4, PriorityLive, func() {}) })
		synctest.Wait() // live waits before the others come
		wg.Go(func() { pull = starts(ctx, l, 4, PriorityPull, func() {}) })
		wg.Go(func() { backfill = starts(ctx, l, 4, PriorityBackfill, func() {}) })
		wg.Wait()
		all := len(live) + len(pull) + len(backfill)
		if share := float64(len(pull)) / float64(all); share < 0.049 || share > 0.06 {
			t.Errorf("pull got %.1f %% of %d", 100*share, all)
		}
		if len(backfill) != 0 {
			t.Errorf("backfill got %d starts while live waited", len(backfill))
		}
	})
}

// The slot that is due to pull is no reason for an unsubscribe to wait, but a flood of unsubscribes must share with
// pull too.
func TestG10PullFloorBesideUnsubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		var pull []time.Time
		wg.Go(func() { starts(ctx, l, 2, PriorityLive, func() {}) })
		wg.Go(func() { pull = starts(ctx, l, 2, PriorityPull, func() {}) })
		interval := (10*time.Second + guard) / 100
		for range 120 {
			time.Sleep(400*time.Millisecond + rand.N(400*time.Millisecond))
			began := time.Now()
			_ = l.Wait(ctx, PriorityUnsubscribe, KindGeneral)
			if waited := time.Since(began); waited > interval+interval/stretch {
				t.Errorf("a single unsubscribe waited %s, an interval is %s", waited, interval)
			}
		}
		flood := time.Now()
		wg.Go(func() { starts(ctx, l, 4, PriorityUnsubscribe, func() {}) })
		wg.Wait()
		during := 0
		for _, at := range pull {
			if at.After(flood) {
				during++
			}
		}
		if want := int(time.Since(flood)/interval) / pullEvery; during < want-1 || during > want+1 {
			t.Errorf("pull got %d slots during a flood of unsubscribes, want %d", during, want)
		}
	})
}
