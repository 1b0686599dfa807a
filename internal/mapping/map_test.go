package mapping

import (
	"reflect"
	"strings"
	"testing"

	"leadsync/internal/hubspot"
)

// definitions is a small portal.
func definitions() []hubspot.Property {
	return []hubspot.Property{
		{Name: "email", Type: "string"},
		{Name: "firstname", Type: "string", FieldType: "text"},
		{Name: "phone", Type: "phone_number"},
		{Name: "age", Type: "number"},
		{Name: "vip", Type: "bool", FieldType: "booleancheckbox"},
		{Name: "agreed", Type: "enumeration", FieldType: "booleancheckbox", Options: []hubspot.Option{{Label: "Yes", Value: "true"}, {Label: "No", Value: "false"}}},
		{Name: "plan", Type: "enumeration", FieldType: "select", Options: []hubspot.Option{
			{Label: "Free plan", Value: "free"}, {Label: "Paid", Value: "pro_2"}, {Label: "Twin", Value: "t1"}, {Label: "Twin", Value: "t2"}, {Label: "PRO", Value: "x"}, {Label: "9", Value: "nine"}}},
		{Name: "topics", Type: "enumeration", FieldType: "checkbox", Options: []hubspot.Option{
			{Label: "Go", Value: "go"}, {Label: "SQL", Value: "sql"}, {Label: "Law; tax", Value: "law"}}},
		{Name: "owner", Type: "enumeration", FieldType: "select"},
		{Name: "birthday", Type: "date", FieldType: "date"},
		{Name: "trial_end", Type: "datetime", FieldType: "date"},
		{Name: "lifecyclestage", Type: "enumeration", FieldType: "radio", Options: []hubspot.Option{{Label: "Lead", Value: "lead"}}},
		{Name: "createdate", Type: "datetime", ReadOnlyValue: true},
		{Name: "score", Type: "number", Calculated: true},
		{Name: "old", Type: "string", Archived: true},
		{Name: "app_id", Type: "string", HasUniqueValue: true},
	}
}

func text(s string) Raw { return Raw{Kind: String, Text: s} }
func num(s string) Raw  { return Raw{Kind: Number, Text: s} }
func boolean(s string) Raw {
	return Raw{Kind: Bool, Text: s}
}

