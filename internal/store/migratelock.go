package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"
)

// lockEvery is how often a migration asks whether the other one is done.
const lockEvery = 20 * time.Millisecond

// migration is how goose reaches a database.
type migration struct {
	// pool is goose's own.
	pool    *sql.DB
	dialect goose.Dialect
	// lock waits for other instances until ctx ends. It is taken before goose looks at anything, not by goose: on MariaDB its table
	// of versions appears before the first row of it, and an instance that looks in between gives up.
	lock func(ctx context.Context) (unlock func() error, err error)
}

// lockMigration locks an OS lock on a file beside the SQLite database, which a killed migration cannot leave behind. A lease row
// would need a heartbeat, and a time-out to wait for after a crash.
func lockMigration(path string) func(context.Context) (func() error, error) {
	return func(ctx context.Context) (func() error, error) {
		for {
			held, err := lockFile(ctx, path)
			if err == nil {
				return held.unlock, nil
			}
			if !errors.Is(err, errHeld) {
				return nil, err
			}
			if err := waitForLock(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// lockSession takes a named lock of a server's session, which ends with the connection. take and arg are a statement that returns
// whether it was taken. goose's own lock for PostgreSQL asks once a second, so that of four instances the last starts three
// seconds late; its table lock for MySQL outlives a crash by 30 seconds.
func lockSession(pool *sql.DB, take string, args ...any) func(context.Context) (func() error, error) {
	return func(ctx context.Context) (func() error, error) {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, err
		}
		for {
			var taken bool
			err := conn.QueryRowContext(ctx, take, args...).Scan(&taken)
			if err == nil && taken {
				// The connection ends here and not in the pool, and the lock with it.
				return func() error { return endSession(conn) }, nil
			}
			if err == nil {
				err = waitForLock(ctx)
			}
			if err != nil {
				return nil, errors.Join(err, endSession(conn))
			}
		}
	}
}

func endSession(conn *sql.Conn) error {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // makes Close throw it away
	return ignoreDone(conn.Close())
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

func waitForLock(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("another migration is running: %w", context.Cause(ctx))
	case <-time.After(lockEvery):
		return nil
	}
}
