// Package pull brings what people change in HubSpot into lead_inbox: it searches for contacts that changed, finds out
// which of them differ from what HubSpot was last seen to hold, has those read again, and writes links, inbox rows and
// the position of the stream in one transaction a page.
//
// It guarantees that every change that HubSpot's search shows within an hour is told exactly once (G8): through index
// lag, more contacts on one millisecond than a search can page through, edits during the scan, crashes at any point,
// and clocks that differ. Our own write never comes back as a change. It holds two pages in memory, the one that is
// applied and the next. It decides no winner itself and never writes to HubSpot; linking a lead to a contact is left to
// push.
//
// Design: search says which contacts to look at, not what they hold, since its index lags behind. What differs is read
// by id while push is kept away from its leads, and only that reading is merged, by the same code with which push reads
// before it writes. The end of a window comes from the Date of HubSpot's answers, as far as another clock confirms it
// (clock.go): what is kept as a maximum is never one outside value's word. A watermark that follows the newest contact
// seen was rejected: results near now are not monotonic in time, so it loses rows.
package pull

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/settlement"
)

// Stream is one of the ways in which HubSpot is asked for changes. Each has its own schedule and position.
type Stream string

// The streams.
const (
	Changes  Stream = "changes"  // contacts that changed, at once (pull.schedule)
	Lagged   Stream = "lagged"   // the same an hour behind, for what the index showed late (pull.lagged_schedule)
	OptOut   Stream = "optout"   // contacts that are opted out of all e-mail (pull.optout_schedule)
	Archived Stream = "archived" // contacts in the recycle bin, and those that came back out of it (pull.archived_schedule)
	Mapping  Stream = "mapping"  // contacts of all leads, once after the mapping came to tell a field (pull.schedule)
)

// Streams lists all of them in the order in which one pass runs them.
func Streams() []Stream { return []Stream{Changes, Lagged, OptOut, Archived, Mapping} }

// Unknown says what happens to contacts the application does not know.
type Unknown string

// The values of pull.unknown.
const (
	Ignore Unknown = "ignore"
	Inbox  Unknown = "inbox"
)

// Config is what a Puller needs.
type Config struct {
	Portal string
	// Start is where the first run of Changes and Lagged begins, by HubSpot's clock; zero = now (pull.start: now). For
	// "all" any time before HubSpot was founded does.
	Start   time.Time
	Unknown Unknown
	// SetBack is told of a position that lay beyond now and was set back. May be nil.
	SetBack func(s Stream, from, to time.Time)
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Position is how far a stream has come in one HubSpot account. Its JSON is the stored form. Times are unix ms of
// HubSpot's clock unless said otherwise.
type Position struct {
	// Began is where the first run began.
	Began int64 `json:"began,omitempty"`
	// Watermark is the end of the last window that was read to its end; 0 = none yet. Only Changes and Lagged have one.
	Watermark int64 `json:"watermark,omitempty"`
	// Scan is the one under way; nil between two. A run that finds one goes on with it.
	Scan *Scan `json:"scan,omitempty"`
	// Told are the properties that the application was told of when all contacts had been read last; only Mapping has
	// them.
	Told []string `json:"told,omitempty"`
	// Parts are how many contacts were opted out, by ranges of their ids, and WholeAt is when all of them were read last,
	// by our clock; only OptOut has them. None: HubSpot's counts are of no use.
	Parts   []Part `json:"parts,omitempty"`
	WholeAt int64  `json:"whole_at,omitempty"`
	// Last is what the last run that came to its end did; RanAt is when, by our clock.
	Last  *Result `json:"last,omitempty"`
	RanAt int64   `json:"ran_at,omitempty"`
	// SetBackAt is when a position beyond now was set back last, by our clock; 0 = never.
	SetBackAt int64 `json:"set_back_at,omitempty"`
}

// Scan is one pass over the contacts of a window, in the order of their ids.
type Scan struct {
	Lo int64 `json:"lo,omitempty"`
	Hi int64 `json:"hi,omitempty"` // 0 = not known before the first answer
	// After is the id of the last contact whose page is committed; empty = none yet.
	After string `json:"after,omitempty"`
	// Parts are counted by a scan of OptOut; Total is how many there are by the word of its first answer.
	Parts []Part `json:"parts,omitempty"`
	Total int    `json:"total,omitempty"`
	// Told are the properties that a scan of Mapping is made for.
	Told []string `json:"told,omitempty"`
	// Result counts the scan so far, runs that were cut off included.
	Result
}

// Result counts what a run did. The JSON names are those of the log line.
type Result struct {
	Pages   int `json:"pages"`
	Seen    int `json:"seen"`    // contacts that were shown
	Applied int `json:"applied"` // inbox rows that were written
	Echoes  int `json:"echoes"`  // contacts of ours that hold what was last seen, or what a pending row gave them
	// Conflicts are properties that both sides changed.
	Conflicts int `json:"conflicts"`
	Unknown   int `json:"unknown"` // contacts that no lead has
}

// Store is the database as pull sees it, under one portal lease. Everything it returns is owned by the caller.
type Store interface {
	// Position reads the position of a stream in an account as Commit wrote it; empty when it never ran.
	Position(ctx context.Context, hubID int64, stream string) (string, error)
	// LinksByContact reads the links of an account, of any portal name and in any state, that name one of the contacts.
	LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error)
	// Strangers reads the links without a lead of these contacts.
	Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error)
	// LinkedAfter reads links of our portal in state linked, in the order and by the bound of GoneAfter.
	LinkedAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error)
	// GoneAfter reads links of our portal in state gone, with and without a lead, whose contact id is greater than after,
	// in the order of the id as text, at most limit.
	GoneAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error)
	// PendingAddresses returns those of the normalised addresses that a pending row of the portal carries in its email
	// column (compared without surrounding blanks, in lower case). It is asked only about contacts that nobody knows.
	PendingAddresses(ctx context.Context, addresses []string) ([]string, error)
	// Tombstoned tells which of the contacts and of the normalised addresses belonged to somebody who was erased for
	// privacy: HubSpot may go on to show them for up to 30 days, and they are never told. An address counts only where no
	// lead has the contact.
	Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (settlement.Tombstoned, error)
	// Commit writes a page. settlement.ErrLeaseLost when another daemon owns the portal; an error that matches
	// lead.ErrDuplicate when a contact of the page got another lead meanwhile (the page is read again then).
	Commit(ctx context.Context, p settlement.Page) error
}

