package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
)

// msgNotify is the line about a systemd that does not listen.
const msgNotify = "systemd could not be told"

// statusLine is the one line that systemctl status shows. Safe for concurrent use; the zero value is ready.
type statusLine struct {
	mu    sync.Mutex
	text  string
	aside string // what stays beside it, such as a refused reload
	sent  string
}

func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// note puts a word beside whatever is shown; empty takes it away.
func (s *statusLine) note(aside string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.aside = aside
}

// now is the whole line.
func (s *statusLine) now() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line()
}

func (s *statusLine) line() string {
	if s.aside == "" || s.text == "" {
		return s.text + s.aside
	}
	return s.text + "; " + s.aside
}

// take returns the line when it has not been sent yet.
func (s *statusLine) take() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line()
	if line == s.sent {
		return "", false
	}
	s.sent = line
	return line, true
}

// report saves how the lane stands, at every change, also of rows that were settled, and at least every
// status.SaveEvery, until ctx ends; then once more with what the last requests brought.
func (o *ownership) report(ctx, hold context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var last string
	var saved time.Time
	spoke := time.Now()
	for {
		o.app.loops.turn(loopReport, time.Second)
		snap := o.snapshot()
		// What it says beside the rows must be of the same moment as they: while rows move it is saved each second.
		key := fmt.Sprint(snap.LastProgressAt, snap.Dead, snap.LastSuccessAt != 0, snap.Budget.DailyUsed != nil, snap.State, snap.Cause, snap.Since, snap.PropertyProblems, snap.ConsentCause, snap.DeletesPausedAt, o.hub.tokens.expiresAt() != nil)
		now := time.Now()
		due := key != last || now.Sub(saved) >= status.SaveEvery
		if due && o.store(hold, snap) {
			last, saved = key, now
		}
		o.app.status.show(o.app.health.warn() + sentence(snap))
		if now.Sub(spoke) >= heartbeatEvery {
			o.heartbeat(hold, snap)
			spoke = now
		}
		select {
		case <-ctx.Done():
			<-hold.Done() // the requests under way have ended
			o.save(context.WithoutCancel(hold))
			return
		case <-t.C:
		}
	}
}

// heartbeatEvery is how often a daemon says that it is there, also when there is nothing to do.
const heartbeatEvery = 15 * time.Minute

// heartbeat is the line of an idle quarter of an hour.
func (o *ownership) heartbeat(ctx context.Context, snap status.Snapshot) {
	attrs := []slog.Attr{slog.String(observe.State, string(snap.State)), slog.Duration(observe.Uptime, time.Since(o.app.began).Round(time.Second))}
	if snap.Cause != "" {
		attrs = append(attrs, slog.String(observe.Cause, snap.Cause))
	}
	if snap.LastSuccessAt != 0 {
		attrs = append(attrs, slog.Time(observe.LastOK, time.UnixMilli(snap.LastSuccessAt).UTC()))
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if counts, err := o.app.db.Operator().Counts(ctx); err == nil { // else the lane says what is wrong with the database
		var dead int64
		for _, c := range counts {
			if c.Portal == o.app.cfg.Portal && c.State == outbox.Dead {
				dead += c.Count
			}
		}
		attrs = append(attrs, slog.Int64(observe.Pending, pendingOf(counts, o.app.cfg.Portal)), slog.Int64(observe.Dead, dead))
	}
	o.app.log.LogAttrs(ctx, slog.LevelInfo, observe.DaemonAlive, attrs...)
}

// save stores the snapshot of this moment.
func (o *ownership) save(ctx context.Context) { o.store(ctx, o.snapshot()) }

// saveTimeout keeps a database that hangs from holding the reports up.
const saveTimeout = 5 * time.Second

// store reports whether the snapshot was stored; one that was not is told again.
func (o *ownership) store(ctx context.Context, snap status.Snapshot) bool {
	text, err := snap.Marshal()
	if err != nil {
		o.app.log.Warn(msgSave, observe.Err, err)
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := o.portal.SaveStatus(ctx, text, outbox.Millis(time.Now())); err != nil {
		o.app.log.Debug(msgSave, observe.Err, err) // the lane says what is wrong with the database
		return false
	}
	return true
}

const msgSave = "saving the status"

// snapshot is what `leadsync status` is told.
func (o *ownership) snapshot() status.Snapshot {
	p := o.worker.Status()
	b := o.hub.limiter.Budget()
	mode := string(o.cfg.HubSpot.Auth.Mode)
	snap := status.Snapshot{State: p.State, Kind: p.Kind, Cause: p.Cause, Cure: p.Cure, Since: millis(p.Since), Until: millis(p.Until),
		LastSuccessAt: millis(p.LastGood), Token: status.Token{Mode: &mode, ExpiresAt: o.hub.tokens.expiresAt()}, PropertyProblems: p.Problems,
		ConsentCause: p.ConsentCause, ConsentCure: p.ConsentCure, Refused: p.Refused, DeletesPausedAt: p.DeletesPausedAt, Version: o.app.version}
	snap.Budget = status.Budget{WindowUsed: number(b.WindowUsed, b.WindowLimit), WindowLimit: number(b.WindowLimit, b.WindowLimit),
		DailyLimit: number(b.DailyLimit, b.DailyLimit)}
	if b.DailyKnown {
		snap.Budget.DailyUsed = number(b.DailyUsed, 1)
	}
	o.app.meters.progress(&snap)
	snap.WaitingSince = o.app.health.waitingSince()
	snap.Streams, snap.ClockOff = o.pullStatus(), o.pulls.Puller.ClockOff().Milliseconds()
	return snap
}

// number is nil where there is no limit: then the window is not counted.
func number(n, limit int) *int64 {
	if limit == 0 {
		return nil
	}
	v := int64(n)
	return &v
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// sentence is the line for systemctl status. It names no person.
func sentence(s status.Snapshot) string {
	text := string(s.State)
	if s.Cause != "" {
		text += ": " + s.Cause
	}
	if s.Until != 0 && s.State != breaker.Running {
		text += ", again at " + time.UnixMilli(s.Until).UTC().Format(time.TimeOnly) + "Z"
	}
	if s.LastSuccessAt != 0 {
		text += ", last ok " + time.UnixMilli(s.LastSuccessAt).UTC().Format(time.TimeOnly) + "Z"
	}
	return text
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
