package mapping

import "fmt"

// Codes of Problem beside those of LeftOut.
const (
	CodeMappedTwice = "MAPPED_TWICE"           // an earlier field names the same contact property and does nothing
	CodeNotUnique   = "ID_PROPERTY_NOT_UNIQUE" // id_property exists but two contacts may hold one value

	CodeTypeChanged   = "TYPE_CHANGED"   // since it was looked at last
	CodeOptionRemoved = "OPTION_REMOVED" // since it was looked at last
)

// Problem is one line of the configuration that cannot work with the portal's definitions.
type Problem struct {
	Lead    string // empty for the id property
	Contact string
	Code    string
	Detail  string // what changed, in HubSpot's internal names; empty = the code says it all
}

// String says it for a log line or a status entry.
func (p Problem) String() string {
	text := fmt.Sprintf("mapping.fields %s -> %s: %s", p.Lead, p.Contact, p.Code)
	if p.Lead == "" {
		text = fmt.Sprintf("mapping.id_property %s: %s", p.Contact, p.Code)
	}
	if p.Detail != "" {
		text += " (" + p.Detail + ")"
	}
	return text
}

// Cure is what a person can do, in a sentence.
func (p Problem) Cure() string {
	switch p.Code {
	case CodeDoesntExist:
		return "create the property in HubSpot under its internal name, or correct the name in the mapping; until then its values are left out"
	case CodeArchived:
		return "restore the property in HubSpot, or take it out of the mapping; until then its values are left out"
	case CodeReadOnly:
		return "map the field to a property that can be written, or give it direction pull; until then its values are left out"
	case CodeMappedTwice:
		return "map one field to one property; the later line counts"
	case CodeNotUnique:
		return "name a property that was created with unique values; this one does not identify a contact"
	case CodeTypeChanged:
		return "make sure that the application writes values of the new type; others are left out"
	case CodeOptionRemoved:
		return "add the options in HubSpot again, or stop writing them; their values are left out"
	}
	return "compare the mapping with the property in HubSpot"
}

// Problems lists what is wrong with the mapped fields and the id property, in the order of the configuration. Without
// definitions only what shows without them is found. A pulled field may be read-only.
func (t *Table) Problems() []Problem {
	var out []Problem
	for _, f := range t.fields {
		if t.byContact[f.Contact] != f {
			out = append(out, Problem{Lead: f.Lead, Contact: f.Contact, Code: CodeMappedTwice})
		}
		if code := t.problem(f.Contact, f.Direction != Pull); code != "" {
			out = append(out, Problem{Lead: f.Lead, Contact: f.Contact, Code: code})
		}
	}
	if t.idProperty != "" {
		code := t.problem(t.idProperty, true)
		if d := t.defs[t.idProperty]; code == "" && d != nil && !d.unique {
			code = CodeNotUnique
		}
		if code != "" {
			out = append(out, Problem{Contact: t.idProperty, Code: code})
		}
	}
	return out
}

func (t *Table) problem(property string, written bool) string {
	if t.defs == nil {
		return ""
	}
	switch d := t.defs[property]; {
	case d == nil:
		return CodeDoesntExist
	case d.archived:
		return CodeArchived
	case d.readOnly && written:
		return CodeReadOnly
	}
	return ""
}
