package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// settleLargeLedgers writes more text in one settlement than a server takes in one statement.
func settleLargeLedgers(e *env) {
	l := e.acquire("one")
	large := strings.Repeat("'\\\"", 300_000)
	s := decided{Lease: l}
	for i := range 14 {
		link := linked(lead.ID(fmt.Sprint(i)), lead.ContactID(fmt.Sprint(i+1)))
		link.Fields = map[string]ledger.Field{"company": {Sent: large, Seen: "x"}}
		s.Links = append(s.Links, link)
	}
	for range 2 { // new, and there already
		e.settle(s)
	}
	m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{"13"})
	e.must(err)
	if k := m["13"]; k == nil || k.Fields["company"].Sent != large {
		e.Error("a large ledger came back changed")
	}
}

func oneContactOneLead(e *env) {
	l := e.acquire("one")
	e.settle(decided{Lease: l, Links: []ledger.Link{linked("a", "901"), linked("b", "902")}})
	taken := func(links ...ledger.Link) {
		e.Helper()
		_, err := settle(e.Context(), e.db, decided{Lease: l, Links: links})
		var t *settlement.TakenError
		if !errors.As(err, &t) {
			e.Fatalf("got %v, want a TakenError", err)
		}
		if t.ContactID != "901" || t.Holder != "a" || t.LeadID != "c" {
			e.Errorf("contact %s, holder %s, wanted by %s", t.ContactID, t.Holder, t.LeadID)
		}
		e.wants(err, lead.ErrDuplicate)
	}
	taken(linked("c", "901"))
	gone := linked("a", "901")
	gone.State = ledger.Gone
	e.settle(decided{Lease: l, Links: []ledger.Link{gone}})
	taken(linked("d", "904"), linked("c", "901"))
	goneToo := linked("c", "901")
	goneToo.State = ledger.Gone // one that people archived is its lead's still
	taken(goneToo)
	namesake, err := e.db.Acquire(e.Context(), "other", "one")
	e.must(err)
	same := linked("a", "901")
	same.Portal = "other" // a lead of another portal that has the same id
	_, err = settle(e.Context(), e.db, decided{Lease: namesake, Links: []ledger.Link{same}})
	var t *settlement.TakenError
	if !errors.As(err, &t) || t.Holder != "a" || t.Portal != portal || t.LeadID != "a" {
		e.Errorf("the namesake: %v, %+v", err, t)
	}
	e.must(namesake.Release(e.Context()))
	other := linked("a2", "901")
	other.HubID++
	e.settle(decided{Lease: l, Links: []ledger.Link{other}}) // another account

	passive := linked("a", "901")
	passive.State = ledger.Passive
	e.settle(decided{Lease: l, Links: []ledger.Link{linked("c", "901"), passive}}) // the one that gives it up may stand last
	none := linked("x", "")
	none.State = ledger.None
	none2 := none
	none2.LeadID = "y"
	e.settle(decided{Lease: l, Links: []ledger.Link{none, none2}})
	all, err := e.db.View(portal).LinksByContact(e.Context(), hub, []lead.ContactID{"901", "902", "999"})
	e.must(err)
	got := map[lead.ID]ledger.State{}
	for _, k := range all {
		got[k.LeadID] = k.State
	}
	if want := map[lead.ID]ledger.State{"a": ledger.Passive, "b": ledger.Linked, "c": ledger.Linked}; !maps.Equal(got, want) {
		e.Errorf("links by contact %v, want %v", got, want)
	}
	_, err = settle(e.Context(), e.db, decided{Lease: l, Links: []ledger.Link{linked("m", "950"), linked("n", "950")}})
	if t = nil; !errors.As(err, &t) || t.ContactID != "950" || t.Holder != "m" || t.LeadID != "n" {
		e.Errorf("two leads of one settlement: %v", err)
	}
}

