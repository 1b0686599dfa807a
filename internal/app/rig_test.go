package app

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	_ "modernc.org/sqlite" // the application's driver

	"leadsync/internal/config"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/people"
	"leadsync/internal/pull"
	"leadsync/internal/status"
	"leadsync/internal/store/storetest"
)

// rig is a whole daemon on a real SQLite file, with the simulator in place of the network, inside a synctest bubble.
// The application side inserts through a connection of its own.
type rig struct {
	t    testing.TB
	dir  string
	url  string
	sim  *hubspotsim.Sim
	db   *sql.DB // the application's
	log  *slog.Logger
	base func(http.RoundTripper) http.RoundTripper // wraps the network
	yaml string
	// between puts faults between push and the database.
	between     func(Store) Store
	betweenPull func(pull.Store) pull.Store

	pull    bool // pull too; tests about push alone leave it out
	patient bool // hours are faked: look for new rows every few seconds, not ten times in each

	// inserted is when rows were inserted by event and events: the database's own clock is not faked.
	inserted map[int64]time.Time

	trace   *trace // of the requests; nil unless LEADSYNC_TRACE is set
	daemon  *App   // the one that was started last
	running *running
}

type running struct {
	stop context.CancelCauseFunc
	done chan struct{}
	err  error
}

// inBubble runs f with a rig of its own in a bubble of its own.
func inBubble(t *testing.T, cfg hubspotsim.Config, yaml string, f func(*rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, cfg, yaml)
		defer r.close()
		f(r)
	})
}

func newRig(t testing.TB, cfg hubspotsim.Config, yaml string) *rig {
	t.Helper()
	sim, err := hubspotsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, sim: sim, inserted: map[int64]time.Time{}, trace: newTrace(t.Name()), url: "sqlite://" + filepath.Join(dir, "leads.db"), yaml: yaml,
		log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))}
	r.write("token-key", people.NewKey())
	r.write("hubspot-token", sim.Credentials().StaticToken)
	storetest.Migrated(t, filepath.Join(dir, "leads.db"))
	r.db, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "leads.db")+"?_pragma=busy_timeout(10000)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) close() {
	r.t.Helper()
	if r.running != nil {
		r.stop()
	}
	r.trace.write(r)
	if err := r.db.Close(); err != nil {
		r.t.Error(err)
	}
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// config is that of the rig with the test's YAML beside it.
func (r *rig) config() *config.Loaded {
	r.t.Helper()
	cfg, err := r.load()
	if err != nil {
		r.t.Fatal(err)
	}
	return cfg
}

// load may be refused.
func (r *rig) load() (*config.Loaded, error) {
	r.t.Helper()
	r.write("leadsync.yaml", r.yaml)
	environ := []string{"LEADSYNC_DATABASE_URL=" + r.url, "LEADSYNC_HUBSPOT_BASE_URL=http://127.0.0.1:9", "LEADSYNC_HUBSPOT_AUTH_MODE=static",
		"LEADSYNC_STATUS_LISTEN="} // no real socket in a bubble
	if r.patient {
		environ = append(environ, "LEADSYNC_PUSH_POLL_INTERVAL=5s")
	}
	if !strings.Contains(r.yaml, "limits") {
		environ = append(environ, "LEADSYNC_HUBSPOT_LIMITS_REQUESTS_PER_10S=0", "LEADSYNC_HUBSPOT_LIMITS_DAILY=0", "LEADSYNC_HUBSPOT_LIMITS_SHARE=1")
	}
	return config.Load(config.Source{File: filepath.Join(r.dir, "leadsync.yaml"), Environ: environ})
}

func (r *rig) app() *App {
	r.t.Helper()
	base := r.trace.wrap(r.sim.Transport())
	if r.base != nil {
		base = r.base(base)
	}
	a, err := New(Options{Config: r.config(), Log: r.log, Version: "test", Base: base})
	if err != nil {
		r.t.Fatal(err)
	}
	a.between, a.betweenPull = r.between, r.betweenPull
	a.noPull, a.exact = !r.pull, true
	if r.patient {
		a.wakeEvery = 5 * time.Second
	}
	return a
}

// start runs the daemon.
func (r *rig) start() {
	r.t.Helper()
	ctx, stop := context.WithCancelCause(context.Background())
	run := &running{stop: stop, done: make(chan struct{})}
	a := r.app()
	r.daemon = a
	go func() {
		defer close(run.done)
		run.err = a.Run(ctx)
	}()
	r.running = run
}

// stop ends the daemon as SIGTERM does and reports its error.
func (r *rig) stop() {
	r.t.Helper()
	r.running.stop(fmt.Errorf("SIGTERM"))
	<-r.running.done
	if r.running.err != nil {
		r.t.Errorf("daemon: %v", r.running.err)
	}
	r.running = nil
}

