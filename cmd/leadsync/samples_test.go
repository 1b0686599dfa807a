package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"leadsync/internal/inbox"
	"leadsync/internal/readme"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// nodeModulesEnv names a folder of Node modules that has pg (https://www.npmjs.com/package/pg).
const nodeModulesEnv = "LEADSYNC_TEST_NODE_MODULES"

// sampleBlock is a fenced block of migrations/README.md whose first line names it.
var sampleBlock = regexp.MustCompile("(?s)\n```[a-z]+\n(?:--|//|#) sample: ([a-z]+)\n(.*?)\n```\n")

// readmeSamples are the samples of migrations/README.md by name.
func readmeSamples(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range sampleBlock.FindAllStringSubmatch(readme.Text(t, "migrations/README.md"), -1) {
		all[m[1]] = m[2]
	}
	return all
}

// cannotCheck ends a test whose tool is not there: loudly, and in CI as a failure.
func cannotCheck(t *testing.T, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot be checked in CI: %s", why)
	}
	fmt.Printf("NOT CHECKED: %s: %s\n", t.Name(), why)
	t.Skip(why)
}

func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		cannotCheck(t, "there is no %s here", name)
	}
	return path
}

// consumer is an application with its own table beside the inbox.
type consumer struct {
	*testing.T
	url string
	db  *sql.DB
}

func newConsumer(t *testing.T, url string) *consumer {
	t.Helper()
	storetest.Open(t, url) // migrates
	return &consumer{t, url, storetest.App(t, url)}
}

func (c *consumer) exec(text string) {
	c.Helper()
	storetest.Exec(c, c.db, text)
}

// fill makes the application's table and what HubSpot told.
func (c *consumer) fill() {
	c.Helper()
	c.exec(`CREATE TABLE leads (id VARCHAR(255) PRIMARY KEY, city TEXT, subscribed INTEGER NOT NULL DEFAULT 1)`)
	c.exec(`INSERT INTO leads (id, city) VALUES ('42', 'London'), ('43', 'Bern'), ('44', 'Oslo'), ('45', 'Rom'), ('46', 'Own'), ('47', 'Own'), ('48', 'Own')`)
	c.exec(`INSERT INTO lead_outbox (id, lead_id, event_type, properties, state) VALUES (1, '46', 'lead.updated', '{"city":"Own"}', 'pending'),
  (2, '47', 'lead.updated', '{"city":"Own"}', 'delivered'), (3, '48', 'lead.updated', '{"zip":"1"}', 'pending'), (4, '48', 'lead.updated', '{"city":"Own"}', 'skipped'),
  (5, '42', 'lead.updated', '{"city":null}', 'delivered')`)
	c.exec(`INSERT INTO lead_inbox (portal, lead_id, change_type, properties, above_id) VALUES
  ('default', '46', 'contact.updated', '{"city":{"value":"Late","was":"Rom"}}', 0), ('default', '47', 'contact.updated', '{"city":{"value":"Late","was":"Rom"}}', 1),
  ('default', '48', 'contact.updated', '{"city":{"value":"Told","was":"Own"}}', 2), ('default', '42', 'contact.updated', '{"city":{"value":"Told","was":null}}', 5)`)
	c.exec(`INSERT INTO lead_inbox (portal, lead_id, change_type, properties, acked_at) VALUES
  ('default', '42', 'contact.updated', '{"city":{"value":"Paris","was":"London"}}', NULL),
  ('default', '42', 'contact.updated', '{"city":{"value":"Wien","was":"Paris"}}', NULL),
  ('default', '42', 'contact.updated', '{"job":{"value":"Analyst","was":null}}', NULL),
  ('default', '43', 'contact.updated', '{"city":{"value":null,"was":"Bern"}}', NULL),
  ('default', '44', 'contact.unsubscribed', '{}', NULL),
  ('default', NULL, 'contact.created', '{"city":{"value":"Nowhere","was":null}}', NULL),
  ('default', '45', 'contact.updated', '{"city":{"value":"Old","was":null}}', 5),
  ('other', '45', 'contact.updated', '{"city":{"value":"Elsewhere","was":null}}', NULL)`)
}

// state is the application's table, and how many rows of the portal are still new.
func (c *consumer) state() string {
	c.Helper()
	rows, err := c.db.QueryContext(c.Context(), `SELECT id, coalesce(city, '-'), subscribed FROM leads ORDER BY id`)
	if err != nil {
		c.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var id, city string
		var subscribed int
		if err := rows.Scan(&id, &city, &subscribed); err != nil {
			c.Fatal(err)
		}
		out = append(out, fmt.Sprint(id, " ", city, " ", subscribed))
	}
	return strings.Join(append(out, fmt.Sprint("new ", c.new("default")), fmt.Sprint("of the other portal ", c.new("other"))), ", ")
}

// new counts the rows of a portal that are not acknowledged.
func (c *consumer) new(portal string) (n int) {
	c.Helper()
	if err := c.db.QueryRowContext(c.Context(), `SELECT count(*) FROM lead_inbox WHERE portal = '`+portal+`' AND acked_at IS NULL`).Scan(&n); err != nil {
		c.Fatal(err)
	}
	return n
}

const consumed = "42 Wien 1, 43 - 1, 44 Oslo 0, 45 Rom 1, 46 Own 1, 47 Own 1, 48 Told 1, new 0, of the other portal 1"