func linksRoundTrip(e *env) {
	lease := e.acquire("one")
	full := ledger.Link{Portal: portal, HubID: hub, LeadID: "🦊 ☎", State: ledger.Linked, ContactID: "901", Address: "ada@example.com",
		Consent: ledger.Out, ConsentID: 7, OptOut: ledger.OptOut{At: 5, Evidenced: []string{"old@example.com"}, For: "old@example.com", Doubts: map[string]int64{"old@example.com": 9000}, NotBefore: 5000}, AppliedID: 12, ClosedAtID: 3, SecondLookAt: 4000, Fields: map[string]ledger.Field{
			"email":     {Sent: "ada@example.com", Seen: "ada@example.com", Shown: true, Set: 12},
			"firstname": {Sent: "Ada\x00 \"<é>\"\n", Seen: "Ada", Set: 11, Owed: true},
			"plan":      {Refused: "INVALID_OPTION"}}}
	bare := ledger.Link{Portal: portal, HubID: hub, LeadID: "b", Fields: map[string]ledger.Field{}}
	e.settle(decided{Lease: lease, Links: []ledger.Link{full, bare}})
	full.Remember()
	bare.Remember()
	m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{full.LeadID, bare.LeadID, "none", full.LeadID})
	e.must(err)
	if d := cmp.Diff(map[lead.ID]*ledger.Link{full.LeadID: &full, "b": &bare}, m); d != "" {
		e.Error(d)
	}
	by, err := e.db.View(portal).LinksByAddress(e.Context(), hub, []string{"ada@example.com", ""})
	e.must(err)
	if d := cmp.Diff([]ledger.Link{full}, by); d != "" {
		e.Error(d)
	}
	for at, want := range map[int64]int{3999: 0, 4000: 1} {
		look, err := e.db.View(portal).LinksToLookAt(e.Context(), hub, at, 10)
		e.must(err)
		if len(look) != want {
			e.Errorf("%d links to look at at %d, want %d", len(look), at, want)
		}
	}
	for at, want := range map[int64]int{4999: 0, 5000: 1} { // the present address is not evidenced
		owing, err := e.db.View(portal).LinksOwingOptOut(e.Context(), hub, at, 10)
		e.must(err)
		if len(owing) != want {
			e.Errorf("%d links owe an opt-out at %d, want %d", len(owing), at, want)
		}
	}
	full.Evidence(full.Address)
	e.settle(decided{Lease: lease, Links: []ledger.Link{full}})
	for at, want := range map[int64]int{8999: 0, 9000: 1} { // it is to be posted again
		owing, err := e.db.View(portal).LinksOwingOptOut(e.Context(), hub, at, 10)
		e.must(err)
		if len(owing) != want {
			e.Errorf("%d links are to be opted out again at %d, want %d", len(owing), at, want)
		}
	}
	full.SecondLookAt, full.ContactID, full.Fields = 0, "905", nil
	full.OptOut.Doubts = nil
	full.HearIn(9, 3, "old@example.com")
	e.settle(decided{Lease: lease, Links: []ledger.Link{full}})
	m, err = e.db.View(portal).Links(e.Context(), hub, []lead.ID{full.LeadID})
	e.must(err)
	if owing, err := e.db.View(portal).LinksOwingOptOut(e.Context(), hub, 1<<60, 10); err != nil || len(owing) != 0 {
		e.Errorf("%d links owe an opt-out after the resubscribe, %v", len(owing), err)
	}
	if k := m[full.LeadID]; k == nil || k.SecondLookAt != 0 || k.Consent != ledger.In || k.OptOut.At != 3 || k.OptOut.Evidenced != nil || k.ContactID != "905" || k.Fields == nil || len(k.Fields) != 0 {
		e.Errorf("replaced link is %+v", k)
	}
	for _, where := range []struct {
		portal string
		hub    int64
	}{{"other", hub}, {portal, hub + 1}} {
		if m, err := e.db.View(where.portal).Links(e.Context(), where.hub, []lead.ID{"b"}); err != nil || len(m) != 0 {
			e.Errorf("links of portal %s, account %d: %v, %v", where.portal, where.hub, m, err)
		}
	}
}

