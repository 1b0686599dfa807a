package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// hashOfA is that of the person's lead.
var hashOfA = store.LeadTombstone(hash, portal, "lead-ada")

// person makes everything that a lead leaves in the tables, and a neighbour beside it. It returns the row that asks for
// the erase.
func (e *env) person(l *store.Lease) outbox.EntryID {
	e.Helper()
	columns, values := `lead_id, event_type, email, properties, state, reason, note, contact_id, correlation_id, event_id, not_before`,
		`$1, $2, $3, $4, $5, 'unchanged', $6, $7, $8, $9, 5`
	for i, state := range []string{"pending", "delivered", "skipped", "dead"} {
		for _, who := range []string{"lead-ada", "lead-bob"} {
			typ := "lead.registered"
			if state == "dead" {
				typ = "what " + who + " did"
			}
			e.insertWith(columns, values, who, typ, who+"@example.com", `{"firstname":"`+who+`"}`, state, "note "+who, fmt.Sprint(who, i), "corr "+who, who)
		}
	}
	ask := e.insertWith(`lead_id, event_type, email, properties`, `$1, 'lead.erased', $2, $3`, "lead-ada", "lead-ada@example.com", `{"x":"lead-ada"}`)
	links := []ledger.Link{linked("lead-ada", "901"), linked("lead-bob", "902")}
	for i := range links {
		links[i].Address, links[i].Fields = string(links[i].LeadID)+"@example.com", map[string]ledger.Field{"firstname": {Sent: string(links[i].LeadID), Left: &ledger.Left{Text: "x", ID: 1}}}
		links[i].Consent, links[i].SecondLookAt = ledger.Out, 5
		links[i].Evidence(string(links[i].LeadID) + ".old@example.com")
	}
	told := []inbox.Row{}
	for i, who := range []string{"lead-ada", "lead-bob", "", "", ""} {
		r := inbox.Row{ChangeType: "contact.updated", Properties: `{"firstname":"` + who + `"}`, LeadID: lead.ID(who), ContactID: "901",
			Email: "LEAD-ADA@example.com"}
		switch i {
		case 1:
			r.Email = "bob@example.com"
		case 2:
			r.ContactID = "777" // by its address
		case 3:
			r.Email = "" // by its contact
		case 4:
			r.ContactID, r.Email = "777", "bob@example.com" // a stranger's
		}
		told = append(told, r)
	}
	e.settle(decided{Lease: l, Links: links, Inbox: told})
	return ask
}

// erasePhases goes through an erase as push does, each step twice, as after a crash.
func erasePhases(e *env) {
	l := e.acquire("one")
	ask := e.person(l)
	asked := func(hubID int64) settlement.Tombstoned { // by another process, which remembers nothing
		e.Helper()
		got, err := own(e.db, l, 0).Tombstoned(e.Context(), hubID, []lead.ID{"lead-ada", "lead-bob", lead.ID("erased:" + hashOfA)},
			[]lead.ContactID{"901", "902"}, []string{"lead-ada@example.com", "lead-bob@example.com"})
		e.must(err)
		return got
	}
	has := func(want bool) {
		e.Helper()
		if got := asked(hub); len(got.Leads) > 0 != want || len(got.Contacts) > 0 != want || len(got.Addresses) > 0 != want {
			e.Errorf("tombstones %v, want some: %t", got, want)
		}
	}
	has(false)
	person := settlement.Person{Lead: "lead-ada", Row: ask, Contacts: []lead.ContactID{"901"}, Addresses: []string{"lead-ada@example.com"}}
	for _, purged := range []int64{0, 0, 77} {
		person.PurgedAt = purged
		e.must(own(e.db, l, 50).Entomb(e.Context(), hub, person))
		got, tomb := asked(hub), settlement.Tomb{ErasedAt: 50, PurgedAt: purged}
		marker := tomb
		marker.Marker = true
		if len(got.Leads) != 2 || got.Leads["lead-ada"] != tomb || got.Leads[lead.ID("erased:"+hashOfA)] != marker || len(got.Contacts) != 1 ||
			!got.Contacts["901"] || len(got.Addresses) != 1 || !got.Addresses["lead-ada@example.com"] {
			e.Errorf("tombstones %v", got)
		}
	}
	has(true)
	if got := asked(hub + 1); len(got.Leads)+len(got.Contacts)+len(got.Addresses) != 0 {
		e.Errorf("in another account: %v", got)
	}
	states := func(who string) string {
		e.Helper()
		var all []string
		rows, err := e.db.View(portal).RowsOf(e.Context(), lead.ID(who), 20)
		e.must(err)
		for _, r := range rows {
			all = append(all, string(r.State))
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	if got := states("lead-ada"); got != "delivered pending skipped skipped skipped" {
		e.Errorf("rows of the lead: %s", got)
	}
	if got := states("lead-bob"); got != "dead delivered pending skipped" {
		e.Errorf("rows of another lead: %s", got)
	}
	links, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"lead-ada", "lead-bob"})
	e.must(err)
	if k := links["lead-ada"]; k.ContactID != "901" || k.Consent != ledger.Out || k.SecondLookAt != 0 || !k.Evidenced("lead-ada.old@example.com") {
		e.Errorf("the link while it is erased: %+v", k) // HubSpot may refuse: what is known of consent stays until the end
	}
	owing, err := e.db.View(portal).LinksOwingOptOut(e.Context(), hub, 1<<60, 10)
	if e.must(err); len(owing) != 1 || owing[0].LeadID != "lead-bob" {
		e.Errorf("links that owe an opt-out: %+v", owing)
	}
	out := func(want int) {
		e.Helper()
		if out, err := e.db.View(portal).LinksOutAt(e.Context(), hub, "lead-ada.old@example.com"); err != nil || len(out) != want {
			e.Errorf("%d links say of the address that it is out, want %d (%v)", len(out), want, err)
		}
	}
	out(1)
	if k := links["lead-bob"]; k.Consent != ledger.Out || k.SecondLookAt != 5 {
		e.Errorf("another lead's link: %+v", k)
	}
	var counted []settlement.Wiped
	for range 2 {
		e.must(own(e.db, l, 60).Wipe(e.Context(), person, func(n settlement.Wiped) string { counted = append(counted, n); return "all gone" }))
		e.must(own(e.db, l, 60).Scrub(e.Context(), nil))
	}
	if counted[0] != (settlement.Wiped{Rows: 4, Inbox: 3}) {
		e.Errorf("wiped %+v, want 4 rows and 3 of the inbox", counted[0])
	}
	out(0)
	e.holdsNothing("lead-ada", "901", "LEAD-ADA", "lead-ada0")
	e.holdsSomething("lead-bob", 4)
	row, err := e.db.Operator().Entries(e.Context(), []outbox.EntryID{ask})
	e.must(err)
	if r := row[0]; r.State != outbox.Pending || *r.LeadID != "erased:"+hashOfA || *r.Note != "all gone" || *r.Type != "lead.erased" {
		e.Errorf("the row that asked: %+v", r)
	}
	var acked int
	e.must(e.app.QueryRow(`SELECT count(*) FROM lead_inbox WHERE acked_at = 60`).Scan(&acked))
	if acked != 3 {
		e.Errorf("%d inbox rows are acknowledged", acked)
	}
	if n, err := e.db.Operator().ForgetTombstones(e.Context(), portal, hashOfA); err != nil || n != 3 {
		e.Errorf("forgot %d tombstones, %v", n, err)
	}
	has(false)
}

