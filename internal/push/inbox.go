package push

import (
	"encoding/json"

	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// Change types of lead_inbox that push writes.
const (
	contactUpdated = "contact.updated"
	contactMerged  = "contact.merged"
	contactDeleted = "contact.deleted"
)

// told is one value of HubSpot's that the application gets to know.
type told struct{ value, was string }

// inboxUpdate is the row that tells the application what it lacks, by lead field name: field -> {"value": new, "was": last known}.
func inboxUpdate(k *work, v *contactView, values map[string]told, t *mapping.Table) InboxRow {
	type pair struct {
		Value *string `json:"value"`
		Was   *string `json:"was"`
	}
	out := make(map[string]pair, len(values))
	for p, x := range values {
		out[t.LeadName(p)] = pair{orNull(x.value), orNull(x.was)}
	}
	text, _ := json.Marshal(out) // strings cannot fail
	return InboxRow{LeadID: k.id, ContactID: v.id, Email: v.email, ChangeType: contactUpdated, Properties: string(text), ChangedAt: v.updatedAt.UnixMilli()}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// payOwed tells the application HubSpot's values that lost to rows which then were not delivered.
func (w *Worker) payOwed(k *work) {
	if k.link.State != ledger.Linked || k.unread || k.more {
		return // only all of the lead's rows can tell that none of them holds the value any more
	}
	ended := map[int64]bool{}
	for _, o := range k.ended {
		ended[int64(o.ID)] = o.State != outbox.Pending
	}
	owed := k.link.Owes(func(property string, set int64) bool {
		for _, p := range pendingValues(k.rows, property) {
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
