package storetest

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/lead"
	"leadsync/internal/store"
)

// grant is what a login leaves; the tokens have the length of sealed ones.
func grant() auth.Grant {
	return auth.Grant{Portal: portal, ClientID: "client", HubID: hub, AccessToken: strings.Repeat("a", 1500), RefreshToken: "r1",
		ExpiresAt: 1_000_000, Life: 1_800_000, Scopes: "oauth crm.objects.contacts.read", GrantedAt: 5, RefreshedAt: 6}
}

func (e *env) grant() auth.Grant {
	e.Helper()
	g, err := e.db.Tokens().Grant(e.Context(), portal)
	e.must(err)
	return g
}

func (e *env) connect(g auth.Grant) int64 {
	e.Helper()
	n, err := e.db.Tokens().Connect(e.Context(), g, "https://api.example.com")
	e.must(err)
	return n
}

// yes returns a check of what a fenced write says.
func (e *env) yes(want bool) func(bool, error) {
	return func(got bool, err error) {
		e.Helper()
		if err != nil || got != want {
			e.Errorf("changed: %t, %v; want %t", got, err, want)
		}
	}
}

func (e *env) sameGrant(when string, want auth.Grant) {
	e.Helper()
	got := e.grant()
	got.Now = 0
	if !reflect.DeepEqual(got, want) {
		e.Errorf("%s:\ngot %+v\nwant %+v", when, got, want)
	}
}

func grantRoundTrip(e *env) {
	if g := e.grant(); g.Generation != 0 || g.Connected() {
		e.Errorf("before the first login: %+v", g)
	}
	first := grant()
	if n := e.connect(first); n != 1 {
		e.Errorf("first generation %d", n)
	}
	first.Generation = 1
	e.sameGrant("after the login", first)
	if now, here := e.grant().Now, time.Now().UnixMilli(); now < here-5000 || now > here+5000 {
		e.Errorf("the database's clock says %d, this machine's %d", now, here)
	}
	p, err := e.db.View(portal).Row(e.Context())
	e.must(err)
	if p.HubID != hub || p.BaseURL != "https://api.example.com" || p.Epoch != 0 {
		e.Errorf("portal %+v", p)
	}

	next := first
	next.Generation, next.AccessToken, next.RefreshToken, next.ExpiresAt, next.Life = 2, "a2", "r2", 2_000_000, 3000
	next.Scopes, next.RefreshedAt, next.ForcedAt, next.HubID = "oauth", 7, 8, hub+1
	e.yes(true)(e.db.Tokens().RenewGrant(e.Context(), next))
	e.sameGrant("after a refresh", next)
	e.yes(false)(e.db.Tokens().RenewGrant(e.Context(), next))
	e.yes(false)(e.db.Tokens().Disconnect(e.Context(), first))
	e.sameGrant("after writes on an older generation", next)

	second := grant()
	second.GrantedAt, second.HubID = 9, hub+2
	if n := e.connect(second); n != 3 {
		e.Errorf("generation of the second login %d", n)
	}
	second.Generation = 3
	e.sameGrant("after the second login", second)
	if p, err := e.db.View(portal).Row(e.Context()); err != nil || p.HubID != hub+2 {
		e.Errorf("portal %+v, %v", p, err)
	}

	e.yes(true)(e.db.Tokens().Disconnect(e.Context(), e.grant()))
	if g := e.grant(); g.Connected() || g.Generation != 4 || g.AccessToken+g.RefreshToken+g.Scopes != "" || g.ExpiresAt != 0 {
		e.Errorf("after the logout: %+v", g)
	}
	if n := e.connect(grant()); n != 5 {
		e.Errorf("generation of the login after a logout %d", n)
	}
}

// connectKeepsThePortal: a login changes the account of a portal and nothing else of it.
func connectKeepsThePortal(e *env) {
	l := e.acquire("one")
	e.must(own(e.db, l, 0).SaveStatus(e.Context(), []byte(`{}`), 1))
	e.connect(grant())
	e.connect(grant())
	p, err := e.db.View(portal).Row(e.Context())
	e.must(err)
	if p.Owner != "one" || p.Status != `{}` || p.HubID != hub {
		e.Errorf("portal %+v", p)
	}
	if _, err := e.db.View("other").Row(e.Context()); !errors.Is(err, lead.ErrNotFound) {
		e.Errorf("another portal: %v", err)
	}
}

