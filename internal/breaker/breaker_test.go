package breaker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// waits double from two seconds.
var waits = backoff.Schedule{Base: 2 * time.Second, Cap: time.Minute, Factor: 2}

func breakerWithLog() (*breaker.Breaker, *bytes.Buffer) {
	var log bytes.Buffer
	return breaker.New(breaker.Config{Log: slog.New(slog.NewJSONHandler(&log, nil)), Waits: waits}), &log
}

func quietBreaker() *breaker.Breaker {
	return breaker.New(breaker.Config{Log: slog.New(slog.DiscardHandler), Waits: waits})
}

var (
	outage  = &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 500}
	limited = &hubspot.RateLimitError{RetryAfter: 10 * time.Second}
)

func wantWaits(t *testing.T, b *breaker.Breaker, what string, all, fresh, suspects time.Duration, probe int) {
	t.Helper()
	if b.OpenFor() != all || b.FreshIn() != fresh || b.SuspectsIn() != suspects || b.ProbeSize() != probe {
		t.Errorf("%s: open for %v, fresh ones in %v, suspects in %v, probes of %d; want %v, %v, %v, %d", what,
			b.OpenFor(), b.FreshIn(), b.SuspectsIn(), b.ProbeSize(), all, fresh, suspects, probe)
	}
}

// TestFailForAll: trouble that everybody would meet holds everybody back, longer each time, until the first success.
func TestFailForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, log := breakerWithLog()
		for i, want := range []time.Duration{time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute} {
			b.Fail(outage)
			wantWaits(t, b, fmt.Sprint("failure ", i+1), want, want, want, 0)
			b.Fail(outage) // one that failed together with it
			wantWaits(t, b, fmt.Sprint("failure ", i+1, " twice"), want, want, want, 0)
			time.Sleep(want + time.Millisecond)
		}
		if s := b.Status(); s.State != breaker.Degraded || s.Since.IsZero() || !s.LastGood.IsZero() {
			t.Errorf("%+v", s)
		}
		b.Succeed()
		wantWaits(t, b, "recovered", 0, 0, 0, 0)
		if s := b.Status(); s.State != breaker.Running || s.Cause != "" || s.Cure != "" || s.Kind != "" || s.LastGood.IsZero() {
			t.Errorf("%+v", s)
		}
		if got := strings.Count(log.String(), "\n"); got != 2 {
			t.Errorf("%d lines in the log, want one of the trouble and one of its end:\n%s", got, log)
		}
	})
}

// TestFailForSuspects: trouble of unknown reach holds back who met it; others probe, and when different ones fail in a row it is an outage.
func TestFailForSuspects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := quietBreaker()
		narrow := breaker.NarrowWait
		b.FailFor(outage, breaker.Failure{Leads: 100, Fresh: true})
		wantWaits(t, b, "a batch of 100", narrow, narrow, narrow, 10)
		time.Sleep(time.Second + time.Millisecond)
		b.FailFor(outage, breaker.Failure{Leads: 1, Fresh: true})
		wantWaits(t, b, "the first alone", time.Second, time.Second, 4*time.Second, 1)
		time.Sleep(time.Second)
		wantWaits(t, b, "others may go", 0, 0, 3*time.Second, 1)
		b.FailFor(outage, breaker.Failure{Leads: 1}) // the same once more
		if b.FreshIn() != 0 {
			t.Errorf("a suspect that fails again holds others back for %v", b.FreshIn())
		}
		b.FailFor(outage, breaker.Failure{Leads: 1, Fresh: true})
		b.FailFor(outage, breaker.Failure{Leads: 1, Fresh: true})
		if b.FreshIn() != b.SuspectsIn() || b.OpenFor() == 0 {
			t.Errorf("three different ones failed: fresh ones wait %v, suspects %v", b.FreshIn(), b.SuspectsIn())
		}
		b.Succeed()
		wantWaits(t, b, "a success", 0, 0, 0, 0)
	})
}

// TestNeighboursOfTheOneAtFault: that a lead which had failed fails alone holds back nobody of its batch, until as many have as make an outage;
// and the batch falls apart into tenths.
func TestNeighboursOfTheOneAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := quietBreaker()
		b.FailFor(outage, breaker.Failure{Leads: 100, Fresh: true})
		for i, most := range []time.Duration{breaker.NarrowWait, breaker.NarrowWait, time.Hour} {
			b.FailFor(outage, breaker.Failure{Leads: 1})
			if d := b.SuspectsIn(); (d > most) || i == 2 && d < time.Second {
				t.Errorf("after %d alone: suspects wait %s", i+1, d)
			}
			time.Sleep(most)
		}
		b.Succeed()
		b.FailFor(outage, breaker.Failure{Leads: 1, Fresh: true})
		time.Sleep(time.Minute)
		b.FailFor(&hubspot.Error{Status: 503, RetryAfter: 20 * time.Second}, breaker.Failure{Leads: 1})
		if d := b.SuspectsIn(); d < 20*time.Second {
			t.Errorf("HubSpot asked for 20 s, suspects wait %s", d)
		}
	})
	for n, want := range map[int]int{1: 1, 2: 1, 10: 1, 11: 2, 50: 5, 100: 10} {
		if got := breaker.Narrowed(n); got != want {
			t.Errorf("of %d leads %d go on together, want %d", n, got, want)
		}
	}
}

