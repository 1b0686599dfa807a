package hubspot

import "slices"

// Scopes of the contact and subscription operations. https://github.com/HubSpot/HubSpot-public-api-spec-collection,
// security of each operation, 2026-03 and 2026-09 (read 2026-11-22); package openapi's tests hold the table below to
// those documents. The guide of 2026-03 calls the subscription scopes by other names (subscriptions-status-write);
// accounts were seen to offer these.
const (
	scopeContactsRead     = "crm.objects.contacts.read"
	scopeContactsWrite    = "crm.objects.contacts.write"
	scopeSchemasRead      = "crm.schemas.contacts.read"
	scopeConsentRead      = "communication_preferences.read"
	scopeConsentWrite     = "communication_preferences.write"
	scopeConsentReadWrite = "communication_preferences.read_write"
	// Only Marketing Hub Enterprise can grant it: the guide named at NoBatchConsent.
	scopeConsentBatchWrite = "communication_preferences.statuses.batch.write"
)

var scopesOf = map[string][]string{
	OpAccount:          {"oauth"},
	OpProperties:       {scopeSchemasRead, scopeContactsRead, scopeContactsWrite},
	OpContact:          {scopeContactsRead},
	OpBatchRead:        {scopeContactsRead},
	OpSearch:           {scopeContactsRead},
	OpList:             {scopeContactsRead},
	OpBatchCreate:      {scopeContactsWrite},
	OpBatchUpdate:      {scopeContactsWrite},
	OpBatchUpsert:      {scopeContactsWrite},
	OpBatchArchive:     {scopeContactsWrite},
	OpGDPRDelete:       {scopeContactsWrite},
	OpCreateProperty:   {"crm.schemas.contacts.write"},
	OpDefinitions:      {scopeConsentReadWrite, scopeConsentRead},
	OpStatuses:         {scopeConsentReadWrite, scopeConsentRead},
	OpOptedOut:         {scopeConsentReadWrite, scopeConsentRead},
	OpOptOutOfAll:      {scopeConsentReadWrite, scopeConsentWrite},
	OpOptOut:           {scopeConsentReadWrite, scopeConsentWrite},
	OpOptIn:            {scopeConsentReadWrite, scopeConsentWrite},
	OpBatchOptOutOfAll: {scopeConsentBatchWrite},
	OpBatchOptOut:      {scopeConsentBatchWrite},
}

// ScopesFor lists the scopes of which any one admits an operation, the one to ask for first. It is nil for an operation
// that is unknown. A static app's token has all it was given at install; account details ask for oauth, which every
// token has.
func ScopesFor(op string) []string { return slices.Clone(scopesOf[op]) }