// HubSpot is the part of the client that pull uses.
type HubSpot interface {
	Search(ctx context.Context, r hubspot.SearchRequest) (*hubspot.Page, error)
	List(ctx context.Context, r hubspot.ListRequest) (*hubspot.Page, error)
	BatchRead(ctx context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error)
}

// Leads is push as pull sees it: *push.Worker. It reads and merges for both of them, so that there is one rule. Between
// Hold and release only the caller acts for the leads; it reads the pending rows of a lead and its rows of any state
// through push's own Store.
type Leads interface {
	// Attached tells the account and the mapping with its definitions; false while they are not known yet.
	Attached() (hubID int64, table *mapping.Table, ok bool)
	// Hold waits until no request is under way for any of the leads and keeps push and the second look away from them
	// until release is called, once or more often. The error is that of ctx.
	Hold(ctx context.Context, leads []lead.ID) (release func(), err error)
	// Reread reads the contacts of leads that are held, finds out where those went that are not there (merged, archived,
	// erased), and merges what they show into the ledgers. It writes nothing: links and rows belong into one Page.
	Reread(ctx context.Context, leads []lead.ID) (links []ledger.Link, rows []inbox.Row, conflicts int, err error)
}

// ErrNotAttached: push has not learnt the account and its properties yet, so nothing can be read.
var ErrNotAttached = errors.New("the HubSpot account is not known yet")

// RunOptions choose what a run does.
type RunOptions struct {
	// Since makes a run of Changes or Lagged begin there instead of at the position, which is not moved back by it; zero =
	// not.
	Since time.Time
	// Progress is called after each committed page; may be nil.
	Progress func(Position)
}

// Puller runs streams. Two runs of different streams may overlap, two of one stream may not (the schedule skips); New
// makes one.
type Puller struct {
	cfg   Config
	hub   HubSpot
	leads Leads
	store Store

	// meeting has one place, which is held from the look for contacts without a lead to the commit: two streams that meet
	// one at the same time tell it once.
	meeting chan struct{}

	clockOff atomic.Int64 // see ClockOff

	mu      sync.Mutex
	learned map[string]bool // properties of the ledgers that search is asked for besides the mapped ones; guarded by mu
	began   map[int64]int64 // by account: where the streams of changes begin, until a position says so; guarded by mu
}

// New returns a Puller.
func New(cfg Config, hub HubSpot, leads Leads, store Store) *Puller {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Puller{cfg: cfg, hub: hub, leads: leads, store: store, learned: map[string]bool{}, began: map[int64]int64{},
		meeting: make(chan struct{}, 1)}
}
