package mapping

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// Codes of LeftOut. They are HubSpot's own where it has one, so that a note reads the same whoever refused the value
// (https://developers.hubspot.com/docs/api-reference/error-handling and the cases collected from it, read 2026-11-22).
const (
	CodeDoesntExist    = "PROPERTY_DOESNT_EXIST"
	CodeReadOnly       = "READ_ONLY_VALUE"
	CodeInvalidOption  = "INVALID_OPTION"  // enumeration or bool
	CodeAppend         = "APPEND_REFUSED"  // a multi-select value with a leading ';'
	CodeInvalidInteger = "INVALID_INTEGER" // HubSpot's code for every number that is none
	CodeInvalidDate    = "INVALID_DATE"    // date or datetime
	CodeTooLong        = "VALUE_TOO_LONG"  // ours: HubSpot's code is not documented
	CodeArchived       = "PROPERTY_ARCHIVED"
)

// MaxTextLength is the longest text in characters
// (https://developers.hubspot.com/docs/api-reference/crm-properties-v3/guide, read 2026-11-22).
const MaxTextLength = 65536

// Value is one contact property to write.
type Value struct {
	Property string
	Send     string // the text for HubSpot; empty clears the property
	Canon    string // Canon(Property, Send), for the ledger
}

// LeftOut is one value that may not be sent.
type LeftOut struct {
	// Property is the name of the contact property. A name that could not be one is replaced by OddName: a program may
	// have put an address there, and notes hold none.
	Property string
	Code     string
	Raw      Raw // the value; null when the name is an odd one
}

// Mapped is what one row's properties come to.
type Mapped struct {
	Values    []Value   // by property name, each name once
	LeftOut   []LeftOut // by property name
	NotMapped int       // fields that no push rule takes: unmapped, direction pull, or the id property
	// Address is the value of the address field as written, for rows whose email column is null; nil when the field is not
	// carried, null or blank, since an address cannot be cleared. Not checked: see lead.NormalizeAddress.
	Address *string
}

// Map checks and coerces the values of one row. Forms it accepts, by type of the property (nothing is checked while the
// definitions are not known; null and blank text clear every type):
//
//	text         any value; a number as written; at most MaxTextLength characters
//	number       decimal, with exponent if need be, as number or text: no thousands separators, no words
//	bool         true and false; in text also yes, no, 1, 0, in any case; the numbers 1 and 0
//	enumeration  the internal value, else the label, else either without regard to case if that fits one option only
//	multi-select options separated by ';', replacing what is there. A leading ';' would add to it
//	             at HubSpot (https://developers.hubspot.com/docs/api-reference/latest/crm/properties/guide, read 2026-11-22): what the
//	             field holds then is not what the event says, so it is refused by name
//	date         YYYY-MM-DD; ISO 8601 or milliseconds at midnight, anything else is refused rather than shifted by a day
//	datetime     ISO 8601 (without a zone: UTC; a day: its midnight UTC); milliseconds, but not seconds by mistake
//
// A mapped address field and, unless another field feeds the address, a field named email become Address. The map is
// only read.
func (t *Table) Map(raw map[string]Raw) Mapped {
	m := Mapped{Values: make([]Value, 0, len(raw))}
	for name, r := range raw {
		if t.open {
			t.mapOne(&m, name, r)
			continue
		}
		taken := false
		for _, f := range t.byLead[name] {
			if f.Direction != Pull && t.byContact[f.Contact] == f && f.Contact != t.idProperty {
				t.mapOne(&m, f.Contact, r)
				taken = true
			}
		}
		if taken {
			continue
		}
		if _, fed := t.byContact[AddressProperty]; name == AddressProperty && !fed && len(t.byLead[name]) == 0 {
			t.mapOne(&m, AddressProperty, r)
			continue
		}
		m.NotMapped++
	}
	slices.SortFunc(m.Values, func(a, b Value) int { return strings.Compare(a.Property, b.Property) })
	slices.SortFunc(m.LeftOut, func(a, b LeftOut) int {
		return cmp.Or(strings.Compare(a.Property, b.Property), strings.Compare(a.Code, b.Code))
	})
	return m
}

