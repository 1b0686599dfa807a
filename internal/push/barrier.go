package push

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"

	"leadsync/internal/batch"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// A lead.deleted is a barrier in the fold: rows before it settle first, or end as overtaken when they cannot; rows
// behind it are another life of the lead. What is done for it converges: the contact is read, archived when it is
// there, and read again, so that a lost answer, a crash and a merge all lead to the same end.

const deletedLater = "the lead was deleted by a later event"

// barrier is the place of the first delete among the rows, -1 when there is none.
func (k *work) barrier() int {
	return slices.IndexFunc(k.rows, func(r *intent.Row) bool { return r.Event == outbox.Deleted && r.End == nil })
}

// upToDelete are the rows of this life: those before the first delete, or all.
func (k *work) upToDelete() []*intent.Row {
	if i := k.barrier(); i >= 0 {
		return k.rows[:i]
	}
	return k.rows
}

// lookedFor are the rows whose addresses the lead is looked for by: those of this life, with the delete that ends it.
func (k *work) lookedFor() []*intent.Row {
	if i := k.barrier(); i >= 0 {
		return k.rows[:i+1]
	}
	return k.rows
}

// closing reports whether the rows that were read end this life of the lead: the application is told nothing about it
// any more.
func (k *work) closing() bool { return k.closes }

// recallAddresses finds addresses under which a contact of the lead may have been made that it is not linked to: those
// of rows that were given up, before the delete. They are claimed like those of the pending rows.
func (w *Worker) recallAddresses(ctx context.Context, works []*work) error {
	for _, k := range works {
		if !k.closes || k.link.State == ledger.Linked || k.link.State == ledger.Passive {
			continue
		}
		rows, err := w.store.RowsOf(ctx, k.id, historyRows)
		if err != nil {
			return err
		}
		for i := range rows {
			e := &rows[i]
			if int64(e.ID) <= k.link.ClosedAtID || e.State != outbox.Dead && e.State != outbox.Skipped || e.Reason == nil {
				continue
			}
			switch outbox.Reason(*e.Reason) {
			case outbox.GaveUp, outbox.Refused, outbox.Panic, outbox.ByOperator, outbox.Overtaken:
				if r := intent.NewRow(e, w.table(), false); r.Address != "" {
					k.past = append(k.past, r.Address)
				}
			}
		}
	}
	return nil
}

// decideDelete plans the next step of a delete that is the first row of the lead.
func (f facts) decideDelete(k *work) {
	k.plan = plan{del: k.rows[0], all: intent.Intent{Rows: k.rows[:1]}}
	findable := len(k.addresses()) > 0 || f.table.IDProperty() != ""
	switch {
	case k.link.SecondLookAt > outbox.Millis(f.now): // a request of ours may still be executed, and would bring the contact back
		k.plan.op, k.doubtful = opSettle, true
	case k.link.State == ledger.Linked && !k.read:
		k.plan.op = opRead
	case k.link.State == ledger.Linked:
		k.plan.op = opArchive
	case k.link.State != ledger.Passive && !k.looked && findable:
		k.plan.op = opLookup
	}
}

// archive puts the contacts into the recycle bin, as far as the brake lets them go.
func (w *Worker) archive(ctx context.Context, works []*work) error {
	works, err := w.allowed(ctx, works)
	if err != nil || len(works) == 0 {
		return err
	}
	return w.archivePart(ctx, works)
}

func (w *Worker) archivePart(ctx context.Context, works []*work) error {
	ids := make([]lead.ContactID, len(works))
	for i, k := range works {
		ids[i] = k.link.ContactID
	}
	err := w.hub.BatchArchive(ctx, ids)
	if err == nil {
		w.wroteWell(hubspot.OpBatchArchive)
		for _, k := range works {
			k.answer = answer{kind: archived}
		}
		return nil
	}
	switch class := hubspot.Classify(err); {
	case class != hubspot.ClassInvalid && class != hubspot.ClassConflict && class != hubspot.ClassNotFound:
	case len(works) == 1 && class == hubspot.ClassNotFound:
		works[0].answer = answer{kind: archived} // the reading behind it tells
		return nil
	case len(works) == 1:
		works[0].answer = answer{kind: notArchived, refusal: batch.RefusalOf(err)}
		return nil
	default:
		return errors.Join(w.archivePart(ctx, works[:len(works)/2]), w.archivePart(ctx, works[len(works)/2:]))
	}
	if hubspot.OutcomeUnknown(err) {
		for _, k := range works {
			k.hint.unknown, k.read = true, false
		}
	}
	failedAll(works, err)
	return err
}