func TestMapValues(t *testing.T) {
	table := New(nil, "").With(definitions())
	long := strings.Repeat("é", MaxTextLength)
	tests := []struct {
		property string
		in       Raw
		send     string
		canon    string
		code     string
	}{
		{"firstname", text("Ada"), "Ada", "Ada", ""},
		{"firstname", text(" A\r\nb\rc "), " A\r\nb\rc ", "A\nb\nc", ""},
		{"firstname", text(" \t "), "", "", ""},
		{"firstname", Raw{}, "", "", ""},
		{"firstname", num("1.50"), "1.50", "1.50", ""},
		{"firstname", boolean("true"), "true", "true", ""},
		{"firstname", text("🦜 שלום"), "🦜 שלום", "🦜 שלום", ""},
		{"firstname", text(long), long, long, ""},
		{"firstname", text(long + "x"), "", "", CodeTooLong},
		{"phone", text("+49 (0)30 / 1"), "+49 (0)30 / 1", "+49 (0)30 / 1", ""},

		{"age", num("42"), "42", "42", ""},
		{"age", num("1e0"), "1e0", "1", ""},
		{"age", text(" 1.0 "), "1", "1", ""},
		{"age", text(".5"), "0.5", "0.5", ""},
		{"age", text("-0.0"), "0", "0", ""},
		{"age", text("1.25E+3"), "1250", "1250", ""},
		{"age", text("12e-4"), "0.0012", "0.0012", ""},
		{"age", text("007"), "7", "7", ""},
		{"age", Raw{}, "", "", ""},
		{"age", text("1,000"), "", "", CodeInvalidInteger},
		{"age", text("1.2.3"), "", "", CodeInvalidInteger},
		{"age", text("forty"), "", "", CodeInvalidInteger},
		{"age", text("0x10"), "", "", CodeInvalidInteger},
		{"age", text("NaN"), "", "", CodeInvalidInteger},
		{"age", text("٣"), "", "", CodeInvalidInteger},
		{"age", num("1e999999999"), "", "", CodeInvalidInteger},
		{"age", boolean("true"), "", "", CodeInvalidInteger},

		{"vip", boolean("true"), "true", "true", ""},
		{"vip", text("No"), "false", "false", ""},
		{"vip", num("1"), "true", "true", ""},
		{"vip", text("maybe"), "", "", CodeInvalidOption},
		{"vip", num("2"), "", "", CodeInvalidOption},
		{"agreed", boolean("false"), "false", "false", ""},
		{"agreed", num("1"), "true", "true", ""},
		{"agreed", text("yes"), "true", "true", ""},

		{"plan", text("free"), "free", "free", ""},
		{"plan", text(" Free plan "), "free", "free", ""},
		{"plan", text("FREE PLAN"), "free", "free", ""},
		{"plan", text("paid"), "pro_2", "pro_2", ""},
		{"plan", text("Twin"), "", "", CodeInvalidOption},
		{"plan", text("t2"), "t2", "t2", ""},
		{"plan", text("gold"), "", "", CodeInvalidOption},
		{"plan", num("9"), "nine", "nine", ""},
		{"plan", num("10"), "", "", CodeInvalidOption},
		{"plan", Raw{}, "", "", ""},
		{"owner", num("1234"), "1234", "1234", ""},

		{"topics", text("sql;go;sql"), "go;sql", "go;sql", ""},
		{"topics", text(" SQL ; Go;"), "go;sql", "go;sql", ""},
		{"topics", text(";go"), "", "", CodeAppend},
		{"topics", text(" ; SQL ; Go"), "", "", CodeAppend},
		{"topics", text("Law; tax"), "law", "law", ""},
		{"topics", text("go;cooking"), "", "", CodeInvalidOption},
		{"topics", text(";"), "", "", ""},

		{"birthday", text("1815-12-10"), "1815-12-10", "1815-12-10", ""},
		{"birthday", text("1990-01-01T00:00:00Z"), "1990-01-01", "1990-01-01", ""},
		{"birthday", text("1990-01-01T00:00:00.000+02:00"), "1990-01-01", "1990-01-01", ""},
		{"birthday", text("1990-01-01 00:00:00"), "1990-01-01", "1990-01-01", ""},
		{"birthday", num("631152000000"), "1990-01-01", "1990-01-01", ""},
		{"birthday", num("631152000001"), "", "", CodeInvalidDate},
		{"birthday", num("20240501"), "", "", CodeInvalidDate},
		{"birthday", text("1990-01-01T10:00:00Z"), "", "", CodeInvalidDate},
		{"birthday", text("1990-02-30"), "", "", CodeInvalidDate},
		{"birthday", text("01/02/1990"), "", "", CodeInvalidDate},
		{"birthday", boolean("true"), "", "", CodeInvalidDate},

		{"trial_end", text("2026-11-22T08:00:00.123Z"), "1795334400123", "1795334400123", ""},
		{"trial_end", text("2026-11-22T09:00:00+01:00"), "1795334400000", "1795334400000", ""},
		{"trial_end", text("2026-11-22 08:00:00"), "1795334400000", "1795334400000", ""},
		{"trial_end", text("2026-11-22 08:00:00.123456+00"), "1795334400123", "1795334400123", ""},
		{"trial_end", text("2026-11-22"), "1795305600000", "1795305600000", ""},
		{"trial_end", num("1795334400000"), "1795334400000", "1795334400000", ""},
		{"trial_end", num("1.7953344e12"), "1795334400000", "1795334400000", ""},
		{"trial_end", num("1795334400"), "", "", CodeInvalidDate},
		{"trial_end", num("1795334400000000"), "", "", CodeInvalidDate},
		{"trial_end", text("soon"), "", "", CodeInvalidDate},

		{"createdate", text("2026-11-22"), "", "", CodeReadOnly},
		{"score", num("1"), "", "", CodeReadOnly},
		{"score", Raw{}, "", "", CodeReadOnly},
		{"old", text("x"), "", "", CodeArchived},
		{"nowhere", text("x"), "", "", CodeDoesntExist},
		{"nowhere", Raw{}, "", "", CodeDoesntExist},
	}
	for _, tt := range tests {
		m := table.Map(map[string]Raw{tt.property: tt.in})
		want := Mapped{Values: []Value{{tt.property, tt.send, tt.canon}}}
		if tt.code != "" {
			want = Mapped{Values: []Value{}, LeftOut: []LeftOut{{tt.property, tt.code, tt.in}}}
		}
		if !reflect.DeepEqual(m, want) {
			t.Errorf("%s from %.60q (kind %d): got %.200v, want %.200v", tt.property, tt.in.Text, tt.in.Kind, m, want)
		}
	}
}

func TestMapWithoutDefinitionsChecksNothing(t *testing.T) {
	table := New(nil, "").With(nil)
	m := table.Map(map[string]Raw{"age": text("forty"), "zz": num("1e0"), "gone": {}, "ok": boolean("false")})
	want := []Value{{"age", "forty", "forty"}, {"gone", "", ""}, {"ok", "false", "false"}, {"zz", "1e0", "1e0"}}
	if !reflect.DeepEqual(m.Values, want) || m.LeftOut != nil || table.Known() {
		t.Errorf("got %v, want %v", m, want)
	}
	if empty := New(nil, "").With([]hubspot.Property{}); !empty.Known() {
		t.Error("a portal without properties is a known portal")
	}
}

