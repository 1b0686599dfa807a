package store

import (
	"context"
	"database/sql"
	"time"

	"leadsync/internal/backoff"
)

// querier is a pool, or a transaction.
type querier interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

// rows runs a literal statement that returns rows; the caller closes them.
func (db *engine) rows(ctx context.Context, on querier, text string, args ...any) (*sql.Rows, error) {
	text, args = db.dialect.bind(text, args)
	rows, err := on.QueryContext(ctx, text, args...)
	return rows, db.dialect.scrub(err)
}

// one reads a single row into the destinations; sql.ErrNoRows when there is none.
func (db *engine) one(ctx context.Context, on querier, into []any, text string, args ...any) error {
	text, args = db.dialect.bind(text, args)
	return db.dialect.scrub(on.QueryRowContext(ctx, text, args...).Scan(into...))
}

// exec runs a literal statement and returns how many rows it met.
func (db *engine) exec(ctx context.Context, on querier, text string, args ...any) (int64, error) {
	text, args = db.dialect.bind(text, args)
	res, err := on.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, db.dialect.scrub(err)
	}
	return res.RowsAffected()
}

// execAgain is exec outside a transaction, repeated when it collides with somebody else's.
func (db *engine) execAgain(ctx context.Context, text string, args ...any) (n int64, err error) {
	err = db.again(ctx, func() error {
		n, err = db.exec(ctx, db.write, text, args...)
		return err
	})
	return n, err
}

// inTx runs f in one write transaction (immediate on SQLite) and commits when f returns nil. A transaction that the
// server ended in favour of another is begun again, so f may run more than once and must not add to what it left
// behind.
func (db *engine) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	return db.again(ctx, func() error {
		tx, err := db.write.BeginTx(ctx, nil)
		if err != nil {
			return db.dialect.scrub(err)
		}
		err = db.dialect.guard(ctx, db, tx)
		if err == nil {
			err = f(tx)
		}
		if err != nil {
			_ = tx.Rollback() // f's error is the one that matters
			return err
		}
		return db.dialect.scrub(tx.Commit())
	})
}

// collisions is how work is begun again that others keep colliding with.
var collisions = backoff.Policy{Schedule: backoff.Schedule{Base: 20 * time.Millisecond, Cap: 100 * time.Millisecond, Factor: 1.5, Jitter: 0.6}, Tries: 4}

// again repeats f, one transaction or one statement, while the server ends it in favour of another one: a deadlock, or
// a wait for a lock that took too long. Nothing of it was written then.
func (db *engine) again(ctx context.Context, f func() error) error {
	return collisions.Do(ctx, func(err error) bool { return classify(err) == collidedTrouble }, func(context.Context) error { return f() })
}
