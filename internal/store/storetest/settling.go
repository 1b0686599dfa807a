package storetest

import (
	"fmt"
	"maps"
	"strings"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

func settleWritesEverything(e *env) {
	l := e.acquire("one")
	a, b, c, d := e.insert("a", `{}`), e.insert("b", `{}`), e.insert("c", `{}`), e.insert("d", `{}`)
	n := e.settle(decided{Lease: l, Now: 5000, HighID: d, Outcomes: []outbox.Outcome{
		{ID: a, State: outbox.Delivered, ContactID: "901", Attempts: 2},
		{ID: b, State: outbox.Skipped, Reason: outbox.Unchanged},
		{ID: c, State: outbox.Dead, Reason: outbox.Refused, Note: "left out: plan (PROPERTY_DOESNT_EXIST)\x00\xff", CorrelationID: "c-1", Attempts: 8},
		{ID: d, State: outbox.Pending, NotBefore: 6000, Attempts: 1, CorrelationID: "c-2", Note: "refused"},
		{ID: 999, State: outbox.Delivered},
	}, Inbox: []inbox.Row{{LeadID: "a", ContactID: "901", ChangeType: "contact.updated", Properties: `{"x":{"value":"1"}}`, ChangedAt: 4000}}})
	if n != 4 {
		e.Errorf("settled %d rows, want 4", n)
	}
	for _, want := range []struct {
		id                                 outbox.EntryID
		state                              outbox.State
		reason, note, contact, correlation string
		attempts                           int
		before, settled                    int64
	}{
		{a, outbox.Delivered, "NULL", "NULL", "901", "NULL", 2, 0, 5000},
		{b, outbox.Skipped, "unchanged", "NULL", "NULL", "NULL", 0, 0, 5000},
		{c, outbox.Dead, "refused", "left out: plan (PROPERTY_DOESNT_EXIST)\uFFFD\uFFFD", "NULL", "c-1", 8, 0, 5000},
		{d, outbox.Pending, "NULL", "refused", "NULL", "c-2", 1, 6000, 0},
	} {
		r := e.entry(want.id)
		if r.State != want.state || deref(r.Reason) != want.reason || deref(r.Note) != want.note || deref(r.ContactID) != want.contact ||
			deref(r.CorrelationID) != want.correlation || r.Attempts != want.attempts || number(r.NotBefore) != want.before ||
			number(r.SettledAt) != want.settled {
			e.Errorf("row %d is %s %s %q %s %s %d %d %d, want %+v", want.id, r.State, deref(r.Reason), deref(r.Note), deref(r.ContactID),
				deref(r.CorrelationID), r.Attempts, number(r.NotBefore), number(r.SettledAt), want)
		}
	}
	e.settle(decided{Lease: l, Now: 7000, Outcomes: []outbox.Outcome{{ID: d, State: outbox.Delivered, ContactID: "902"}}, HighID: a})
	if r := e.entry(d); deref(r.CorrelationID) != "c-2" || deref(r.Note) != "NULL" || r.NotBefore != nil {
		e.Errorf("after the retry: correlation %s (kept), note %s (cleared), not_before %d", deref(r.CorrelationID), deref(r.Note), number(r.NotBefore))
	}
	p, err := e.db.View(portal).Row(e.Context())
	e.must(err)
	if p.HighID != d || p.HighSeenAt != 5000 {
		e.Errorf("high id %d at %d, want %d at 5000: it is only ever raised", p.HighID, p.HighSeenAt, d)
	}
	var in [8]string
	e.must(e.app.QueryRowContext(e.Context(), `SELECT portal, lead_id, contact_id, change_type, properties, changed_at, pulled_at, coalesce(acked_at, 0) FROM lead_inbox`).
		Scan(&in[0], &in[1], &in[2], &in[3], &in[4], &in[5], &in[6], &in[7]))
	got := strings.Join(in[:], " ")
	if want := `default a 901 contact.updated {"x":{"value":"1"}} 4000 5000 0`; got != want {
		e.Errorf("inbox row %q, want %q", got, want)
	}
}

func number(n *int64) int64 {
	if n == nil {
		return 0
	}
	return *n
}

func settleLeavesSettledRowsAlone(e *env) {
	l := e.acquire("one")
	a, b := e.insert("a", `{}`), e.insert("b", `{}`)
	if n, err := e.db.Operator().SkipRows(e.Context(), store.Selection{IDs: []outbox.EntryID{a}}); err != nil || n != 1 {
		e.Fatalf("skip: %d, %v", n, err)
	}
	s := decided{Lease: l, Now: 5000, Outcomes: []outbox.Outcome{delivered(a), delivered(b)}}
	if n := e.settle(s); n != 1 {
		e.Errorf("settled %d rows, want 1", n)
	}
	if r := e.entry(a); r.State != outbox.Skipped || deref(r.Reason) != "by_operator" || r.ContactID != nil {
		e.Errorf("the operator's row became %s %s", r.State, deref(r.Reason))
	}
	s.Now = 9999
	if n := e.settle(s); n != 0 {
		e.Errorf("the repeat settled %d rows, want 0", n)
	}
	if r := e.entry(b); number(r.SettledAt) != 5000 {
		e.Errorf("the repeat moved settled_at to %d", number(r.SettledAt))
	}
}

func settleUnderOldEpoch(e *env) {
	old := e.acquire("one")
	a := e.insert("a", `{}`)
	// What a take-over does, without waiting for the old owner's end.
	Exec(e, e.app, `UPDATE leadsync_portals SET epoch = epoch + 1, owner = 'two' WHERE portal = 'default'`)
	_, err := settle(e.Context(), e.db, decided{Lease: old, Now: 5000, HighID: 50, Outcomes: []outbox.Outcome{delivered(a)},
		Links: []ledger.Link{linked("a", "901")}, Inbox: []inbox.Row{{ChangeType: "contact.updated"}}})
	e.wants(err, settlement.ErrLeaseLost)
	if r := e.entry(a); r.State != outbox.Pending {
		e.Errorf("the row is %s", r.State)
	}
	if m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"a"}); err != nil || len(m) != 0 {
		e.Errorf("links %v, %v", m, err)
	}
	var n, high int
	e.must(e.app.QueryRowContext(e.Context(), `SELECT (SELECT count(*) FROM lead_inbox), (SELECT high_id FROM leadsync_portals)`).Scan(&n, &high))
	if n != 0 || high != 0 {
		e.Errorf("%d inbox rows, high id %d", n, high)
	}
	if old.Outlives(0) {
		e.Error("the lease still says that it is ours")
	}
	e.wants(own(e.db, old, 0).SaveStatus(e.Context(), nil, 1), settlement.ErrLeaseLost)
	e.wants(own(e.db, old, 0).PinHub(e.Context(), 1, ""), settlement.ErrLeaseLost)
}

