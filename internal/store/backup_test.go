package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A backup of a database that is written to meanwhile holds whole transactions, everything that was committed before it
// began, and can be opened and brought up to date; it leaves nothing else behind.
func TestBackupWhileRowsAreWritten(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(t.Context(), "sqlite://"+filepath.Join(dir, "leads.db"), Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair := func(n int) error { // two rows, or none
		tx, err := db.write.Begin()
		if err != nil {
			return err
		}
		for range 2 {
			if _, err := tx.Exec(`INSERT INTO lead_outbox (lead_id, event_type, properties) VALUES (?, 'lead.registered', ?)`, fmt.Sprint(n),
				`{"a":"`+strings.Repeat("x", 2000)+`"}`); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		return tx.Commit()
	}
	for n := range 200 {
		if err := pair(n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := 200; ctx.Err() == nil; n++ {
			if err := pair(n); err != nil {
				t.Error(err)
				return
			}
		}
	})
	copies := t.TempDir()
	file := filepath.Join(copies, "copy.db")
	for range 5 { // the later ones replace the first
		if err := db.Backup(t.Context(), file); err != nil {
			t.Error(err)
		}
	}
	stop()
	writing.Wait()
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if left, err := os.ReadDir(copies); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	restored, err := Open(t.Context(), "sqlite://"+file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if err := restored.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	var rows, odd int
	if err := restored.read.QueryRow(`SELECT count(*) FROM lead_outbox`).Scan(&rows); err != nil || rows < 400 {
		t.Errorf("%d rows in the copy, %v", rows, err)
	}
	if err := restored.read.QueryRow(`SELECT count(*) FROM (SELECT 1 FROM lead_outbox GROUP BY lead_id HAVING count(*) <> 2)`).Scan(&odd); err != nil || odd > 0 {
		t.Errorf("%d halves of transactions in the copy, %v", odd, err)
	}
	if err := db.Backup(t.Context(), filepath.Join(dir, "leads.db")); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("onto itself: %v", err)
	}
	if err := db.Backup(t.Context(), filepath.Join(dir, "none", "copy.db")); err == nil {
		t.Error("into a folder that is not there")
	}
}

// TestBackupReplacesNothingOfTheDatabase, nor what is no file; whatever way leads to the name.
func TestBackupReplacesNothingOfTheDatabase(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	db, err := Open(t.Context(), "sqlite:leads.db", Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink(dir, filepath.Join(dir, "way")), os.Symlink("leads.db", filepath.Join(dir, "other")), os.Mkdir("folder", 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"leads.db", "leads.db-wal", "leads.db-shm", "leads.db-journal", "leads.db.leadsync-default.lock", "leads.db.leadsync.migrate.lock",
		"way/leads.db-wal", "./leads.db-wal", dir + "/leads.db-wal", "other", "folder", os.DevNull, "none/copy"} {
		if err := db.Backup(t.Context(), name); err == nil {
			t.Errorf("%s was replaced", name)
		}
	}
	for _, name := range []string{"copy", "./sub.db", "way/other.db", dir + "/abs.db"} {
		if err := db.Backup(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	left, _ := filepath.Glob(".*")
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRootsBackupIntoAFolderOfOthers writes nothing through the links there, and lets nobody read it.
func TestRootsBackupIntoAFolderOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a folder of another user (needs root)")
	}
	dir := t.TempDir()
	app, target := filepath.Join(dir, "app"), filepath.Join(dir, "target")
	db, err := Open(t.Context(), "sqlite://"+filepath.Join(dir, "leads.db"), Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := errors.Join(os.Mkdir(app, 0o755), os.Chown(app, 1234, 1234), os.WriteFile(target, []byte("x"), 0o600), os.Symlink(target, app+"/copy.db")); err != nil {
		t.Fatal(err)
	}
	if err := db.Backup(t.Context(), app+"/copy.db"); err != nil {
		t.Fatal(err)
	}
	st, err := os.Lstat(app + "/copy.db")
	if err != nil || st.Mode() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	if text, _ := os.ReadFile(target); string(text) != "x" {
		t.Error("the target was written")
	}
	if left, err := os.ReadDir(app); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
