// Package schedule fires named jobs by cron expressions.
//
// Guarantees. A job that still runs is not started a second time: the firing is skipped, counted and reported. A run
// that panics is reported with its stack and counts as failed; the next one comes as if nothing had been. A firing that
// fell into a time when nobody ran is made up for once at the start, however many were missed. A failed run is tried
// again with growing waits as long as that is sooner than the next firing. A clock that is set, forward or back, holds
// no firing up: it comes when either the time that passed or the clock says so. Run returns when every run under way
// has ended.
//
// It keeps no time over a restart (the caller says when a job last ran), and starts nothing by itself before Run.
//
// Design: robfig/cron decides the times and nothing else. Its runner was rejected: it compares the clock's time alone,
// so that a clock set back two hours holds every job up for two hours (cron.go, run, v3.0.1). So was its chain: a
// recovery outside of its skip leaves the job locked for ever after one panic
// (https://github.com/robfig/cron/issues/366, read 2026-11-22), its skip cannot be counted, it forgets what was missed,
// and its jobs get no context. All times are UTC unless the expression names a zone, so that no firing falls into an
// hour that a clock change leaves out.
package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

// Job is what is fired.
type Job struct {
	Name string // unique
	// Spec is five cron fields or @every, see Parse.
	Spec string
	// Last is when the last run began that ended well, in whatever process; zero = never, then it is due at once.
	Last time.Time
	// Run does the work; ctx ends when no more is wanted. An error is tried again, see Config.Retry.
	Run func(ctx context.Context) error
}

// Config is what a Scheduler needs.
type Config struct {
	// Now is the clock that schedules are read by, which may be set at any time; nil = time.Now.
	Now func() time.Time
	// Retry is the wait before the n-th repeat (from 1) of a failed run; nil = wait for the next firing.
	Retry func(attempt int) time.Duration
	// Skipped is told of a firing that met its job at work. May be nil.
	Skipped func(name string, runningFor time.Duration)
	// Panicked is told of a run that panicked. May be nil.
	Panicked func(name string, value any, stack []byte)
	// NoJitter makes firings exact, for tests.
	NoJitter bool
}

// Scheduler fires jobs. Run it once; the other methods are safe for concurrent use.
type Scheduler struct {
	cfg   Config
	jobs  []*job
	named map[string]*job
}

// jitterPart of the time to the next firing, at most jitterMost, is by how much a firing is put off at random: many
// instances whose schedules name the same minute do not all ask HubSpot in its first second.
const (
	jitterPart = 20
	jitterMost = time.Minute
)

// New reads the schedules; the error names the first job whose Spec is none.
func New(cfg Config, jobs ...Job) (*Scheduler, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Scheduler{cfg: cfg, named: map[string]*job{}}
	now := cfg.Now()
	for _, j := range jobs {
		times, err := Parse(j.Spec, now)
		if err != nil {
			return nil, fmt.Errorf("job %s: %w", j.Name, err)
		}
		e := &job{Job: j, scheduler: s, times: times}
		s.jobs = append(s.jobs, e)
		s.named[j.Name] = e
	}
	return s, nil
}

// Run fires until ctx ends, then waits for the runs under way; their context is ctx.
func (s *Scheduler) Run(ctx context.Context) {
	now := s.cfg.Now()
	var loops sync.WaitGroup
	for _, j := range s.jobs {
		first, missed := j.first(now)
		j.expect(first.Sub(now), first)
		loops.Go(func() { j.loop(ctx, missed) })
	}
	loops.Wait()
}

// Status is how a job stands.
type Status struct {
	Next    time.Time     // when it is fired or tried again; zero before Run
	Running time.Duration // how long the present run has lasted; 0 = none
	Skipped int           // firings that met it at work
	Panics  int
}

// Status tells how a job stands; the zero Status for a name that is none.
func (s *Scheduler) Status(name string) Status {
	j := s.named[name]
	if j == nil {
		return Status{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	st := Status{Skipped: j.skipped, Panics: j.panics}
	if !j.next.IsZero() { // as the clock shows it now, which may have been set
		st.Next = s.cfg.Now().Add(time.Until(j.next))
	}
	if !j.began.IsZero() {
		st.Running = time.Since(j.began)
	}
	return st
}

// job is a Job at work.
type job struct {
	Job
	scheduler *Scheduler
	times     cron.Schedule

	mu      sync.Mutex
	regular time.Time // the next firing, with the monotonic clock's reading
	wall    time.Time // the same as the schedule names it
	next    time.Time // the next firing, or a repeat before it, with the monotonic clock's reading
	began   time.Time // of the run under way; zero = none

	skipped int
	panics  int
}

// first is when the job is fired first. A last run in the future is a clock that was wrong: nothing can be told from
// it.
func (j *job) first(now time.Time) (at time.Time, missed bool) {
	if j.Last.IsZero() || j.Last.After(now) {
		return now, true
	}
	if at = j.times.Next(j.Last.UTC()); !at.After(now) {
		return now, true
	}
	return at.UTC(), false
}

// jitter is how long a firing is put off.
func (j *job) jitter(now time.Time) time.Duration {
	if j.scheduler.cfg.NoJitter {
		return 0
	}
	most := min(j.times.Next(now).Sub(now)/jitterPart, jitterMost)
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
