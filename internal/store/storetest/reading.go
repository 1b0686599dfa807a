package storetest

import (
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

func readyByLaneAndTime(e *env) {
	a := e.insert("a", `{}`)
	b := e.insertWith(`lead_id, lane`, `'b', 'backfill'`)
	c := e.insertWith(`lead_id, lane`, `'c', 'odd'`)
	d := e.insertWith(`lead_id, not_before`, `'d', 5000`)
	f := e.insertWith(`lead_id, lane, not_before`, `'f', 'backfill', 3000`)
	e.insertWith(`lead_id, portal`, `'g', 'other'`)
	e.insertWith(`lead_id, state`, `'h', 'dead'`)
	e.same("live", e.ready(outbox.Live), []outbox.EntryID{a, c})
	e.same("backfill", e.ready(outbox.Backfill), []outbox.EntryID{b})
	rows, err := e.db.View(portal).Ready(e.Context(), outbox.Live, a, 10)
	e.must(err)
	e.same("live after the first", idsOf(rows), []outbox.EntryID{c})
	for at, want := range map[int64][]outbox.EntryID{2999: {}, 3000: {f}, 5000: {f, d}} {
		rows, err := e.db.View(portal).DueAgain(e.Context(), "", at, 10)
		e.must(err)
		e.same(fmt.Sprintf("due at %d", at), idsOf(rows), want)
	}
	all, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"a", "b", "c", "d", "f", "g", "h"}, 10, 1<<20)
	e.must(err)
	if len(all) != 5 {
		e.Errorf("pending rows of %d leads, want 5: any lane, any not_before, this portal, pending alone", len(all))
	}
}

// consentHasItsOwnReading: rows that speak of consent are read by the unsubscribe lane alone, whatever their lane, and
// those of the contact lane by it alone. All of them are pending rows of their lead, are counted and are let go
// together.
func consentHasItsOwnReading(e *env) {
	a := e.insertWith(`lead_id, event_type`, `'a', 'lead.updated'`)
	b := e.insertWith(`lead_id, event_type`, `'a', 'lead.unsubscribed'`)
	c := e.insertWith(`lead_id, event_type, lane`, `'c', 'lead.resubscribed', 'backfill'`)
	d := e.insertWith(`lead_id, event_type, not_before`, `'d', 'lead.unsubscribed', 3000`)
	f := e.insertWith(`lead_id, event_type, not_before`, `'f', 'lead.updated', 4000`)
	e.insertWith(`lead_id, event_type, portal`, `'g', 'lead.unsubscribed', 'other'`)
	e.insertWith(`lead_id, event_type, state`, `'h', 'lead.unsubscribed', 'dead'`)
	e.same("live", e.ready(outbox.Live), []outbox.EntryID{a})
	e.same("backfill", e.ready(outbox.Backfill), []outbox.EntryID{})
	read := func(what string, want []outbox.EntryID, rows []settlement.ReadyRow, err error) {
		e.Helper()
		e.must(err)
		e.same(what, idsOf(rows), want)
	}
	rows, err := e.db.View(portal).ReadyConsent(e.Context(), 0, 10)
	read("consent", []outbox.EntryID{b, c}, rows, err)
	rows, err = e.db.View(portal).ReadyConsent(e.Context(), b, 10)
	read("consent after the first", []outbox.EntryID{c}, rows, err)
	rows, err = e.db.View(portal).DueConsent(e.Context(), 2999, 10)
	read("consent not yet due", []outbox.EntryID{}, rows, err)
	rows, err = e.db.View(portal).DueConsent(e.Context(), 9000, 10)
	read("consent due", []outbox.EntryID{d}, rows, err)
	rows, err = e.db.View(portal).DueAgain(e.Context(), "", 9000, 10)
	read("contacts due", []outbox.EntryID{f}, rows, err)
	got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"a"}, 10, 1<<20)
	e.must(err)
	e.same("both kinds of a lead", entryIDs(got["a"].Rows), []outbox.EntryID{a, b})
	counts, err := e.db.Operator().Counts(e.Context())
	e.must(err)
	pending := int64(0)
	for _, n := range counts {
		if n.Portal == portal && n.State == outbox.Pending {
			pending += n.Count
		}
	}
	if pending != 5 {
		e.Errorf("%d pending rows are counted, want 5", pending)
	}
	l := e.acquire("one")
	park := func(id outbox.EntryID) outbox.Outcome {
		return outbox.Outcome{ID: id, State: outbox.Pending, NotBefore: outbox.Parked}
	}
	e.settle(decided{Lease: l, Now: 9, Outcomes: []outbox.Outcome{park(a), park(b)}})
	if n, err := e.db.Operator().Unpark(e.Context(), portal); err != nil || n != 2 {
		e.Errorf("unparked %d, %v", n, err)
	}
	e.same("live again", e.ready(outbox.Live), []outbox.EntryID{a})
	rows, err = e.db.View(portal).ReadyConsent(e.Context(), 0, 10)
	read("consent again", []outbox.EntryID{b, c}, rows, err)
}

