package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/settlement"
)

const (
	// readersWait is how long the journal's emptying waits for programs that read old pages.
	readersWait = 500 * time.Millisecond
	// needlesAtOnce bounds one look through the file.
	needlesAtOnce = 50
	// shortest is the least length of a text that is looked for: shorter ones are everywhere.
	shortest = 6
)

// smallFile is how large a file may be, in bytes, that is written anew without looking: about a second. A variable for
// tests.
var smallFile int64 = 64 << 20

// cleanse empties the WAL, which holds every page as it was, and writes the file anew where a copy of the person is
// left in the gaps of a page. secure_delete, which is on for our own connection, zeroes what we free; an application's
// connection need not have it, and splitting a page leaves copies behind
// (https://www.sqlite.org/pragma.html#pragma_secure_delete, read 2026-11-24).
//
// The file is read through the engine: closing a descriptor of our own would end the process's locks on it.
func (d *sqliteDialect) cleanse(ctx context.Context, db *engine, needles []string) error {
	if err := d.emptyWAL(ctx, db); err != nil {
		return err
	}
	anew, err := d.maybeLeft(ctx, db, needles)
	if err != nil || !anew {
		return err
	}
	if _, err := db.write.ExecContext(ctx, `VACUUM`); err != nil {
		return err
	}
	return d.emptyWAL(ctx, db)
}

func (d *sqliteDialect) emptyWAL(ctx context.Context, db *engine) (err error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// It waits for readers with the write lock in hand, so not for long: settlements wait behind it.
	wait := func(d time.Duration) error {
		_, err := conn.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = `+strconv.FormatInt(d.Milliseconds(), 10))
		return err
	}
	if err := wait(readersWait); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wait(d.busy)) }()
	var busy, frames, done int
	if err := conn.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &frames, &done); err != nil {
		return err
	}
	if busy != 0 {
		return settlement.ErrStillRead
	}
	return nil
}

// maybeLeft reports whether the file may hold one of the needles.
func (d *sqliteDialect) maybeLeft(ctx context.Context, db *engine, needles []string) (bool, error) {
	var pages, size int64
	if err := db.one(ctx, db.read, []any{&pages}, `PRAGMA page_count`); err != nil {
		return false, err
	}
	if err := db.one(ctx, db.read, []any{&size}, `PRAGMA page_size`); err != nil {
		return false, err
	}
	if pages*size <= smallFile || len(needles) == 0 {
		return true, nil
	}
	for len(needles) > 0 {
		n := min(len(needles), needlesAtOnce)
		var terms []string
		var args []any
		for _, s := range needles[:n] {
			if len(s) >= shortest {
				terms, args = append(terms, `instr(data, CAST(? AS BLOB))`), append(args, s)
			}
		}
		needles = needles[n:]
		if len(terms) == 0 {
			continue
		}
		var found int
		if err := db.one(ctx, db.read, []any{&found}, `SELECT EXISTS (SELECT 1 FROM sqlite_dbpage WHERE `+strings.Join(terms, " OR ")+`)`, args...); err != nil {
			return false, err
		}
		if found != 0 {
			return true, nil
		}
	}
	return false, nil
}
