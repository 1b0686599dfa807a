package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

func (e *env) list(q store.ListQuery) []outbox.EntryID {
	e.Helper()
	ids := []outbox.EntryID{}
	e.must(e.db.Operator().List(e.Context(), q, func(r outbox.Entry) error { ids = append(ids, r.ID); return nil }))
	return ids
}

func listFilters(e *env) {
	a := e.insertWith(`lead_id, state, reason`, `'a', 'dead', 'refused'`)
	b := e.insertWith(`lead_id, state, reason`, `'b', 'dead', 'no_address'`)
	c := e.insertWith(`lead_id, lane`, `'a', 'backfill'`)
	d := e.insertWith(`lead_id, portal`, `'a', 'other'`)
	all := []outbox.EntryID{a, b, c, d}
	back := slices.Clone(all)
	slices.Reverse(back)
	for _, tc := range []struct {
		q    store.ListQuery
		want []outbox.EntryID
	}{
		{store.ListQuery{}, all},
		{store.ListQuery{Desc: true}, back},
		{store.ListQuery{Desc: true, AfterID: c, Limit: 1}, []outbox.EntryID{b}},
		{store.ListQuery{AfterID: a, Limit: 2}, []outbox.EntryID{b, c}},
		{store.ListQuery{State: outbox.Dead}, []outbox.EntryID{a, b}},
		{store.ListQuery{State: outbox.Dead, Reason: outbox.NoAddress}, []outbox.EntryID{b}},
		{store.ListQuery{LeadID: "a"}, []outbox.EntryID{a, c}},
		{store.ListQuery{LeadID: "a", Portal: "other"}, []outbox.EntryID{d}},
		{store.ListQuery{Lane: outbox.Backfill}, []outbox.EntryID{c}},
		{store.ListQuery{Portal: "none"}, []outbox.EntryID{}},
	} {
		e.same(fmt.Sprintf("%+v", tc.q), e.list(tc.q), tc.want)
	}
	stop := errors.New("stop")
	var n int
	err := e.db.Operator().List(e.Context(), store.ListQuery{}, func(r outbox.Entry) error {
		n++
		_, err := e.db.Operator().SkipRows(e.Context(), store.Selection{IDs: []outbox.EntryID{r.ID}}) // each may use the store
		if n == 2 {
			return stop
		}
		return err
	})
	if !errors.Is(err, stop) || n != 2 {
		e.Errorf("stopped after %d rows with %v", n, err)
	}
}

func requeueAndSkip(e *env) {
	row := func(id, state, reason string) outbox.EntryID {
		return e.insertWith(`lead_id, state, reason, note, attempts, settled_at, not_before, contact_id`, `$1, $2, $3, 'n', 8, 5, 6, '901'`, id, state, reason)
	}
	dead, dead2, byOp := row("a", "dead", "refused"), row("b", "dead", "no_address"), row("c", "skipped", "by_operator")
	unchanged, done, waits := row("d", "skipped", "unchanged"), row("e", "delivered", ""), row("f", "pending", "")
	change := func(what string, f func() (int64, error), want int64) {
		e.Helper()
		n, err := f()
		e.must(err)
		if n != want {
			e.Errorf("%s: %d rows, want %d", what, n, want)
		}
	}
	requeue := func(q store.Selection) func() (int64, error) {
		return func() (int64, error) { return e.db.Operator().Requeue(e.Context(), q) }
	}
	skip := func(q store.Selection) func() (int64, error) {
		return func() (int64, error) { return e.db.Operator().SkipRows(e.Context(), q) }
	}
	for _, f := range []func() (int64, error){requeue(store.Selection{}), skip(store.Selection{}), requeue(store.Selection{Portal: portal})} {
		_, err := f()
		e.wants(err, store.ErrNothingSelected)
	}
	skipped := func(portal string, since int64, want ...outbox.EntryID) {
		e.Helper()
		got, err := e.db.View(portal).SkippedSince(e.Context(), since)
		e.must(err)
		slices.Sort(got)
		e.same(fmt.Sprint("skipped since ", since), got, want)
	}
	skipped(portal, 5, byOp)
	skipped(portal, 6)
	skipped("other", 0)
	change("requeue by another portal", requeue(store.Selection{Portal: "other", State: outbox.Dead}), 0)
	change("requeue by reason", requeue(store.Selection{Reason: outbox.Refused}), 1)
	if r := e.entry(dead); r.State != outbox.Pending || r.Attempts != 0 || r.Reason != nil || r.Note != nil || r.SettledAt != nil || r.NotBefore != nil {
		e.Errorf("requeued row %+v", r)
	}
	change("requeue by state", requeue(store.Selection{Portal: portal, State: outbox.Dead}), 1)
	change("requeue skipped by state", requeue(store.Selection{State: outbox.Skipped}), 0)
	change("requeue by id", requeue(store.Selection{IDs: []outbox.EntryID{byOp, unchanged, done, waits, 999}}), 1)
	change("skip by lead", skip(store.Selection{LeadID: "b"}), 1)
	if r := e.entry(dead2); r.State != outbox.Skipped || deref(r.Reason) != "by_operator" || r.NotBefore != nil || number(r.SettledAt) < 1000 {
		e.Errorf("skipped row %+v", r)
	}
	change("skip by id", skip(store.Selection{IDs: []outbox.EntryID{byOp, unchanged, done, waits}}), 2)
	skipped(portal, 1000, dead2, byOp, waits)
	change("skip what is settled", skip(store.Selection{State: outbox.Delivered}), 0)
	if r := e.entry(done); r.State != outbox.Delivered {
		e.Errorf("delivered row became %s", r.State)
	}
}

