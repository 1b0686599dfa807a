package pull

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/observe"
	"leadsync/internal/schedule"
	"leadsync/internal/settlement"
)

const (
	// attachSoon and attachEvery are how often pull asks whether push has learnt the account: a start takes a moment, an
	// outage hours.
	attachSoon  = 50 * time.Millisecond
	attachEvery = time.Second
	// pageAtMost is how long a run of a stream may take for one page: it waits for its turn behind push, and for leads
	// that push holds.
	pageAtMost = 30 * time.Minute
	// progressEvery is how often a long run says how far it is.
	progressEvery = time.Minute
	// skipEvery is how often the log tells that a long run is still under way; every firing that met it is counted.
	skipEvery = 10 * time.Minute
)

// errLaneWaits: nothing may be sent to HubSpot now, push knows why and says so.
var errLaneWaits = errors.New("the lane waits")

// Breaker is what push and pull tell each other of the account: *breaker.Breaker.
type Breaker interface {
	// SharedWaits reports whether nothing may be asked for a reason that counts for pull too.
	SharedWaits() bool
	// ReportShared records the outcome of a request that pull made; nil is a success.
	ReportShared(err error)
}

// LoopConfig is what a Loop needs; all of it must be set.
type LoopConfig struct {
	Schedules map[Stream]string // when each stream runs, see schedule.Parse
	Log       *slog.Logger
	Breaker   Breaker
	Paused    func() bool      // whether an operator stopped pull by hand
	Database  func(error) bool // whether an error is the database's
	// DatabaseWait and RunWait are the waits before the n-th repeat, from 1: of a reading at the start, and of a run that
	// failed.
	DatabaseWait, RunWait func(n int) time.Duration
	// Turn is told whenever a run turns and how long it may take from then on; a negative time ends it.
	Turn     func(s Stream, most time.Duration)
	NoJitter bool // firings are exact, for tests
}

// Loop fires the streams of a Puller by their schedules, during one ownership of the portal. Run it once; the other
// methods are safe for concurrent use.
type Loop struct {
	Puller *Puller

	cfg   LoopConfig
	skips *observe.Limiter

	mu      sync.Mutex          // guards what follows
	times   *schedule.Scheduler // nil before the account is known
	streams map[Stream]*streamState
	apart   bool // the clocks were said to differ
}

// NewLoop returns a Loop over a Puller that it makes of the rest.
func NewLoop(cfg LoopConfig, c Config, hub HubSpot, leads Leads, store Store) *Loop {
	l := &Loop{cfg: cfg, skips: observe.NewLimiter(cfg.Log, skipEvery), streams: map[Stream]*streamState{}}
	for _, s := range Streams() {
		l.streams[s] = &streamState{}
	}
	c.SetBack = l.setBack
	l.Puller = New(c, hub, leads, store)
	return l
}

// Run fires the streams until ctx ends, and returns when the runs under way have ended. Nothing is asked before the
// account behind the token is known and pinned.
func (l *Loop) Run(ctx context.Context, leave context.CancelCauseFunc) {
	hubID, ok := l.attached(ctx)
	if !ok {
		return
	}
	jobs := make([]schedule.Job, 0, len(l.streams))
	for _, s := range Streams() {
		position, ok := l.startAt(ctx, hubID, s)
		if !ok {
			return
		}
		job := schedule.Job{Name: string(s), Spec: l.cfg.Schedules[s], Run: func(ctx context.Context) error {
			err := l.once(ctx, s)
			if errors.Is(err, settlement.ErrLeaseLost) {
				leave(settlement.ErrLeaseLost)
			}
			return err
		}}
		if position.RanAt != 0 && position.Scan == nil { // a run that was cut off goes on at once
			job.Last = time.UnixMilli(position.RanAt)
		}
		jobs = append(jobs, job)
	}
	times, err := schedule.New(schedule.Config{Retry: l.cfg.RunWait, Skipped: l.skipped, Panicked: l.panicked, NoJitter: l.cfg.NoJitter}, jobs...)
	if err != nil { // config check refuses such a schedule
		l.cfg.Log.Error(observe.PullRunFailed, observe.Err, err)
		return
	}
	l.mu.Lock()
	l.times = times
	l.mu.Unlock()
	times.Run(ctx)
}

// attached waits until push has learnt the account.
func (l *Loop) attached(ctx context.Context) (hubID int64, ok bool) {
	for wait := attachSoon; ; wait = min(2*wait, attachEvery) {
		if hubID, _, ok := l.Puller.leads.Attached(); ok {
			return hubID, true
		}
		if backoff.Sleep(ctx, wait) != nil {
			return 0, false
		}
	}
}

// startAt reads the position of a stream, and waits for a database that is away.
func (l *Loop) startAt(ctx context.Context, hubID int64, s Stream) (Position, bool) {
	for attempt := 1; ; attempt++ {
		position, err := l.Puller.Position(ctx, hubID, s)
		if err == nil {
			l.begins(s, position)
			return position, true
		}
		if backoff.Sleep(ctx, l.cfg.DatabaseWait(attempt)) != nil {
			return position, false
		}
	}
}

// once makes a run of a stream that the schedule asks for.
func (l *Loop) once(ctx context.Context, s Stream) error {
	if l.cfg.Paused() || l.cfg.Breaker.SharedWaits() {
		return errLaneWaits // tried again soon
	}
	_, err := l.runStream(ctx, s, RunOptions{})
	return err
}