// eraseKeepsUnsubscribes leaves a pending unsubscribe to its lane, which ends it as erased: then it is overwritten. One
// that waits for an address will never have any.
func eraseKeepsUnsubscribes(e *env) {
	l := e.acquire("one")
	ask := e.person(l)
	columns, values := `lead_id, event_type, email, state, not_before`, `$1, 'lead.unsubscribed', $2, $3, $4`
	const word = "lead-ada.left@example.com"
	late, later := e.insertWith(columns, values, "lead-ada", word, "pending", nil), e.insertWith(columns, values, "lead-ada", word, "pending", 99)
	parked := e.insertWith(columns, values, "lead-ada", nil, "pending", outbox.Parked)
	dead := e.insertWith(columns, values, "lead-ada", word, "dead", nil)
	done := e.insertWith(columns, values, "lead-ada", word, "delivered", nil)
	want := func(when string, states ...outbox.State) {
		e.Helper()
		for i, id := range []outbox.EntryID{late, later, parked, dead, done} {
			if got := e.entry(id); got.State != states[i] {
				e.Errorf("%s row %d is %s, want %s", when, id, got.State, states[i])
			}
		}
	}
	person := settlement.Person{Lead: "lead-ada", Row: ask, Contacts: []lead.ContactID{"901"}, Addresses: []string{"lead-ada@example.com"}}
	e.must(own(e.db, l, 50).Entomb(e.Context(), hub, person))
	want("entombed,", outbox.Pending, outbox.Pending, outbox.Skipped, outbox.Skipped, outbox.Delivered)
	wiped := settlement.Wiped{}
	e.must(own(e.db, l, 60).Wipe(e.Context(), person, func(n settlement.Wiped) string { wiped = n; return "all gone" }))
	want("wiped,", outbox.Pending, outbox.Pending, outbox.Skipped, outbox.Skipped, outbox.Delivered)
	if wiped.Rows != 7 {
		e.Errorf("%d rows were wiped, want 7", wiped.Rows)
	}
	if n := e.count(word); n != 2 {
		e.Errorf("the address stands in %d rows, want the two that wait", n)
	}
	if got := e.entry(late); got.LeadID == nil || *got.LeadID != "lead-ada" {
		e.Errorf("the row that waits: %+v", got)
	}
	var ends []outbox.Outcome
	for _, id := range []outbox.EntryID{late, later} {
		ends = append(ends, outbox.Outcome{ID: id, State: outbox.Skipped, Reason: outbox.ErasedPerson})
	}
	e.settle(decided{Lease: l, Now: 70, Outcomes: ends})
	e.holdsNothing(word, "lead-ada.left")
}

