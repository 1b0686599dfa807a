package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// TestSQLiteFull fills the file up to a limit of pages, as a full disk would: nothing is half written, and when there
// is room again the same store goes on.
func TestSQLiteFull(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	l, err := db.Acquire(t.Context(), "default", "one")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context())
	limit := func(pages int) {
		t.Helper()
		if _, err := db.Writer().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	lead, text := "a", strings.Repeat("x", 40_000)
	id, err := db.Operator().AddRow(t.Context(), outbox.Entry{LeadID: &lead, Properties: &text})
	if err != nil {
		t.Fatal(err)
	}
	limit(1) // the engine takes what is there as the least
	rows := []outbox.Entry{{LeadID: &lead, Properties: &text}, {LeadID: &lead, Properties: &text}, {LeadID: &lead, Properties: &text}}
	full := func(what string, err error) {
		t.Helper()
		if !store.IsFull(err) || store.IsUnavailable(err) || store.IsReadOnly(err) || store.Cause(err) != "no space left" {
			t.Errorf("%s: %v (%s), want an error that says full", what, err, store.Cause(err))
		}
	}
	_, _, err = db.Operator().Add(t.Context(), rows)
	full("add", err)
	big := map[string]ledger.Field{"email": {Sent: text, Seen: text}}
	mine := db.Portal(l, store.PortalConfig{})
	s := settlement.Settlement{Outcomes: []outbox.Outcome{{ID: id, State: outbox.Delivered}},
		Links: []ledger.Link{{Portal: "default", HubID: 1, LeadID: "a", Fields: big}}}
	for range 3 { // no transaction stays open on the one connection that writes
		_, err = mine.Settle(t.Context(), s)
		full("settle", err)
	}
	all, err := db.Operator().Entries(t.Context(), []outbox.EntryID{id, id + 1})
	if err != nil || len(all) != 1 || all[0].State != outbox.Pending {
		t.Errorf("after the failed writes: %d rows, %v", len(all), err)
	}
	limit(1 << 30)
	if n, err := mine.Settle(t.Context(), s); err != nil || n != 1 {
		t.Errorf("with room again: settled %d, %v", n, err)
	}
}

