package push

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// hear takes the answers of one round into the works: what is done, what is planned anew, what is put off. A question
// that an answer raises and that cannot be asked now puts off its own lead; the others are heard all the same, so that
// what HubSpot took is settled.
func (w *Worker) hear(ctx context.Context, works []*work, held map[lead.ID]bool) error {
	var failed error
	for _, k := range works {
		switch {
		case k.done:
		case k.plan.op == opSettle:
			w.heardNothingToSend(k)
		case held[k.id]:
			w.holdBack(k)
		default:
			if err := w.heard(ctx, k); err != nil {
				k.done, k.revisit, k.answer = true, true, answer{}
				k.failed(err, 1)
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}

// holdBack puts off a lead whose refusal may be a rule's. One that was not asked for, since most of its batch was
// refused, goes with others.
func (w *Worker) holdBack(k *work) {
	if k.done, k.revisit = true, true; k.answer.kind == heldBack {
		return
	}
	k.hint.suspect, k.hint.failedAt = true, w.now()
	k.hint.until = w.now().Add(w.cfg.Retry.Delay(1))
}

// heard takes the answer about one lead.
func (w *Worker) heard(ctx context.Context, k *work) (err error) {
	a := k.answer
	switch a.kind {
	case unasked, heldBack: // the request failed or was not made; the error or the refusal breaker says why
		k.done, k.revisit = true, true
	case accepted:
		w.accept(k, a.contact)
		err = w.takeConsent(ctx, k, a.contact)
	case refused:
		err = w.refused(ctx, k, a.refusal)
	case conflict:
		err = w.conflicted(ctx, k, a.refusal)
	case missingContact:
		err = w.whereIs(ctx, k)
	case located:
	case archived, notArchived:
		w.heardArchived(k)
	case unnamed:
		k.unseen, k.read, k.looked = true, false, false
		w.doubts(k)
		if k.plan.op == opCreate {
			k.hint.tried = k.plan.addr
			err = w.noteAsked(ctx, []*work{k}, w.now())
		}
	}
	if !k.done && a.kind != conflict {
		k.answer = answer{}
	}
	return err
}

// heardNothingToSend ends the fold of a lead that needs no request (any more).
func (w *Worker) heardNothingToSend(k *work) {
	if k.again {
		k.again = false
		return
	}
	switch {
	case k.plan.del != nil:
		w.finishDelete(k)
	case len(k.plan.all.Rows) == 0:
		k.done, k.revisit = true, k.revisit || len(k.rows) > 0 || k.more
		if k.more && len(k.ended) == 0 { // all that could be read waits
			k.hint.until = w.now().Add(time.Hour)
		}
	case k.link.State != ledger.Linked: // its addresses are blocked
		w.putOff(k, k.upToDelete())
		k.done = true
	case k.hint.unknown || k.maybeSent || k.linked:
		w.doubtsFold(k)
		w.finish(k, outbox.Delivered, "", nil) // the reading shows the values
	default:
		w.finish(k, outbox.Skipped, outbox.Unchanged, nil)
	}
}

// accept records a write that HubSpot named in its results.
func (w *Worker) accept(k *work, v *contact.View) {
	fresh := k.link.State != ledger.Linked
	if fresh {
		k.link.State, k.link.ContactID = ledger.Linked, v.ID
		for p, f := range k.link.Fields { // of a contact before it
			k.link.Fields[p] = f.Renewed()
		}
	}
	notTaken := map[string]bool{}
	t := w.table()
	for p, c := range k.plan.diff.Changes {
		k.overwrites(p, c.Canon)
		if !k.link.Wrote(p, c.Canon, c.Set, v.Shown(p)) && t.Exact(p) {
			notTaken[p] = true
		}
	}
	switch {
	case k.plan.diff.Address != nil:
		c := k.plan.diff.Address
		k.overwrites(ledger.AddressField, c.Canon)
		k.link.Wrote(ledger.AddressField, c.Canon, c.Set, v.Shown(ledger.AddressField))
	case fresh:
		k.link.Wrote(ledger.AddressField, k.plan.addr, k.link.Field(ledger.AddressField).Set, v.Shown(ledger.AddressField))
	}
	if w.doubtsFold(k); k.link.Unshown() {
		w.lookAfter(k)
	}
	w.finish(k, outbox.Delivered, "", notTaken)
}

// finish settles the rows of the fold together. Rows whose fields were overtaken inside the fold share the outcome.
func (w *Worker) finish(k *work, state outbox.State, reason outbox.Reason, notTaken map[string]bool) {
	var waiting []*intent.Row
	t := w.table()
	for _, r := range k.plan.all.Rows {
		for _, v := range r.Values {
			k.link.Raise(v.Property, r.Num())
		}
		k.leaveOut(t, r, w.mode() != Dead)
		elsewhere := k.optedOutElsewhere(r)
		if k.waits(r) && elsewhere == "" {
			waiting = append(waiting, r)
			continue
		}
		if r.Address != "" && elsewhere == "" {
			k.link.Raise(ledger.AddressField, r.Num())
		}
		k.link.AppliedID = max(k.link.AppliedID, r.Num())
		note := joinNotes(intent.OmittedNote(r.Omitted), notTakenNote(r, notTaken), elsewhere)
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts, ContactID: k.link.ContactID})
	}
	for p, c := range k.plan.all.Changes {
		k.link.Agreed(p, c.Canon)
	}
	w.putOff(k, waiting)
	k.dirty, k.done, k.fill, k.hint.unknown = true, true, nil, false
	more := len(k.plan.all.Rows) < len(k.rows) || k.more
	if more {
		k.hint.take = 0
		k.revisit = true
	}
}

// optedOutElsewhere is the note of an unsubscribe that names an address which another contact has. It is opted out by
// then, whoever has it, and that was what the row asked for: the address stays where it is.
func (k *work) optedOutElsewhere(r *intent.Row) string {
	why := k.blocked[r.Address]
	if r.Address == "" || r.Consent != ledger.Out || why.reason != outbox.AddressTaken {
		return ""
	}
	return "opted out; the address is not written: " + why.note
}

// notTakenNote names the properties of the row that HubSpot kept as they were although it accepted the write.
func notTakenNote(r *intent.Row, notTaken map[string]bool) string {
	var names []string
	for _, v := range r.Values {
		if notTaken[v.Property] {
			names = append(names, lead.SafeName(v.Property))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "not taken: " + strings.Join(names, ", ")
}

// putOff ends rows whose address cannot be written now: each waits for its next attempt, or is dead after its last.
// Rows of the lead without an address wait along, so that the lead is not read again before something can have changed.
func (w *Worker) putOff(k *work, rows []*intent.Row) {
	var along []*intent.Row
	var until int64
	for _, r := range rows {
		why, no := k.blocked[r.Address]
		if !no || r.Address == "" {
			along = append(along, r)
			continue
		}
		o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: why.note, NotBefore: outbox.Millis(w.now().Add(why.wait))}
		if why.reason != "" {
			o = w.retryLater(r, k, why.reason, why.note)
			o.CorrelationID = cmp.Or(o.CorrelationID, why.correlationID)
		}
		if o.NotBefore != 0 && (until == 0 || o.NotBefore < until) {
			until = o.NotBefore
		}
		k.ended = append(k.ended, o)
	}
	if k.more && until != 0 { // rows that were not read have no not_before
		k.hint.rest(w.now(), until)
	}
	for _, r := range along {
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: "waits for an address", NotBefore: until})
	}
}

// joinNotes joins the parts of a note that are not empty.
func joinNotes(parts ...string) string {
	kept := parts[:0:0]
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "; ")
}
