package ledger

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// Each verdict of the three-way comparison, with what it leaves in the ledger.
func TestMerge(t *testing.T) {
	seen := func(v string, set int64) Field { return Field{Sent: v, Seen: v, Shown: true, Set: set} }
	// told is a value that the application was told and may not know yet, with the one that it knows.
	told := func(v string, set int64, base string) Field {
		return Field{Sent: v, Seen: v, Shown: true, Set: set, Told: true, Base: base}
	}
	// untold is a value of HubSpot's that the application is not told of, with the one that it knows.
	untold := func(v string, set int64, base string) Field {
		return Field{Sent: v, Seen: v, Shown: true, Set: set, Untold: true, Base: base}
	}
	for _, c := range []struct {
		name    string
		field   Field
		reading Reading
		verdict Verdict
		want    Field
	}{
		{"nothing changed", seen("A", 5), Reading{Canon: "A", Told: true, Top: 9}, Same, seen("A", 5)},
		{"an answer that is now shown", Field{Sent: "A", Seen: "A", Set: 5}, Reading{Canon: "A"}, Same, seen("A", 5)},
		{"changed only there", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9}, Theirs, told("B", 10, "A")},
		{"changed only there, in a field the application never hears of", seen("A", 5), Reading{Canon: "B", Top: 9}, Recorded, untold("B", 5, "A")},
		{"changed there once more, in such a field", untold("B", 5, "A"), Reading{Canon: "C", Top: 9}, Recorded, untold("C", 5, "A")},
		{"changed back there, in such a field", untold("B", 5, "A"), Reading{Canon: "A", Top: 9}, Recorded, seen("A", 5)},
		{"the field comes to be told", untold("B", 5, "A"), Reading{Canon: "B", Told: true, Top: 9}, Theirs, told("B", 10, "A")},
		{"the field comes to be told, and was changed since", untold("B", 5, "A"), Reading{Canon: "C", Told: true, Top: 9}, Theirs, told("C", 10, "A")},
		{"the field comes to be told, and was changed back", untold("B", 5, "A"), Reading{Canon: "A", Told: true, Top: 9}, Same, seen("A", 5)},
		{"the field comes to be told, and the application wins", untold("B", 5, "A"), Reading{Canon: "B", Told: true, Top: 9, Pending: []Pending{{"C", 7}}},
			AppWins, Field{Sent: "B", Seen: "B", Shown: true, Set: 5, Owed: true}},
		{"the field comes to be told, and HubSpot wins", untold("B", 5, "A"), Reading{Canon: "B", Told: true, Top: 9, Winner: HubSpot,
			Pending: []Pending{{"C", 7}}}, HubWins, told("B", 10, "A")},
		{"a field that is not told keeps the application's word, also the old one", untold("B", 5, "A"), Reading{Canon: "C", Top: 9,
			Pending: []Pending{{"A", 7}}}, AppWins, untold("C", 5, "A")},
		{"a pending row's own value", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9, Pending: []Pending{{"B", 7}}}, Ours, seen("B", 7)},
		{"an older of two pending values, applied before a crash", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9,
			Pending: []Pending{{"B", 7}, {"A", 8}}}, Ours, seen("B", 7)},
		{"a pending row that a later event has overtaken is no excuse", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9,
			Pending: []Pending{{"B", 3}}}, Theirs, told("B", 10, "A")},
		{"both changed, the application wins", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9, Pending: []Pending{{"C", 7}}},
			AppWins, Field{Sent: "B", Seen: "B", Shown: true, Set: 5, Owed: true}},
		{"both changed, the application wins and is never told", seen("A", 5), Reading{Canon: "B", Top: 9, Pending: []Pending{{"C", 7}}},
			AppWins, untold("B", 5, "A")},
		{"both changed, HubSpot wins", seen("A", 5), Reading{Canon: "B", Told: true, Top: 9, Winner: HubSpot, Pending: []Pending{{"C", 7}}},
			HubWins, told("B", 10, "A")},
		{"both changed, HubSpot's value stays, in a field the application never hears of", seen("A", 5), Reading{Canon: "B", Top: 9, Winner: HubSpot,
			Pending: []Pending{{"C", 7}}}, HubKeeps, untold("B", 10, "C")},
		{"first link, set there only", Field{}, Reading{Canon: "B", Told: true}, Theirs, told("B", 1, "")},
		{"first link, set on both", Field{}, Reading{Canon: "B", Told: true, Top: 7, Pending: []Pending{{"C", 7}}},
			AppWins, Field{Sent: "B", Seen: "B", Shown: true, Owed: true}},
	} {
		l := &Link{Fields: map[string]Field{"phone": c.field}}
		c.reading.Property = "phone"
		if got := l.Merge(c.reading); got != c.verdict {
			t.Errorf("%s: verdict %d, want %d", c.name, got, c.verdict)
		}
		if got := l.Field("phone"); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: field %+v, want %+v", c.name, got, c.want)
		}
	}
}

