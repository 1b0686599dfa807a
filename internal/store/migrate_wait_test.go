package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// servers are the dialects on which DDL stands in a queue for a table, with a version after which a migration changes
// lead_outbox.
var servers = []struct {
	name   string
	newURL func(testing.TB) string
	old    int64
}{{"postgres", storetest.Postgres, 3}, {"mysql", storetest.MySQL, 10}}

// lines keeps what is logged.
type lines struct {
	sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.Buffer.Write(b)
}

func (l *lines) text() string {
	l.Lock()
	defer l.Unlock()
	return l.String()
}

// TestUpgradeNeverStandsInFrontOfAnInsert holds a transaction open while the schema is upgraded, inserts all the time,
// and lets the transaction go: each insert is done within a second, the wait is told, and the upgrade then ends.
func TestUpgradeNeverStandsInFrontOfAnInsert(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			url := s.newURL(t)
			var log lines
			db, err := store.Open(t.Context(), url, store.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.MigrateTo(t.Context(), s.old); err != nil {
				t.Fatal(err)
			}
			app := storetest.App(t, url)
			open, err := app.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Rollback() //nolint:errcheck // ended below
			if _, err := open.ExecContext(t.Context(), `INSERT INTO lead_outbox (lead_id) VALUES ('open')`); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, _, err := db.Migrate(t.Context()); done <- err }()
			var longest time.Duration
			for begun, i := time.Now(), 0; time.Since(begun) < 4*time.Second; i++ {
				at := time.Now()
				storetest.Exec(t, app, fmt.Sprintf(`INSERT INTO lead_outbox (lead_id) VALUES ('i%d')`, i))
				longest = max(longest, time.Since(at))
			}
			select {
			case err := <-done:
				t.Fatalf("the upgrade did not wait: %v", err)
			default:
			}
			if err := open.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if err := db.CheckSchema(t.Context()); err != nil {
				t.Error(err)
			}
			t.Logf("longest insert %s", longest)
			if longest > time.Second {
				t.Errorf("an insert took %s", longest)
			}
			if text := log.text(); !strings.Contains(text, observe.MigrationWaits) || !strings.Contains(text, "transaction") {
				t.Errorf("nothing says what the upgrade waits for:\n%s", text)
			}
		})
	}
}

// TestUpgradeThatIsStoppedSaysWhatItWaitedFor ends the context of an upgrade that waits.
func TestUpgradeThatIsStoppedSaysWhatItWaitedFor(t *testing.T) {
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			url := s.newURL(t)
			db := storetest.OpenRaw(t, url)
			if err := db.MigrateTo(t.Context(), s.old); err != nil {
				t.Fatal(err)
			}
			open, err := storetest.App(t, url).BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Rollback() //nolint:errcheck // read only
			if _, err := open.ExecContext(t.Context(), `SELECT * FROM lead_outbox`); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if _, _, err = db.Migrate(ctx); err == nil || !strings.Contains(err.Error(), "transaction") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// TestUpgradeOfALargeTableMakesItsIndexWhileInsertsGoOn takes the way of a large table, with a transaction open on it
// and a try behind it that left an index which is not valid. It has a database of its own: the index waits for every
// snapshot in the database.
func TestUpgradeOfALargeTableMakesItsIndexWhileInsertsGoOn(t *testing.T) {
	schema := storetest.Postgres(t)
	name := "leadsync_large_" + strings.ToLower(rand.Text()[:12])
	admin := storetest.App(t, schema)
	storetest.Exec(t, admin, `CREATE DATABASE `+name)
	t.Cleanup(func() { storetest.Exec(t, admin, `DROP DATABASE `+name+` WITH (FORCE)`) })
	u, err := url.Parse(schema)
	if err != nil {
		t.Fatal(err)
	}
	u.Path, u.RawQuery = "/"+name, ""
	was := store.SetLargeTable(0)
	defer store.SetLargeTable(was)
	db := storetest.OpenRaw(t, u.String()+"?sslmode=disable")
	if err := db.MigrateTo(t.Context(), 11); err != nil {
		t.Fatal(err)
	}
	app := storetest.App(t, u.String()+"?sslmode=disable")
	storetest.Exec(t, app, `INSERT INTO lead_outbox (lead_id, email) VALUES ('a', 'Ada@example.com')`)
	storetest.Exec(t, app, `CREATE INDEX lead_outbox_address ON lead_outbox (id)`)
	open, err := app.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Rollback() //nolint:errcheck // ended below
	if _, err := open.ExecContext(t.Context(), `INSERT INTO lead_outbox (lead_id, email) VALUES ('b', 'Bob@example.com')`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, _, err := db.Migrate(t.Context()); done <- err }()
	var longest time.Duration
	for begun := time.Now(); time.Since(begun) < 2*time.Second; {
		at := time.Now()
		storetest.Exec(t, app, `INSERT INTO lead_outbox (lead_id, email) VALUES ('c', 'Carl@example.com')`)
		longest = max(longest, time.Since(at))
	}
	if longest > time.Second {
		t.Errorf("an insert took %s", longest)
	}
	if err := open.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	found, err := db.View("default").PendingAddresses(t.Context(), []string{"ada@example.com", "bob@example.com", "carl@example.com"})
	if err != nil || len(found) != 3 {
		t.Errorf("found %v (%v)", found, err)
	}
	var valid bool
	if err := app.QueryRowContext(t.Context(), `SELECT indisvalid FROM pg_index WHERE indexrelid = 'lead_outbox_address'::regclass`).Scan(&valid); err != nil || !valid {
		t.Errorf("the index is valid: %t (%v)", valid, err)
	}
}
