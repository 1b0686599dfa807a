package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

const hashOfA = "aaaa"

// person makes everything that a lead leaves in the tables, and a neighbour beside it. It returns the row that asks for the erase.
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
	}
	inbox := []store.InboxRow{}
	for i, who := range []string{"lead-ada", "lead-bob", "", "", ""} {
		r := store.InboxRow{ChangeType: "contact.updated", Properties: `{"firstname":"` + who + `"}`, ContactID: ptr("901"), Email: ptr("LEAD-ADA@example.com")}
		if r.LeadID = ptr(who); who == "" {
			r.LeadID = nil
		}
		switch i {
		case 1:
			r.Email = ptr("bob@example.com")
		case 2:
			r.ContactID = ptr("777") // by its address
		case 3:
			r.Email = nil // by its contact
		case 4:
			r.ContactID, r.Email = ptr("777"), ptr("bob@example.com") // a stranger's
		}
		inbox = append(inbox, r)
	}
	e.settle(store.Settlement{Lease: l, Links: links, Inbox: inbox})
	return ask
}

// erasePhases goes through an erase as push does, each step twice, as after a crash.
func erasePhases(e *env) {
	l := e.acquire("one")
	ask := e.person(l)
	has := func(want bool) {
		e.Helper()
		if got, err := e.db.HasTombstones(e.Context(), portal, hub); err != nil || got != want {
			e.Errorf("tombstones: %t, %v, want %t", got, err, want)
		}
	}
	has(false)
	for _, purged := range []int64{0, 0, 77} {
		e.must(e.db.Entomb(e.Context(), store.Entombment{Lease: l, HubID: hub, LeadID: "lead-ada", LeadHash: hashOfA, Row: ask, Now: 50, PurgedAt: purged,
			Tombs: []store.Tomb{{Kind: store.TombContact, Hash: "cccc"}, {Kind: store.TombAddress, Hash: "dddd"}}}))
		got, err := e.db.Tombstoned(e.Context(), portal, hub, []string{"bbbb", "dddd", hashOfA})
		e.must(err)
		if want := (store.TombInfo{ErasedAt: 50, PurgedAt: purged, Lead: true}); got[hashOfA] != want || len(got) != 2 || got["dddd"] != (store.TombInfo{ErasedAt: 50}) {
			e.Errorf("tombstones %v", got)
		}
	}
	has(true)
	if got, err := e.db.Tombstoned(e.Context(), portal, hub+1, []string{hashOfA}); err != nil || len(got) != 0 {
		e.Errorf("in another account: %v, %v", got, err)
	}
	states := func(who string) string {
		e.Helper()
		var all []string
		rows, err := e.db.RowsOf(e.Context(), portal, lead.ID(who), 20)
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
	links, err := e.db.Links(e.Context(), portal, hub, []lead.ID{"lead-ada", "lead-bob"})
	e.must(err)
	if k := links["lead-ada"]; k.ContactID != "901" || k.Consent != "" || k.SecondLookAt != 0 || k.OptOutDue() != 0 {
		e.Errorf("the link while it is erased: %+v", k)
	}
	if k := links["lead-bob"]; k.Consent != ledger.Out || k.SecondLookAt != 5 {
		e.Errorf("another lead's link: %+v", k)
	}
	var counted []store.Wiped
	for range 2 {
		e.must(e.db.Wipe(e.Context(), store.Wiping{Lease: l, LeadID: "lead-ada", Contacts: []lead.ContactID{"901"}, Addresses: []string{"lead-ada@example.com"},
			Row: ask, Marker: "erased:" + hashOfA, Now: 60, Note: func(n store.Wiped) string { counted = append(counted, n); return "all gone" }}))
		e.must(e.db.Scrub(e.Context(), nil))
	}
	if counted[0] != (store.Wiped{Rows: 4, Inbox: 3}) {
		e.Errorf("wiped %+v, want 4 rows and 3 of the inbox", counted[0])
	}
	e.holdsNothing("lead-ada", "901", "LEAD-ADA", "lead-ada0")
	e.holdsSomething("lead-bob", 4)
	row, err := e.db.Entries(e.Context(), []outbox.EntryID{ask})
	e.must(err)
	if r := row[0]; r.State != outbox.Pending || *r.LeadID != "erased:"+hashOfA || *r.Note != "all gone" || *r.Type != "lead.erased" {
		e.Errorf("the row that asked: %+v", r)
	}
	var acked int
	e.must(e.app.QueryRow(`SELECT count(*) FROM lead_inbox WHERE acked_at = 60`).Scan(&acked))
	if acked != 3 {
		e.Errorf("%d inbox rows are acknowledged", acked)
	}
	if n, err := e.db.ForgetTombstones(e.Context(), portal, hashOfA); err != nil || n != 3 {
		e.Errorf("forgot %d tombstones, %v", n, err)
	}
	has(false)
}

// texts are all text columns of the tables of a person.
var texts = map[string]string{
	"lead_outbox":         "event_id, lead_id, event_type, email, properties, note, contact_id, correlation_id",
	"lead_inbox":          "lead_id, contact_id, email, properties",
	"leadsync_links":      "lead_id, contact_id, address, fields",
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
	e.wants(e.db.Entomb(e.Context(), store.Entombment{Lease: l, HubID: hub, LeadID: "lead-ada", LeadHash: hashOfA, Row: ask, Now: 50}), store.ErrLeaseLost)
	e.wants(e.db.Wipe(e.Context(), store.Wiping{Lease: l, LeadID: "lead-ada", Row: ask, Note: func(store.Wiped) string { return "" }}), store.ErrLeaseLost)
	_, _, err := e.db.AllowDeletes(e.Context(), l, []store.DeleteAsk{{Row: ask, Contacts: 1}}, 1, 50)
	e.wants(err, store.ErrLeaseLost)
	if n := e.count("lead-ada"); n < 8 {
		e.Errorf("only %d columns are left", n)
	}
	if got, err := e.db.HasTombstones(e.Context(), portal, hub); err != nil || got {
		e.Errorf("a tombstone: %t, %v", got, err)
	}
}

// deleteBrake: most in an hour; one more pauses all until a person lets them go; who is allowed stays so.
func deleteBrake(e *env) {
	l := e.acquire("one")
	const hour = 3_600_000
	ask := func(now int64, most int, rows ...outbox.EntryID) string {
		e.Helper()
		asks := make([]store.DeleteAsk, len(rows))
		for i, id := range rows {
			asks[i] = store.DeleteAsk{Row: id, Contacts: 1}
		}
		allowed, paused, err := e.db.AllowDeletes(e.Context(), l, asks, most, now)
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
	if at, err := e.db.DeletesPaused(e.Context(), portal); err != nil || at != hour+16 {
		e.Errorf("paused since %d, %v", at, err)
	}
	var ids []outbox.EntryID
	for _, typ := range []string{"lead.deleted", "lead.erased", "lead.updated"} {
		ids = append(ids, e.insertWith(`lead_id, event_type, not_before`, `'a', $1, $2`, typ, outbox.Parked))
	}
	n, err := e.db.ResumeDeletes(e.Context(), portal)
	e.must(err)
	if n != 2 {
		e.Errorf("%d rows were let go", n)
	}
	if rows, err := e.db.Ready(e.Context(), portal, outbox.Live, 0, 10); err != nil || len(rows) != 3 {
		e.Errorf("%d rows are read again, %v", len(rows), err)
	}
	want(ask(9*hour, 1, ids[0], ids[1], ids[2]+1), fmt.Sprint([]outbox.EntryID{ids[0], ids[1], ids[2] + 1}, 0))
	want(ask(9*hour, 1, ids[2]+2), fmt.Sprintf("[] %d", 9*hour))
	if _, err := e.db.DeletesPaused(e.Context(), "other"); err != nil && !errors.Is(err, lead.ErrNotFound) {
		e.Error(err)
	}
}
