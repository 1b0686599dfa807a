package mapping

import "fmt"

// Codes of Problem beside those of LeftOut.
const (
	CodeMappedTwice = "MAPPED_TWICE"           // an earlier field names the same contact property and does nothing
	CodeNotUnique   = "ID_PROPERTY_NOT_UNIQUE" // id_property exists but two contacts may hold one value
)

// Problem is one line of the configuration that cannot work with the portal's definitions.
type Problem struct {
	Lead    string // empty for the id property
	Contact string
	Code    string
}

// String says it for a log line or a status entry.
func (p Problem) String() string {
	if p.Lead == "" {
		return fmt.Sprintf("mapping.id_property %s: %s", p.Contact, p.Code)
	}
	return fmt.Sprintf("mapping.fields %s -> %s: %s", p.Lead, p.Contact, p.Code)
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
