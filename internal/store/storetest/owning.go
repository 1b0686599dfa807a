package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

func twoDaemons(e *env) {
	l := e.acquire("one")
	if l.Epoch() != 1 || !l.CleanBefore() || l.Owner() != "one" || l.Portal() != portal || !l.Outlives(15*time.Second) {
		e.Errorf("first lease: epoch %d, clean %t, outlives %t", l.Epoch(), l.CleanBefore(), l.Outlives(15*time.Second))
	}
	other := OpenRaw(e, e.url)
	_, err := other.Acquire(e.Context(), portal, "two")
	var held *store.HeldError
	if !errors.As(err, &held) || held.Owner != "one" || held.Since == 0 {
		e.Fatalf("second daemon: %v, want HeldError naming the first", err)
	}
	side, err := other.Acquire(e.Context(), "other/portal", "two")
	e.must(err)
	e.must(side.Release(e.Context()))
	for range 3 { // looking does not disturb
		o, err := other.Operator().Owner(e.Context(), portal)
		e.must(err)
		if !o.Alive || o.Owner != "one" || o.Since == 0 {
			e.Errorf("owner %+v", o)
		}
	}
	e.must(l.Renew(e.Context()))
	e.must(l.Release(e.Context()))
	e.must(l.Release(e.Context()))
	if l.Outlives(0) {
		e.Error("a released lease outlives something")
	}
	o, err := other.Operator().Owner(e.Context(), portal)
	e.must(err)
	if o.Alive || o.Owner != "one" {
		e.Errorf("owner after the release %+v", o)
	}
	if o, err := other.Operator().Owner(e.Context(), "never"); err != nil || o.Alive || o.Owner != "" {
		e.Errorf("owner of a portal that never had one: %+v, %v", o, err)
	}
	next, err := other.Acquire(e.Context(), portal, "two")
	e.must(err)
	if next.Epoch() != 2 || !next.CleanBefore() {
		e.Errorf("next lease: epoch %d, clean %t", next.Epoch(), next.CleanBefore())
	}
	e.wants(l.Renew(e.Context()), settlement.ErrLeaseLost)
	e.must(next.Release(e.Context()))
}

func leaseEndsWithTheEpoch(e *env) {
	l := e.acquire("one")
	Exec(e, e.app, `UPDATE leadsync_portals SET epoch = epoch + 1`)
	e.wants(l.Renew(e.Context()), settlement.ErrLeaseLost)
	if l.Outlives(0) {
		e.Error("a lost lease outlives something")
	}
	e.must(l.Release(e.Context()))
	var clean bool
	e.must(e.app.QueryRowContext(e.Context(), `SELECT clean FROM leadsync_portals`).Scan(&clean))
	if clean {
		e.Error("the release of a lost lease marked the portal as cleanly released")
	}
}

func portalState(e *env) {
	_, err := e.db.View(portal).Row(e.Context())
	e.wants(err, lead.ErrNotFound)
	l := e.acquire("one")
	e.must(own(e.db, l, 0).SaveStatus(e.Context(), json.RawMessage(`{"state":"running"}`), 5000))
	e.must(own(e.db, l, 0).PinHub(e.Context(), hub, "https://api.example.com"))
	p, err := e.db.View(portal).Row(e.Context())
	e.must(err)
	if p.Status != `{"state":"running"}` || p.StatusAt != 5000 || p.HubID != hub || p.BaseURL != "https://api.example.com" ||
		p.Owner != "one" || p.Epoch != 1 || p.Clean {
		e.Errorf("portal %+v", p)
	}
	all, err := e.db.Operator().Portals(e.Context())
	e.must(err)
	if len(all) != 1 {
		e.Errorf("%d portals", len(all))
	}
}

func reserveDaily(e *env) {
	var mu sync.Mutex
	var got []int
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				n, err := e.db.ReserveDaily(e.Context(), portal, "2026-11-24", 100)
				if err != nil {
					e.Error(err)
				}
				mu.Lock()
				got = append(got, n)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(got)
	for i, n := range got {
		if n != 100*i {
			e.Fatalf("blocks start at %v", got)
		}
	}
	if n, err := e.db.ReserveDaily(e.Context(), portal, "2026-11-25", 100); err != nil || n != 0 {
		e.Errorf("first block of the next day starts at %d, %v", n, err)
	}
	e.acquire("one") // a portal that only had a count so far
}

func keysAreMadeOnce(e *env) {
	boom := errors.New("no randomness")
	_, err := e.db.Tokens().LoadOrMakeKey(e.Context(), "hash", func() (string, error) { return "", boom })
	e.wants(err, boom)
	const n = 6
	values := make([]string, n)
	var start, wg sync.WaitGroup
	start.Add(n)
	for i := range n {
		db := OpenRaw(e, e.url)
		wg.Go(func() {
			v, err := db.Tokens().LoadOrMakeKey(e.Context(), "hash", func() (string, error) {
				start.Done() // all have seen that there is none
				start.Wait()
				return fmt.Sprint("value ", i), nil
			})
			if err != nil {
				e.Error(err)
			}
			values[i] = v
		})
	}
	wg.Wait()
	if len(slices.Compact(values)) != 1 || values[0] == "" {
		e.Errorf("racing processes got %q", values)
	}
	v, err := e.db.Tokens().LoadOrMakeKey(e.Context(), "hash", func() (string, error) { return "", boom })
	e.must(err)
	if v != values[0] {
		e.Errorf("later %q, want %q", v, values[0])
	}
}
