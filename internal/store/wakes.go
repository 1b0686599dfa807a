package store

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

const (
	// dataVersionEvery is how often SQLite is asked whether another connection committed.
	dataVersionEvery = 100 * time.Millisecond
	dataVersion      = "PRAGMA data_version"
	// highIDEvery is how often MariaDB is asked for the highest id.
	highIDEvery = 100 * time.Millisecond
	// notifyChannel is the PostgreSQL channel of the trigger.
	notifyChannel = "leadsync_outbox"
	// inboxChannel is the PostgreSQL channel on which applications hear of new rows in lead_inbox. It is part of the
	// public contract.
	inboxChannel = "leadsync_inbox"
	// listenProbe is how long the listener stays silent before it asks the server for a sign of life: a dead connection
	// is silent too.
	listenProbe = 30 * time.Second
	// wakeUnavailable says why there are no hints; the poll goes on, so it is a detail.
	wakeUnavailable = "wake-up hint unavailable"
)

// Wakes returns a channel that gets a hint when somebody else may have committed a row, until ctx ends; then it is
// closed. It holds one hint, also a first one for what was there already, and never blocks the store. A hint may be
// missing or for nothing: the caller polls behind it. On SQLite the file is asked every 100 ms, on MariaDB the table
// for its highest id; rows added through this DB hint too, its settlements do not. On PostgreSQL notify listens to a
// trigger, made when missing; without notify the trigger is removed, since it makes commits wait for each other, and
// the channel is nil.
func (db *DB) Wakes(ctx context.Context, notify bool) <-chan struct{} {
	return db.dialect.wakes(ctx, db.engine, notify)
}

// wakeLocal hints to the listeners of this DB.
func (db *engine) wakeLocal() {
	db.local.Lock()
	defer db.local.Unlock()
	for c := range db.local.wakes {
		hint(c)
	}
}

// subscribe returns a one-slot channel and the function that closes it.
func (db *engine) subscribe() (chan struct{}, func()) {
	c := make(chan struct{}, 1)
	db.local.Lock()
	db.local.wakes[c] = struct{}{}
	db.local.Unlock()
	return c, func() {
		db.local.Lock()
		defer db.local.Unlock()
		delete(db.local.wakes, c)
		close(c)
	}
}

func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// wakes asks the writing connection: data_version does not change for commits of the connection that asks
// (https://www.sqlite.org/pragma.html#pragma_data_version), so our own settlements make no hint.
func (d *sqliteDialect) wakes(ctx context.Context, db *engine, _ bool) <-chan struct{} {
	c, done := db.subscribe()
	go func() {
		defer done()
		t := time.NewTicker(db.wakeEvery)
		defer t.Stop()
		var last int64
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			var version int64
			if err := db.write.QueryRowContext(ctx, dataVersion).Scan(&version); err != nil {
				continue // the poll behind the hint reports a database that is away
			}
			if version != last { // the first time too: what was committed before it
				hint(c)
			}
			last = version
		}
	}()
	return c
}

// wakes asks for the highest id, one leap through the primary key. A row that commits after a later one makes no hint;
// the poll finds it.
func (d *mysqlDialect) wakes(ctx context.Context, db *engine, _ bool) <-chan struct{} {
	c, done := db.subscribe()
	go func() {
		defer done()
		t := time.NewTicker(highIDEvery)
		defer t.Stop()
		last := outbox.EntryID(-1)
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			try, cancel := context.WithTimeoutCause(ctx, connectTimeout, errors.New("the database is silent"))
			id, err := db.highID(try)
			cancel()
			if err != nil {
				continue // the poll behind the hint reports a database that is away
			}
			if id != last { // the first time too: what was committed before it
				hint(c)
			}
			last = id
		}
	}()
	return c
}

func (d *postgresDialect) wakes(ctx context.Context, db *engine, notify bool) <-chan struct{} {
	if !notify {
		if err := d.dropTrigger(ctx, db); err != nil {
			db.log.LogAttrs(ctx, slog.LevelDebug, wakeUnavailable, slog.String(observe.Cause, Cause(err)))
		}
		return nil
	}
	if d.pooled { // who listens there listens in a session that is somebody else's a moment later
		db.log.LogAttrs(ctx, slog.LevelWarn, wakeUnavailable, slog.String(observe.Cause, "a pooler stands in front of PostgreSQL; rows are found by push.poll_interval"))
		return nil
	}
	c, done := db.subscribe()
	go func() {
		defer done()
		for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
			begun := time.Now()
			err := d.listen(ctx, c)
			if ctx.Err() != nil {
				return
			}
			db.log.LogAttrs(ctx, slog.LevelDebug, wakeUnavailable, slog.String(observe.Cause, Cause(err)), slog.Duration(observe.RetryIn, wait))
			if time.Since(begun) > time.Minute {
				wait = time.Second
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			hint(c) // what happened meanwhile
		}
	}()
	return c
}

// listen makes the trigger and listens on a connection of its own until it breaks.
func (d *postgresDialect) listen(ctx context.Context, c chan struct{}) error {
	conn, err := pgx.ConnectConfig(ctx, d.cfg.Copy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := makeTrigger(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+notifyChannel); err != nil {
		return err
	}
	hint(c) // rows committed before LISTEN
	for {
		wait, cancel := context.WithTimeout(ctx, listenProbe)
		_, err := conn.WaitForNotification(wait)
		quiet := wait.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			hint(c)
		case quiet:
			probe, cancel := context.WithTimeoutCause(ctx, connectTimeout, errors.New("the listening connection is silent"))
			err := conn.Ping(probe)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// triggerThere asks the catalog, so that a start takes no lock on the table when nothing changes.
const triggerThere = `SELECT count(*) FROM pg_trigger WHERE tgname = 'leadsync_outbox_notify' AND tgrelid = 'lead_outbox'::regclass`

// lockBriefly keeps the change from standing in front of the application's inserts while it waits for one that is open.
const lockBriefly = `SET LOCAL lock_timeout = '2s'`

// makeTrigger notifies once a statement, without a payload.
func makeTrigger(ctx context.Context, conn *pgx.Conn) error {
	var there int
	if err := conn.QueryRow(ctx, triggerThere).Scan(&there); err != nil || there > 0 {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, text := range []string{lockBriefly,
			`CREATE OR REPLACE FUNCTION leadsync_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_notify(''` + notifyChannel + `'', ''''); RETURN NULL; END'`,
			`CREATE TRIGGER leadsync_outbox_notify AFTER INSERT ON lead_outbox FOR EACH STATEMENT EXECUTE FUNCTION leadsync_outbox_notify()`,
		} {
			if _, err := tx.Exec(ctx, text); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *postgresDialect) dropTrigger(ctx context.Context, db *engine) error {
	var there int
	if err := db.read.QueryRowContext(ctx, triggerThere).Scan(&there); err != nil || there == 0 {
		return err
	}
	tx, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, text := range []string{lockBriefly, `DROP TRIGGER IF EXISTS leadsync_outbox_notify ON lead_outbox`} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (*sqliteDialect) announce(context.Context, *engine, querier) error { return nil }
func (*mysqlDialect) announce(context.Context, *engine, querier) error  { return nil }

// announce notifies without a trigger: rows of lead_inbox come from here alone.
func (*postgresDialect) announce(ctx context.Context, db *engine, on querier) error {
	if !db.announce {
		return nil
	}
	_, err := db.exec(ctx, on, `SELECT pg_notify('`+inboxChannel+`', '')`)
	return err
}
