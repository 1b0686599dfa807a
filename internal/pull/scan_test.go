package pull

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/settlement"
)

// script is a HubSpot that answers searches one after the other, and remembers what it was asked.
type script struct {
	mu    sync.Mutex // streams run side by side
	date  time.Time
	pages []hubspot.Page
	asked []string
	fail  error // instead of the last page
}

func (s *script) Search(_ context.Context, r hubspot.SearchRequest) (*hubspot.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var f []string
	for _, x := range r.Filters {
		f = append(f, strings.TrimRight(fmt.Sprintf("%s %s %s %s", x.Property, x.Operator, x.Value, x.HighValue), " "))
	}
	s.asked = append(s.asked, strings.Join(f, " & "))
	if s.fail != nil && len(s.pages) == 0 {
		return nil, s.fail
	}
	page := hubspot.Page{Date: s.date}
	if len(s.pages) > 0 {
		page.Contacts, page.Total = s.pages[0].Contacts, s.pages[0].Total
		s.pages = s.pages[1:]
	}
	return &page, nil
}

func (s *script) List(context.Context, hubspot.ListRequest) (*hubspot.Page, error) {
	return &hubspot.Page{Date: s.date}, nil
}

func (s *script) BatchRead(context.Context, hubspot.ReadRequest) (*hubspot.BatchResult, error) {
	return &hubspot.BatchResult{}, nil
}

// contacts are n contacts from an id on.
func contacts(from, n, total int) hubspot.Page {
	p := hubspot.Page{Total: total}
	for i := range n {
		p.Contacts = append(p.Contacts, hubspot.Contact{ID: lead.ContactID(fmt.Sprint(from + i))})
	}
	return p
}

// memory is a Store that keeps positions and commits; it knows no links but those given.
type memory struct {
	mu        sync.Mutex
	positions map[Stream]Position
	links     []ledger.Link
	pages     []settlement.Page
	fail      func(n int) error // of the n-th commit, from 1
}

func newMemory() *memory { return &memory{positions: map[Stream]Position{}} }

func (m *memory) Position(_ context.Context, _ int64, stream string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.positions[Stream(stream)]
	return p.encode(Stream(stream))
}

func (m *memory) LinksByContact(_ context.Context, _ int64, ids []lead.ContactID) ([]ledger.Link, error) {
	return slices.DeleteFunc(slices.Clone(m.links), func(l ledger.Link) bool { return !slices.Contains(ids, l.ContactID) }), nil
}

func (m *memory) Tombstoned(context.Context, int64, []lead.ID, []lead.ContactID, []string) (settlement.Tombstoned, error) {
	return settlement.Tombstoned{}, nil
}

func (m *memory) Strangers(context.Context, int64, []lead.ContactID) ([]ledger.Link, error) {
	return nil, nil
}

func (m *memory) LinkedAfter(context.Context, int64, lead.ContactID, int) ([]ledger.Link, error) {
	return nil, nil
}

func (m *memory) GoneAfter(context.Context, int64, lead.ContactID, int) ([]ledger.Link, error) {
	return nil, nil
}

func (m *memory) PendingAddresses(context.Context, []string) ([]string, error) { return nil, nil }

func (m *memory) Commit(_ context.Context, p settlement.Page) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages = append(m.pages, p)
	if m.fail != nil {
		if err := m.fail(len(m.pages)); err != nil {
			return err
		}
	}
	var pos Position
	err := json.Unmarshal([]byte(p.Position), &pos)
	m.positions[Stream(p.Stream)] = pos
	return err
}

// nobody is a Leads that has one lead with one contact.
type nobody struct {
	held, released int
	reread         []lead.ID
	fail           error
}

func (n *nobody) Attached() (int64, *mapping.Table, bool) {
	return 7, mapping.New([]mapping.Field{{Lead: "firm", Contact: "company", Direction: mapping.Both}}, ""), true
}

func (n *nobody) Hold(context.Context, []lead.ID) (func(), error) {
	n.held++
	return func() { n.released++ }, nil
}