func TestMapThroughFields(t *testing.T) {
	table := New([]Field{
		{Lead: "first_name", Contact: "firstname", Direction: Both, Winner: Newest},
		{Lead: "years", Contact: "age"},
		{Lead: "years", Contact: "phone"},
		{Lead: "old_plan", Contact: "plan"},
		{Lead: "plan", Contact: "plan"},
		{Lead: "stage", Contact: "lifecyclestage", Direction: Pull},
		{Lead: "key", Contact: "app_id"},
	}, "app_id").With(definitions())
	m := table.Map(map[string]Raw{
		"first_name": text("Ada"), "years": num("36"), "old_plan": text("free"), "plan": text("nine"), "stage": text("lead"),
		"key": text("42"), "firstname": text("not under this name"), "email": text("Ada@example.com"),
	})
	address := "Ada@example.com"
	want := Mapped{
		Values:    []Value{{"age", "36", "36"}, {"firstname", "Ada", "Ada"}, {"phone", "36", "36"}, {"plan", "nine", "nine"}},
		NotMapped: 4, // old_plan is mapped over, stage is pulled, app_id is ours, firstname is no lead field
		Address:   &address,
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got %+v, want %+v", m, want)
	}
	if d, w := table.Rule("firstname"); d != Both || w != Newest {
		t.Errorf("rule of firstname: %s, %s", d, w)
	}
	if d, w := table.Rule("age"); d != Push || w != App {
		t.Errorf("defaults: %s, %s", d, w)
	}
	if d, w := table.Rule("vip"); d != "" || w != "" {
		t.Errorf("unmapped: %q, %q", d, w)
	}
	if d, w := table.Rule("email"); d != Push || w != App {
		t.Errorf("address: %q, %q", d, w)
	}
	if got, want := table.Properties(), []string{"age", "app_id", "email", "firstname", "lifecyclestage", "phone", "plan"}; !reflect.DeepEqual(got, want) {
		t.Errorf("properties %v, want %v", got, want)
	}
	if !table.NeedsReading() || New([]Field{{Lead: "a", Contact: "b"}}, "").NeedsReading() || New(nil, "").NeedsReading() {
		t.Error("NeedsReading: want true, false, false")
	}
	if table.LeadName("firstname") != "first_name" || table.LeadName("vip") != "vip" || table.IDProperty() != "app_id" {
		t.Error("LeadName or IDProperty")
	}
}

func TestMapAddress(t *testing.T) {
	fed := New([]Field{{Lead: "mail", Contact: "email"}, {Lead: "email", Contact: "phone"}}, "")
	pulled := New([]Field{{Lead: "mail", Contact: "email", Direction: Pull}}, "")
	tests := []struct {
		name  string
		table *Table
		raw   map[string]Raw
		want  string
	}{
		{"own name", New(nil, ""), map[string]Raw{"email": text("a@example.com")}, "a@example.com"},
		{"null is not carried", New(nil, ""), map[string]Raw{"email": {}}, ""},
		{"blank is not carried", New(nil, ""), map[string]Raw{"email": text(" ")}, ""},
		{"a number is for the check to refuse", New(nil, ""), map[string]Raw{"email": num("5")}, "5"},
		{"mapped name", fed, map[string]Raw{"mail": text("a@example.com"), "email": text("b@example.com")}, "a@example.com"},
		{"pulled name", pulled, map[string]Raw{"mail": text("a@example.com"), "email": text("b@example.com")}, ""},
	}
	for _, tt := range tests {
		got := ""
		if m := tt.table.Map(tt.raw); m.Address != nil {
			got = *m.Address
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// A program may use an address as a field name; notes hold no address.
func TestLeftOutNamesHoldNoPerson(t *testing.T) {
	m := New(nil, "").With(definitions()).Map(map[string]Raw{"ada@example.com": text("x"), "": text("x"), "Some_Name-2.x": text("x")})
	want := []LeftOut{{Property: OddName, Code: CodeDoesntExist}, {Property: OddName, Code: CodeDoesntExist}, {Property: "Some_Name-2.x", Code: CodeDoesntExist, Raw: text("x")}}
	if !reflect.DeepEqual(m.LeftOut, want) {
		t.Errorf("got %v, want %v", m.LeftOut, want)
	}
}

func TestProblems(t *testing.T) {
	table := New([]Field{
		{Lead: "a", Contact: "firstname"}, {Lead: "b", Contact: "firstname"}, {Lead: "c", Contact: "nowhere"}, {Lead: "d", Contact: "old"},
		{Lead: "e", Contact: "createdate"}, {Lead: "f", Contact: "createdate2"}, {Lead: "g", Contact: "score", Direction: Pull},
	}, "phone")
	if got := table.Problems(); len(got) != 1 || got[0].Code != CodeMappedTwice {
		t.Errorf("without definitions: %v", got)
	}
	var got []string
	for _, p := range table.With(definitions()).Problems() {
		got = append(got, p.String())
	}
	want := []string{
		"mapping.fields a -> firstname: MAPPED_TWICE",
		"mapping.fields c -> nowhere: PROPERTY_DOESNT_EXIST",
		"mapping.fields d -> old: PROPERTY_ARCHIVED",
		"mapping.fields e -> createdate: READ_ONLY_VALUE",
		"mapping.fields f -> createdate2: PROPERTY_DOESNT_EXIST",
		"mapping.id_property phone: ID_PROPERTY_NOT_UNIQUE",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := New(nil, "app_id").With(definitions()).Problems(); got != nil {
		t.Errorf("a good id property: %v", got)
	}
}
