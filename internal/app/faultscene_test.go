package app

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/outbox"
	"leadsync/internal/people"
	"leadsync/internal/store/storetest"
)

// place is where a cell of the fault table plays: an empty, migrated database, and how leads are identified in HubSpot.
type place struct {
	dialect string
	url     string // empty = a new SQLite file
	keyed   bool   // mapping.id_property: contacts are upserted, not created
	oauth   bool   // auth.mode oauth, with an access token that has just ended
	pulls   bool   // the daemon pulls too
}

// bubble reports whether time is faked there.
func (p place) bubble() bool { return p.dialect == "sqlite" }

func (p place) String() string {
	switch {
	case p.keyed:
		return p.dialect + " with an id property"
	case p.oauth:
		return p.dialect + " with oauth"
	case p.pulls:
		return p.dialect + " with pull"
	}
	return p.dialect
}

// places are the dialects that can be reached. A server's database is used by one cell after the other.
func places(t *testing.T) []place {
	all := []place{{dialect: "sqlite"}}
	for _, d := range []struct {
		name, env string
		have      bool
		url       func(testing.TB) string
	}{{"postgres", storetest.PostgresEnv, storetest.HavePostgres(), storetest.Postgres}, {"mysql", storetest.MySQLEnv, storetest.HaveMySQL(), storetest.MySQL}} {
		if !d.have {
			t.Logf("NOT CHECKED on %s: %s is not set", d.name, d.env)
			continue
		}
		url := d.url(t)
		db := storetest.OpenRaw(t, url)
		_, _, err := db.Migrate(t.Context())
		must(t, err)
		all = append(all, place{dialect: d.name, url: url})
	}
	return all
}

// scene is one history in which push uses every operation of HubSpot and of the database that it knows: contacts are
// created, updated, read by address and by id, found merged and archived; rows are folded, refused, doubled and late.
// What it must come to is the same whatever happens on the way.
type scene struct {
	*rig
	place
	tx     *sql.Tx           // of together
	stands map[string]string // contact id -> the one that people put in its place
	rows   int
}

// inScene runs f in a bubble of its own.
func inScene(t *testing.T, p place, f func(*scene)) {
	t.Helper()
	now := time.Now()
	synctest.Test(t, func(t *testing.T) {
		// Rows carry the database's time, so the bubble begins in the present; ten minutes before midnight, which ends the
		// day of HubSpot's daily limit.
		time.Sleep(time.Until(now.Truncate(24 * time.Hour).Add(24*time.Hour - 10*time.Minute)))
		s := newScene(t, p)
		defer s.close()
		f(s)
	})
}

func newScene(t *testing.T, p place) *scene {
	t.Helper()
	cfg := hubspotsim.Config{Seed: 41, Latency: 20 * time.Millisecond, TimeZone: "Etc/UTC",
		Properties: []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}}
	yaml := "hubspot: {timeout: 5s}\nstop_timeout: 6s\npush: {poll_interval: 2s, linger: 20ms}\nretention: {settled: 720h, dead: 720h}\n"
	if cfg.Subscriptions = []hubspotsim.Subscription{{ID: 11, Name: "News"}, {ID: 12, Name: "Offers"}}; p.keyed {
		yaml += "consent: {unsubscribe: [11, 12]}\n"
	}
	yaml += "mapping: {fields: [{lead: city, contact: city, direction: both, winner: newest}"
	for _, name := range []string{"firstname", "lastname", "company"} {
		yaml += fmt.Sprintf(", {lead: %s, contact: %s}", name, name)
	}
	yaml += "]"
	if p.keyed {
		yaml += ", id_property: lead_key"
	}
	if p.pulls {
		yaml = strings.Replace(yaml, "mapping: {fields: [", "pull: {unknown: inbox, archived_schedule: \"@every 2m\"}\nmapping: {fields: [{lead: job, contact: jobtitle, direction: both, winner: hubspot}, ", 1)
	}
	yaml += "}\n"
	s := &scene{place: p, stands: map[string]string{}}
	if p.url == "" {
		empty, err := emptyDatabase()
		must(t, err)
		s.rig = rigOn(t, cfg, yaml, empty)
		s.patient, s.pull = true, p.pulls
		s.write("hubspot-client-secret", s.sim.Credentials().ClientSecret)
		return s
	}
	sim, err := hubspotsim.New(cfg)
	must(t, err)
	s.rig = &rig{t: t, dir: t.TempDir(), sim: sim, url: p.url, yaml: yaml, log: slog.New(slog.DiscardHandler), patient: true, pull: p.pulls}
	s.write("token-key", people.NewKey())
	s.write("hubspot-token", sim.Credentials().StaticToken)
	s.db = storetest.App(t, p.url)
	s.together(func() {
		for _, table := range []string{"lead_outbox", "lead_inbox", "leadsync_links", "leadsync_portals", "leadsync_keys", "leadsync_streams", "leadsync_strangers", "leadsync_tombstones", "leadsync_deletes"} {
			_, err := s.tx.Exec(`DELETE FROM ` + table)
			must(t, err)
		}
	})
	return s
}

