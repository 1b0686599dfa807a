package storetest

import (
	"context"
	"time"

	"leadsync/internal/outbox"
)

func wakes(e *env) {
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	if e.db.Dialect() == "postgres" {
		if e.db.Wakes(ctx, false) != nil {
			e.Error("a channel without notify")
		}
	}
	c := e.db.Wakes(ctx, true)
	if !within(c, 10*time.Second) {
		e.Error("no first hint for what was committed before")
	}
	for within(c, 300*time.Millisecond) { // the listener has settled down
	}
	id := e.insert("a", `{}`)
	if !within(c, 10*time.Second) {
		e.Error("no hint of a row of another process")
	}
	for within(c, 300*time.Millisecond) {
	}
	l := e.acquire("one")
	e.settle(decided{Lease: l, Now: 1, Outcomes: []outbox.Outcome{delivered(id)}})
	if within(c, 400*time.Millisecond) {
		e.Error("a hint of our own settlement")
	}
	if _, _, err := e.db.Operator().Add(e.Context(), []outbox.Entry{{LeadID: ptr("b")}}); err != nil {
		e.Error(err)
	}
	if !within(c, 10*time.Second) {
		e.Error("no hint of a row added through the same store")
	}
	cancel()
	for range 50 {
		select {
		case _, open := <-c:
			if !open {
				if e.db.Dialect() == "postgres" {
					e.noTrigger()
				}
				return
			}
		case <-time.After(time.Second):
		}
	}
	e.Error("the channel stays open")
}

// noTrigger turns notify off again.
func (e *env) noTrigger() {
	e.Helper()
	count := func() (n int) {
		e.Helper()
		e.must(e.app.QueryRowContext(e.Context(), `SELECT count(*) FROM pg_trigger WHERE tgrelid = 'lead_outbox'::regclass AND NOT tgisinternal`).Scan(&n))
		return n
	}
	if n := count(); n != 1 {
		e.Errorf("%d triggers with notify, want 1", n)
	}
	e.db.Wakes(e.Context(), false)
	if n := count(); n != 0 {
		e.Errorf("%d triggers without notify, want 0", n)
	}
}
