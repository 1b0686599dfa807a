package push

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

func linked(id string, company string) *ledger.Link {
	return &ledger.Link{Portal: "default", HubID: 1, LeadID: lead.ID(id), State: ledger.Linked, ContactID: lead.ContactID("9" + id), Address: id + "@example.com",
		Fields: map[string]ledger.Field{
			"email":   {Sent: id + "@example.com", Seen: id + "@example.com", Shown: true, Set: 1},
			"company": {Sent: company, Seen: company, Shown: true, Set: 1},
		}, AppliedID: 1}
}

// The database fails in the middle of settling many leads that need no request: none of them stays taken, all are
// settled when it is back.
func TestFailedSettleReleasesEveryLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 1400 {
			id := fmt.Sprint(i)
			m.insert(outbox.EntryID(100+i), id, outbox.Updated, "", "company=A")
			m.links[lead.ID(id)] = linked(id, "A")
			due := int64(1) // due again, so that one reading brings them all
			m.rows[outbox.EntryID(100+i)].NotBefore = &due
		}
		m.fail = func(n int) error {
			if n == 1 {
				return errors.New("disk full")
			}
			return nil
		}
		// After a failed settlement what HubSpot holds is not known: the contacts are read before the rows are settled.
		read := func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
			res := &hubspot.BatchResult{Status: 200}
			for _, id := range r.IDs {
				res.Results = append(res.Results, hubspot.Contact{ID: lead.ContactID(id), Properties: map[string]*string{
					"email": text(id[1:] + "@example.com"), "company": text("A")}})
			}
			return res, nil
		}
		stop := running(t, newTestWorker(t, &answers{read: read}, m))
		time.Sleep(5 * time.Minute)
		stop()
		if got := m.states(); got["pending"] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// A lead whose rows an operator skips while the outcome of its request is unknown is forgotten: nothing stays in doubt
// for ever.
func TestSkippedRowsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.insert(1, "a", outbox.Registered, "a@example.com", "company=A")
		hub := &answers{create: func([]hubspot.Input) (*hubspot.BatchResult, error) { return nil, serverError(hubspot.OpBatchCreate) },
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, serverError(hubspot.OpBatchRead) }}
		w := newTestWorker(t, hub, m)
		stop := running(t, w)
		defer stop()
		time.Sleep(10 * time.Second)
		if !w.InDoubt() {
			t.Error("a create without an answer leaves no doubt")
		}
		m.mu.Lock()
		m.rows[1].State = outbox.Skipped
		m.mu.Unlock()
		time.Sleep(5 * time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.hints)+kept(w, "dirty")+kept(w, "addressOwner")+kept(w, "processing") != 0 {
			t.Errorf("%d hints, %d to read again, %d addresses, %d leads are kept", len(w.hints), kept(w, "dirty"), kept(w, "addressOwner"), kept(w, "processing"))
		}
	})
}

// An outage with a large backlog fills no memory: what is remembered of leads is bounded by the requests that were
// under way.
func TestOutageKeepsMemoryBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 20_000 {
			m.insert(outbox.EntryID(1+i), fmt.Sprint(i), outbox.Registered, fmt.Sprintf("p%d@example.com", i), "company=A")
		}
		hub := &answers{create: func([]hubspot.Input) (*hubspot.BatchResult, error) { return nil, serverError(hubspot.OpBatchCreate) },
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, serverError(hubspot.OpBatchRead) }}
		w := newTestWorker(t, hub, m)
		stop := running(t, w)
		time.Sleep(time.Hour)
		stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		t.Logf("%d hints, %d to read again, %d addresses", len(w.hints), kept(w, "dirty"), kept(w, "addressOwner"))
		if len(w.hints) > 2000 || kept(w, "dirty") > 2000 || kept(w, "addressOwner") > 2000 {
			t.Errorf("%d hints, %d to read again, %d addresses after an hour", len(w.hints), kept(w, "dirty"), kept(w, "addressOwner"))
		}
	})
}

// A thousand leads that another contact's address keeps waiting are remembered in the database, not here.
func TestBackoffIsNotInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 1000 {
			id := fmt.Sprint(i)
			m.links[lead.ID("holder"+id)] = linked("holder"+id, "A")
			m.insert(outbox.EntryID(1+i), id, outbox.Registered, "holder"+id+"@example.com", "company=B")
		}
		w := newTestWorker(t, &answers{}, m)
		stop := running(t, w)
		time.Sleep(500 * time.Millisecond)
		stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.hints)+kept(w, "dirty")+kept(w, "addressOwner") != 0 {
			t.Errorf("%d hints, %d to read again, %d addresses", len(w.hints), kept(w, "dirty"), kept(w, "addressOwner"))
		}
		for _, e := range m.rows {
			if e.NotBefore == nil || e.Attempts != 1 {
				t.Fatalf("row %d does not wait", e.ID)
			}
		}
	})
}

