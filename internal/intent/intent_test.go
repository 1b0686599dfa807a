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
	if in.Changes["x"].Canon != "2" || in.Changes["x"].Set != 2 || in.Changes["y"].Canon != "" || in.Changes["y"].Set != 4 {
		t.Errorf("%+v", in.Changes)
	}
	if in.Address == nil || in.Address.Canon != "b" || in.Address.Set != 2 {
		t.Errorf("address %+v", in.Address)
	}
	if Fold(rows, nil).Address.Canon != "c" || Fold(rows, blocked("a", "b", "c")).Address != nil {
		t.Error("the blocked addresses")
	}
}

// What a later event has set, and what HubSpot is known to hold, is not written; unchanged is proved only when every
// row that carries the field agrees with the ledger.
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

// A copy may lose changes that the fold keeps, and gains what settled rows said before a contact went away; never the
// address.
func TestCloneAndRestore(t *testing.T) {
	in := Fold([]*Row{testRow(1, "a", "x", "1")}, nil)
	c := in.Clone()
	delete(c.Changes, "x")
	c.RestoreFromLedger(map[string]ledger.Field{"x": {Sent: "0", Set: 3}, "y": {Sent: "2", Set: 4}, "z": {Sent: "3"}, "w": {},
		ledger.AddressField: {Sent: "b"}}, map[string]bool{"z": true})
	if len(in.Changes) != 1 || len(c.Changes) != 2 || c.Changes["x"] != (Change{Property: "x", Send: "0", Canon: "0", Set: 3}) {
		t.Errorf("%+v, of %+v", c.Changes, in.Changes)
	}
	c = in.Clone()
	if c.RestoreFromLedger(map[string]ledger.Field{"x": {Sent: "0", Set: 3}}, nil); c.Changes["x"].Send != "1" {
		t.Error("the row's value counts")
	}
	if c.Empty() || !c.HasAny(map[string]bool{"x": true}) || !c.HasAny(map[string]bool{ledger.AddressField: true}) || c.HasAny(map[string]bool{"y": true}) {
		t.Error("what is to be written")
	}
}

// A delete of a value that HubSpot may hold without our knowing asks for a reading; a registration counts when it is
// newer.
func TestClearsUnknownFieldAndRegistered(t *testing.T) {
	l := &ledger.Link{Fields: map[string]ledger.Field{"x": {Sent: "1"}}}
	if Fold([]*Row{testRow(1, "", "x", "", "y", "1")}, nil).ClearsUnknownField(l) || !Fold([]*Row{testRow(1, "", "z", "")}, nil).ClearsUnknownField(l) {
		t.Error("clears an unknown field")
	}
	r := testRow(5, "")
	r.Event = outbox.Registered
	if in := Fold([]*Row{testRow(4, ""), r}, nil); !in.Registered(4) || in.Registered(5) {
		t.Error("registered")
	}
}

// What HubSpot holds against the ledger, or what the application may not know, is not dropped for what the ledger says.
func TestDropCurrent(t *testing.T) {
	l := &ledger.Link{Fields: map[string]ledger.Field{"x": {Sent: "A", Seen: "B"}, ledger.AddressField: {Sent: "a", Seen: "a"}}}
	for _, c := range []struct {
		value   string
		late    map[string]string
		unheard map[string]bool
		dropped bool
	}{
		{"A", nil, nil, true},
		{"B", nil, nil, true},
		{"C", nil, nil, false},
		{"A", map[string]string{"x": "C"}, nil, false},
		{"C", map[string]string{"x": "C"}, nil, true},
		{"A", nil, map[string]bool{"x": true}, false},
		{"B", nil, map[string]bool{"x": true}, true},
	} {
		in := Fold([]*Row{testRow(7, "a", "x", c.value)}, nil)
		if in.DropCurrent(l, c.late, c.unheard); in.Empty() != c.dropped || in.Address != nil {
			t.Errorf("%+v: left %+v", c, in)
		}
	}
}

// All that the rows want a property to have, in id order.
func TestPendingValues(t *testing.T) {
	rows := []*Row{testRow(1, "a", "x", "1"), testRow(2, "", "y", "1"), testRow(3, "b", "x", "2")}
	if got := PendingValues(rows, "x"); !slices.Equal(got, []ledger.Pending{{Canon: "1", ID: 1}, {Canon: "2", ID: 3}}) {
		t.Errorf("%+v", got)
	}
	if got := PendingValues(rows, ledger.AddressField); !slices.Equal(got, []ledger.Pending{{Canon: "a", ID: 1}, {Canon: "b", ID: 3}}) {
		t.Errorf("%+v", got)
	}
}
