package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// away wants an error that tells the caller to try again later, and a cause that an operator can read.
func (e *env) away(what string, err error) {
	e.Helper()
	if !store.IsUnavailable(err) || store.IsFull(err) || store.IsReadOnly(err) || errors.Is(err, settlement.ErrLeaseLost) {
		e.Errorf("%s while the server is away: %v, want an error that is unavailable", what, err)
	}
	if err != nil && (strings.Contains(err.Error(), "user=") || strings.Contains(err.Error(), "user '") || strings.Contains(err.Error(), "database=")) {
		e.Errorf("%s names the user of the database: %v", what, err)
	}
	if c := store.Cause(err); c == "" || c == "database error" || strings.ContainsAny(c, "@:/") {
		e.Errorf("%s: cause %q", what, c)
	}
}

// serverGoesAway takes the server away in the middle and gives it back.
func serverGoesAway(e *env) {
	p, url := NewProxy(e, e.url)
	db := OpenRaw(e, url)
	a, b := e.insert("a", `{}`), e.insert("b", `{}`)
	l, err := db.Acquire(e.Context(), portal, "one")
	e.must(err)
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	hints := db.Wakes(ctx, true)
	if _, err := settle(e.Context(), db, decided{Lease: l, Now: 1, Outcomes: []outbox.Outcome{delivered(a)}}); err != nil {
		e.Fatal(err)
	}
	p.Cut()
	for range 2 { // broken connections first, then refused ones
		_, err = settle(e.Context(), db, decided{Lease: l, Now: 2, Outcomes: []outbox.Outcome{delivered(b)}})
		e.away("settle", err)
		_, err = db.View(portal).Ready(e.Context(), outbox.Live, 0, 10)
		e.away("read", err)
		_, err = db.Operator().Counts(e.Context())
		e.away("count", err)
		e.away("renew", l.Renew(e.Context()))
		_, err = own(db, l, 0).Purge(e.Context(), []outbox.State{outbox.Delivered}, 100, 10)
		e.away("purge", err)
		e.away("save the status", own(db, l, 0).SaveStatus(e.Context(), nil, 1))
		_, err = db.Operator().Portals(e.Context())
		e.away("read portals", err)
		_, err = db.Operator().Owner(e.Context(), portal)
		e.away("look for the owner", err)
		_, err = db.Tokens().Grant(e.Context(), portal)
		e.away("read the grant", err)
		_, err = db.Acquire(e.Context(), "another", "one")
		e.away("take", err)
		_, _, err = db.Migrate(e.Context())
		e.away("migrate", err)
		_, err = store.Open(e.Context(), url, store.Options{})
		e.away("open", err)
	}
	if !l.Outlives(time.Second) {
		e.Error("the lease ended before its time")
	}
	p.Heal()
	if n, err := settle(e.Context(), db, decided{Lease: l, Now: 3, Outcomes: []outbox.Outcome{delivered(b)}}); err != nil || n != 1 {
		e.Errorf("afterwards: settled %d, %v", n, err)
	}
	e.must(l.Renew(e.Context()))
	for within(hints, 300*time.Millisecond) {
	}
	deadline := time.Now().Add(10 * time.Second)
	for { // the listener connects again after a moment
		e.insert("c", `{}`)
		if within(hints, 500*time.Millisecond) {
			break
		}
		if time.Now().After(deadline) {
			e.Fatal("no hint of a row after the server came back")
		}
	}
	e.must(l.Release(e.Context()))
}

