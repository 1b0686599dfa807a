// Package ledger keeps what HubSpot is known to hold of each lead, and decides from it: what is unchanged, what is our
// own write coming back, what an older event may still set, and who wins when both sides changed a field.
//
// It is pure. It guarantees order (G2) field by field: every field remembers the outbox id that set it, so an event
// that commits late or is requeued only sets fields that no later event has set. It does not read HubSpot or the
// database.
//
// Design: per contact property two values are kept. `sent` is what we sent, in canonical form; `seen` is what HubSpot's
// answer or a read-back showed afterwards. So nothing needs to be known about how HubSpot trims, sanitises, sorts or
// refuses. The rejected way, one value a field, turns every normalisation by HubSpot into an echo or an endless resend.
package ledger

import "leadsync/internal/lead"

// AddressField is the name under which the address stands in the ledger: HubSpot's own property name.
const AddressField = "email"

// Field is what is known of one contact property. Values are canonical (see mapping); the empty string is an unset
// property.
type Field struct {
	Sent string `json:"s,omitempty"`
	// Seen is what HubSpot showed after Sent was written. While Shown is false no answer has shown the field yet and Seen
	// holds Sent.
	Seen  string `json:"v,omitempty"`
	Shown bool   `json:"h,omitempty"`
	// Set is the outbox id that set the field: events with a lower id may not set it any more.
	Set int64 `json:"i,omitempty"`
	// Refused is HubSpot's or our own code when the value was left out.
	Refused string `json:"r,omitempty"`
	// Left is that value while it is owed to HubSpot; nil = none. Never changed in place.
	Left *Left `json:"l,omitempty"`
	// Owed marks a value of HubSpot's in Seen that lost to a pending row and was not told to the application yet.
	Owed bool `json:"o,omitempty"`
	// Told: the application was told of Seen, and no row of its has been written over it since. Base is what it knew
	// before; while it has not taken what it was told (see Reading.Unheard), its rows are decided against Base.
	Told bool   `json:"t,omitempty"`
	Base string `json:"b,omitempty"`
	// Untold: Seen is HubSpot's in a field that the application is not told of; Base is what it knows. Should the mapping
	// come to tell it, it is decided against Base.
	Untold bool `json:"u,omitempty"`
	// Maybe are the values that requests of ours with an unknown outcome may have put there, or may still put there;
	// canonical, never changed in place. See Link.MayHold.
	Maybe []string `json:"m,omitempty"`
}

// IsZero reports whether nothing at all is known of the property.
func (f Field) IsZero() bool {
	return f.Sent == "" && f.Seen == "" && !f.Shown && f.Set == 0 && f.Refused == "" && f.Left == nil && !f.Owed && !f.Told && !f.Untold && len(f.Maybe) == 0
}

// State of a link.
type State string

// Link states. A lead that has never had a contact has a link with state None or no link at all. Where only Linked
// counts, each of the others means: no contact.
const (
	None    State = ""        // no contact yet
	Linked  State = "linked"  // ContactID is the lead's contact
	Gone    State = "gone"    // the contact was archived by people
	Purged  State = "purged"  // the contact was erased there for privacy
	Passive State = "passive" // the contact was merged into another lead's contact
	Deleted State = "deleted" // ContactID was the lead's contact until its own lead.deleted
)

// Link is the row of leadsync_links of one lead in one HubSpot account. It outlives the contact.
type Link struct {
	Portal    string
	HubID     int64
	LeadID    lead.ID
	State     State
	ContactID lead.ContactID
	// Address is the present address of the contact, normalised; it repeats Fields[AddressField].Seen for the index.
	Address string
	// Consent is the last word, "", Out or In; ConsentID is its outbox id. OptOut is what else is known of it.
	Consent   string
	ConsentID int64
	OptOut    OptOut
	// Fields is the ledger, by contact property.
	Fields map[string]Field
	// AppliedID is the highest outbox id settled for the lead, ClosedAtID the id of its last delete.
	AppliedID  int64
	ClosedAtID int64
	// SecondLookAt is when the contact is to be read once more, unix ms; 0 = not. Until then a request of ours may still
	// be executed.
	SecondLookAt int64
	// Found: the contact was there before the lead was linked to it. It is written with the link and not read back;
	// evidence is.
	Found bool
	// Stored is the contact as the database has it: what the lead gives up stays on record, see Had.
	Stored Stored
}

// Stored is the contact of a link as it was read or written last.
type Stored struct {
	State     State
	ContactID lead.ContactID
	Address   string
	// Last is the address that the contact was seen with right before the lead gave it up, when it may be another one.
	Last string
	// Out is what OutElsewhere was.
	Out []string
}

// Remember notes that the database holds the link as it is.
func (l *Link) Remember() {
	s := Stored{State: l.State, ContactID: l.ContactID, Address: l.Address, Out: l.OutElsewhere()}
	if l.Stored.ContactID == l.ContactID {
		s.Last = l.Stored.Last
	}
	l.Stored, l.Found = s, false
}

// Had is the contact, or the address of the contact, that the lead has no more since the database was written last:
// evidence that would be lost with it. False when there is none.
func (l *Link) Had() (Stored, bool) {
	s := l.Stored
	had := s.ContactID != "" && (s.State == Linked || s.State == Gone)
	return s, had && (l.ContactID != s.ContactID || l.Address != s.Address || l.State != Linked && l.State != Gone)
}
