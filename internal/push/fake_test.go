package push

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// memory is a Store without a database, for what a real one does not do on demand: fail in the middle, or hold a
// million links.
type memory struct {
	Store   // what a test does not need panics
	mu      sync.Mutex
	rows    map[outbox.EntryID]*outbox.Entry
	links   map[lead.ID]*ledger.Link
	settles int
	inbox   []InboxRow
	// fail decides the error of a settlement, by its number from 1.
	fail func(n int) error
}

func newMemory() *memory {
	return &memory{rows: map[outbox.EntryID]*outbox.Entry{}, links: map[lead.ID]*ledger.Link{}}
}

// insert adds a pending row; fields are "name=value".
func (m *memory) insert(id outbox.EntryID, leadID string, typ outbox.Type, email string, fields ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		parts = append(parts, fmt.Sprintf("%q:%q", name, value))
	}
	text, kind := "{"+strings.Join(parts, ",")+"}", string(typ)
	e := &outbox.Entry{ID: id, Portal: "default", LeadID: &leadID, Type: &kind, Properties: &text, PropertiesBytes: int64(len(text)), Lane: outbox.Live,
		State: outbox.Pending, CreatedAt: time.Now().UnixMilli()}
	if email != "" {
		e.Email = &email
	}
	m.rows[id] = e
}

func (m *memory) sorted(keep func(*outbox.Entry) bool) []*outbox.Entry {
	var out []*outbox.Entry
	for _, e := range m.rows {
		if keep(e) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b *outbox.Entry) int { return int(a.ID - b.ID) })
	return out
}

func (m *memory) ready(limit int, keep func(*outbox.Entry) bool) []ReadyRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ReadyRow
	for _, e := range m.sorted(func(e *outbox.Entry) bool { return e.State == outbox.Pending && keep(e) }) {
		if len(out) < limit {
			out = append(out, ReadyRow{ID: e.ID, LeadID: e.LeadID, CreatedAt: e.CreatedAt})
		}
	}
	return out
}

func (m *memory) Ready(_ context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]ReadyRow, error) {
	return m.ready(limit, func(e *outbox.Entry) bool {
		return e.Lane == lane && e.NotBefore == nil && e.ID > after && !ofConsent(e)
	}), nil
}

func ofConsent(e *outbox.Entry) bool { return e.Type != nil && outbox.Type(*e.Type).Consent() }

func (m *memory) ReadyConsent(_ context.Context, after outbox.EntryID, limit int) ([]ReadyRow, error) {
	return m.ready(limit, func(e *outbox.Entry) bool { return e.NotBefore == nil && e.ID > after && ofConsent(e) }), nil
}

func (m *memory) DueConsent(_ context.Context, now int64, limit int) ([]ReadyRow, error) {
	return m.ready(limit, func(e *outbox.Entry) bool { return e.NotBefore != nil && *e.NotBefore <= now && ofConsent(e) }), nil
}

func (m *memory) DueAgain(_ context.Context, _ outbox.Lane, now int64, limit int) ([]ReadyRow, error) {
	return m.ready(limit, func(e *outbox.Entry) bool { return e.NotBefore != nil && *e.NotBefore <= now && !ofConsent(e) }), nil
}

func (m *memory) PendingOf(_ context.Context, leads []lead.ID, maxRows, _ int) (map[lead.ID]LeadRows, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[lead.ID]LeadRows{}
	want := map[lead.ID]bool{}
	for _, id := range leads {
		want[id] = true
	}
	for _, e := range m.sorted(func(e *outbox.Entry) bool { return e.State == outbox.Pending && want[e.Lead()] }) {
		lr := out[e.Lead()]
		if lr.More = len(lr.Rows) == maxRows; !lr.More {
			lr.Rows = append(lr.Rows, *e)
		}
		out[e.Lead()] = lr
	}
	return out, nil
}

func (m *memory) Entries(_ context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []outbox.Entry
	for _, e := range m.sorted(func(e *outbox.Entry) bool { return slices.Contains(ids, e.ID) }) {
		out = append(out, *e)
	}
	return out, nil
}

func (m *memory) EarlierEvents(context.Context, []outbox.Entry) (map[outbox.EntryID]bool, error) {
	return nil, nil
}

func (m *memory) Untaken(context.Context, lead.ID) (map[string]int64, error) { return nil, nil }

