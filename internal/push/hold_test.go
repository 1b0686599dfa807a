package push

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// slowHub takes ten seconds for an update and counts them.
func slowHub(updates *atomic.Int32) *answers {
	return &answers{update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
		updates.Add(1)
		time.Sleep(10 * time.Second)
		return acceptAll(in)
	}}
}

// A lead is held when the request about it has been settled, and push comes back to it after the release.
func TestHoldWaitsForTheRequestAndKeepsPushAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, updates := newMemory(), atomic.Int32{}
		m.links["a"] = linked("a", "A")
		m.insert(1, "a", outbox.Updated, "", "company=B")
		w := newTestWorker(t, slowHub(&updates), m)
		stop := running(t, w)
		defer stop()
		time.Sleep(3 * time.Second) // the update is under way
		began := time.Now()
		release, err := w.Hold(t.Context(), []lead.ID{"a"})
		if err != nil {
			t.Fatal(err)
		}
		if s := m.states(); s["delivered"] != 1 {
			t.Errorf("held after %s before the request was settled: %v", time.Since(began), s)
		}
		m.insert(2, "a", outbox.Updated, "", "company=C")
		w.Wake()
		time.Sleep(time.Minute)
		if n := updates.Load(); n != 1 {
			t.Errorf("%d updates while the lead was held, want 1", n)
		}
		release()
		release()
		time.Sleep(time.Minute)
		if s := m.states(); s["delivered"] != 2 {
			t.Errorf("after the release %v", s)
		}
	})
}

// A lead that is planned and waits for its batch is given up at once, and planned anew with what the holder wrote: the
// plan does not outlive it.
func TestHoldTakesPlannedLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, updates := newMemory(), atomic.Int32{}
		m.links["a"] = linked("a", "A")
		m.insert(1, "a", outbox.Updated, "", "company=B")
		w := newTestWorker(t, slowHub(&updates), m)
		w.cfg.Linger = 10 * time.Minute
		stop := running(t, w)
		defer stop()
		time.Sleep(500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		release, err := w.Hold(ctx, []lead.ID{"a"})
		if err != nil {
			t.Fatalf("the planned lead was not given up: %v", err)
		}
		if n := updates.Load(); n != 0 {
			t.Errorf("%d updates, want none", n)
		}
		m.mu.Lock()
		l := m.links["a"].Clone()
		l.Wrote("company", "C", 9, nil) // HubSpot's side won
		m.links["a"] = l
		m.mu.Unlock()
		release()
		time.Sleep(20 * time.Minute)
		if s := m.states(); s["skipped/overtaken"] != 1 || updates.Load() != 0 {
			t.Errorf("states %v, %d updates: the old plan was carried out", s, updates.Load())
		}
	})
}

// A reading that passes over a lead which is held comes back to it, however far the scan has gone meanwhile.
func TestHeldLeadsAreReadAgain(t *testing.T) {
	w := newTestWorker(t, &answers{}, newMemory())
	release, err := w.Hold(t.Context(), []lead.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.queue.Claim([]lead.ID{"a", "c"}, true); len(got) != 1 || got[0] != "c" {
		t.Errorf("took %v, want c alone", got)
	}
	release()
	if due := w.queue.Due(10, 10); len(due) != 1 || due[0] != "a" {
		t.Errorf("to be read again: %v, want a alone", due)
	}
}

// A lead that another one's merge made passive is told once, with the record that is no more.
func TestPassiveOnce(t *testing.T) {
	k := &work{id: "a", link: linked("a", "A")}
	for range 2 {
		k.passive(&contact.View{ID: "77", Email: "b@example.com"}, 5)
	}
	if len(k.inbox) != 1 || k.inbox[0].Properties != inbox.MergedProperties("9a") || k.link.ContactID != "77" {
		t.Errorf("told %+v, link %+v", k.inbox, k.link)
	}
}

// Two holders of the same leads take turns, and one whose time is over lets go of what it has.
func TestHoldersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newTestWorker(t, &answers{}, newMemory())
		first, err := w.Hold(t.Context(), []lead.ID{"b", "a"})
		if err != nil {
			t.Fatal(err)
		}
		gaveUp := errors.New("gave up")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, gaveUp)
		defer cancel()
		if _, err := w.Hold(ctx, []lead.ID{"c", "b"}); !errors.Is(err, gaveUp) {
			t.Errorf("the second holder got %v, want its own cause", err)
		}
		if !w.queue.ClaimOne("c") {
			t.Error("a holder that gave up still has a lead")
		}
		got := make(chan struct{})
		go func() {
			second, err := w.Hold(t.Context(), []lead.ID{"a", "b"})
			if err != nil {
				t.Error(err)
			}
			second()
			close(got)
		}()
		synctest.Wait()
		if w.queue.ClaimOne("a") {
			t.Error("a second look took a lead that is held")
		}
		first()
		<-got
		if w.queue.AnyReserved() || kept(w, "dirty") != 0 || kept(w, "processing") != 1 {
			t.Errorf("the holds left %+v", w.queue)
		}
	})
}

