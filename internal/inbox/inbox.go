// Package inbox is what leadsync tells the application: the rows of lead_inbox, their change types and the form of their properties.
//
// It is pure. It guarantees one form for the two who write such rows, push (which reads a contact before it writes) and pull. It does
// not decide what is told, and knows no database.
//
// Design: one small package that both import. Two row types, one in push and one in pull, would drift apart in the text an application
// parses.
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
}

// Value is one property that changed. The empty string is an unset property; it is told as null.
type Value struct{ New, Was string }

// Properties is the JSON of changed properties by lead field name: field -> {"value": new, "was": last known}.
func Properties(values map[string]Value) string {
	type pair struct {
		Value *string `json:"value"`
		Was   *string `json:"was"`
	}
	out := make(map[string]pair, len(values))
	for name, v := range values {
		out[name] = pair{orNull(v.New), orNull(v.Was)}
	}
	text, _ := json.Marshal(out) // strings cannot fail
	return string(text)
}

// MergedProperties is the JSON of a merge: the records that are no more.
func MergedProperties(old ...lead.ContactID) string {
	ids := make([]string, len(old))
	for i, id := range old {
		ids[i] = string(id)
	}
	return fmt.Sprintf(`{"merged":{"value":%q}}`, strings.Join(ids, ";"))
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