// answerOfTheCommitIsLost: the server has committed and the store does not know. A repeat finds that and changes
// nothing.
func answerOfTheCommitIsLost(e *env) {
	p, url := NewProxy(e, e.url)
	db := OpenRaw(e, url)
	a := e.insert("a", `{}`)
	l, err := db.Acquire(e.Context(), portal, "one")
	e.must(err)
	s := decided{Lease: l, Now: 5000, HighID: a, Outcomes: []outbox.Outcome{delivered(a)}, Links: []ledger.Link{linked("a", "901")}}
	p.LoseAnswer("commit")
	_, err = settle(e.Context(), db, s)
	e.away("settle", err)
	if r := e.entry(a); r.State != outbox.Delivered {
		e.Fatalf("the row is %s: the test did not lose the answer of a commit", r.State)
	}
	s.Now = 6000
	if n := e.settleWith(db, s); n != 0 {
		e.Errorf("the repeat settled %d rows", n)
	}
	if r := e.entry(a); number(r.SettledAt) != 5000 {
		e.Errorf("the repeat moved settled_at to %d", number(r.SettledAt))
	}
	e.must(l.Release(e.Context()))
}

func (e *env) settleWith(db *store.DB, s decided) int {
	e.Helper()
	n, err := settle(e.Context(), db, s)
	e.must(err)
	return n
}

// rowsOfAnotherPortal: whatever a settlement names, it changes nothing that its lease does not own.
func rowsOfAnotherPortal(e *env) {
	l := e.acquire("one")
	mine := e.insert("a", `{}`)
	other := e.insertWith(`lead_id, portal`, `'a', 'other'`)
	n := e.settle(decided{Lease: l, Now: 1, Outcomes: []outbox.Outcome{delivered(mine), delivered(other)}})
	if n != 1 {
		e.Errorf("settled %d rows, want 1", n)
	}
	if r := e.entry(other); r.State != outbox.Pending || r.SettledAt != nil {
		e.Errorf("the other portal's row is %s", r.State)
	}
	if n, err := e.db.Operator().Unpark(e.Context(), "other"); err != nil || n != 0 {
		e.Errorf("unparked %d, %v", n, err)
	}
	theirs, err := e.db.Acquire(e.Context(), "other", "two")
	e.must(err)
	if n, err := own(e.db, theirs, 0).Purge(e.Context(), []outbox.State{outbox.Delivered}, 1<<60, 10); err != nil || n != 0 {
		e.Errorf("purged %d, %v", n, err)
	}
	e.must(theirs.Release(e.Context()))
	rows, err := e.db.View("other").Ready(e.Context(), outbox.Live, 0, 10)
	e.must(err)
	e.same("of the other portal", idsOf(rows), []outbox.EntryID{other})
}

// deadlock lets a settlement and another program lock two rows in opposite order; the server ends the settlement, which
// is begun again.
func deadlock(e *env) {
	l := e.acquire("one")
	a, b := e.insert("a", `{}`), e.insert("b", `{}`)
	for range 50 { // the server gives up the transaction that wrote less
		e.insertWith(`lead_id, portal`, `'x', 'other'`)
	}
	for try := range 10 {
		s := decided{Lease: l, Now: 1, Outcomes: []outbox.Outcome{{ID: a, State: outbox.Pending, Attempts: try}, {ID: b, State: outbox.Pending, Attempts: try}}}
		tx, err := e.app.BeginTx(e.Context(), nil)
		e.must(err)
		_, err = tx.ExecContext(e.Context(), `UPDATE lead_outbox SET note = 'x' WHERE portal = 'other'`)
		e.must(err)
		_, err = tx.ExecContext(e.Context(), fmt.Sprintf(`UPDATE lead_outbox SET note = 'x' WHERE id = %d`, b))
		e.must(err)
		done := make(chan error, 1)
		go func() {
			_, err := settle(e.Context(), e.db, s)
			done <- err
		}()
		e.waitBlocked()
		_, err = tx.ExecContext(e.Context(), fmt.Sprintf(`UPDATE lead_outbox SET note = 'x' WHERE id = %d`, a))
		victim := err != nil
		_ = tx.Rollback()
		if err := <-done; err != nil {
			e.Fatalf("settle: %v", err)
		}
		if r := e.entry(b); r.Attempts != try {
			e.Errorf("the settlement is not written: attempts %d, want %d", r.Attempts, try)
		}
		if !victim {
			return // the settlement was the one that the server ended, and went through all the same
		}
	}
	e.Error("the server never ended the settlement; nothing was tested")
}

