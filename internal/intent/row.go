package intent

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// Row is one pending entry, read and checked.
type Row struct {
	*outbox.Entry
	Event   outbox.Type
	Address string // normalised, empty when the row carries none
	Values  []mapping.Value
	Omitted []mapping.LeftOut // by property, our own checks and HubSpot's refusals
	// Mapped is the number of fields the row carries that the mapping knows, the address included; zero with Unmapped > 0
	// means that nothing of the row is for HubSpot.
	Mapped, Unmapped int
	// End is set when the row is decided by itself, before any fold.
	End *outbox.Outcome
	// LookFor is the address that a lead.deleted or lead.erased names: the lead may be known by it, and it is never
	// written.
	LookFor string

	// Consent is what the row says of it, ledger.Out or ledger.In, or empty; Evidence is what a resubscribe rests on.
	Consent  string
	Evidence Evidence
	Folded   bool // its fields are in the fold: what it says of consent is done
	Erased   bool // its person was erased: it opts out what it names, and that is all it does
}

// Num is the row's outbox id as the ledger keeps it.
func (r *Row) Num() int64 { return int64(r.ID) }

// EndAs decides the row by itself.
func (r *Row) EndAs(state outbox.State, reason outbox.Reason, note string) *Row {
	r.End = &outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts}
	return r
}

// NewRow checks one entry. Every bad row ends in its own state with its reason; none stops the lane.
func NewRow(e *outbox.Entry, table *mapping.Table, duplicate bool) *Row {
	r := &Row{Entry: e}
	if e.Large == "lead_id" {
		return r.EndAs(outbox.Dead, outbox.LeadIDTooLong, fmt.Sprintf("longer than %d bytes", lead.MaxIDLength))
	}
	if e.LeadID == nil || *e.LeadID == "" {
		return r.EndAs(outbox.Dead, outbox.MissingLeadID, "")
	}
	if len(*e.LeadID) > lead.MaxIDLength {
		return r.EndAs(outbox.Dead, outbox.LeadIDTooLong, fmt.Sprintf("longer than %d bytes", lead.MaxIDLength))
	}
	if !cleanText(*e.LeadID) {
		return r.EndAs(outbox.Dead, outbox.InvalidText, "lead_id")
	}
	if e.Type != nil {
		r.Event = outbox.Type(*e.Type)
	}
	if !r.Event.Known() {
		return r.EndAs(outbox.Dead, outbox.UnknownEventType, "")
	}
	r.parseConsent()
	if duplicate {
		return r.EndAs(outbox.Skipped, outbox.Duplicate, "")
	}
	if !r.Event.Supported() {
		r.End = &outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, NotBefore: outbox.Parked,
			Note: "waits: this version does not act on " + string(r.Event)}
		return r
	}
	if r.Event == outbox.Deleted || r.Event == outbox.Erased { // what else it carries cannot keep it from being done
		if e.Email != nil {
			if a, err := lead.NormalizeAddress(*e.Email); err == nil {
				r.LookFor = string(a)
			}
		}
		return r
	}
	if e.Large != "" {
		return r.EndAs(outbox.Dead, outbox.TooLarge, fmt.Sprintf("%s of more than %d bytes", e.Large, outbox.MaxTextBytes))
	}
	if e.PropertiesBytes > outbox.MaxPropertiesBytes {
		return r.EndAs(outbox.Dead, outbox.TooLarge, fmt.Sprintf("properties of %d bytes, the limit is %d", e.PropertiesBytes, outbox.MaxPropertiesBytes))
	}
	var m mapping.Mapped
	if e.Properties != nil && *e.Properties != "" {
		raw, err := mapping.ParseProperties(r.parseEvidence([]byte(*e.Properties)))
		if err != nil {
			return r.EndAs(outbox.Dead, parseReason(err), "")
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
			return r.EndAs(outbox.Dead, outbox.InvalidEmail, "")
		}
		r.Address = string(a)
		r.Mapped++
	}
	r.Values, r.Omitted, r.Unmapped = m.Values, m.LeftOut, m.NotMapped
	r.Mapped += len(m.Values) + len(m.LeftOut)
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

// Omit applies what HubSpot refused before: the value of one property of this row is left out.
func (r *Row) Omit(refused map[string]string) {
	if len(refused) == 0 {
		return
	}
	kept := r.Values[:0:0]
	for _, v := range r.Values {
		if code, ok := refused[v.Property]; ok {
			r.Omitted = append(r.Omitted, mapping.LeftOut{Property: v.Property, Code: code, Raw: rawOf(v.Send)})
			continue
		}
		kept = append(kept, v)
	}
	r.Values = kept
}

// AllOmitted reports whether every field the row carried was left out.
func (r *Row) AllOmitted() bool { return len(r.Omitted) > 0 && len(r.Values) == 0 && r.Address == "" }

// OmittedNote names what was left out, properties and codes only.
func OmittedNote(left []mapping.LeftOut) string {
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
	return OmittedPrefix + strings.Join(parts, ", ")
}

// OmittedPrefix begins the note of a row of which a field was not sent.
const OmittedPrefix = "left out: "

// maxNamed bounds how many properties a note names.
const maxNamed = 20

// rawOf is a value in HubSpot's form as an event would say it.
func rawOf(send string) mapping.Raw {
	if send == "" {
		return mapping.Raw{}
	}
	return mapping.Raw{Kind: mapping.String, Text: send}
}

// EffectiveDelete reports whether a row is a delete that counts.
func (r *Row) EffectiveDelete(l *ledger.Link) bool {
	return r.Event == outbox.Deleted && r.End == nil && r.Num() > l.ClosedAtID && r.Num() > l.AppliedID
}

// Carries reports whether the row has a value for a property that may be written.
func (r *Row) Carries(p string) bool { return len(PendingValues([]*Row{r}, p)) > 0 }

// Parked reports whether the row waits for something other than time: an erase, for the brake.
func (r *Row) Parked() bool { return r.NotBefore != nil && *r.NotBefore == outbox.Parked }
