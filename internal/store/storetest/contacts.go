package storetest

import (
	"fmt"
	"math"
	"slices"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// deleteBrakeCountsContacts: what is bounded is contacts; a row that wants more than it was allowed asks again.
func deleteBrakeCountsContacts(e *env) {
	l := e.acquire("one")
	const hour = 3_600_000
	for i, c := range []struct {
		now   int64
		asks  []settlement.DeleteAsk
		want  string
		clear bool
	}{
		{10, []settlement.DeleteAsk{{Row: 1, Contacts: 3}}, "[1] 0", false},
		{20, []settlement.DeleteAsk{{Row: 1, Contacts: 3}, {Row: 2, Contacts: 2}}, "[1 2] 0", false},
		{30, []settlement.DeleteAsk{{Row: 1, Contacts: 4}, {Row: 2, Contacts: 1}}, "[2] 30", false}, // one more than it was allowed, and they are five
		{40, []settlement.DeleteAsk{{Row: 3, Contacts: 0}}, "[] 30", true},
		{50, []settlement.DeleteAsk{{Row: 4, Contacts: 6}}, "[] 50", true}, // alone it is too many
		{60, []settlement.DeleteAsk{{Row: 5, Contacts: 5}}, "[5] 0", false},
		{70 + hour, []settlement.DeleteAsk{{Row: 6, Contacts: 5}}, "[6] 0", false},
		{80, []settlement.DeleteAsk{{Row: 6, Contacts: 5}}, "[6] 0", false}, // the clock was set back an hour: what it has counted is of now
		{90 + hour, []settlement.DeleteAsk{{Row: 7, Contacts: 5}}, "[7] 0", false},
	} {
		allowed, paused, err := own(e.db, l, 0).AllowDeletes(e.Context(), c.asks, 5, c.now)
		e.must(err)
		if got := fmt.Sprint(allowed, paused); got != c.want {
			e.Errorf("question %d: %s, want %s", i, got, c.want)
		}
		if c.clear {
			_, err := e.db.Operator().ResumeDeletes(e.Context(), portal)
			e.must(err)
		}
	}
}

// contactsStayKnown: what a link gives up stays on record in its account, what was there before is told apart, an
// operator's words are for one row, and a wipe takes all of it.
func contactsStayKnown(e *env) {
	lease := e.acquire("one")
	link := ledger.Link{Portal: portal, HubID: hub, LeadID: "a", State: ledger.Linked, ContactID: "901", Address: "one@example.com", Found: true}
	write := func() {
		e.settle(decided{Lease: lease, Links: []ledger.Link{link}})
		m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"a"})
		e.must(err)
		link = *m["a"]
	}
	of := e.db.View(portal)
	known := func(hubID int64, id lead.ID, had, found string) {
		e.Helper()
		k, err := of.KnownContacts(e.Context(), hubID, id, nil)
		e.must(err)
		if fmt.Sprint(k.Had) != had || fmt.Sprint(k.Found) != found {
			e.Errorf("had %v, found %v; want %s, %s", k.Had, k.Found, had, found)
		}
	}
	write()
	known(hub, "a", "map[]", "map[901:true]")
	link.AppliedID = 5
	write()
	known(hub, "a", "map[]", "map[901:true]")
	link.Address = "two@example.com"
	write()
	known(hub, "a", "map[901:[one@example.com]]", "map[901:true]")
	link.State, link.Address, link.Stored.Last = ledger.Deleted, "", "seen@example.com"
	write()
	known(hub, "a", "map[901:[one@example.com two@example.com seen@example.com]]", "map[901:true]")
	link.State, link.ContactID, link.Address = ledger.Linked, "902", "two@example.com"
	write()
	link.State, link.ContactID = ledger.None, ""
	write()
	known(hub, "a", "map[901:[one@example.com two@example.com seen@example.com] 902:[two@example.com]]", "map[901:true]")
	known(hub+1, "a", "map[]", "map[]")
	e.settle(decided{Lease: lease, Asked: []settlement.Unanswered{{HubID: hub, Lead: "a", Address: "x@example.com", At: 7}, {HubID: hub, Lead: "a", Address: "y@example.com", At: 9}}})
	if k, err := of.KnownContacts(e.Context(), hub, "a", nil); err != nil || fmt.Sprint(k.Asked) != "map[x@example.com:7 y@example.com:7]" {
		e.Errorf("asked %v, %v", k.Asked, err)
	}
	known(hub, "A", "map[]", "map[]")
	many := ledger.Link{Portal: portal, HubID: hub, LeadID: "many", State: ledger.Linked, ContactID: "950"}
	for i := range 61 { // each settlement gives the address before it up; the oldest of sixty go
		many.Address = fmt.Sprintf("m%d@example.com", i)
		e.settle(decided{Lease: lease, Links: []ledger.Link{many}})
		m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"many"})
		e.must(err)
		many = *m["many"]
	}
	k, err := of.KnownContacts(e.Context(), hub, "many", nil)
	e.must(err)
	if had := k.Had["950"]; len(had) != 50 || had[0] != "m10@example.com" || had[49] != "m59@example.com" {
		e.Errorf("%d addresses are kept: %v", len(had), had)
	}

	row, err := e.db.Operator().AddRow(e.Context(), outbox.Entry{Portal: portal, LeadID: ptr("a"), Type: ptr("lead.erased")},
		store.ContactWord{Contact: "901", Also: true}, store.ContactWord{Contact: store.AnyShared, Also: true})
	e.must(err)
	e.must(e.db.Operator().SayOfContacts(e.Context(), row, []store.ContactWord{{Contact: "901"}, {Contact: "903", Also: true}}))
	if err := e.db.Operator().SayOfContacts(e.Context(), row, []store.ContactWord{{Contact: "9' OR 1"}}); err == nil {
		e.Error("a contact that is no number")
	}
	said := func(rows ...outbox.EntryID) string {
		e.Helper()
		k, err := of.KnownContacts(e.Context(), hub, "a", rows)
		e.must(err)
		return fmt.Sprint(k.Also, k.Leave, k.Shared)
	}
	if got := said(row, row+1); got != "map[903:true] map[901:true] true" {
		e.Errorf("said %s", got)
	}
	if got := said(row + 1); got != "map[] map[] false" {
		e.Errorf("said of another row: %s", got)
	}
	e.must(own(e.db, lease, 0).Wipe(e.Context(), settlement.Person{Lead: "a", Row: row}, func(settlement.Wiped) string { return "" }))
	known(hub, "a", "map[]", "map[]")
	if got := said(row); got != "map[] map[] false" {
		e.Errorf("after the wipe: %s", got)
	}
}