// A reading that equals a pending row's value is ours, whatever the row waits for; anything else is told, and nothing
// is written.
func TestRereadKnowsPendingRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.links["a"], m.links["b"], m.links["c"] = linked("a", "A"), linked("b", "A"), linked("c", "A")
		later := outbox.Millis(time.Now().Add(time.Hour))
		m.insert(1, "a", outbox.Updated, "", "company=B")
		m.insert(2, "c", outbox.Deleted, "")
		m.rows[1].NotBefore = &later
		shown := "B"
		hub := &answers{read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
			res := &hubspot.BatchResult{}
			for _, id := range r.IDs {
				if id == string(m.links["c"].ContactID) {
					t.Error("a lead with a delete on its way was read")
				}
				res.Results = append(res.Results, hubspot.Contact{ID: lead.ContactID(id), Properties: map[string]*string{"company": &shown}, UpdatedAt: time.Now()})
			}
			return res, nil
		}}
		w := newMappedWorker(t, hub, m, []mapping.Field{{Lead: "company", Contact: "company", Direction: mapping.Both}})
		if err := w.Account().Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a repeat comes to the same
			links, rows, _, err := w.Reread(t.Context(), []lead.ID{"a", "b", "c"})
			if err != nil {
				t.Fatal(err)
			}
			if len(links) != 2 || len(rows) != 1 || rows[0].LeadID != "b" || rows[0].ChangeType != inbox.Updated || rows[0].Properties != `{"company":{"value":"B","was":"A"}}` {
				t.Errorf("%d links, rows %+v", len(links), rows)
			}
		}
		if m.settles != 0 {
			t.Error("a reading wrote something")
		}
	})
}

// A rest is a distance on the clock that nobody sets, whatever the row's time says.
func TestRestIsADistance(t *testing.T) {
	now, h := time.Now(), &hint{}
	h.rest(now, now.Add(time.Minute).UnixMilli())
	if left := h.until.Sub(now); left <= time.Minute-time.Second || left > time.Minute {
		t.Errorf("rests for %s", left)
	}
	if !strings.Contains(h.until.String(), " m=") {
		t.Errorf("until %s, which moves with the clock", h.until)
	}
}

// The lead that holds a contact keeps it, and another of the same settlement that wants it gives it back; where the
// holder is a namesake in another portal it is the lead with that id.
func TestGiveBackLeavesTheHolder(t *testing.T) {
	w := newTestWorker(t, &answers{}, newMemory())
	wants := func(ids ...lead.ID) (all []*work) {
		for _, id := range ids {
			l := &ledger.Link{LeadID: id, State: ledger.Linked, ContactID: "9"}
			all = append(all, &work{id: id, link: l, hint: &hint{}, dirty: true})
		}
		return all
	}
	for name, c := range map[string]struct {
		works []*work
		back  lead.ID
	}{
		"the holder first": {wants("holder", "other"), "other"},
		"the holder last":  {wants("other", "holder"), "other"},
		"a namesake":       {wants("holder"), "holder"},
	} {
		if !w.giveBack(c.works, &TakenError{LeadID: "other", ContactID: "9", Holder: "holder"}) {
			t.Errorf("%s: nobody gives it back", name)
		}
		for _, k := range c.works {
			if (k.link.State == ledger.None) != (k.id == c.back) {
				t.Errorf("%s: %s is %s", name, k.id, k.link.State)
			}
		}
	}
	far := wants("other")
	far[0].link.ContactID = "8"
	if w.giveBack(far, &TakenError{ContactID: "9", Holder: "holder"}) {
		t.Error("a lead gave back a contact that it does not have")
	}
}
