package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Change is one thing that people changed in HubSpot, as HubSpot's own log has it.
type Change struct {
	Kind                 string // created, updated, archived, restored, merged, optout or optin
	ContactID            string
	Property, Value, Was string // of updated
	At                   int64  // HubSpot's time, unix ms
	// Lost: a value of the application won over it, so nobody is to be told.
	Lost bool
}

// Told is one row of lead_inbox.
type Told struct {
	ID                                        int64
	LeadID, ContactID, ChangeType, Properties string
	ChangedAt                                 int64
}

// changeTypes are the change types of the contract by kind of change.
var changeTypes = map[string]string{
	"updated": "contact.updated", "archived": "contact.deleted", "restored": "contact.restored", "merged": "contact.merged",
	"optout": "contact.unsubscribed", "optin": "contact.resubscribed",
}

// news is one change in the form in which both sides can be compared.
type news struct{ changeType, lead, contact, field, value, was string }

func (n news) String() string {
	text := n.changeType
	if n.field != "" {
		text += " of " + n.field
	}
	return text
}

// CheckTold holds the inbox against what people changed: each change of a lead's contact is told exactly once, with its
// value and the one before, under the lead field that the property is mapped to, and not before it was made (an opt-out
// need not move the time of a contact, so nothing is asked of its time); nothing else is told. fields are the
// properties that the application hears of. A property that was changed twice must have been told in between; a value
// that a row brought is nobody's news. rows say which contact is whose.
func CheckTold(rows []Row, changes []Change, told []Told, fields map[string]string) []Difference {
	leads := leadsOf(rows)
	due := map[news][]int64{}
	var found []Difference
	for _, c := range changes {
		n := news{changeType: changeTypes[c.Kind], lead: leads[c.ContactID], contact: c.ContactID}
		if c.Kind == "updated" {
			if n.field = fields[c.Property]; n.field == "" {
				continue
			}
			n.value, n.was = c.Value, c.Was
		}
		if n.lead != "" && n.changeType != "" && !c.Lost {
			due[n] = append(due[n], c.At)
		}
	}
	for _, t := range told {
		all, err := t.news()
		if err != nil {
			found = append(found, Difference{Lead: t.LeadID, Contact: t.ContactID, Text: fmt.Sprintf("inbox row %d: %v", t.ID, err)})
		}
		for _, n := range all {
			d := Difference{Lead: n.lead, Contact: n.contact, Field: n.field, Text: fmt.Sprintf("inbox row %d tells %s, and nobody changed it so", t.ID, n), Got: n.value}
			switch at := due[n]; {
			case len(at) == 0:
				found = append(found, d)
			case t.ChangedAt < at[0] && t.ChangeType != "contact.unsubscribed":
				d.Text = fmt.Sprintf("inbox row %d tells %s with a time before it was made", t.ID, n)
				found = append(found, d)
				due[n] = at[1:]
			default:
				due[n] = at[1:]
			}
		}
	}
	for n, at := range due {
		for range at {
			found = append(found, Difference{Lead: n.lead, Contact: n.contact, Field: n.field, Text: n.String() + " was not told", Want: n.value})
		}
	}
	slices.SortFunc(found, func(a, b Difference) int { return strings.Compare(a.String(), b.String()) })
	return found
}

// news are what a row tells: one for each field of an update.
func (t *Told) news() ([]news, error) {
	n := news{changeType: t.ChangeType, lead: t.LeadID, contact: t.ContactID}
	if t.ChangeType != "contact.updated" {
		return []news{n}, nil
	}
	var properties map[string]struct{ Value, Was *string }
	if err := json.Unmarshal([]byte(t.Properties), &properties); err != nil || len(properties) == 0 {
		return nil, errors.New("its properties are no changes")
	}
	var all []news
	for _, name := range sortedNames(properties) {
		one := n
		one.field = name
		if p := properties[name]; p.Value != nil {
			one.value = *p.Value
		}
		if p := properties[name]; p.Was != nil {
			one.was = *p.Was
		}
		all = append(all, one)
	}
	return all, nil
}

// leadsOf says whose each contact is: the lead of the last row that it took.
func leadsOf(rows []Row) map[string]string {
	leads := map[string]string{}
	for _, r := range rows {
		if r.ContactID != "" && r.LeadID != nil {
			leads[r.ContactID] = *r.LeadID
		}
	}
	return leads
}

// edit takes a person's value into the lead whose contact it is.
func (w *world) edit(leads map[string]string, e Edit) {
	lead, def := leads[e.ContactID], w.properties[e.Property]
	if lead != "" && e.Property == optOutProperty {
		w.person(lead).out = yes
		return
	}
	if lead == "" || def == nil {
		w.differ(Difference{Contact: e.ContactID, Field: e.Property, Text: "an edit of a contact or a property that no row knows"})
		return
	}
	w.person(lead).fields[e.Property] = []string{def.canon(e.Value)}
}
