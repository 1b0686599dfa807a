package push

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// consentSuspect is a lead whose opt-out was refused like others', or ended without an answer: see blame.go. It is
// asked again in a job of its own, the one asked longest ago first, and nobody waits for it.
type consentSuspect struct {
	failedAt, until time.Time
	fails           int
}

// maxConsentSuspects bounds how many are remembered; one that is forgotten is asked together with others again.
const maxConsentSuspects = 10 * BatchSize

// suspected notes one failure of a lead, and reports when it failed before, zero when it did not.
func (c *consentLane) suspected(id lead.ID, now time.Time, wait func(fails int) time.Duration) (before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.suspects[id]
	if s == nil {
		if len(c.suspects) >= maxConsentSuspects {
			clear(c.suspects)
		}
		s = &consentSuspect{}
		c.suspects[id] = s
	}
	before, s.failedAt = s.failedAt, now
	s.fails++
	s.until = now.Add(wait(s.fails))
	return before
}

// cleared forgets leads whose request was answered.
func (c *consentLane) cleared(works []*work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range works {
		if !k.suspected {
			delete(c.suspects, k.id)
		}
	}
}

// isSuspect reports whether the lead's last request failed.
func (c *consentLane) isSuspect(id lead.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspects[id] != nil
}

// due lists the suspects whose time has come, the one that was asked for longest ago first, at most n.
func (c *consentLane) due(now time.Time, n int) []lead.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []lead.ID
	for id, s := range c.suspects {
		if !s.until.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b lead.ID) int { return c.suspects[a].failedAt.Compare(c.suspects[b].failedAt) })
	return ids[:min(len(ids), max(0, n))]
}

// found forgets suspects for whom there is nothing to do any more.
func (c *consentLane) found(ids []lead.ID, works []*work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.suspects[id] != nil && !slices.ContainsFunc(works, func(k *work) bool { return k.id == id }) {
			delete(c.suspects, id)
		}
	}
}

// blamed is whose the trouble of a job is.
type blamed struct {
	what breaker.Failure
	own  bool
}

// suspectRoom is how many suspects may be asked now.
func (w *Worker) suspectRoom() int {
	c, most := w.consent, suspectSlots
	if c.breaker.SuspectsIn() > 0 {
		return 0
	}
	if c.breaker.ProbeSize() > 0 {
		most = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, most-c.suspectJobs)
}

// consentFailed finds whose the trouble is that a job of the lane ended with: what says how it counts for the lane;
// own: it is that of its one lead, whose attempt is counted.
func (w *Worker) consentFailed(works []*work, said map[string]*optOutAnswer, err error) (what breaker.Failure, own bool) {
	err = w.withTrouble(err)
	if breaker.ForAll(err) {
		return breaker.Failure{}, false
	}
	c, now := w.consent, w.now()
	open := slices.DeleteFunc(slices.Clone(works), func(k *work) bool {
		return k.in == nil && len(k.outs) > 0 && !slices.ContainsFunc(k.outs, func(a string) bool { return said[a] == nil })
	})
	what.Leads = max(1, len(open))
	for _, k := range open {
		before := c.suspected(k.id, now, func(fails int) time.Duration {
			if len(open) > 1 {
				return breaker.NarrowWait
			}
			return max(hubspot.RetryAfter(err), min(suspectWait, w.cfg.Outage.Delay(fails)))
		})
		k.suspected = true
		what.Fresh = what.Fresh || before.IsZero()
		own = len(open) == 1 && !before.IsZero() && hubspot.OpOf(err) != "" && c.breaker.SucceededSince("", before)
	}
	if !own {
		return what, false
	}
	k := open[0]
	for _, a := range k.outs {
		if said != nil && said[a] == nil {
			said[a] = &optOutAnswer{err: err, refusal: batch.RefusalOf(err)}
		}
	}
	if k.in != nil {
		k.answer.refusal = batch.RefusalOf(err)
		if o := w.retryLater(k.in, k, outbox.GaveUp, ownTrouble(err)); o.State == outbox.Dead {
			w.dropIn(k, o)
		} else {
			k.ended = append(k.ended, o)
		}
	}
	return what, true
}

// readingFailed is the same for a reading that the leads were in before their job began.
func (w *Worker) readingFailed(ids []lead.ID, err error) breaker.Failure {
	if breaker.ForAll(err) {
		return breaker.Failure{}
	}
	what := breaker.Failure{Leads: max(1, len(ids))}
	for _, id := range ids {
		before := w.consent.suspected(id, w.now(), func(fails int) time.Duration {
			if len(ids) > 1 {
				return breaker.NarrowWait
			}
			return min(suspectWait, w.cfg.Outage.Delay(fails))
		})
		what.Fresh = what.Fresh || before.IsZero()
	}
	return what
}

// guarded runs a step; after a panic, what is to be done then.
func guarded(step func() error, after func(p any) error) (panicked bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			panicked, err = true, after(p)
		}
	}()
	return false, step()
}

// consentPanicked puts leads off after a panic of the unsubscribe lane: each is asked alone the next time, and one that
// panics alone loses an attempt of every row that speaks of consent. What was decided meanwhile is not written.
func consentPanicked(ctx context.Context, w *Worker, ids []lead.ID, p any) error {
	w.cfg.Log.Error(msgPanic, "panic", fmt.Sprintf("%T", p), "leads", len(ids), "stack", string(debug.Stack()))
	if len(ids) > 1 {
		for _, id := range ids {
			w.consent.suspected(id, w.now(), func(int) time.Duration { return breaker.NarrowWait })
		}
		return nil
	}
	id := ids[0]
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	rows, err := w.store.PendingOf(ctx, ids, readRows, readSize)
	if err != nil {
		return w.withTrouble(err)
	}
	links, err := w.store.Links(ctx, w.hubID(), ids)
	if err != nil {
		return w.withTrouble(err)
	}
	k := &work{id: id, link: links[id], hint: &hint{}}
	if k.link == nil {
		k.link = &ledger.Link{}
	}
	var s Settlement
	again := time.Time{}
	for i := range rows[id].Rows {
		e := &rows[id].Rows[i]
		if e.Type == nil || !outbox.Type(*e.Type).Consent() {
			continue
		}
		o := w.retryLater(&intent.Row{Entry: e}, k, outbox.Panic, "")
		if at := time.UnixMilli(o.NotBefore); o.State == outbox.Pending && (again.IsZero() || at.Before(again)) {
			again = at
		}
		s.Outcomes = append(s.Outcomes, o)
	}
	if len(s.Outcomes) == 0 && links[id] != nil { // the link alone had work
		again = w.now().Add(refusedWait)
		k.waitAgain(again)
		s.Links = append(s.Links, *k.link)
	}
	if again.IsZero() {
		w.consent.forget(id)
	} else {
		w.consent.suspected(id, w.now(), func(int) time.Duration { return again.Sub(w.now()) })
	}
	n, err := w.store.Settle(ctx, s)
	if err == nil {
		w.stats.settled(s.Outcomes, n)
		w.logSettled([]*work{{id: id, link: k.link, ended: s.Outcomes}})
	}
	return w.withTrouble(err)
}

// forget takes a lead off the suspects.
func (c *consentLane) forget(id lead.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.suspects, id)
}
