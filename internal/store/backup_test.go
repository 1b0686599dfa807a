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

// A backup of a database that is written to meanwhile holds whole transactions, everything that was committed before it began, and can be
// opened and brought up to date; it leaves nothing else behind.
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
