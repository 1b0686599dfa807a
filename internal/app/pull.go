package app

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
	"leadsync/internal/pull"
	"leadsync/internal/schedule"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

const (
	// attachSoon and attachEvery are how often pull asks whether push has learnt the account: a start takes a moment, an outage hours.
	attachSoon  = 50 * time.Millisecond
	attachEvery = time.Second
	// progressEvery is how often a long run says how far it is.
	progressEvery = time.Minute
	// skipEvery is how often the log tells that a long run is still under way; every firing that met it is counted.
	skipEvery = 10 * time.Minute
)

// beforeHubSpot is earlier than anything that HubSpot holds.
var beforeHubSpot = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// errLaneWaits: nothing may be sent to HubSpot now, push knows why and says so.
var errLaneWaits = errors.New("the lane waits")

// pulls are the streams during one ownership of the portal.
type pulls struct {
	o      *ownership
	puller *pull.Puller
	store  pull.Store
	skips  *observe.Limiter

	mu      sync.Mutex
	times   *schedule.Scheduler // nil before the account is known
	streams map[pull.Stream]*streamState
	apart   bool // the clocks were said to differ
}

// streamState is what is known of a stream without asking the database.
type streamState struct {
	position pull.Position
	failing  string // the class of the last run's error; empty = it ended well
	since    int64  // when the first run failed of those that failed one after the other; unix ms
}

// fail notes that a run failed.
func (s *streamState) fail(class string) {
	if s.failing == "" {
		s.since = millis(time.Now())
	}
	s.failing = class
}

func (o *ownership) newPulls() *pulls {
	cfg := o.app.cfg
	p := &pulls{o: o, skips: observe.NewLimiter(o.app.log, skipEvery), streams: map[pull.Stream]*streamState{}}
	p.store = o.portal
	if o.app.betweenPull != nil {
		p.store = o.app.betweenPull(p.store)
	}
	for _, s := range pull.Streams() {
		p.streams[s] = &streamState{}
	}
	p.puller = pull.New(pull.Config{Portal: cfg.Portal, Start: pullStart(cfg.Pull.Start), Unknown: pull.Unknown(cfg.Pull.Unknown),
		SetBack: p.setBack},
		o.hub, o.worker, p.store)
	return p
}

// pullStart is pull.start as a time; zero = now.
func pullStart(s config.PullStart) time.Time {
	if s == config.StartAll {
		return beforeHubSpot
	}
	at, _ := s.Time()
	return at
}

// spec is the schedule of a stream.
func spec(p *config.Pull, s pull.Stream) string {
	switch s {
	case pull.Lagged:
		return p.LaggedSchedule
	case pull.OptOut:
		return p.OptoutSchedule
	case pull.Archived:
		return p.ArchivedSchedule
	}
	return p.Schedule
}

