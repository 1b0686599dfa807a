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
	var t *settlement.TakenError
	if !errors.As(err, &t) || t.ContactID != "950" || t.Holder != "m" || t.LeadID != "n" {
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

// linksThatOwe: leads that owe a value are found by lead, page by page, and counted; those without a contact owe nothing.
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
