package hubspot

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// dayStore keeps counts by day, as the database does.
type dayStore struct {
	mu     sync.Mutex
	counts map[string]int
	calls  int
	err    error
}

func (s *dayStore) ReserveDaily(_ context.Context, day string, block int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	s.calls++
	before := s.counts[day]
	s.counts[day] += block
	return before, nil
}

// passed counts how many requests go through at once.
func passed(t *testing.T, l *Limiter, try int) (n int, last error) {
	t.Helper()
	for range try {
		if last = l.Wait(t.Context(), PriorityLive, KindGeneral); last == nil {
			n++
		}
	}
	return n, last
}

func TestG10DailyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // begins 2000-01-01 00:00 UTC
		zone := time.FixedZone("east", 5*3600)
		store := &dayStore{counts: map[string]int{"2000-01-01": 620}}
		l := NewLimiter(LimiterConfig{Share: 0.9})
		l.SetDaily(store, zone, 1000)
		n, err := passed(t, l, 400)
		if n != 280 {
			t.Errorf("%d requests passed, want the 280 left of 900", n)
		}
		limited, ok := errors.AsType[*RateLimitError](err)
		if !ok || Classify(err) != ClassDaily || OutcomeUnknown(err) {
			t.Fatalf("got %v", err)
		}
		// Midnight in that zone is 19:00 UTC; jitter is 5 s to 65 s.
		if after := limited.RetryAfter - 19*time.Hour; after < 5*time.Second || after > 65*time.Second {
			t.Errorf("retry after %s", limited.RetryAfter)
		}
		if store.calls != 3 {
			t.Errorf("%d reservations for 280 requests", store.calls)
		}
		if b := l.Budget(); b.DailyUsed != 900 || b.DailyLimit != 900 || b.HeldFor != "daily_limit" {
			t.Errorf("budget %+v", b)
		}
		time.Sleep(limited.RetryAfter)
		if n, err := passed(t, l, 10); n != 10 {
			t.Errorf("the next day %d of 10 passed: %v", n, err)
		}
		if store.counts["2000-01-02"] != 100 {
			t.Errorf("counts %v", store.counts)
		}
	})
}

// The last request of the day is granted, also when it had to wait in the queue.
func TestG10DailyLastRequestPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 1, Daily: 3})
		if n, err := passed(t, l, 5); n != 3 || Classify(err) != ClassDaily {
			t.Errorf("%d of 3 passed, then %v", n, err)
		}
	})
}

func TestG10DailyRefusalIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(10 * time.Hour)
		l := NewLimiter(LimiterConfig{PerWindow: 1, Daily: 1000})
		_, _ = passed(t, l, 1)
		queued := make(chan error)
		go func() { queued <- l.Wait(t.Context(), PriorityLive, KindGeneral) }()
		synctest.Wait()
		wait := l.refused(http.Header{}, []byte(`{"policyName":"DAILY"}`), KindGeneral)
		if wait < 14*time.Hour || wait > 14*time.Hour+2*time.Minute {
			t.Errorf("held for %s", wait)
		}
		if err := <-queued; Classify(err) != ClassDaily {
			t.Errorf("who waited got %v", err)
		}
		if n, err := passed(t, l, 1); n != 0 || Classify(err) != ClassDaily {
			t.Errorf("passed after a daily refusal: %v", err)
		}
		if used := l.Budget().DailyUsed; used != 1 {
			t.Errorf("%d requests counted, want 1: refused waiters cost none", used)
		}
		time.Sleep(wait)
		if n, err := passed(t, l, 1); n != 1 {
			t.Errorf("after midnight: %v", err)
		}
		// A refusal seconds after midnight speaks of the day before.
		if wait := l.refused(http.Header{}, []byte(`{"policyName":"DAILY"}`), KindGeneral); wait > time.Hour {
			t.Errorf("a late refusal holds for %s", wait)
		}
	})
}

func TestG10DailyHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		l := NewLimiter(LimiterConfig{Share: 0.9, Daily: 250_000})
		resp := &http.Response{Header: http.Header{headerDaily: {"1000"}, headerDailyRemaining: {"105"}}}
		l.Observe(resp, time.Now())
		if n, err := passed(t, l, 20); n != 5 || Classify(err) != ClassDaily {
			t.Errorf("%d passed with 105 of 1000 left and a share of 0.9: %v", n, err)
		}
	})
}

func TestDailyStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("database is away")
		store := &dayStore{err: away}
		l := NewLimiter(LimiterConfig{})
		l.SetDaily(store, nil, 1000)
		if _, err := passed(t, l, 1); !errors.Is(err, away) {
			t.Errorf("got %v", err)
		}
		_, err := clientOf(t, NewTransport(TransportConfig{Base: answers(status(200, done)), Limiter: l})).BatchCreate(t.Context(), inputs(1))
		if err == nil || err.Error() != "hubspot batch_create: not sent: reserve daily requests: database is away" || OutcomeUnknown(err) || Classify(err) != ClassTransient {
			t.Errorf("the client says %v", err)
		}
		store.err = nil
		if n, err := passed(t, l, 1); n != 1 {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// midnightStore lets the day change while a block is being reserved.
type midnightStore struct{ dayStore }

func (s *midnightStore) ReserveDaily(ctx context.Context, day string, block int) (int, error) {
	if s.calls == 0 {
		time.Sleep(2 * time.Second)
	}
	return s.dayStore.ReserveDaily(ctx, day, block)
}

func TestDailyBlockOverMidnight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(24*time.Hour - time.Second)
		store := &midnightStore{}
		l := NewLimiter(LimiterConfig{})
		l.SetDaily(store, nil, 1000)
		time.AfterFunc(1500*time.Millisecond, func() { _, _ = passed(t, l, 1) }) // who comes first after midnight
		if n, err := passed(t, l, 1); n != 1 {
			t.Fatalf("not passed: %v", err)
		}
		synctest.Wait()
		if b := l.Budget(); b.DailyUsed != 2 || store.counts["2000-01-02"] != 100 {
			t.Errorf("budget %+v, counts %v", b, store.counts)
		}
	})
}