// toldIsWithdrawn: a field is taken out of every row of the lead that is not acknowledged, and of no other; until when
// a field was not acknowledged is what its newest row says.
func toldIsWithdrawn(e *env) {
	lease := e.acquire("one")
	tell := func(id lead.ID, properties string) {
		e.Helper()
		e.settle(decided{Lease: lease, Inbox: []inbox.Row{{LeadID: id, ChangeType: inbox.Updated, Properties: properties, ChangedAt: 1}}})
	}
	tell("a", `{"x":{"value":"1","was":""},"y":{"value":"1","was":""}}`)
	tell("a", `{"x":{"value":"2","was":"1"}}`)
	tell("b", `{"x":{"value":"1","was":""}}`)
	rows, err := e.db.Operator().InboxOf(e.Context(), portal, "a")
	e.must(err)
	first := min(rows[0].ID, rows[1].ID)
	_, err = e.app.ExecContext(e.Context(), fmt.Sprintf(`UPDATE lead_inbox SET acked_at = 77 WHERE id = %d`, first))
	e.must(err)
	untaken := func(id lead.ID, want map[string]int64) {
		e.Helper()
		got, err := e.db.View(portal).Untaken(e.Context(), id)
		e.must(err)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			e.Errorf("untaken of %s: %v, want %v", id, got, want)
		}
	}
	untaken("a", map[string]int64{"x": math.MaxInt64, "y": 77})
	untaken("c", map[string]int64{})
	_, err = own(e.db, lease, 1).Settle(e.Context(), settlement.Settlement{Withdraw: []inbox.Withdrawal{{LeadID: "a", Fields: []string{"x"}}}})
	e.must(err)
	var texts []string
	for _, id := range []lead.ID{"a", "b"} {
		rows, err := e.db.Operator().InboxOf(e.Context(), portal, id)
		e.must(err)
		slices.SortFunc(rows, func(a, b store.InboxRow) int { return int(a.ID - b.ID) })
		for _, r := range rows {
			texts = append(texts, r.Properties)
		}
	}
	want := []string{`{"x":{"value":"1","was":""},"y":{"value":"1","was":""}}`, `{}`, `{"x":{"value":"1","was":""}}`}
	if !slices.Equal(texts, want) {
		e.Errorf("left %q, want %q", texts, want)
	}
	untaken("a", map[string]int64{"x": 77, "y": 77})
	untaken("b", map[string]int64{"x": math.MaxInt64})
}