// lateCommit holds two transactions open where the engine can, and lets the lower id commit last.
func lateCommit(e *env) {
	if e.db.Dialect() == "sqlite" { // one writer at a time: a low id that appears late is an explicit one
		e.insertWith(`id, lead_id`, `10, 'late'`)
		e.same("first", e.ready(outbox.Live), []outbox.EntryID{10})
		e.insertWith(`id, lead_id`, `9, 'late'`)
		e.same("then", e.ready(outbox.Live), []outbox.EntryID{9, 10})
		return
	}
	first, err := e.app.BeginTx(e.Context(), nil)
	e.must(err)
	defer func() { _ = first.Rollback() }()
	_, err = first.ExecContext(e.Context(), `INSERT INTO lead_outbox (lead_id) VALUES ('late')`)
	e.must(err)
	var low outbox.EntryID
	e.must(first.QueryRowContext(e.Context(), `SELECT max(id) FROM lead_outbox`).Scan(&low))
	high := e.insert("late", `{}`)
	if low >= high {
		e.Fatalf("ids %d and %d: the test needs the open transaction to have the lower one", low, high)
	}
	l := e.acquire("one")
	e.same("before the late commit", e.ready(outbox.Live), []outbox.EntryID{high})
	e.settle(decided{Lease: l, Now: 1, Outcomes: []outbox.Outcome{delivered(high)}, HighID: high})
	e.must(first.Commit())
	e.same("after it", e.ready(outbox.Live), []outbox.EntryID{low})
	got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"late"}, 10, 1<<20)
	e.must(err)
	e.same("of the lead", entryIDs(got["late"].Rows), []outbox.EntryID{low})
}

func pendingOfLimits(e *env) {
	var a, b []outbox.EntryID
	for range 5 {
		a = append(a, e.insert("a", `{"k":"123456"}`)) // 14 bytes
		b = append(b, e.insert("b", `{}`))
	}
	for _, tc := range []struct {
		rows, bytes int
		a, b        []outbox.EntryID
		moreA       bool
		moreB       bool
	}{
		{10, 1 << 20, a, b, false, false},
		{5, 70, a, b, false, false},
		{5, 69, a[:4], b, true, false},
		{4, 1 << 20, a[:4], b[:4], true, true},
		{5, 28, a[:2], b, true, false},
		{5, 1, a[:1], b[:1], true, true},
	} {
		got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"b", "a"}, tc.rows, tc.bytes)
		e.must(err)
		what := fmt.Sprintf("%d rows, %d bytes", tc.rows, tc.bytes)
		e.same(what+", a", entryIDs(got["a"].Rows), tc.a)
		e.same(what+", b", entryIDs(got["b"].Rows), tc.b)
		if got["a"].More != tc.moreA || got["b"].More != tc.moreB {
			e.Errorf("%s: more %t %t, want %t %t", what, got["a"].More, got["b"].More, tc.moreA, tc.moreB)
		}
	}
}

// pendingOfStopsAtTheFirst: rows behind one that does not fit are left too, however small: a fold has no holes.
func pendingOfStopsAtTheFirst(e *env) {
	first := e.insert("a", `{"k":"123456"}`)
	e.insert("a", `{"k":"`+strings.Repeat("x", 100)+`"}`)
	e.insert("a", `{}`)
	got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"a"}, 10, 50)
	e.must(err)
	e.same("rows", entryIDs(got["a"].Rows), []outbox.EntryID{first})
	if !got["a"].More {
		e.Error("nothing says that there are more")
	}
}

func largeProperties(e *env) {
	just := `"` + strings.Repeat("x", outbox.MaxPropertiesBytes-2) + `"`
	middle := `"` + strings.Repeat("é", 100_000) + `"`
	some := `"` + strings.Repeat("x", 70_000) + `"` // just beyond what comes along
	ids := []outbox.EntryID{e.insert("a", just), e.insert("a", just+" "), e.insert("a", middle), e.insert("a", `{}`), e.insert("a", some)}
	got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"a"}, 10, 8<<20)
	e.must(err)
	rows := got["a"].Rows
	e.same("rows", entryIDs(rows), ids)
	for i, want := range []string{just, "NULL", middle, `{}`, some} {
		if deref(rows[i].Properties) != want {
			e.Errorf("row %d: %d bytes loaded, want %d", i, len(deref(rows[i].Properties)), len(want))
		}
	}
	for i, want := range []int64{outbox.MaxPropertiesBytes, outbox.MaxPropertiesBytes + 1, 200_002, 2, 70_002} {
		if rows[i].PropertiesBytes != want {
			e.Errorf("row %d: length %d, want %d", i, rows[i].PropertiesBytes, want)
		}
	}
}