func settleIsAllOrNothing(e *env) {
	l := e.acquire("one")
	a, b := e.insert("a", `{}`), e.insert("b", `{}`)
	e.settle(decided{Lease: l, Links: []ledger.Link{linked("a", "901")}})
	_, err := settle(e.Context(), e.db, decided{Lease: l, Now: 1, HighID: b, Outcomes: []outbox.Outcome{delivered(a), delivered(b)},
		Links: []ledger.Link{linked("c", "903"), linked("b", "901")}})
	e.wants(err, lead.ErrDuplicate)
	for _, id := range []outbox.EntryID{a, b} {
		if r := e.entry(id); r.State != outbox.Pending {
			e.Errorf("row %d is %s", id, r.State)
		}
	}
	m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"a", "b", "c"})
	e.must(err)
	if len(m) != 1 {
		e.Errorf("%d links, want the one from before", len(m))
	}
}

func settleManyRows(e *env) {
	l := e.acquire("one")
	const n = 2500
	var values strings.Builder
	for i := range n {
		fmt.Fprintf(&values, ", ('lead-%d')", i)
	}
	Exec(e, e.app, `INSERT INTO lead_outbox (lead_id) VALUES `+values.String()[2:])
	rows, err := e.db.View(portal).Ready(e.Context(), outbox.Live, 0, n+1)
	e.must(err)
	s := decided{Lease: l, Now: 1}
	for i, r := range rows {
		s.Outcomes = append(s.Outcomes, delivered(r.ID))
		s.Links = append(s.Links, linked(r.Lead(), lead.ContactID(fmt.Sprint(i+1))))
	}
	if got := e.settle(s); got != n {
		e.Errorf("settled %d, want %d", got, n)
	}
	e.same("left", e.ready(outbox.Live), []outbox.EntryID{})
	Exec(e, e.app, `UPDATE lead_outbox SET state = 'dead'`)
	if got, err := e.db.Operator().Requeue(e.Context(), store.Selection{State: outbox.Dead}); err != nil || got != n {
		e.Errorf("requeued %d, %v", got, err)
	}
	if got, err := e.db.Operator().SkipRows(e.Context(), store.Selection{State: outbox.Pending}); err != nil || got != n {
		e.Errorf("skipped %d, %v", got, err)
	}
	if got, err := own(e.db, l, 0).Purge(e.Context(), []outbox.State{outbox.Skipped}, 1<<60, n+1); err != nil || got != n {
		e.Errorf("purged %d, %v", got, err)
	}
}

