package hubspot

import (
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// limitHeaders builds an answer that carries the window's headers.
func limitHeaders(most, remaining int) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{
		headerMax: {strconv.Itoa(most)}, headerRemaining: {strconv.Itoa(remaining)}, headerInterval: {"10000"}}}
}

func TestLimiterLearnsTheSmallerLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100, Share: 0.9})
		l.Observe(limitHeaders(190, 189), time.Now())
		if got := l.Budget().WindowLimit; got != 90 {
			t.Errorf("a higher stated limit made it %d", got)
		}
		l.Observe(limitHeaders(50, 49), time.Now())
		if got := l.Budget().WindowLimit; got != 45 {
			t.Errorf("a lower stated limit made it %d", got)
		}
	})
}

func TestG10AssumeFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 100})
		l.AssumeFull()
		began := time.Now()
		if b := l.Budget(); b.WindowUsed != b.WindowLimit {
			t.Errorf("budget %+v", b)
		}
		if err := l.Wait(t.Context(), PriorityLive, KindGeneral); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited < 10*time.Second || waited > 11*time.Second {
			t.Errorf("waited %s", waited)
		}

		l.AssumeFull()
		began = time.Now()
		time.AfterFunc(2*time.Second, func() { l.Observe(limitHeaders(100, 0), time.Now()) })
		time.AfterFunc(4*time.Second, func() { l.Observe(limitHeaders(100, 70), time.Now()) })
		if err := l.Wait(t.Context(), PriorityLive, KindGeneral); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 4*time.Second {
			t.Errorf("an answer with room let it pass after %s", waited)
		}
	})
}

func TestLimiterMigrationFailsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 1, SearchPerSecond: 1})
		_ = l.Wait(t.Context(), PriorityLive, KindGeneral)
		queued := make(chan error)
		go func() { queued <- l.Wait(t.Context(), PriorityLive, KindGeneral) }()
		synctest.Wait()
		l.Hold(time.Now().Add(2*time.Hour), string(ClassMigrating))
		for _, err := range []error{<-queued, l.Wait(t.Context(), PriorityPull, KindSearch)} {
			if Classify(err) != ClassMigrating || RetryAfter(err) != 2*time.Hour || OutcomeUnknown(err) {
				t.Errorf("got %v", err)
			}
		}
		if b := l.Budget(); b.HeldFor != "migrating" {
			t.Errorf("budget %+v", b)
		}
		time.Sleep(2 * time.Hour)
		if err := l.Wait(t.Context(), PriorityLive, KindGeneral); err != nil {
			t.Errorf("after the migration: %v", err)
		}
	})
}

// Those who waited get the same word at the same time, each its own copy: the client writes the operation into it.
func TestMigrationErrorIsEachCallersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(LimiterConfig{PerWindow: 1})
		c := clientOf(t, NewTransport(TransportConfig{Base: answers(status(200, done)), Limiter: l}))
		l.Hold(time.Now().Add(time.Minute), "test")
		read, create := make(chan error, 3), make(chan error, 3)
		for range 3 {
			go func() {
				_, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{"1"}})
				read <- err
			}()
			go func() {
				_, err := c.BatchCreate(t.Context(), inputs(1))
				create <- err
			}()
		}
		synctest.Wait()
		l.Hold(time.Now().Add(time.Hour), string(ClassMigrating))
		synctest.Wait() // all have their error before one is looked at
		for range 3 {
			for op, errs := range map[string]chan error{OpBatchRead: read, OpBatchCreate: create} {
				if err := <-errs; err == nil || err.Error() != "hubspot "+op+": status 477; retry after 1h0m0s" {
					t.Errorf("a %s got %v", op, err)
				}
			}
		}
	})
}

// Which requests a 429 holds follows its policy, and no later answer shortens a hold.
func TestG10HoldsByPolicy(t *testing.T) {
	const window, second = `{"policyName":"TEN_SECONDLY_ROLLING"}`, `{"policyName":"SECONDLY"}`
	for _, tc := range []struct {
		name            string
		refuse          func(l *Limiter)
		general, search time.Duration // how long each is held
	}{
		{"search, by its own limit", func(l *Limiter) { l.refused(http.Header{}, []byte(second), KindSearch) }, 0, time.Second},
		{"search, nothing named", func(l *Limiter) { l.refused(http.Header{}, nil, KindSearch) }, 0, 10 * time.Second},
		{"search, by the window", func(l *Limiter) { l.refused(http.Header{}, []byte(window), KindSearch) }, 10 * time.Second, 10 * time.Second},
		{"window", func(l *Limiter) { l.refused(http.Header{}, []byte(window), KindGeneral) }, 10 * time.Second, 10 * time.Second},
		{"a shorter one afterwards", func(l *Limiter) {
			l.refused(http.Header{headerRetryAfter: {"30"}}, []byte(second), KindSearch)
			l.refused(http.Header{}, []byte(second), KindSearch)
			l.refused(http.Header{headerRetryAfter: {"20"}}, []byte(window), KindGeneral)
			l.refused(http.Header{}, []byte(window), KindGeneral)
		}, 20 * time.Second, 30 * time.Second},
	} {
		for kind, want := range map[Kind]time.Duration{KindGeneral: tc.general, KindSearch: tc.search} {
			synctest.Test(t, func(t *testing.T) {
				l := NewLimiter(LimiterConfig{PerWindow: 100, SearchPerSecond: 5})
				tc.refuse(l)
				began := time.Now()
				if err := l.Wait(t.Context(), PriorityLive, kind); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(began); waited != want {
					t.Errorf("%s: kind %d waited %s, want %s", tc.name, kind, waited, want)
				}
			})
		}
	}
}

// A request that has to make its connection first leaves late, and so does the next one that waits for it to leave the
// window.
func TestG10SlotCountsFromLeavingTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Time
		base := roundTrip(func(req *http.Request) (*http.Response, error) {
			if len(left) == 0 {
				time.Sleep(3 * time.Second)
			}
			httptrace.ContextClientTrace(req.Context()).WroteHeaders()
			left = append(left, time.Now())
			return reply(req, 200, done), nil
		})
		c := clientOf(t, NewTransport(TransportConfig{Base: base, Limiter: NewLimiter(LimiterConfig{PerWindow: 2})}))
		for range 6 {
			if _, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{"1"}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := worst(left, 10*time.Second); got > 2 {
			t.Errorf("%d requests left in one window of 2: %v", got, left)
		}
	})
}

func TestKindOf(t *testing.T) {
	for path, want := range map[string]Kind{
		"/crm/objects/2026-09/contacts/search":     KindSearch,
		"/crm/objects/2026-09/contacts/batch/read": KindGeneral,
		"/crm/objects/2026-09/contacts":            KindGeneral,
		"/account-info/2026-09/details":            KindGeneral,
	} {
		if got := kindOf(&http.Request{URL: &url.URL{Path: path, RawQuery: "x=/search"}}); got != want {
			t.Errorf("%s: kind %d, want %d", path, got, want)
		}
	}
}