// HubSpot accepts a write and shows another value than the one that was sent: the note of the rows that carry it says
// so, and of no others.
func TestNotTakenNote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := linked("a", "A")
		l.Fields["lifecyclestage"] = ledger.Field{Sent: "customer", Seen: "customer", Shown: true, Set: 1}
		m.links["a"] = l
		m.insert(5, "a", outbox.Updated, "", "lifecyclestage=lead")
		m.insert(6, "a", outbox.Updated, "", "city=London")
		hub := &answers{update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
			in[0].Properties["lifecyclestage"] = "customer"
			return acceptAll(in)
		}}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(time.Minute)
		if got := m.note(5); got != "not taken: lifecyclestage" {
			t.Errorf("note %q", got)
		}
		if got := m.note(6); got != "" {
			t.Errorf("note of the other row: %q", got)
		}
		m.insert(7, "a", outbox.Updated, "", "lifecyclestage=lead")
		time.Sleep(time.Minute)
		stop()
		if got := m.states(); got["skipped/unchanged"] != 1 {
			t.Errorf("the same event again: %v", got)
		}
	})
}

// A step that panics for one lead costs that lead and no other; in a job it is found by smaller and smaller ones.
func TestPanicCostsOneLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 64 {
			m.insert(outbox.EntryID(1+i), fmt.Sprint(i), outbox.Registered, fmt.Sprintf("p%d@example.com", i), "company=A")
		}
		var next atomic.Int32
		hub := &answers{create: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
			for i := range in {
				if in[i].Properties["email"] == "p17@example.com" {
					panic("poison")
				}
			}
			res, err := acceptAll(in)
			for i := range res.Results {
				res.Results[i].ID = lead.ContactID(fmt.Sprint(5000 + next.Add(1)))
			}
			return res, err
		}, read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
			return &hubspot.BatchResult{Errors: []hubspot.BatchError{{Category: "OBJECT_NOT_FOUND", IDs: r.IDs}}}, nil
		}}
		w := newTestWorker(t, hub, m)
		w.cfg.Log = quiet()
		stop := running(t, w)
		time.Sleep(10 * time.Minute)
		stop()
		if got := m.states(); got["delivered"] != 63 || got["dead/panic"] != 1 {
			t.Errorf("%v", got)
		}
		if m.rows[18].State != outbox.Dead {
			t.Error("another row is dead")
		}
	})
}

// A second look finds the older values of a late request, and another contact has the address by now: the other fields
// are written HubSpot took a create and the database did not take the settlement: the contact is looked up before
// anything is sent again.
func TestG3FailedSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.insert(1, "a", outbox.Registered, "a@example.com", "company=A")
		m.fail = func(n int) error {
			if n == 1 {
				return errors.New("disk full")
			}
			return nil
		}
		creates := 0
		hub := &answers{
			create: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
				if creates++; creates > 1 {
					t.Error("created a second time")
				}
				return acceptAll(in)
			},
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
				return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "1000", Properties: map[string]*string{"email": text("a@example.com"), "company": text("A")}}}}, nil
			},
		}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(5 * time.Minute)
		stop()
		if l := m.links["a"]; m.states()["delivered"] != 1 || l == nil || l.ContactID != "1000" || l.SecondLookAt == 0 && creates != 1 {
			t.Errorf("%v, link %+v", m.states(), m.links["a"])
		}
	})
}

// The answer to an update names a contact: the one that was written, or it says nothing about the row. An answer with
// our own trace id and another contact, as after a merge, is looked into before the row is delivered.
func TestUpdateAnsweredWithAnotherContact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.links["a"] = linked("a", "Old")
		m.insert(4, "a", outbox.Updated, "", "company=New")
		there, writes := "Old", 0
		hub := &answers{
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
				return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9a", Properties: map[string]*string{"email": text("a@example.com"), "company": &there}}}}, nil
			},
			update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
				res, err := acceptAll(in)
				if writes++; writes == 1 {
					res.Results[0].ID = "77"
					return res, err
				}
				there = in[0].Properties["company"]
				return res, err
			},
		}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(time.Minute)
		stop()
		if there != "New" || writes != 2 || m.states()["delivered"] != 1 {
			t.Errorf("after %d writes HubSpot holds %q, rows %v", writes, there, m.states())
		}
	})
}
