package push

import (
	"io"
	"log/slog"
	"slices"
	"testing"

	"leadsync/internal/batch"
	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func testRow(id outbox.EntryID, address string, values ...string) *row {
	r := &row{Entry: &outbox.Entry{ID: id}, addr: address, typ: outbox.Updated}
	for i := 0; i < len(values); i += 2 {
		r.values = append(r.values, mapping.Value{Property: values[i], Send: values[i+1], Canon: values[i+1]})
	}
	return r
}

func blocked(addresses ...string) func(string) bool {
	return func(a string) bool { return slices.Contains(addresses, a) }
}

// The last word of each field counts, and of the address the last one that may be written.
func TestFold(t *testing.T) {
	rows := []*row{testRow(1, "a", "x", "1", "y", "1"), testRow(2, "b", "x", "2"), testRow(3, "c"), testRow(4, "", "y", "")}
	in := fold(rows, blocked("c"))
	if in.changes["x"].canon != "2" || in.changes["x"].id() != 2 || in.changes["y"].canon != "" || in.changes["y"].id() != 4 {
		t.Errorf("%+v", in.changes)
	}
	if in.addr == nil || in.addr.canon != "b" || in.addr.id() != 2 {
		t.Errorf("address %+v", in.addr)
	}
	if fold(rows, nil).addr.canon != "c" || fold(rows, blocked("a", "b", "c")).addr != nil {
		t.Error("the blocked addresses")
	}
}

// What a later event has set, and what HubSpot is known to hold, is not written; unchanged is proved only when every row that carries
// the field agrees with the ledger.
func TestFoldAgainstTheLedger(t *testing.T) {
	l := &ledger.Link{State: ledger.Linked, Fields: map[string]ledger.Field{
		"x": {Sent: "A", Seen: "A", Shown: true, Set: 5}, "y": {Sent: "B", Seen: "b", Shown: true, Set: 1}}}
	in := fold([]*row{testRow(3, "", "x", "old"), testRow(6, "", "y", "b")}, nil)
	in.dropOvertaken(l)
	in.dropHeld(l, nil, nil)
	if !in.empty() {
		t.Errorf("left to write: %+v", in.changes)
	}
	for _, c := range []struct {
		rows []*row
		want bool
	}{
		{[]*row{testRow(6, "", "x", "A")}, true},
		{[]*row{testRow(6, "", "x", "B"), testRow(7, "", "x", "A")}, false}, // B may have been applied
		{[]*row{testRow(3, "", "x", "B"), testRow(7, "", "x", "A")}, true},  // B is overtaken
		{[]*row{testRow(6, "", "y", "B")}, true},                            // as sent
	} {
		if got := proved(c.rows, l); got != c.want {
			t.Errorf("proved is %t of rows %d…", got, c.rows[0].ID)
		}
	}
	if !testRow(3, "", "x", "q").overtaken(l) || testRow(3, "", "x", "q", "z", "q").overtaken(l) || testRow(3, "").overtaken(l) {
		t.Error("overtaken")
	}
}

// A note names properties and codes: no value, no address, nothing that an application used as a key by mistake.
func TestNotes(t *testing.T) {
	left := []mapping.LeftOut{{Property: "plan", Code: "PROPERTY_DOESNT_EXIST"}, {Property: "ada@example.com", Code: "PROPERTY_DOESNT_EXIST"}, {Property: "age", Code: "INVALID_INTEGER"}}
	if got, want := leftNote(left), "left out: (odd name) (PROPERTY_DOESNT_EXIST), age (INVALID_INTEGER), plan (PROPERTY_DOESNT_EXIST)"; got != want {
		t.Errorf("note %q, want %q", got, want)
	}
	if got := heldBy("ada@example.com"); got != "another contact has the address" {
		t.Errorf("note %q", got)
	}
	if got := heldBy("42"); got != "held by contact 42" {
		t.Errorf("note %q", got)
	}
}

// What a refusal may be about decides whether the address is looked up.
func TestMaybeTaken(t *testing.T) {
	for _, c := range []struct {
		details []hubspot.Detail
		want    bool
	}{
		{nil, true},
		{[]hubspot.Detail{{Code: "INVALID_EMAIL"}}, false},
		{[]hubspot.Detail{{Code: "INVALID_EMAIL", Properties: []string{"email"}}}, false},
		{[]hubspot.Detail{{Code: "CONFLICTING_UNIQUE_VALUE", Properties: []string{"email"}}}, true},
		{[]hubspot.Detail{{Code: "INVALID_OPTION", Properties: []string{"plan"}}}, false},
	} {
		if got := maybeTaken(batch.Refusal{Details: c.details}); got != c.want {
			t.Errorf("%v: %t", c.details, got)
		}
	}
}
