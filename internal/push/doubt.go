package push

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// A request with an unknown outcome may have been executed, or may still be. From that moment until a reading after its
// last possible execution the doubt stands on the lead's link, with the values that the request carried: a skip, a
// retry, a dead row, a newer row or a restart do not end it. A lead in doubt is read before anything of it is called
// unchanged, is sent or is dead.

// inDoubt reports whether the lead must be read first.
func (k *work) inDoubt() bool { return k.hint.unknown || k.doubt }

// mayHaveBeenSent reports whether a row has a value that is in doubt, and not the ledger's.
func (k *work) mayHaveBeenSent() bool {
	for _, r := range k.rows {
		for _, v := range r.Values {
			if f := k.link.Field(v.Property); f.Sent != v.Canon && slices.Contains(f.Maybe, v.Canon) {
				return true
			}
		}
		if f := k.link.Field(ledger.AddressField); r.Address != "" && f.Sent != r.Address && slices.Contains(f.Maybe, r.Address) {
			return true
		}
	}
	return false
}

// doubts notes a request with an unknown outcome: what was sent for the lead may stand in its contact.
func (w *Worker) doubts(k *work) {
	k.hint.unknown, k.doubt = true, true
	for _, l := range written(k) {
		for p, c := range k.plan.diff.Changes {
			l.MayHold(p, c.Canon)
		}
		if c := k.plan.diff.Address; c != nil {
			l.MayHold(ledger.AddressField, c.Canon)
		} else if k.link.State != ledger.Linked && k.plan.addr != "" {
			l.MayHold(ledger.AddressField, k.plan.addr)
		}
	}
	w.lookAfter(k)
}

// written are the link of a lead, and the one that stands in the database until the first write to another contact is
// done.
func written(k *work) []*ledger.Link {
	if k.fill == nil || k.before == nil {
		return []*ledger.Link{k.link}
	}
	return []*ledger.Link{k.link, k.before}
}

// lookAfter lets the contact be read once more, after the last moment at which a request of until now can be executed.
func (w *Worker) lookAfter(k *work) {
	k.dirty = true
	for _, l := range written(k) {
		l.SecondLookAt = max(l.SecondLookAt, outbox.Millis(w.now().Add(w.cfg.SecondLook)))
	}
}

// doubtsFold does so for a lead of which an earlier owner may have sent what its rows say.
func (w *Worker) doubtsFold(k *work) {
	if !k.hint.unknown {
		return
	}
	for _, r := range k.plan.all.Rows {
		for _, l := range written(k) {
			mayHold(l, r)
		}
	}
	w.lookAfter(k)
}

// longestJob is more than a job takes from the reading of its rows to their settlement.
const longestJob = 15 * time.Minute

// skipSlack is what the clocks of two machines may differ by, and a commit may take.
const skipSlack = time.Minute

// skippedRows is how far the rows that operators skip are known: those from since on, but for seen. since 0: nothing
// is.
type skippedRows struct {
	since int64
	seen  []outbox.EntryID
}

// doubtsSkipped does so for rows that an operator skipped while they were, or may have been, on their way: the owner
// before was killed and left no doubt on their links. The rows that are pending still are read back because they are. A
// row from before the start may be skipped at any time after it, so those are looked for before every plan.
func doubtsSkipped(ctx context.Context, w *Worker) error {
	if w.cfg.Doubt <= 0 {
		return nil
	}
	now, since, before := w.now(), w.skips.since, outbox.Millis(w.began.Add(skipSlack))
	first := since == 0
	if first {
		since, before = outbox.Millis(w.cfg.LastSeen.Add(-longestJob)), math.MaxInt64
	}
	ids, err := w.store.SkippedSince(ctx, since)
	if err != nil {
		return err
	}
	busy := map[outbox.EntryID]bool{}
	fresh := slices.DeleteFunc(slices.Clone(ids), func(id outbox.EntryID) bool { return slices.Contains(w.skips.seen, id) })
	for part := range slices.Chunk(fresh, BatchSize) {
		entries, err := w.store.Entries(ctx, part)
		if err != nil {
			return err
		}
		rows := map[lead.ID][]*intent.Row{}
		for i := range entries {
			e := &entries[i]
			if r := intent.NewRow(e, w.table(), false); r.End == nil && r.Event != outbox.Erased && e.CreatedAt <= before {
				rows[e.Lead()] = append(rows[e.Lead()], r)
			}
		}
		claim := w.queue.Reserve
		if !first { // a lead that is planned would wait for this very goroutine
			claim = func(_ context.Context, leads []lead.ID) (func(), error) { return claimIdle(w, leads, rows, busy), nil }
		}
		if err := doubtsRows(ctx, w, rows, claim); err != nil {
			return err
		}
	}
	if w.skips.since = outbox.Millis(now.Add(-skipSlack)); len(busy) > 0 {
		w.skips.since = since
	}
	w.skips.seen = slices.DeleteFunc(ids, func(id outbox.EntryID) bool { return busy[id] })
	return nil
}

