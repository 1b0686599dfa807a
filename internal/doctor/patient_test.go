package doctor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

var today = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// hub is an account in good health; a field that is set replaces an answer.
type hub struct {
	account    hubspot.Account
	accountErr error
	date       time.Time
	listErr    error
	properties []hubspot.Property
	propErr    error
	types      []hubspot.SubscriptionDefinition
	typesErr   error
	found      map[string][]hubspot.Contact // by the property of the first filter
	read       *hubspot.BatchResult
	made       hubspot.Property
	makeErr    error
	created    []hubspot.NewProperty
	asked      int
}

func (h *hub) Account(context.Context) (hubspot.Account, error) {
	h.asked++
	return h.account, h.accountErr
}
func (h *hub) ContactProperties(context.Context) ([]hubspot.Property, error) {
	h.asked++
	return h.properties, h.propErr
}
func (h *hub) List(context.Context, hubspot.ListRequest) (*hubspot.Page, error) {
	h.asked++
	return &hubspot.Page{Date: h.date}, h.listErr
}
func (h *hub) Search(_ context.Context, r hubspot.SearchRequest) (*hubspot.Page, error) {
	h.asked++
	list := h.found[r.Filters[0].Property]
	return &hubspot.Page{Contacts: list, Total: len(list)}, nil
}
func (h *hub) BatchRead(context.Context, hubspot.ReadRequest) (*hubspot.BatchResult, error) {
	h.asked++
	return h.read, nil
}
func (h *hub) SubscriptionDefinitions(context.Context) ([]hubspot.SubscriptionDefinition, error) {
	h.asked++
	return h.types, h.typesErr
}
func (h *hub) CreateContactProperty(_ context.Context, p hubspot.NewProperty) (hubspot.Property, error) {
	h.asked++
	h.created = append(h.created, p)
	return h.made, h.makeErr
}

// database is one in good health.
type database struct {
	rows            []store.PortalRow
	counts          []store.CountRow
	owner           store.OwnerInfo
	current, latest int64
	schemaErr       error
	seen            store.Inspection
	inspectErr      error
}

func (d *database) Portals(context.Context) ([]store.PortalRow, error)      { return d.rows, nil }
func (d *database) Counts(context.Context) ([]store.CountRow, error)        { return d.counts, nil }
func (d *database) Strays(context.Context) ([]store.StrayRow, error)        { return nil, nil }
func (d *database) Owed(context.Context, string, int64) (store.Owed, error) { return store.Owed{}, nil }
func (d *database) Pauses(context.Context) ([]store.Pause, error)           { return nil, nil }
func (d *database) Owner(context.Context, string) (store.OwnerInfo, error) {
	return d.owner, nil
}
func (d *database) Schema(context.Context) (int64, int64, error) {
	return d.current, d.latest, d.schemaErr
}
func (d *database) Inspect(context.Context) (store.Inspection, error) { return d.seen, d.inspectErr }

// patient is an installation that a test may break before it is examined.
type patient struct {
	in  Input
	cfg *config.Loaded
	hub *hub
	db  *database
	dir string
	now time.Time
}

func healthy(t *testing.T) *patient {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"token-key": "x", "hubspot-token": "y", "hubspot-client-secret": "z", "leadsync.yaml": "portal: default\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := &config.Loaded{Config: config.Default(), File: filepath.Join(dir, "leadsync.yaml"), Credentials: config.Credentials{Beside: dir, Instance: "leadsync"}}
	cfg.HubSpot.Auth.ClientID = "app"
	cfg.Database.URL = config.DatabaseURL("sqlite://" + filepath.Join(dir, "leads.db"))
	cfg.Mapping = config.Mapping{IDProperty: "app_lead_id", Fields: []config.Field{
		{Lead: "plan", Contact: "plan", Direction: config.DirectionPush, Winner: "app"}, {Lead: "stage", Contact: "lifecyclestage", Direction: config.DirectionPull, Winner: "hubspot"}}}
	p := &patient{cfg: cfg, dir: dir, now: today,
		hub: &hub{account: hubspot.Account{PortalID: 7, TimeZone: "Europe/Berlin", Type: "STANDARD"}, date: today,
			properties: []hubspot.Property{{Name: "app_lead_id", Type: "string", HasUniqueValue: true},
				{Name: "plan", Type: "enumeration", Options: []hubspot.Option{{Value: "pro"}}}, {Name: "lifecyclestage", Type: "enumeration", ReadOnlyValue: true}},
			types: []hubspot.SubscriptionDefinition{{ID: 11, Active: true}, {ID: 12}},
			made:  hubspot.Property{Name: "app_lead_id", Type: "string", HasUniqueValue: true}},
		db: &database{current: 5, latest: 5, seen: store.Inspection{Engine: "SQLite", Version: "3.53.4", Mode: "wal"}}}
	unit, err := os.ReadFile("../../systemd/leadsync.service")
	if err != nil {
		t.Fatal(err)
	}
	host := ThisHost("leadsync")
	host.Free = func(string) (uint64, uint64, error) { return 50 << 30, 100 << 30, nil }
	host.UnitDirs = []string{filepath.Join(dir, "etc"), filepath.Join(dir, "usr")}
	p.write(t, "usr/leadsync.service", string(unit))
	p.in = Input{Config: cfg, Now: func() time.Time { return p.now }, Host: host, Database: p.db, Hub: p.hub, PinnedID: 7, Granted: cfg.HubSpot.Auth.Scopes,
		Budget: func() hubspot.Budget { return hubspot.Budget{WindowLimit: 90} }}
	return p
}

func (p *patient) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// running puts a daemon's report into the database.
func (p *patient) running(s status.Snapshot) {
	text, _ := s.Marshal()
	p.db.owner = store.OwnerInfo{Owner: "host:1:a", Alive: true, Since: today.Add(-time.Hour).UnixMilli()}
	p.db.rows = []store.PortalRow{{Portal: "default", HubID: 7, Owner: "host:1:a", Status: string(text), StatusAt: today.UnixMilli()}}
}
