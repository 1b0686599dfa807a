package push

import (
	"context"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// Lanes says which lanes an operator stopped by hand; the zero value is none. A lead with a live row is live: it is held back with the
// live lane alone, and takes its backfill rows along also while that lane is paused.
type Lanes struct {
	Live, Backfill bool
	Unsubscribe    bool      // no opt-out and no opt-in is sent
	Since          time.Time // of the live lane's pause
}

func (l Lanes) all() bool { return l.Live && l.Backfill }

func (l Lanes) holds(k *work) bool { return k.live && l.Live || !k.live && l.Backfill }

func (l Lanes) has(lane outbox.Lane) bool {
	if lane == outbox.Backfill {
		return l.Backfill
	}
	return l.Live
}

// obeyPauses asks which lanes are paused. What is planned when a pause begins is let go: a job that runs ends, none of the lane is
// started any more. Nothing is remembered of leads that are passed over: their rows are pending, so the scan finds them.
func (w *Worker) obeyPauses(ctx context.Context, p *pools) error {
	if w.cfg.Paused == nil {
		return nil
	}
	lanes, err := w.cfg.Paused(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	old := w.paused
	w.paused = lanes
	begun := lanes.Live && !old.Live || lanes.Backfill && !old.Backfill
	w.mu.Unlock()
	if begun {
		w.abandon(p)
	}
	w.tellPause(string(outbox.Live), old.Live, lanes.Live)
	w.tellPause(string(outbox.Backfill), old.Backfill, lanes.Backfill)
	w.tellPause(laneUnsubscribe, old.Unsubscribe, lanes.Unsubscribe)
	return nil
}

func (w *Worker) tellPause(lane string, was, is bool) {
	switch {
	case is && !was:
		w.cfg.Log.Warn(observe.PushPaused, observe.Lane, lane, observe.Reason, ByOperator, observe.Hint, "leadsync resume "+lane)
	case was && !is:
		w.cfg.Log.Info(observe.PushResumed, observe.Lane, lane, observe.Reason, ByOperator)
	}
}

// laneUnsubscribe is the word for the unsubscribe lane.
const laneUnsubscribe = "unsubscribe"

// ByOperator is the cause of a lane that a person paused by hand.
const ByOperator = "by operator"

func (w *Worker) pausedLanes() Lanes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused
}

// pausedStatus is what is said while the live lane is paused and nothing worse is the matter.
func (w *Worker) pausedStatus(s Status) Status {
	if lanes := w.pausedLanes(); lanes.Live && (s.Condition == Running || s.Condition == Limited) {
		s.Condition, s.Cause, s.Since, s.Until = Paused, ByOperator, lanes.Since, time.Time{}
		s.Cure = "let it go on: leadsync resume live"
	}
	return s
}
