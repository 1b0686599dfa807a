package hubspotsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The table of contacts-and-subscriptions.md sections 3.1 and 1.6: what each type takes, how it is stored, how it is
// refused.
func TestValues(t *testing.T) {
	defs := []Property{
		{Name: "p_number", Type: "number"}, {Name: "p_bool", Type: "bool"}, {Name: "p_date", Type: "date"}, {Name: "p_datetime", Type: "datetime"},
		{Name: "p_select", Type: "enumeration", FieldType: "select", Options: []Option{{Value: "gold"}, {Value: "tin"}}},
		{Name: "p_many", Type: "enumeration", FieldType: "checkbox", Options: []Option{{Value: "a"}, {Value: "b"}, {Value: "c"}}},
		{Name: "p_phone", Type: "phone_number"}, {Name: "p_calc", Type: "number", FieldType: "calculation_equation", ReadOnly: true, Calculated: true},
		{Name: "p_gone", Archived: true},
	}
	long := strings.Repeat("ü", maxText)
	for _, tc := range []struct{ name, value, stored, code, text string }{
		{"firstname", "Zoë 🦊 عربي", "Zoë 🦊 عربي", "", ""},
		{"firstname", "  kept  ", "  kept  ", "", ""},
		{"firstname", long, long, "", ""},
		{"firstname", long + "x", "", codeTooLong, ""},
		{"email", " New+Tag@Example.COM ", "new+tag@example.com", "", ""},
		{"email", "x@y.comtttt", "", "INVALID_EMAIL", "Email address x@y.comtttt is invalid"},
		{"email", `"a b"@example.com`, "", "INVALID_EMAIL", ""},
		{"email", "a@münchen.de", "a@münchen.de", "", ""},
		{"p_number", " 1.5e3 ", "1.5e3", "", ""},
		{"p_number", "-12", "-12", "", ""},
		{"p_number", "1,000", "", "INVALID_INTEGER", "1,000 was not a valid number"},
		{"p_number", "1.2.3", "", "INVALID_INTEGER", ""},
		{"p_number", "NaN", "", "INVALID_INTEGER", ""},
		{"p_number", "0x10", "", "INVALID_INTEGER", ""},
		{"p_number", "many", "", "INVALID_INTEGER", ""},
		{"p_bool", "true", "true", "", ""},
		{"p_bool", "yes", "", "INVALID_OPTION", ""},
		{"p_select", " gold ", "gold", "", ""},
		{"p_select", "Gold", "", "INVALID_OPTION", "Gold was not one of the allowed options: [gold, tin]"},
		{"p_many", "c;a", "c;a", "", ""},
		{"p_many", "a;x", "", "INVALID_OPTION", "x was not one of the allowed options: [a, b, c]"},
		{"p_date", "2026-11-24", "2026-11-24", "", ""},
		{"p_date", "1795478400000", "2026-11-24", "", ""},
		{"p_date", "tomorrow", "", "INVALID_LONG", "tomorrow was not a valid long."},
		{"p_datetime", "2026-11-24T08:00:00+01:00", "2026-11-24T07:00:00Z", "", ""},
		{"p_datetime", "1795478400123", "2026-11-24T00:00:00.123Z", "", ""},
		{"p_datetime", "soon", "", "INVALID_LONG", ""},
		{"p_phone", "+49 30 1", "+49 30 1", "", ""},
		{"p_calc", "1", "", "READ_ONLY_VALUE", `"p_calc" is a calculated property; its value cannot be set.`},
		{"createdate", "1", "", "READ_ONLY_VALUE", `"createdate" is a read only property; its value cannot be set`},
		{"p_gone", "1", "", "PROPERTY_DOESNT_EXIST", `Property "p_gone" does not exist`},
		{"nope", "1", "", "PROPERTY_DOESNT_EXIST", `Property "nope" does not exist`},
	} {
		s := newSim(t, Config{Properties: defs})
		id := s.mustCreate(t, `{"email":"a@example.com"}`)
		g := ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"`+tc.name+`":`+string(mustJSON(tc.value))+`}}`)
		what := fmt.Sprintf("%s=%.20q", tc.name, tc.value)
		if tc.code == "" {
			want(t, what, g.status, 200)
			want(t, what+" stored", s.value(t, id, tc.name), tc.stored)
			continue
		}
		want(t, what, g.status, 400)
		if len(g.errors()) != 1 {
			t.Errorf("%s: errors %v", what, g.errors())
			continue
		}
		want(t, what+" code", g.errors()[0]["code"], tc.code)
		want(t, what+" property", g.errors()[0]["context"], "map[propertyName:["+tc.name+"]]")
		if text := g.errors()[0]["message"]; tc.text != "" {
			want(t, what+" message", text, tc.text)
		}
		want(t, what+" inner", innerNames(t, g.body["message"]), "["+tc.name+"="+tc.code+"]")
	}
}

// Dates and numbers under the versions; section 0 and 1.6.
func TestValuesDifferByVersion(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "p_date", Type: "date"}, {Name: "p_number", Type: "number"}}})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	odd := `{"properties":{"p_date":"1496643178000"}}`
	g := ask(t, s, http.MethodPatch, "/crm/v3/objects/contacts/"+id, odd)
	want(t, "v3", []any{g.status, g.errors()[0]["code"], g.errors()[0]["message"]}, "[400 INVALID_DATE 1496643178000 is at 6:12:58.0 UTC, not midnight!]")
	want(t, "2026-03", ask(t, s, http.MethodPatch, "/crm/objects/2026-03/contacts/"+id, odd).status, 400)
	g = ask(t, s, http.MethodPatch, contactsPath+"/"+id, odd)
	want(t, "2026-09", []any{g.status, properties(g)["p_date"]}, "[200 2017-06-05]")
	want(t, "warning", g.body["warnings"], "[map[category:PROPERTY_VALUE_NORMALIZED context:map[normalizedValue:1496620800000 propertyName:p_date rawValue:1496643178000] message:The value of p_date was normalized]]")
	if err := s.SetQuirks(Quirks{NoWarnings: true}); err != nil {
		t.Fatal(err)
	}
	g = ask(t, s, http.MethodPatch, contactsPath+"/"+id, odd)
	want(t, "without", []any{g.status, g.body["warnings"]}, "[200 <nil>]")
	g = ask(t, s, http.MethodPatch, "/crm/v3/objects/contacts/"+id, `{"properties":{"p_number":"x"}}`)
	want(t, "number on v3", []any{g.errors()[0]["code"], g.errors()[0]["message"]}, "[INVALID_LONG x was not a valid long.]")
}

// ";a" appends, "a" replaces; section 3.1.
func TestMultiSelectAppends(t *testing.T) {
	for _, rewrites := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{RewritesValues: rewrites}, Properties: []Property{
			{Name: "p_many", Type: "enumeration", FieldType: "checkbox", Options: []Option{{Value: "a"}, {Value: "b"}, {Value: "c"}}}}})
		id := s.mustCreate(t, `{"email":"a@example.com","p_many":"c"}`)
		set := func(v string) string {
			ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"p_many":"`+v+`","city":" Ulm "}}`)
			return s.value(t, id, "p_many")
		}
		want(t, "append", set(";a;c"), map[bool]string{false: "c;a", true: "a;c"}[rewrites])
		want(t, "replace", set("b"), "b")
		want(t, "text", s.value(t, id, "city"), map[bool]string{false: " Ulm ", true: "Ulm"}[rewrites])
	}
}

