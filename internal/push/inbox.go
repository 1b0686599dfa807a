package push

import (
	"leadsync/internal/inbox"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// told is one value of HubSpot's that the application gets to know.
type told struct{ value, was string }

// inboxUpdate is the row that tells the application what it lacks, by lead field name: field -> {"value": new, "was": last known}.
func inboxUpdate(k *work, v *contactView, values map[string]told, t *mapping.Table) InboxRow {
	out := make(map[string]inbox.Value, len(values))
	for p, x := range values {
		out[t.LeadName(p)] = inbox.Value{New: x.value, Was: x.was}
	}
	return InboxRow{LeadID: k.id, ContactID: v.id, Email: v.email, ChangeType: inbox.Updated, Properties: inbox.Properties(out),
		ChangedAt: v.updatedAt.UnixMilli()}
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
		for _, p := range k.withArrived(pendingValues(k.rows, property), property) { // a row that came during the reading may hold it
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
	v := &contactView{id: k.link.ContactID, email: k.link.Address, updatedAt: w.now()}
	k.inbox = append(k.inbox, inboxUpdate(k, v, values, w.table()))
	k.dirty = true
}
