package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/store/storetest"
)

// Two daemons on one SQLite file: one pushes, the other stands by and takes over the moment the first is killed.
// Nothing is sent twice (G2, G3).
func TestG3TwoDaemonsOnOneFile(t *testing.T) {
	t.Parallel()
	s := newScene(t, storetest.SQLite(t), "push: {poll_interval: 50ms}", "--latency", "40ms", "--limit", "0")
	lead := func(from, to int) {
		t.Helper()
		for i := from; i < to; i++ {
			if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
				t.Fatal(err)
			}
		}
	}
	first := s.daemon()
	until(t, 20*time.Second, "the first owner", func() bool { return strings.Contains(first.Log.String(), "portal lease taken") })
	for round := range 3 {
		second := s.daemon()
		until(t, 20*time.Second, "the standby", func() bool { return strings.Contains(second.Log.String(), "standing by") })
		lead(round*300, round*300+300)
		until(t, 20*time.Second, "work under way", func() bool { return s.count(`state = 'delivered'`) > round*300 })
		if strings.Contains(second.Log.String(), "portal lease taken") {
			t.Fatal("two owners at once")
		}
		began := time.Now()
		if round == 1 {
			first.Signal(syscall.SIGTERM)
			if code := first.end(t, 30*time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
		} else {
			first.Kill()
		}
		until(t, 20*time.Second, "the take-over", func() bool { return strings.Contains(second.Log.String(), "portal lease taken") })
		t.Logf("taken over after %s", time.Since(began).Round(10*time.Millisecond))
		s.settled(30 * time.Second)
		first = second
	}
	s.balanced(t)
	if n := s.count(`attempts > 0 OR state = 'dead'`); n != 0 {
		t.Errorf("%d rows paid for the kills", n)
	}
}

// A restored backup is put in place of the SQLite file while the daemon runs: the daemon goes over to the new file by
// itself, since that is where the application writes.
func TestFileThatWasReplaced(t *testing.T) {
	t.Parallel()
	s := newScene(t, storetest.SQLite(t), "push: {poll_interval: 50ms}", "--latency", "5ms", "--limit", "0")
	path := strings.TrimPrefix(s.url, "sqlite://")
	d := s.daemon()
	if err := s.insert("1", "lead.registered", "p1@example.com", `{"firstname":"F"}`); err != nil {
		t.Fatal(err)
	}
	s.settled(20 * time.Second)
	if _, err := s.db.Exec(`VACUUM INTO '` + path + `.backup'`); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + "-wal", path + "-shm"} { // as whoever restores a backup has to
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if err := os.Rename(path+".backup", path); err != nil {
		t.Fatal(err)
	}
	s.db = storetest.App(t, s.url)
	if err := s.insert("2", "lead.registered", "p2@example.com", `{"firstname":"F"}`); err != nil {
		t.Fatal(err)
	}
	s.settled(40 * time.Second)
	s.balanced(t)
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d:\n%s", code, d.Log.Tail(10))
	}
}
