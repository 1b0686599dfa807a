package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"leadsync/internal/stage"
	"leadsync/internal/store/storetest"
)

// binary is the leadsync under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "leadsync-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if binary, err = stage.Build(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		flag.Parse()
		if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
			_ = flag.Set("test.parallel", "6") // the tests wait for other processes, not for this one
		}
		return m.Run()
	}())
}

// process is one running leadsync.
type process struct{ *stage.Process }

// spawn starts leadsync with args; it dies with the test.
func spawn(t *testing.T, environ []string, args ...string) process {
	t.Helper()
	p, err := stage.Spawn(binary, environ, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return process{p}
}

// started waits until the daemon has read its configuration and opened its database.
func (p process) started(t *testing.T) {
	t.Helper()
	until(t, 30*time.Second, "the daemon's first line", func() bool { return strings.Contains(p.Log.String(), "daemon started") })
}

// end waits for the process to end by itself and returns its exit code.
func (p process) end(t *testing.T, within time.Duration) int {
	t.Helper()
	code, err := p.End(within)
	if err != nil {
		t.Fatalf("%v:\n%s", err, p.Log.Tail(20))
	}
	return code
}

// command runs leadsync to its end.
func command(t *testing.T, environ []string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = append(stage.Environ(), environ...)
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// until waits for a condition, which it asks again and again.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	if !stage.Until(within, ok) {
		t.Fatalf("after %s still not: %s", within, what)
	}
}

// scene is one simulator, one database and the configuration of a daemon.
type scene struct {
	t       *testing.T
	dir     string
	url     string
	sim     *stage.Simulator
	environ []string
	db      *sql.DB // the application's
	shaky   bool    // the database goes away, so that inserts fail too
}

// newScene starts a simulator and prepares an empty, migrated database. more is YAML for the configuration.
func newScene(t *testing.T, url string, more string, simulate ...string) *scene {
	t.Helper()
	s := &scene{t: t, dir: t.TempDir(), url: url}
	var err error
	if s.sim, err = stage.Simulate(binary, simulate...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.sim.Kill)
	code, key, errs := command(t, nil, "", "auth", "key")
	if code != 0 {
		t.Fatal(errs)
	}
	if s.environ, err = s.sim.Configure(s.dir, url, strings.TrimSpace(key), 0, more); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, s.environ, "", "migrate", "up"); code != 0 {
		t.Fatalf("migrate up: %s", errs)
	}
	s.db = storetest.App(t, url)
	return s
}

func (s *scene) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// daemon starts leadsync run.
func (s *scene) daemon() process {
	s.t.Helper()
	return spawn(s.t, s.environ, "run")
}

// admin calls an admin path of the simulator.
func (s *scene) admin(method, path, body string) []byte {
	s.t.Helper()
	text, err := s.sim.Admin(context.WithoutCancel(s.t.Context()), method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *scene) stats() stage.Stats {
	s.t.Helper()
	st, err := s.sim.Stats(context.WithoutCancel(s.t.Context()))
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

func (s *scene) count(where string) int {
	s.t.Helper()
	var n int
	if err := s.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE ` + where).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// settled waits until no row is pending.
func (s *scene) settled(within time.Duration) {
	s.t.Helper()
	until(s.t, within, "no pending rows", func() bool { return s.count(`state = 'pending'`) == 0 })
}
