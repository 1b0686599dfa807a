package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// portal is what the tests' HubSpot knows.
var portal = []Property{
	{Name: "email", Type: "string"},
	{Name: "firstname", Type: "string"},
	{Name: "phone", Type: "string"},
	{Name: "age", Type: "number"},
	{Name: "vip", Type: "bool"},
	{Name: "born", Type: "date"},
	{Name: "seen", Type: "datetime"},
	{Name: "lifecyclestage", Type: "enumeration", Options: []Option{{"subscriber", "Subscriber"}, {"lead", "Lead"}, {"customer", "Customer"}}},
	{Name: "status", Type: "enumeration", Options: []Option{{"NEW", "New"}, {"OPEN", "Open deal"}}},
	{Name: "topics", Type: "enumeration", FieldType: "checkbox", Options: []Option{{"a", "A"}, {"b", "B"}, {"c", "C"}}},
	{Name: "hs_object_id", Type: "number", ReadOnly: true},
}

// row is `ID LEAD TYPE EMAIL PROPERTIES -> STATE[/REASON]`; "-" is NULL.
func row(id int64, lead, kind, email, properties, ending string) Row {
	null := func(s string) *string {
		if s == "-" {
			return nil
		}
		return &s
	}
	state, reason, _ := strings.Cut(ending, "/")
	r := Row{ID: id, LeadID: null(lead), EventType: null("lead." + kind), Email: null(email), Properties: null(properties), State: state, Reason: reason}
	if state == "delivered" {
		r.ContactID = "1"
	}
	return r
}

func (r Row) with(change func(*Row)) Row { change(&r); return r }

func noted(text string) func(*Row)        { return func(r *Row) { r.Note = text } }
func eventID(id string) func(*Row)        { return func(r *Row) { r.EventID = &id } }
func took(contact string) func(*Row)      { return func(r *Row) { r.ContactID = contact } }
func refusedBy(request string) func(*Row) { return func(r *Row) { r.CorrelationID = request } }

// contact reads "id email name=value ...".
func contact(text string) Contact {
	words := strings.Fields(text)
	c := Contact{ID: words[0], Properties: map[string]string{"email": words[1], "lifecyclestage": "lead", "hs_object_id": words[0]}}
	for _, w := range words[2:] {
		name, v, _ := strings.Cut(w, "=")
		c.Properties[name] = v
	}
	return c
}

