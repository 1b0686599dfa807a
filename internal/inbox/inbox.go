// Package inbox is what leadsync tells the application: the rows of lead_inbox, their change types and the form of
// their properties.
//
// It is pure. It guarantees one form for the two who write such rows, push (which reads a contact before it writes) and
// pull. It does not decide what is told, and knows no database.
//
// Design: one small package that both import. Two row types, one in push and one in pull, would drift apart in the text
// an application parses.
package inbox

import (
	"encoding/json"
	"fmt"
	"strings"

	"leadsync/internal/lead"
)

// The change types. They are part of the public contract.
const (
	Created      = "contact.created"
	Updated      = "contact.updated"
	Merged       = "contact.merged"
	Deleted      = "contact.deleted"
	Restored     = "contact.restored"
	Unsubscribed = "contact.unsubscribed"
	Resubscribed = "contact.resubscribed"
)

// Row is one row for lead_inbox. Portal, id and pulled_at are the database's to add.
type Row struct {
	LeadID     lead.ID // empty: a contact the application does not know (NULL)
	ContactID  lead.ContactID
	Email      string // empty = NULL
	ChangeType string
	Properties string // JSON
	ChangedAt  int64  // unix ms, HubSpot's time
	// Above is the highest outbox id of the lead that was known when the change was decided, 0 = NULL: it is to be applied
	// only where no later event of the application carries the field.
	Above int64
	// Replaces: the fields of the row are taken out of the lead's rows that are not acknowledged yet.
	Replaces bool
}

// Withdrawal takes fields of a lead out of the rows that the application has not acknowledged yet: its own event won
// over them.
type Withdrawal struct {
	LeadID lead.ID
	Fields []string // lead field names
}

// Value is one property that changed. The empty string is an unset property; it is told as null.
type Value struct{ New, Was string }

// Replaced is what a field's object says under "replaced" when its value held characters that are written as U+FFFD.
const Replaced = "NUL"

// Properties is the JSON of changed properties by lead field name: field -> {"value": new, "was": last known}. It is
// JSON that every database reads: PostgreSQL's jsonb refuses a NUL, and SQLite's json_extract ends a text at it. So a
// NUL is written as U+FFFD, and the object of that field says so: "replaced": "NUL". What is no UTF-8, a lone surrogate
// among it, the decoder of HubSpot's answers has made U+FFFD before.
func Properties(values map[string]Value) string {
	type pair struct {
		Value    *string `json:"value"`
		Was      *string `json:"was"`
		Replaced string  `json:"replaced,omitempty"`
	}
	out := make(map[string]pair, len(values))
	for name, v := range values {
		p := pair{Value: orNull(clean(v.New)), Was: orNull(clean(v.Was))}
		if clean(v.New) != v.New || clean(v.Was) != v.Was {
			p.Replaced = Replaced
		}
		out[clean(name)] = p
	}
	text, _ := json.Marshal(out) // strings cannot fail
	return string(text)
}

// Fields are the names in the JSON of Properties.
func Fields(properties string) []string {
	var all map[string]json.RawMessage
	if json.Unmarshal([]byte(properties), &all) != nil {
		return nil
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	return names
}

// MergedProperties is the JSON of a merge: the records that are no more.
func MergedProperties(old ...lead.ContactID) string {
	ids := make([]string, len(old))
	for i, id := range old {
		ids[i] = string(id)
	}
	text, _ := json.Marshal(clean(strings.Join(ids, ";")))
	return fmt.Sprintf(`{"merged":{"value":%s}}`, text)
}

// clean replaces what some database's JSON cannot hold.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
