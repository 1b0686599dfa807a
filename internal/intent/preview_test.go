package intent

import (
	"strings"
	"testing"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// What a row would come to, by the state of its lead's link and what stands beside it.
func TestPreviewRow(t *testing.T) {
	linked := func(state ledger.State) *ledger.Link {
		return &ledger.Link{State: state, ContactID: "901", Address: "ada@example.com", AppliedID: 5, Fields: map[string]ledger.Field{
			"plan":      {Sent: "pro", Seen: "pro", Shown: true, Set: 3},
			"firstname": {Sent: "Ada", Seen: "Ada", Shown: true, Set: 9}}}
	}
	later := entry(outbox.Updated, "", `{"plan": "free"}`)
	later.ID = 8
	earlier := entry(outbox.Updated, "ada@example.com", "")
	earlier.ID = 6
	for _, c := range []struct {
		name, properties string
		typ              outbox.Type
		email            string
		pending          []outbox.Entry
		link             *ledger.Link
		want             string // the outcome, what is sent, unchanged, overtaken
	}{
		{"new", `{"plan": "pro"}`, outbox.Updated, "ada@example.com", nil, nil, "create or link a contact; email,plan;;"},
		{"no address", `{"plan": "pro"}`, outbox.Updated, "", nil, nil, "waits for an address; plan;;"},
		{"address of another row", `{"plan": "pro"}`, outbox.Updated, "", []outbox.Entry{*earlier}, nil, "create or link a contact; plan;;"},
		{"change", `{"plan": "free"}`, outbox.Updated, "", nil, linked(ledger.Linked), "update contact 901; plan;;"},
		{"unchanged", `{"plan": "pro"}`, outbox.Updated, "", nil, linked(ledger.Linked), "skipped/unchanged;; plan;"},
		{"overtaken", `{"first_name": "Eve"}`, outbox.Updated, "", nil, linked(ledger.Linked), "skipped/overtaken;;; firstname by 9"},
		{"overtaken by a pending row", `{"plan": "pro"}`, outbox.Updated, "", []outbox.Entry{*later}, linked(ledger.Linked), "skipped/overtaken;;; plan by 8"},
		{"nothing of it is mapped", `{"shoe": 9}`, outbox.Updated, "", nil, linked(ledger.Linked), "skipped/not_mapped;;;"},
		{"bad", `{"plan`, outbox.Updated, "", nil, linked(ledger.Linked), "dead/invalid_json;;;"},
		{"gone", `{"plan": "x"}`, outbox.Updated, "", nil, linked(ledger.Gone), "dead/contact_gone; plan;;"},
		{"registered again", `{"plan": "x"}`, outbox.Registered, "", nil, linked(ledger.Gone), "create or link a contact; plan;;"},
		{"purged", `{"plan": "x"}`, outbox.Registered, "", nil, linked(ledger.Purged), "dead/contact_purged; plan;;"},
	} {
		p := PreviewRow(*entry(c.typ, c.email, c.properties), c.pending, c.link, table, false)
		parts := []string{p.Outcome, strings.Join(p.Send, ","), strings.Join(p.Unchanged, ","), p.OvertakenWords()}
		got := strings.ReplaceAll(strings.Join(parts, "; "), "; ;", ";;")
		if got = strings.TrimSpace(strings.ReplaceAll(got, "; ;", ";;")); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