func TestCheck(t *testing.T) {
	const registered, updated = "registered", "updated"
	ada := row(1, "ada", registered, "ada@example.com", `{"firstname":"Ada","phone":"1"}`, "delivered")
	tests := []struct {
		name     string
		rows     []Row
		contacts []string
		want     []string // substrings, one a difference, in order; none = all is well
	}{
		{name: "nothing"},
		{name: "one lead", rows: []Row{ada}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"}},
		{name: "address in capitals", rows: []Row{row(1, "ada", registered, " Ada@Example.COM", `{}`, "delivered")}, contacts: []string{"1 ada@example.com"}},
		{name: "missing contact", rows: []Row{ada}, want: []string{"lead ada: no contact has the lead's address"}},
		{name: "never a value", rows: []Row{ada}, contacts: []string{"1 ada@example.com firstname=Ada phone=2"},
			want: []string{"lead ada: contact 1: phone: holds a value that no row carries; row 1 is the last word"}},
		{name: "lost update", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":"2"}`, "delivered")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want:     []string{"phone: holds the value of row 1; row 2 is the last word"}},
		{name: "unchanged that was not", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":"2"}`, "skipped/unchanged")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want:     []string{"phone: holds the value of row 1; row 2 is the last word"}},
		{name: "order", rows: []Row{row(3, "ada", updated, "-", `{"phone":"3"}`, "delivered"), ada, row(2, "ada", updated, "-", `{"phone":"2"}`, "skipped/overtaken")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=2"},
			want:     []string{"phone: holds the value of row 2; row 3 is the last word"}},
		{name: "overtaken", rows: []Row{row(3, "ada", updated, "-", `{"phone":"3"}`, "delivered"), ada, row(2, "ada", updated, "-", `{"phone":"2","status":"x"}`, "skipped/overtaken")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=3"}},
		{name: "overtaken by nobody", rows: []Row{ada, row(2, "ada", updated, "-", `{"age":2}`, "skipped/overtaken")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want:     []string{"age: is empty; row 2 is the last word"}},
		{name: "cleared", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":null,"firstname":" "}`, "delivered")}, contacts: []string{"1 ada@example.com"}},
		{name: "not cleared", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":null}`, "delivered")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want:     []string{"phone: holds the value of row 1; row 2 is the last word"}},
		{name: "new address", rows: []Row{ada, row(2, "ada", updated, "ada@example.org", `{}`, "delivered")}, contacts: []string{"1 ada@example.org firstname=Ada phone=1"}},
		{name: "old address", rows: []Row{ada, row(2, "ada", updated, "ada@example.org", `{}`, "delivered")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want:     []string{"lead ada: no contact has the lead's address", "lead ada: contact 1: a second contact of the lead"}},
		{name: "address among the properties", rows: []Row{row(1, "ada", registered, "-", `{"email":"ada@example.com"}`, "delivered")}, contacts: []string{"1 ada@example.com"}},
		{name: "doubled contact", rows: []Row{ada}, contacts: []string{"1 ada@example.com firstname=Ada phone=1", "2 ada@example.com firstname=Ada phone=1"},
			want: []string{"lead ada: contact 2: a second contact of the lead"}},
		{name: "doubled over a change of address", rows: []Row{ada, row(2, "ada", updated, "ada@example.org", `{}`, "delivered").with(took("2"))},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1", "2 ada@example.org firstname=Ada phone=1"},
			want:     []string{"lead ada: row 1: contact 1", "lead ada: contact 1: a second contact of the lead"}},
		{name: "contact nobody asked for", contacts: []string{"7 eve@example.com"}, want: []string{"contact 7: a contact that no lead asked for"}},
		{name: "contact of a dead row", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"firstname":`, "dead/invalid_json")},
			contacts: []string{"1 ada@example.com"}, want: []string{"lead ada: contact 1: a contact under an address that the lead does not have"}},
		{name: "value of a dead row", rows: []Row{ada, row(2, "ada", updated, "no address", `{"phone":"2"}`, "dead/invalid_email")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=2"},
			want:     []string{"phone: holds the value of row 2, which was not to reach HubSpot; row 1 is the last word"}},
		{name: "value nobody sent", rows: []Row{ada}, contacts: []string{"1 ada@example.com firstname=Ada phone=1 age=3"}, want: []string{"age: holds a value that no row carries"}},
		{name: "another lead's contact", rows: []Row{ada, row(2, "bob", registered, "bob@example.com", `{}`, "delivered")},
			contacts: []string{"1 ada@example.com firstname=Ada phone=1", "2 bob@example.com"},
			want:     []string{"lead bob: row 2: contact 1: the row names this contact, but the lead's is 2"}},
		{name: "delivered without a contact id", rows: []Row{ada.with(took(""))}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"}, want: []string{"no contact_id"}},

		{name: "waits for an address", rows: []Row{row(1, "ada", updated, "-", `{"age":5}`, "pending")}},
		{name: "waited", rows: []Row{row(1, "ada", updated, "-", `{"age":5}`, "delivered"), row(2, "ada", registered, "ada@example.com", `{}`, "delivered")}, contacts: []string{"1 ada@example.com age=5.0"}},
		{name: "delivered nowhere", rows: []Row{row(1, "ada", updated, "-", `{"age":5}`, "delivered")}, want: []string{"no row brought an address"}},
		{name: "pending may be either", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":"2"}`, "pending")}, contacts: []string{"1 ada@example.com firstname=Ada phone=2"}},
		{name: "pending is nothing else", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":"2"}`, "pending")}, contacts: []string{"1 ada@example.com firstname=Ada phone=3"}, want: []string{"phone: "}},

		{name: "duplicate", rows: []Row{ada.with(eventID("e")), row(2, "ada", updated, "-", `{"phone":"9"}`, "skipped/duplicate").with(eventID("e"))}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"}},
		{name: "duplicate delivered", rows: []Row{ada.with(eventID("e")), row(2, "ada", updated, "-", `{"phone":"9"}`, "delivered").with(eventID("e"))},
			contacts: []string{"1 ada@example.com firstname=Ada phone=9"}, want: []string{"row 2: delivered: an earlier row has the same event_id", "phone: holds the value of row 2, which was not"}},
		{name: "no duplicate", rows: []Row{ada, row(2, "ada", updated, "-", `{"phone":"9"}`, "skipped/duplicate").with(eventID("e"))}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want: []string{"row 2: skipped/duplicate: no earlier row has its event_id"}},

		{name: "broken rows", rows: []Row{
			row(1, "-", registered, "-", `{}`, "dead/missing_lead_id"), row(2, strings.Repeat("x", 256), registered, "-", `{}`, "dead/lead_id_too_long"),
			row(3, "a\x00", registered, "-", `{}`, "dead/invalid_text"), row(4, "a", "moved", "-", `{}`, "dead/unknown_event_type"),
			row(5, "a", registered, "-", `{"a":`, "dead/invalid_json"), row(6, "a", registered, "-", `[1]`, "dead/not_an_object"),
			row(7, "a", registered, "-", `{"a":{}}`, "dead/nested_value"), row(8, "a", registered, "-", `{"a":"`+strings.Repeat("x", 1<<20)+`"}`, "dead/too_large"),
			row(9, "a", registered, "a@b", `{}`, "dead/invalid_email"), row(10, "a", registered, "-", `{"a":"\ud800"}`, "dead/invalid_text"),
			row(11, "a", registered, "x y@example.com", `{"a":[]}`, "dead/nested_value"),
		}},
		{name: "broken rows with the wrong ending", rows: []Row{
			row(1, "-", registered, "-", `{}`, "pending"), row(5, "a", registered, "-", `{"a":`, "dead/nested_value"), row(7, "a", registered, "-", `{"a":{}}`, "skipped/unchanged"),
			row(9, "a", registered, "a@b", `{}`, "delivered"),
		}, want: []string{"row 1: pending: the row is broken: missing_lead_id", "row 5: dead/nested_value: the row is broken: invalid_json", "row 7: skipped/unchanged: the row is broken", "row 9: delivered: the row is broken: invalid_email"}},
		{name: "good rows dead or skipped", rows: []Row{
			row(1, "a", registered, "a@example.com", `{}`, "dead/invalid_email"), row(2, "a", registered, "a@example.com", `{}`, "dead/gave_up"), row(3, "a", registered, "a@example.com", `{}`, "dead/refused"),
			row(4, "a", registered, "a@example.com", `{}`, "dead/address_taken"), row(5, "a", registered, "-", `{"age":1}`, "dead/invalid_property"), row(6, "a", registered, "a@example.com", `{"age":"x"}`, "dead/invalid_property"),
			row(7, "a", registered, "a@example.com", `{}`, "skipped/not_mapped"), row(8, "a", registered, "a@example.com", `{}`, "lost"),
		}, want: []string{"row 1: dead/invalid_email: the row is good", "row 2: dead/gave_up: nothing", "row 3: dead/refused: the row is good", "row 4: dead/address_taken: no other lead", "row 5: age: dead/invalid_property: the value is good",
			"row 6: dead/invalid_property: the address could be delivered", "row 7: skipped/not_mapped: nothing", "row 8: lost: no such state"}},
		{name: "refused by HubSpot", rows: []Row{row(1, "a", registered, "a@example.com", `{}`, "dead/invalid_email").with(refusedBy("x")), row(2, "b", registered, "b@example.com", `{}`, "dead/refused").with(refusedBy("y"))}},
		{name: "two leads, one address", rows: []Row{ada, row(2, "bob", registered, "ADA@example.com", `{"phone":"2"}`, "dead/address_taken")}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"}},

		{name: "wrong option left out", rows: []Row{ada, row(2, "ada", updated, "-", `{"status":"WRONG","phone":"2"}`, "delivered").with(noted("left out: status (INVALID_OPTION)"))}, contacts: []string{"1 ada@example.com firstname=Ada phone=2"}},
		{name: "wrong option not named", rows: []Row{ada, row(2, "ada", updated, "-", `{"status":"WRONG","phone":"2"}`, "delivered")}, contacts: []string{"1 ada@example.com firstname=Ada phone=2"},
			want: []string{"row 2: status: HubSpot does not take the value"}},
		{name: "wrong option in HubSpot", rows: []Row{ada, row(2, "ada", updated, "-", `{"status":"WRONG","phone":"2"}`, "delivered").with(noted("left out: status (INVALID_OPTION)"))},
			contacts: []string{"1 ada@example.com firstname=Ada phone=2 status=WRONG"}, want: []string{"status: holds a value that no row carries"}},
		{name: "good value left out", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"phone":"2"}`, "delivered").with(noted("left out: phone (READ_ONLY_VALUE)"))}, contacts: []string{"1 ada@example.com"},
			want: []string{"row 1: phone: left out, though HubSpot takes the value"}},
		{name: "all left out", rows: []Row{ada, row(2, "ada", updated, "-", `{"status":"WRONG"}`, "dead/invalid_property").with(noted("left out: status (INVALID_OPTION)"))}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"}},
		{name: "all left out and delivered", rows: []Row{ada, row(2, "ada", updated, "-", `{"status":"WRONG"}`, "delivered").with(noted("left out: status (INVALID_OPTION)"))}, contacts: []string{"1 ada@example.com firstname=Ada phone=1"},
			want: []string{"row 2: delivered: every field was left out"}},
		{name: "stage not taken", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"lifecyclestage":"customer"}`, "delivered"), row(2, "ada", updated, "-", `{"lifecyclestage":"subscriber"}`, "delivered").with(noted("not taken: lifecyclestage"))},
			contacts: []string{"1 ada@example.com lifecyclestage=customer"}},
		{name: "stage not taken and not shown", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"lifecyclestage":"customer"}`, "delivered"), row(2, "ada", updated, "-", `{"lifecyclestage":"subscriber"}`, "delivered")},
			contacts: []string{"1 ada@example.com lifecyclestage=customer"}},
		{name: "stage that moves forward", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"lifecyclestage":"subscriber"}`, "delivered"), row(2, "ada", updated, "-", `{"lifecyclestage":"customer"}`, "delivered")},
			contacts: []string{"1 ada@example.com lifecyclestage=subscriber"}, want: []string{"lifecyclestage: holds the value of row 1; row 2 is the last word"}},
		{name: "stage cleared before it was set", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"lifecyclestage":null}`, "delivered")}, contacts: []string{"1 ada@example.com"}},
		{name: "stage cleared", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"lifecyclestage":"customer"}`, "delivered"), row(2, "ada", updated, "-", `{"lifecyclestage":""}`, "delivered")},
			contacts: []string{"1 ada@example.com lifecyclestage=customer"}, want: []string{"lifecyclestage: holds the value of row 1; row 2 is the last word"}},
		{name: "unknown properties", rows: []Row{row(1, "ada", registered, "ada@example.com", `{"nix":1,"a@b":2,"hs_object_id":3}`, "delivered").with(noted("left out: (odd name) (PROPERTY_DOESNT_EXIST), and 2 more"))}, contacts: []string{"1 ada@example.com"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var contacts []Contact
			for _, c := range tt.contacts {
				contacts = append(contacts, contact(c))
			}
			got := Check(tt.rows, nil, contacts, portal)
			if len(got) != len(tt.want) {
				t.Fatalf("%d differences, want %d: %v", len(got), len(tt.want), got)
			}
			for i, d := range got {
				if !strings.Contains(d.String(), tt.want[i]) {
					t.Errorf("difference %d is %q, want %q", i, d, tt.want[i])
				}
			}
		})
	}
}

// Values that HubSpot takes, may take, and does not take, by type.
func TestTaken(t *testing.T) {
	def := map[string]*Property{}
	for i := range portal {
		def[portal[i].Name] = &portal[i]
	}
	tests := []struct {
		property, text string
		ok             truth
		canon          string
	}{
		{"firstname", "Zoë\r\n\u200f", yes, "Zoë\n\u200f"}, {"firstname", "  ", yes, ""}, {"firstname", strings.Repeat("x", 65537), no, ""},
		{"age", "1.50", yes, "3/2"}, {"age", "15e-1", maybe, "3/2"}, {"age", "1,5", no, ""}, {"age", "NaN", no, ""}, {"age", "1e999999", no, ""},
		{"vip", "true", yes, "true"}, {"vip", "Yes", maybe, "true"}, {"vip", "2", no, ""},
		{"born", "1815-12-10", yes, "1815-12-10"}, {"born", "1815-12-32", no, ""}, {"born", "0", maybe, "1970-01-01"}, {"born", "1815-12-10T00:00:00+02:00", maybe, "1815-12-10"}, {"born", "soon", no, ""},
		{"seen", "1970-01-01T00:00:01Z", yes, "1000"}, {"seen", "1000", maybe, "1000"}, {"seen", "1970-01-01 00:00:01", maybe, "1000"}, {"seen", "x", no, ""},
		{"status", "NEW", yes, "NEW"}, {"status", "new", maybe, "NEW"}, {"status", "Open deal", maybe, "OPEN"}, {"status", "WRONG", no, ""},
		{"topics", "a;b", yes, "a;b"}, {"topics", "b; a;b", yes, "a;b"}, {"topics", "A;b", maybe, "a;b"}, {"topics", "a;x", no, ""},
		{"hs_object_id", "1", no, ""}, {"nix", "1", no, ""},
	}
	for _, tt := range tests {
		ok, canons := def[tt.property].taken(value{text: tt.text})
		if ok != tt.ok || ok != no && !slices.Equal(canons, []string{tt.canon}) {
			t.Errorf("%s %.30q: %v %q, want %v %q", tt.property, tt.text, ok, canons, tt.ok, tt.canon)
		}
		if ok != no && def[tt.property].canon(canons[0]) != canons[0] {
			t.Errorf("%s %.30q: the canonical form %q has another one", tt.property, tt.text, canons[0])
		}
	}
}

// Whatever single thing is changed in a world that is right, it is found.
func TestEveryMutationIsFound(t *testing.T) {
	var rows []Row
	var contacts []Contact
	for i := range 20 {
		lead, id := fmt.Sprintf("lead-%d", i), fmt.Sprint(100+i)
		base := int64(10 * i)
		rows = append(rows,
			row(base+1, lead, "registered", lead+"@example.com", `{"firstname":"Ada","phone":"1","age":7}`, "delivered").with(took(id)).with(eventID(lead)),
			row(base+2, lead, "updated", "-", `{"phone":"2"}`, "delivered").with(took(id)),
			row(base+3, lead, "updated", "-", `{"phone":"3","status":"WRONG"}`, "delivered").with(took(id)).with(noted("left out: status (INVALID_OPTION)")),
			row(base+4, lead, "updated", "-", `{"phone":"3"}`, "skipped/unchanged").with(took(id)),
			row(base+5, lead, "updated", "-", `{"phone":"4"}`, "skipped/duplicate").with(eventID(lead)),
			row(base+6, lead, "updated", "-", `{"phone":{}}`, "dead/nested_value"))
		contacts = append(contacts, contact(id+" "+lead+"@example.com firstname=Ada phone=3 age=7"))
	}
	if d := Check(rows, nil, contacts, portal); len(d) > 0 {
		t.Fatalf("the right world differs: %v", d)
	}
	found := func(what string, rows []Row, contacts []Contact) {
		t.Helper()
		d := Check(rows, nil, contacts, portal)
		if len(d) == 0 {
			t.Errorf("not found: %s", what)
		}
		for _, one := range d {
			for _, secret := range []string{"Ada", "example.com", "WRONG"} {
				if strings.Contains(one.String(), secret) {
					t.Errorf("%s: %q holds a value", what, one)
				}
			}
		}
	}
	for i := range contacts {
		found("a contact is missing", rows, slices.Delete(slices.Clone(contacts), i, i+1))
		found("a contact is doubled", rows, append(slices.Clone(contacts), Contact{"999", contacts[i].Properties}))
		for _, name := range []string{"email", "firstname", "phone", "age", "status", "lifecyclestage", "born"} {
			for _, v := range []string{"", "1", "2", "4", "x@example.com"} {
				was := contacts[i].Properties[name]
				if was == v || name == "lifecyclestage" && v == "" {
					continue
				}
				changed := slices.Clone(contacts)
				changed[i].Properties = maps.Clone(changed[i].Properties)
				changed[i].Properties[name] = v
				found(name+" is "+v, rows, changed)
			}
		}
	}
	for i := range rows[:12] {
		for _, ending := range []string{"delivered", "dead/refused", "dead/gave_up", "dead/invalid_json", "skipped/duplicate", "skipped/not_mapped"} {
			changed := slices.Clone(rows)
			changed[i].State, changed[i].Reason, _ = strings.Cut(ending, "/")
			if changed[i].State == rows[i].State && changed[i].Reason == rows[i].Reason || rows[i].Reason == "unchanged" && ending == "delivered" {
				continue
			}
			found(fmt.Sprintf("row %d is %s", rows[i].ID, ending), changed, contacts)
		}
	}
}

func FuzzCheckNeverPanics(f *testing.F) {
	f.Add("a", "lead.registered", "a@example.com", `{"age":1e9,"topics":"a;b"}`, "delivered", "left out: x (Y), and 3 more; not taken: z")
	f.Fuzz(func(_ *testing.T, lead, kind, email, properties, state, note string) {
		r := Row{ID: 1, LeadID: &lead, EventType: &kind, Email: &email, Properties: &properties, State: state, Note: note}
		Check([]Row{r, r}, nil, []Contact{{"1", map[string]string{"email": email, "age": properties, "seen": note}}}, portal)
	})
}
