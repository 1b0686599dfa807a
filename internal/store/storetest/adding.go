package storetest

import (
	"fmt"
	"strings"
	"sync"

	"leadsync/internal/outbox"
)

func addIsIdempotent(e *env) {
	long := randomText(4000)
	rows := []outbox.Entry{
		{EventID: ptr("import:1"), LeadID: ptr("a"), Type: ptr("lead.registered"), Email: ptr("ada@example.com"), Properties: ptr(`{"x":1}`), Lane: outbox.Backfill, OccurredAt: ptr(int64(77))},
		{EventID: ptr("import:2"), LeadID: ptr("b")},
		{EventID: ptr("import:1"), LeadID: ptr("again")},
		{LeadID: ptr("c")},
		{LeadID: ptr("c"), EventID: ptr("")},
		{EventID: ptr("import:1"), LeadID: ptr("d"), Portal: "other"},
		{EventID: ptr(long + "1")}, {EventID: ptr(long + "2")},
	}
	check := func(wantAdded, wantAlready int) {
		e.Helper()
		added, already, err := e.db.Operator().Add(e.Context(), rows)
		e.must(err)
		if added != wantAdded || already != wantAlready {
			e.Errorf("added %d, already there %d, want %d and %d", added, already, wantAdded, wantAlready)
		}
	}
	check(7, 1)
	check(2, 6)
	e.same("live", e.ready(outbox.Live)[:3], []outbox.EntryID{2, 3, 4})
	r := e.entry(1)
	if r.Lead() != "a" || deref(r.Type) != "lead.registered" || deref(r.Email) != "ada@example.com" || deref(r.Properties) != `{"x":1}` ||
		r.Lane != outbox.Backfill || number(r.OccurredAt) != 77 || r.State != outbox.Pending || r.CreatedAt == 0 {
		e.Errorf("row %+v", r)
	}
	if r := e.entry(2); r.Portal != "default" || deref(r.Properties) != `{}` || r.Lane != outbox.Live || number(r.OccurredAt) == 0 || r.Type != nil {
		e.Errorf("row with defaults %+v", r)
	}
	many := make([]outbox.Entry, 1201)
	for i := range many {
		many[i] = outbox.Entry{EventID: ptr(fmt.Sprint("m", i)), LeadID: ptr("m")}
	}
	for _, want := range []int{1201, 0} {
		if added, already, err := e.db.Operator().Add(e.Context(), many); err != nil || added != want || already != 1201-want {
			e.Errorf("many: added %d, already %d, %v", added, already, err)
		}
	}
}

// addLargeRows adds more text in one call than a server takes in one statement.
func addLargeRows(e *env) {
	large := `"` + strings.Repeat("'\\", 500_000) + `"`
	rows := make([]outbox.Entry, 18)
	for i := range rows {
		rows[i] = outbox.Entry{LeadID: ptr("a"), Properties: &large}
	}
	if added, _, err := e.db.Operator().Add(e.Context(), rows); err != nil || added != len(rows) {
		e.Fatalf("added %d, %v", added, err)
	}
	if r := e.entry(outbox.EntryID(len(rows))); deref(r.Properties) != large {
		e.Errorf("%d bytes came back as %d", len(large), len(deref(r.Properties)))
	}
}

// twoImportsAtOnce: each reads which events are there and then inserts, in a process of its own.
func twoImportsAtOnce(e *env) {
	var wg sync.WaitGroup
	for i := range 3 {
		db := OpenRaw(e, e.url)
		wg.Go(func() {
			for n := range 15 {
				added, _, err := db.Operator().Add(e.Context(), []outbox.Entry{{LeadID: ptr("a"), EventID: ptr(fmt.Sprint(i, " ", n))}, {LeadID: ptr("b")}})
				if err != nil || added != 2 {
					e.Errorf("import %d: added %d, %v", i, added, err)
				}
			}
		})
	}
	wg.Wait()
}
