package intent_test

import (
	"fmt"
	"slices"

	"leadsync/internal/intent"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// Three pending rows of a lead become one intent: the last value of each field, without what HubSpot holds already.
func Example() {
	table := mapping.New([]mapping.Field{{Lead: "company", Contact: "company"}, {Lead: "plan", Contact: "plan"}}, "")
	id, updated := "lead-1", string(outbox.Updated)
	var rows []*intent.Row
	for i, properties := range []string{`{"plan": "free"}`, `{"company": "Acme"}`, `{"plan": "pro"}`} {
		e := &outbox.Entry{ID: outbox.EntryID(11 + i), LeadID: &id, Type: &updated, Properties: &properties}
		rows = append(rows, intent.NewRow(e, table, false))
	}
	link := &ledger.Link{State: ledger.Linked, Fields: map[string]ledger.Field{"company": {Sent: "Acme", Seen: "Acme", Set: 5}}}

	in := intent.Fold(rows, nil)
	in.DropOvertaken(link)
	in.DropCurrent(link, nil, nil)
	var names []string
	for name := range in.Changes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Println(name, "=", in.Changes[name].Send, "by row", in.Changes[name].Set)
	}
	// Output: plan = pro by row 13
}
