package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// Shape is what is remembered of a property's definition, so that the next look can tell what changed.
type Shape struct {
	Type    string   `json:"t"` // HubSpot's type and fieldType
	Options []string `json:"o,omitempty"`
}

// Shapes are those of the mapped fields and the id property that HubSpot has; nil while definitions are not known. An
// empty table remembers nothing: it maps whatever the rows carry.
func (t *Table) Shapes() map[string]Shape {
	if t.defs == nil {
		return nil
	}
	out := map[string]Shape{}
	add := func(property string) {
		d := t.defs[property]
		if d == nil || d.archived {
			return
		}
		s := Shape{Type: d.shape}
		for value := range d.values {
			s.Options = append(s.Options, value)
		}
		slices.Sort(s.Options)
		out[property] = s
	}
	for property := range t.byContact {
		add(property)
	}
	if t.idProperty != "" {
		add(t.idProperty)
	}
	return out
}

// mostOptions are named in a problem.
const mostOptions = 5

// ChangedSince lists what is wrong with the definitions compared with what was remembered, in the order of the
// configuration: another type, and options that are no more of a field that is written. What appeared, and a property
// that is gone (Problems says that), is not listed.
func (t *Table) ChangedSince(was map[string]Shape) []Problem {
	now := t.Shapes()
	var out []Problem
	look := func(lead, contact string, written bool) {
		before, known := was[contact]
		after, there := now[contact]
		if !known || !there {
			return
		}
		if before.Type != after.Type {
			out = append(out, Problem{Lead: lead, Contact: contact, Code: CodeTypeChanged, Detail: before.Type + " became " + after.Type})
		}
		removed := slices.DeleteFunc(slices.Clone(before.Options), func(o string) bool { return slices.Contains(after.Options, o) })
		if !written || len(removed) == 0 || len(after.Options) == 0 {
			return // without options any value is taken
		}
		detail := strings.Join(removed[:min(len(removed), mostOptions)], ", ")
		if more := len(removed) - mostOptions; more > 0 {
			detail += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, Problem{Lead: lead, Contact: contact, Code: CodeOptionRemoved, Detail: detail})
	}
	for _, f := range t.fields {
		if t.byContact[f.Contact] == f {
			look(f.Lead, f.Contact, f.Direction != Pull)
		}
	}
	if t.idProperty != "" {
		look("", t.idProperty, true)
	}
	return out
}
