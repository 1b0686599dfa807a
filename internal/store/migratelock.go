package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
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
	// lock waits for other instances until ctx ends. It is taken before goose looks at anything, not by goose: on MariaDB
	// its table of versions appears before the first row of it, and an instance that looks in between gives up.
	lock func(ctx context.Context) (unlock func() error, err error)
	// brief sets how long the DDL of this try waits for a table; nil = the engine has no such wait. blocker reads a
	// session and the age of its open transaction in seconds; empty = nobody to name.
	brief   func(ctx context.Context, try int) error
	blocker string
}

// lockMigration locks an OS lock on a file beside the SQLite database, which a killed migration cannot leave behind. A
// lease row would need a heartbeat, and a time-out to wait for after a crash.
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

// lockSession takes a named lock of a server, held by one session that gives a sign of life while the migration runs: a
// session that is silent is ended by the server like any other of ours, and the lock with it. begin, which may be
// empty, goes before; take and arg are a statement that returns whether it was taken. On PostgreSQL the lock is one of
// a transaction, which a pooler keeps on one session of the server, and cannot be left behind in it. goose's own lock
// for PostgreSQL asks once a second, so that of four instances the last starts three seconds late; its table lock for
// MySQL outlives a crash by 30 seconds.
func lockSession(pool *sql.DB, begin, take string, args ...any) func(context.Context) (func() error, error) {
	return func(ctx context.Context) (func() error, error) {
		conn, err := pool.Conn(ctx)
		if err != nil {
			return nil, err
		}
		for {
			taken, err := tryLock(ctx, conn, begin, take, args)
			if err == nil && taken && begin != "" {
				// Else the snapshot of the statement before stays open, and an index that is made while inserts go on waits for it.
				_, err = conn.ExecContext(ctx, `SELECT 1`)
			}
			if err == nil && taken {
				stop := keepAlive(ctx, conn)
				return func() error { stop(); return endLock(conn, begin) }, nil
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

// tryLock asks once. Who does not get the lock keeps no transaction open while it waits: behind a pooler that is a
// session of the server, of which there may be few.
func tryLock(ctx context.Context, conn *sql.Conn, begin, take string, args []any) (taken bool, err error) {
	if begin != "" {
		if _, err := conn.ExecContext(ctx, begin); err != nil {
			return false, err
		}
	}
	if err := conn.QueryRowContext(ctx, take, args...).Scan(&taken); err != nil || taken || begin == "" {
		return taken, err
	}
	_, err = conn.ExecContext(ctx, `ROLLBACK`)
	return false, err
}

// aliveEvery is how often a session that only holds a lock says that it is there.
const aliveEvery = idleInTransaction / 4

// keepAlive says so until stop is called, which waits.
func keepAlive(ctx context.Context, conn *sql.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(aliveEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				_, _ = conn.ExecContext(ctx, `SELECT 1`) // without the lock the migration itself is still one statement, or one transaction, a step
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// endLock gives the lock back and ends the connection, which does not go back into the pool. A lock of a transaction is
// given back by an answered statement: a pooler hears of a client that only left a moment later, and so does who waits
// for the lock.
func endLock(conn *sql.Conn, begin string) error {
	if begin != "" {
		_, _ = conn.ExecContext(context.Background(), `ROLLBACK`) // the end of the connection does it as well
	}
	return endSession(conn)
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
