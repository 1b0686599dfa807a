package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
	"leadsync/internal/testsize"
)

// TestUpgradeCutAtEveryStatementIsFinished breaks the connections of a first migration before and after each message to
// the server, and migrates again: the database is whole then. Between the two the old binary could have come, or
// nobody.
func TestUpgradeCutAtEveryStatementIsFinished(t *testing.T) {
	for _, s := range servers {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/answered=%t", s.name, after), func(t *testing.T) {
				t.Parallel()
				s.newURL(t) // skips without a server
				step := testsize.Of(1, 15)
				for n, cut := 1, true; cut; n++ {
					if n > 30 { // what goose does once is behind it
						n += step - 1
					}
					t.Run(fmt.Sprintf("message %d", n), func(t *testing.T) {
						url := s.newURL(t)
						proxy, through := storetest.NewProxy(t, url)
						db := storetest.OpenRaw(t, through)
						proxy.CutAt(n, after)
						_, _, err := db.Migrate(t.Context())
						cut = proxy.WasCut()
						if !cut && err != nil {
							t.Errorf("nothing was cut: %v", err)
						}
						proxy.Heal()
						finishes(t, url)
					})
					if n > 500 {
						t.Fatal("it never ends")
					}
				}
			})
		}
	}
}

// finishes migrates and uses a database.
func finishes(t *testing.T, url string) {
	t.Helper()
	db := storetest.OpenRaw(t, url)
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Errorf("migrate again: %v", err)
		return
	}
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	storetest.Exec(t, storetest.App(t, url), `INSERT INTO lead_outbox (lead_id, event_type) VALUES ('a', 'lead.registered')`)
	if rows, err := db.View("default").Ready(t.Context(), "live", 0, 10); err != nil || len(rows) != 1 {
		t.Errorf("%d rows wait (%v)", len(rows), err)
	}
}

// TestUpgradeKilledAtEveryWriteIsFinished is the same for SQLite: what a killed process leaves is a journal that ends
// somewhere.
func TestUpgradeKilledAtEveryWriteIsFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "whole.db")
	db, err := store.Open(t.Context(), "sqlite://"+path, store.Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	const head, frame = 32, 24 + 4096
	frames := (len(journal) - head) / frame
	if frames < 20 || !bytes.HasPrefix(file, []byte("SQLite format 3")) {
		t.Fatalf("%d frames of a journal are too few to cut", frames)
	}
	for n := 0; n <= frames; n += max(1, frames/40) {
		cut := filepath.Join(t.TempDir(), "cut.db")
		for name, b := range map[string][]byte{cut: file, cut + "-wal": journal[:head+n*frame]} {
			if err := os.WriteFile(name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		finishes(t, "sqlite://"+cut)
	}
}
