// Package store is the only package that knows SQL. It reads pending rows of lead_outbox, settles them together with
// the links of their leads, keeps who owns a portal and how far each pull stream has come, and serves the operator's
// commands, on SQLite, on PostgreSQL and on MariaDB (MySQL 8 is meant to work and nobody has run it).
//
// Guarantees. A settle is one transaction: all of its rows and links, or nothing. It is fenced by the epoch of the
// lease under which it was decided, so an owner that was replaced changes nothing (settlement.ErrLeaseLost). It touches
// only rows of its portal that are still pending. Reading is by state, never by a cursor on id, so a row that commits
// late is found, and what it costs does not depend on the rows that wait or were settled. One contact has one lead
// (ContactTakenError). Whatever an application inserted can be read: text where a number belongs, a NUL, ten megabytes.
// No error text holds a value of a row. After Wipe and Scrub no row of a person is left, and on SQLite no byte.
//
// It does not decide anything about an entry, never talks to HubSpot, and does not wait for a database that is away: it
// says so (IsUnavailable) and the caller tries again.
//
// Design: gorm for models and everyday queries, one literal statement a dialect where a batch is read or settled,
// because that is where the time goes and where the dialects really differ. SQLite has two pools, one writing
// connection with immediate transactions and a few readers, since a deferred transaction that turns into a write fails
// at once as "locked" whatever the busy timeout. Times are unix milliseconds UTC in BIGINT columns. The rejected way, a
// claim column with a time-out per row, costs a second write an event and leaves rows to repair after a crash.
package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm"
)

// Options say how a database is opened. The zero value opens for reading and writing and does not create anything.
type Options struct {
	// Log gets the store's few lines; nil discards them.
	Log *slog.Logger
	// ReadOnly refuses every write (SQLite: mode=ro; servers: read-only transactions; not behind a pooler, whose sessions
	// are not ours).
	ReadOnly bool
	// CreateSQLite makes a missing SQLite file, with owner and group access. It has no effect elsewhere.
	CreateSQLite bool
	// AppName is shown by the server in its list of connections; empty = leadsync.
	AppName string
	// BusyTimeout is how long a statement waits for another program that writes to the SQLite file; longer is
	// IsUnavailable. 0 = 10 seconds.
	BusyTimeout time.Duration
	// Fresh gives the URL as it stands now, for each new session on a server: a password that was changed meanwhile counts
	// from there on. Only user and password are taken of it. nil = those of Open's url.
	Fresh func() (string, error)
	// Patience is how long a statement on a server may take when its context names no time. 0 = 30 seconds.
	Patience time.Duration
	// Announce notifies the PostgreSQL channel leadsync_inbox when rows were added to lead_inbox.
	Announce bool
	// WakeEvery is how often a SQLite file is asked whether another program committed, see Wakes. 0 = 100 ms.
	WakeEvery time.Duration
}

// DB is an open database: it opens, migrates, and says who owns a portal. What is read and written is done through its
// handles. It is safe for concurrent use.
type DB struct{ *engine }

// engine runs statements on the pools of a database; DB and its handles share it.
type engine struct {
	dialect   dialect
	log       *slog.Logger
	redacted  string
	readOnly  bool
	announce  bool
	wakeEvery time.Duration

	write, read   *sql.DB  // one pool on a server, two on SQLite
	gwrite, gread *gorm.DB // the same pools under gorm

	local struct { // hints of our own inserts
		sync.Mutex
		wakes map[chan struct{}]struct{}
	}
}

// Open opens the database named by url: sqlite:///abs, sqlite:rel, postgres://... or mysql://.... It connects once, so
// that a database that is away is reported here (IsUnavailable); it does not look at the schema, see CheckSchema.
// Errors name the database without user and password. A missing SQLite file without CreateSQLite is ErrNoDatabase. The
// caller closes the DB.
func Open(ctx context.Context, url string, o Options) (*DB, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.AppName == "" {
		o.AppName = "leadsync"
	}
	if o.BusyTimeout == 0 {
		o.BusyTimeout = busyTimeout
	}
	if o.Patience == 0 {
		o.Patience = statementPatience
	}
	d, err := dialectOf(url)
	if err != nil {
		return nil, err
	}
	db := &DB{&engine{dialect: d, log: o.Log, redacted: Redact(url), readOnly: o.ReadOnly, announce: o.Announce,
		wakeEvery: cmp.Or(o.WakeEvery, dataVersionEvery)}}
	db.local.wakes = map[chan struct{}]struct{}{}
	if err := d.open(ctx, db.engine, o); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open database %s: %w", db.redacted, err)
	}
	return db, nil
}

// Dialect names the engine: sqlite, postgres or mysql (MariaDB too).
func (db *DB) Dialect() string { return db.dialect.name() }

// String names the database without user and password.
func (db *DB) String() string { return db.redacted }

// Close closes all connections. It is safe to call twice.
func (db *DB) Close() error {
	var err error
	if db.write != nil {
		err = db.write.Close()
	}
	if db.read != nil && db.read != db.write {
		if e := db.read.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Ping asks the engine for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.one(ctx, db.read, []any{&one}, "SELECT 1"); err != nil {
		return fmt.Errorf("ping %s: %w", db.redacted, err)
	}
	return nil
}

// now is the store's own clock for columns that only inform; leases use the database's.
func now() int64 { return time.Now().UnixMilli() }
