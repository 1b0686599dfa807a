package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

func stranger(contact lead.ContactID, state ledger.State) ledger.Link {
	return ledger.Link{State: state, ContactID: contact, Address: string(contact) + "@example.com", Consent: "out",
		Fields: map[string]ledger.Field{"city": {Seen: "Zürich", Shown: true}}}
}

func inboxRow(leadID lead.ID, contact lead.ContactID) inbox.Row {
	return inbox.Row{LeadID: leadID, ChangeType: "contact.updated", Properties: `{"city":{"value":"Zürich","was":null}}`, ContactID: contact, ChangedAt: 42}
}

func (e *env) inbox(q store.InboxQuery) (all []store.InboxRow) {
	e.Helper()
	e.must(e.db.Operator().ListInbox(e.Context(), q, func(r store.InboxRow) error { all = append(all, r); return nil }))
	return all
}

func (e *env) position(stream string) string {
	e.Helper()
	text, err := e.db.View(portal).Position(e.Context(), hub, stream)
	e.must(err)
	return text
}

// aPageIsAllOrNothing: links, contacts without a lead, inbox rows and the position of the stream.
func aPageIsAllOrNothing(e *env) {
	old := e.acquire("one")
	e.settle(decided{Lease: old, Links: []ledger.Link{linked("a", "901")}})
	page := func(l *store.Lease, position string, link ledger.Link) error {
		return own(e.db, l, 7).Commit(e.Context(), settlement.Page{Links: []ledger.Link{link}, Inbox: []inbox.Row{inboxRow("a", "901")},
			HubID: hub, Stream: "changes", Position: position, Strangers: []ledger.Link{stranger("77", ledger.Linked)}})
	}
	check := func(what, position string, rows, known int) {
		e.Helper()
		all, err := e.db.View(portal).Strangers(e.Context(), hub, []lead.ContactID{"77"})
		e.must(err)
		if p := e.position("changes"); p != position || len(e.inbox(store.InboxQuery{})) != rows || len(all) != known {
			e.Errorf("%s: position %q, %d rows, %d strangers; want %q, %d, %d", what, p, len(e.inbox(store.InboxQuery{})), len(all), position, rows, known)
		}
	}
	e.wants(page(old, `{"watermark":1}`, linked("b", "901")), lead.ErrDuplicate)
	check("a contact that another lead holds", "", 0, 0)
	e.must(page(old, `{"watermark":1}`, linked("b", "902")))
	check("a page", `{"watermark":1}`, 1, 1)
	e.must(old.Release(e.Context()))
	e.acquire("two")
	e.wants(page(old, `{"watermark":2}`, linked("b", "902")), settlement.ErrLeaseLost)
	check("under an old epoch", `{"watermark":1}`, 1, 1)
	if text, err := e.db.View(portal).Position(e.Context(), hub+1, "changes"); err != nil || text != "" {
		e.Errorf("the position of another account: %q, %v", text, err)
	}
}

func streamsAndStrangers(e *env) {
	l := e.acquire("one")
	put := func(hubID int64, stream, position string, strangers []ledger.Link, drop ...lead.ContactID) {
		e.Helper()
		e.must(own(e.db, l, 9).Commit(e.Context(), settlement.Page{HubID: hubID, Stream: stream, Position: position, Strangers: strangers, Drop: drop}))
	}
	var many []ledger.Link
	for i := range 250 {
		many = append(many, stranger(lead.ContactID(fmt.Sprint(1000+i)), ledger.Linked))
	}
	put(hub, "changes", `{}`, many)
	put(hub, "changes", `{"watermark":5}`, nil)
	put(hub, "archived", `{"ran_at":6}`, nil)
	put(hub+1, "changes", `{"watermark":7}`, []ledger.Link{stranger("1000", ledger.Gone)})
	if a, b := e.position("changes"), e.position("archived"); a != `{"watermark":5}` || b != `{"ran_at":6}` {
		e.Errorf("positions %s and %s", a, b)
	}
	gone := stranger("1001", ledger.Gone)
	gone.Fields["city"] = ledger.Field{Seen: "Bern"}
	put(hub, "archived", `{}`, []ledger.Link{gone}, "1002", "1003")
	all, err := e.db.View(portal).Strangers(e.Context(), hub, []lead.ContactID{"1001", "1000", "1002", "9", "1000"})
	e.must(err)
	if len(all) != 2 || all[0].ContactID != "1000" || all[0].State != ledger.Linked || all[0].Fields["city"].Seen != "Zürich" || all[0].Consent != "out" ||
		all[0].Address != "1000@example.com" || all[0].LeadID != "" || all[1].State != ledger.Gone || all[1].Fields["city"].Seen != "Bern" {
		e.Errorf("strangers %+v", all)
	}
}

