package pull

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/testsize"
)

// outs is a HubSpot with contacts that are opted out, by rising ids, which says that there are at most so many.
type outs struct {
	script
	ids      []int
	most     int
	requests int
	cutAt    int // the request that fails
}

func (o *outs) Search(_ context.Context, r hubspot.SearchRequest) (*hubspot.Page, error) {
	if o.requests++; o.requests == o.cutAt {
		return nil, context.DeadlineExceeded
	}
	from, to := 0, len(o.ids)
	for _, f := range r.Filters {
		id, _ := strconv.Atoi(f.Value)
		at, there := slices.BinarySearch(o.ids, id)
		if there {
			at++
		}
		switch f.Operator {
		case "GT":
			from = at
		case "LTE":
			to = at
		}
	}
	in := o.ids[from:max(from, to)]
	page := &hubspot.Page{Date: noon, Total: min(len(in), o.most)}
	if out := "true"; o.most > 0 {
		for _, id := range in[:min(len(in), r.Limit)] {
			page.Contacts = append(page.Contacts, hubspot.Contact{ID: lead.ContactID(strconv.Itoa(id)), Properties: map[string]*string{optedOut: &out}})
		}
	}
	return page, nil
}

// sweeps runs the stream once an hour over opted-out strangers, and tells how many requests each hour took and of whom
// the lead's reading was asked for.
type sweeps struct {
	t     *testing.T
	hub   *outs
	leads *nobody
	store *memory
	now   time.Time
}

func newSweeps(t *testing.T, n, most int) *sweeps {
	s := &sweeps{t: t, hub: &outs{most: most}, leads: &nobody{}, store: newMemory(), now: noon}
	for i := range n {
		s.hub.ids = append(s.hub.ids, 1000+10*i)
	}
	return s
}

func (s *sweeps) hour() (requests int) {
	s.t.Helper()
	s.hub.requests = 0
	p := newPuller(s.hub, s.leads, s.store)
	p.cfg.Now = func() time.Time { return s.now }
	if _, err := p.Run(s.t.Context(), OptOut, RunOptions{}); err != nil && s.hub.cutAt == 0 {
		s.t.Fatal(err)
	}
	s.store.pages = nil
	s.now = s.now.Add(time.Hour)
	return s.hub.requests
}

// out opts the contact of a lead out.
func (s *sweeps) out(id int) {
	at, _ := slices.BinarySearch(s.hub.ids, id)
	s.hub.ids = slices.Insert(s.hub.ids, at, id)
	s.store.links = append(s.store.links, ledger.Link{Portal: "default", LeadID: lead.ID(fmt.Sprint(id)), ContactID: lead.ContactID(fmt.Sprint(id)), State: ledger.Linked})
}

// An hour in which nobody left costs a count or some, not the list; a day of them costs the list once. Whoever leaves
// is seen within the hour, wherever their id is, also beside others who come back.
func TestOptOutsCostWhatChanged(t *testing.T) {
	for _, c := range []struct{ people, quiet, hour, day int }{
		{1_500, 8, 8, 24 * 9}, // few are read whole
		{20_000, 10, 30, 400},
		{testsize.Of(1_000_000, 100_000), 16, 80, 6_000},
	} {
		s := newSweeps(t, c.people, c.people*2)
		s.hour()
		day := 0
		for range 23 {
			n := s.hour()
			if day += n; n > c.quiet {
				t.Fatalf("%d people, a quiet hour: %d requests", c.people, n)
			}
		}
		if day += s.hour(); day > c.day {
			t.Errorf("%d people, a quiet day: %d requests", c.people, day)
		}
		t.Logf("%d people: %d requests on a quiet day", c.people, day)
		for _, id := range []int{5, 1001, 1000 + 5*c.people + 1, 1000 + 10*c.people} { // below, first, in the middle, above all
			s.out(id)
			if n := s.hour(); n > c.hour || !slices.Contains(s.leads.reread, lead.ID(fmt.Sprint(id))) {
				t.Errorf("%d people: %d is looked at: %t, %d requests", c.people, id, slices.Contains(s.leads.reread, lead.ID(fmt.Sprint(id))), n)
			}
		}
		s.hub.ids = slices.Delete(s.hub.ids, 3, 5) // two came back
		s.out(1000 + 10*c.people + 7)
		s.hour()
		if !slices.Contains(s.leads.reread, lead.ID(fmt.Sprint(1000+10*c.people+7))) {
			t.Errorf("%d people: who left while two came back is not looked at", c.people)
		}
		s.leads.reread = nil
		s.hub.ids = slices.Delete(s.hub.ids, 3, 4) // one came back, and one left in the same range
		s.out(1033)
		for range 24 {
			s.hour()
		}
		if !slices.Contains(s.leads.reread, "1033") {
			t.Errorf("%d people: who left while somebody beside them came back is not looked at in a day", c.people)
		}
	}
}

// Counts that are not those of the list are not believed: the list is read, at a share of the day's budget.
func TestOptOutsWithoutCounts(t *testing.T) {
	s := newSweeps(t, 20_000, 10_000)
	day := 0
	for range 24 {
		day += s.hour()
	}
	if day < 24*100 || day > 24*103 {
		t.Errorf("%d requests a day, want the whole list each hour", day)
	}
	s = newSweeps(t, testsize.Of(1_000_000, 150_000), 10_000)
	day = 0
	for range 48 {
		day += s.hour()
	}
	if day/2 > 5_000+len(s.hub.ids)/pageSize {
		t.Errorf("%d requests a day", day/2)
	}
}

// A run that is cut off at any request loses nobody: the next one sees who left.
func TestOptOutsCutOff(t *testing.T) {
	for at := 1; ; at++ {
		s := newSweeps(t, 20_000, 40_000)
		s.hour()
		s.out(1001)
		s.out(100_001)
		s.hub.cutAt = at
		n := s.hour()
		s.hub.cutAt = 0
		s.hour()
		if !slices.Contains(s.leads.reread, "1001") || !slices.Contains(s.leads.reread, "100001") {
			t.Errorf("cut off at request %d: %v are looked at", at, s.leads.reread)
		}
		if n < at {
			return
		}
	}
}
