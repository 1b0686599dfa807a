package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
)

// msgNotify is the line about a systemd that does not listen.
const msgNotify = "systemd could not be told"

// statusLine is the one line that systemctl status shows. Safe for concurrent use.
type statusLine struct {
	mu    sync.Mutex
	text  string
	sent  string
	since time.Time // when the start or the wait last turned
}

// set is for a loop that waits knowingly: it shows the text and notes that the loop turned.
func (s *statusLine) set(text string) {
	s.show(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = time.Now()
}

func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// take returns the text when it has not been sent yet.
func (s *statusLine) take() (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == s.sent {
		return "", false
	}
	s.sent = s.text
	return s.text, true
}

// keepAlive sends the status line, at most once a second, and the watchdog's beat while every loop turns. The returned function
// ends it and waits.
func (a *App) keepAlive(ctx context.Context) (stop func()) {
	if !a.notify.Enabled() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // also while the daemon stops
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(time.Second)
		defer t.Stop()
		var beaten time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-t.C:
				if text, fresh := a.status.take(); fresh {
					_ = a.notify.Status(text) // told again with the next change
				}
				if every := a.notify.WatchdogInterval() / 3; every > 0 && now.Sub(beaten) >= every && a.turning(now) {
					if err := a.notify.Watchdog(); err != nil {
						a.log.Warn(msgNotify, observe.Err, err)
					}
					beaten = now
				}
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// turning reports whether the loop that has the word turned lately: the worker's while it serves, that of the start or of the
// standby before. A loop that waits knowingly turns too.
func (a *App) turning(now time.Time) bool {
	last := a.status.turned()
	if w := a.worker.Load(); w != nil {
		if t := w.LastTurn(); t.After(last) {
			last = t
		}
	}
	return now.Sub(last) < a.notify.WatchdogInterval()
}

func (s *statusLine) turned() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.since
}

// report saves how the lane stands, at every change and at least every status.SaveEvery, until ctx ends; then once more with what
// the last requests brought.
func (o *ownership) report(ctx, hold context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	var last string
	var saved time.Time
	for {
		snap := o.snapshot()
		key := fmt.Sprint(snap.State, snap.Cause, snap.Since, snap.PropertyProblems, snap.ConsentCause, snap.DeletesPausedAt, o.hub.tokens.expiresAt() != nil)
		now := time.Now()
		due := key != last || now.Sub(saved) >= status.SaveEvery
		if due && o.store(hold, snap) {
			last, saved = key, now
		}
		o.app.status.show(sentence(snap))
		select {
		case <-ctx.Done():
			<-hold.Done() // the requests under way have ended
			o.save(context.WithoutCancel(hold))
			return
		case <-t.C:
		}
	}
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
	if err := o.app.db.SaveStatus(ctx, o.lease, text, outbox.Millis(time.Now())); err != nil {
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
	mode := string(o.app.cfg.HubSpot.Auth.Mode)
	snap := status.Snapshot{State: status.State(p.Condition), Cause: p.Cause, Cure: p.Cure, Since: millis(p.Since), Until: millis(p.Until),
		LastSuccessAt: millis(p.LastGood), Token: status.Token{Mode: &mode, ExpiresAt: o.hub.tokens.expiresAt()}, PropertyProblems: p.Problems,
		ConsentCause: p.ConsentCause, ConsentCure: p.ConsentCure, DeletesPausedAt: p.DeletesPausedAt, Version: o.app.version}
	snap.Budget = status.Budget{WindowUsed: number(b.WindowUsed, b.WindowLimit), WindowLimit: number(b.WindowLimit, b.WindowLimit),
		DailyUsed: number(b.DailyUsed, 1), DailyLimit: number(b.DailyLimit, b.DailyLimit)}
	snap.Streams = o.pulls.status()
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
	if s.Until != 0 && s.State != status.Running {
		text += ", again at " + time.UnixMilli(s.Until).UTC().Format(time.TimeOnly) + "Z"
	}
	if s.LastSuccessAt != 0 {
		text += ", last ok " + time.UnixMilli(s.LastSuccessAt).UTC().Format(time.TimeOnly) + "Z"
	}
	return text
}