// run fires the streams until ctx ends, and returns when the runs under way have ended. Nothing is asked before the account behind the
// token is known and pinned.
func (p *pulls) run(ctx context.Context, leave context.CancelCauseFunc) {
	hubID, ok := p.attached(ctx)
	if !ok {
		return
	}
	jobs := make([]schedule.Job, 0, len(p.streams))
	for _, s := range pull.Streams() {
		position, ok := p.startAt(ctx, hubID, s)
		if !ok {
			return
		}
		job := schedule.Job{Name: string(s), Spec: spec(&p.o.app.cfg.Pull, s), Run: func(ctx context.Context) error {
			err := p.once(ctx, s)
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
	times, err := schedule.New(schedule.Config{Retry: pullWaits.Delay, Skipped: p.skipped, Panicked: p.panicked, NoJitter: p.o.app.exact}, jobs...)
	if err != nil { // config check refuses such a schedule
		p.o.app.log.Error(observe.PullRunFailed, observe.Err, err)
		return
	}
	p.mu.Lock()
	p.times = times
	p.mu.Unlock()
	times.Run(ctx)
}

// recall reads what the streams did under owners before, so that status can tell it also while HubSpot is away. What cannot be read now is
// read when the account is known.
func (p *pulls) recall(ctx context.Context) {
	row, err := p.o.portal.Row(ctx)
	if err != nil || row.HubID == 0 {
		return
	}
	for _, s := range pull.Streams() {
		position, err := p.puller.Position(ctx, row.HubID, s)
		if err != nil {
			return
		}
		p.note(s, position, "")
	}
	p.recallFailing(row)
}

// recallFailing goes on with the count of how long a stream has failed: a restart is no success.
func (p *pulls) recallFailing(row store.PortalRow) {
	snap, err := status.Parse(row.Status)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range snap.Streams {
		if st := p.streams[pull.Stream(one.Stream)]; st != nil && one.Failing != nil && one.FailingSince != nil {
			st.failing, st.since = *one.Failing, *one.FailingSince
		}
	}
}

// attached waits until push has learnt the account.
func (p *pulls) attached(ctx context.Context) (hubID int64, ok bool) {
	for wait := attachSoon; ; wait = min(2*wait, attachEvery) {
		if p.o.worker.Account().Known() {
			return p.o.worker.Account().ID(), true
		}
		if backoff.Sleep(ctx, wait) != nil {
			return 0, false
		}
	}
}

// startAt reads the position of a stream, and waits for a database that is away.
func (p *pulls) startAt(ctx context.Context, hubID int64, s pull.Stream) (pull.Position, bool) {
	for attempt := 1; ; attempt++ {
		position, err := p.puller.Position(ctx, hubID, s)
		if err == nil {
			p.begins(s, position)
			return position, true
		}
		if backoff.Sleep(ctx, databaseWaits.Delay(attempt)) != nil {
			return position, false
		}
	}
}

func (p *pulls) note(s pull.Stream, position pull.Position, failing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*p.streams[s] = streamState{position: position, failing: failing}
}

// begins notes where a stream stands before its first run of this ownership.
func (p *pulls) begins(s pull.Stream, position pull.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[s].position = position
}

func (p *pulls) noteProgress(s pull.Stream, position pull.Position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[s].position = position
}

// once makes a run of a stream that the schedule asks for.
func (p *pulls) once(ctx context.Context, s pull.Stream) error {
	if p.o.pauses.pull() || p.o.worker.Breaker().SharedWaits() {
		return errLaneWaits // tried again soon
	}
	_, err := p.runStream(ctx, s, pull.RunOptions{})
	return err
}

// runStream makes a run and writes its line.
func (p *pulls) runStream(ctx context.Context, s pull.Stream, options pull.RunOptions) (pull.Result, error) {
	log := p.o.app.log.With(observe.RunID, strings.ToLower(rand.Text()[:8]), observe.Stream, string(s))
	began, told := time.Now(), time.Now()
	loop := loopPull + " " + string(s)
	p.o.app.loops.turn(loop, pageAtMost)
	defer p.o.app.loops.turn(loop, -1)
	outside := options.Progress
	options.Progress = func(at pull.Position) {
		p.o.app.loops.turn(loop, pageAtMost)
		p.noteProgress(s, at)
		if outside != nil {
			outside(at)
		}
		if at.Scan != nil && time.Since(told) >= progressEvery {
			told = time.Now()
			log.Info(observe.PullProgress, append(counts(at.Scan.Result), observe.Elapsed, time.Since(began).Round(time.Millisecond))...)
		}
	}
	hubID := p.o.worker.Account().ID()
	before, err := p.puller.Position(ctx, hubID, s)
	if err != nil {
		return pull.Result{}, p.failed(ctx, log, s, began, err)
	}
	result, err := p.patiently(ctx, s, options)
	p.sayClocks(ctx)
	if err != nil {
		return result, p.failed(ctx, log, s, began, err)
	}
	after, err := p.puller.Position(ctx, hubID, s)
	if err != nil {
		return result, p.failed(ctx, log, s, began, err)
	}
	p.note(s, after, "")
	if result.Pages > 0 { // else HubSpot was not asked
		p.o.worker.Breaker().ReportShared(nil)
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

// patiently makes a run, and goes on with it when HubSpot's limit of the second met it: the search budget is the account's, and its other
// apps use it too.
func (p *pulls) patiently(ctx context.Context, s pull.Stream, options pull.RunOptions) (pull.Result, error) {
	var total pull.Result
	waits, progress := 0, options.Progress
	options.Progress = func(at pull.Position) {
		waits, options.Since = 0, time.Time{} // what is left of the scan stands in the position
		progress(at)
	}
	for {
		result, err := p.puller.Run(ctx, s, options)
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

func counts(r pull.Result) []any {
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
func (p *pulls) failed(ctx context.Context, log *slog.Logger, s pull.Stream, began time.Time, err error) error {
	if ctx.Err() != nil {
		return err
	}
	p.o.worker.Breaker().ReportShared(err)
	class := pullClass(err)
	p.mu.Lock()
	p.streams[s].fail(class)
	times := p.times
	p.mu.Unlock()
	attrs := []any{observe.Class, class, observe.Err, err, observe.Elapsed, time.Since(began).Round(time.Millisecond)}
	if times != nil {
		if next := times.Status(string(s)).Next; !next.IsZero() {
			attrs = append(attrs, observe.NextRunAt, next.UTC())
		}
	}
	log.Warn(observe.PullRunFailed, attrs...)
	return err
}

// pullClass is the machine word of a failure.
func pullClass(err error) string {
	switch {
	case errors.Is(err, settlement.ErrLeaseLost):
		return "lease"
	case errors.Is(err, pull.ErrNotAttached):
		return "not_attached"
	case store.IsUnavailable(err), store.IsFull(err), store.IsReadOnly(err), store.IsDenied(err), errors.Is(err, store.ErrSilent), errors.Is(err, context.DeadlineExceeded):
		return "database"
	}
	return string(hubspot.Classify(err))
}

const clockHint = "set this machine's clock: timedatectl set-ntp true; if it is right, look at the proxy on the way to HubSpot"

// setBack tells of a position that lay beyond now.
func (p *pulls) setBack(s pull.Stream, from, to time.Time) {
	p.o.app.log.Warn(observe.PullSetBack, observe.Stream, string(s), observe.WatermarkFrom, from.UTC(), observe.WatermarkTo, to.UTC(), observe.Hint, clockHint)
}

// sayClocks says when HubSpot's Date and our clock come apart, and when they agree again.
func (p *pulls) sayClocks(ctx context.Context) {
	off := p.puller.ClockOff()
	p.mu.Lock()
	changed := p.apart != (off != 0)
	p.apart = off != 0
	p.mu.Unlock()
	switch {
	case changed && off != 0:
		p.o.app.log.WarnContext(ctx, observe.ClocksDiffer, observe.Ahead, off.Round(time.Second), observe.Hint, clockHint)
	case changed:
		p.o.app.log.InfoContext(ctx, observe.ClocksAgree)
	}
}

// skipped tells of a firing that met its stream at work.
func (p *pulls) skipped(name string, runningFor time.Duration) {
	p.skips.Log(context.Background(), slog.LevelWarn, "skipped/"+name, observe.PullRunSkipped, slog.String(observe.Stream, name),
		slog.Duration(observe.RunningFor, runningFor.Round(time.Second)))
}

// panicked tells of a defect of ours; the stream is tried again.
func (p *pulls) panicked(name string, value any, stack []byte) {
	p.mu.Lock()
	p.streams[pull.Stream(name)].fail("panic")
	p.mu.Unlock()
	text := "panic" // a value that is not an error of the runtime may hold anything
	if err, ok := value.(interface {
		error
		RuntimeError()
	}); ok {
		text = err.Error()
	}
	p.o.app.log.Error(observe.PullRunFailed, observe.Stream, name, observe.Class, "panic", observe.Err, text, observe.Stack, string(stack))
}

// status is how the streams stand, for `leadsync status`.
func (p *pulls) status() []status.Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]status.Stream, 0, len(p.streams))
	for _, s := range pull.Streams() {
		st := p.streams[s]
		out := status.Stream{Stream: string(s), LastRunAt: known(st.position.RanAt), Watermark: known(st.position.Watermark), Failing: text(st.failing),
			SetBackAt: known(st.position.SetBackAt)}
		if st.failing != "" {
			out.FailingSince = known(st.since)
		}
		if last := st.position.Last; last != nil {
			out.Seen, out.Applied, out.Conflicts = int64(last.Seen), int64(last.Applied), int64(last.Conflicts)
		}
		if p.times != nil {
			t := p.times.Status(string(s))
			out.NextRunAt, out.Skipped = known(millis(t.Next)), int64(t.Skipped)
			if t.Running > 0 {
				out.RunningSince = known(millis(time.Now().Add(-t.Running)))
			}
		}
		all = append(all, out)
	}
	return all
}

// known is nil for 0.
func known(ms int64) *int64 {
	if ms == 0 {
		return nil
	}
	return &ms
}