func (t *Table) mapOne(m *Mapped, property string, r Raw) {
	switch property {
	case AddressProperty:
		if r.Kind != Null && canonText(r.Text) != "" {
			m.Address = &r.Text
		}
		return
	case t.idProperty:
		if t.idProperty != "" {
			m.NotMapped++
			return
		}
	}
	send, code := t.check(property, r)
	if code != "" {
		left := LeftOut{Property: shown(property), Code: code}
		if left.Property == property {
			left.Raw = r
		}
		m.LeftOut = append(m.LeftOut, left)
		return
	}
	m.Values = append(m.Values, Value{Property: property, Send: send, Canon: t.Canon(property, send)})
}

// Fit is the value of a contact property that was left out before, when it may be sent now.
func (t *Table) Fit(property string, r Raw) (Value, bool) {
	f, mapped := t.byContact[property]
	if !mapped && !t.open || f.Direction == Pull || property == AddressProperty || property == t.idProperty {
		return Value{}, false
	}
	send, code := t.check(property, r)
	return Value{Property: property, Send: send, Canon: t.Canon(property, send)}, code == ""
}

// SameChecks reports whether both tables were made of the same definitions, as far as values are checked by them.
func (t *Table) SameChecks(other *Table) bool {
	return t.Known() == other.Known() && maps.EqualFunc(t.defs, other.defs, func(a, b *definition) bool { return reflect.DeepEqual(a, b) })
}

// check returns the text to send, or the code of the reason not to.
func (t *Table) check(property string, r Raw) (send, code string) {
	text := r.Text
	if canonText(text) == "" {
		text = ""
	}
	if t.defs == nil {
		return text, ""
	}
	d := t.defs[property]
	switch {
	case d == nil:
		return "", CodeDoesntExist
	case d.archived:
		return "", CodeArchived
	case d.readOnly:
		return "", CodeReadOnly
	case text == "":
		return "", ""
	}
	return d.coerce(r)
}

// coerce turns a value that is not blank into the form its property takes.
func (d *definition) coerce(r Raw) (send, code string) {
	ok := true
	switch d.kind {
	case kindNumber:
		send, ok = parseNumber(r.Text)
		if r.Kind == Number {
			send = r.Text
		}
		code = CodeInvalidInteger
	case kindBool:
		send, ok = parseBool(r.Text)
		code = CodeInvalidOption
	case kindOption:
		if send, ok = d.option(r.Text); !ok && d.hasBool {
			send, ok = parseBool(r.Text)
		}
		code = CodeInvalidOption
	case kindOptions:
		send, ok = d.optionSet(r.Text)
		code = CodeInvalidOption
		if t := strings.TrimSpace(r.Text); strings.HasPrefix(t, ";") && strings.Trim(t, "; ") != "" {
			ok, code = false, CodeAppend
		}
	case kindDate:
		send, ok = parseDay(r.Text)
		code = CodeInvalidDate
	case kindTime:
		send, ok = parseTime(r.Text, true)
		code = CodeInvalidDate
	default:
		send = r.Text
		// Bytes first: counting characters of every value is not free.
		ok = len(send) <= MaxTextLength || utf8.RuneCountInString(send) <= MaxTextLength
		code = CodeTooLong
	}
	if !ok {
		return "", code
	}
	return send, ""
}

// OddName stands for a name that could not be that of a property.
const OddName = "(odd name)"

// shown returns the name when it can be that of a property (letters, digits, underscore, dot, hyphen, at most 100
// bytes).
func shown(name string) string {
	if name == "" || len(name) > 100 {
		return OddName
	}
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '.' && c != '-' {
			return OddName
		}
	}
	return name
}
