package store

import (
	"context"
	"database/sql"
	"io/fs"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// dialect is what differs between engines: one file of Go, one of SQL and one of leases each. The next engine is one
// more of each, and a case in dialectOf.
type dialect interface {
	name() string
	// open fills the pools of db.
	open(ctx context.Context, db *engine, o Options) error
	sql() *statements

	// bind brings a statement and its arguments to the form the driver takes.
	bind(text string, args []any) (string, []any)
	// ids and texts make one argument of a list, for a statement that joins with it.
	ids([]int64) any
	texts([]string) any
	// settle and upsert return the statements that write a batch. settle leaves rows of another portal alone.
	settle(portal string, outcomes []outbox.Outcome, settledAt int64) query
	upsert(links []ledger.Link, fields []string, updatedAt int64) query
	// reserveDaily adds block to the count of the day and returns the count after it.
	reserveDaily(ctx context.Context, db *engine, portal, day string, block int) (after int, err error)

	// migration opens what a migration needs; the caller closes its pool.
	migration(ctx context.Context) (migration, error)
	// schema is the folder of migrations as it fits the server.
	schema(ctx context.Context, pool *sql.DB) (fs.FS, error)

	// cleanse takes what was overwritten out of the files, see Scrub.
	cleanse(ctx context.Context, db *engine, needles []string) error

	// guard begins a write transaction: it bounds what a client that is gone may keep, where the session does not.
	guard(ctx context.Context, db *engine, on querier) error
	// unhurried lets the statements of this transaction take as long as a whole table needs.
	unhurried(ctx context.Context, db *engine, on querier) error

	// acquire fills l, or says errLockedRow without waiting; evict ends the session that is in the way.
	acquire(ctx context.Context, db *engine, l *Lease) error
	evict(ctx context.Context, db *engine, portal string) error
	renew(ctx context.Context, l *Lease) error
	release(ctx context.Context, l *Lease) error
	owner(ctx context.Context, db *engine, portal string) (OwnerInfo, error)

	// announce tells applications that wait for it of new rows in lead_inbox, with the commit.
	announce(ctx context.Context, db *engine, on querier) error
	wakes(ctx context.Context, db *engine, notify bool) <-chan struct{}

	// class sorts an error of the engine.
	class(err error) trouble
	// scrub takes values of rows out of the text of an error of the engine.
	scrub(err error) error
}

// query is a statement with its arguments.
type query struct {
	text string
	args []any
}

// statements are the literal SQL texts of a dialect. Arguments stand in the order of the comment, see bind.
type statements struct {
	readyLive     string // portal, after, limit
	readyBackfill string // portal, after, limit
	readyConsent  string // portal, after, limit
	dueAgain      string // portal, now, limit
	dueLive       string // portal, now, limit
	dueBackfill   string // portal, now, limit
	dueConsent    string // portal, now, limit
	unpark        string // portal, parked, limit
	pendingOf     string // portal, leads, rows a lead; columns: entryColumns with texts up to inlineBytes
	properties    string // ids; id, properties
	entries       string // ids; entryColumns
	rowsOf        string // portal, lead, limit; entryColumns, newest first
	entryColumns  string // over the alias o
	shrink        string // portal, ids; empty where the engine writes a column without loading the others
	earlier       string // portal, ids; id of each duplicate
	links         string // portal, hub, leads; linkColumns
	byAddress     string // hub, addresses
	byContact     string // hub, contacts
	lookAt        string // portal, hub, now, limit
	optOutDue     string // portal, hub, now, limit
	owingAfter    string // portal, hub, lead, limit
	owedCount     string // portal, hub, limit
	holders       string // hub, contacts; portal, lead, contact of links that hold one
	fence         string // high, high, now, portal, epoch; raises high_id of the portal while the epoch is ours
	eventsThere   string // portal, event ids; those that are there
	insert        string // values of one row of Add
	returning     string // what makes an INSERT return the id; empty = LastInsertId does
	purgeBare     string // portal, state, before, limit; rows without a reason
	purgeReason   string // portal, state, before, limit, reason
	nextReason    string // portal, state, reason; the next reason of settled rows in order, NULL after the last
	portals       string // those that have rows, when the two that count take one; empty = they take none and count for all
	countPending  string // portal, count, lowest id
	countSettled  string
	strays        string // what no daemon looks at, beside unknown states: portal, why, count
	createdAt     string // id
	schemaTable   string // 1 when the table of versions exists
	goneAfter     string // portal, hub, contact, limit; linkColumns of links in state gone, by contact
	linkedAfter   string // the same in state linked
	// pendingAddresses is portal, addresses; e-mail columns of pending rows that may be one of them.
	pendingAddresses string
	// pendingOptOuts is the same of unsubscribes; e-mail column and the beginning of the lead id.
	pendingOptOuts string
	inboxColumns   string // of lead_inbox, in the order of InboxRow
	unread         string // rows of a lead that tell changes and are not acknowledged; those that its reader has locked are left out
	told           string // all rows of a lead that tell changes, newest first
	purgeInbox     string // portal, before, limit
	leadMatch      string // a condition on one argument given twice: rows of this lead, by the index
}