// TestSQLiteOnAFullDisk is the same with a real file system.
func TestSQLiteOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("NOT TESTED: a full disk (no right to mount a file system of a megabyte: %v); the page limit is", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	url := "sqlite://" + dir + "/leadsync.db"
	db, err := store.Open(t.Context(), url, store.Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	lead, text := "a", strings.Repeat("x", 100_000)
	added := 0
	for range 20 {
		var n int
		if n, _, err = db.Operator().Add(t.Context(), []outbox.Entry{{LeadID: &lead, Properties: &text}}); err != nil {
			break
		}
		added += n
	}
	if !store.IsFull(err) || added == 0 {
		t.Fatalf("after %d rows: %v (%s), want an error that says full", added, err, store.Cause(err))
	}
	for range 3 {
		if rows, err := db.View("default").Ready(t.Context(), outbox.Live, 0, 100); err != nil || len(rows) != added {
			t.Errorf("read on a full disk: %d rows, %v, want %d", len(rows), err, added)
		}
		if _, _, err = db.Operator().Add(t.Context(), []outbox.Entry{{LeadID: &lead, Properties: &text}}); !store.IsFull(err) {
			t.Errorf("again: %v", err)
		}
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if n, _, err := db.Operator().Add(t.Context(), []outbox.Entry{{LeadID: &lead, Properties: &text}}); err != nil || n != 1 {
		t.Errorf("with room again: %d, %v", n, err)
	}
}

// strangerEnv makes the test binary a process of another user that tries to write to the database.
const strangerEnv = "LEADSYNC_STORE_TEST_STRANGER"

// writeAsStranger opens the database and adds a row, and tells how far it came.
func writeAsStranger() {
	lead := "a"
	db, err := store.Open(context.Background(), os.Getenv(strangerEnv), store.Options{})
	step := "open"
	if err == nil {
		defer db.Close()
		step = "read"
		_, err = db.View("default").Ready(context.Background(), outbox.Live, 0, 1)
	}
	if err == nil {
		step = "write"
		_, _, err = db.Operator().Add(context.Background(), []outbox.Entry{{LeadID: &lead}})
	}
	if err == nil {
		step = "acquire"
		_, err = db.Acquire(context.Background(), "default", "stranger")
	}
	fmt.Printf("%s read-only=%t away=%t cause=%s error=%v\n", step, store.IsReadOnly(err), store.IsUnavailable(err), store.Cause(err), err)
}

// TestSQLiteReadOnly runs a daemon as another user, since root may write everything.
func TestSQLiteReadOnly(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: a database of another user (needs root to become one)")
	}
	dir, err := os.MkdirTemp("", "leadsync")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	binary := filepath.Join(dir, "test")
	if err := copyFile(binary, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name       string
		file, path os.FileMode
		open       bool // by the daemon of another user at the same time, so that the journal is there
		want       string
	}{
		{"file", 0o644, 0o777, false, "write read-only=true away=false cause=it is read-only"},
		{"file and folder", 0o644, 0o755, false, "open read-only=true away=false cause=it is read-only"},
		{"folder", 0o666, 0o755, false, "open read-only=true away=false cause=it is read-only"},
		{"file of a daemon that runs", 0o644, 0o755, true, "write read-only=true away=false cause=it is read-only"},
		{"unreadable", 0o600, 0o755, false, "open read-only=false away=false cause=permission denied"},
		{"folder closed", 0o666, 0o700, false, "open read-only=false away=false cause=permission denied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sub := filepath.Join(dir, strings.ReplaceAll(tc.name, " ", "-"))
			if err := os.Mkdir(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			url := "sqlite://" + sub + "/leadsync.db"
			db, err := store.Open(t.Context(), url, store.Options{CreateSQLite: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tc.open {
				defer db.Close()
			} else if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			files, _ := filepath.Glob(sub + "/*")
			for _, f := range files {
				if err := os.Chmod(f, tc.file); err != nil {
					t.Fatal(err)
				}
			}
			for path, mode := range map[string]os.FileMode{sub: tc.path, dir: 0o755} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), binary)
			cmd.Env = append(os.Environ(), strangerEnv+"="+url)
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if got, _, _ := strings.Cut(string(out), " error="); got != tc.want {
				t.Errorf("got  %s\nwant %s", out, tc.want)
			}
		})
	}
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// TestSQLiteFileThatWasReplaced: a restored backup under the old name is another file; the application writes there.
func TestSQLiteFileThatWasReplaced(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	l, err := db.Acquire(t.Context(), "default", "one")
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(url, "sqlite://")
	if err := copyFile(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(t.Context()); !errors.Is(err, settlement.ErrLeaseLost) {
		t.Errorf("renew after the file was replaced: %v, want ErrLeaseLost", err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := db.Acquire(t.Context(), "default", "one"); !errors.Is(err, store.ErrMoved) || store.Cause(err) == "database error" {
		t.Errorf("acquire: %v, want ErrMoved", err)
	}
	again := storetest.OpenRaw(t, url)
	l, err = again.Acquire(t.Context(), "default", "one")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSQLiteOddNumbers: the columns that leadsync writes may hold anything in SQLite; a row with nonsense must not stop
// the others.
func TestSQLiteOddNumbers(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	app := storetest.App(t, url)
	storetest.Exec(t, app, `INSERT INTO lead_outbox (lead_id, not_before, attempts, settled_at) VALUES ('a', 5.5, 'x', 'y'), ('b', 6, 1.5, 2), ('c', 'soon', 0, 0), ('d', -3.25, 0, 0)`)
	rows, err := db.View("default").DueAgain(t.Context(), "", 10, 10)
	if err != nil || len(rows) != 3 || rows[0].Lead() != "d" || rows[1].Lead() != "a" || rows[2].Lead() != "b" {
		t.Errorf("due: %v, %v", rows, err)
	}
	if all, err := db.Operator().Entries(t.Context(), []outbox.EntryID{1, 2, 3, 4}); err != nil || len(all) != 4 {
		t.Errorf("%d entries, %v", len(all), err)
	}
}

// TestSQLiteTransactionsBeginWithTheLock: one that reads first and then writes would fail at once when another program
// wrote in between, whatever the busy timeout.
func TestSQLiteTransactionsBeginWithTheLock(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	other, err := store.Open(t.Context(), url, store.Options{BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lead := "a"
	err = db.InTx(t.Context(), func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(t.Context(), `SELECT count(*) FROM lead_outbox`).Scan(&n); err != nil {
			return err
		}
		if _, err := other.Operator().AddRow(t.Context(), outbox.Entry{LeadID: &lead}); !store.IsUnavailable(err) {
			t.Errorf("another program writes between reading and writing: %v", err)
		}
		_, err := tx.ExecContext(t.Context(), `INSERT INTO lead_outbox (lead_id) VALUES ('b')`)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSQLiteInUTF16IsRefused(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	app := storetest.App(t, url)
	storetest.Exec(t, app, `PRAGMA encoding = 'UTF-16'`)
	storetest.Exec(t, app, `CREATE TABLE t (a)`)
	if _, err := store.Open(t.Context(), url, store.Options{}); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a file in UTF-16: %v", err)
	}
}
