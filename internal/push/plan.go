package push

import (
	"slices"
	"time"

	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// op is the next step of one lead.
type op int

const (
	opSettle op = iota // every row is decided, no request is needed
	opRead             // linked: read the contact by id right before the write
	opLookup           // not linked: look for a contact by every address (and by id_property)
	opCreate
	opUpdate
	opUpsert
	opArchive
	opErase
)

// plan is the one request a lead needs next.
type plan struct {
	op   op
	all  intent.Intent // the fold
	diff intent.Intent // what of it is to be written
	addr string        // the address to create with
	del  *intent.Row   // the lead.deleted or lead.erased that is carried out; the fold is empty then
}

// facts are what a decision rests on besides the lead itself.
type facts struct {
	now       time.Time
	table     *mapping.Table
	lookFirst bool          // the last creates met many contacts that were there already
	dead      bool          // push.on_invalid_field: dead
	noAddress time.Duration // how long a row waits for an address; 0 = for ever
}

func (w *Worker) facts() facts {
	return facts{w.now(), w.table(), w.readFirst.Load(), w.mode() == Dead, w.cfg.NoAddress}
}

// decide plans the next step of a lead from its rows, its link and what was learnt in this job. It changes only the
// work, and asks nobody.
func (f facts) decide(k *work) {
	k.plan = plan{}
	if r := k.erasing(); r != nil {
		k.plan = plan{op: opErase, del: r, all: intent.Intent{Rows: []*intent.Row{r}}}
		for _, late := range k.every { // came after the tombstone
			if late != r && late.End != nil && late.End.Reason == outbox.ErasedPerson {
				k.ended = append(k.ended, *late.End)
			}
		}
		return
	}
	k.rows = f.endRows(k)
	if len(k.rows) == 0 {
		return
	}
	if k.barrier() == 0 {
		f.decideDelete(k)
		return
	}
	rows := k.narrowed()
	in := intent.Fold(rows, k.blocked.has)
	k.plan.all = in
	in = in.Clone()
	if k.link.State == ledger.Linked {
		in.RestoreFromLedger(k.fill, k.unfit)
	}
	in.DropOvertaken(k.link)
	switch k.link.State {
	case ledger.Linked:
		f.decideLinked(k, in)
	case ledger.Purged:
		f.endAll(k, rows, outbox.Dead, outbox.ContactPurged, "the contact was erased in HubSpot; `outbox retry` does not bring it back")
	case ledger.Gone:
		if !intent.Fold(k.upToDelete(), nil).Registered(k.link.AppliedID) {
			f.endAll(k, rows, outbox.Dead, outbox.ContactGone, "contact "+string(k.link.ContactID)+" is in HubSpot's recycle bin")
			return
		}
		in.RestoreFromLedger(k.link.Fields, k.unfit)
		f.decideUnlinked(k, in)
	default:
		f.decideUnlinked(k, in)
	}
}

// narrowed are the rows to fold: all of them, or fewer when a refusal that names nothing is being tracked down. A lead
// without a contact begins with the row that brings the address, since nothing can be written without one; the ledger
// keeps the order.
func (k *work) narrowed() []*intent.Row {
	n, rows := k.hint.take, k.upToDelete()
	if n == 0 || n >= len(rows) {
		return rows
	}
	if k.link.State != ledger.Linked {
		if a := intent.LastAddress(rows, k.blocked.has); a != nil {
			return []*intent.Row{a.Row}
		}
	}
	return rows[:n]
}

// drop takes rows out of the work.
func (k *work) drop(rows []*intent.Row) {
	k.rows = slices.DeleteFunc(slices.Clone(k.rows), func(r *intent.Row) bool { return slices.Contains(rows, r) })
}

func (f facts) decideLinked(k *work, in intent.Intent) {
	diff := in.Clone()
	unheard := k.unheard
	if k.read { // it is decided
		unheard = nil
	}
	diff.DropCurrent(k.link, k.late, unheard)
	mend(&diff, k)
	k.plan.diff = diff
	switch {
	case k.inDoubt() && !k.read:
		k.plan.op = opRead
	case diff.Empty() && !k.read && (k.more || !intent.KnownUnchanged(k.rows, k.link)):
		k.plan.op = opRead
	case !k.read && (in.ClearsUnknownField(k.link) || diff.HasAny(unheard)):
		k.plan.op = opRead
	case diff.Empty() && !k.unmarked:
		k.plan.op = opSettle
	case !k.read && f.readsBeforeWrite(diff):
		k.plan.op = opRead
	default:
		k.plan.op = opUpdate
	}
}

// readsBeforeWrite: a change whose winner is not the application goes through the three-way with a fresh reading, and
// before an address change the contact's own opt-out is read.
func (f facts) readsBeforeWrite(diff intent.Intent) bool {
	if diff.Address != nil {
		return true
	}
	t := f.table
	for p := range diff.Changes {
		if _, winner := t.Rule(p); winner != mapping.App {
			return true
		}
	}
	return false
}

func (f facts) decideUnlinked(k *work, in intent.Intent) {
	k.plan.diff = in
	addr := k.link.Address
	if in.Address != nil {
		addr = in.Address.Canon
	}
	if k.blocked.has(addr) || addr == "" && k.held() {
		k.plan.op = opSettle // nothing can be sent; settle puts the rows off
		return
	}
	if addr == "" && k.barrier() > 0 { // nothing to make a contact of, and it is deleted afterwards
		f.endAll(k, k.upToDelete(), outbox.Skipped, outbox.Overtaken, deletedLater)
		f.decide(k)
		return
	}
	if addr == "" {
		f.park(k)
		return
	}
	k.plan.addr = addr
	t := f.table
	look := k.inDoubt() || k.hint.lookup || k.more
	if t.IDProperty() != "" {
		k.plan.op = opUpsert
		look = look || t.NeedsReading()
	} else {
		k.plan.op = opCreate
		look = look || len(intent.Addresses(k.upToDelete())) > 1 || f.lookFirst
	}
	if k.newAddress() != "" { // before it is opted out it must be known that nobody else has it
		look = true
	}
	switch {
	case look && !k.looked:
		k.plan.op = opLookup
	case k.plan.op == opUpsert && !k.looked && !k.marked: // whoever is out at the contact that has the property stays out at a new address
		k.plan.op, k.byMark = opLookup, true
	}
}

// endRows ends the rows that are decided by themselves and returns the others.
func (f facts) endRows(k *work) []*intent.Row {
	kept := k.rows[:0:0]
	for _, r := range k.rows {
		r.Omit(k.hint.refused[r.ID])
		switch {
		case r.End != nil:
		case r.Num() < k.link.ClosedAtID:
			r.EndAs(outbox.Skipped, outbox.Overtaken, deletedLater)
		case r.Event == outbox.Deleted && r.Num() < k.link.AppliedID:
			r.EndAs(outbox.Skipped, outbox.Overtaken, "a later event of the lead came first")
		case r.Event == outbox.Deleted:
		case k.link.State == ledger.Passive:
			r.EndAs(outbox.Skipped, outbox.Merged, "the contact was merged into another lead's contact")
		case r.AllOmitted(), f.dead && len(r.Omitted) > 0:
			r.EndAs(outbox.Dead, outbox.InvalidProperty, intent.OmittedNote(r.Omitted))
		case r.Mapped == 0 && r.Unmapped > 0:
			r.EndAs(outbox.Skipped, outbox.NotMapped, "")
		case r.Overtaken(k.link):
			r.EndAs(outbox.Skipped, outbox.Overtaken, "")
		}
		if r.End == nil {
			kept = append(kept, r)
			continue
		}
		if o := *r.End; o.State != outbox.Pending || r.NotBefore == nil || *r.NotBefore != o.NotBefore {
			k.ended = append(k.ended, o)
		}
		if r.End.State == outbox.Dead && r.End.Reason == outbox.InvalidProperty {
			k.leaveOut(f.table, r, !f.dead)
			k.dirty = k.dirty || k.link.State != ledger.None
		}
	}
	return kept
}

// endAll ends rows of the fold with one reason and takes them out of it.
func (f facts) endAll(k *work, rows []*intent.Row, state outbox.State, reason outbox.Reason, note string) {
	for _, r := range rows {
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts,
			ContactID: k.link.ContactID})
	}
	k.drop(rows)
	k.plan = plan{op: opSettle}
}

// held reports whether an address of the rows is blocked.
func (k *work) held() bool { return slices.ContainsFunc(k.rows, k.waits) }

// waits reports whether the row's address is blocked and still the last word about it.
func (k *work) waits(r *intent.Row) bool {
	return k.blocked.has(r.Address) && r.Address != "" && !k.link.Overtaken(ledger.AddressField, r.Num()) && (k.plan.all.Address == nil || k.plan.all.Address.Set < r.Num())
}

// park lets rows wait that have neither contact nor address; a row that brings one folds them in.
func (f facts) park(k *work) {
	for _, r := range k.rows {
		o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Note: "waits for an address", Attempts: r.Attempts, NotBefore: outbox.Parked}
		if f.noAddress > 0 && f.now.Sub(time.UnixMilli(r.CreatedAt)) > f.noAddress {
			o = outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.NoAddress, Attempts: r.Attempts}
		}
		if o.State == outbox.Pending && r.NotBefore != nil && *r.NotBefore == outbox.Parked {
			continue
		}
		k.ended = append(k.ended, o)
	}
	k.rows = nil
	k.plan = plan{op: opSettle}
}
