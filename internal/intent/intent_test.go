package intent

import (
	"slices"
	"testing"

	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

func testRow(id outbox.EntryID, address string, values ...string) *Row {
	r := &Row{Entry: &outbox.Entry{ID: id}, Address: address, Event: outbox.Updated}
	for i := 0; i < len(values); i += 2 {
		r.Values = append(r.Values, mapping.Value{Property: values[i], Send: values[i+1], Canon: values[i+1]})
	}
	return r
}

func blocked(addresses ...string) func(string) bool {
	return func(a string) bool { return slices.Contains(addresses, a) }
}

// The last word of each field counts, and of the address the last one that may be written.
func TestFold(t *testing.T) {
	rows := []*Row{testRow(1, "a", "x", "1", "y", "1"), testRow(2, "b", "x", "2"), testRow(3, "c"), testRow(4, "", "y", "")}
	in := Fold(rows, blocked("c"))
	if in.Changes["x"].Canon != "2" || in.Changes["x"].Num() != 2 || in.Changes["y"].Canon != "" || in.Changes["y"].Num() != 4 {
		t.Errorf("%+v", in.Changes)
	}
	if in.Address == nil || in.Address.Canon != "b" || in.Address.Num() != 2 {
		t.Errorf("address %+v", in.Address)
	}
	if Fold(rows, nil).Address.Canon != "c" || Fold(rows, blocked("a", "b", "c")).Address != nil {
		t.Error("the blocked addresses")
	}
}

// What a later event has set, and what HubSpot is known to hold, is not written; unchanged is proved only when every row that carries
// the field agrees with the ledger.
func TestFoldAgainstTheLedger(t *testing.T) {
	l := &ledger.Link{State: ledger.Linked, Fields: map[string]ledger.Field{
		"x": {Sent: "A", Seen: "A", Shown: true, Set: 5}, "y": {Sent: "B", Seen: "b", Shown: true, Set: 1}}}
	in := Fold([]*Row{testRow(3, "", "x", "old"), testRow(6, "", "y", "b")}, nil)
	in.DropOvertaken(l)
	in.DropCurrent(l, nil, nil)
	if !in.Empty() {
		t.Errorf("left to write: %+v", in.Changes)
	}
	for _, c := range []struct {
		rows []*Row
		want bool
	}{
		{[]*Row{testRow(6, "", "x", "A")}, true},
		{[]*Row{testRow(6, "", "x", "B"), testRow(7, "", "x", "A")}, false}, // B may have been applied
		{[]*Row{testRow(3, "", "x", "B"), testRow(7, "", "x", "A")}, true},  // B is overtaken
		{[]*Row{testRow(6, "", "y", "B")}, true},                            // as sent
	} {
		if got := KnownUnchanged(c.rows, l); got != c.want {
			t.Errorf("proved is %t of rows %d…", got, c.rows[0].ID)
		}
	}
	if !testRow(3, "", "x", "q").Overtaken(l) || testRow(3, "", "x", "q", "z", "q").Overtaken(l) || testRow(3, "").Overtaken(l) {
		t.Error("overtaken")
	}
}

// A note names properties and codes: no value, no address, nothing that an application used as a key by mistake.
func TestOmittedNote(t *testing.T) {
	left := []mapping.LeftOut{{Property: "plan", Code: "PROPERTY_DOESNT_EXIST"}, {Property: "ada@example.com", Code: "PROPERTY_DOESNT_EXIST"}, {Property: "age", Code: "INVALID_INTEGER"}}
	if got, want := OmittedNote(left), "left out: (odd name) (PROPERTY_DOESNT_EXIST), age (INVALID_INTEGER), plan (PROPERTY_DOESNT_EXIST)"; got != want {
		t.Errorf("note %q, want %q", got, want)
	}
}
