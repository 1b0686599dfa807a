package ledger

import (
	"slices"

	"leadsync/internal/lead"
)

// Evidence is why a contact is a lead's; the empty one: nothing shows that it is. Push acts by it and explain tells it:
// this is the one place that decides.
type Evidence string

// The kinds of evidence. The words stand in notes and in explain.
const (
	ByLink       Evidence = "link"        // this account's link names it
	ByMerge      Evidence = "merge"       // HubSpot's record says that the linked contact was merged into it, in any number of steps
	ByIDProperty Evidence = "id property" // mapping.id_property on it holds exactly the lead's id
	ByDelivery   Evidence = "delivery"    // the lead had it in this account, and it has an address that it had then
	ByRequest    Evidence = "request"     // made by an app since a create of ours whose outcome is not known, under its address
	SaidSo       Evidence = "operator"    // an operator said so for this row
)

// Says is the evidence for a person.
func (e Evidence) Says() string {
	switch e {
	case ByLink:
		return "the link of this account names it"
	case ByMerge:
		return "HubSpot merged the lead's contact into it"
	case ByIDProperty:
		return "mapping.id_property on it holds this lead_id"
	case ByDelivery:
		return "a row of the lead was delivered into it, and it still has the address of then"
	case ByRequest:
		return "a request of ours without an answer may have made it"
	case SaidSo:
		return "an operator said so"
	}
	return "nothing shows that it is this lead's"
}

// Shown is what is known of a contact whose owner is asked for.
type Shown struct {
	ID        lead.ContactID
	Addresses []string // normalised
	Mark      string   // the value of mapping.id_property; empty where there is none
	// Merged reports whether HubSpot says that another contact was merged into it; nil = none was.
	Merged func(lead.ContactID) bool
}

// Whose is the evidence that a contact is a lead's, by its link and by the contacts it had with their addresses of
// then. It asks nobody, so ByRequest and SaidSo are the caller's.
func Whose(id lead.ID, l *Link, had map[lead.ContactID][]string, c Shown) Evidence {
	merged := func(other lead.ContactID) bool { return c.Merged != nil && c.Merged(other) }
	switch own := l.ContactID; {
	case own == "" || l.State == None || l.State == Deleted || l.State == Purged:
	case l.State == Passive && (c.ID == own || merged(own)):
		return ByMerge
	case c.ID == own:
		return ByLink
	case merged(own):
		return ByMerge
	}
	if c.Mark != "" && c.Mark == string(id) {
		return ByIDProperty
	}
	for other, addresses := range had {
		if (c.ID == other || merged(other)) && slices.ContainsFunc(c.Addresses, func(a string) bool { return slices.Contains(addresses, a) }) {
			return ByDelivery
		}
	}
	return ""
}
