// Package replay is a plain, second reading of the contract: given the rows an application inserted and what became of
// each, it works out what HubSpot must hold, and names every difference from what HubSpot does hold.
//
// Guarantee: a lost update, a wrong order, a contact too many, one that is missing, one that nobody asked for, a value
// of a dead row that reached HubSpot, and an ending that the row does not explain are each a Difference. Where the
// contract leaves room (an option written by its label, a row that is still pending) every answer it allows is
// accepted, and no other. It reads no database and no HubSpot; the caller brings both. It covers the default mapping
// (every property passes under its own name), on_invalid_field: drop, consent of all e-mail without resubscribe, and
// one portal. Somebody who is opted out must be so in HubSpot under the present address, and nobody else may be; who is
// deleted or erased has no contact, and of an erased person no later row may reach HubSpot. What people change in
// HubSpot goes both ways: CheckEdited has their values in the contacts, CheckTold has their changes in the inbox.
//
// Design: one walk over the rows in id order, one map a lead, no batches, no retries, no ledger. It imports nothing of
// leadsync: written from the contract alone, it cannot share a mistake with the code it checks. Comparing with a second
// run of the real fold was rejected for that reason. A row's own ending is taken from the database, since HubSpot may
// refuse what no rule foresees, but it has to be one that the row, or a refusal by HubSpot, explains.
package replay

import (
	"fmt"
	"slices"
	"strings"
)

// Row is one row of lead_outbox: what the application inserted, and how it stands now. A nil pointer is SQL NULL.
type Row struct {
	ID                                            int64
	EventID, LeadID, EventType, Email, Properties *string

	State         string
	Reason        string // "" for pending and delivered rows
	Note          string
	ContactID     string
	CorrelationID string // HubSpot's id of the request it refused; "" when it refused none
}

// Contact is one live contact as HubSpot shows it; unset properties may be missing or "".
type Contact struct {
	ID         string
	Properties map[string]string
}

// Property is the definition of a contact property as HubSpot gives it.
type Property struct {
	Name      string
	Type      string // string, number, bool, enumeration, date, datetime, phone_number
	FieldType string // checkbox makes an enumeration a multi-select
	Options   []Option
	ReadOnly  bool // read-only or calculated: HubSpot sets it
	Unique    bool
}

// Option is one allowed value of an enumeration.
type Option struct{ Value, Label string }

// Difference is one thing that is not as the rows say. It names leads, rows and fields, never a value.
type Difference struct {
	Lead    string // "" when no lead can be named
	Row     int64  // 0 when it is not about one row
	Contact string
	Field   string
	Text    string
	// Want and Got are the values, for whoever may show them: the invented ones of the demo.
	Want, Got string
}

// String is the difference in one line, without values.
func (d Difference) String() string {
	var b strings.Builder
	for _, part := range []struct{ name, value string }{{"lead ", d.Lead}, {"row ", idText(d.Row)}, {"contact ", d.Contact}, {"", d.Field}} {
		if part.value != "" {
			fmt.Fprintf(&b, "%s%s: ", part.name, part.value)
		}
	}
	return b.String() + d.Text
}

func idText(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}

// Edit is a value that a person gave a contact in HubSpot.
type Edit struct {
	ContactID, Property, Value string
	// After is the row that it counts as made after: the last one before it, or, where a row was on its way that lost to
	// it, that row.
	After int64
}

// Check replays the rows and compares HubSpot with the result. It returns nothing when all is as it must be. rows may
// come in any order; contacts are all live contacts of the account, none of which was there before the first row; edits
// are what people changed in contacts of the leads.
func Check(rows []Row, edits []Edit, contacts []Contact, properties []Property) []Difference {
	w := &world{
		properties: make(map[string]*Property, len(properties)),
		leads:      map[string]*person{},
		events:     map[string]bool{},
		users:      map[string]map[string]bool{},
	}
	for i := range properties {
		w.properties[properties[i].Name] = &properties[i]
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b Row) int { return int(a.ID - b.ID) })
	read := make([]event, len(rows))
	for i := range rows {
		read[i] = w.read(&rows[i])
	}
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b Edit) int { return int(a.After - b.After) })
	leads := leadsOf(rows)
	for i := range read {
		for len(edits) > 0 && edits[0].After < read[i].ID {
			w.edit(leads, edits[0])
			edits = edits[1:]
		}
		w.apply(&read[i])
	}
	for _, e := range edits {
		w.edit(leads, e)
	}
	w.settle()
	w.compare(contacts)
	return w.found
}

// world is what the rows add up to.
type world struct {
	properties map[string]*Property
	leads      map[string]*person
	order      []*person
	events     map[string]bool            // event ids met so far
	users      map[string]map[string]bool // address -> leads with a row that carries it
	found      []Difference
}

// person is one lead: the contact it must have, and where each value came from.
type person struct {
	id        string
	played    truth
	exists    truth
	addresses []string            // the contact has one of them
	fields    map[string][]string // property -> the canonical values it may have
	said      map[string][]saying // property -> every value its rows carried, in id order
	former    map[string]bool     // every address of its rows
	out       truth               // opted out of all e-mail
	erase     bool                // some row asks to erase it
	gone      bool                // it is erased
	rows      []*Row              // played ones that name the contact that took them
}

// saying is one value of one row.
type saying struct {
	canon   string
	row     int64
	applied bool
}

// truth is yes, no, or not known.
type truth int

const (
	no truth = iota
	maybe
	yes
)

func (w *world) person(id string) *person {
	p := w.leads[id]
	if p == nil {
		p = &person{id: id, fields: map[string][]string{}, said: map[string][]saying{}, former: map[string]bool{}}
		w.leads[id] = p
		w.order = append(w.order, p)
	}
	return p
}

func (w *world) differ(d Difference) { w.found = append(w.found, d) }