func purgeKeepsIDsRising(e *env) {
	mine := own(e.db, e.acquire("one"), 0)
	for i := range 10 {
		e.insertWith(`lead_id, state, settled_at`, `'a', $1, $2`, []string{"delivered", "skipped"}[i%2], 100+i)
	}
	e.insertWith(`lead_id, state, settled_at`, `'a', 'dead', 1`)
	e.insertWith(`lead_id, settled_at`, `'a', 1`)
	e.insertWith(`portal, state, settled_at`, `'other', 'delivered', 1`)
	last := e.insertWith(`lead_id, state, settled_at`, `'a', 'delivered', 104`)
	states := []outbox.State{outbox.Delivered, outbox.Skipped, outbox.Pending}
	for _, want := range []int64{3, 3, 2, 0} {
		n, err := mine.Purge(e.Context(), states, 107, 3)
		e.must(err)
		if n != want {
			e.Errorf("purged %d, want %d", n, want)
		}
	}
	e.same("left", e.list(store.ListQuery{}), []outbox.EntryID{8, 9, 10, 11, 12, 13})
	if n, err := mine.Purge(e.Context(), []outbox.State{outbox.Delivered, outbox.Skipped, outbox.Dead}, 1<<60, 100); err != nil || n != 4 {
		e.Errorf("purged %d, %v", n, err)
	}
	if id := e.insert("b", `{}`); id <= last {
		e.Errorf("id %d was given out again (%d was purged)", id, last)
	}
}

// within waits for a hint.
func within(c <-chan struct{}, d time.Duration) bool {
	select {
	case <-c:
		return true
	case <-time.After(d):
		return false
	}
}

// waitsBeyondAreCut: rows of both lanes and of consent that wait for longer than a time are ready, those that wait for
// less or are parked are not; links are found by either of their waits.
func waitsBeyondAreCut(e *env) {
	l := e.acquire("one")
	var far []outbox.EntryID
	for _, more := range []string{`'a', 'lead.updated', 'live'`, `'b', 'lead.updated', 'backfill'`, `'c', 'lead.unsubscribed', 'live'`} {
		far = append(far, e.insertWith(`lead_id, event_type, lane, not_before`, more+`, $1`, 5001))
		e.insertWith(`lead_id, event_type, lane, not_before`, more+`, $1`, 5000)
		e.insertWith(`lead_id, event_type, lane, not_before`, more+`, $1`, outbox.Parked)
	}
	other := e.insertWith(`lead_id, portal, not_before`, `'a', 'other', $1`, 9000)
	p := own(e.db, l, 0)
	for _, want := range []int64{3, 0} {
		if n, err := p.CutRowWaits(e.Context(), 5000); err != nil || n != want {
			e.Errorf("%d waits were cut (%v), want %d", n, err, want)
		}
	}
	ready, err := e.db.View(portal).ReadyConsent(e.Context(), 0, 10)
	e.must(err)
	e.same("ready", append(append(e.ready(outbox.Live), e.ready(outbox.Backfill)...), idsOf(ready)...), far)
	if r := e.entry(other); number(r.NotBefore) != 9000 {
		e.Errorf("a row of another portal waits until %d", number(r.NotBefore))
	}
	link := func(id lead.ID, look, retry int64) ledger.Link {
		k := linked(id, lead.ContactID("9"+id))
		k.SecondLookAt, k.Consent, k.OptOut.NotBefore = look, ledger.Out, retry
		return k
	}
	e.settle(decided{Lease: l, Links: []ledger.Link{link("1", 11, 21), link("2", 10, 21), link("3", 11, 20), link("4", 10, 20)}})
	waiting, err := e.db.View(portal).LinksWaiting(e.Context(), hub, 10, 20, 10)
	e.must(err)
	var found []lead.ID
	for _, k := range waiting {
		found = append(found, k.LeadID)
	}
	slices.Sort(found)
	if want := []lead.ID{"1", "1", "2", "3"}; !slices.Equal(found, want) {
		e.Errorf("links %v wait, want %v", found, want)
	}
}