func goneAfter(e *env) {
	l := e.acquire("one")
	page := settlement.Page{HubID: hub, Stream: "archived", Position: `{}`}
	for i, id := range []lead.ContactID{"9", "10", "200", "30", "4"} {
		link := linked(lead.ID(fmt.Sprint("lead", i)), id)
		if id != "30" {
			link.State = ledger.Gone
		}
		page.Links = append(page.Links, link)
	}
	page.Strangers = []ledger.Link{stranger("5", ledger.Gone), stranger("51", ledger.Linked), stranger("100", ledger.Gone)}
	e.must(own(e.db, l, 9).Commit(e.Context(), page))
	var got []string
	after := lead.ContactID("")
	for {
		links, err := e.db.View(portal).GoneAfter(e.Context(), hub, after, 2)
		e.must(err)
		if len(links) == 0 {
			break
		}
		for _, k := range links {
			got = append(got, string(k.ContactID))
			after = k.ContactID
		}
	}
	if want := []string{"10", "100", "200", "4", "5", "9"}; !slices.Equal(got, want) {
		e.Errorf("gone contacts %v, want %v", got, want)
	}
	for after, want := range map[lead.ContactID]string{"": "[30]", "10": "[30]", "30": "[]"} {
		links, err := e.db.View(portal).LinkedAfter(e.Context(), hub, after, 2)
		e.must(err)
		got := []lead.ContactID{}
		for _, k := range links {
			got = append(got, k.ContactID)
		}
		if fmt.Sprint(got) != want {
			e.Errorf("linked contacts after %q: %v, want %v", after, got, want)
		}
	}
	if links, err := e.db.View("other").GoneAfter(e.Context(), hub, "", 10); err != nil || len(links) != 0 {
		e.Errorf("another portal: %d links, %v", len(links), err)
	}
}

// pendingAddresses finds every spelling that is the same address to lead.LowerKey, in whatever lane and however the row
// waits, and nothing of rows that do not wait.
func pendingAddresses(e *env) {
	long := strings.Repeat("x", 300)
	for i, email := range []string{"ada@example.com", "  Bob@Example.COM\t", "carl@example.com", "Ärger@example.com", "dora@example.com", " Spaces@example.com ",
		"\u200bzero@example.com", "control@example.com\x01", "\x7fdel@example.com", "Kelvin\u212a@example.com", strings.ToUpper(long) + "@example.com", long + "@example.org"} {
		e.insertWith(`lead_id, email, lane`, `$1, $2, $3`, fmt.Sprint(i), email, []string{"live", "backfill"}[i%2])
	}
	e.insertWith(`lead_id, email, event_type`, `'u', 'Out@example.com', 'lead.unsubscribed'`)
	e.insertWith(`lead_id, email, not_before`, `'w', 'waits@example.com', 99`)
	e.insertWith(`lead_id, email, state`, `'x', 'done@example.com', 'delivered'`)
	e.insertWith(`lead_id, email, portal`, `'y', 'other@example.com', 'other'`)
	e.insertWith(`lead_id`, `'z'`)
	want := []string{"ada@example.com", "bob@example.com", "waits@example.com", "ärger@example.com", "spaces@example.com", "zero@example.com", "control@example.com",
		"del@example.com", "kelvink@example.com", "out@example.com", long + "@example.com"}
	if e.db.Dialect() == "sqlite" {
		e.insertWith(`lead_id, email`, `'blob', $1`, []byte("Blob@example.com"))
		want = append(want, "blob@example.com")
	}
	got, err := e.db.View(portal).PendingAddresses(e.Context(), append([]string{"done@example.com", "other@example.com", "nobody@example.com", "it's@example.com",
		long + "@example.net", ""}, want...))
	e.must(err)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		e.Errorf("pending addresses %v, want %v", got, want)
	}
}

