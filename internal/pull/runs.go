package pull

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
	"leadsync/internal/settlement"
)

// runStream makes a run and writes its line.
func (l *Loop) runStream(ctx context.Context, s Stream, options RunOptions) (Result, error) {
	log := l.cfg.Log.With(observe.RunID, strings.ToLower(rand.Text()[:8]), observe.Stream, string(s))
	began, told := time.Now(), time.Now()
	l.cfg.Turn(s, pageAtMost)
	defer l.cfg.Turn(s, -1)
	outside := options.Progress
	options.Progress = func(at Position) {
		l.cfg.Turn(s, pageAtMost)
		l.noteProgress(s, at)
		if outside != nil {
			outside(at)
		}
		if at.Scan != nil && time.Since(told) >= progressEvery {
			told = time.Now()
			log.Info(observe.PullProgress, append(counts(at.Scan.Result), observe.Elapsed, time.Since(began).Round(time.Millisecond))...)
		}
	}
	hubID, _, _ := l.Puller.leads.Attached()
	before, err := l.Puller.Position(ctx, hubID, s)
	if err != nil {
		return Result{}, l.failed(ctx, log, s, began, err)
	}
	result, err := l.patiently(ctx, s, options)
	l.sayClocks(ctx)
	if err != nil {
		return result, l.failed(ctx, log, s, began, err)
	}
	after, err := l.Puller.Position(ctx, hubID, s)
	if err != nil {
		return result, l.failed(ctx, log, s, began, err)
	}
	l.note(s, after, "")
	if result.Pages > 0 { // else HubSpot was not asked
		l.cfg.Breaker.ReportShared(nil)
	}
	level := slog.LevelInfo
	if result.Seen == 0 && result.Applied == 0 {
		level = slog.LevelDebug // nothing happened at HubSpot
	}
	attrs := counts(result)
	if after.Watermark != 0 {
		attrs = append(attrs, observe.WatermarkFrom, clock(before.Watermark), observe.WatermarkTo, clock(after.Watermark))
	}
	log.Log(ctx, level, observe.PullRunDone, append(attrs, observe.Elapsed, time.Since(began).Round(time.Millisecond))...)
	return result, nil
}

// mostWaits is how often in a row a run waits for a limit without coming further.
const mostWaits = 10

// patiently makes a run, and goes on with it when HubSpot's limit of the second met it: the search budget is the
// account's, and its other apps use it too.
func (l *Loop) patiently(ctx context.Context, s Stream, options RunOptions) (Result, error) {
	var total Result
	waits, progress := 0, options.Progress
	options.Progress = func(at Position) {
		waits, options.Since = 0, time.Time{} // what is left of the scan stands in the position
		progress(at)
	}
	for {
		result, err := l.Puller.Run(ctx, s, options)
		total.Pages, total.Seen, total.Applied = total.Pages+result.Pages, total.Seen+result.Seen, total.Applied+result.Applied
		total.Echoes, total.Conflicts, total.Unknown = total.Echoes+result.Echoes, total.Conflicts+result.Conflicts, total.Unknown+result.Unknown
		if hubspot.Classify(err) != hubspot.ClassRateLimited || waits == mostWaits {
			return total, err
		}
		waits++
		if backoff.Sleep(ctx, max(hubspot.RetryAfter(err), time.Second)) != nil {
			return total, err
		}
	}
}

func counts(r Result) []any {
	return []any{observe.Pages, r.Pages, observe.Seen, r.Seen, observe.Applied, r.Applied, observe.Echoes, r.Echoes, observe.Conflicts, r.Conflicts}
}

// clock is a moment of HubSpot's.
func clock(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// failed writes the line of a run that did not end well; one that a stop cut off has none.
func (l *Loop) failed(ctx context.Context, log *slog.Logger, s Stream, began time.Time, err error) error {
	if ctx.Err() != nil {
		return err
	}
	l.cfg.Breaker.ReportShared(err)
	class := l.class(err)
	l.mu.Lock()
	l.streams[s].fail(class)
	times := l.times
	l.mu.Unlock()
	attrs := []any{observe.Class, class, observe.Err, err, observe.Elapsed, time.Since(began).Round(time.Millisecond)}
	if times != nil {
		if next := times.Status(string(s)).Next; !next.IsZero() {
			attrs = append(attrs, observe.NextRunAt, next.UTC())
		}
	}
	log.Warn(observe.PullRunFailed, attrs...)
	return err
}

// class is the machine word of a failure.
func (l *Loop) class(err error) string {
	switch {
	case errors.Is(err, settlement.ErrLeaseLost):
		return "lease"
	case errors.Is(err, ErrNotAttached):
		return "not_attached"
	case l.cfg.Database(err), errors.Is(err, context.DeadlineExceeded):
		return "database"
	}
	return string(hubspot.Classify(err))
}

const clockHint = "set this machine's clock: timedatectl set-ntp true; if it is right, look at the proxy on the way to HubSpot"

// setBack tells of a position that lay beyond now.
func (l *Loop) setBack(s Stream, from, to time.Time) {
	l.cfg.Log.Warn(observe.PullSetBack, observe.Stream, string(s), observe.WatermarkFrom, from.UTC(), observe.WatermarkTo, to.UTC(), observe.Hint, clockHint)
}

// sayClocks says when HubSpot's Date and our clock come apart, and when they agree again.
func (l *Loop) sayClocks(ctx context.Context) {
	off := l.Puller.ClockOff()
	l.mu.Lock()
	changed := l.apart != (off != 0)
	l.apart = off != 0
	l.mu.Unlock()
	switch {
	case changed && off != 0:
		l.cfg.Log.WarnContext(ctx, observe.ClocksDiffer, observe.Ahead, off.Round(time.Second), observe.Hint, clockHint)
	case changed:
		l.cfg.Log.InfoContext(ctx, observe.ClocksAgree)
	}
}

// skipped tells of a firing that met its stream at work.
func (l *Loop) skipped(name string, runningFor time.Duration) {
	l.skips.Log(context.Background(), slog.LevelWarn, "skipped/"+name, observe.PullRunSkipped, slog.String(observe.Stream, name),
		slog.Duration(observe.RunningFor, runningFor.Round(time.Second)))
}

// panicked tells of a defect of ours; the stream is tried again.
func (l *Loop) panicked(name string, value any, stack []byte) {
	l.mu.Lock()
	l.streams[Stream(name)].fail("panic")
	l.mu.Unlock()
	text := "panic" // a value that is not an error of the runtime may hold anything
	if err, ok := value.(interface {
		error
		RuntimeError()
	}); ok {
		text = err.Error()
	}
	l.cfg.Log.Error(observe.PullRunFailed, observe.Stream, name, observe.Class, "panic", observe.Err, text, observe.Stack, string(stack))
}