// together makes one transaction of what f does.
func (s *scene) together(f func()) {
	s.t.Helper()
	var err error
	s.tx, err = s.db.Begin()
	must(s.t, err)
	f()
	must(s.t, s.tx.Commit())
}

// start runs the daemon.
func (s *scene) start() {
	s.t.Helper()
	if !s.oauth {
		s.rig.start()
		return
	}
	base := s.sim.Transport()
	if s.base != nil {
		base = s.base(base)
	}
	a, err := New(Options{Config: s.grant().cfg, Log: s.log, Version: "test", Base: base})
	must(s.t, err)
	a.between, a.wakeEvery, a.noPull = s.between, 5*time.Second, !s.pull
	ctx, stop := context.WithCancelCause(context.Background())
	run := &running{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(run.done)
		run.err = a.Run(ctx)
	}()
	s.running = run
}

// grant is the rig of this scene for what is done with OAuth.
func (s *scene) grant() *oauthRig {
	s.t.Helper()
	s.write("leadsync.yaml", s.yaml)
	cred := s.sim.Credentials()
	cfg, err := config.Load(config.Source{File: filepath.Join(s.dir, "leadsync.yaml"), Environ: []string{"LEADSYNC_DATABASE_URL=" + s.rig.url,
		"LEADSYNC_HUBSPOT_BASE_URL=http://127.0.0.1:9", "LEADSYNC_HUBSPOT_AUTHORIZE_URL=http://127.0.0.1:9/oauth/authorize",
		"LEADSYNC_HUBSPOT_AUTH_CLIENT_ID=" + cred.ClientID, "LEADSYNC_HUBSPOT_LIMITS_REQUESTS_PER_10S=0", "LEADSYNC_HUBSPOT_LIMITS_DAILY=0",
		"LEADSYNC_HUBSPOT_LIMITS_SHARE=1", "LEADSYNC_PUSH_POLL_INTERVAL=5s", "LEADSYNC_STATUS_LISTEN="}})
	must(s.t, err)
	key, err := cfg.TokenKeys()
	must(s.t, err)
	keys, err := people.ParseKeys(key.Reveal())
	must(s.t, err)
	return &oauthRig{rig: s.rig, cfg: cfg, keys: keys}
}