// texts are all text columns of the tables of a person.
var texts = map[string]string{
	"lead_outbox":         "event_id, lead_id, event_type, email, properties, note, contact_id, correlation_id",
	"lead_inbox":          "lead_id, contact_id, email, properties",
	"leadsync_links":      "lead_id, contact_id, address, fields, opt_out",
	"leadsync_opt_outs":   "address, lead_id",
	"leadsync_tombstones": "kind, hash, lead_hash",
	"leadsync_portals":    "portal, owner, status",
}

// count is how many columns of all tables hold a text.
func (e *env) count(word string) (n int) {
	e.Helper()
	for table, columns := range texts {
		for c := range strings.SplitSeq(columns, ", ") {
			var m int
			e.must(e.app.QueryRow(`SELECT count(*) FROM ` + table + ` WHERE ` + c + ` LIKE '%` + word + `%'`).Scan(&m))
			n += m
		}
	}
	return n
}

func (e *env) holdsNothing(words ...string) {
	e.Helper()
	for _, w := range words {
		if n := e.count(w); n != 0 && w != "901" || w == "901" && n != 1 { // the neighbour's inbox row
			e.Errorf("%d columns still hold %q", n, w)
		}
	}
}

func (e *env) holdsSomething(word string, least int) {
	e.Helper()
	if n := e.count(word); n < least {
		e.Errorf("only %d columns hold %q", n, word)
	}
}

// eraseUnderOldEpoch changes nothing once another owner has the portal.
func eraseUnderOldEpoch(e *env) {
	l := e.acquire("one")
	ask := e.person(l)
	Exec(e, e.app, `UPDATE leadsync_portals SET epoch = epoch + 1`)
	e.wants(own(e.db, l, 50).Entomb(e.Context(), hub, settlement.Person{Lead: "lead-ada", Row: ask}), settlement.ErrLeaseLost)
	e.wants(own(e.db, l, 50).Wipe(e.Context(), settlement.Person{Lead: "lead-ada", Row: ask}, func(settlement.Wiped) string { return "" }), settlement.ErrLeaseLost)
	_, _, err := own(e.db, l, 0).AllowDeletes(e.Context(), []settlement.DeleteAsk{{Row: ask, Contacts: 1}}, 1, 50)
	e.wants(err, settlement.ErrLeaseLost)
	if n := e.count("lead-ada"); n < 8 {
		e.Errorf("only %d columns are left", n)
	}
	var tombs int
	e.must(e.app.QueryRow(`SELECT count(*) FROM leadsync_tombstones`).Scan(&tombs))
	if tombs != 0 {
		e.Errorf("%d tombstones", tombs)
	}
}

// deleteBrake: most in an hour; one more pauses all until a person lets them go; who is allowed stays so.
func deleteBrake(e *env) {
	l := e.acquire("one")
	const hour = 3_600_000
	ask := func(now int64, most int, rows ...outbox.EntryID) string {
		e.Helper()
		asks := make([]settlement.DeleteAsk, len(rows))
		for i, id := range rows {
			asks[i] = settlement.DeleteAsk{Row: id, Contacts: 1}
		}
		allowed, paused, err := own(e.db, l, 0).AllowDeletes(e.Context(), asks, most, now)
		e.must(err)
		return fmt.Sprint(allowed, paused)
	}
	want := func(got, want string) {
		e.Helper()
		if got != want {
			e.Errorf("got %s, want %s", got, want)
		}
	}
	want(ask(10, 2, 1), "[1] 0")
	want(ask(20, 2, 1, 2), "[1 2] 0")
	want(ask(hour+15, 2, 3), "[3] 0") // the first is an hour old
	want(ask(hour+16, 2, 2, 4, 5), fmt.Sprintf("[2] %d", hour+16))
	want(ask(9*hour, 2, 6), fmt.Sprintf("[] %d", hour+16)) // time alone does not let them go
	if at, err := e.db.View(portal).DeletesPaused(e.Context()); err != nil || at != hour+16 {
		e.Errorf("paused since %d, %v", at, err)
	}
	var ids []outbox.EntryID
	for _, typ := range []string{"lead.deleted", "lead.erased", "lead.updated"} {
		ids = append(ids, e.insertWith(`lead_id, event_type, not_before`, `'a', $1, $2`, typ, outbox.Parked))
	}
	n, err := e.db.Operator().ResumeDeletes(e.Context(), portal)
	e.must(err)
	if n != 2 {
		e.Errorf("%d rows were let go", n)
	}
	if rows, err := e.db.View(portal).Ready(e.Context(), outbox.Live, 0, 10); err != nil || len(rows) != 3 {
		e.Errorf("%d rows are read again, %v", len(rows), err)
	}
	want(ask(9*hour, 1, ids[0], ids[1], ids[2]+1), fmt.Sprint([]outbox.EntryID{ids[0], ids[1], ids[2] + 1}, 0))
	want(ask(9*hour, 1, ids[2]+2), fmt.Sprintf("[] %d", 9*hour))
	if _, err := e.db.View("other").DeletesPaused(e.Context()); err != nil && !errors.Is(err, lead.ErrNotFound) {
		e.Error(err)
	}
}