// HubSpot may trim, sanitise or refuse what was sent: unchanged is what was sent or what was seen, and the echo is what
// was seen.
func TestWroteAndHolds(t *testing.T) {
	l := &Link{}
	kept := "customer"
	if l.Wrote("lifecyclestage", "lead", 4, &kept) {
		t.Error("an answer that shows another value counts as taken")
	}
	f := l.Field("lifecyclestage")
	if !f.Holds("lead") || !f.Holds("customer") || f.Holds("subscriber") {
		t.Errorf("%+v holds the wrong values", f)
	}
	if v := l.Merge(Reading{Property: "lifecyclestage", Canon: "customer", Told: true}); v != Same {
		t.Errorf("the value HubSpot kept comes back as %d, want the same", v)
	}
	l.Wrote("phone", "1", 5, nil)
	if !l.Unshown() {
		t.Error("a value that no answer showed is not marked")
	}
	l.Merge(Reading{Property: "phone", Canon: "1"})
	if l.Unshown() {
		t.Error("a value that was read is still marked")
	}
}

func TestAddressFollowsItsField(t *testing.T) {
	l := &Link{}
	there := "ada@example.com"
	l.Wrote(AddressField, "ada@example.com", 1, &there)
	if l.Address != there {
		t.Errorf("address %q", l.Address)
	}
	l.Merge(Reading{Property: AddressField, Canon: "king@example.com", Told: true})
	if l.Address != "king@example.com" {
		t.Errorf("after a change made in HubSpot: address %q", l.Address)
	}
}

// A value of HubSpot's that lost to a pending row is told when that row is gone without having been written.
func TestOwed(t *testing.T) {
	l := &Link{Fields: map[string]Field{"phone": {Sent: "A", Seen: "A", Shown: true, Set: 1}}}
	l.Merge(Reading{Property: "phone", Canon: "B", Told: true, Pending: []Pending{{"C", 2}}})
	if got := l.Owes(func(string, int64) bool { return true }); len(got) != 0 {
		t.Errorf("told while the row waits: %v", got)
	}
	if got := l.Owes(func(string, int64) bool { return false }); got["phone"] != "B" {
		t.Errorf("owes %v, want phone B", got)
	}
	if got := l.Owes(func(string, int64) bool { return false }); len(got) != 0 {
		t.Errorf("told twice: %v", got)
	}
}

func TestClone(t *testing.T) {
	l := &Link{Fields: map[string]Field{"a": {Set: 1}}}
	c := l.Clone()
	c.Raise("a", 9)
	c.Refuse("b", "X")
	if l.Overtaken("a", 5) || len(l.Fields) != 1 {
		t.Error("a change of the copy reached the original")
	}
}

// Whatever the ledger meets, the order of a field never goes back, and a value that was taken from HubSpot stands above
// every row.
func TestG2SetNeverGoesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &Link{}
		value := rapid.SampledFrom([]string{"", "A", "B", "C"})
		id := rapid.Int64Range(1, 20)
		var top int64
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before := l.Field("p").Set
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				n := id.Draw(t, "id")
				top = max(top, n)
				if l.Overtaken("p", n) {
					continue
				}
				shown := value.Draw(t, "shown")
				l.Wrote("p", value.Draw(t, "value"), n, &shown)
			case 1:
				n := id.Draw(t, "id")
				top = max(top, n)
				l.Raise("p", n)
			case 2:
				l.Refuse("p", "X")
			case 3:
				var pending []Pending
				for n := before; n <= before+2; n++ {
					if rapid.Bool().Draw(t, "pending") {
						pending = append(pending, Pending{value.Draw(t, "own"), n})
						top = max(top, n)
					}
				}
				r := Reading{Property: "p", Canon: value.Draw(t, "there"), Pending: pending, Top: top, Told: rapid.Bool().Draw(t, "told"),
					Winner: rapid.SampledFrom([]Winner{App, HubSpot}).Draw(t, "winner")}
				v := l.Merge(r)
				if f := l.Field("p"); f.Seen != r.Canon {
					t.Fatalf("after a reading of %q the ledger has seen %q", r.Canon, f.Seen)
				} else if v.Tell() && f.Set <= top {
					t.Fatalf("told value stands at %d, a row has %d", f.Set, top)
				} else if v.Tell() && !r.Told {
					t.Fatal("the application is told of a field it never hears of")
				}
			}
			if now := l.Field("p").Set; now < before {
				t.Fatalf("the order went back from %d to %d", before, now)
			}
		}
	})
}
