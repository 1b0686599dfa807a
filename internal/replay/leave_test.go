package replay

import (
	"fmt"
	"strings"
	"testing"
)

// What unsubscribes, deletes and erases leave in HubSpot, and what they may not leave.
func TestCheckLeaving(t *testing.T) {
	properties := append([]Property{{Name: "hs_email_optout", Type: "bool", ReadOnly: true}}, portal...)
	ada := row(1, "ada", "registered", "ada@example.com", `{"firstname":"Ada","phone":"1"}`, "delivered")
	out := row(2, "ada", "unsubscribed", "-", `{}`, "delivered")
	del := row(2, "ada", "deleted", "-", `{}`, "delivered")
	erase := row(2, "ada", "erased", "-", `{}`, "delivered").with(took(""))
	const there = "1 ada@example.com firstname=Ada phone=1"
	for _, tt := range []struct {
		name     string
		rows     []Row
		edits    []Edit
		contacts string
		want     []string
	}{
		{"out", []Row{ada, out}, nil, there + " hs_email_optout=true", nil},
		{"out, and mailed", []Row{ada, out}, nil, there, []string{"hs_email_optout: the person is out"}},
		{"out without a word", []Row{ada}, nil, there + " hs_email_optout=true", []string{"hs_email_optout: opted out, and nobody"}},
		{"out by a person's word", []Row{ada}, []Edit{{"1", "hs_email_optout", "true", 1}}, there + " hs_email_optout=true", nil},
		{"a person's word is lost", []Row{ada}, []Edit{{"1", "hs_email_optout", "true", 1}}, there, []string{"the person is out"}},
		{"a word that waits", []Row{ada, row(2, "ada", "unsubscribed", "-", `{}`, "pending")}, nil, there, nil},
		{"a word by an operator's leave", []Row{ada, row(2, "ada", "unsubscribed", "-", `{}`, "skipped/by_operator")}, nil, there + " hs_email_optout=true", []string{"nobody"}},
		{"the word outlives an address", []Row{ada, out, row(3, "ada", "updated", "new@example.com", `{}`, "delivered")}, nil,
			"1 new@example.com firstname=Ada phone=1", []string{"the person is out"}},
		{"the word comes with fields", []Row{ada, row(2, "ada", "unsubscribed", "-", `{"phone":"2"}`, "delivered")}, nil, there + " hs_email_optout=true", []string{"phone: holds the value of row 1"}},
		{"an opt-out stays with the address", []Row{ada, out, row(3, "ada", "updated", "new@example.com", `{}`, "delivered"), row(4, "bob", "registered", "ada@example.com", `{}`, "delivered").with(took("2"))}, nil,
			"1 new@example.com firstname=Ada phone=1 hs_email_optout=true; 2 ada@example.com hs_email_optout=true", nil},
		{"no contact is needed", []Row{row(1, "ada", "unsubscribed", "ada@example.com", `{}`, "delivered").with(took(""))}, nil, "", nil},
		{"and none is made", []Row{row(1, "ada", "unsubscribed", "ada@example.com", `{}`, "delivered").with(took(""))}, nil, "1 ada@example.com hs_email_optout=true", []string{"a second contact"}},
		{"subscribed again", []Row{ada, out, row(3, "ada", "resubscribed", "-", `{}`, "skipped/consent_refused")}, nil, there + " hs_email_optout=true", nil},
		{"subscribed again, and allowed", []Row{ada, out, row(3, "ada", "resubscribed", "-", `{}`, "delivered")}, nil, there + " hs_email_optout=true", []string{"row 3: delivered: nobody may"}},

		{"deleted", []Row{ada, del}, nil, "", nil},
		{"deleted and there", []Row{ada, del}, nil, there, []string{"a contact under an address"}},
		{"a delete that waits", []Row{ada, row(2, "ada", "deleted", "-", `{}`, "pending")}, nil, there, nil},
		{"a delete that waits, and is half done", []Row{ada, row(2, "ada", "deleted", "-", `{}`, "pending")}, nil, "", nil},
		{"nothing to delete", []Row{row(1, "ada", "deleted", "-", `{}`, "skipped/no_contact")}, nil, "", nil},
		{"something to delete", []Row{ada, row(2, "ada", "deleted", "-", `{}`, "skipped/no_contact")}, nil, there, []string{"row 2: skipped/no_contact: the lead has one"}},
		{"an update that found no contact", []Row{row(1, "ada", "updated", "ada@example.com", `{}`, "skipped/no_contact")}, nil, "", []string{"only a delete needs none"}},
		{"a new life", []Row{ada, del, row(3, "ada", "registered", "ada@example.com", `{"phone":"2"}`, "delivered").with(took("2"))}, nil, "2 ada@example.com phone=2", nil},
		{"a new life with the old one's values", []Row{ada, del, row(3, "ada", "registered", "ada@example.com", `{"phone":"2"}`, "delivered").with(took("2"))}, nil,
			"2 ada@example.com firstname=Ada phone=2", []string{"firstname: holds a value that no row carries"}},

		{"erased", []Row{ada.with(took("")), erase, row(3, "ada", "updated", "-", `{"phone":"2"}`, "skipped/erased")}, nil, "", nil},
		{"erased and there", []Row{ada.with(took("")), erase}, nil, there, []string{"a contact under an address"}},
		{"written after the erase", []Row{ada.with(took("")), erase, row(3, "ada", "updated", "-", `{"phone":"2"}`, "delivered").with(took(""))}, nil, "",
			[]string{"row 3: delivered: the person was erased before"}},
		{"unsubscribed after the erase", []Row{ada.with(took("")), erase, row(3, "ada", "unsubscribed", "-", `{}`, "delivered").with(took(""))}, nil, "", []string{"row 3: delivered: the person was erased"}},
		{"an erased address", []Row{ada.with(took("")), erase, row(3, "new", "registered", "ada@example.com", `{}`, "skipped/erased")}, nil, "", nil},
		{"nobody is erased", []Row{ada, row(2, "ada", "updated", "-", `{"phone":"2"}`, "skipped/erased")}, nil, there, []string{"row 2: skipped/erased: nobody asked"}},
		{"an erase of somebody else", []Row{ada.with(took("")), erase, row(3, "bob", "registered", "bob@example.com", `{}`, "skipped/erased")}, nil, "", []string{"row 3: skipped/erased: nobody asked"}},
	} {
		var contacts []Contact
		for text := range strings.SplitSeq(tt.contacts, "; ") {
			if text != "" {
				contacts = append(contacts, contact(text))
			}
		}
		found := Check(tt.rows, tt.edits, contacts, properties)
		same := len(found) == len(tt.want)
		for i := 0; same && i < len(found); i++ {
			same = strings.Contains(found[i].String(), tt.want[i])
		}
		if !same {
			t.Errorf("%s: %s, want %q", tt.name, fmt.Sprint(found), tt.want)
		}
	}
}
