package push

import (
	"context"
	"errors"
	"slices"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// consentJob carries out what the words of its leads ask for and settles it. Its leads are in no other job meanwhile,
// so nothing of ours that touches their consent or address is under way.
func (w *Worker) consentJob(ctx context.Context, works []*work, b *blamed) (err error) {
	defer func() {
		if p := recover(); p != nil {
			ids := make([]lead.ID, len(works))
			for i, k := range works {
				ids[i], k.suspected = k.id, true
			}
			err = consentPanicked(ctx, w, ids, p)
			b.own = err == nil
		}
	}()
	ctx = hubspot.WithGate(hubspot.WithPriority(ctx, hubspot.PriorityUnsubscribe), w.mayWrite)
	var failed error
	var asked []string
	for _, k := range works {
		if k.in != nil && failed == nil {
			if failed = w.resubscribe(ctx, k); failed == nil && k.in == nil { // refused: the word before it counts
				failed = w.findTargets(ctx, []*work{k})
			}
		}
		asked = append(asked, k.outs...)
	}
	slices.Sort(asked)
	var said map[string]*optOutAnswer
	if failed == nil {
		said, failed = w.optOut(ctx, slices.Compact(asked))
	}
	if failed == nil {
		failed = w.readBackAgain(ctx, works, said)
	}
	if failed != nil && hubspot.Classify(failed) != hubspot.ClassStopped {
		if b.what, b.own = w.consentFailed(works, said, failed); b.own {
			failed = nil
		}
	}
	for _, k := range works {
		w.heardOptOut(k, said)
		if failed == nil && !b.own {
			if failed = askFormer(ctx, w, k); failed == nil {
				failed = w.leaveFormsHere(ctx, k)
			}
			if failed != nil {
				b.what, _ = w.consentFailed([]*work{k}, nil, failed)
			}
		}
	}
	return errors.Join(failed, w.settle(ctx, works))
}

// readBackAgain: after a SUBSCRIBED whose outcome was unknown an answer to the opt-out is not enough, HubSpot must show
// it.
func (w *Worker) readBackAgain(ctx context.Context, works []*work, said map[string]*optOutAnswer) error {
	for _, k := range works {
		if !k.readBack {
			continue
		}
		for _, a := range k.outs {
			if s := said[a]; s == nil || !s.ok {
				continue
			}
			holds, err := w.isOptedOut(ctx, a)
			if err != nil {
				return err
			}
			said[a].ok = holds
		}
	}
	return nil
}

// heardOptOut takes the answers about one lead into its link, and ends its rows.
func (w *Worker) heardOptOut(k *work, said map[string]*optOutAnswer) {
	if k.in != nil {
		return
	}
	bad := map[string]*optOutAnswer{}
	open := false
	for _, a := range k.outs {
		switch s := said[a]; {
		case s == nil:
			open = true
		case s.ok:
			k.optedOut(a, w.now())
		default:
			bad[a] = s
		}
	}
	if len(bad) > 0 {
		w.optOutRefused(k, bad)
	}
	if open || len(bad) > 0 { // what failed waits, and the lane with it; the rows whose addresses are done end with the settlement
		return
	}
	if k.readBack {
		k.link.OptOut.Again, k.dirty = 0, true
	}
	if k.link.OptOut.NotBefore != 0 {
		k.link.OptOut.NotBefore, k.dirty = 0, true
	}
	k.endWords()
	if k.owesOptOut() && len(k.outs) == 0 {
		w.parkWords(k)
	}
}

// optedOut takes HubSpot's word that an address is opted out.
func (k *work) optedOut(address string, now time.Time) {
	k.link.Evidence(address)
	if until := k.link.OptOut.Doubts[address]; until != 0 && until <= outbox.Millis(now) {
		k.link.Doubt(address, 0)
	}
	if k.link.State == ledger.None && k.link.Address == "" && !slices.Contains(k.unnamed, address) {
		k.link.Address = address // the lead is known by it
	}
	k.dirty = true
}

// refusedWait is how long the opt-out of a lead waits that HubSpot refused and that no row brings back.
const refusedWait = time.Hour

// refusedAlike is how many addresses in a row are refused before it is taken for a fault of configuration, or of the
// account.
const refusedAlike = 5

// optOutRefused puts the rows off whose opt-outs HubSpot did not take, each for its next attempt. An address that only
// a row names costs that row alone; the lead's own costs them all.
func (w *Worker) optOutRefused(k *work, bad map[string]*optOutAnswer) {
	now := w.now()
	own := "" // the first of the lead's own that was not taken
	for _, a := range k.outs {
		s := bad[a]
		if s == nil {
			continue
		}
		k.answer.refusal = s.refusal
		if w.consent.suspect([]string{a}, s) {
			k.suspected = true
			before := w.consent.suspected(k.id, now, func(int) time.Duration { return breaker.NarrowWait })
			w.consent.breaker.Pause("opt-outs are refused: "+rule(s.refusal).String()+"; check consent.unsubscribe, consent.legal_basis and consent.business_unit_id",
				before.IsZero())
			k.waitAgain(now.Add(breaker.ProbeEvery))
			return
		}
		if own == "" && !k.onlyNamed(a) {
			own = a
		}
	}
	wait, again := refusedWait, true
	k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool {
		s := bad[own]
		if bad[r.Address] != nil {
			s = bad[r.Address]
		}
		if s == nil || r.Consent != ledger.Out || !k.decided(r) {
			return false
		}
		o := w.refusedOptOut(r, k, s)
		if again = o.State == outbox.Pending; again {
			wait = time.UnixMilli(o.NotBefore).Sub(now)
		}
		k.ended = append(k.ended, o)
		return true
	})
	if own != "" {
		k.waitAgain(now.Add(wait))
	}
	if !again {
		return // the row says it
	}
	w.cfg.Log.Warn(observe.OptOutRefused, w.cfg.Person(k.id), observe.Class, rule(k.answer.refusal).String(), observe.RetryIn, wait.Round(time.Second),
		observe.CorrelationID, k.answer.refusal.CorrelationID)
}

