package mapping

import (
	"strings"

	"leadsync/internal/hubspot"
)

// kind groups HubSpot's property types by how their values are checked and compared.
type kind int

const (
	kindText    kind = iota // string, phone_number and every type this version does not know
	kindNumber              // decimal number
	kindBool                // true or false
	kindOption              // one option by internal value
	kindOptions             // set of options
	kindDate                // day without time
	kindTime                // datetime
)

// definition is one property as the table needs it.
type definition struct {
	kind     kind
	readOnly bool
	archived bool
	unique   bool
	shape    string // HubSpot's words for type and form, e.g. "enumeration/checkbox"

	// options of kindOption and kindOptions. Empty open means that HubSpot lists no options (owners and other outside
	// lists).
	open    bool
	values  map[string]bool   // internal values
	labels  map[string]string // label -> value; "" when two options share the label
	folded  map[string]string // lower-case value or label -> value; "" when ambiguous
	hasBool bool              // an enumeration whose options are true and false
}

// newDefinition decides by Type: a datetime has fieldType date too, and a multi-select is an enumeration with fieldType
// checkbox (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide, read 2026-11-22).
func newDefinition(p *hubspot.Property) *definition {
	d := &definition{readOnly: p.ReadOnlyValue || p.Calculated, archived: p.Archived, unique: p.HasUniqueValue, shape: p.Type + "/" + p.FieldType}
	switch p.Type {
	case "number":
		d.kind = kindNumber
	case "bool":
		d.kind = kindBool
	case "date":
		d.kind = kindDate
	case "datetime":
		d.kind = kindTime
	case "enumeration":
		d.kind = kindOption
		if p.FieldType == "checkbox" {
			d.kind = kindOptions
		}
		d.addOptions(p.Options)
	}
	return d
}

func (d *definition) addOptions(options []hubspot.Option) {
	d.open = len(options) == 0
	d.values = make(map[string]bool, len(options))
	d.labels = make(map[string]string, len(options))
	d.folded = make(map[string]string, 2*len(options))
	add := func(m map[string]string, key, value string) {
		if was, ok := m[key]; ok && was != value {
			value = "" // two options answer to it: neither is meant
		}
		m[key] = value
	}
	for _, o := range options {
		d.values[o.Value] = true
		label := strings.TrimSpace(o.Label)
		add(d.labels, label, o.Value)
		add(d.folded, strings.ToLower(o.Value), o.Value)
		add(d.folded, strings.ToLower(label), o.Value)
	}
	d.hasBool = len(options) == 2 && d.values["true"] && d.values["false"]
}

// option finds the internal value that s means: the value itself, then a label, and as the last resort either of them
// without regard to case. A label or spelling that fits two options fits none.
func (d *definition) option(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if d.open || d.values[s] {
		return s, true
	}
	if v := d.labels[s]; v != "" {
		return v, true
	}
	if v := d.folded[strings.ToLower(s)]; v != "" {
		return v, true
	}
	return "", false
}
