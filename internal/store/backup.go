package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"leadsync/internal/files"
)

// ErrNotAFile says that the database is a server's, which has a backup of its own.
var ErrNotAFile = errors.New("the database is on a server")

// Backup writes a sound copy of a SQLite database into a new file, while others read and write it: one moment of it,
// compact, with its journal folded in. The copy is checked, on the disk, and of mode 0600 before it gets its name; a
// file that has the name is replaced. On a server it is ErrNotAFile.
//
// Copying the file itself is not the same: what stands in the -wal file is missing then, or half of it there.
func (db *DB) Backup(ctx context.Context, path string) (err error) {
	d, isFile := db.dialect.(*sqliteDialect)
	if !isFile {
		return ErrNotAFile
	}
	if err := db.backup(ctx, d, path); err != nil {
		return fmt.Errorf("back up %s: %w", db.redacted, err)
	}
	return nil
}

func (db *engine) backup(ctx context.Context, d *sqliteDialect, path string) (err error) {
	dir, name, err := files.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := d.mayReplace(dir, name); err != nil {
		return err
	}
	// A folder of its own, closed to others before the first byte is in it. The engine opens the copy by its path: where
	// others can change what a path means it is made elsewhere first.
	above := filepath.Dir(dir.Path(name))
	if dir.Foreign() {
		above = os.TempDir()
	}
	work, err := os.MkdirTemp(above, ".leadsync-backup.")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	part := filepath.Join(work, "copy")
	if err := d.copyInto(ctx, part); err != nil {
		return err
	}
	if err := checkCopy(ctx, part); err != nil {
		return err
	}
	if err := os.Chmod(part, 0o600); err != nil {
		return err
	}
	if !dir.Foreign() {
		return errors.Join(syncFile(part), os.Rename(part, dir.Path(name)), syncFile(above))
	}
	return moveInto(ctx, dir, name, part)
}

// mayReplace refuses a name that the database needs, and what is no file.
func (d *sqliteDialect) mayReplace(dir *files.Folder, name string) error {
	own, base, err := files.Open(d.path)
	if err != nil {
		return err
	}
	defer own.Close() //nolint:errcheck // only looked
	if rest, ok := strings.CutPrefix(name, base); ok && dir.Same(own) && (rest == "" || rest == "-wal" || rest == "-shm" || rest == "-journal" ||
		strings.HasPrefix(rest, ".leadsync")) {
		return fmt.Errorf("%s is the database itself or belongs to it; name another file", name)
	}
	st, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !st.Mode().IsRegular() && st.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%s is there and is no file; name another one", name)
	}
	if there, err := os.Stat(dir.Path(name)); err == nil && os.SameFile(there, d.info) {
		return fmt.Errorf("%s is the database itself; name another file", name)
	}
	return nil
}

// moveInto copies a file below the handle of a folder whose names others can change, and gives it its name when it is
// whole.
func moveInto(ctx context.Context, dir *files.Folder, name, part string) (err error) {
	from, err := os.Open(part)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // only read
	whole := "." + name + "." + rand.Text()
	to, err := dir.Create(whole, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, files.Patient(ctx, from))
	if err = errors.Join(err, to.Sync(), to.Close()); err == nil {
		err = dir.Rename(whole, name)
	}
	if err != nil {
		return errors.Join(err, dir.Remove(whole))
	}
	return syncFile(filepath.Dir(dir.Path(name)))
}

// copyInto reads the database through a connection that cannot write it: those of the pools may write, or are told not
// to write anywhere.
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
