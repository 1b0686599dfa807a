package replay

import (
	"strings"
	"testing"
)

func TestCheckEdits(t *testing.T) {
	rows := []Row{
		row(1, "ada", "registered", "ada@example.com", `{"firstname":"Ada","phone":"1"}`, "delivered"),
		row(2, "ada", "updated", "-", `{"phone":"2","age":3}`, "delivered"),
	}
	for _, tt := range []struct{ name, contact, want string }{
		{"the last word is the person's", "1 ada@example.com firstname=Grace phone=2 age=3", ""},
		{"a row after the edit overtakes it", "1 ada@example.com firstname=Grace phone=9 age=3", "phone"},
		{"an edit is lost", "1 ada@example.com firstname=Ada phone=2 age=3", "firstname"},
		{"an edit that beat the row is lost", "1 ada@example.com firstname=Grace phone=2 age=4", "age"},
	} {
		edits := []Edit{{"1", "firstname", "Grace", 2}, {"1", "phone", "9", 1}, {"1", "age", "3.0", 2}}
		found := Check(rows, edits, []Contact{contact(tt.contact)}, portal)
		if tt.want == "" && len(found) > 0 || tt.want != "" && (len(found) != 1 || found[0].Field != tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, found, tt.want)
		}
	}
	found := Check(rows, []Edit{{"7", "phone", "9", 1}}, []Contact{contact("1 ada@example.com firstname=Ada phone=2 age=3")}, portal)
	if len(found) != 1 || found[0].Contact != "7" {
		t.Errorf("an edit of nobody's contact is %v", found)
	}
}

func TestCheckTold(t *testing.T) {
	rows := []Row{
		row(1, "ada", "registered", "ada@example.com", `{}`, "delivered"),
		row(2, "joan", "registered", "joan@example.net", `{}`, "delivered").with(took("2")),
	}
	changes := []Change{
		{Kind: "updated", ContactID: "1", Property: "zip", Value: "89073", Was: "10115", At: 1000},
		{Kind: "updated", ContactID: "1", Property: "city", Value: "Ulm", Was: "", At: 1000},
		{Kind: "updated", ContactID: "1", Property: "jobtitle", Value: "Countess", At: 1000}, // not mapped
		{Kind: "updated", ContactID: "2", Property: "zip", Value: "1", Was: "2", At: 1000, Lost: true},
		{Kind: "updated", ContactID: "9", Property: "zip", Value: "1", Was: "2", At: 1000}, // nobody's
		{Kind: "archived", ContactID: "2", At: 2000},
		{Kind: "restored", ContactID: "2", At: 3000},
		{Kind: "optout", ContactID: "1", At: 4000},
		{Kind: "created", ContactID: "8", At: 1},
	}
	good := []Told{
		{1, "ada", "1", "contact.updated", `{"postcode":{"value":"89073","was":"10115"},"town":{"value":"Ulm","was":null}}`, 1000},
		{2, "joan", "2", "contact.deleted", "{}", 2000},
		{3, "ada", "1", "contact.unsubscribed", "{}", 1000},
		{4, "joan", "2", "contact.restored", "{}", 3000},
	}
	fields := map[string]string{"zip": "postcode", "city": "town"}
	if found := CheckTold(rows, changes, good, fields); found != nil {
		t.Fatalf("found %v", found)
	}
	with := func(i int, change func(*Told)) []Told {
		told := append([]Told(nil), good...)
		change(&told[i])
		return told
	}
	for name, tt := range map[string]struct {
		told []Told
		want string // parts of the differences, in their order
	}{
		"missing":       {good[1:], "contact.updated of postcode was not told|contact.updated of town was not told"},
		"twice":         {append(good, good[1]), "inbox row 2 tells contact.deleted, and nobody"},
		"split":         {append(with(0, func(r *Told) { r.Properties = `{"town":{"value":"Ulm","was":null}}` }), Told{5, "ada", "1", "contact.updated", `{"postcode":{"value":"89073","was":"10115"}}`, 1000}), ""},
		"other value":   {with(0, func(r *Told) { r.Properties = strings.Replace(r.Properties, "Ulm", "Bonn", 1) }), "inbox row 1 tells contact.updated of town, and nobody|contact.updated of town was not told"},
		"other was":     {with(0, func(r *Told) { r.Properties = strings.Replace(r.Properties, "10115", "1", 1) }), "inbox row 1 tells contact.updated of postcode|contact.updated of postcode was not told"},
		"other lead":    {with(1, func(r *Told) { r.LeadID = "ada" }), "inbox row 2 tells|contact.deleted was not told"},
		"too early":     {with(3, func(r *Told) { r.ChangedAt = 2999 }), "a time before it was made"},
		"our own value": {append(good, Told{5, "ada", "1", "contact.updated", `{"jobtitle":{"value":"Countess","was":null}}`, 9000}), "inbox row 5 tells contact.updated of jobtitle, and nobody"},
		"what was lost": {append(good, Told{5, "joan", "2", "contact.updated", `{"postcode":{"value":"1","was":"2"}}`, 9000}), "inbox row 5 tells contact.updated of postcode, and nobody"},
		"no properties": {append(good, Told{5, "ada", "1", "contact.updated", `{}`, 9000}), "its properties are no changes"},
	} {
		var lines []string
		for _, d := range CheckTold(rows, changes, tt.told, fields) {
			lines = append(lines, d.String())
			if strings.Contains(d.String(), "Ulm") || strings.Contains(d.String(), "89073") {
				t.Errorf("%s: a value is in %q", name, d)
			}
		}
		wanted := strings.Split(tt.want, "|")
		if tt.want == "" {
			wanted = nil
		}
		if len(lines) != len(wanted) {
			t.Errorf("%s: %q, want %q", name, lines, wanted)
			continue
		}
		for _, part := range wanted {
			found := false
			for _, line := range lines {
				found = found || strings.Contains(line, part)
			}
			if !found {
				t.Errorf("%s: %q, want %q", name, lines, part)
			}
		}
	}
}
