// Package push brings the pending rows of lead_outbox to HubSpot contacts: it reads them, folds the rows of one lead
// into one intent, plans the one request that intent needs, sends requests in batches and settles every row with the
// evidence HubSpot gave.
//
// It guarantees, per lead: rows take effect in id order whatever was retried, requeued or committed late (G2); a crash
// or a lost answer leads to a repeat that changes nothing more (G3); delivered has HubSpot's positive word behind it
// (G4); an outage costs no attempt (G5); one bad row in a batch of 100 costs at most 15 requests (G6); an erase wins
// over everything else of its lead and is delivered when nothing here or in HubSpot is left of the person (G9). It does
// not know SQL, OAuth or time zones, and it does not pull.
//
// Design: one goroutine reads and plans, jobs of at most 100 leads send and settle. A lead is in at most one job at a
// time, and so is an address, so that no two requests about one person ever overlap; all memory about a lead between
// two jobs is a hint that may be lost in a crash without harm, because pending rows are the write-ahead log of the
// ledger. The rejected way was an upsert by address with the row as the unit of work: it overwrites what sales edited,
// lands on other people's contacts, and sends a lead with ten pending rows ten times. The rules were checked with an
// executable model; each one removed counterexamples.
package push

import (
	"context"
	"log/slog"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/backoff"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// BatchSize is the most leads in one request: HubSpot refuses more than 100 inputs.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide (read 2026-11-22)
const BatchSize = 100

// Mode says what happens to a value that HubSpot would refuse.
type Mode string

// The modes of push.on_invalid_field.
const (
	Drop Mode = "drop" // send the rest and name the field in the note
	Dead Mode = "dead" // the row is dead
)

// Config is what a Worker needs. All durations and counts must be set; New does not know defaults.
type Config struct {
	Portal       string
	PollInterval time.Duration
	Linger       time.Duration // how long a trickle is gathered, counted from the commit of the oldest row
	Concurrency  int           // requests under way at once
	MaxAttempts  int
	OnInvalid    Mode
	Retry        backoff.Schedule // waits of a row that is tried again for a reason of its own
	Outage       backoff.Schedule // waits of the lane while HubSpot or the database is away
	SecondLook   time.Duration    // how long after an unknown outcome a contact is read once more
	// Doubt is how long after the start requests of an owner that did not release the portal may still be executed: the
	// leads that are planned meanwhile are read before they are written, and get a second look. 0 after a clean release.
	Doubt time.Duration
	// LastSeen is when the owner before was alive for certain; it is asked for with Doubt.
	LastSeen  time.Time
	NoAddress time.Duration // how long a row waits for an address before it is dead; 0 = for ever
	// MaxDeletes is how many contacts deletes and erases may touch in an hour before they are paused; 0 = any number.
	MaxDeletes int
	// AskAdopted: an erase of a contact that was there before its lead waits for an operator.
	AskAdopted bool
	Consent    Consent
	Mapping    *mapping.Table
	// OnDefinitions is told of definitions that were just read, see account.Config; may be nil.
	OnDefinitions func(ctx context.Context, accountID int64, table *mapping.Table) []mapping.Problem
	Log           *slog.Logger
	// Person names a lead in logs: the keyed hash, or the id itself when the operator chose so.
	Person func(lead.ID) slog.Attr
	// Turn is told whenever a loop turns and how long it knowingly waits from then on; a negative wait ends it. nil =
	// nobody asks.
	Turn func(loop string, wait time.Duration)
	// Watch is told what happened; nil = nobody asks.
	Watch Watch
	// Paused tells, at every poll, which lanes an operator stopped by hand; nil = none ever.
	Paused func(context.Context) (breaker.Lanes, error)
	// Now is the clock; tests fake it with testing/synctest and leave it nil.
	Now func() time.Time
}

// Contacts is the part of the HubSpot client that push uses.
type Contacts interface {
	BatchCreate(ctx context.Context, in []hubspot.Input) (*hubspot.BatchResult, error)
	BatchUpdate(ctx context.Context, in []hubspot.Input) (*hubspot.BatchResult, error)
	BatchUpsert(ctx context.Context, idProperty string, in []hubspot.Input) (*hubspot.BatchResult, error)
	BatchRead(ctx context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error)
	// BatchArchive puts contacts into the recycle bin; one that is gone already is no error.
	BatchArchive(ctx context.Context, ids []lead.ContactID) error
	// GDPRDelete erases a contact for good; lead.ErrNotFound or hubspot.ErrNotFound when it is not there.
	GDPRDelete(ctx context.Context, id lead.ContactID) error
	Contact(ctx context.Context, id lead.ContactID, properties []string, archived bool) (*hubspot.Contact, error)
}

// HubSpot is all of the client that a Worker uses.
type HubSpot interface {
	Contacts
	account.HubSpot
	Preferences
}

// What the database hands over and takes, see package settlement.
type (
	ReadyRow   = settlement.ReadyRow
	LeadRows   = settlement.LeadRows
	HighMark   = settlement.HighMark
	InboxRow   = inbox.Row
	Settlement = settlement.Settlement
	Unanswered = settlement.Unanswered
	TakenError = settlement.TakenError
	Known      = settlement.Known
	Person     = settlement.Person
	Tomb       = settlement.Tomb
	Tombstoned = settlement.Tombstoned
	DeleteAsk  = settlement.DeleteAsk
	Wiped      = settlement.Wiped
)

// Reader reads the pending rows of the portal. Everything it returns is owned by the caller.
type Reader interface {
	// Ready returns pending rows of a lane without a not_before, in id order above after.
	Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]ReadyRow, error)
	// DueAgain returns pending rows of a lane, or of both when it is empty, whose not_before has passed, earliest first.
	DueAgain(ctx context.Context, lane outbox.Lane, now int64, limit int) ([]ReadyRow, error)
	// ReadyConsent and DueConsent are the same of the rows that speak of consent; the two above leave those out.
	ReadyConsent(ctx context.Context, after outbox.EntryID, limit int) ([]ReadyRow, error)
	DueConsent(ctx context.Context, now int64, limit int) ([]ReadyRow, error)
	// PendingOf returns all pending rows of the leads, whatever their lane or not_before, up to a bound of rows and bytes
	// a lead.
	PendingOf(ctx context.Context, leads []lead.ID, maxRows, maxBytes int) (map[lead.ID]LeadRows, error)
	// Entries returns rows by id.
	Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error)
	// SkippedSince lists the rows that an operator skipped at the time (unix ms) or later.
	SkippedSince(ctx context.Context, since int64) ([]outbox.EntryID, error)
	// EarlierEvents tells which of the rows repeat an event_id.
	EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error)
	// Untaken tells until when fields of a lead that an inbox row told were not acknowledged, by lead field name, unix ms:
	// the newest such row counts, math.MaxInt64 while it is not acknowledged. A row that is gone was taken.
	Untaken(ctx context.Context, id lead.ID) (map[string]int64, error)
	// RowsOf returns the newest rows of a lead in any state.
	RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error)
	// SpokeOut reports whether the lead has an unsubscribe, in any state but skipped, that was spoken at the time (unix
	// ms) or later.
	SpokeOut(ctx context.Context, id lead.ID, since int64) (bool, error)
	// PendingOptOut reports whether an unsubscribe is pending that names the address or is of one of the leads; rows of
	// but do not count.
	PendingOptOut(ctx context.Context, leads []lead.ID, address string, but lead.ID) (bool, error)
}

