package settlement

import (
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// Known is what leadsync itself, and no row of the application, knows of a lead's contacts in one account besides its
// link.
type Known struct {
	Had         map[lead.ContactID][]string // contacts that it had, with their normalised addresses then
	Found       map[lead.ContactID]bool     // contacts that were there before the lead was linked to them
	Asked       map[string]int64            // addresses under which a create of ours without an answer may have made one, since when, unix ms
	Also, Leave map[lead.ContactID]bool     // an operator's words for the row that acts
	Shared      bool                        // an operator's word for every contact that another lead has too since a merge
}

// Person is what is known of somebody who is erased. The database keeps hashes of it and nothing else.
type Person struct {
	Lead lead.ID
	// Row is the one that asks for the erase; it stays pending until the end.
	Row       outbox.EntryID
	Contacts  []lead.ContactID
	Addresses []string // normalised
	// PurgedAt is when HubSpot last had something to erase of the person, unix ms; 0 = leave what is known.
	PurgedAt int64
}

// Tomb is what is known of one tombstone: when the erase began, and when HubSpot last had something to erase, unix ms.
type Tomb struct {
	ErasedAt, PurgedAt int64
	// Marker says that the lead id is the one that the last phase of an erase left behind: what names the person is
	// overwritten already.
	Marker bool
}

// Tombstoned tells which of those that were asked about have a tombstone.
type Tombstoned struct {
	Leads     map[lead.ID]Tomb
	Contacts  map[lead.ContactID]bool
	Addresses map[string]bool
}

// DeleteAsk is a delete or an erase before the brake: how many contacts at HubSpot it would touch.
type DeleteAsk struct {
	Row      outbox.EntryID
	Contacts int
}

// Wiped counts what an erase has overwritten in the database.
type Wiped struct{ Rows, Inbox int64 }