// TestPauseThatBeginsWithOneAskedAgain: it says nothing of leads that have not shown the fault, and they do not wait a minute for it.
func TestPauseThatBeginsWithOneAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := quietBreaker()
		b.Pause("opt-outs are refused: X", false)
		if fresh, again := b.FreshIn(), b.SuspectsIn(); fresh > time.Second || again != breaker.ProbeEvery {
			t.Errorf("fresh ones wait %s, those asked again %s", fresh, again)
		}
	})
}

// TestPause: between two probes nothing goes, a success of something else does not end it, and Resume does.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := quietBreaker()
		b.Pause("most rows are refused: X", true)
		b.Pause("most rows are refused: X", false)
		if s := b.Status(); s.State != breaker.Paused || s.Kind != breaker.KindRule || s.Cure == "" {
			t.Errorf("%+v", s)
		}
		wantWaits(t, b, "paused", time.Second/2, time.Second/2, breaker.ProbeEvery, 1)
		b.Succeed()
		b.Fail(outage)
		if s := b.Status(); s.State != breaker.Paused {
			t.Errorf("%+v", s)
		}
		last := time.Duration(0)
		for range 30 {
			b.Pause("most rows are refused: X", true)
			if b.FreshIn() < last || b.FreshIn() > breaker.ProbeEvery {
				t.Errorf("the wait went from %v to %v", last, b.FreshIn())
			}
			last = b.FreshIn()
		}
		if last != breaker.ProbeEvery {
			t.Errorf("the longest wait is %v", last)
		}
		if b.SharedWaits() {
			t.Error("a rule of the portal stops those who only read")
		}
		b.Resume()
		wantWaits(t, b, "resumed", 0, 0, 0, 0)
		b.Fail(limited)
		b.Resume() // only a pause is ended so
		wantWaits(t, b, "limited", 10*time.Second, 10*time.Second, 10*time.Second, 0)
	})
}

// TestObeysRetryAfter: a lane that is told how long to stay away stays away for so long, and says so, whatever told it and however often
// it failed before.
func TestObeysRetryAfter(t *testing.T) {
	for _, status := range []int{423, 429, 477, 500, 503} {
		for _, fails := range []int{0, 1, 5} {
			synctest.Test(t, func(t *testing.T) {
				b := quietBreaker()
				for range fails {
					b.Fail(&hubspot.Error{Op: hubspot.OpBatchRead, Status: 500, Sent: true})
					time.Sleep(time.Minute)
				}
				b.Fail(fmt.Errorf("read: %w", &hubspot.Error{Op: hubspot.OpBatchRead, Status: status, Sent: true, RetryAfter: time.Hour}))
				if b.OpenFor() != time.Hour || time.Until(b.Status().Until) != time.Hour {
					t.Errorf("%d after %d failures: open for %s", status, fails, b.OpenFor())
				}
				time.Sleep(time.Hour)
				if b.OpenFor() > 0 {
					t.Errorf("%d after %d failures: still open for %s", status, fails, b.OpenFor())
				}
			})
		}
	}
}

// TestTokenRenewed: a login ends the want of a token at once, lets other trouble of a person be tried, and does not touch a limit.
func TestTokenRenewed(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want breaker.State
		open time.Duration
	}{
		{"refused", &hubspot.Error{Status: 401}, breaker.Running, 0},
		{"no token", &hubspot.TokenError{Err: tokenFault{}}, breaker.Running, 0},
		{"scope", &hubspot.Error{Status: 403, Category: "MISSING_SCOPES"}, breaker.Paused, 0},
		{"limit", limited, breaker.Limited, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := quietBreaker()
			b.Fail(tc.err)
			b.TokenRenewed()
			if s := b.Status(); s.State != tc.want || b.OpenFor() != tc.open {
				t.Errorf("%s: %s, open for %v", tc.name, s.State, b.OpenFor())
			}
		})
	}
}

// TestDatabaseAnswered: that the database can be read ends its trouble, but for one that took no settlement while there is a job to try it.
func TestDatabaseAnswered(t *testing.T) {
	for _, tc := range []struct{ unsettled, idle, ends bool }{{false, false, true}, {false, true, true}, {true, false, false}, {true, true, true}} {
		b := quietBreaker()
		b.Fail(settlement.ErrDatabaseAway)
		if tc.unsettled {
			b.SettleFailed()
		}
		b.DatabaseAnswered(tc.idle)
		if ended := b.Status().State == breaker.Running; ended != tc.ends || b.Unsettled() == tc.ends {
			t.Errorf("%+v: ended is %v, unsettled %v", tc, ended, b.Unsettled())
		}
	}
	b := quietBreaker()
	b.Fail(limited)
	b.DatabaseAnswered(true)
	if b.Status().State != breaker.Limited {
		t.Error("a database that answers ends a limit")
	}
}

