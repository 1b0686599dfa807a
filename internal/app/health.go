package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// health is whether the work moves. Safe for concurrent use; the zero value is well.
type health struct {
	mu       sync.Mutex
	waiting  int64 // when the oldest row was made that could be sent, unix ms
	problems []status.Problem
}

// healthEvery is how often that is looked at: three rows read from an index.
const healthEvery = 10 * time.Second

func (h *health) waitingSince() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.waiting
}

func (h *health) all() []status.Problem {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.problems
}

// forget is for a daemon that does not own the portal any more: what stands still is not its business.
func (h *health) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting, h.problems = 0, nil
}

// warn is what stands in front of the line of systemctl status while work stands still.
func (h *health) warn() string {
	all := h.all()
	if len(all) == 0 {
		return ""
	}
	return "STALLED (" + all[0].Code + "): " + all[0].Text + "; "
}

// remember reads what the owner before has seen.
func (o *ownership) remember() {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	row, err := o.portal.Row(ctx)
	if err != nil {
		if !errors.Is(err, lead.ErrNotFound) {
			o.app.log.Debug(msgSave, observe.Err, err)
		}
		return
	}
	if s, err := status.Parse(row.Status); err == nil {
		o.app.meters.resume(s)
	}
}

// watchHealth looks whether work waits and whether it moves, and says so when that changes. It returns when ctx ends.
func (o *ownership) watchHealth(ctx context.Context) {
	t := time.NewTicker(healthEvery)
	defer t.Stop()
	defer o.app.health.forget()
	for {
		o.app.loops.turn(loopHealth, healthEvery)
		o.lookAtHealth(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (o *ownership) lookAtHealth(ctx context.Context) {
	a, now, lanes := o.app, time.Now(), o.pauses.unpaused()
	waiting, err := o.portal.OldestWaiting(ctx, now.UnixMilli(), lanes...)
	if err == nil {
		a.health.mu.Lock()
		a.health.waiting = waiting
		a.health.mu.Unlock()
	} else if ctx.Err() != nil {
		return
	}
	snap := o.snapshot()
	if snap.Dead > 0 && snap.Stall(o.began.UnixMilli(), now, a.cfg.Status.AlertAfter) != nil && o.noneDead(ctx) {
		a.meters.forgive()
		snap = o.snapshot()
	}
	var found []status.Problem
	if p := snap.Stall(o.began.UnixMilli(), now, a.cfg.Status.AlertAfter); p != nil {
		found = append(found, *p)
	}
	if !o.pauses.pull() {
		for _, p := range slices.Concat(snap.Overdue(now, a.cfg.Status.AlertAfter), snap.OnlyFailing(now, a.cfg.Status.AlertAfter)) {
			found = append(found, *p)
		}
	}
	a.setHealth(found)
}

// noneDead reports whether no dead row is left: a person has put them back, skipped or removed them.
func (o *ownership) noneDead(ctx context.Context) bool {
	n, err := within(ctx, func(ctx context.Context) (n int, err error) {
		err = o.app.db.Operator().List(ctx, store.ListQuery{Portal: o.app.cfg.Portal, State: outbox.Dead, Limit: 1}, func(outbox.Entry) error { n++; return nil })
		return n, err
	})
	return err == nil && n == 0
}

// setHealth keeps the problems, and says when they become others.
func (a *App) setHealth(found []status.Problem) {
	a.health.mu.Lock()
	before := a.health.problems
	a.health.problems = found
	a.health.mu.Unlock()
	from, to := codes(before), codes(found)
	if from == to {
		return
	}
	level, attrs := slog.LevelInfo, []any{observe.Item, "work", observe.From, from, observe.To, to}
	if len(found) > 0 {
		level = slog.LevelError
		attrs = append(attrs, observe.Reason, found[0].Text, observe.Hint, found[0].Cure)
	}
	a.log.Log(context.Background(), level, observe.HealthChanged, attrs...)
}

// codes are the codes of problems in one word; "well" when there are none.
func codes(all []status.Problem) string {
	if len(all) == 0 {
		return "well"
	}
	words := make([]string, len(all))
	for i, p := range all {
		words[i] = p.Code
	}
	return strings.Join(words, ",")
}
