package schedule

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"leadsync/internal/backoff"
)

// slice is the longest sleep between two looks at the clock: one that was set forward, or a machine that was suspended,
// makes firings due that the time that passed does not show.
const slice = time.Minute

// loop fires the job until ctx ends and waits for its runs.
func (j *job) loop(ctx context.Context, missed bool) {
	var runs sync.WaitGroup
	defer runs.Wait()
	for first := true; j.sleepUntilDue(ctx); first = false {
		now := j.scheduler.cfg.Now()
		next := j.times.Next(now.UTC())
		j.expect(next.Sub(now), next)
		runs.Go(func() { j.fire(ctx, first && missed) })
	}
}

// sleepUntilDue waits until the time to the next firing has passed, or the clock has reached it; false when ctx ended
// first.
func (j *job) sleepUntilDue(ctx context.Context) bool {
	for {
		j.mu.Lock()
		regular, wall := j.regular, j.wall
		j.mu.Unlock()
		left := min(time.Until(regular), wall.Sub(j.scheduler.cfg.Now()))
		if backoff.Sleep(ctx, min(left, slice)) != nil {
			return false
		}
		if left <= slice {
			return true
		}
	}
}

// fire makes one run, unless one is under way. missed says that this firing makes up for one that nobody was there for;
// such a run is not put off.
func (j *job) fire(ctx context.Context, missed bool) {
	now := time.Now()
	j.mu.Lock()
	if !j.began.IsZero() {
		j.skipped++
		running := now.Sub(j.began)
		j.mu.Unlock()
		if f := j.scheduler.cfg.Skipped; f != nil {
			f(j.Name, running)
		}
		return
	}
	j.began = now
	j.mu.Unlock()
	defer func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.began = time.Time{}
	}()
	if !missed && backoff.Sleep(ctx, j.jitter(j.scheduler.cfg.Now().UTC())) != nil {
		return
	}
	j.runAndRetry(ctx)
}

// runAndRetry repeats a failed run while the repeat would come before the next firing.
func (j *job) runAndRetry(ctx context.Context) {
	for attempt := 1; ; attempt++ {
		err := j.guarded(ctx)
		retry := j.scheduler.cfg.Retry
		if err == nil || ctx.Err() != nil || retry == nil {
			return
		}
		at := time.Now().Add(retry(attempt))
		if !j.repeat(at) || backoff.Sleep(ctx, time.Until(at)) != nil {
			return
		}
		j.again()
	}
}

// repeat reports whether the job is to be tried again at the time: not when its next firing comes first.
func (j *job) repeat(at time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !at.Before(j.regular) {
		return false
	}
	j.next = at
	return true
}

// expect notes the next firing: how long it is until then, and what the clock shows then.
func (j *job) expect(in time.Duration, wall time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.regular, j.wall = time.Now().Add(in), wall
	j.next = j.regular
}

// again shows the next firing in place of a repeat that has begun.
func (j *job) again() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = j.regular
}

// guarded makes a panic an error.
func (j *job) guarded(ctx context.Context) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		err = fmt.Errorf("job %s panicked", j.Name) // the value may be anything, also a person's
		j.mu.Lock()
		j.panics++
		j.mu.Unlock()
		if f := j.scheduler.cfg.Panicked; f != nil {
			f(j.Name, v, debug.Stack())
		}
	}()
	return j.Run(ctx)
}