// waitBlocked waits until a transaction waits for a row lock.
func (e *env) waitBlocked() {
	e.Helper()
	text, every := `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE 'UPDATE lead_outbox%'`, 5*time.Millisecond
	if e.db.Dialect() == "mysql" { // the table is made anew when nobody has asked for a tenth of a second
		text, every = `SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'`, 120*time.Millisecond
	}
	for range 100 {
		var n int
		e.must(e.app.QueryRowContext(e.Context(), text).Scan(&n))
		if n > 0 {
			return
		}
		select {
		case <-e.Context().Done():
			return
		case <-time.After(every):
		}
	}
	e.Error("the settlement does not wait for the row")
}

// errorsHoldNoValues: an error of the server never repeats what a person typed.
func errorsHoldNoValues(e *env) {
	const person = "ada@example.com"
	l := e.acquire("one")
	if _, err := e.db.Operator().AddRow(e.Context(), outbox.Entry{Portal: strings.Repeat(person, 10), Email: ptr(person)}); err != nil && strings.Contains(err.Error(), person) {
		e.Errorf("a portal that is too long: %v", err)
	}
	_, _, err := e.db.Operator().Add(e.Context(), []outbox.Entry{{Email: ptr(person + "\xff\xfe'"), LeadID: ptr(person)}})
	if e.db.Dialect() != "sqlite" && err == nil {
		e.Error("the server took invalid UTF-8")
	}
	if err != nil && strings.Contains(err.Error(), person) {
		e.Errorf("invalid UTF-8: %v", err)
	}
	e.settle(decided{Lease: l, Links: []ledger.Link{linked(person, "901")}})
	_, err = settle(e.Context(), e.db, decided{Lease: l, Links: []ledger.Link{linked("b"+person, "901")}})
	if err == nil || strings.Contains(err.Error(), person) {
		e.Errorf("a contact that is taken: %v", err)
	}
	_, err = e.db.View(strings.Repeat("x", 300)).RowsOf(e.Context(), person, 1)
	if err != nil && strings.Contains(err.Error(), person) {
		e.Errorf("a portal that does not exist: %v", err)
	}
}

// accountUnderFire is G1 while everybody writes at once: settlements, the application, the operator.
func accountUnderFire(e *env) {
	l := e.acquire("one")
	const workers, rounds = 4, 12
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				lead := fmt.Sprint("lead ", w, " ", i)
				id, err := e.db.Operator().AddRow(e.Context(), outbox.Entry{LeadID: &lead})
				if err != nil {
					e.Error(err)
					return
				}
				o := outbox.Outcome{ID: id, State: []outbox.State{outbox.Delivered, outbox.Dead, outbox.Pending}[i%3]}
				link := linked("x", "")
				link.LeadID, link.State = "shared", ledger.None
				if _, err := settle(e.Context(), e.db, decided{Lease: l, Now: 1, HighID: id, Outcomes: []outbox.Outcome{o}, Links: []ledger.Link{link}}); err != nil {
					e.Error(err)
				}
				if i%4 == 3 {
					if _, err := e.db.Operator().Requeue(e.Context(), store.Selection{State: outbox.Dead}); err != nil {
						e.Error(err)
					}
					if _, err := e.db.Operator().SkipRows(e.Context(), store.Selection{IDs: []outbox.EntryID{id}}); err != nil {
						e.Error(err)
					}
				}
				if err := l.Renew(e.Context()); err != nil {
					e.Error(err)
				}
			}
		})
	}
	wg.Wait()
	counts, err := e.db.Operator().Counts(e.Context())
	e.must(err)
	var sum int64
	for _, c := range counts {
		sum += c.Count
	}
	if sum != workers*rounds {
		e.Errorf("%d rows counted, %d inserted", sum, workers*rounds)
	}
	var high outbox.EntryID
	e.must(e.app.QueryRowContext(e.Context(), `SELECT max(id) FROM lead_outbox`).Scan(&high))
	if p, err := e.db.View(portal).Row(e.Context()); err != nil || p.HighID != high {
		e.Errorf("high id %d, %v, want %d", p.HighID, err, high)
	}
}