// Links reads the links of the HubSpot account that is pinned.
type Links interface {
	Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error)
	LinksByAddress(ctx context.Context, hubID int64, addresses []string) ([]ledger.Link, error)
	LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error)
	// LinksOutAt are those that say, or said, of an address which is not their own that it is out.
	LinksOutAt(ctx context.Context, hubID int64, address string) ([]ledger.Link, error)
	LinksToLookAt(ctx context.Context, hubID int64, now int64, limit int) ([]ledger.Link, error)
	// LinksOwing are those that owe HubSpot a value that was left out, by lead.
	LinksOwing(ctx context.Context, hubID int64, after lead.ID, limit int) ([]ledger.Link, error)
	// LinksOwingOptOut are those whose OptOutDue has come.
	LinksOwingOptOut(ctx context.Context, hubID int64, now int64, limit int) ([]ledger.Link, error)
	// LinksWaiting are those whose second look stands beyond look, or whose OptOutDue beyond optOut.
	LinksWaiting(ctx context.Context, hubID int64, look, optOut int64, limit int) ([]ledger.Link, error)
}

// Writer writes outcomes. Each call is one transaction that is fenced by the portal lease.
type Writer interface {
	// Settle writes a settlement and returns how many rows left pending.
	Settle(ctx context.Context, s Settlement) (int, error)
	// CutRowWaits makes rows ready that wait for a time beyond latest, and returns how many; parked ones stay.
	CutRowWaits(ctx context.Context, latest int64) (int64, error)
	// PinHub records the account behind the token; another one than before starts with no links.
	PinHub(ctx context.Context, a hubspot.Account) error
}

// Store is the database as push sees it.
type Store interface {
	Reader
	Links
	Writer
	People
	// MaySend reports whether the portal lease outlives a request of the longest length.
	MaySend() bool
	// Trouble classifies a database error: settlement.ErrLeaseLost, settlement.ErrDatabaseAway, or neither.
	Trouble(err error) error
	// HighMark is the highest one that any owner of the portal has settled; zero = none.
	HighMark(ctx context.Context) (HighMark, error)
}
