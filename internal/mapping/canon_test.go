package mapping

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCanon(t *testing.T) {
	table := New(nil, "").With(definitions())
	tests := []struct{ property, in, want string }{
		{"email", " Ada@Example.com ", "ada@example.com"},
		{"firstname", "a\r\r\nb ", "a\n\nb"},
		{"age", "1.0", "1"},
		{"age", "1e0", "1"},
		{"age", "-12.50", "-12.5"},
		{"age", "12345678901234567890.10", "12345678901234567890.1"},
		{"age", "n/a", "n/a"},
		{"vip", "True", "true"},
		{"plan", "Free plan", "free"},
		{"plan", "retired option", "retired option"},
		{"topics", ";sql;go;;sql", "go;sql"},
		{"topics", "go;unknown;SQL", "go;sql;unknown"},
		{"birthday", "1990-01-01T00:00:00Z", "1990-01-01"},
		{"birthday", "631152000000", "1990-01-01"},
		{"birthday", "1990-01-01T01:00:00Z", "1990-01-01T01:00:00Z"},
		{"trial_end", "2026-11-22T08:00:00Z", "1795334400000"},
		{"trial_end", "2026-11-22T08:00:00.000Z", "1795334400000"},
		{"trial_end", "1795334400000", "1795334400000"},
		{"trial_end", "0", "0"},
		{"nowhere", " 1.0 ", "1.0"},
		{"age", "", ""},
	}
	for _, tt := range tests {
		if got := table.Canon(tt.property, tt.in); got != tt.want {
			t.Errorf("Canon(%s, %q) = %q, want %q", tt.property, tt.in, got, tt.want)
		}
	}
	if got := New(nil, "").Canon("email", " Ada@Example.com "); got != "ada@example.com" {
		t.Errorf("address without definitions: %q", got)
	}
}

func TestExact(t *testing.T) {
	table := New(nil, "").With(definitions())
	want := map[string]bool{"age": true, "vip": true, "plan": true, "topics": true, "birthday": true, "trial_end": true,
		"lifecyclestage": true, "firstname": false, "phone": false, "nowhere": false}
	for property, exact := range want {
		if table.Exact(property) != exact {
			t.Errorf("Exact(%s) = %v", property, !exact)
		}
	}
	if blind := New(nil, ""); blind.Exact("age") || !blind.Exact("lifecyclestage") {
		t.Error("without definitions only lifecyclestage is exact")
	}
}

// valueTexts draws texts that look like values of every type, and anything else.
func valueTexts() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[ \r\n]{0,2}-?[0-9]{0,6}\.?[0-9]{0,4}([eE][+-]?[0-9]{1,3})? ?`),
		rapid.StringMatching(`[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:00(:00(\.[0-9]{1,6})?)?(Z|[+-]0[0-9]:00|\+00)?)?`),
		rapid.StringMatching(`-?[0-9]{10,17}`),
		rapid.StringMatching(`;?(go|Go|SQL|sql| |Law; tax|x|\r)(;(go|Go|SQL|sql|law|y)){0,4};?`),
		rapid.SampledFrom([]string{"true", "Yes", "0", "FREE plan", "t1", "Twin", "pro", "PRO", "x", "86400000", "Law; tax", "lead"}),
	)
}

func TestCanonProperties(t *testing.T) {
	table := New(nil, "").With(definitions())
	var names []string
	for _, p := range definitions() {
		names = append(names, p.Name)
	}
	names = append(names, "nowhere")
	rapid.Check(t, func(t *rapid.T) {
		property := rapid.SampledFrom(names).Draw(t, "property")
		in := valueTexts().Draw(t, "value")
		canon := table.Canon(property, in)
		if again := table.Canon(property, canon); again != canon {
			t.Fatalf("Canon(%s) is not idempotent: %q, %q, %q", property, in, canon, again)
		}
		kind := rapid.SampledFrom([]Kind{String, Number}).Draw(t, "kind")
		for _, v := range table.Map(map[string]Raw{property: {Kind: kind, Text: in}}).Values {
			if got := table.Canon(property, v.Send); got != v.Canon {
				t.Fatalf("%s: Canon(%q) = %q, but the value says %q", property, v.Send, got, v.Canon)
			}
			// What was accepted is accepted again and means the same. (A datetime before March 1973 is not: its milliseconds
			// are refused from an application, because they look like seconds.)
			m := table.Map(map[string]Raw{property: {Kind: String, Text: v.Send}})
			if property != "trial_end" && (len(m.Values) != 1 || m.Values[0].Canon != v.Canon) {
				t.Fatalf("%s: %q was accepted as %q, which then gives %v", property, in, v.Send, m)
			}
			if v.Send == "" && strings.TrimSpace(in) != "" && property != "topics" {
				t.Fatalf("%s: %q became a clear", property, in)
			}
		}
	})
}
