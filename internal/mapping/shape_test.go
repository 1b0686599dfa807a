package mapping

import (
	"fmt"
	"testing"

	"leadsync/internal/hubspot"
)

func TestChangedSince(t *testing.T) {
	options := func(values ...string) (all []hubspot.Option) {
		for _, v := range values {
			all = append(all, hubspot.Option{Value: v, Label: v})
		}
		return all
	}
	table := New([]Field{{Lead: "plan", Contact: "plan"}, {Lead: "size", Contact: "size"}, {Lead: "stage", Contact: "stage", Direction: Pull}, {Lead: "gone", Contact: "gone"},
		{Lead: "owner", Contact: "owner"}, {Lead: "same", Contact: "same"}}, "key")
	before := table.With([]hubspot.Property{
		{Name: "plan", Type: "enumeration", FieldType: "select", Options: options("a", "b", "c", "d", "e", "f", "g")},
		{Name: "size", Type: "string", FieldType: "text"},
		{Name: "stage", Type: "enumeration", FieldType: "select", Options: options("x", "y")},
		{Name: "gone", Type: "string", FieldType: "text"},
		{Name: "owner", Type: "enumeration", FieldType: "select", Options: options("1")},
		{Name: "same", Type: "enumeration", FieldType: "select", Options: options("p", "q")},
		{Name: "key", Type: "string", FieldType: "text", HasUniqueValue: true},
		{Name: "unmapped", Type: "string", FieldType: "text"},
	}).Shapes()
	if _, there := before["unmapped"]; there || len(before) != 7 {
		t.Errorf("remembered %v, want the six fields and the id property", before)
	}
	after := table.With([]hubspot.Property{
		{Name: "plan", Type: "enumeration", FieldType: "select", Options: options("a", "new")},
		{Name: "size", Type: "number", FieldType: "number"},
		{Name: "stage", Type: "enumeration", FieldType: "select", Options: options("x")},
		{Name: "owner", Type: "enumeration", FieldType: "select"}, // a list kept elsewhere
		{Name: "same", Type: "enumeration", FieldType: "select", Options: options("q", "p")},
		{Name: "key", Type: "number", FieldType: "number", HasUniqueValue: true},
	})
	got := fmt.Sprint(after.ChangedSince(before))
	want := "[mapping.fields plan -> plan: OPTION_REMOVED (b, c, d, e, f and 1 more) mapping.fields size -> size: TYPE_CHANGED (string/text became number/number)" +
		" mapping.id_property key: TYPE_CHANGED (string/text became number/number)]"
	if got != want {
		t.Errorf("changed:\n%s\nwant:\n%s", got, want)
	}
	if again := after.ChangedSince(after.Shapes()); len(again) != 0 {
		t.Errorf("nothing changed and %v is told", again)
	}
	if first := after.ChangedSince(nil); len(first) != 0 {
		t.Errorf("the first look tells %v", first)
	}
	for _, p := range append(after.ChangedSince(before), after.Problems()...) {
		if p.Cure() == (Problem{}).Cure() {
			t.Errorf("%s has no cure of its own", p)
		}
	}
}