func grantLease(e *env) {
	e.connect(grant())
	seen := e.grant()
	e.yes(true)(e.db.Tokens().LeaseGrant(e.Context(), seen, "one", 77))
	e.yes(false)(e.db.Tokens().LeaseGrant(e.Context(), seen, "two", 78))
	leased := e.grant()
	if leased.LeaseOwner != "one" || leased.LeaseUntil != 77 {
		e.Errorf("leased: %+v", leased)
	}
	e.must(e.db.Tokens().FreeGrant(e.Context(), leased, "two", false))
	if g := e.grant(); g.LeaseOwner != "one" {
		e.Errorf("freed by another: %+v", g)
	}
	e.yes(true)(e.db.Tokens().LeaseGrant(e.Context(), leased, "two", 99)) // whose time is over is for the caller to judge
	e.must(e.db.Tokens().FreeGrant(e.Context(), leased, "one", false))
	if g := e.grant(); g.LeaseOwner != "two" || g.LeaseUntil != 99 {
		e.Errorf("freed by the one before: %+v", g)
	}
	e.must(e.db.Tokens().OrphanGrant(e.Context(), portal))
	if g := e.grant(); g.LeaseOwner != "two" || g.LeaseUntil != 0 {
		e.Errorf("orphaned: %+v", g)
	}
	e.must(e.db.Tokens().FreeGrant(e.Context(), leased, "two", true))
	if g := e.grant(); g.LeaseOwner != "two" {
		e.Errorf("freed in doubt: %+v", g)
	}

	seen = e.grant()
	e.yes(true)(e.db.Tokens().LeaseGrant(e.Context(), seen, "three", 100))
	e.yes(true)(e.db.Tokens().RefuseGrant(e.Context(), seen, "BAD_REFRESH_TOKEN"))
	refused := e.grant()
	if refused.NeedsLogin != "BAD_REFRESH_TOKEN" || refused.LeaseOwner != "two" || refused.LeaseUntil != 0 || refused.TriedAt < refused.Now-5000 || refused.TriedAt > refused.Now {
		e.Errorf("refused: %+v", refused)
	}
	if !refused.Connected() {
		e.Error("a refused grant was thrown away")
	}
	next := refused
	next.Generation++
	e.yes(true)(e.db.Tokens().RenewGrant(e.Context(), next))
	if g := e.grant(); g.NeedsLogin != "" || g.LeaseOwner != "" || g.LeaseUntil != 0 {
		e.Errorf("renewed: %+v", g)
	}
	e.yes(false)(e.db.Tokens().RefuseGrant(e.Context(), refused, "BAD_HUB"))
	if g := e.grant(); g.NeedsLogin != "" {
		e.Errorf("refused for its age: %+v", g)
	}
}

// grantLeaseTogether: of processes that saw the same row one gets the lease.
func grantLeaseTogether(e *env) {
	e.connect(grant())
	var dbs []*store.DB // once for all rounds: a server has a hundred connections for everybody
	for range 6 {
		dbs = append(dbs, OpenRaw(e, e.url))
	}
	for range 5 {
		seen := e.grant()
		var mu sync.Mutex
		got := 0
		var wg sync.WaitGroup
		for i, db := range dbs {
			wg.Go(func() {
				yes, err := db.Tokens().LeaseGrant(e.Context(), seen, "x"+string(rune('0'+i)), seen.LeaseUntil+1)
				if err != nil {
					e.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if yes {
					got++
				}
			})
		}
		wg.Wait()
		if got != 1 {
			e.Errorf("%d got the lease", got)
		}
	}
}

// connectTogether: two first logins at once are two logins, one after the other.
func connectTogether(e *env) {
	var wg sync.WaitGroup
	dbs := []*store.DB{}
	for range 4 {
		dbs = append(dbs, OpenRaw(e, e.url))
	}
	for db := range slices.Values(dbs) {
		wg.Go(func() {
			if _, err := db.Tokens().Connect(e.Context(), grant(), "https://api.example.com"); err != nil {
				e.Error(err)
			}
		})
	}
	wg.Wait()
	if g := e.grant(); g.Generation != 4 {
		e.Errorf("generation %d after four logins", g.Generation)
	}
}

func keysAreReplacedOnce(e *env) {
	_, err := e.db.Tokens().LoadOrMakeKey(e.Context(), "hash", func() (string, error) { return "old", nil })
	e.must(err)
	e.yes(true)(e.db.Tokens().ReplaceKey(e.Context(), "hash", "old", "new"))
	e.yes(false)(e.db.Tokens().ReplaceKey(e.Context(), "hash", "old", "newer"))
	if v, err := e.db.Tokens().LoadOrMakeKey(e.Context(), "hash", nil); err != nil || v != "new" {
		e.Errorf("key %q, %v", v, err)
	}
}