// heardArchived takes what HubSpot said to the archiving of one contact. A success names no contact, so the contact is
// read once more.
func (w *Worker) heardArchived(k *work) {
	switch {
	case k.answer.kind == notArchived:
		w.attemptFailed(k, outbox.Refused, refusalNote(k.answer.refusal))
		k.behindDelete()
	case k.archived > 0: // twice, and it is still there
		w.attemptFailed(k, outbox.GaveUp, "HubSpot answered that the contact is archived, and still shows it")
		k.behindDelete()
	default:
		k.archived++
		k.read = false
	}
}

// behindDelete lets the rows behind a delete that is put off wait along: taken now they would be another life beside
// the old one.
func (k *work) behindDelete() {
	i := slices.IndexFunc(k.ended, func(o outbox.Outcome) bool { return o.ID == k.plan.del.ID })
	if i < 0 || k.ended[i].State != outbox.Pending {
		k.revisit = true
		return
	}
	for _, r := range k.rows {
		if r != k.plan.del && r.Num() > k.plan.del.Num() && r.Consent == "" {
			k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: "waits for the delete before it",
				NotBefore: k.ended[i].NotBefore})
		}
	}
}

// finishDelete settles a delete: nothing of the lead is live in HubSpot any more.
func (w *Worker) finishDelete(k *work) {
	l, r := k.link, k.plan.del
	if k.doubtful {
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, NotBefore: l.SecondLookAt + 1,
			Note: "waits: an earlier request of the lead may still be executed"})
		k.behindDelete()
		k.done, k.doubtful = true, false
		return
	}
	o := outbox.Outcome{ID: r.ID, State: outbox.Delivered, Attempts: r.Attempts, ContactID: l.ContactID}
	gone := ledger.Deleted
	switch {
	case k.archived > 0:
		o.Note = evidenceWord + string(cmp.Or(k.by, ByLink))
	case len(k.asks) > 0:
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.SharedContact, Attempts: r.Attempts,
			Note: askNote(k.asks, "nothing shows that it is this lead's", "leadsync outbox retry "+strconv.FormatInt(r.Num(), 10))})
		k.behindDelete()
		k.done = true
		return
	case l.State == ledger.Passive:
		o.Note = "only unlinked: since a merge the contact is another lead's"
		l.ContactID, gone = "", ledger.None
	case l.State == ledger.None:
		o.State, o.Reason = outbox.Skipped, outbox.NoContact
		gone = ledger.None
	default:
		o.Note = "the contact was gone already"
		if l.State == ledger.Purged { // erased there for privacy: it stays a person's decision to bring it back
			gone = ledger.Purged
		}
	}
	address := ""
	if k.namedLater() {
		address = l.Address
	}
	for p, f := range l.Fields { // what was told of this life is no change of the next one
		if f.Told {
			k.withdraw = append(k.withdraw, p)
		}
	}
	l.State, l.Address, l.Fields, l.SecondLookAt = gone, address, map[string]ledger.Field{}, 0
	l.ClosedAtID, l.AppliedID = max(l.ClosedAtID, r.Num()), max(l.AppliedID, r.Num())
	k.ended = append(k.ended, o)
	k.dirty, k.done, k.fill, k.hint.unknown = true, true, nil, false
	k.revisit = k.revisit || len(k.rows) > 1 || k.more
}

// namedLater reports whether the address by which the lead without a contact is known came with a word of consent
// behind the delete, which overtook it: it belongs to the next life.
func (k *work) namedLater() bool {
	del := k.plan.del
	if i := k.barrier(); del == nil && i >= 0 {
		del = k.rows[i]
	}
	return del != nil && k.link.State == ledger.None && k.link.ConsentID > del.Num()
}

// overtakenByDelete ends rows before a delete that would wait or be dead of a contact that is gone: nothing needs them
// any more.
func (k *work) overtakenByDelete() {
	if !k.closes {
		return
	}
	kinds := map[outbox.EntryID]*intent.Row{}
	del := int64(0)
	for _, r := range k.every {
		kinds[r.ID] = r
		if del == 0 && r.EffectiveDelete(k.link) {
			del = r.Num()
		}
	}
	for i := range k.ended {
		o := &k.ended[i]
		r := kinds[o.ID]
		waits := o.State == outbox.Pending
		lost := o.State == outbox.Dead && (o.Reason == outbox.ContactGone || o.Reason == outbox.ContactPurged)
		if r != nil && (r.Event == outbox.Registered || r.Event == outbox.Updated) && r.Num() < del && (waits || lost) {
			*o = outbox.Outcome{ID: o.ID, State: outbox.Skipped, Reason: outbox.Overtaken, Note: deletedLater, Attempts: o.Attempts}
			k.revisit = true
		}
	}
}
