package ledger

import (
	"slices"
	"testing"
)

// The lane has work without a row while the lead is out and its contact's present address is not evidenced, whoever
// changed it.
func TestG7OptOutDue(t *testing.T) {
	l := &Link{State: Linked, ContactID: "7"}
	there := "old@example.com"
	l.Wrote(AddressField, there, 1, &there)
	due := func(want bool, when string) {
		t.Helper()
		if (l.OptOutDue() != 0) != want {
			t.Errorf("%s: due at %d", when, l.OptOutDue())
		}
	}
	due(false, "nobody has said anything")
	if !l.HearOut(5, 1000, "") || l.HearOut(5, 1000, "") || l.HearOut(4, 500, "") {
		t.Error("the same word, or an older one, is heard again")
	}
	due(true, "out")
	l.Evidence("old@example.com")
	l.Evidence("old@example.com")
	due(false, "evidenced")
	if len(l.OptOut.Evidenced) != 1 {
		t.Errorf("evidenced %v", l.OptOut.Evidenced)
	}
	there = "new@example.com"
	l.Merge(Reading{Property: AddressField, Canon: there, Told: true})
	due(true, "the address was changed in HubSpot")
	l.OptOut.NotBefore = 4000
	if l.OptOutDue() != 4000 {
		t.Errorf("due at %d", l.OptOutDue())
	}
	l.Evidence(there)
	due(false, "both addresses are evidenced")
	l.HearOut(6, 1500, "")
	due(true, "another unsubscribe asks for evidence of its own")
	l.HearIn(7, 2000, there)
	due(false, "in")
	if l.Consent != In || l.ConsentID != 7 || l.Evidenced(there) {
		t.Errorf("%+v", l)
	}
	l.State = Gone
	l.HearOut(8, 3000, "")
	due(false, "without a contact nobody can be mailed")
	l.State, l.ContactID = Passive, "9"
	due(true, "merged into another contact")
	l.OptOut.Survivor = "9"
	due(false, "the address of that contact is opted out")
}

// A SUBSCRIBED in doubt stays in doubt whatever is said after it, in HubSpot too; the lane has work once it can be
// carried out no more.
func TestG7DoubtSurvivesEveryWord(t *testing.T) {
	const a = "a@example.com"
	for name, word := range map[string]func(*Link){
		"out":               func(l *Link) { l.HearOut(5, 200, "") },
		"out, late":         func(l *Link) { l.HearIn(9, 100, a); l.HearOut(5, 200, "") },
		"in":                func(l *Link) { l.HearIn(5, 200, a) },
		"out, in, out":      func(l *Link) { l.HearOut(5, 200, ""); l.HearIn(6, 300, a); l.HearOut(7, 400, "") },
		"out there":         func(l *Link) { l.OptedOutThere(a, 50) },
		"evidence":          func(l *Link) { l.HearOut(5, 200, ""); l.Evidence(a) },
		"a second one":      func(l *Link) { l.MayResubscribe(a, 8000) },
		"of another adress": func(l *Link) { l.MayResubscribe("b@example.com", 9500) },
	} {
		l := &Link{State: Linked, Address: a}
		l.MayResubscribe(a, 9000)
		word(l)
		if l.Evidence(a); l.OptOutDue() != 9000 {
			t.Errorf("%s: due at %d", name, l.OptOutDue())
		}
		if got := l.Doubted(8999); len(got) != 0 {
			t.Errorf("%s: %v too early", name, got)
		}
		if got := l.Doubted(9000); !slices.Equal(got, []string{a}) {
			t.Errorf("%s: %v", name, got)
		}
		c := l.Clone()
		if c.Doubt(a, 0); len(l.Doubted(9000)) != 1 || len(c.Doubted(9000)) != 0 {
			t.Errorf("%s: the copy and the original have one doubt", name)
		}
	}
}

