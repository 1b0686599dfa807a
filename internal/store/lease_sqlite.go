package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"syscall"
	"time"

	"leadsync/internal/files"
	"leadsync/internal/settlement"
)

// fileLock is an exclusive OS lock on a file beside the database, gone with the process. The file itself stays:
// removing it would let two processes lock two files of one name.
type fileLock struct{ f *os.File }

// errHeld says that another open file holds the lock.
var errHeld = errors.New("held by another process")

// lockFile takes the lock or returns errHeld. A probe (locked) holds a shared lock for a moment, so a refusal is tried
// again for a quarter of a second.
func lockFile(ctx context.Context, path string) (*fileLock, error) {
	f, err := openLock(path)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	for try := 0; ; try++ {
		err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			l := &fileLock{f}
			if !l.same(path) { // replaced between open and lock
				_ = f.Close()
				return nil, errHeld
			}
			return l, nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			_ = f.Close()
			return nil, fmt.Errorf("lock the lock file: %w", err)
		case try == 5:
			_ = f.Close()
			return nil, errHeld
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// openLock opens the lock file, or makes it. One that is there belongs to whoever made it; a link is never followed.
func openLock(path string) (*os.File, error) {
	dir, name, err := files.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // what it opened stays open
	for range 3 {
		f, err := dir.OpenRegular(name, os.O_RDWR)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = dir.Create(name, 0o660)
		if err == nil {
			_ = dir.GiveAway(f) // who is shut out says so itself
		}
		if !errors.Is(err, fs.ErrExist) { // another process was first
			return f, err
		}
	}
	return nil, errors.New("it comes and goes")
}

// same reports that the path still names the locked file.
func (l *fileLock) same(path string) bool {
	mine, err := l.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(mine, there)
}

func (l *fileLock) unlock() error { return l.f.Close() }

// locked asks whether somebody holds the lock, without taking it from anybody.
func locked(path string) (bool, error) {
	dir, name, err := files.Open(path)
	if err != nil {
		return false, fmt.Errorf("open the lock file: %w", err)
	}
	defer dir.Close() //nolint:errcheck // only looked
	f, err := dir.OpenRegular(name, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open the lock file: %w", err)
	}
	defer f.Close()
	switch err := flock(f, syscall.LOCK_SH|syscall.LOCK_NB); {
	case err == nil:
		return false, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return true, nil
	default:
		return false, fmt.Errorf("probe the lock file: %w", err)
	}
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// lockPath is the lock file of a portal; any name of a portal makes a file name.
func (d *sqliteDialect) lockPath(portal string) string {
	return d.path + ".leadsync-" + url.QueryEscape(portal) + ".lock"
}

func (d *sqliteDialect) acquire(ctx context.Context, db *engine, l *Lease) error {
	portal := l.portal
	if d.moved() {
		return ErrMoved
	}
	file, err := lockFile(ctx, d.lockPath(portal))
	if errors.Is(err, errHeld) {
		held := &HeldError{Portal: portal}
		if row, err := db.portalRow(ctx, portal); err == nil {
			held.Owner, held.Since = row.Owner, row.StartedAt
		}
		return held
	}
	if err != nil {
		return err
	}
	l.clean, l.taken, l.file = true, time.Now(), file
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT clean FROM leadsync_portals WHERE portal = ?`, portal).Scan(&l.clean)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return tx.QueryRowContext(ctx, `INSERT INTO leadsync_portals (portal, owner, epoch, clean, started_at) VALUES (?, ?, 1, FALSE, ?)
  ON CONFLICT (portal) DO UPDATE SET owner = excluded.owner, epoch = epoch + 1, clean = FALSE, started_at = excluded.started_at
  RETURNING epoch`, portal, l.owner, now()).Scan(&l.epoch)
	})
	if err != nil {
		_ = file.unlock()
	}
	return err
}

// evict has nothing to do: the lock ends with the process.
func (d *sqliteDialect) evict(context.Context, *engine, string) error { return nil }

// renew has nothing to prolong; it finds out whether somebody removed the lock file or put another database into place.
func (d *sqliteDialect) renew(ctx context.Context, l *Lease) error {
	if !l.file.same(d.lockPath(l.portal)) || d.moved() {
		return settlement.ErrLeaseLost
	}
	var epoch int64
	err := l.db.read.QueryRowContext(ctx, `SELECT epoch FROM leadsync_portals WHERE portal = ?`, l.portal).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) || err == nil && epoch != l.epoch {
		return settlement.ErrLeaseLost
	}
	return err
}

func (d *sqliteDialect) release(ctx context.Context, l *Lease) error {
	l.mu.Lock()
	lost := l.lost
	l.mu.Unlock()
	var err error
	if !lost {
		_, err = l.db.write.ExecContext(ctx, `UPDATE leadsync_portals SET clean = TRUE WHERE portal = ? AND epoch = ?`, l.portal, l.epoch)
	}
	return errors.Join(err, ignoreClosed(l.file.unlock()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func (d *sqliteDialect) owner(ctx context.Context, db *engine, portal string) (OwnerInfo, error) {
	alive, err := locked(d.lockPath(portal))
	if err != nil {
		return OwnerInfo{}, err
	}
	return lastOwner(ctx, db, portal, alive)
}