// event inserts one row the way an application does: four columns.
func (r *rig) event(lead, typ, email, properties string) int64 {
	r.t.Helper()
	var mail any
	if email != "" {
		mail = email
	}
	if properties == "" {
		properties = "{}"
	}
	res, err := r.db.Exec(`INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES (?, ?, ?, ?)`, lead, typ, mail, properties)
	if err != nil {
		r.t.Fatal(err)
	}
	id, err := res.LastInsertId()
	if err != nil {
		r.t.Fatal(err)
	}
	r.inserted[id] = time.Now()
	return id
}

// events inserts many rows in one transaction.
func (r *rig) events(f func(insert func(lead, typ, email, properties string))) {
	r.t.Helper()
	tx, err := r.db.Begin()
	if err != nil {
		r.t.Fatal(err)
	}
	insert, err := tx.Prepare(`INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES (?, ?, ?, ?)`)
	if err != nil {
		r.t.Fatal(err)
	}
	f(func(lead, typ, email, properties string) {
		r.t.Helper()
		res, err := insert.Exec(lead, typ, email, properties)
		if err != nil {
			r.t.Fatal(err)
		}
		id, err := res.LastInsertId()
		if err != nil {
			r.t.Fatal(err)
		}
		r.inserted[id] = time.Now()
	})
	if err := tx.Commit(); err != nil {
		r.t.Fatal(err)
	}
}

// outcome is how a row stands.
type outcome struct {
	State, Reason, Note, Contact, Correlation string
	Attempts                                  int
	NotBefore                                 int64
}

func (r *rig) outcome(id int64) outcome {
	r.t.Helper()
	var o outcome
	err := r.db.QueryRow(`SELECT state, coalesce(reason, ''), coalesce(note, ''), coalesce(contact_id, ''), coalesce(correlation_id, ''), attempts,
  coalesce(not_before, 0) FROM lead_outbox WHERE id = ?`, id).Scan(&o.State, &o.Reason, &o.Note, &o.Contact, &o.Correlation, &o.Attempts, &o.NotBefore)
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// word is the state, with the reason where there is one.
func (o outcome) word() string {
	if o.Reason != "" {
		return o.State + "/" + o.Reason
	}
	return o.State
}

// want holds a row against a state, or state/reason.
func (r *rig) want(id int64, word string) outcome {
	r.t.Helper()
	o := r.outcome(id)
	if o.word() != word {
		r.t.Errorf("row %d is %s (note %q, attempts %d), want %s", id, o.word(), o.Note, o.Attempts, word)
	}
	return o
}

// counts are the rows by state and reason.
func (r *rig) counts() map[string]int {
	r.t.Helper()
	rows, err := r.db.Query(`SELECT state, coalesce(reason, ''), count(*) FROM lead_outbox GROUP BY 1, 2`)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int{}
	for rows.Next() {
		var o outcome
		var n int
		if err := rows.Scan(&o.State, &o.Reason, &n); err != nil {
			r.t.Fatal(err)
		}
		out[o.word()] = n
	}
	return out
}

// settled waits until no row is pending, for at most d of the bubble's time.
func (r *rig) settled(d time.Duration) {
	r.t.Helper()
	end, wait := time.Now().Add(d), 100*time.Millisecond
	for {
		n := r.counts()["pending"]
		if n == 0 {
			return
		}
		if time.Now().After(end) {
			r.t.Fatalf("%d rows are still pending after %s", n, d)
		}
		time.Sleep(wait)
		wait = min(wait*11/10, 30*time.Second)
	}
}

// contact is the only live contact with the address; nil when there is none.
func (r *rig) contact(email string) map[string]string {
	r.t.Helper()
	var found map[string]string
	for _, c := range r.sim.Contacts() {
		if c.Properties["email"] == email {
			if found != nil {
				r.t.Errorf("two contacts with one address")
			}
			found = c.Properties
		}
	}
	return found
}

// wantContact holds a contact against some of its values.
func (r *rig) wantContact(email string, values map[string]string) {
	r.t.Helper()
	c := r.contact(email)
	if c == nil {
		r.t.Errorf("no contact %s", email)
		return
	}
	for p, want := range values {
		if c[p] != want {
			r.t.Errorf("contact %s has %s = %q, want %q", email, p, c[p], want)
		}
	}
}

func toJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// status is what the daemon saved last.
func (r *rig) status() status.Snapshot {
	r.t.Helper()
	time.Sleep(2 * time.Second) // it looks once a second
	var text string
	must(r.t, r.db.QueryRow(`SELECT status FROM leadsync_portals WHERE portal = 'default'`).Scan(&text))
	s, err := status.Parse(text)
	must(r.t, err)
	return s
}

// logText keeps what a daemon logs, from all its goroutines.
type logText struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logText) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}