func (m *memory) RowsOf(_ context.Context, id lead.ID, limit int) ([]outbox.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []outbox.Entry
	for _, e := range m.sorted(func(e *outbox.Entry) bool { return e.Lead() == id }) {
		out = append(out, *e)
	}
	slices.Reverse(out)
	return out[:min(len(out), limit)], nil
}

func (m *memory) linksWhere(keep func(*ledger.Link) bool) []ledger.Link {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []ledger.Link
	for _, l := range m.links {
		if keep(l) {
			out = append(out, *l.Clone())
		}
	}
	slices.SortFunc(out, func(a, b ledger.Link) int {
		if a.SecondLookAt != b.SecondLookAt {
			return int(a.SecondLookAt - b.SecondLookAt)
		}
		return strings.Compare(string(a.LeadID), string(b.LeadID))
	})
	return out
}

func (m *memory) Links(_ context.Context, _ int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	out := map[lead.ID]*ledger.Link{}
	for _, l := range m.linksWhere(func(l *ledger.Link) bool { return slices.Contains(leads, l.LeadID) }) {
		out[l.LeadID] = l.Clone()
	}
	return out, nil
}

func (m *memory) LinksByAddress(_ context.Context, _ int64, addresses []string) ([]ledger.Link, error) {
	return m.linksWhere(func(l *ledger.Link) bool { return slices.Contains(addresses, l.Address) }), nil
}

func (m *memory) LinksByContact(_ context.Context, _ int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return m.linksWhere(func(l *ledger.Link) bool { return slices.Contains(contacts, l.ContactID) }), nil
}

func (m *memory) LinksToLookAt(_ context.Context, _, now int64, limit int) ([]ledger.Link, error) {
	all := m.linksWhere(func(l *ledger.Link) bool { return l.SecondLookAt != 0 && l.SecondLookAt <= now })
	return all[:min(len(all), limit)], nil
}

func (m *memory) LinksWaiting(_ context.Context, _, look, optOut int64, _ int) ([]ledger.Link, error) {
	return m.linksWhere(func(l *ledger.Link) bool { return l.SecondLookAt > look || l.OptOutDue() > optOut }), nil
}

func (m *memory) CutRowWaits(_ context.Context, latest int64) (n int64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.rows {
		if e.NotBefore != nil && *e.NotBefore > latest && *e.NotBefore < outbox.Parked {
			e.NotBefore = nil
			n++
		}
	}
	return n, nil
}

func (m *memory) LinksOwing(_ context.Context, _ int64, after lead.ID, limit int) ([]ledger.Link, error) {
	all := m.linksWhere(func(l *ledger.Link) bool { return l.OwedFields() > 0 && l.LeadID > after })
	slices.SortFunc(all, func(a, b ledger.Link) int { return strings.Compare(string(a.LeadID), string(b.LeadID)) })
	return all[:min(len(all), limit)], nil
}

func (m *memory) LinksOwingOptOut(_ context.Context, _, now int64, limit int) ([]ledger.Link, error) {
	all := m.linksWhere(func(l *ledger.Link) bool { return l.OptOutDue() != 0 && l.OptOutDue() <= now })
	return all[:min(len(all), limit)], nil
}

func (m *memory) Tombstoned(context.Context, int64, []lead.ID, []lead.ContactID, []string) (Tombstoned, error) {
	return Tombstoned{}, nil
}

func (m *memory) KnownContacts(context.Context, int64, lead.ID, []outbox.EntryID) (Known, error) {
	return Known{}, nil
}

func (m *memory) Settle(_ context.Context, s Settlement) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settles++
	if m.fail != nil {
		if err := m.fail(m.settles); err != nil {
			return 0, err
		}
	}
	n := 0
	for _, o := range s.Outcomes {
		e := m.rows[o.ID]
		if e == nil || e.State != outbox.Pending {
			continue
		}
		e.State, e.Attempts, e.NotBefore = o.State, o.Attempts, nil
		if o.NotBefore != 0 {
			e.NotBefore = &o.NotBefore
		}
		reason, note := string(o.Reason), o.Note
		e.Reason, e.Note = &reason, &note
		n++
	}
	for i := range s.Links {
		m.links[s.Links[i].LeadID] = s.Links[i].Clone()
	}
	m.inbox = append(m.inbox, s.Inbox...)
	return n, nil
}