// refusedOptOut is what becomes of one row whose opt-out HubSpot did not take.
func (w *Worker) refusedOptOut(r *intent.Row, k *work, s *optOutAnswer) outbox.Outcome {
	reason, note := outbox.Refused, refusalNote(s.refusal)
	if s.invalidAddress() {
		reason = outbox.InvalidEmail
	}
	if s.err != nil {
		reason, note = outbox.GaveUp, "the request with this row alone ended without an answer while others succeeded"
	}
	k.answer.refusal = s.refusal
	o := w.retryLater(r, k, reason, note)
	if s.invalidAddress() {
		o.State, o.Reason, o.NotBefore = outbox.Dead, reason, 0
		if r.Erased { // nobody can be mailed there, and nothing is left for a person to decide
			o.State, o.Reason, o.Note = outbox.Skipped, outbox.ErasedPerson, ""
		}
	}
	return o
}

// onlyNamed reports whether an address is to be opted out for nothing but a row that names it.
func (k *work) onlyNamed(address string) bool {
	return address != k.link.Address && slices.ContainsFunc(k.words, func(r *intent.Row) bool { return r.Consent == ledger.Out && r.Address == address })
}

// waitAgain says when the lead's opt-out is tried again should no row bring it back.
func (k *work) waitAgain(at time.Time) { k.link.OptOut.NotBefore, k.dirty = outbox.Millis(at), true }

// suspect counts refusals in a row, by address, and reports whether they are too many to be the rows' own.
func (c *consentLane) suspect(addresses []string, s *optOutAnswer) bool {
	if s.err != nil || s.invalidAddress() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range addresses {
		if c.proved[a] {
			return false
		}
		c.refused[a] = true
	}
	return len(c.refused) >= refusedAlike
}

// took notes that HubSpot took an opt-out.
func (c *consentLane) took(now time.Time) {
	c.mu.Lock()
	if len(c.refused) > 0 {
		if len(c.proved) > maxConsentSuspects {
			clear(c.proved)
		}
		for a := range c.refused {
			c.proved[a] = true
		}
		clear(c.refused)
	}
	c.batchFails = 0
	c.mu.Unlock()
	c.breaker.Resume()
}
