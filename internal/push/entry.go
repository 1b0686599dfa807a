package push

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// row is one pending entry, read and checked.
type row struct {
	*outbox.Entry
	typ    outbox.Type
	addr   string // normalised, empty when the row carries none
	values []mapping.Value
	left   []mapping.LeftOut // by property, our own checks and HubSpot's refusals
	// mapped is the number of fields the row carries that the mapping knows, the address included; zero with unmapped > 0 means
	// that nothing of the row is for HubSpot.
	mapped, unmapped int
	// end is set when the row is decided by itself, before any fold.
	end *outbox.Outcome
	// lookFor is the address that a lead.deleted or lead.erased names: the lead may be known by it, and it is never written.
	lookFor string

	// word is what the row says of consent, ledger.Out or ledger.In, or empty; evidence is what a resubscribe rests on.
	word     string
	evidence evidence
	folded   bool // its fields are in the fold: what it says of consent is done
}

func (r *row) id() int64 { return int64(r.ID) }

func (r *row) ends(state outbox.State, reason outbox.Reason, note string) *row {
	r.end = &outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts}
	return r
}

// newRow checks one entry. Every bad row ends in its own state with its reason; none stops the lane.
func newRow(e *outbox.Entry, table *mapping.Table, duplicate bool) *row {
	r := &row{Entry: e}
	if e.Large == "lead_id" {
		return r.ends(outbox.Dead, outbox.LeadIDTooLong, fmt.Sprintf("longer than %d bytes", lead.MaxIDLength))
	}
	if e.LeadID == nil || *e.LeadID == "" {
		return r.ends(outbox.Dead, outbox.MissingLeadID, "")
	}
	if len(*e.LeadID) > lead.MaxIDLength {
		return r.ends(outbox.Dead, outbox.LeadIDTooLong, fmt.Sprintf("longer than %d bytes", lead.MaxIDLength))
	}
	if !cleanText(*e.LeadID) {
		return r.ends(outbox.Dead, outbox.InvalidText, "lead_id")
	}
	if e.Type != nil {
		r.typ = outbox.Type(*e.Type)
	}
	if !r.typ.Known() {
		return r.ends(outbox.Dead, outbox.UnknownEventType, "")
	}
	r.hear()
	if duplicate {
		return r.ends(outbox.Skipped, outbox.Duplicate, "")
	}
	if !r.typ.Supported() {
		r.end = &outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, NotBefore: outbox.Parked,
			Note: "waits: this version does not act on " + string(r.typ)}
		return r
	}
	if r.typ == outbox.Deleted || r.typ == outbox.Erased { // what else it carries cannot keep it from being done
		if e.Email != nil {
			if a, err := lead.NormalizeAddress(*e.Email); err == nil {
				r.lookFor = string(a)
			}
		}
		return r
	}
	if e.Large != "" {
		return r.ends(outbox.Dead, outbox.TooLarge, fmt.Sprintf("%s of more than %d bytes", e.Large, outbox.MaxTextBytes))
	}
	if e.PropertiesBytes > outbox.MaxPropertiesBytes {
		return r.ends(outbox.Dead, outbox.TooLarge, fmt.Sprintf("properties of %d bytes, the limit is %d", e.PropertiesBytes, outbox.MaxPropertiesBytes))
	}
	var m mapping.Mapped
	if e.Properties != nil && *e.Properties != "" {
		raw, err := mapping.ParseProperties(r.takeEvidence([]byte(*e.Properties)))
		if err != nil {
			return r.ends(outbox.Dead, parseReason(err), "")
		}
		m = table.Map(raw)
	}
	email := e.Email
	if email == nil || strings.TrimSpace(*email) == "" {
		email = m.Address
	}
	if email != nil && strings.TrimSpace(*email) != "" {
		a, err := lead.NormalizeAddress(*email)
		if err != nil {
			return r.ends(outbox.Dead, outbox.InvalidEmail, "")
		}
		r.addr = string(a)
		r.mapped++
	}
	r.values, r.left, r.unmapped = m.Values, m.LeftOut, m.NotMapped
	r.mapped += len(m.Values) + len(m.LeftOut)
	return r
}

func parseReason(err error) outbox.Reason {
	switch {
	case errors.Is(err, mapping.ErrNotAnObject):
		return outbox.NotAnObject
	case errors.Is(err, mapping.ErrNestedValue):
		return outbox.NestedValue
	case errors.Is(err, mapping.ErrInvalidText):
		return outbox.InvalidText
	}
	return outbox.InvalidJSON
}

func cleanText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// strip applies what HubSpot refused before: the value of one property of this row is left out.
func (r *row) strip(refused map[string]string) {
	if len(refused) == 0 {
		return
	}
	kept := r.values[:0:0]
	for _, v := range r.values {
		if code, ok := refused[v.Property]; ok {
			r.left = append(r.left, mapping.LeftOut{Property: v.Property, Code: code, Raw: rawOf(v.Send)})
			continue
		}
		kept = append(kept, v)
	}
	r.values = kept
}

// emptied reports whether every field the row carried was left out.
func (r *row) emptied() bool { return len(r.left) > 0 && len(r.values) == 0 && r.addr == "" }

// leftNote names what was left out, properties and codes only.
func leftNote(left []mapping.LeftOut) string {
	if len(left) == 0 {
		return ""
	}
	sorted := append([]mapping.LeftOut(nil), left...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Property < sorted[j].Property })
	parts := make([]string, 0, len(sorted))
	for i, l := range sorted {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more", len(sorted)-maxNamed))
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", lead.SafeName(l.Property), l.Code))
	}
	return leftOutNote + strings.Join(parts, ", ")
}

// leftOutNote begins the note of a row of which a field was not sent.
const leftOutNote = "left out: "

// maxNamed bounds how many properties a note names.
const maxNamed = 20

// rawOf is a value in HubSpot's form as an event would say it.
func rawOf(send string) mapping.Raw {
	if send == "" {
		return mapping.Raw{}
	}
	return mapping.Raw{Kind: mapping.String, Text: send}
}
