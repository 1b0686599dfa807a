package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadsync/internal/inbox"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// nextOwnerWithin is the promise: after the last sign of life of an owner the next one has its portal.
const nextOwnerWithin = 30 * time.Second

// vanishing is one owner that is never heard of again: frozen, or its machine without power.
type vanishing struct {
	op     string
	piece  int     // of what it sends while it does op, from 1
	part   float64 // of that piece which the server still gets
	portal string
}

// nextOwner freezes the owner at each message of a settlement, of a page of pull and of the lease, before it, within
// it, and after it, and wants the next owner to have the portal in time, and nothing to change when the old one wakes
// up.
func nextOwner(e *env) {
	var cases []vanishing
	for op := range vanishingOps {
		for piece := range e.piecesOf(op) {
			for _, part := range []float64{0, 0.5, 1} {
				cases = append(cases, vanishing{op, piece + 1, part, fmt.Sprintf("%s-%d-%.0f", op, piece+1, 10*part)})
			}
		}
	}
	var all sync.WaitGroup
	turn := make(chan struct{}, 12) // each has sessions of its own on the server
	for _, v := range cases {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			e.vanish(v)
		})
	}
	all.Wait()
	e.Logf("%d places to vanish at", len(cases))
}

// vanishingOps are what the owner is doing. The lease counts as over already where that does not change what is asked:
// who would have to wait for 25 seconds each time.
var vanishingOps = map[string]func(ctx context.Context, db *store.DB, l *store.Lease, row outbox.EntryID) error{
	"settle": func(ctx context.Context, db *store.DB, l *store.Lease, row outbox.EntryID) error {
		link := linked("a", "901")
		link.Portal, link.ContactID = l.Portal(), "901"
		link.HubID = int64(row) // an account of its own
		_, err := settle(ctx, db, decided{Lease: l, Now: 5, HighID: row, Outcomes: []outbox.Outcome{delivered(row)}, Links: []ledger.Link{link},
			Inbox: []inbox.Row{inboxRow("a", "901")}})
		return err
	},
	"page": func(ctx context.Context, db *store.DB, l *store.Lease, row outbox.EntryID) error {
		return own(db, l, 5).Commit(ctx, settlement.Page{Inbox: []inbox.Row{inboxRow("a", "901")},
			HubID: int64(row), Stream: "changes", Position: `{"watermark":1}`, Strangers: []ledger.Link{stranger("77", ledger.Linked)}})
	},
	"renew": func(ctx context.Context, _ *store.DB, l *store.Lease, _ outbox.EntryID) error { return l.Renew(ctx) },
	"take": func(ctx context.Context, db *store.DB, l *store.Lease, _ outbox.EntryID) error {
		_, err := db.Acquire(ctx, l.Portal(), "again")
		return err
	},
}

// owning makes an owner of a portal behind a proxy, whose lease is over already by the server's clock, and a row for
// it.
func (e *env) owning(portal string) (*Proxy, *store.DB, *store.Lease, outbox.EntryID) {
	p, url := NewProxy(e, e.url)
	db := OpenRaw(e, url)
	l, err := db.Acquire(e.Context(), portal, "old")
	if err != nil {
		e.Error(err)
		return nil, nil, nil, 0
	}
	row := e.insertWith(`lead_id, portal`, `'a', $1`, portal)
	Exec(e, e.app, `UPDATE leadsync_portals SET lease_until = 0 WHERE portal = '`+portal+`'`)
	return p, db, l, row
}

func (e *env) piecesOf(op string) int {
	p, db, l, row := e.owning("count-" + op)
	before := p.Pieces()
	e.must(vanishingOps[op](e.Context(), db, l, row))
	return p.Pieces() - before
}

func (e *env) vanish(v vanishing) {
	p, db, l, row := e.owning(v.portal)
	if p == nil {
		return
	}
	frozen := p.Silence(v.piece, v.part)
	ended := make(chan error, 1)
	go func() { ended <- vanishingOps[v.op](e.Context(), db, l, row) }()
	select {
	case <-frozen:
	case err := <-ended:
		p.Speak()
		e.Logf("%s: over before it could vanish: %v", v.portal, err) // fewer messages than the first time
		return
	}
	began := time.Now()
	var next *store.Lease
	for next == nil {
		var err error
		next, err = e.db.Acquire(e.Context(), v.portal, "new")
		if held := (*store.HeldError)(nil); err != nil && !errors.As(err, &held) || time.Since(began) > nextOwnerWithin {
			e.Errorf("%s: no next owner after %s: %v", v.portal, time.Since(began).Round(time.Second), err)
			p.Speak()
			<-ended
			return
		}
		if next == nil {
			<-time.After(2 * time.Second) // as a standby does
		}
	}
	if took := time.Since(began); took > 15*time.Second && v.op != "renew" && v.op != "take" {
		e.Errorf("%s: the lease was over, and the next owner had to wait %s for a lock", v.portal, took.Round(time.Second))
	}
	before := e.stateOf(v.portal, row)
	p.Speak()
	err := <-ended
	if after := e.stateOf(v.portal, row); after != before {
		e.Errorf("%s: the old owner woke up (%v) and changed\n%s to\n%s", v.portal, err, before, after)
	}
	if _, err := settle(e.Context(), e.db, decided{Lease: next, Now: 9, Outcomes: []outbox.Outcome{delivered(row)}}); err != nil {
		e.Errorf("%s: the next owner cannot settle: %v", v.portal, err)
	}
	if r := e.entry(row); r.State != outbox.Delivered {
		e.Errorf("%s: the row is %s in the end", v.portal, r.State)
	}
	if err := next.Release(e.Context()); err != nil {
		e.Error(err)
	}
	_ = db.Close()
}

// stateOf is all that a settlement or a page of the portal writes.
func (e *env) stateOf(portal string, row outbox.EntryID) string {
	var owner, state, position string
	var epoch, high, inbox, links int64
	for _, q := range []struct {
		text string
		into []any
	}{
		{`SELECT owner, epoch, high_id FROM leadsync_portals WHERE portal = '` + portal + `'`, []any{&owner, &epoch, &high}},
		{fmt.Sprintf(`SELECT state FROM lead_outbox WHERE id = %d`, row), []any{&state}},
		{`SELECT count(*) FROM lead_inbox WHERE portal = '` + portal + `'`, []any{&inbox}},
		{`SELECT count(*) FROM leadsync_links WHERE portal = '` + portal + `'`, []any{&links}},
		{`SELECT coalesce(max(position), '') FROM leadsync_streams WHERE portal = '` + portal + `'`, []any{&position}},
	} {
		if err := e.app.QueryRowContext(e.Context(), q.text).Scan(q.into...); err != nil {
			e.Error(err)
		}
	}
	return fmt.Sprintf("owner %s, epoch %d, high %d, row %s, %d inbox rows, %d links, position %s", owner, epoch, high, state, inbox, links, position)
}
