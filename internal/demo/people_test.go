package demo

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"leadsync/internal/config"
)

// inboxTable has the columns of lead_inbox that an application reads.
const inboxTable = `CREATE TABLE lead_inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, portal TEXT DEFAULT 'default', lead_id TEXT, contact_id TEXT,
 email TEXT, change_type TEXT, properties TEXT, changed_at BIGINT, pulled_at BIGINT, acked_at BIGINT)`

// The configuration of a demo with people: the daemon takes it, every property of the generated leads passes, and two
// go both ways.
func TestFolderOfBothDirections(t *testing.T) {
	f, err := makeFolder(filepath.Join(t.TempDir(), "kept"))
	if err != nil {
		t.Fatal(err)
	}
	f.both = true
	if err := f.write("http://127.0.0.1:1", "client", "secret-1"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{File: f.config()})
	if err != nil {
		t.Fatal(err)
	}
	if problems := cfg.Missing(); len(problems) > 0 || len(cfg.Warnings) > 0 {
		t.Errorf("the configuration has problems %v and warnings %v", problems, cfg.Warnings)
	}
	mapped := map[string]config.Field{}
	for _, one := range cfg.Mapping.Fields {
		mapped[one.Lead] = one
	}
	for name := range newStory(t).source.gen.Lead(0).Properties {
		if mapped[name].Contact != name {
			t.Errorf("%s is not mapped", name)
		}
	}
	for name, winner := range map[string]config.Winner{theirs: "hubspot", newest: "newest"} {
		if one := mapped[name]; one.Winner != winner || one.Direction != "both" {
			t.Errorf("%s is %+v", name, one)
		}
	}
}

// The account does not take the daemon's word for the inbox: what is told and nobody did, and what somebody did and is
// not told, each break it.
func TestAccountFindsABrokenInbox(t *testing.T) {
	s := newStory(t)
	address := "ada@example.com"
	if err := s.app.commit(t.Context(), []event{{leadID: "1", kind: registered, email: &address, properties: `{"zip":"1"}`, want: wellEnded}}, true); err != nil {
		t.Fatal(err)
	}
	id, err := s.hub.sim.Create(map[string]string{"email": address, "zip": "1"})
	if err != nil {
		t.Fatal(err)
	}
	s.exec(t, `UPDATE lead_outbox SET state = 'delivered', contact_id = '`+id+`', settled_at = 1`)
	s.steady = []string{"1"}
	broken := func() []string {
		t.Helper()
		result, err := s.account(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return result.Broken
	}
	told := func(value, was string) {
		s.exec(t, `INSERT INTO lead_inbox (lead_id, contact_id, change_type, properties, changed_at) VALUES ('1', '`+id+`', 'contact.updated', '{"zip":{"value":"`+value+`","was":`+was+`}}', 4e15)`)
	}
	// The person who made it typed the values, too: the application did not know them.
	told("1", "null")
	if b := broken(); len(b) > 0 {
		t.Fatalf("broken before anything is wrong: %q", b)
	}
	if err := s.edit(t.Context(), 0, theirs, "2", false); err != nil {
		t.Fatal(err)
	}
	if b := broken(); len(b) != 1 || !strings.Contains(b[0], "contact.updated of zip was not told") {
		t.Errorf("an edit that is not told is %q", b)
	}
	told("2", `"1"`)
	if b := broken(); len(b) > 0 {
		t.Errorf("told, and still %q", b)
	}
	told("2", `"1"`)
	if b := broken(); len(b) != 1 || !strings.Contains(b[0], "tells contact.updated of zip, and nobody") {
		t.Errorf("told twice is %q", b)
	}
	if n := s.app.toldTypes()["contact.updated"]; n != 3 {
		t.Errorf("the application heard %d rows, want each of 3 once", n)
	}
}

// An edit that lost to a row is nobody's news.
func TestLostEditIsNotDue(t *testing.T) {
	s := newStory(t)
	id, err := s.hub.sim.Create(map[string]string{"email": "ada@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.app.commit(t.Context(), []event{{leadID: "1", kind: registered, properties: "{}"}}, true); err != nil {
		t.Fatal(err)
	}
	s.exec(t, `UPDATE lead_outbox SET state = 'delivered', contact_id = '`+id+`'`)
	s.steady = []string{"1"}
	for _, value := range []string{"Lemuria", "Norway"} {
		if err := s.edit(t.Context(), 0, newest, value, false); err != nil {
			t.Fatal(err)
		}
	}
	s.lost = s.edits[0]
	lost := 0
	for _, c := range s.peoplesChanges() {
		if c.Lost {
			lost++
			if c.Value != "Lemuria" {
				t.Errorf("lost is %q", c.Value)
			}
		}
	}
	if lost != 1 {
		t.Errorf("%d changes are lost, want 1", lost)
	}
}

// A change that is not told in time is part of the result, and ends no demo.
func TestHearsGivesUp(t *testing.T) {
	s := newStory(t)
	s.daemon = &daemon{ended: make(chan struct{})}
	s.patience = 30 * time.Millisecond
	if err := s.hears(t.Context(), "contact.updated"); err != nil {
		t.Fatal(err)
	}
	if len(s.broken) != 1 || !strings.Contains(s.broken[0], "contact.updated in the inbox happened 0 times") {
		t.Errorf("said %q", s.broken)
	}
	s.exec(t, `INSERT INTO lead_inbox (change_type) VALUES ('contact.updated'), ('contact.deleted')`)
	if err := s.hears(t.Context(), "contact.deleted"); err != nil || len(s.broken) != 1 {
		t.Errorf("%v, said %q", err, s.broken)
	}
	s.steady = []string{"9"}
	if _, err := s.target(t.Context(), 0); err == nil {
		t.Error("a lead without a contact has one")
	}
}