// account is G1 at the store: whatever is settled, put off, requeued, skipped or refused, the counts add up to what was
// inserted.
func account(e *env) {
	l := e.acquire("one")
	var ids []outbox.EntryID
	for i := range 60 {
		ids = append(ids, e.insert(fmt.Sprint("lead ", i%20), `{}`))
	}
	check := func(when string) map[string]int64 {
		e.Helper()
		counts, err := e.db.Operator().Counts(e.Context())
		e.must(err)
		var sum int64
		by := map[string]int64{}
		for _, c := range counts {
			sum += c.Count
			by[string(c.State)+" "+string(c.Reason)] += c.Count
		}
		if sum != 60 {
			e.Errorf("%s: %d rows counted, 60 inserted", when, sum)
		}
		return by
	}
	check("inserted")
	states := []outbox.Outcome{{State: outbox.Delivered}, {State: outbox.Skipped, Reason: outbox.Unchanged},
		{State: outbox.Dead, Reason: outbox.Refused}, {State: outbox.Pending, NotBefore: 5}, {State: outbox.Pending, NotBefore: outbox.Parked}}
	s := decided{Lease: l, Now: 100}
	for i, id := range ids[:50] {
		o := states[i%5]
		o.ID = id
		s.Outcomes = append(s.Outcomes, o)
	}
	e.settle(s)
	got := check("settled")
	want := map[string]int64{"pending ": 30, "delivered ": 10, "skipped unchanged": 10, "dead refused": 10}
	if !maps.Equal(got, want) {
		e.Errorf("settled: %v, want %v", got, want)
	}
	if n, err := e.db.Operator().Requeue(e.Context(), store.Selection{State: outbox.Dead}); err != nil || n != 10 {
		e.Errorf("requeued %d, %v", n, err)
	}
	check("requeued")
	if n, err := e.db.Operator().SkipRows(e.Context(), store.Selection{IDs: ids[:5]}); err != nil || n != 3 {
		e.Errorf("skipped %d, %v", n, err)
	}
	e.settle(s)
	got = check("settled twice")
	if got["delivered "] != 10 || got["skipped unchanged"] != 10 || got["skipped by_operator"] != 3 {
		e.Errorf("settled twice: %v", got)
	}
	var pending []store.CountRow
	counts, err := e.db.Operator().Counts(e.Context())
	e.must(err)
	for _, c := range counts {
		if c.State == outbox.Pending {
			pending = append(pending, c)
		}
	}
	if len(pending) != 1 || pending[0].Count == 0 || pending[0].Portal != portal || pending[0].OldestCreatedAt == 0 {
		e.Errorf("pending rows are counted as %+v", pending)
	}
}