// claimIdle claims those of the leads that are in no job; the rows of the others are taken out, and are busy.
func claimIdle(w *Worker, leads []lead.ID, rows map[lead.ID][]*intent.Row, busy map[outbox.EntryID]bool) (release func()) {
	var held []lead.ID
	for _, id := range leads {
		if w.queue.ClaimOne(id) {
			held = append(held, id)
			continue
		}
		for _, r := range rows[id] {
			busy[r.ID] = true
		}
		delete(rows, id)
	}
	return func() {
		for _, id := range held {
			w.queue.Done(id)
		}
	}
}

// doubtsRows notes what rows say on the links of their leads.
func doubtsRows(ctx context.Context, w *Worker, rows map[lead.ID][]*intent.Row, claim func(context.Context, []lead.ID) (func(), error)) error {
	if len(rows) == 0 {
		return nil
	}
	leads := slices.Collect(maps.Keys(rows))
	release, err := claim(ctx, leads)
	if err != nil {
		return err
	}
	defer release()
	links, err := w.store.Links(ctx, w.hubID(), leads)
	if err != nil {
		return err
	}
	erased, err := w.store.Tombstoned(ctx, w.hubID(), leads, nil, nil)
	if err != nil {
		return err
	}
	var s Settlement
	for id, all := range rows {
		if _, gone := erased.Leads[id]; gone {
			continue
		}
		k := w.newWork(id, LeadRows{}, links[id], nil)
		for _, r := range all {
			mayHold(k.link, r)
			if k.link.State != ledger.Linked && r.Address != "" && (r.Event == outbox.Registered || r.Event == outbox.Updated) { // of a create
				s.Asked = append(s.Asked, Unanswered{HubID: w.hubID(), Lead: id, Address: r.Address, At: outbox.Millis(w.cfg.LastSeen)})
			}
		}
		if k.fresh && len(k.link.Fields) == 0 {
			continue
		}
		w.lookAfter(k)
		s.Links = append(s.Links, *k.link)
	}
	_, err = w.store.Settle(ctx, s)
	return err
}

// mayHold notes what a row says as values that may stand in the lead's contact.
func mayHold(l *ledger.Link, r *intent.Row) {
	for _, v := range r.Values {
		l.MayHold(v.Property, v.Canon)
	}
	if r.Address != "" {
		l.MayHold(ledger.AddressField, r.Address)
	}
}

// attemptUnclear counts one attempt of every due row of the fold whose request alone ended without an answer. A row
// that has had its last waits all the same: what it did is read before it is dead, see endSpent.
func (w *Worker) attemptUnclear(k *work) {
	for _, r := range k.plan.all.Rows {
		o := w.retryLater(r, k, outbox.GaveUp, unclearNote)
		if o.State == outbox.Dead {
			o.State, o.Reason, o.NotBefore = outbox.Pending, "", outbox.Millis(w.now().Add(w.wait(k, o.Attempts)))
		}
		if k.more { // rows that were not read have no not_before
			k.hint.rest(w.now(), o.NotBefore)
		}
		k.ended = append(k.ended, o)
	}
	k.done = true
}

const unclearNote = "the request with this row alone ended without an answer while others succeeded"

// endSpent ends rows that have had their last attempt, now that a reading has shown that it was not applied. It reports
// whether nothing is left to write; the others are planned anew.
func (w *Worker) endSpent(k *work) bool {
	if k.plan.op == opSettle || !k.inDoubt() || !k.wasRead() {
		return false
	}
	var spent []*intent.Row
	for _, r := range k.plan.all.Rows {
		if r.Attempts < w.cfg.MaxAttempts {
			continue
		}
		spent = append(spent, r)
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.GaveUp, Note: unclearNote, Attempts: r.Attempts,
			ContactID: k.link.ContactID})
	}
	switch {
	case len(spent) == 0:
		return false
	case k.plan.del != nil:
		k.behindDelete()
		k.done = true
		return true
	}
	k.drop(spent)
	w.facts().decide(k)
	k.done = len(k.rows) == 0
	return k.done
}

// arrivedLate reports whether a value is one of a request of ours in doubt, executed after our time-out, and stands
// against the ledger. An address that would have to be opted out first is left as it is: it is taken like somebody's
// edit.
func (w *Worker) arrivedLate(ctx context.Context, k *work, v *contact.View, r ledger.Reading, f ledger.Field) (bool, error) {
	same := func(p ledger.Pending) bool { return p.Canon == r.Canon && p.ID >= f.Set }
	if !slices.Contains(f.Maybe, r.Canon) || r.Canon == f.Seen || r.Canon == f.Sent || slices.ContainsFunc(r.Pending, same) {
		return false, nil
	}
	if r.Property == ledger.AddressField && (f.Sent == "" || (v.OptedOut || k.link.Consent == ledger.Out) && !k.link.Evidenced(f.Sent)) {
		return false, nil
	}
	return w.contacts.Ours(ctx, v, r.Property, f.Sent)
}

// mend adds what the ledger holds where a late request put something else. The address is left to the second look,
// which asks for nothing else.
func mend(in *intent.Intent, k *work) {
	for p, there := range k.late {
		if _, ok := in.Changes[p]; ok || p == ledger.AddressField || k.unfit[p] {
			continue
		}
		if f := k.link.Field(p); f.Sent != there {
			in.Changes[p] = intent.Change{Property: p, Send: f.Sent, Canon: f.Sent, Set: f.Set}
		}
	}
}
