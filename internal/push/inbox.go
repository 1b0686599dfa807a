package push

import (
	"context"
	"math"
	"slices"

	"leadsync/internal/contact"
	"leadsync/internal/inbox"
	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// told is one value of HubSpot's that the application gets to know.
type told struct {
	value, was string
	again      bool // it was told before, and an event that did not know it was decided against it
}

// inboxUpdate is the row that tells the application what it lacks, by lead field name: field -> {"value": new, "was":
// last known}.
func inboxUpdate(k *work, v *contact.View, values map[string]told, t *mapping.Table) InboxRow {
	out := make(map[string]inbox.Value, len(values))
	again := false
	for p, x := range values {
		out[t.LeadName(p)] = inbox.Value{New: x.value, Was: x.was}
		again = again || x.again
	}
	return InboxRow{Replaces: again, LeadID: k.id, ContactID: v.ID, Email: v.Email, ChangeType: inbox.Updated, Properties: inbox.Properties(out),
		ChangedAt: v.UpdatedAt.UnixMilli()}
}

// payOwed tells the application HubSpot's values that lost to rows which then were not delivered.
func (w *Worker) payOwed(k *work) {
	if k.link.State != ledger.Linked || k.unread || k.more || k.closing() {
		return // only all of the lead's rows can tell that none of them holds the value any more
	}
	ended := map[int64]bool{}
	for _, o := range k.ended {
		ended[int64(o.ID)] = o.State != outbox.Pending
	}
	owed := k.link.Owes(func(property string, set int64) bool {
		for _, p := range k.withArrived(intent.PendingValues(k.rows, property), property) { // a row that came during the reading may hold it
			if p.ID > set && !ended[p.ID] {
				return true
			}
		}
		return false
	})
	if len(owed) == 0 {
		return
	}
	values := map[string]told{}
	for p, v := range owed {
		values[p] = told{value: v}
	}
	v := &contact.View{ID: k.link.ContactID, Email: k.link.Address, UpdatedAt: w.now()}
	row := inboxUpdate(k, v, values, w.table())
	row.Above = max(k.newest, int64(k.top.ID))
	for _, r := range k.arrived {
		row.Above = max(row.Above, r.Num())
	}
	for p := range values { // the inbox has the last word
		k.link.Raise(p, row.Above+1)
	}
	row.Replaces = true
	k.inbox = append(k.inbox, row)
	k.dirty = true
}

// hearsOf finds out whether a reading of a property meets rows of an application that has not taken yet what it was
// told.
func (w *Worker) hearsOf(ctx context.Context, k *work, r *ledger.Reading, f ledger.Field) error {
	newer := len(r.Pending) > 0 && r.Pending[len(r.Pending)-1].ID >= f.Set
	if !f.Told || r.Canon == f.Seen && !newer {
		return nil
	}
	until, err := w.untaken(ctx, k, r.Property)
	if err != nil || until == 0 {
		return err
	}
	r.Unheard = until == math.MaxInt64
	for _, own := range append(slices.Clone(k.rows), k.arrived...) {
		if own.Num() >= f.Set && own.CreatedAt <= until && own.Carries(r.Property) {
			r.Unheard = true
		}
	}
	return nil
}

// untaken is until when the application had not acknowledged what it was told of a property; 0 = it has nothing to
// acknowledge.
func (w *Worker) untaken(ctx context.Context, k *work, property string) (int64, error) {
	if k.untaken == nil {
		fields, err := w.store.Untaken(ctx, k.id)
		if err != nil {
			return 0, err
		}
		if k.untaken = fields; fields == nil {
			k.untaken = map[string]int64{}
		}
	}
	return k.untaken[w.table().LeadName(property)], nil
}

// recallTold finds the properties of rows that may not know what HubSpot holds: it was told, and not taken when they
// were written. Such a row is decided against a fresh reading.
func (w *Worker) recallTold(ctx context.Context, works []*work) error {
	for _, k := range works {
		for _, r := range k.rows {
			for p, f := range k.link.Fields {
				if !f.Told || r.End != nil || r.Num() < f.Set || !r.Carries(p) {
					continue
				}
				until, err := w.untaken(ctx, k, p)
				if err != nil {
					return err
				}
				if r.CreatedAt <= until {
					if k.unheard == nil {
						k.unheard = map[string]bool{}
					}
					k.unheard[p] = true
				}
			}
		}
	}
	return nil
}

// overwrites notes that a row of the application is written over a value that it was told of: should it not have taken
// that yet, it is withdrawn in the same settlement, or both sides would end with each other's value.
func (k *work) overwrites(property, canon string) {
	if f := k.link.Field(property); f.Told && f.Seen != canon {
		k.withdraw = append(k.withdraw, property)
	}
}

// withdrawal is what the settlement takes out of the inbox for the lead.
func (w *Worker) withdrawal(k *work) []inbox.Withdrawal {
	if len(k.withdraw) == 0 {
		return nil
	}
	out := inbox.Withdrawal{LeadID: k.id}
	for _, p := range k.withdraw {
		out.Fields = append(out.Fields, w.table().LeadName(p))
	}
	return []inbox.Withdrawal{out}
}
