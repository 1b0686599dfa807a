package pull

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/settlement"
)

// lane is a breaker that remembers what it was told.
type lane struct {
	waits, paused atomic.Bool

	mu       sync.Mutex
	reported []error
}

func (l *lane) SharedWaits() bool { return l.waits.Load() }

func (l *lane) ReportShared(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reported = append(l.reported, err)
}

var errDatabase = errors.New("the database is away")

// testLoop is a loop that runs every stream each minute, and its log.
func testLoop(hub HubSpot, store Store, l *lane) (*Loop, *bytes.Buffer) {
	log := &bytes.Buffer{}
	each := func(int) time.Duration { return 10 * time.Second }
	schedules := map[Stream]string{}
	for _, s := range Streams() {
		schedules[s] = "@every 1m"
	}
	return NewLoop(LoopConfig{Schedules: schedules, Log: slog.New(slog.NewTextHandler(log, nil)), Breaker: l, Paused: l.paused.Load,
		Database: func(err error) bool { return errors.Is(err, errDatabase) }, DatabaseWait: each, RunWait: each,
		Turn: func(Stream, time.Duration) {}, NoJitter: true},
		Config{Portal: "default"}, hub, &nobody{}, store), log
}

func (l *Loop) state(s Stream) State {
	for _, st := range l.States() {
		if st.Stream == s {
			return st
		}
	}
	return State{}
}

// The streams run by their schedules; while pull is paused or the lane waits HubSpot is not asked, and it goes on by
// itself afterwards.
func TestLoopFiresAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, l := &script{date: time.Now()}, &lane{}
		l.waits.Store(true)
		loop, log := testLoop(hub, newMemory(), l)
		if st := loop.state(Changes); st.Scheduled || st.Position.RanAt != 0 {
			t.Errorf("before the start: %+v", st)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); loop.Run(ctx, stop) }()
		time.Sleep(5 * time.Minute)
		l.waits.Store(false)
		l.paused.Store(true)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if len(hub.asked) > 0 {
			t.Errorf("asked %v", hub.asked)
		}
		l.paused.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if st := loop.state(Changes); len(hub.asked) == 0 || !st.Scheduled || st.Next.IsZero() || st.Failing != "" || time.Since(time.UnixMilli(st.Position.RanAt)) > time.Minute {
			t.Errorf("asked %d times, %+v\n%s", len(hub.asked), st, log)
		}
		stop(nil)
		<-ended
	})
}

// A run that fails is told with its class, counts from the first failure, and what shared trouble it met is reported; a
// success ends it.
func TestLoopTellsFailures(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{&hubspot.Error{Op: hubspot.OpSearch, Status: 500}, string(hubspot.Classify(&hubspot.Error{Op: hubspot.OpSearch, Status: 500}))},
		{errDatabase, "database"},
		{context.DeadlineExceeded, "database"},
		{ErrNotAttached, "not_attached"},
	} {
		synctest.Test(t, func(t *testing.T) {
			hub, l := &script{date: time.Now(), fail: c.err}, &lane{}
			loop, log := testLoop(hub, newMemory(), l)
			began := time.Now()
			for range 2 {
				if err := loop.once(t.Context(), Changes); !errors.Is(err, c.err) {
					t.Fatalf("error %v", err)
				}
				time.Sleep(time.Minute)
			}
			st := loop.state(Changes)
			if st.Failing != c.want || st.FailingSince != began.UnixMilli() || !strings.Contains(log.String(), "class="+c.want) || len(l.reported) != 2 {
				t.Errorf("%v: %+v, reported %v, log %s", c.err, st, l.reported, log)
			}
			hub.fail, hub.date = nil, time.Now()
			if err := loop.once(t.Context(), Changes); err != nil || loop.state(Changes).Failing != "" || l.reported[len(l.reported)-1] != nil {
				t.Errorf("%v, %+v", err, loop.state(Changes))
			}
			loop.RecallFailing(Changes, "server", 7)
			loop.RecallFailing("none", "server", 7)
			if st := loop.state(Changes); st.Failing != "server" || st.FailingSince != 7 || loop.Recall(t.Context(), 1) != nil || loop.state(Changes).Failing != "" {
				t.Errorf("recalled %+v", st)
			}
		})
	}
}

// One pass runs each stream, or the one that is wanted, and says when somebody else took the portal.
func TestLoopOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, l := newMemory(), &lane{}
		l.waits.Store(true) // whoever asks for a pass has looked already
		l.paused.Store(true)
		loop, _ := testLoop(&script{date: time.Now()}, store, l)
		var told []string
		done, err := loop.Once(t.Context(), 1, Once{Progress: func(stream string, _ Result) { told = append(told, stream) }})
		if err != nil || len(done) != len(Streams()) || len(told) == 0 {
			t.Fatalf("%v, %v, told %v", done, err, told)
		}
		if done, err = loop.Once(t.Context(), 1, Once{Stream: string(Lagged)}); err != nil || len(done) != 1 || done[0].Stream != string(Lagged) {
			t.Errorf("%v, %v", done, err)
		}
		store.fail = func(int) error { return settlement.ErrLeaseLost }
		time.Sleep(2 * time.Hour)
		if _, err := loop.Once(t.Context(), 1, Once{Stream: string(Changes)}); err == nil || !strings.Contains(err.Error(), "another process took the portal") {
			t.Errorf("error %v", err)
		}
	})
}