// TestShared: what others learn on the same account counts as far as it holds for the whole account.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			err   error
			waits bool
		}{
			{&hubspot.Error{Status: 401}, true}, {&hubspot.RateLimitError{Daily: true}, true}, {&hubspot.Error{Status: 477}, true},
			{outage, false}, {limited, false}, {&hubspot.Error{Status: 403}, false},
		} {
			b := quietBreaker()
			b.ReportShared(tc.err)
			if b.SharedWaits() != tc.waits {
				t.Errorf("%v: the others wait is %v", tc.err, b.SharedWaits())
			}
		}
		for _, tc := range []struct {
			err  error
			ends bool
		}{{outage, true}, {&hubspot.Error{Status: 401}, true}, {limited, false}, {&hubspot.Error{Status: 403}, false}, {settlement.ErrDatabaseAway, false}} {
			b := quietBreaker()
			b.Fail(tc.err)
			b.ReportShared(nil)
			if ended := b.Status().State == breaker.Running; ended != tc.ends {
				t.Errorf("%v: an answer to others ends it is %v", tc.err, ended)
			}
		}
		b := quietBreaker()
		b.Fail(limited)
		time.Sleep(11 * time.Second)
		if b.SharedWaits() {
			t.Error("a limit that has passed holds others back")
		}
		if b.ReportShared(nil); b.Status().State != breaker.Running {
			t.Error("an answer after the limit does not end it")
		}
	})
}

// TestSucceededSince: a success is evidence for its operation, a write for every write, and both for a minute.
func TestSucceededSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, before := quietBreaker(), time.Now()
		time.Sleep(time.Second)
		b.WriteSucceeded(hubspot.OpBatchUpdate)
		b.ReadSucceeded(hubspot.OpBatchRead)
		now := time.Now()
		for op, want := range map[string]bool{"": true, hubspot.OpBatchUpdate: true, hubspot.OpBatchRead: true, hubspot.OpBatchCreate: false} {
			if b.SucceededSince(op, before) != want || b.SucceededSince(op, now) {
				t.Errorf("%q: %v after the failure, %v at it", op, b.SucceededSince(op, before), b.SucceededSince(op, now))
			}
		}
		time.Sleep(time.Minute + time.Second)
		if b.SucceededSince("", before) {
			t.Error("a success of long ago is evidence")
		}
	})
}

// TestWait: it ends when the breaker closes, with the context, and turns meanwhile.
func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, began, turns := quietBreaker(), time.Now(), 0
		b.Fail(&hubspot.RateLimitError{RetryAfter: 35 * time.Second})
		if err := b.Wait(t.Context(), func() { turns++ }); err != nil || time.Since(began) != 35*time.Second || turns != 5 {
			t.Errorf("%v after %v and %d turns", err, time.Since(began), turns)
		}
		b.Fail(&hubspot.Error{Status: 401})
		began = time.Now()
		go func() { time.Sleep(300 * time.Millisecond); b.TokenRenewed() }()
		if err := b.Wait(t.Context(), func() {}); err != nil || time.Since(began) != 300*time.Millisecond {
			t.Errorf("a login: %v after %v", err, time.Since(began))
		}
		b.Fail(limited)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Wait(ctx, func() {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a stop: %v", err)
		}
	})
}

// TestLanes: a pause by hand is told while nothing worse is the matter.
func TestLanes(t *testing.T) {
	l := breaker.Lanes{Live: true, Since: time.UnixMilli(5)}
	if !l.Has(outbox.Live) || l.Has(outbox.Backfill) || l.All() || !(breaker.Lanes{Live: true, Backfill: true}).All() {
		t.Error("the lanes are mixed up")
	}
	for state, told := range map[breaker.State]bool{breaker.Running: true, breaker.Limited: true, breaker.Paused: false, breaker.NeedsLogin: false,
		breaker.Degraded: false, breaker.Down: false} {
		s := l.Over(breaker.Status{State: state, Cause: "own"})
		if got := s.Cause == breaker.ByOperator && s.State == breaker.Paused && s.Since.Equal(l.Since) && s.Cure != ""; got != told {
			t.Errorf("%s: %+v", state, s)
		}
		if s := (breaker.Lanes{Backfill: true, Unsubscribe: true}).Over(breaker.Status{State: state, Cause: "own"}); s.Cause != "own" {
			t.Errorf("%s: another lane's pause is told: %+v", state, s)
		}
	}
}

// A lane asks before it sends, and reports after.
func ExampleBreaker() {
	b := breaker.New(breaker.Config{Log: slog.New(slog.DiscardHandler), Waits: waits})
	fmt.Println(b.Status().State, b.OpenFor())

	b.Fail(&hubspot.TokenError{Err: loginFault{}})
	s := b.Status()
	fmt.Println(s.State, s.Kind, s.Cause, b.OpenFor() > 0)

	b.TokenRenewed()
	fmt.Println(b.Status().State, b.OpenFor())
	// Output:
	// running 0s
	// needs_login login unauthorized true
	// running 0s
}