func inboxListAckPurge(e *env) {
	l := e.acquire("one")
	rows := []inbox.Row{inboxRow("a", "901"), inboxRow("", "902"), inboxRow("b", "903"), inboxRow("a", "901"), inboxRow("c", "904")}
	rows[3].ChangeType = "contact.deleted"
	e.settle(decided{Lease: l, Now: 9, Inbox: rows})
	Exec(e, e.app, `INSERT INTO lead_inbox (portal, lead_id, change_type, properties) VALUES ('other', 'a', 'contact.updated', '{}')`)
	ids := func(q store.InboxQuery) string {
		e.Helper()
		var out []string
		for _, r := range e.inbox(q) {
			out = append(out, fmt.Sprint(r.ID))
		}
		return strings.Join(out, " ")
	}
	for want, q := range map[string]store.InboxQuery{
		"1 2 3 4 5 6": {}, "1 2 3 4 5": {Portal: portal, New: true}, "1 4": {Portal: portal, LeadID: "a"}, "4": {ChangeType: "contact.deleted"},
		"3 2": {Desc: true, AfterID: 4, Limit: 2}, "2": {ContactID: "902"}, "": {Portal: "none"},
	} {
		if got := ids(q); got != want {
			e.Errorf("%+v: rows %q, want %q", q, got, want)
		}
	}
	if r := e.inbox(store.InboxQuery{AfterID: 1, Limit: 1})[0]; r.LeadID != nil || deref(r.ContactID) != "902" || r.AckedAt != nil || r.PulledAt != 9 || *r.ChangedAt != 42 ||
		r.Properties != rows[1].Properties || r.Email != nil {
		e.Errorf("row %+v", r)
	}
	ack := func(portal string, ids []int64, upTo, want int64) {
		e.Helper()
		n, err := e.db.Operator().AckInbox(e.Context(), portal, ids, upTo)
		e.must(err)
		if n != want {
			e.Errorf("acknowledged %d, want %d", n, want)
		}
	}
	ack(portal, []int64{2, 6, 99}, 0, 1) // 6 is another portal's
	ack("", []int64{2}, 0, 0)
	ack(portal, nil, 3, 2)
	if got := ids(store.InboxQuery{New: true}); got != "4 5 6" {
		e.Errorf("new rows %s", got)
	}
	Exec(e, e.app, `UPDATE lead_inbox SET acked_at = 50 WHERE id IN (1, 2)`)
	Exec(e, e.app, `UPDATE lead_inbox SET acked_at = 60 WHERE id = 3`)
	for _, want := range []int64{1, 1, 0} {
		n, err := own(e.db, l, 0).PurgeInbox(e.Context(), 55, 1)
		e.must(err)
		if n != want {
			e.Errorf("purged %d, want %d", n, want)
		}
	}
	if got := ids(store.InboxQuery{}); got != "3 4 5 6" {
		e.Errorf("left %s", got)
	}
	if e.db.Dialect() == "sqlite" { // an application that writes a text of a time
		Exec(e, e.app, `UPDATE lead_inbox SET acked_at = CURRENT_TIMESTAMP WHERE id = 4`)
		if r := e.inbox(store.InboxQuery{AfterID: 3, Limit: 1})[0]; r.AckedAt == nil {
			e.Error("a row acknowledged with a text counts as new")
		}
	}
	stop := errors.New("stop")
	e.wants(e.db.Operator().ListInbox(e.Context(), store.InboxQuery{}, func(store.InboxRow) error { return stop }), stop)
}

// inboxIsAnnounced: only where it was asked for, and only with the commit.
func inboxIsAnnounced(e *env) {
	conn, err := pgx.Connect(e.Context(), e.url)
	e.must(err)
	defer conn.Close(context.WithoutCancel(e.Context()))
	_, err = conn.Exec(e.Context(), "LISTEN leadsync_inbox")
	e.must(err)
	heard := func(d time.Duration) bool {
		ctx, cancel := context.WithTimeout(e.Context(), d)
		defer cancel()
		_, err := conn.WaitForNotification(ctx)
		return err == nil
	}
	l := e.acquire("one")
	e.settle(decided{Lease: l, Inbox: []inbox.Row{inboxRow("a", "901")}})
	if heard(300 * time.Millisecond) {
		e.Error("announced, but not asked for")
	}
	e.must(l.Release(e.Context()))
	db, err := store.Open(e.Context(), e.url, store.Options{Announce: true})
	e.must(err)
	defer db.Close()
	l, err = db.Acquire(e.Context(), portal, "two")
	e.must(err)
	_, err = settle(e.Context(), db, decided{Lease: l, Inbox: []inbox.Row{inboxRow("a", "901")}})
	e.must(err)
	if !heard(10 * time.Second) {
		e.Error("rows were added and nobody was told")
	}
	_, err = settle(e.Context(), db, decided{Lease: l, Links: []ledger.Link{linked("a", "901")}})
	e.must(err)
	if heard(300 * time.Millisecond) {
		e.Error("announced without a row")
	}
	e.must(l.Release(e.Context()))
}

// readerOfTheInboxStallsNobody holds rows of the inbox as an application does that follows the README, while a page is
// settled.
func readerOfTheInboxStallsNobody(e *env) {
	l := e.acquire("one")
	e.settle(decided{Lease: l, Now: 9, Inbox: []inbox.Row{inboxRow("a", "901"), inboxRow("b", "902")}})
	conn, err := e.app.Conn(e.Context())
	e.must(err)
	defer conn.Close()
	if e.db.Dialect() == "mysql" {
		_, err := conn.ExecContext(e.Context(), `SET TRANSACTION ISOLATION LEVEL READ COMMITTED`)
		e.must(err)
	}
	tx, err := conn.BeginTx(e.Context(), nil)
	e.must(err)
	defer tx.Rollback() //nolint:errcheck // it only reads
	rows, err := tx.QueryContext(e.Context(), `SELECT id FROM lead_inbox WHERE portal = 'default' AND acked_at IS NULL ORDER BY id LIMIT 100 FOR UPDATE`)
	e.must(err)
	for rows.Next() {
	}
	e.must(rows.Close())
	begun := time.Now()
	e.settle(decided{Lease: l, Now: 10, Inbox: []inbox.Row{inboxRow("a", "901"), inboxRow("c", "903")}})
	if took := time.Since(begun); took > 3*time.Second {
		e.Errorf("a page waited for a reader of the inbox: %s", took)
	}
}
