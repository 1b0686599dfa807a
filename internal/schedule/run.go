package schedule

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"
)

// fire makes one run, unless one is under way. missed says that the first firing makes up for one that nobody was there for; such a
// run is not put off.
func (j *job) fire(ctx context.Context, missed bool) {
	now := time.Now()
	j.mu.Lock()
	atOnce := missed && !j.caught
	j.caught = true
	j.regular = j.times.Next(now.UTC())
	j.next = j.regular
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
	if !atOnce && !sleep(ctx, j.jitter(now.UTC())) {
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
		if !j.repeat(at) || !sleep(ctx, time.Until(at)) {
			return
		}
		j.expect(time.Time{})
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

// expect shows when the job comes next; zero = when it is fired.
func (j *job) expect(at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.next = at; at.IsZero() {
		j.next = j.regular
	}
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

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
