package push

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// consentJob carries out what the words of its leads ask for and settles it. Its leads are in no other job meanwhile, so nothing of ours
// that touches their consent or address is under way.
func (w *Worker) consentJob(ctx context.Context, works []*work) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.cfg.Log.Error(msgPanic, "panic", fmt.Sprintf("%T", p), "leads", len(works), "stack", string(debug.Stack()))
			err = errors.New("the unsubscribe lane panicked")
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
	for _, k := range works {
		w.heardOptOut(k, said)
	}
	return errors.Join(failed, w.settle(ctx, works))
}

// readBackAgain: after a SUBSCRIBED whose outcome was unknown an answer to the opt-out is not enough, HubSpot must show it.
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
	if k.in != nil || k.link.Consent != ledger.Out {
		if k.in == nil {
			k.endWords()
		}
		return
	}
	var bad *optOutAnswer
	open := false
	for _, a := range k.outs {
		switch s := said[a]; {
		case s == nil:
			open = true
		case s.ok:
			k.link.Evidence(a)
			if k.link.State == ledger.None && k.link.Address == "" {
				k.link.Address = a // the lead is known by it
			}
			k.dirty = true
		default:
			bad = s
		}
	}
	switch {
	case bad != nil:
		w.optOutRefused(k, bad)
	case open:
		return // the request failed: the rows wait, and the lane with them
	default:
		if k.readBack {
			k.link.OptOut.Again, k.link.OptOut.Doubt = 0, 0
		}
		if k.link.OptOut.NotBefore != 0 {
			k.link.OptOut.NotBefore, k.dirty = 0, true
		}
		if k.link.State == ledger.Passive && k.link.OptOut.Survivor != k.link.ContactID {
			k.link.OptOut.Survivor, k.dirty = k.link.ContactID, true
		}
		k.endWords()
		if k.owesOptOut() && len(k.outs) == 0 {
			w.parkWords(k)
		}
	}
}

// refusedWait is how long the opt-out of a lead waits that HubSpot refused and that no row brings back.
const refusedWait = time.Hour

// refusedAlike is how many addresses in a row are refused before it is taken for a fault of configuration, or of the account.
const refusedAlike = 5

// optOutRefused puts the rows of a lead off whose opt-out HubSpot did not take, each for its next attempt.
func (w *Worker) optOutRefused(k *work, s *optOutAnswer) {
	now := w.now()
	k.answer.refusal = s.refusal
	if w.consent.suspect(k.outs, s) {
		w.consent.gate.pause("opt-outs are refused: "+s.refusal.key().String()+"; check consent.unsubscribe, consent.legal_basis and consent.business_unit_id",
			now, probeEvery)
		k.waitAgain(now.Add(probeEvery))
		return
	}
	reason, note := outbox.Refused, refusalNote(s.refusal)
	if s.invalidAddress() {
		reason = outbox.InvalidEmail
	}
	if s.err != nil {
		reason, note = outbox.GaveUp, "the request with this row alone ended without an answer while others succeeded"
	}
	wait, again := refusedWait, true
	k.words = slices.DeleteFunc(k.words, func(r *row) bool {
		if r.word != ledger.Out || r.id() > k.link.ConsentID {
			return false
		}
		o := w.retryLater(r, k, reason, note)
		if s.invalidAddress() {
			o.State, o.Reason, o.NotBefore = outbox.Dead, reason, 0
		}
		if again = o.State == outbox.Pending; again {
			wait = time.UnixMilli(o.NotBefore).Sub(now)
		}
		k.ended = append(k.ended, o)
		return true
	})
	k.waitAgain(now.Add(wait))
	if !again {
		return // the row says it
	}
	w.cfg.Log.Warn(observe.OptOutRefused, w.cfg.Person(k.id), observe.Class, s.refusal.key().String(), observe.RetryIn, wait.Round(time.Second),
		observe.CorrelationID, s.refusal.correlationID)
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
		c.refused[a] = true
	}
	return len(c.refused) >= refusedAlike
}

// took notes that HubSpot took an opt-out.
func (c *consentLane) took(now time.Time) {
	c.mu.Lock()
	clear(c.refused)
	c.batchFails = 0
	c.mu.Unlock()
	c.gate.resume(now)
}