// linksThatOwe: leads that owe a value are found by lead, page by page, and counted; those without a contact owe
// nothing.
func linksThatOwe(e *env) {
	lease := e.acquire("one")
	link := func(id lead.ID, state ledger.State, values int) ledger.Link {
		l := linked(id, lead.ContactID("9"+id))
		l.State, l.Fields = state, map[string]ledger.Field{"firstname": {Sent: "x", Seen: "x", Shown: true}}
		for i := range values {
			l.Fields[fmt.Sprint("p", i)] = ledger.Field{Refused: "INVALID_OPTION", Left: &ledger.Left{Kind: 1, Text: "🦊\"\x00", ID: 7, At: 8}}
		}
		return l
	}
	other := link("a", ledger.Linked, 5)
	other.HubID++
	e.settle(decided{Lease: lease, Links: []ledger.Link{link("1", ledger.Linked, 1), link("2", ledger.Linked, 0), link("3", ledger.Linked, 2),
		link("4", ledger.Passive, 1), link("5", ledger.Linked, 1), other}})
	want := func(leads, fields int64, all ...lead.ID) {
		e.Helper()
		var found []lead.ID
		for after := lead.ID(""); ; {
			page, err := e.db.View(portal).LinksOwing(e.Context(), hub, after, 2)
			e.must(err)
			for i := range page {
				found = append(found, page[i].LeadID)
				if f := page[i].Fields["p0"]; f.Left == nil || *f.Left != (ledger.Left{Kind: 1, Text: "🦊\"\x00", ID: 7, At: 8}) {
					e.Errorf("lead %s owes %+v", page[i].LeadID, f.Left)
				}
			}
			if len(page) < 2 {
				break
			}
			after = page[1].LeadID
		}
		if !slices.Equal(found, all) {
			e.Errorf("%q owe something, want %q", found, all)
		}
		if o, err := e.db.Operator().Owed(e.Context(), portal, hub); err != nil || o != (store.Owed{Leads: leads, Fields: fields}) {
			e.Errorf("%+v are owed (%v), want %d leads and %d fields", o, err, leads, fields)
		}
	}
	want(3, 4, "1", "3", "5")
	e.settle(decided{Lease: lease, Links: []ledger.Link{link("1", ledger.Linked, 0), link("2", ledger.Linked, 3)}})
	want(3, 6, "2", "3", "5")
	e.must(own(e.db, lease, 0).Entomb(e.Context(), hub, settlement.Person{Lead: "3"}))
	want(2, 4, "2", "5")
}