// consumes runs a sample that makes one pass: without the application's table it fails and acknowledges nothing, with
// it it applies everything, and a second pass finds nothing.
func (c *consumer) consumes(run func() *exec.Cmd) {
	c.Helper()
	c.exec(`INSERT INTO lead_inbox (portal, lead_id, change_type, properties) VALUES ('default', '42', 'contact.updated', '{"city":{"value":"Rom","was":null}}')`)
	if out, err := run().CombinedOutput(); err == nil {
		c.Errorf("the sample succeeds without its table: %s", out)
	}
	if n := c.new("default"); n != 1 {
		c.Errorf("a pass that failed leaves %d new rows, want 1", n)
	}
	c.exec(`DELETE FROM lead_inbox`)
	c.fill()
	for range 2 {
		if out, err := run().CombinedOutput(); err != nil {
			c.Fatalf("%v: %s", err, out)
		}
		if got := c.state(); got != consumed {
			c.Errorf("after a pass: %s\nwant:         %s", got, consumed)
		}
	}
	var at int64
	if err := c.db.QueryRowContext(c.Context(), `SELECT min(acked_at) FROM lead_inbox WHERE acked_at <> 5`).Scan(&at); err != nil {
		c.Fatal(err)
	}
	if d := time.Since(time.UnixMilli(at)); d < -time.Minute || d > 5*time.Minute {
		c.Errorf("acked_at is %s ago, and should be the present in unix milliseconds", d)
	}
}

// Each sample of the README is run as it stands.
func TestReadmeSamples(t *testing.T) {
	samples := readmeSamples(t)
	runs := map[string]func(t *testing.T, text string){"sqlite": sampleSQLite, "postgres": samplePostgres, "go": sampleGo, "python": samplePython, "node": sampleNode}
	for name := range samples {
		if runs[name] == nil {
			t.Errorf("migrations/README.md has a sample %s that nobody runs", name)
		}
	}
	for name, run := range runs {
		text, ok := samples[name]
		if !ok {
			t.Errorf("migrations/README.md has no sample %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, text)
		})
	}
}

func sampleFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sampleSQLite(t *testing.T, text string) {
	tool := needTool(t, "sqlite3")
	c := newConsumer(t, storetest.SQLite(t))
	c.consumes(func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), tool, "-bail", strings.TrimPrefix(c.url, "sqlite://"))
		cmd.Stdin = strings.NewReader(text)
		return cmd
	})
}

func samplePostgres(t *testing.T, text string) {
	if !storetest.HavePostgres() {
		cannotCheck(t, "%s is not set", storetest.PostgresEnv)
	}
	tool := needTool(t, "psql")
	c := newConsumer(t, storetest.Postgres(t))
	c.consumes(func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), tool, "-q", "-v", "ON_ERROR_STOP=1", c.url)
		cmd.Stdin = strings.NewReader(text)
		return cmd
	})
}

func sampleGo(t *testing.T, text string) {
	tool := needTool(t, "go")
	c := newConsumer(t, storetest.SQLite(t))
	bin := filepath.Join(t.TempDir(), "consume")
	build := exec.CommandContext(t.Context(), tool, "build", "-o", bin, sampleFile(t, "consume.go", text)) // with this module's drivers
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c.consumes(func() *exec.Cmd { return exec.CommandContext(t.Context(), bin, strings.TrimPrefix(c.url, "sqlite://")) })
}

func samplePython(t *testing.T, text string) {
	tool := needTool(t, "python3")
	c := newConsumer(t, storetest.SQLite(t))
	file := sampleFile(t, "consume.py", text)
	c.consumes(func() *exec.Cmd {
		return exec.CommandContext(t.Context(), tool, file, strings.TrimPrefix(c.url, "sqlite://"))
	})
}

// sampleNode runs for ever; it is woken by what leadsync itself notifies.
func sampleNode(t *testing.T, text string) {
	if !storetest.HavePostgres() {
		cannotCheck(t, "%s is not set", storetest.PostgresEnv)
	}
	tool := needTool(t, "node")
	modules := os.Getenv(nodeModulesEnv)
	if modules == "" {
		cannotCheck(t, "%s names no folder with the module pg", nodeModulesEnv)
	}
	c := newConsumer(t, storetest.Postgres(t))
	c.fill()
	var out strings.Builder
	cmd := exec.CommandContext(t.Context(), tool, sampleFile(t, "consume.js", text), c.url)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor := func(want string, most time.Duration) {
		t.Helper()
		for end := time.Now().Add(most); ; {
			got := c.state()
			if got == want {
				return
			}
			select {
			case err := <-ended:
				t.Fatalf("the sample ended: %v: %s", err, out.String())
			case <-time.After(50 * time.Millisecond):
			}
			if time.Now().After(end) {
				t.Fatalf("after %s: %s\nwant: %s", most, got, want)
			}
		}
	}
	waitFor(consumed, 30*time.Second)
	db, err := store.Open(t.Context(), c.url, store.Options{Announce: true})
	if err != nil {
		t.Fatal(err)
	}
	lease, err := db.Acquire(t.Context(), "default", "test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Portal(lease, store.PortalConfig{}).Settle(t.Context(), settlement.Settlement{Inbox: []inbox.Row{{LeadID: "45", ChangeType: "contact.updated", Properties: `{"city":{"value":"Neapel","was":"Rom"}}`}}})
	if err = errors.Join(err, lease.Release(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
	waitFor(strings.Replace(consumed, "45 Rom", "45 Neapel", 1), 15*time.Second) // it looks by itself after 30 seconds
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-ended
}
