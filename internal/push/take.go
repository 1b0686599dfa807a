package push

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"leadsync/internal/contact"
	"leadsync/internal/inbox"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
)

// begin starts the ledger of another life: what the old contact held says nothing of this one, but the application's
// word stands, and so does the order of its events.
func (k *work) begin() {
	if !k.dirty { // else what happened to the old contact is still to be told, together with the link
		before := *k.link
		k.before = &before
	}
	k.fill, k.link.Fields = k.link.Fields, make(map[string]ledger.Field, len(k.link.Fields))
	for p, f := range k.fill {
		if p != ledger.AddressField && f.Sent != "" {
			f.Set-- // the value itself may still be set
		}
		k.link.Fields[p] = f.Renewed()
	}
}

// take merges a fresh reading of the lead's contact into its ledger, field by field, and puts into the inbox what the
// application does not know. No request for the lead is under way while a job has it.
func (w *Worker) take(ctx context.Context, k *work, v *contact.View) error {
	if k.plan.del != nil { // it is archived next: what it holds does not matter any more, but the person's consent outlives it
		k.link.OptOut.Moved(k.link.Address, v.Email)
		k.link.Stored.Last = v.Email
		k.read, k.dirty = true, true
		return w.takeConsent(ctx, k, v)
	}
	t := w.table()
	k.link.OptOut.Moved(k.link.Address, v.Email)
	told := map[string]told{}
	k.late = map[string]string{}
	for p, canon := range v.Values {
		if p == ledger.AddressField || p == contact.MoreAddresses || p == contact.MergedIDs || strings.HasPrefix(p, contact.OptedOut) {
			continue
		}
		if err := w.merge(ctx, k, v, p, canon, told); err != nil {
			return err
		}
	}
	if own := intent.PendingValues(k.rows, ledger.AddressField); len(own) > 0 && own[len(own)-1].Canon != v.Email && slices.Contains(v.More, own[len(own)-1].Canon) {
		// The contact has our address already, as a further one. Whether a write would swap or free the primary one is not
		// known, so it stays: what we wanted is there.
		k.link.Wrote(ledger.AddressField, own[len(own)-1].Canon, k.link.Field(ledger.AddressField).Set, &v.Email)
	} else if v.Email != "" || k.link.Field(ledger.AddressField).Seen != "" {
		if err := w.merge(ctx, k, v, ledger.AddressField, v.Email, told); err != nil {
			return err
		}
	}
	k.read, k.dirty, k.view = true, true, v
	if mark, shown := v.Values[t.IDProperty()]; t.IDProperty() != "" && shown {
		k.unmarked = mark == "" && !k.markTaken
	}
	if err := w.takeConsent(ctx, k, v); err != nil {
		return err
	}
	for p := range told {
		k.told = append(k.told, p)
	}
	if len(k.late) == 0 {
		k.link.EndDoubt(v.Begun)
	}
	if len(told) > 0 {
		k.inbox = append(k.inbox, inboxUpdate(k, v, told, t))
	}
	return nil
}

func (w *Worker) merge(ctx context.Context, k *work, v *contact.View, property, canon string, out map[string]told) error {
	t := w.table()
	direction, winner := t.Rule(property)
	f := k.link.Field(property)
	if canon == "" && f.IsZero() {
		return nil
	}
	if _, carried := k.link.Fields[property]; !carried && direction == "" {
		return nil // not mapped: none of our business
	}
	r := ledger.Reading{Property: property, Canon: canon, Pending: intent.PendingValues(k.rows, property),
		Told: direction == mapping.Both || direction == mapping.Pull}
	if old := k.fill[property]; len(r.Pending) == 0 && old.Sent != "" && property != ledger.AddressField {
		r.Pending = []ledger.Pending{{Canon: old.Sent, ID: old.Set}}
	}
	r.Pending = withLeft(r.Pending, t, property, f)
	if !r.Told && f.IsZero() && len(r.Pending) == 0 {
		return nil // the application neither sends nor hears it
	}
	if late, err := w.arrivedLate(ctx, k, v, r, f); late || err != nil {
		if late {
			k.late[property] = canon
		}
		return err
	}
	if canon != f.Seen && !f.Shown && f.Sent != "" { // how HubSpot keeps what we sent, or somebody's edit behind it
		own, err := w.contacts.Ours(ctx, v, property, f.Sent)
		if own {
			k.link.Wrote(property, f.Sent, f.Set, &canon)
		}
		if own || err != nil {
			return err
		}
	}
	if err := w.hearsOf(ctx, k, &r, f); err != nil {
		return err
	}
	first := r.Told && f.Untold // the mapping came to tell it
	moved := canon != f.Seen || r.Unheard || first
	if moved && (r.Told || winner == mapping.HubSpot || winner == mapping.FillEmpty) {
		top, err := w.newestRow(ctx, k)
		if err != nil {
			return err
		}
		if r.Top, r.Pending = top, k.withArrived(r.Pending, property); f.Left != nil {
			r.Top = max(top, f.Left.ID) // its row may be gone
		}
	}
	switch winner {
	case mapping.HubSpot:
		r.Winner = ledger.HubSpot
	case mapping.FillEmpty:
		if canon != "" {
			r.Winner = ledger.HubSpot
		}
	case mapping.Newest:
		if r.Told && moved {
			later, err := w.changedAfter(ctx, k, v, r)
			if err != nil {
				return err
			}
			if later {
				r.Winner = ledger.HubSpot
			}
		}
	}
	verdict := k.link.Merge(r)
	w.decided(k, property, verdict)
	if verdict == ledger.Ours { // finish stands the row in the order; one that dies before that must not overtake an older one
		now := k.link.Fields[property]
		now.Set = f.Set
		k.link.Fields[property] = now
		if f.Left != nil && leftCanon(t, property, f.Left) == canon {
			k.link.Took(property)
		}
	}
	if verdict.Tell() {
		// The inbox is read in order: a further change stands on the one that was told before it, also while that waits. Only
		// where an event of the application was written without knowing what was told does it stand on what the application
		// knew.
		was, again := f.Seen, r.Unheard && len(r.Pending) > 0
		if again || first {
			was = f.Base
		}
		out[property] = told{value: canon, was: was, again: again}
	}
	return nil
}

