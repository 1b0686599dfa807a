package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotAFile says that the database is a server's, which has a backup of its own.
var ErrNotAFile = errors.New("the database is on a server")

// Backup writes a sound copy of a SQLite database into a new file, while others read and write it: one moment of it, compact, with its
// journal folded in. The copy is checked, on the disk, and of mode 0600 before it gets its name; a file that has the name is replaced.
// On a server it is ErrNotAFile.
//
// Copying the file itself is not the same: what stands in the -wal file is missing then, or half of it there.
func (db *DB) Backup(ctx context.Context, path string) (err error) {
	d, isFile := db.dialect.(*sqliteDialect)
	if !isFile {
		return ErrNotAFile
	}
	if st, err := os.Stat(path); err == nil && os.SameFile(st, d.info) {
		return fmt.Errorf("back up %s: %s is the database itself", db.redacted, path)
	}
	// A folder of its own, closed to others before the first byte is in it.
	folder, err := os.MkdirTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("back up %s: %w", db.redacted, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	part := filepath.Join(folder, "copy")
	if err := d.copyInto(ctx, part); err != nil {
		return fmt.Errorf("back up %s: %w", db.redacted, err)
	}
	if err := checkCopy(ctx, part); err != nil {
		return fmt.Errorf("back up %s: %w", db.redacted, err)
	}
	if err := errors.Join(os.Chmod(part, 0o600), syncFile(part), os.Rename(part, path), syncFile(filepath.Dir(path))); err != nil {
		return fmt.Errorf("back up %s: %w", db.redacted, err)
	}
	return nil
}

// copyInto reads the database through a connection that cannot write it: those of the pools may write, or are told not to write anywhere.
func (d *sqliteDialect) copyInto(ctx context.Context, path string) error {
	pool, err := d.pool(ctx, "copy", 1, true, false)
	if err != nil {
		return err
	}
	_, err = pool.ExecContext(ctx, `VACUUM INTO ?`, path)
	return errors.Join(err, pool.Close())
}

// checkCopy lets the engine read all of it.
func checkCopy(ctx context.Context, path string) error {
	d := &sqliteDialect{path: path}
	pool, err := d.pool(ctx, "r", 1, true, false)
	if err != nil {
		return err
	}
	var said string
	err = pool.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&said)
	if err == nil && said != "ok" {
		err = errors.New("the copy is not sound: " + said)
	}
	return errors.Join(err, pool.Close())
}

// syncFile brings a file, or the names of a folder, to the disk.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	var pe *fs.PathError
	if errors.As(err, &pe) && errors.Is(pe.Err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
