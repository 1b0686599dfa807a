package backoff

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleTable(t *testing.T) {
	s, m := time.Second, time.Minute
	for _, tc := range []struct {
		name     string
		schedule Schedule
		want     []time.Duration // of attempts 1, 2, 3, ...
	}{
		{"doubling", Schedule{Base: s, Cap: 5 * m, Factor: 2}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 5 * m, 5 * m}},
		{"a factor that is no whole number", Schedule{Base: 10 * s, Cap: m, Factor: 1.5}, []time.Duration{10 * s, 15 * s, 22500 * time.Millisecond, 33750 * time.Millisecond, 50625 * time.Millisecond, m, m}},
		{"steady", Schedule{Base: s, Cap: m, Factor: 1}, []time.Duration{s, s, s}},
		{"a factor under 1 is 1", Schedule{Base: s, Factor: 0.5}, []time.Duration{s, s, s}},
		{"no factor", Schedule{Base: s}, []time.Duration{s, s, s}},
		{"a base over the cap", Schedule{Base: m, Cap: s, Factor: 2}, []time.Duration{s, s}},
		{"zero", Schedule{}, []time.Duration{0, 0}},
		{"no base", Schedule{Cap: m, Factor: 2}, []time.Duration{0, 0}},
		{"negative", Schedule{Base: -s, Cap: m, Factor: 2}, []time.Duration{0, 0}},
	} {
		for i, want := range tc.want {
			if got := tc.schedule.Delay(i + 1); got != want {
				t.Errorf("%s: attempt %d: %s, want %s", tc.name, i+1, got, want)
			}
		}
	}
}

func TestScheduleEdges(t *testing.T) {
	doubling := Schedule{Base: time.Second, Cap: time.Hour, Factor: 2}
	for _, attempt := range []int{0, -1, math.MinInt} {
		if got := doubling.Delay(attempt); got != time.Second {
			t.Errorf("attempt %d: %s, want the base", attempt, got)
		}
	}
	for _, attempt := range []int{64, 1025, math.MaxInt} {
		if got := doubling.Delay(attempt); got != time.Hour {
			t.Errorf("attempt %d: %s, want the cap", attempt, got)
		}
		open := Schedule{Base: time.Second, Factor: 2}
		if got := open.Delay(attempt); got != math.MaxInt64 {
			t.Errorf("attempt %d without a cap: %s", attempt, got)
		}
	}
	if got := (Schedule{Base: time.Second, Cap: time.Hour, Factor: math.NaN()}).Delay(3); got < 0 || got > time.Hour {
		t.Errorf("a factor that is no number: %s", got)
	}
}

// Jitter only shortens, by its share at most, and really spreads.
func TestScheduleJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{
			Base:   time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "base")),
			Cap:    time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "cap")),
			Factor: rapid.Float64Range(0, 10).Draw(t, "factor"),
		}
		attempt := rapid.IntRange(-3, 5000).Draw(t, "attempt")
		full := s.Delay(attempt)
		s.Jitter = rapid.Float64Range(0, 2).Draw(t, "jitter")
		got := s.Delay(attempt)
		least := time.Duration(float64(full) * (1 - min(s.Jitter, 1)))
		if got < 0 || got > full || got > s.Cap || got < least-1 {
			t.Fatalf("%s from %s with jitter %g, cap %s", got, full, s.Jitter, s.Cap)
		}
	})
	s := Schedule{Base: time.Second, Jitter: 0.2}
	seen := map[time.Duration]bool{}
	for range 50 {
		seen[s.Delay(1)] = true
	}
	if len(seen) < 40 {
		t.Errorf("%d different delays in 50", len(seen))
	}
}

// busy is a refusal that asks for a wait.
type busy time.Duration

func (b busy) Error() string        { return "busy" }
func (b busy) After() time.Duration { return time.Duration(b) }

var errAway = errors.New("away")

// errHeals marks what is worth another try.
var errHeals = errors.New("heals")

func heals(err error) bool { return errors.Is(err, errHeals) }

func TestDo(t *testing.T) {
	s := time.Second
	again := func(err error) error { return fmt.Errorf("%w: %w", errHeals, err) }
	for _, tc := range []struct {
		name    string
		tries   int
		maxWait time.Duration
		limit   time.Duration // of the context; 0 = none
		results []error       // of the calls, the last one for ever
		calls   []time.Duration
		want    error
	}{
		{name: "at once", results: []error{nil}, calls: []time.Duration{0}},
		{name: "the schedule", results: []error{again(errAway), again(errAway), again(errAway), nil}, calls: []time.Duration{0, 1 * s, 3 * s, 7 * s}},
		{name: "not marked", results: []error{errAway}, calls: []time.Duration{0}, want: errAway},
		{name: "asked to wait longer", results: []error{again(busy(5 * s)), again(errAway), nil}, calls: []time.Duration{0, 5 * s, 7 * s}},
		{name: "asked to wait less", results: []error{again(errAway), again(errAway), again(busy(s)), nil}, calls: []time.Duration{0, 1 * s, 3 * s, 7 * s}},
		{name: "asked for nothing", results: []error{again(busy(0)), nil}, calls: []time.Duration{0, 1 * s}},
		{name: "asked to wait too long", results: []error{again(busy(11 * s))}, calls: []time.Duration{0}, want: busy(11 * s)},
		{name: "the schedule grows too long", results: []error{again(errAway)}, calls: []time.Duration{0, 1 * s, 3 * s, 7 * s}, maxWait: 7 * s, want: errAway},
		{name: "no time left for the wait", results: []error{again(errAway)}, calls: []time.Duration{0, 1 * s, 3 * s}, limit: 6 * s, want: errAway},
		{name: "so many tries", tries: 3, results: []error{again(errAway)}, calls: []time.Duration{0, 1 * s, 3 * s}, want: errAway},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if tc.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.limit)
				defer cancel()
			}
			if tc.maxWait == 0 {
				tc.maxWait = 10 * s
			}
			began := time.Now()
			var calls []time.Duration
			policy := Policy{Schedule: Schedule{Base: s, Factor: 2}, Tries: tc.tries, MaxWait: tc.maxWait}
			err := policy.Do(ctx, heals, func(context.Context) error {
				if calls = append(calls, time.Since(began)); len(calls) > 20 {
					return errors.New("called without an end")
				}
				return tc.results[min(len(calls), len(tc.results))-1]
			})
			if !errors.Is(err, tc.want) || !slices.Equal(calls, tc.calls) {
				t.Errorf("%s: called after %v, want %v; %v, want %v", tc.name, calls, tc.calls, err, tc.want)
			}
			if ended := time.Since(began); len(calls) > 0 && ended != calls[len(calls)-1] {
				t.Errorf("%s: returned %s after the last call", tc.name, ended-calls[len(calls)-1])
			}
		})
	}
}

// A stop ends the wait at once, and what failed is what the caller hears.
func TestDoStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errors.New("stopping")) })
		began, calls := time.Now(), 0
		policy := Policy{Schedule: Schedule{Base: time.Second, Factor: 2}}
		err := policy.Do(ctx, heals, func(context.Context) error {
			calls++
			return fmt.Errorf("%w: %w", errHeals, errAway)
		})
		if !errors.Is(err, errAway) || calls != 2 || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("%v after %d calls and %s", err, calls, time.Since(began))
		}
	})
}

// What must be tried although the process ends, such as storing a new token, is tried once.
func TestDoCallsOnceAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	calls := 0
	err := Policy{Schedule: Schedule{Base: time.Hour}}.Do(ctx, heals, func(context.Context) error {
		calls++
		return errHeals
	})
	if !errors.Is(err, errHeals) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