// withArrived adds the values of rows that were committed after the lead's rows were read: a value taken from HubSpot
// stands above them too, so they must have their say first.
func (k *work) withArrived(pending []ledger.Pending, property string) []ledger.Pending {
	pending = append(pending, intent.PendingValues(k.arrived, property)...)
	slices.SortFunc(pending, func(a, b ledger.Pending) int { return cmp.Compare(a.ID, b.ID) })
	return pending
}

// changedAfter reports whether the property was changed in HubSpot after the newest of the pending values came into
// being: by its history, which is asked for only when both sides changed it, or by the contact's own time where HubSpot
// shows none.
func (w *Worker) changedAfter(ctx context.Context, k *work, v *contact.View, r ledger.Reading) (bool, error) {
	if len(r.Pending) == 0 || slices.ContainsFunc(r.Pending, func(p ledger.Pending) bool { return p.Canon == r.Canon }) {
		return false, nil
	}
	last := r.Pending[len(r.Pending)-1].ID
	if left := k.link.Field(r.Property).Left; left != nil && left.ID == last {
		there, err := w.contacts.ChangedAt(ctx, v, r.Property)
		return there.UnixMilli() > left.At, err
	}
	for _, own := range append(slices.Clone(k.rows), k.arrived...) {
		if own.Num() != last {
			continue
		}
		there, err := w.contacts.ChangedAt(ctx, v, r.Property)
		return there.UnixMilli() > own.SaidAt(), err
	}
	return false, nil
}

// decided counts a property that both sides changed, and names who lost.
func (w *Worker) decided(k *work, property string, verdict ledger.Verdict) {
	winner := "app"
	switch verdict {
	case ledger.AppWins:
	case ledger.HubWins, ledger.HubKeeps:
		winner = "hubspot"
	default:
		return
	}
	k.conflicts++
	w.cfg.Log.Info(observe.ConflictDecided, w.cfg.Person(k.id), observe.ContactID, string(k.link.ContactID), observe.Property, property, observe.Winner, winner)
}

// newestRow is the highest outbox id of any row of the lead, in any state and whatever it carries: a value that is
// taken from HubSpot stands above all of them, however many there are. The pending ones that came since the others were
// read are read too.
func (w *Worker) newestRow(ctx context.Context, k *work) (int64, error) {
	if k.newest != 0 {
		return k.newest, nil
	}
	rows, err := w.store.RowsOf(ctx, k.id, 1)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	newest := int64(rows[0].ID)
	pending, err := w.store.PendingOf(ctx, []lead.ID{k.id}, wideRows, wideSize)
	if err != nil {
		return 0, err
	}
	k.arrived = nil
	for i := range pending[k.id].Rows {
		if e := &pending[k.id].Rows[i]; !slices.Contains(k.ids, e.ID) {
			if r := intent.NewRow(e, w.table(), false); r.End == nil {
				k.arrived = append(k.arrived, r)
			}
		}
	}
	k.newest = newest
	return newest, nil
}

// standAbove lifts what the application is about to be told above the rows of the lead that came since the contact was
// read: the inbox has the last word about a field, or the application would know one value and HubSpot hold another.
// What is left is the moment to the commit.
func (w *Worker) standAbove(ctx context.Context, k *work) error {
	if len(k.told) == 0 {
		return nil
	}
	k.newest = 0
	top, err := w.newestRow(ctx, k)
	if err != nil {
		return err
	}
	for _, p := range k.told {
		k.link.Raise(p, top+1)
	}
	for i := range k.inbox {
		if k.inbox[i].ChangeType == inbox.Updated {
			k.inbox[i].Above = top
		}
	}
	return nil
}

// historyRows bounds how many of a lead's rows are read back.
const historyRows = 200