func (n *nobody) Reread(_ context.Context, leads []lead.ID) ([]ledger.Link, []inbox.Row, int, error) {
	n.reread = append(n.reread, leads...)
	return []ledger.Link{{LeadID: leads[0]}}, []inbox.Row{{LeadID: leads[0]}}, 0, n.fail
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ms(at time.Time) string { return fmt.Sprint(at.UnixMilli()) }

// newPuller's clock is that of the script, and never goes back.
func newPuller(hub HubSpot, leads Leads, store Store) *Puller {
	ours := noon
	now := func() time.Time {
		if s, ok := hub.(*script); ok && s.date.After(ours) {
			ours = s.date
		}
		return ours
	}
	return New(Config{Portal: "default", Unknown: Ignore, Now: now}, hub, leads, store)
}

// The windows of a stream: the first begins now, each begins where the one before ended less the overlap, the end comes
// from the Date of the first answer and never goes back, and a page asks for the ids above the last one.
func TestWindows(t *testing.T) {
	hub, store := &script{date: noon}, newMemory()
	p := newPuller(hub, &nobody{}, store)
	run := func(s Stream) {
		t.Helper()
		hub.asked = nil
		if _, err := p.Run(t.Context(), s, RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(what string, queries ...string) {
		t.Helper()
		if !slices.Equal(hub.asked, queries) {
			t.Errorf("%s: asked\n%s\nwant\n%s", what, strings.Join(hub.asked, "\n"), strings.Join(queries, "\n"))
		}
	}
	run(Changes)
	want("first start", hub.asked[0], "lastmodifieddate GTE "+ms(noon))
	if w := store.positions[Changes].Watermark; w != noon.UnixMilli() {
		t.Errorf("the first watermark is %d, want that of the start", w)
	}
	run(Lagged)
	want("the lagged stream begins where the quick one did", "lastmodifieddate GTE "+ms(noon))

	hub.date = noon.Add(10 * time.Minute)
	hub.pages = []hubspot.Page{contacts(100, 200, 401), contacts(300, 200, 201), contacts(500, 1, 1)}
	run(Changes)
	hi := noon.Add(10*time.Minute - margin)
	within := "lastmodifieddate BETWEEN " + ms(noon) + " " + ms(hi)
	want("three pages", "lastmodifieddate GTE "+ms(noon), within+" & hs_object_id GT 299", within+" & hs_object_id GT 499")

	hub.date = noon // HubSpot's clock goes back
	run(Changes)
	want("a clock set back, which the newest change would have to confirm", "lastmodifieddate GTE "+ms(hi.Add(-overlap)), "lastmodifieddate GTE 1000")
	if w := store.positions[Changes].Watermark; w != hi.UnixMilli() {
		t.Errorf("the watermark went back to %s", time.UnixMilli(w).UTC())
	}
	hub.date = noon.Add(3 * time.Hour)
	run(Lagged)
	if w := store.positions[Lagged].Watermark; w != noon.Add(2*time.Hour).UnixMilli() {
		t.Errorf("the lagged watermark is %s, want an hour behind", time.UnixMilli(w).UTC())
	}
}

// Since reads again from a time on, and what an unfinished scan has still to read is in it; the watermark does not go
// back.
func TestSince(t *testing.T) {
	hub, store := &script{date: noon}, newMemory()
	store.positions[Changes] = Position{Began: 5000, Watermark: noon.UnixMilli(), Scan: &Scan{Lo: noon.Add(-time.Hour).UnixMilli(), Hi: 9, After: "77"}}
	if _, err := newPuller(hub, &nobody{}, store).Run(t.Context(), Changes, RunOptions{Since: noon.Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	if hub.asked[0] != "lastmodifieddate GTE "+ms(noon.Add(-time.Hour)) {
		t.Errorf("asked %q", hub.asked[0])
	}
	if p := store.positions[Changes]; p.Watermark != noon.UnixMilli() || p.Scan != nil {
		t.Errorf("position %+v", p)
	}
}

// A run that is cut off goes on behind the last page that was committed, in the same window.
func TestScanGoesOnWhereItWasCutOff(t *testing.T) {
	hub, store := &script{date: noon, fail: errors.New("away")}, newMemory()
	store.positions[Changes] = Position{Began: 5000, Watermark: noon.Add(-time.Hour).UnixMilli()}
	hub.pages = []hubspot.Page{contacts(1, 200, 900), contacts(201, 200, 700)}
	p := newPuller(hub, &nobody{}, store)
	if _, err := p.Run(t.Context(), Changes, RunOptions{}); !errors.Is(err, hub.fail) {
		t.Fatalf("the run ended with %v", err)
	}
	hub.fail, hub.asked, hub.date = nil, nil, noon.Add(time.Hour)
	hub.pages = []hubspot.Page{contacts(401, 3, 3)}
	store.fail = func(int) error { return errors.New("disk") }
	if _, err := p.Run(t.Context(), Changes, RunOptions{}); err == nil {
		t.Fatal("a commit that failed was taken for a success")
	}
	store.fail, hub.pages = nil, []hubspot.Page{contacts(401, 3, 3)}
	if _, err := p.Run(t.Context(), Changes, RunOptions{}); err != nil {
		t.Fatal(err)
	}
	again := "lastmodifieddate BETWEEN " + ms(noon.Add(-time.Hour-overlap)) + " " + ms(noon.Add(-margin)) + " & hs_object_id GT 400"
	if !slices.Equal(hub.asked, []string{again, again}) {
		t.Errorf("asked %q, want twice %q", hub.asked, again)
	}
	if last := store.positions[Changes].Last; last == nil || last.Pages != 3 || last.Seen != 403 {
		t.Errorf("counts %+v, want those of the whole scan", last)
	}
}

// Answers that are not in the order of ids would make a scan miss contacts or run for ever.
func TestScanRefusesAnotherOrder(t *testing.T) {
	for _, page := range []hubspot.Page{
		{Contacts: []hubspot.Contact{{ID: "12"}, {ID: "9"}}, Total: 2},
		{Contacts: []hubspot.Contact{{ID: "12"}, {ID: "12"}}, Total: 2},
		{Contacts: []hubspot.Contact{{ID: "x"}}, Total: 1},
	} {
		hub, store := &script{date: noon, pages: []hubspot.Page{page}}, newMemory()
		if _, err := newPuller(hub, &nobody{}, store).Run(t.Context(), OptOut, RunOptions{}); !errors.Is(err, errOrder) || len(store.pages) > 0 {
			t.Errorf("%v: %v, %d commits", page.Contacts, err, len(store.pages))
		}
	}
}

// Leads are let go after the commit and never before, also when reading or committing fails; a page whose contact got
// another lead meanwhile is applied anew.
func TestLeadsAreHeldUntilTheCommit(t *testing.T) {
	link := ledger.Link{Portal: "default", LeadID: "a", ContactID: "5", State: ledger.Linked, Fields: map[string]ledger.Field{"company": {Seen: "A"}}}
	value := "B"
	page := hubspot.Page{Total: 1, Contacts: []hubspot.Contact{{ID: "5", Properties: map[string]*string{"company": &value}}}}
	for _, c := range []struct {
		name           string
		reread, commit error
		commits        int
	}{
		{"well", nil, nil, 1},
		{"the reading fails", errors.New("away"), nil, 0},
		{"the commit fails", nil, errors.New("disk"), 1},
		{"somebody else has the contact", nil, lead.ErrDuplicate, applyTries},
	} {
		hub, store, leads := &script{date: noon, pages: []hubspot.Page{page}}, newMemory(), &nobody{fail: c.reread}
		store.links = []ledger.Link{link}
		store.fail = func(int) error {
			if leads.held != leads.released+1 {
				t.Errorf("%s: committed while %d of %d were let go", c.name, leads.released, leads.held)
			}
			return c.commit
		}
		_, err := newPuller(hub, leads, store).Run(t.Context(), OptOut, RunOptions{})
		if !errors.Is(err, cmp.Or(c.reread, c.commit)) || len(store.pages) != c.commits || leads.held != leads.released {
			t.Errorf("%s: %v, %d commits, held %d, released %d", c.name, err, len(store.pages), leads.held, leads.released)
		}
	}
}

// What a link knows, against what a search shows.
func TestDiffers(t *testing.T) {
	table := mapping.New([]mapping.Field{{Lead: "firm", Contact: "company", Direction: mapping.Both}, {Lead: "town", Contact: "city"}}, "")
	known := ledger.Link{State: ledger.Linked, ContactID: "5", Consent: "", Fields: map[string]ledger.Field{"company": {Seen: "A"}, "city": {Seen: "C"}, "zip": {Seen: "1"}}}
	all := set([]string{"company", "city", "zip"})
	for _, c := range []struct {
		name   string
		values map[string]string
		asked  asked
		change func(*ledger.Link)
		want   bool
	}{
		{"equal", map[string]string{"company": "A", "city": "C", "zip": "1"}, all, nil, false},
		{"a value moved", map[string]string{"company": "B", "city": "C", "zip": "1"}, all, nil, true},
		{"a field of direction push moved", map[string]string{"company": "A", "city": "D", "zip": "1"}, all, nil, true},
		{"a value is not shown, so it may be unset", map[string]string{"company": "A", "city": "C"}, all, nil, true},
		{"a property of the ledger was not asked for", map[string]string{"company": "A", "city": "C"}, set([]string{"company", "city"}), nil, true},
		{"a told property that the ledger lacks", map[string]string{"company": "A", "city": "C", "zip": "1"}, all, func(l *ledger.Link) { delete(l.Fields, "company") }, true},
		{"a property that is not told and the ledger lacks", map[string]string{"company": "A", "city": "C", "zip": "1"}, all, func(l *ledger.Link) { delete(l.Fields, "city") }, false},
		{"the contact was gone", map[string]string{"company": "A", "city": "C", "zip": "1"}, all, func(l *ledger.Link) { l.State = ledger.Gone }, true},
		{"opted out", map[string]string{"company": "A", "city": "C", "zip": "1", optedOut: "true"}, all, nil, true},
		{"opted out, as is known", map[string]string{"company": "A", "city": "C", "zip": "1", optedOut: "true"}, all, func(l *ledger.Link) { l.Consent = "out" }, false},
	} {
		l := known.Clone()
		if c.change != nil {
			c.change(l)
		}
		v := &view{View: &contact.View{ID: "5", Values: c.values, OptedOut: c.values[optedOut] == "true"}}
		if have := v.differs(l, table, c.asked); have != c.want {
			t.Errorf("%s: differs is %t", c.name, have)
		}
	}
}

// A search is asked for as many properties as fit into its 3,000 characters, and for those of the ledgers that were
// met.
func TestSearchFor(t *testing.T) {
	var fields []mapping.Field
	for i := range 200 {
		fields = append(fields, mapping.Field{Lead: fmt.Sprint(i), Contact: fmt.Sprintf("a_rather_long_name_of_a_property_%03d", i)})
	}
	p := newPuller(&script{}, &nobody{}, newMemory())
	size := 0
	list := p.searchFor(mapping.New(fields, ""))
	for _, name := range list {
		size += len(name) + 3
	}
	if size > searchRoom || size < searchRoom-50 || !slices.Contains(list, mergedIDs) || !slices.Contains(list, "email") {
		t.Errorf("%d characters of names, %v", size, list)
	}
	p.learn(&ledger.Link{Fields: map[string]ledger.Field{"zip": {}}}, asked{})
	if list := p.searchFor(mapping.New(nil, "")); !slices.Contains(list, "zip") {
		t.Errorf("what the ledgers hold is not asked for: %v", list)
	}
}