func (m *memory) PinHub(context.Context, hubspot.Account) error { return nil }
func (m *memory) MaySend() bool                                 { return true }
func (m *memory) Trouble(err error) error {
	if strings.Contains(err.Error(), "disk") {
		return settlement.ErrDatabaseAway
	}
	return nil
}
func (m *memory) HighMark(context.Context) (HighMark, error) { return HighMark{}, nil }

func (m *memory) note(id outbox.EntryID) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.rows[id].Note
}

// states counts the rows by state and reason.
func (m *memory) states() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[string]int{}
	for _, e := range m.rows {
		word := string(e.State)
		if e.Reason != nil && *e.Reason != "" {
			word += "/" + *e.Reason
		}
		out[word]++
	}
	return out
}

// answers is a HubSpot that answers what the test says; a function that is nil must not be called.
type answers struct {
	HubSpot
	create, update func([]hubspot.Input) (*hubspot.BatchResult, error)
	read           func(hubspot.ReadRequest) (*hubspot.BatchResult, error)
}

func (a *answers) BatchCreate(_ context.Context, in []hubspot.Input) (*hubspot.BatchResult, error) {
	return a.create(in)
}
func (a *answers) BatchUpdate(_ context.Context, in []hubspot.Input) (*hubspot.BatchResult, error) {
	return a.update(in)
}
func (a *answers) BatchUpsert(context.Context, string, []hubspot.Input) (*hubspot.BatchResult, error) {
	panic("no upsert was expected")
}
func (a *answers) BatchRead(_ context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
	return a.read(r)
}
func (a *answers) Contact(context.Context, lead.ContactID, []string, bool) (*hubspot.Contact, error) {
	panic("no single read was expected")
}
func (a *answers) Account(context.Context) (hubspot.Account, error) {
	return hubspot.Account{PortalID: 1, TimeZone: "UTC"}, nil
}

func (a *answers) ContactProperties(context.Context) ([]hubspot.Property, error) {
	return []hubspot.Property{{Name: "email", Type: "string"}, {Name: "company", Type: "string"}, {Name: "city", Type: "string"},
		{Name: "lifecyclestage", Type: "enumeration", Options: []hubspot.Option{{Value: "lead"}, {Value: "customer"}}}}, nil
}

// acceptAll answers a write as HubSpot does when it takes every row, with ids from 1000.
func acceptAll(in []hubspot.Input) (*hubspot.BatchResult, error) {
	res := &hubspot.BatchResult{Status: 200}
	for i, x := range in {
		c := hubspot.Contact{ID: lead.ContactID(x.ID), Properties: map[string]*string{}, TraceID: x.TraceID}
		if c.ID == "" {
			c.ID = lead.ContactID(fmt.Sprint(1000 + i))
		}
		for p, v := range x.Properties {
			c.Properties[p] = &v
		}
		res.Results = append(res.Results, c)
	}
	return res, nil
}

func text(s string) *string { return &s }

// serverError is a 500 to a write.
func serverError(op string) error { return &hubspot.Error{Op: op, Status: 500, Sent: true} }

func newTestWorker(t *testing.T, hub HubSpot, store Store) *Worker {
	t.Helper()
	return newMappedWorker(t, hub, store, nil)
}

// newMappedWorker is a test worker with fields of its own.
func newMappedWorker(t *testing.T, hub HubSpot, store Store, fields []mapping.Field) *Worker {
	t.Helper()
	waits := backoff.Schedule{Base: time.Second, Cap: time.Minute, Factor: 2}
	return New(Config{Portal: "default", PollInterval: time.Second, Linger: 10 * time.Millisecond, Concurrency: 4, MaxAttempts: 3, OnInvalid: Drop,
		Retry: waits, Outage: waits, SecondLook: 2 * time.Minute, Mapping: mapping.New(fields, ""),
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))}, hub, store)
}

// running runs a worker inside the bubble until the returned function is called.
func running(t *testing.T, w *Worker) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := w.Run(ctx, context.Background()); err != nil {
			t.Error(err)
		}
	})
	parts.Go(func() { _ = w.Unsubscribe(ctx, context.Background()) })
	parts.Go(func() { w.LookAgain(ctx) })
	return func() { cancel(); parts.Wait() }
}

// SubscriptionDefinitions: the account of these tests has none.
func (*answers) SubscriptionDefinitions(context.Context) ([]hubspot.SubscriptionDefinition, error) {
	return nil, nil
}

// kept is how many of something the queue of a worker holds, by the name of its field.
func kept(w *Worker, field string) int {
	return reflect.ValueOf(w.queue).Elem().FieldByName(field).Len()
}
