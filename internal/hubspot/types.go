package hubspot

import (
	"time"

	"leadsync/internal/lead"
)

// Contact is one contact as HubSpot answers it.
type Contact struct {
	ID lead.ContactID `json:"id"`
	// Properties holds what the answer showed; a nil value means the property was asked for and is unset (HubSpot also
	// answers "" for cleared ones: treat both as unset). A property that is missing was not shown.
	Properties map[string]*string `json:"properties"`
	CreatedAt  time.Time          `json:"createdAt"`
	UpdatedAt  time.Time          `json:"updatedAt"`
	Archived   bool               `json:"archived"`
	ArchivedAt time.Time          `json:"archivedAt"` // zero when it is not archived
	// History holds what ReadRequest.History asked for, newest first. A property that never had a value may be missing.
	History map[string][]Revision `json:"propertiesWithHistory"`
	// New is set on upsert results only: the contact was created.
	New bool `json:"new"`
	// TraceID is the objectWriteTraceId when HubSpot echoes it on success, which is not documented; may be empty.
	TraceID string `json:"objectWriteTraceId"`
}

// Revision is one value that a property had. SourceType is INTEGRATION for what an app wrote, with the app's id as
// SourceID, and CRM_UI for a person's edit; the list is open. Value and SourceID may name people.
type Revision struct {
	Value      string    `json:"value"`
	At         time.Time `json:"timestamp"`
	SourceType string    `json:"sourceType"`
	SourceID   string    `json:"sourceId"`
}

// Input is one row of a batch write. Create uses neither ID; update uses ID; upsert uses ID as the value of the id
// property.
type Input struct {
	ID         string
	Properties map[string]string
	// TraceID must be unique in the batch; HubSpot names it in the error of a refused row.
	TraceID string
}

// BatchResult is a 2xx answer to a batch request: 200, 201 and 207 are the same thing.
type BatchResult struct {
	Status        int
	Results       []Contact // in no particular order
	Errors        []BatchError
	CorrelationID string
	Date          time.Time // the Date header, HubSpot's clock in whole seconds; zero when absent
}

// BatchError is one entry of a batch answer's errors; it may name several rows.
type BatchError struct {
	Category string
	// TraceIDs and IDs name the rows, from context.objectWriteTraceId and context.ids (or context.id). Both may be empty.
	TraceIDs []string
	IDs      []string
	// ExistingID is the contact that is in the way, taken from "Existing ID: n" of a CONFLICT; empty when not named.
	ExistingID lead.ContactID
	Details    []Detail
}

// Detail is one named problem inside an error. HubSpot's message texts are never kept: they repeat the person's values.
type Detail struct {
	Code       string   // e.g. INVALID_OPTION, PROPERTY_DOESNT_EXIST; may be empty
	Properties []string // property names; may be empty
}

// Property is a contact property definition.
type Property struct {
	Name           string
	Label          string
	Type           string // string, number, bool, enumeration, date, datetime, phone_number
	FieldType      string // text, checkbox, select, ...; decide date or datetime by Type
	Options        []Option
	ReadOnlyValue  bool // modificationMetadata.readOnlyValue
	Calculated     bool
	HasUniqueValue bool
	Archived       bool
}

// Option is one choice of an enumeration.
type Option struct {
	Label string
	Value string
}

// Account is the answer of account-info.
type Account struct {
	PortalID int64
	TimeZone string // IANA name; the daily limit resets at its midnight
	Type     string
	UIDomain string
}