// event inserts one row, inside together; an empty text is NULL.
func (s *scene) event(lead, typ, email, properties string, more ...string) {
	s.t.Helper()
	columns := append([]string{"lead_id", "event_type", "email", "properties"}, more[:len(more)/2]...)
	values := append([]string{lead, typ, email, properties}, more[len(more)/2:]...)
	args, marks := make([]any, len(values)), make([]string, len(values))
	for i, v := range values {
		if v != "" {
			args[i] = v
		}
		if marks[i] = "?"; s.dialect == "postgres" {
			marks[i] = fmt.Sprint("$", i+1)
		}
	}
	_, err := s.tx.Exec(`INSERT INTO lead_outbox (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, args...)
	must(s.t, err)
	s.rows++
}

const (
	registered = "lead.registered"
	updated    = "lead.updated"
)

// before is what was there before the trouble: leads that HubSpot knows, and what people did to their contacts since.
func (s *scene) before() {
	s.t.Helper()
	if s.oauth {
		s.grant().login(0)
	}
	s.start()
	s.together(func() {
		for i := range 4 {
			s.event(fmt.Sprint("old", i), registered, fmt.Sprintf("old%d@example.com", i), fmt.Sprintf(`{"firstname":"Old%d","city":"Home"}`, i),
				"event_id", fmt.Sprint("old-", i))
		}
		for _, who := range leaving {
			s.event(who, registered, who+"@example.com", `{"firstname":"Leaving"}`)
		}
		s.event("quiet", registered, "quiet@example.com", `{"firstname":"Quiet"}`)
	})
	s.settled(time.Minute)
	if s.pulls {
		time.Sleep(70 * time.Second) // its first run begins at now, so that what people do from here on is told
	}
	s.stop()
	old := s.contacts()
	must(s.t, s.sim.Edit(hubspotsim.Target{Email: "old0@example.com"}, map[string]string{"city": "Away"})) // what a row will say too
	s.stranger("second2@example.com")
	id, err := s.sim.Merge(hubspotsim.Target{Email: "old2@example.com"}, hubspotsim.Target{Email: "second2@example.com"})
	must(s.t, err)
	s.stands[old["old2@example.com"]] = id
	must(s.t, s.sim.Archive(hubspotsim.Target{Email: "old3@example.com"}))
	s.stands[old["old3@example.com"]] = "of old3@example.com"
	s.stranger("taken@example.com")
	if s.pulls { // what no row tells of: pull alone finds it
		must(s.t, s.sim.Edit(hubspotsim.Target{Email: "old1@example.com"}, map[string]string{"jobtitle": "Analyst"}))
		s.stranger(strangerAddress)
	}
	if s.oauth {
		s.sim.EndTokens(true)
	}
}

// leaving are the leads that are deleted and erased during the trouble.
var leaving = []string{"deleted", "erased"}

// touched are the addresses of leads whose contacts people edited, merged and archived.
var touched = []string{"old0@example.com", "old2@example.com", "old3@example.com"}

// stranger makes a contact that is none of ours.
func (s *scene) stranger(address string) {
	s.t.Helper()
	body := toJSON(map[string]any{"properties": map[string]string{"email": address}})
	req, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/crm/objects/2026-09/contacts", bytes.NewReader([]byte(body)))
	must(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.sim.Credentials().StaticToken)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "leadsync/people")
	resp, err := s.sim.Transport().RoundTrip(req)
	must(s.t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	must(s.t, resp.Body.Close())
	if resp.StatusCode != http.StatusCreated {
		s.t.Fatalf("a stranger's contact: %s", resp.Status)
	}
}

// during is what happens while there is trouble.
func (s *scene) during() {
	s.t.Helper()
	s.together(func() {
		for i := range 6 {
			s.event(fmt.Sprint("new", i), registered, fmt.Sprintf("new%d@example.com", i), `{"firstname":"New","lastname":"Lead"}`)
		}
		s.event("late", registered, "late@example.com", `{"firstname":"Late"}`, "lane", "backfill")
		s.event("both", registered, "first@example.com", `{"firstname":"Two","city":"There"}`)
		s.event("both", updated, "then@example.com", `{"lastname":"Addresses"}`)
		s.event("taken", registered, "Taken@Example.com", `{"firstname":"Known","company":"To HubSpot"}`)
		s.event("old0", updated, "", `{"company":"First"}`)
		s.event("old0", updated, "", `{"company":"Second","city":"Away"}`)
		s.event("old1", updated, "moved1@example.com", `{}`)
		s.event("old2", updated, "", `{"lastname":"Merged"}`)
		s.event("old3", registered, "old3@example.com", `{"lastname":"Again"}`)
		s.event("old0", registered, "old0@example.com", `{}`, "event_id", "old-0") // a repeat
		s.event("", registered, "nobody@example.com", `{}`)
		s.event("deleted", updated, "", `{"company":"Before"}`)
		s.event("deleted", "lead.deleted", "", `{}`)
		s.event("erased", "lead.erased", "", `{}`)
		s.event("quiet", "lead.unsubscribed", "", `{}`)
		for _, who := range []string{"quiet1", "quiet2"} { // no contacts
			s.event(who, "lead.unsubscribed", who+"@example.com", `{}`)
		}
	})
	time.Sleep(15 * time.Second)
	s.together(func() {
		s.event("new0", updated, "", `{"company":"Later"}`)
		s.event("old1", updated, "", `{"company":"Later","firstname":null}`)
		s.event("erased", updated, "", `{"company":"Late"}`)
		s.event("quiet", updated, "quiet0@example.com", `{}`)
	})
	time.Sleep(15 * time.Second)
}

// outOf are the addresses that are opted out in the end: of people who are no contacts, and of the one who got a new
// address.
var outOf = []string{"quiet@example.com", "quiet0@example.com", "quiet1@example.com", "quiet2@example.com"}

// isQuiet reports whether a lead id or an address is of those who unsubscribe: checkQuiet looks at them.
func isQuiet(s string) bool { return strings.HasPrefix(s, "quiet") }

// strangerAddress is that of a contact that no lead has.
const strangerAddress = "unknown@example.com"

// after waits until nothing more moves.
func (s *scene) after() {
	s.t.Helper()
	end, wait := time.Now().Add(3*time.Hour), time.Second
	for {
		var pending, looks, told int
		if s.pulls {
			must(s.t, s.db.QueryRow(`SELECT count(*) FROM lead_inbox WHERE change_type IN ('contact.created', 'contact.updated')`).Scan(&told))
			looks = max(0, 2-told)
		}
		if looks > 0 && !time.Now().After(end) {
			time.Sleep(wait)
			wait = min(wait*5/4, 20*time.Second)
			continue
		}
		must(s.t, s.db.QueryRow(fmt.Sprintf(`SELECT count(*) FROM lead_outbox WHERE state = 'pending' AND coalesce(not_before, 0) <> %d`, outbox.Parked)).Scan(&pending))
		must(s.t, s.db.QueryRow(`SELECT count(*) FROM leadsync_links WHERE second_look_at IS NOT NULL`).Scan(&looks))
		if pending+looks == 0 {
			break
		}
		if time.Now().After(end) {
			s.t.Errorf("after three hours %d rows are pending and %d second looks due", pending, looks)
			break
		}
		time.Sleep(wait)
		wait = min(wait*5/4, 20*time.Second)
	}
	if s.pulls && s.bubble() {
		time.Sleep(100 * time.Minute) // the lagged look tells nothing twice
	}
	s.stop()
}

// all is the scene without any trouble.
func (s *scene) all() {
	s.t.Helper()
	s.before()
	s.start()
	s.during()
	s.after()
}
