package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/store/storetest"
)

// The first use as the README tells it: a daemon and the simulator in two processes, rows from the database's own
// command line tool and from a CSV of a thousand leads, and the questions an operator asks.
func TestFirstUse(t *testing.T) {
	for dialect, open := range databases(t) {
		t.Run(dialect, func(t *testing.T) {
			s := newScene(t, open(t), "", "--latency", "20ms", "--limit", "0")
			d := s.daemon()
			s.tool(t, `INSERT INTO lead_outbox (lead_id, event_type, email, properties)
VALUES ('42', 'lead.registered', 'ada@example.com', '{"firstname":"Ada","company":"Analytical Engines"}')`)
			var csv strings.Builder
			csv.WriteString("lead_id,email,firstname,company\n")
			for i := range 1000 {
				fmt.Fprintf(&csv, "csv-%d,csv%d@example.org,\"First, %d\",Company %d\n", i, i, i, i%7)
			}
			csv.WriteString("csv-1,,\"unclosed\n")
			s.write("leads.csv", csv.String())
			code, out, errs := command(t, s.environ, "", "outbox", "add", "--file", filepath.Join(s.dir, "leads.csv"))
			if code != 1 || !strings.HasSuffix(out, "imported 1000, already there 0, refused 1\n") || !strings.Contains(errs, "leads.csv:1002: ") {
				t.Errorf("import: exit code %d, %q, %q", code, out, errs)
			}
			s.settled(time.Minute)
			code, out, _ = command(t, s.environ, "", "outbox", "add", "--file", filepath.Join(s.dir, "leads.csv"))
			if code != 1 || !strings.HasSuffix(out, "imported 0, already there 1000, refused 1\n") {
				t.Errorf("import again: exit code %d, %q", code, out)
			}
			if n := s.count(`state = 'delivered'`); n != 1001 {
				t.Errorf("%d delivered, want 1001", n)
			}
			code, out, errs = command(t, s.environ, "", "status", "--json")
			var status struct {
				OK     bool
				Daemon struct{ Alive bool }
			}
			if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || !status.OK || !status.Daemon.Alive {
				t.Errorf("status: exit code %d, %v, %s%s", code, err, out, errs)
			}
			code, out, _ = command(t, s.environ, "", "outbox", "show", "1", "--json")
			var row map[string]any
			if err := json.Unmarshal([]byte(out), &row); err != nil || code != 0 || row["state"] != "delivered" || row["contact_id"] == nil {
				t.Errorf("outbox show: exit code %d, %v, %s", code, err, out)
			}
			d.Signal(syscall.SIGTERM)
			if code := d.end(t, 30*time.Second); code != 0 {
				t.Errorf("exit code %d after SIGTERM", code)
			}
			s.balanced(t)
			if strings.Contains(d.Log.String(), "example.") {
				t.Error("an address stands in the log")
			}
			if code, _, _ := command(t, s.environ, "", "status"); code != 0 {
				t.Errorf("status without a daemon and without rows: exit code %d, want 0", code)
			}
			s.tool(t, `INSERT INTO lead_outbox (lead_id, event_type, email) VALUES ('43', 'lead.registered', 'bob@example.com')`)
			if code, _, _ := command(t, s.environ, "", "status"); code != 3 {
				t.Errorf("status with a row and no daemon: exit code %d, want 3", code)
			}
		})
	}
}

// databases are the dialects that can be reached.
func databases(t *testing.T) map[string]func(testing.TB) string {
	out := map[string]func(testing.TB) string{"sqlite": storetest.SQLite}
	if storetest.HavePostgres() {
		out["postgres"] = storetest.Postgres
	} else {
		t.Log("NOT CHECKED on PostgreSQL: " + storetest.PostgresEnv + " is not set")
	}
	if storetest.HaveMySQL() {
		out["mysql"] = storetest.MySQL
	} else {
		t.Log("NOT CHECKED on MariaDB: " + storetest.MySQLEnv + " is not set")
	}
	return out
}

// tool runs a statement through the database's command line tool, as another program would.
func (s *scene) tool(t *testing.T, statement string) {
	t.Helper()
	c := exec.Command("psql", "-v", "ON_ERROR_STOP=1", "-q", s.url, "-c", statement)
	if path, ok := strings.CutPrefix(s.url, "sqlite://"); ok {
		c = exec.Command("sqlite3", path, statement)
	}
	if strings.HasPrefix(s.url, "mysql://") {
		u, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		c = exec.Command("mariadb", "--no-defaults", "--protocol=tcp", "--host="+u.Hostname(), "--port="+u.Port(), "--user="+u.User.Username(),
			strings.TrimPrefix(u.Path, "/"), "--execute="+statement)
		if password, ok := u.User.Password(); ok {
			c.Env = append(os.Environ(), "MYSQL_PWD="+password)
		}
	}
	if _, err := exec.LookPath(c.Args[0]); err != nil {
		t.Logf("NOT CHECKED with %s, which is not installed; the statement goes through the driver", c.Args[0])
		if _, err := s.db.Exec(statement); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", c.Args[0], err, out)
	}
}

// SIGTERM lets the requests under way end and settles them; what was not sent stays pending, and the next start does
// not wait.
func TestDrain(t *testing.T) {
	s := newScene(t, storetest.SQLite(t), "push: {linger: 0s}", "--latency", "800ms", "--limit", "0")
	for i := range 250 {
		if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
			t.Fatal(err)
		}
	}
	d := s.daemon()
	until(t, 20*time.Second, "a write under way", func() bool { return s.stats().WriteRequests > 0 })
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 20*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	st, delivered := s.stats(), s.count(`state = 'delivered'`)
	if st.Contacts != delivered || delivered == 0 {
		t.Errorf("%d contacts, %d rows delivered", st.Contacts, delivered)
	}
	s.daemon()
	s.settled(20 * time.Second)
	s.balanced(t)
	if n := s.stats().Unchanged; n != 0 {
		t.Errorf("%d rows were written twice", n)
	}
}

// What a person must correct ends with 78 and says the cure; a typo with 2.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	yaml := filepath.Join(dir, "leadsync.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environ := []string{"LEADSYNC_CONFIG=" + yaml}
	for _, c := range []struct {
		yaml string
		args []string
		code int
		says string
	}{
		{"portal: default\n", []string{"rnu"}, 2, `did you mean "run"?`},
		{"portal: default\n", []string{"push"}, 2, "--once"},
		{"puhs: {}\n", []string{"run"}, 78, `leadsync.yaml:1`},
		{"hubspot: {auth: {mode: static}}\n", []string{"run"}, 78, "token"},
	} {
		write(c.yaml)
		code, _, errs := command(t, environ, "", c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v with %q: exit code %d and %q, want %d and %q", c.args, c.yaml, code, errs, c.code, c.says)
		}
	}
	s := newScene(t, storetest.SQLite(t), "", "--latency", "0")
	if _, err := s.db.Exec(`INSERT INTO leadsync_schema (version_id, is_applied, tstamp) VALUES (999, 1, datetime('now'))`); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"run"}, {"push", "--once"}, {"status"}, {"migrate", "up"}} {
		code, _, errs := command(t, s.environ, "", args...)
		if code != 78 || !strings.Contains(errs, "999") {
			t.Errorf("%v on a newer schema: exit code %d, %q", args, code, errs)
		}
	}
	if err := os.Remove(strings.TrimPrefix(s.url, "sqlite://")); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := command(t, s.environ, "", "run"); code != 78 || !strings.Contains(errs, "leadsync migrate up") {
		t.Errorf("run without a database file: exit code %d, %q", code, errs)
	}
}
