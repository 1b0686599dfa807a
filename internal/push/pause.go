package push

import (
	"context"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// pausedIn reports whether the lead waits for an operator. A lead with a live row is live: it is held back with the
// live lane alone, and takes its backfill rows along also while that lane is paused.
func (k *work) pausedIn(l breaker.Lanes) bool { return k.live && l.Live || !k.live && l.Backfill }

// obeyPauses asks which lanes are paused. What is planned when a pause begins is let go: a job that runs ends, none of
// the lane is started any more. Nothing is remembered of leads that are passed over: their rows are pending, so the
// scan finds them.
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
		w.cfg.Log.Warn(observe.PushPaused, observe.Lane, lane, observe.Reason, breaker.ByOperator, observe.Hint, "leadsync resume "+lane)
	case was && !is:
		w.cfg.Log.Info(observe.PushResumed, observe.Lane, lane, observe.Reason, breaker.ByOperator)
	}
}

// laneUnsubscribe is the word for the unsubscribe lane.
const laneUnsubscribe = "unsubscribe"

func (w *Worker) pausedLanes() breaker.Lanes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused
}

// TokenTrouble tells the lane that there is no token, found out without a request: an idle lane says so too.
func (w *Worker) TokenTrouble(err error) { w.breaker.Fail(&hubspot.TokenError{Err: err}) }

// TokenRenewed tells the lane that there is a token, after a login or when the trouble of one has passed: it goes on at
// once, and what the old token was not allowed is tried again.
func (w *Worker) TokenRenewed() {
	w.account.TokenRenewed()
	w.consent.noBatch(time.Time{}) // the new token may be allowed more
	w.mu.Lock()
	clear(w.refusedOps)
	w.permitLocked()
	w.mu.Unlock()
	w.breaker.TokenRenewed()
	w.consent.breaker.TokenRenewed()
}
