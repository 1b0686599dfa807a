// Package outbox holds the rows of lead_outbox as Go values: the entry, its states and reasons, and the outcome that
// one attempt decides. It is pure; the SQL lives in store, the decisions in push.
//
// Design: an entry is pending until it is settled, and settled once: delivered, skipped or dead. There is no "in
// flight" state, because only the owner of a portal reads its rows, so a crash leaves nothing to undo. The rejected way
// was a claim column with a lease per row: two writes an event more, and rows stuck "running" after a crash.
package outbox

import (
	"slices"
	"time"

	"leadsync/internal/lead"
)

// EntryID is the id of a row of lead_outbox; it rises in insert order, but two transactions may commit out of its
// order.
type EntryID int64

// Type is the event type of an entry.
type Type string

// The event types of the public contract.
const (
	Registered   Type = "lead.registered"
	Updated      Type = "lead.updated"
	Unsubscribed Type = "lead.unsubscribed"
	Resubscribed Type = "lead.resubscribed"
	Deleted      Type = "lead.deleted"
	Erased       Type = "lead.erased"
)

// Known reports whether the type is in the public contract.
func (t Type) Known() bool {
	switch t {
	case Registered, Updated, Unsubscribed, Resubscribed, Deleted, Erased:
		return true
	}
	return false
}

// Supported reports whether this version acts on the type. A known type without support stays pending, is counted by
// status, and blocks nothing.
func (t Type) Supported() bool { return slices.Contains(SupportedTypes(), t) }

// Consent reports whether the type speaks of consent: such rows are read by the unsubscribe lane.
func (t Type) Consent() bool { return t == Unsubscribed || t == Resubscribed }

// SupportedTypes lists the types this version acts on.
func SupportedTypes() []Type {
	return []Type{Registered, Updated, Unsubscribed, Resubscribed, Deleted, Erased}
}

// Lane orders rows: live goes before backfill.
type Lane string

// The lanes an application may choose.
const (
	Live     Lane = "live"
	Backfill Lane = "backfill"
)

// State is where an entry stands.
type State string

// The four states. Only pending may change.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Skipped   State = "skipped"
	Dead      State = "dead"
)

// Reason is the machine word for a skipped or dead entry.
type Reason string

// Reasons of dead entries.
const (
	UnknownEventType Reason = "unknown_event_type"
	InvalidJSON      Reason = "invalid_json"
	NotAnObject      Reason = "not_an_object"
	NestedValue      Reason = "nested_value"
	TooLarge         Reason = "too_large"
	InvalidText      Reason = "invalid_text"
	MissingLeadID    Reason = "missing_lead_id"
	LeadIDTooLong    Reason = "lead_id_too_long"
	NoAddress        Reason = "no_address"
	InvalidEmail     Reason = "invalid_email"
	InvalidProperty  Reason = "invalid_property"
	PortalRule       Reason = "portal_rule"
	AddressTaken     Reason = "address_taken"
	ContactGone      Reason = "contact_gone"
	ContactPurged    Reason = "contact_purged"
	SharedContact    Reason = "shared_contact"
	Refused          Reason = "refused"
	GaveUp           Reason = "gave_up"
	Panic            Reason = "panic"
)

// Reasons of skipped entries.
const (
	Unchanged      Reason = "unchanged"
	Overtaken      Reason = "overtaken"
	Duplicate      Reason = "duplicate"
	Merged         Reason = "merged"
	ErasedPerson   Reason = "erased"
	ConsentRefused Reason = "consent_refused"
	NotMapped      Reason = "not_mapped"
	ByOperator     Reason = "by_operator"
	NoContact      Reason = "no_contact"
)

// Known reports whether the word is one of the reasons above.
func (r Reason) Known() bool { return slices.Contains(Reasons, r) }

// Reasons are all of them, those of dead entries first. Nobody changes it.
var Reasons = []Reason{UnknownEventType, InvalidJSON, NotAnObject, NestedValue, TooLarge, InvalidText, MissingLeadID, LeadIDTooLong, NoAddress,
	InvalidEmail, InvalidProperty, PortalRule, AddressTaken, ContactGone, ContactPurged, SharedContact, Refused, GaveUp, Panic,
	Unchanged, Overtaken, Duplicate, Merged, ErasedPerson, ConsentRefused, NotMapped, ByOperator, NoContact}

// MaxPropertiesBytes is the largest properties text that is read; a larger one is dead as too_large and is never
// loaded.
const MaxPropertiesBytes = 1 << 20

// MaxTextBytes is the most that is read of any other text column. An id of 10,000 characters fits, and no address is
// longer than 254 bytes.
const MaxTextBytes = 40 << 10

// Parked is the not_before of a row that waits for something other than time: an address, or support for its event
// type. The reader's index keeps such rows out of every scan; a start of the daemon un-parks them once, and a new row
// of the same lead brings them along, since reading a lead takes all its pending rows.
const Parked int64 = 1<<62 - 1

// Entry is one row of lead_outbox. Times are unix milliseconds UTC. Nil pointers are SQL NULL.
type Entry struct {
	ID         EntryID
	Portal     string
	EventID    *string
	LeadID     *string // raw, may be missing or too long; use Lead after checking
	Type       *string // raw event_type
	Email      *string
	Properties *string // nil when NULL, or when PropertiesBytes > MaxPropertiesBytes (then it was not loaded)
	// Large names the first of lead_id, event_type, email and event_id that is over MaxTextBytes, empty = none is. Such a
	// column, and any other text beyond the limit, is not loaded: it reads as nil.
	Large string
	// PropertiesBytes is the length of the properties column in bytes, also when it was not loaded.
	PropertiesBytes int64
	Lane            Lane
	OccurredAt      *int64
	CreatedAt       int64
	State           State
	Reason          *string
	Note            *string
	Attempts        int
	NotBefore       *int64
	ContactID       *string
	CorrelationID   *string
	SettledAt       *int64
}

// Lead returns the lead id, empty when the row has none.
func (e *Entry) Lead() lead.ID {
	if e.LeadID == nil {
		return ""
	}
	return lead.ID(*e.LeadID)
}

// Outcome is what is written back to one row. State Pending means: put off; then Attempts and NotBefore say how.
// The store writes it only while the row is still pending.
type Outcome struct {
	ID            EntryID
	State         State
	Reason        Reason
	Note          string // replaces the note; empty clears it
	Attempts      int    // the new value of the column
	NotBefore     int64  // unix ms; 0 writes NULL
	ContactID     lead.ContactID
	CorrelationID string // empty keeps the column
}

// Millis converts a time to the form of every time column.
func Millis(t time.Time) int64 { return t.UnixMilli() }
