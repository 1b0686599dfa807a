package push

import (
	"context"
	"errors"
	"slices"
	"time"

	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// settleTimeout bounds the transaction that records what HubSpot did; it must survive the stop of the daemon.
const settleTimeout = 10 * time.Second

// settle writes what is decided so far, in one transaction: rows, links and inbox together. After it the outcome is
// safe: a crash before it leads to a repeat that finds HubSpot as it left it.
func (w *Worker) settle(ctx context.Context, works []*work) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), settleTimeout, errors.New("settling took too long"))
	defer cancel()
	var unread error
	for _, k := range works {
		unread = errors.Join(unread, w.standAbove(ctx, k))
	}
	for {
		s, any := w.settlement(works)
		if !any {
			return nil
		}
		n, err := 0, unread
		if err == nil {
			n, err = w.store.Settle(ctx, s)
		}
		var taken *TakenError
		switch {
		case err == nil:
			w.ids.Raise(s.High)
			w.stats.settled(s.Outcomes, n)
			w.logSettled(works)
			w.tellSettled(works)
			w.scrubLate(ctx, works)
			for _, k := range works {
				if k.ended = nil; k.fill == nil {
					if k.dirty {
						k.link.Remember()
					}
					k.inbox, k.told, k.withdraw, k.dirty = nil, nil, nil, false
				}
			}
			return nil
		case errors.As(err, &taken) && w.giveBack(works, taken):
			continue
		}
		for _, k := range works {
			if len(k.ended) > 0 || k.dirty {
				k.hint.unknown, k.done, k.unsettled = true, false, true
			}
		}
		if t := w.store.Trouble(err); t != nil {
			return errors.Join(t, err)
		}
		return err
	}
}

func (w *Worker) settlement(works []*work) (Settlement, bool) {
	var s Settlement
	for _, k := range works {
		if k.overtakenByDelete(); k.closing() {
			k.inbox = nil
		}
		k.endWords()
		for i := range k.ended {
			k.asWord(&k.ended[i])
		}
		s.Outcomes = append(s.Outcomes, k.ended...)
		for _, o := range k.ended {
			if o.ID == k.top.ID {
				s.High = s.High.Raised(k.top)
			}
		}
		if k.fill != nil { // the link waits for its first write
			if k.before != nil && k.before.InDoubt() {
				s.Links = append(s.Links, *k.before)
			}
			continue
		}
		if k.tomb == nil { // nothing of an erased person is told
			w.payOwed(k)
			s.Inbox, s.Withdraw = append(s.Inbox, k.inbox...), append(s.Withdraw, w.withdrawal(k)...)
		}
		if l, write := linkToWrite(k); write {
			s.Links = append(s.Links, l)
		}
	}
	return s, len(s.Outcomes)+len(s.Links)+len(s.Inbox) > 0
}

// giveBack takes a contact from a lead that may not have it: one contact has one lead. Its rows are address_taken.
func (w *Worker) giveBack(works []*work, t *TakenError) bool {
	others := func(k *work) bool { return k.id != t.Holder }
	if !slices.ContainsFunc(works, func(k *work) bool {
		return k.link.ContactID == t.ContactID && k.link.State == ledger.Linked && others(k)
	}) {
		others = func(*work) bool { return true } // a lead of another portal has the same id
	}
	for _, k := range works {
		if k.link.ContactID != t.ContactID || k.link.State != ledger.Linked || !others(k) {
			continue
		}
		k.link.State, k.link.ContactID, k.link.Fields, k.link.SecondLookAt = ledger.None, "", nil, 0
		k.ended, k.inbox, k.dirty = nil, nil, false
		for _, r := range k.plan.all.Rows {
			k.ended = append(k.ended, w.retryLater(r, k, outbox.AddressTaken, heldBy(t.ContactID)))
		}
		k.done = true
		return true
	}
	return false
}

// logSettled says of each row how it ended: debug for delivered, error for dead, nothing else.
func (w *Worker) logSettled(works []*work) {
	for _, k := range works {
		for _, o := range k.ended {
			switch {
			case o.State == outbox.Dead:
				w.dead(k, o)
			case o.State == outbox.Delivered && w.debug():
				w.cfg.Log.Debug(observe.EntryDelivered, "outbox_id", int64(o.ID), w.cfg.Person(k.id), "contact_id", string(o.ContactID), "attempt", o.Attempts)
			case o.State == outbox.Pending && o.Attempts > 0 && w.debug():
				w.cfg.Log.Debug(observe.EntryRetryScheduled, "outbox_id", int64(o.ID), "attempt", o.Attempts, "correlation_id", o.CorrelationID)
			}
		}
	}
}

// deadLines bounds the error lines about dead rows a minute; further ones are counted in the summary.
const deadLines = 20

func (w *Worker) dead(k *work, o outbox.Outcome) {
	if !w.deadLimit.allow(w.now()) {
		return
	}
	w.cfg.Log.Error(observe.EntryDeadLettered, "outbox_id", int64(o.ID), w.cfg.Person(k.id), "reason", string(o.Reason), "attempt", o.Attempts,
		"note", o.Note, "correlation_id", o.CorrelationID)
}