// A stage moves forward only; backwards is answered as a success and not taken; clearing it first helps. Section 3.3.
func TestLifecycleStageMovesForward(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com","lifecyclestage":"customer"}`)
	set := func(v string) string {
		want(t, "status", ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"lifecyclestage":"`+v+`"}}`).status, 200)
		return s.value(t, id, "lifecyclestage")
	}
	want(t, "back", set("lead"), "customer")
	want(t, "forward", set("evangelist"), "evangelist")
	want(t, "clear, then back", set("")+set("lead"), "lead")
}

// Rules of the portal hold on the 2026-09 paths only, with the bodies of section 0.
func TestPortalRules(t *testing.T) {
	s := newSim(t, Config{})
	s.SetRules([]Rule{{Property: "firstname"}, {Property: "state", WhenProperty: "country", WhenValue: "US"}})
	g := post(t, s, contactsPath, `{"properties":{"email":"a@example.com"}}`)
	want(t, "status", g.status, 400)
	want(t, "body", []any{g.body["category"], g.body["message"]}, "[VALIDATION_ERROR The property values provided are invalid]")
	want(t, "error", g.errors()[0], "map[code:MISSING_REQUIRED_PROPERTY context:map[propertyName:[firstname]] message:A value for firstname must be provided]")
	g = post(t, s, contactsPath, `{"properties":{"email":"a@example.com","firstname":"A","country":"US"}}`)
	want(t, "conditional", g.errors()[0], "map[code:MISSING_CONDITIONAL_REQUIRED_PROPERTY context:map[propertyName:[state]] message:state is required because of a conditional property rule based on [country]]")
	for _, path := range []string{"/crm/objects/2026-03/contacts", "/crm/v3/objects/contacts"} {
		want(t, path, post(t, s, path, `{"properties":{"email":"`+path[5:7]+`@example.com","country":"US"}}`).status, 201)
	}
	id := s.mustCreate(t, `{"email":"b@example.com","firstname":"B","country":"DE"}`)
	one := contactsPath + "/" + id
	want(t, "an update is no create", ask(t, s, http.MethodPatch, one, `{"properties":{"firstname":""}}`).status, 200)
	want(t, "sets the condition", ask(t, s, http.MethodPatch, one, `{"properties":{"country":"US"}}`).status, 400)
	want(t, "both at once", ask(t, s, http.MethodPatch, one, `{"properties":{"country":"US","state":"TX"}}`).status, 200)
	want(t, "held already", ask(t, s, http.MethodPatch, one, `{"properties":{"country":"US"}}`).status, 200)
	// In a batch with trace ids the row has its details, whatever the quirk.
	g = batch(t, s, "create", true, `{"properties":{"email":"c@example.com"}}`, `{"properties":{"email":"d@example.com","firstname":"D"}}`)
	want(t, "row", []any{g.status, len(g.results()), g.errors()[0]["errors"].([]any)[0].(map[string]any)["code"]}, "[207 1 MISSING_REQUIRED_PROPERTY]")
	s.SetRules(nil)
	want(t, "without rules", post(t, s, contactsPath, `{"properties":{"email":"a@example.com"}}`).status, 201)
}

func TestValidAddress(t *testing.T) {
	for a, ok := range map[string]bool{
		"a@example.com": true, "a.b-c_d+e=f'g@sub.example.org": true, "a@b.co.uk": true, "a@xn--mnchen-3ya.de": true, "a@münchen.de": true,
		"": false, "a": false, "@example.com": false, "a@": false, "a@b": false, "a@b.notatld": false, "a..b@example.com": false, ".a@example.com": false,
		"a.@example.com": false, "a b@example.com": false, "a@exa mple.com": false, "a@-example.com": false, "a@@example.com": false,
		strings.Repeat("x", 65) + "@example.com": false, "ü@example.com": false,
	} {
		want(t, a, validAddress(a), ok)
	}
}
