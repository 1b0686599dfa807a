package replay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// compare holds HubSpot against the world.
func (w *world) compare(contacts []Contact) {
	contacts = slices.Clone(contacts)
	slices.SortFunc(contacts, func(a, b Contact) int { return cmp.Or(cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID)) })
	byAddress := map[string][]int{}
	for i := range contacts {
		if a := fold(contacts[i].Properties["email"]); a != "" {
			byAddress[a] = append(byAddress[a], i)
		}
	}
	claimed := make([]bool, len(contacts))
	for _, p := range w.order {
		if p.exists == no {
			continue
		}
		found := p.find(byAddress, claimed)
		if found < 0 {
			if p.exists == yes {
				w.differ(Difference{Lead: p.id, Text: "no contact has the lead's address"})
			}
			continue
		}
		claimed[found] = true
		w.compareOne(p, &contacts[found])
	}
	for i := range contacts {
		if !claimed[i] {
			w.unclaimed(&contacts[i])
		}
	}
}

// find is the first contact with an address of the lead that no lead has yet, or -1.
func (p *person) find(byAddress map[string][]int, claimed []bool) int {
	for _, a := range p.addresses {
		for _, i := range byAddress[a] {
			if !claimed[i] {
				return i
			}
		}
	}
	return -1
}

// unclaimed explains a contact that no lead accounts for.
func (w *world) unclaimed(c *Contact) {
	d := Difference{Contact: c.ID, Text: "a contact that no lead asked for"}
	address := fold(c.Properties["email"])
	for _, p := range w.order {
		named := slices.ContainsFunc(p.rows, func(r *Row) bool { return r.ContactID == c.ID })
		switch {
		case slices.Contains(p.addresses, address) || named && p.exists == yes:
			d.Lead, d.Text = p.id, "a second contact of the lead"
			w.differ(d)
			return
		case p.former[address] || named:
			d.Lead, d.Text = p.id, "a contact under an address that the lead does not have"
		}
	}
	w.differ(d)
}

func (w *world) compareOne(p *person, c *Contact) {
	for _, r := range p.rows {
		if r.ContactID != "" && r.ContactID != c.ID {
			w.differ(Difference{Lead: p.id, Row: r.ID, Contact: r.ContactID, Text: "the row names this contact, but the lead's is " + c.ID})
			break
		}
	}
	w.compareConsent(p, c)
	names := sortedNames(c.Properties)
	for name := range p.fields {
		if _, ok := c.Properties[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		def := w.properties[name]
		switch {
		case name == "email":
			continue
		case def == nil:
			w.differ(Difference{Lead: p.id, Contact: c.ID, Field: name, Text: "HubSpot has no such property"})
			continue
		case def.ReadOnly:
			continue
		}
		got, want := def.canon(c.Properties[name]), w.known(p, name)
		if !slices.Contains(want, got) {
			w.differ(Difference{Lead: p.id, Contact: c.ID, Field: name, Text: p.explain(name, got, want), Want: strings.Join(want, " or "), Got: got})
		}
	}
}

// explain says where a wrong value comes from.
func (p *person) explain(name, got string, want []string) string {
	should := int64(0)
	for _, s := range p.said[name] {
		if s.applied && slices.Contains(want, s.canon) {
			should = s.row
		}
	}
	text := "holds a value that no row carries"
	if got == "" {
		text = "is empty"
	}
	for _, s := range p.said[name] {
		switch {
		case s.canon != got:
		case s.applied:
			text = fmt.Sprintf("holds the value of row %d", s.row)
		default:
			text = fmt.Sprintf("holds the value of row %d, which was not to reach HubSpot", s.row)
		}
	}
	if should == 0 {
		return text + "; no row that counts carries it"
	}
	return fmt.Sprintf("%s; row %d is the last word", text, should)
}
