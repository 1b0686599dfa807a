package store_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// holderEnv makes the test binary the second daemon.
const holderEnv = "LEADSYNC_STORE_TEST_HOLD"

// holdPortal takes the portal of the database named by the environment and waits to be killed.
func holdPortal() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := store.Open(ctx, os.Getenv(holderEnv), store.Options{})
	if err == nil {
		_, err = db.Acquire(ctx, "default", "first")
	}
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("held")
	<-ctx.Done()
}

// startHolder runs the test binary as a daemon that holds the portal.
func startHolder(t *testing.T, url string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+url)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	return cmd
}

func TestKilledOwnerFreesSQLiteAtOnce(t *testing.T) {
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	first := startHolder(t, url)
	_, err := db.Acquire(t.Context(), "default", "second")
	var held *store.HeldError
	if !errors.As(err, &held) || held.Owner != "first" {
		t.Fatalf("while the first lives: %v", err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait()
	l, err := db.Acquire(t.Context(), "default", "second")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context())
	if l.CleanBefore() || l.Epoch() != 2 {
		t.Errorf("after a kill: clean %t, epoch %d", l.CleanBefore(), l.Epoch())
	}
}

func TestSQLiteLockFollowsLinksAndLossOfTheFile(t *testing.T) {
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	path := strings.TrimPrefix(url, "sqlite://")
	link := filepath.Join(t.TempDir(), "other name.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	other := storetest.OpenRaw(t, "sqlite://"+strings.ReplaceAll(link, " ", "%20"))
	l, err := db.Acquire(t.Context(), "default", "first")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context())
	var held *store.HeldError
	if _, err := other.Acquire(t.Context(), "default", "second"); !errors.As(err, &held) {
		t.Errorf("through a link: %v, want HeldError", err)
	}
	if err := os.Remove(path + ".leadsync-default.lock"); err != nil {
		t.Fatal(err)
	}
	if err := l.Renew(t.Context()); !errors.Is(err, settlement.ErrLeaseLost) {
		t.Errorf("after the lock file was removed: %v, want ErrLeaseLost", err)
	}
}

func TestSQLiteFile(t *testing.T) {
	dir := t.TempDir()
	url := "sqlite://" + dir + "/a?b#c%25 é.db"
	url = strings.NewReplacer("?", "%3F", "#", "%23").Replace(url)
	_, err := store.Open(t.Context(), url, store.Options{})
	if !errors.Is(err, store.ErrNoDatabase) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := os.Stat(dir + "/a?b#c% é.db"); err == nil {
		t.Error("opening made the file")
	}
	db, err := store.Open(t.Context(), url, store.Options{CreateSQLite: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if st, err := os.Stat(dir + "/a?b#c% é.db"); err != nil || st.Mode().Perm()&0o007 != 0 {
		t.Errorf("file %v, %v: others must not read it", st, err)
	}
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := store.Open(t.Context(), "sqlite://"+dir, store.Options{}); err == nil || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("a folder: %v", err)
	}
	if err := os.WriteFile(dir+"/text", []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), "sqlite://"+dir+"/text", store.Options{}); store.Cause(err) != "the file is not a sound database" {
		t.Errorf("a text file: %v: %s", err, store.Cause(err))
	}
}

func TestSQLiteBusyForTooLongIsUnavailable(t *testing.T) {
	url := storetest.SQLite(t)
	storetest.Open(t, url)
	db, err := store.Open(t.Context(), url, store.Options{BusyTimeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	conn, err := storetest.App(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	lead := "a"
	_, _, err = db.Operator().Add(t.Context(), []outbox.Entry{{LeadID: &lead}})
	if !store.IsUnavailable(err) || store.Cause(err) != "locked by another program" {
		t.Errorf("while another program writes: %v: %s", err, store.Cause(err))
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.Operator().Add(t.Context(), []outbox.Entry{{LeadID: &lead}}); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// A copy of a person that the application left in the gaps of the file is found by a needle and goes; a file that holds
// none is not written anew.
func TestScrubLooksForNeedles(t *testing.T) {
	defer store.SetSmallFile(0)()
	url := storetest.SQLite(t)
	db, app := storetest.Open(t, url), storetest.App(t, url)
	_, path, _ := strings.Cut(url, ":")
	path = strings.TrimPrefix(path, "//")
	storetest.Exec(t, app, `PRAGMA secure_delete = 0`)
	for range 50 {
		storetest.Exec(t, app, `INSERT INTO lead_outbox (lead_id, email) VALUES ('ada-1815', 'ada@example.com')`)
	}
	storetest.Exec(t, app, `DELETE FROM lead_outbox WHERE id > 1`)
	storetest.Exec(t, app, `UPDATE lead_outbox SET lead_id = NULL, email = NULL`)
	l, err := db.Acquire(t.Context(), "default", "one")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release(t.Context()) //nolint:errcheck // ends with the test
	mine := db.Portal(l, store.PortalConfig{})
	left := func() int {
		t.Helper()
		n := 0
		for _, end := range []string{"", "-wal"} {
			text, err := os.ReadFile(path + end)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(text, []byte("ada@example.com"))
		}
		return n
	}
	if err := mine.Scrub(t.Context(), []string{"bob@example.com", "x"}); err != nil {
		t.Fatal(err)
	}
	if left() == 0 {
		t.Fatal("nothing is left to look for")
	}
	if err := mine.Scrub(t.Context(), []string{"bob@example.com", "ada@example.com"}); err != nil {
		t.Fatal(err)
	}
	if n := left(); n != 0 {
		t.Errorf("the address is still there %d times", n)
	}
}
