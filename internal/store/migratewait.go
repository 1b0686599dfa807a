package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"leadsync/internal/observe"
)

const (
	// schemaLockWait is how long DDL stands in the queue for a table on PostgreSQL: everybody who comes after it waits as
	// long.
	schemaLockWait = 300 * time.Millisecond
	// schemaPause is how long a migration stays out of the queue before it tries again.
	schemaPause = time.Second
	// schemaSayEvery is how often it says what it waits for.
	schemaSayEvery = 30 * time.Second
	// mysqlPatientTry is which try waits a second on MariaDB, whose shortest wait that is; the others do not wait at all.
	// On a table that always has some short transaction open, not waiting alone might never find a gap.
	mysqlPatientTry = 20
)

// patiently repeats f, which changes the schema, for as long as a transaction of somebody else keeps a table from it.
// DDL that waits for a table has every later statement on it wait behind, the application's inserts too, so it asks
// with a short time-out, steps back and asks again.
func (db *DB) patiently(ctx context.Context, m migration, f func() error) error {
	begun, said := time.Now(), time.Time{}
	defer db.sayWhileWaiting(ctx, m, begun)()
	for try := 1; ; try++ {
		if m.brief != nil {
			if err := m.brief(ctx, try); err != nil {
				return err
			}
		}
		err := f()
		if err == nil || !tableInUse(err) {
			return err
		}
		if said.IsZero() { // later ones are sayWhileWaiting's
			said = time.Now()
			db.log.WarnContext(ctx, observe.MigrationWaits, observe.Cause, db.openTransaction(ctx, m), observe.Elapsed, time.Since(begun).Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", db.openTransaction(context.WithoutCancel(ctx), m), context.Cause(ctx))
		case <-time.After(schemaPause):
		}
	}
}

// sayWhileWaiting says every now and then what DDL waits for that nobody waits behind, and that has no time-out
// therefore, until the returned function is called.
func (db *DB) sayWhileWaiting(ctx context.Context, m migration, begun time.Time) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(schemaSayEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				db.log.WarnContext(ctx, observe.MigrationWaits, observe.Cause, db.openTransaction(ctx, m), observe.Elapsed, time.Since(begun).Round(time.Second))
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// tableInUse reports that DDL did not get its lock in time.
func tableInUse(err error) bool {
	if e, ok := isMySQL(err); ok {
		return e.Number == myLockWait
	}
	var pe *pgconn.PgError
	return errors.As(err, &pe) && pe.Code == "55P03"
}

// openTransaction says whose transaction is open, as far as the server tells us.
func (db *DB) openTransaction(ctx context.Context, m migration) string {
	const unknown = "a transaction that is open on leadsync's tables"
	if m.blocker == "" {
		return unknown
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var session, seconds int64
	if err := db.read.QueryRowContext(ctx, m.blocker).Scan(&session, &seconds); err != nil {
		return unknown
	}
	return fmt.Sprintf("session %d of the database has had a transaction open for %s", session, time.Duration(seconds)*time.Second)
}
