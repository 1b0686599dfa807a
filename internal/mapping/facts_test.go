package mapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"leadsync/internal/hubspot"
)

// What the table of types leaves open at its edges
// (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide, read 2026-11-22). "-" = left out.
func TestMapEdges(t *testing.T) {
	table := New(nil, "").With(append(definitions(),
		hubspot.Property{Name: "flags", Type: "enumeration", FieldType: "checkbox", Options: []hubspot.Option{{Label: "1", Value: "one"}, {Label: "true", Value: "yes"}}},
		hubspot.Property{Name: "anyof", Type: "enumeration", FieldType: "checkbox"},
		hubspot.Property{Name: "kana", Type: "enumeration", FieldType: "select", Options: []hubspot.Option{{Label: "  Été ", Value: "ete"}, {Label: "été", Value: "été"}, {Label: "", Value: "blank"}}},
		hubspot.Property{Name: "json", Type: "a_type_of_next_year", FieldType: "text"},
	))
	clear := Raw{}
	for _, tt := range []struct {
		property string
		in       Raw
		want     string
	}{
		// null clears every type that may be written
		{"firstname", clear, ""}, {"phone", clear, ""}, {"age", clear, ""}, {"vip", clear, ""}, {"plan", clear, ""}, {"topics", clear, ""},
		{"birthday", clear, ""}, {"trial_end", clear, ""}, {"owner", clear, ""}, {"createdate", clear, "-"}, {"old", clear, "-"},

		{"age", num("-0"), "-0"}, {"age", num("1e308"), "1e308"}, {"age", num("1e309"), "-"}, {"age", num("-1.5E-300"), "-1.5E-300"},
		{"age", text("1."), "1"}, {"age", text("+5"), "-"}, {"age", text("1 000"), "-"}, {"age", text("1.000,5"), "-"}, {"age", text("1e"), "-"},
		{"age", text("Infinity"), "-"}, {"age", text("1_000"), "-"}, {"age", text("--1"), "-"}, {"age", text("."), "-"}, {"age", text("\u00a042\u00a0"), "42"},
		{"age", text(strings.Repeat("9", 1000)), strings.Repeat("9", 1000)}, {"age", text(strings.Repeat("9", 1001)), "-"},

		{"vip", text("TRUE"), "true"}, {"vip", text(" 0 "), "false"}, {"vip", num("1.0"), "-"}, {"vip", text("on"), "-"}, {"vip", text("ja"), "-"},

		{"plan", boolean("true"), "-"}, {"plan", text("free;t1"), "-"}, {"plan", text("\u00a0free\u00a0"), "free"}, {"plan", text("fr\u200bee"), "-"},
		{"kana", text("Été"), "ete"}, {"kana", text("ÉTÉ"), "-"}, {"kana", text("blank"), "blank"},
		{"owner", text("nobody@example.com"), "nobody@example.com"}, // HubSpot lists no options: its word counts

		{"topics", text("go; sql"), "go;sql"}, {"topics", text(";go"), "-"}, {"topics", text("go;Law; tax"), "-"}, {"topics", text(" ; ; "), ""},
		{"topics", boolean("true"), "-"}, {"flags", boolean("true"), "yes"}, {"flags", num("1"), "one"}, {"flags", text("true;1"), "one;yes"}, {"anyof", text("b; a"), "a;b"},

		{"birthday", text("2024-02-29"), "2024-02-29"}, {"birthday", text("2026-02-29"), "-"}, {"birthday", text("2026-11-22T00:00:00+14:00"), "2026-11-22"},
		{"birthday", text("2026-11-22T24:00:00Z"), "-"}, {"birthday", num("-86400000"), "1969-12-31"}, {"birthday", num("0"), "1970-01-01"}, {"birthday", text("22.11.2026"), "-"},
		{"birthday", text("2026-11-22 00:00:00.000000+00"), "2026-11-22"}, {"birthday", text("26-11-22"), "-"},

		{"trial_end", text("1970-01-01T00:00:01Z"), "1000"}, {"trial_end", num("0"), "-"}, {"trial_end", text("2026-11-22T08:00:00+0100"), "1795330800000"},
		{"trial_end", text("2016-12-31T23:59:60Z"), "-"}, {"trial_end", text("Sun, 22 Nov 2026 08:00:00 GMT"), "-"}, {"trial_end", num("1e400"), "-"},

		{"json", text("{}"), "{}"}, {"json", num("7"), "7"}, {"json", boolean("false"), "false"},
		{"firstname", text(strings.Repeat("🦜", MaxTextLength)), strings.Repeat("🦜", MaxTextLength)}, {"phone", text(strings.Repeat("1", MaxTextLength+1)), "-"},
		{"firstname", text("\u202eadA <b>&amp;\u0007 '); --"), "\u202eadA <b>&amp;\u0007 '); --"},
	} {
		m := table.Map(map[string]Raw{tt.property: tt.in})
		got := "-"
		if len(m.Values) == 1 {
			got = m.Values[0].Send
		}
		if got != tt.want || len(m.Values)+len(m.LeftOut) != 1 {
			t.Errorf("%s from %.60q (kind %d): sent %.60q, want %.60q", tt.property, tt.in.Text, tt.in.Kind, got, tt.want)
		}
	}
}

// Nothing that leaves the package for a note or a log holds a value, an address or a token; a property name that is a
// word is the one thing kept.
func TestG9NotesAndErrorsHoldNoValue(t *testing.T) {
	table := New([]Field{{Lead: "mail", Contact: "email"}, {Lead: "x", Contact: "age"}, {Lead: "y", Contact: "canary@example.com"}}, "canary value").With(definitions())
	open := New(nil, "").With(definitions())
	var out strings.Builder
	for _, canary := range []string{"canary@example.com", "Canary Value", "Bearer canary-token"} {
		for _, kind := range []Kind{String, Number, Bool} {
			for _, property := range []string{"age", "vip", "plan", "topics", "birthday", "trial_end", "createdate", "old", "nowhere", canary} {
				raw := map[string]Raw{property: {kind, canary}, "x": {kind, canary}, "y": {kind, canary}}
				fmt.Fprint(&out, table.Map(raw).LeftOut, open.Map(raw).LeftOut)
			}
		}
		for _, broken := range []string{canary, `"` + canary + `"`, `["` + canary + `"]`, `{"` + canary + `"`, `{"a":` + canary + `}`, `{"a":{"b":"` + canary + `"}}`,
			`{"` + canary + `":"` + canary + "\x00\"}", `{"a":"` + canary + `\ud800"}`} {
			_, err := ParseProperties([]byte(broken))
			if err == nil {
				t.Errorf("%q: no error", broken)
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				fmt.Fprint(&out, e)
			}
		}
	}
	if strings.Contains(strings.ToLower(out.String()), "canary") {
		t.Errorf("a canary came out: %s", out.String())
	}
}
