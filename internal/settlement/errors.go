package settlement

import (
	"errors"

	"leadsync/internal/lead"
)

// What the database and the lease may say.
var (
	// ErrLeaseLost says that another owner has, or had, the portal since: what was decided under the lease, and what was
	// in memory, is dropped.
	ErrLeaseLost = errors.New("portal lease lost")
	// ErrDatabaseAway: the database cannot be reached, is full or read-only. It costs time and nothing else.
	ErrDatabaseAway = errors.New("database away")
	// ErrStillRead says that what was overwritten still stands in the journal of the SQLite file, because another program
	// has been reading the database since before. It passes when that program ends its transaction.
	ErrStillRead = errors.New("another program still reads the database as it was before")
)

// AwayError is ErrDatabaseAway with the cause in a few words, which name no row.
type AwayError struct {
	Cause string
	Full  bool // there is no space left
}

func (e *AwayError) Error() string { return ErrDatabaseAway.Error() + ": " + e.Cause }

// Unwrap makes the error match ErrDatabaseAway.
func (e *AwayError) Unwrap() error { return ErrDatabaseAway }

// TakenError says that a link could not be written because another lead holds its contact. Nothing was written.
type TakenError struct {
	LeadID    lead.ID // who wanted it
	ContactID lead.ContactID
	Holder    lead.ID
	Portal    string // of the holder
}

// Error leaves out the lead ids: an application may use the address as lead_id.
func (e *TakenError) Error() string {
	return "contact " + string(e.ContactID) + " belongs to another lead"
}

// Unwrap makes the error match lead.ErrDuplicate.
func (e *TakenError) Unwrap() error { return lead.ErrDuplicate }