// largeTexts: a text over the limit is not loaded and named; one of exactly the limit is whole.
func largeTexts(e *env) {
	just, over := strings.Repeat("x", outbox.MaxTextBytes), strings.Repeat("é", outbox.MaxTextBytes/2)+"x"
	for _, column := range []string{"lead_id", "event_type", "email", "event_id"} {
		whole := e.insertWith(`state, `+column, `'pending', $1`, just)
		cut := e.insertWith(`state, `+column, `'pending', $1`, over)
		got, err := e.db.Operator().Entries(e.Context(), []outbox.EntryID{whole, cut})
		e.must(err)
		text := func(r outbox.Entry) *string {
			return map[string]*string{"lead_id": r.LeadID, "event_type": r.Type, "email": r.Email, "event_id": r.EventID}[column]
		}
		if len(got) != 2 || got[0].Large != "" || deref(text(got[0])) != just || got[1].Large != column || text(got[1]) != nil {
			e.Errorf("%s: %d rows, the long one is %q", column, len(got), got[1].Large)
		}
	}
	id := e.insertWith(`lead_id, email`, `'long', $1`, over)
	rows, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"long"}, 10, 8<<20)
	e.must(err)
	if r := rows["long"].Rows; len(r) != 1 || r[0].ID != id || r[0].Large != "email" {
		e.Errorf("pending rows %+v", r)
	}
	counts, err := e.db.Operator().Counts(e.Context())
	e.must(err)
	for _, c := range counts {
		if len(c.Type) > 256 { // 64 characters
			e.Errorf("a count is of a type of %d bytes", len(c.Type))
		}
	}
}

func rowsOfNewest(e *env) {
	var ids []outbox.EntryID
	for i := range 8 {
		ids = append(ids, e.insertWith(`lead_id, state`, `'a', $1`, []string{"pending", "delivered", "skipped", "dead"}[i%4]))
	}
	e.insert("b", `{}`)
	rows, err := e.db.View(portal).RowsOf(e.Context(), "a", 3)
	e.must(err)
	e.same("newest three", entryIDs(rows), []outbox.EntryID{ids[7], ids[6], ids[5]})
	rows, err = e.db.View(portal).RowsOf(e.Context(), "a", 100)
	e.must(err)
	slices.Reverse(ids)
	e.same("all", entryIDs(rows), ids)
}

func earlierEvents(e *env) {
	row := func(event any, state, reason string) outbox.EntryID {
		return e.insertWith(`event_id, lead_id, state, reason`, `$1, 'a', $2, $3`, event, state, reason)
	}
	long := randomText(5000)
	first, second := row("e1", "pending", ""), row("e1", "pending", "")
	late, done := row("e2", "pending", ""), row("e2", "delivered", "")
	requeued, dup := row("e3", "pending", ""), row("e3", "skipped", "duplicate")
	skipped, other := row("e4", "pending", ""), row("e4", "skipped", "unchanged")
	long1, long2, long3 := row(long+"x", "pending", ""), row(long+"y", "pending", ""), row(long+"x", "pending", "")
	none1, none2, empty1, empty2 := row(nil, "pending", ""), row(nil, "pending", ""), row("", "pending", ""), row("", "pending", "")
	e.insertWith(`event_id, portal, state`, `'e1', 'other', 'delivered'`)
	alone := row("e5", "pending", "")
	e.insertWith(`event_id, portal, state`, `'e5', 'other', 'delivered'`)

	rows, err := e.db.Operator().Entries(e.Context(), []outbox.EntryID{first, second, late, done, requeued, dup, skipped, other, long1, long2, long3, none1,
		none2, empty1, empty2, alone})
	e.must(err)
	got, err := e.db.View(portal).EarlierEvents(e.Context(), rows)
	e.must(err)
	want := []outbox.EntryID{second, late, done, dup, skipped, other, long3}
	var ids []outbox.EntryID
	for id, is := range got {
		if is {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	e.same("repeated", ids, want)
}

func parkedRows(e *env) {
	l := e.acquire("one")
	a, b := e.insert("a", `{}`), e.insert("b", `{}`)
	e.settle(decided{Lease: l, Now: 9, Outcomes: []outbox.Outcome{
		{ID: a, State: outbox.Pending, Note: "waits for an address", NotBefore: outbox.Parked},
		{ID: b, State: outbox.Pending, Attempts: 1, NotBefore: 777}}})
	e.same("ready", e.ready(outbox.Live), []outbox.EntryID{})
	rows, err := e.db.View(portal).DueAgain(e.Context(), "", 1<<60, 10)
	e.must(err)
	e.same("due", idsOf(rows), []outbox.EntryID{b})
	if r := e.entry(a); r.SettledAt != nil || deref(r.Note) != "waits for an address" || r.State != outbox.Pending {
		e.Errorf("parked row %+v", r)
	}
	got, err := e.db.View(portal).PendingOf(e.Context(), []lead.ID{"a"}, 10, 1<<20)
	e.must(err)
	e.same("a new row of the lead brings it along", entryIDs(got["a"].Rows), []outbox.EntryID{a})
	other := e.insertWith(`lead_id, portal, not_before`, `'a', 'other', $1`, outbox.Parked)
	n, err := e.db.Operator().Unpark(e.Context(), portal)
	e.must(err)
	if n != 1 {
		e.Errorf("unparked %d rows, want 1", n)
	}
	e.same("ready again", e.ready(outbox.Live), []outbox.EntryID{a})
	if r := e.entry(other); number(r.NotBefore) != outbox.Parked {
		e.Errorf("a parked row of another portal waits until %d", number(r.NotBefore))
	}
}
