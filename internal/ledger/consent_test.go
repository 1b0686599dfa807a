package ledger

import (
	"slices"
	"testing"
)

// The lane has work without a row while the lead is out and its contact's present address is not evidenced, whoever changed it.
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
	if !l.HearOut(5, 1000, 9000) || l.HearOut(5, 1000, 9000) || l.HearOut(4, 2000, 9000) {
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
	l.HearOut(6, 1500, 9000)
	due(true, "another unsubscribe asks for evidence of its own")
	l.HearIn(7, 2000)
	due(false, "in")
	if l.Consent != In || l.ConsentID != 7 || l.Evidenced(there) {
		t.Errorf("%+v", l)
	}
	l.State = Gone
	l.HearOut(8, 3000, 9000)
	due(false, "without a contact nobody can be mailed")
	l.State, l.ContactID = Passive, "9"
	due(true, "merged into another contact")
	l.OptOut.Survivor = "9"
	due(false, "the address of that contact is opted out")
}

// A SUBSCRIBED in doubt makes the next opt-out be posted twice, also when it was pulled or said before the doubt is over.
func TestG7DoubtSurvivesTheNextWord(t *testing.T) {
	l := &Link{State: Linked, Address: "a@example.com"}
	l.OptOut.Doubt = 100
	l.HearOut(5, 200, 9000)
	l.Evidence("a@example.com")
	if l.OptOutDue() != 9000 {
		t.Errorf("due at %d, want the second posting", l.OptOutDue())
	}
	l.HearOut(6, 300, 9500)
	l.Evidence("a@example.com")
	if l.OptOutDue() != 9500 {
		t.Errorf("after another word: due at %d", l.OptOutDue())
	}
	other := &Link{OptOut: OptOut{Doubt: 100}}
	if !other.OptedOutThere("a@example.com", 50) || other.OptOut.Doubt == 0 || other.OptedOutThere("a@example.com", 60) {
		t.Errorf("%+v", other)
	}
}

// What HubSpot shows is stricter than any word of ours, and is news once.
func TestG7OptedOutThere(t *testing.T) {
	l := &Link{}
	l.HearIn(3, 10)
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