// The link knows the latest opt-out, in whatever order its words are heard: the evidence of a resubscribe must be newer
// than all.
func TestG7LatestOptOutCounts(t *testing.T) {
	for _, order := range [][]int64{{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}} {
		l := &Link{}
		for _, id := range order {
			l.HearOut(id, map[int64]int64{1: 100, 2: 900, 3: 500}[id], "")
		}
		if l.Consent != Out || l.ConsentID != 3 || l.OptOut.At != 900 {
			t.Errorf("%v: %+v", order, l)
		}
	}
	l := &Link{}
	if l.OptedOutThere("a@example.com", 100); l.OptedOutThere("a@example.com", 700) || l.OptOut.At != 700 {
		t.Errorf("seen twice: %+v", l.OptOut)
	}
}

// An opt-out that comes late is stronger than a resubscribe whose evidence is not newer, as when both are read
// together.
func TestG7LateOptOut(t *testing.T) {
	for at, out := range map[int64]bool{99: false, 100: true, 101: true} {
		l := &Link{}
		l.HearOut(2, 50, "")
		l.HearIn(6, 100, "a@example.com")
		if outlives := l.Outlives(5, at); outlives == out || l.HearOut(5, at, "") != out || (l.Consent == Out) != out || l.ConsentID != 6 {
			t.Errorf("spoken at %d: outlived %t, %+v", at, outlives, l)
		}
	}
}

// What HubSpot shows is stricter than any word of ours, and is news once.
func TestG7OptedOutThere(t *testing.T) {
	l := &Link{}
	l.HearIn(3, 10, "a@example.com")
	if !l.OptedOutThere("a@example.com", 20) || l.Consent != Out || l.ConsentID != 3 || l.OptOut.At != 20 || !l.Evidenced("a@example.com") {
		t.Errorf("%+v", l)
	}
	if l.OptedOutThere("b@example.com", 30) || !slices.Equal(l.OptOut.Evidenced, []string{"a@example.com", "b@example.com"}) {
		t.Errorf("%+v", l)
	}
	c := l.Clone()
	c.Evidence("c@example.com")
	if l.Evidenced("c@example.com") {
		t.Error("a change of the copy reached the original")
	}
}

// An erase searches for every address that a link's consent names.
func TestOptOutNamesAllItsAddresses(t *testing.T) {
	o := OptOut{For: "for@example.com", Evidenced: []string{"evidenced@example.com"}, Left: map[int64][]string{AllMail: {"left@example.com"}, 7: {"type@example.com"}},
		Doubts: map[string]int64{"doubt@example.com": 1}}
	o.Moved("former@example.com", "for@example.com")
	o.Moved("former@example.com", "for@example.com")
	o.Moved("", "for@example.com")
	o.Moved("for@example.com", "for@example.com")
	got := o.Addresses()
	slices.Sort(got)
	if want := []string{"doubt@example.com", "evidenced@example.com", "for@example.com", "former@example.com", "left@example.com", "type@example.com"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if o.Asked("former@example.com"); len(o.Former) != 0 {
		t.Errorf("asked, and still there: %v", o.Former)
	}
}

// An address of before is asked about at once, or when its own wait is over, whatever else the link waits for; no word
// forgets it.
func TestOptOutFormerIsDue(t *testing.T) {
	l := &Link{State: Passive, OptOut: OptOut{Former: []string{"former@example.com"}, NotBefore: 9000}}
	if due := l.OptOutDue(); due != 1 {
		t.Errorf("due at %d, want at once", due)
	}
	l.OptOut.FormerAt = 500
	l.HearOut(7, 7, "")
	l.HearIn(8, 8, "present@example.com")
	l.OptedOutThere("present@example.com", 9)
	if due := l.OptOutDue(); due != 500 || len(l.OptOut.Former) != 1 {
		t.Errorf("due at %d, %v", due, l.OptOut.Former)
	}
	if !l.CutWaits(100, 50, 50) || l.OptOut.FormerAt != 100 {
		t.Errorf("after the clock was set back it waits for %d", l.OptOut.FormerAt)
	}
}