// outByAddress: a link is found by every address, besides its own, of which it says that it is out, in its account, and
// no longer than it says so; a wipe takes it.
func outByAddress(e *env) {
	lease := e.acquire("one")
	found := func(hubID int64, address string, want ...lead.ID) {
		e.Helper()
		links, err := e.db.View(portal).LinksOutAt(e.Context(), hubID, address)
		e.must(err)
		got := []lead.ID{}
		for _, l := range links {
			got = append(got, l.LeadID)
		}
		slices.Sort(got)
		if !slices.Equal(got, append([]lead.ID{}, want...)) {
			e.Errorf("%s in %d: %v, want %v", address, hubID, got, want)
		}
	}
	write := func(id lead.ID, change func(*ledger.Link)) {
		e.Helper()
		link := linked(id, lead.ContactID("90"+id))
		m, err := e.db.View(portal).Links(e.Context(), hub, []lead.ID{id})
		e.must(err)
		if l := m[id]; l != nil {
			link = *l
		}
		change(&link)
		for range 2 { // the answer of the commit may be lost
			e.settle(decided{Lease: lease, Links: []ledger.Link{link}})
		}
	}
	write("1", func(l *ledger.Link) {
		l.Consent, l.Address = ledger.Out, "one@example.com"
		l.OptOut.Evidenced = []string{"one@example.com", "named@example.com"}
	})
	write("2", func(l *ledger.Link) {
		l.OptOut.Left = map[int64][]string{ledger.AllMail: {"named@example.com"}, 7: {"left@example.com"}}
	})
	found(hub, "one@example.com") // its own: LinksByAddress has it
	found(hub, "named@example.com", "1", "2")
	found(hub, "left@example.com", "2")
	found(hub+1, "named@example.com")
	write("1", func(l *ledger.Link) { l.Address = "two@example.com" })
	found(hub, "one@example.com", "1")
	write("1", func(l *ledger.Link) { l.OptOut.Evidenced = []string{"named@example.com"} })
	found(hub, "one@example.com")
	found(hub, "named@example.com", "1", "2")
	row := e.insertWith(`lead_id, event_type`, `$1, 'lead.erased'`, "2")
	e.must(own(e.db, lease, 0).Wipe(e.Context(), settlement.Person{Lead: "2", Row: row}, func(settlement.Wiped) string { return "" }))
	found(hub, "left@example.com")
	found(hub, "named@example.com", "1")
}

// unsubscribesAreFound: however many rows a lead has, by the time at which they were spoken; pending ones by the
// address that they name and by their lead.
func unsubscribesAreFound(e *env) {
	word := func(id, typ, address, state string, created, occurred int64) {
		e.Helper()
		e.insertWith(`lead_id, event_type, email, state, created_at, occurred_at`, `$1, $2, $3, $4, $5, $6`, id, typ, address, state, created, occurred)
	}
	word("a", "lead.unsubscribed", "", "delivered", 5000, 3000)
	word("a", "lead.unsubscribed", "", "skipped", 9000, 9000)
	word("b", "lead.unsubscribed", "", "dead", 5000, 7000)
	word("a", "lead.updated", "named@example.com", "pending", 9000, 9000)
	word("c", "lead.unsubscribed", " Named@Example.com", "pending", 1, 1)
	word("d", "lead.unsubscribed", "old@example.com", "delivered", 1, 1)
	word("e", "lead.unsubscribed", "\u00c4rger@example.com", "pending", 1, 1)
	e.insertWith(`lead_id, event_type, email, portal`, `'f', 'lead.unsubscribed', 'other@example.com', 'other'`)
	e.insertWith(`event_type, email`, `'lead.unsubscribed', 'nobodys@example.com'`)
	for range 300 {
		word("a", "lead.updated", "", "delivered", 9000, 9000)
	}
	for _, c := range []struct {
		id    lead.ID
		since int64
		want  bool
	}{{"a", 3000, true}, {"a", 3001, false}, {"b", 5000, true}, {"b", 5001, false}, {"A", 0, false}, {"x", 0, false}} {
		got, err := e.db.View(portal).SpokeOut(e.Context(), c.id, c.since)
		e.must(err)
		if got != c.want {
			e.Errorf("%s since %d: %t", c.id, c.since, got)
		}
	}
	for _, c := range []struct {
		leads   []lead.ID
		address string
		but     lead.ID
		want    bool
	}{
		{nil, "named@example.com", "a", true}, {nil, "named@example.com", "c", false}, {nil, "old@example.com", "a", false},
		{nil, "\u00e4rger@example.com", "a", true}, {nil, "other@example.com", "a", false}, {nil, "nobodys@example.com", "a", true},
		{[]lead.ID{"a", "b"}, "x@example.com", "", false}, {[]lead.ID{"a", "c"}, "x@example.com", "", true},
	} {
		got, err := e.db.View(portal).PendingOptOut(e.Context(), c.leads, c.address, c.but)
		e.must(err)
		if got != c.want {
			e.Errorf("%v, %s, but %s: %t", c.leads, c.address, c.but, got)
		}
	}
}
