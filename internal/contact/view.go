// Package contact reads contacts of HubSpot and says what an answer shows of them. It writes nothing, and knows neither
// rows nor links.
//
// Design: an answer is read with suspicion. An id of which it says nothing, neither that it is there nor that it is
// not, is asked for once more before it counts as absent, and a contact without an id is an outage: whoever takes
// silence for absence creates people twice.
package contact

import (
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// Contact properties that are read besides the mapped ones. Further addresses of a contact stand in
// hs_additional_emails, separated by ';'
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22);
// hs_email_optout is true when the present address is opted out of all e-mail; hs_merged_object_ids are the records
// that were merged into this one, separated alike (same page).
const (
	MoreAddresses = "hs_additional_emails"
	OptedOut      = "hs_email_optout"
	MergedIDs     = "hs_merged_object_ids"
)

// View is one contact as an answer shows it.
type View struct {
	ID        lead.ContactID
	Email     string
	More      []string // secondary addresses
	Merged    []lead.ContactID
	OptedOut  bool
	Values    map[string]string // canonical, only what was shown
	UpdatedAt time.Time
	Mark      string         // the id property, letter by letter
	AskedAs   lead.ContactID // the id that it was asked for by; another one than its own since a merge
	Archived  bool           // in the recycle bin
	Begun     int64          // when the reading began, by our clock, unix ms; 0 = not known
	// History is what properties were before, of those that it was asked for.
	History map[string][]hubspot.Revision
}

// Shown is the canonical value of a property, nil when the answer did not show it.
func (v *View) Shown(property string) *string {
	if s, ok := v.Values[property]; ok {
		return &s
	}
	return nil
}

// Swallowed reports whether HubSpot says that the contact id was merged into this one. It says so in
// hs_merged_object_ids, of which it is not documented that it lists the ids of earlier merges too, and by answering a
// request for the old id with this record
// (https://developers.hubspot.com/changelog/updated-merge-functionality-for-contacts-and-companies, read 2026-11-22).
func (v *View) Swallowed(id lead.ContactID) bool {
	return id != v.ID && (v.AskedAs == id || slices.Contains(v.Merged, id))
}

// Addresses are all that the contact has.
func (v *View) Addresses() []string {
	if v.Email == "" {
		return v.More
	}
	return append([]string{v.Email}, v.More...)
}

// Of is the contact of an answer, with its values in canonical form.
func Of(c *hubspot.Contact, t *mapping.Table) *View {
	v := &View{ID: c.ID, Values: make(map[string]string, len(c.Properties)), UpdatedAt: c.UpdatedAt}
	for p, s := range c.Properties {
		text := ""
		if s != nil {
			text = *s
		}
		v.Values[p] = t.Canon(p, text)
	}
	v.Email = v.Values[ledger.AddressField]
	if mark := c.Properties[t.IDProperty()]; t.IDProperty() != "" && mark != nil {
		v.Mark = *mark
	}
	for _, a := range strings.Split(v.Values[MoreAddresses], ";") {
		if a = lead.LowerKey(a); a != "" {
			v.More = append(v.More, a)
		}
	}
	for id := range strings.SplitSeq(v.Values[MergedIDs], ";") {
		if id = strings.TrimSpace(id); id != "" {
			v.Merged = append(v.Merged, lead.ContactID(id))
		}
	}
	v.OptedOut = v.Values[OptedOut] == "true"
	return v
}
