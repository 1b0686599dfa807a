package push

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// lateHistory says that an app wrote the values that stand there.
var lateHistory = map[string][]hubspot.Revision{"company": {{Value: "Old", SourceType: "INTEGRATION", SourceID: "1"}},
	"email": {{Value: "old@example.com", SourceType: "INTEGRATION", SourceID: "1"}}}

// What the history calls another source, or another app than the one that wrote before, is taken and not written over,
// whatever a request of ours in doubt carried; so is a value that no such request carried, and one of which HubSpot
// shows no history.
func TestSecondLookMendsOnlyOurOwn(t *testing.T) {
	ours := hubspot.Revision{Value: "New", SourceType: "INTEGRATION", SourceID: "1"}
	for name, c := range map[string]struct {
		history []hubspot.Revision
		maybe   string
		mended  bool
	}{
		"our late request":          {[]hubspot.Revision{{Value: "Old", SourceType: "INTEGRATION", SourceID: "1"}, ours}, "Old", true},
		"a source without an id":    {[]hubspot.Revision{{Value: "Old", SourceType: "INTEGRATION"}, {Value: "New", SourceType: "INTEGRATION"}}, "Old", true},
		"a person":                  {[]hubspot.Revision{{Value: "Old", SourceType: "CRM_UI", SourceID: "userId:1"}, ours}, "Old", false},
		"another app":               {[]hubspot.Revision{{Value: "Old", SourceType: "INTEGRATION", SourceID: "2"}, ours}, "Old", false},
		"a value nobody in doubt":   {[]hubspot.Revision{{Value: "Old", SourceType: "INTEGRATION", SourceID: "1"}, ours}, "Else", false},
		"changed since":             {[]hubspot.Revision{{Value: "More", SourceType: "INTEGRATION", SourceID: "1"}, ours}, "Old", false},
		"no history":                {nil, "Old", false},
		"an unknown kind of source": {[]hubspot.Revision{{Value: "Old", SourceType: "WORKFLOWS"}, ours}, "Old", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				l := linked("a", "New")
				l.SecondLookAt = 2
				l.Fields["company"] = ledger.Field{Sent: "New", Seen: "New", Shown: true, Set: 5, Maybe: []string{c.maybe}}
				m.links["a"] = l
				m.insert(4, "a", outbox.Updated, "", "company=Old")
				m.rows[4].State = outbox.Delivered
				there := "Old"
				hub := &answers{
					read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
						return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9a", History: map[string][]hubspot.Revision{"company": c.history},
							Properties: map[string]*string{"email": text("a@example.com"), "company": &there}}}}, nil
					},
					update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
						there = in[0].Properties["company"]
						return acceptAll(in)
					},
				}
				stop := running(t, newTestWorker(t, hub, m))
				time.Sleep(2 * time.Minute)
				stop()
				if mended := there == "New"; mended != c.mended || m.links["a"].InDoubt() || m.links["a"].Field("company").Seen != there {
					t.Errorf("HubSpot holds %q, the link %+v", there, m.links["a"])
				}
			})
		})
	}
}

// Links without a contact at the head of the queue of second looks do not keep the others from being looked at.
func TestSecondLookPassesGoneLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		for i := range 150 {
			l := linked(fmt.Sprint("gone", i), "A")
			l.State, l.SecondLookAt = ledger.Gone, 1
			m.links[l.LeadID] = l
		}
		l := linked("here", "New")
		l.SecondLookAt = 2
		l.Fields["company"] = ledger.Field{Sent: "New", Seen: "New", Shown: true, Set: 5, Maybe: []string{"Old"}}
		m.links["here"] = l
		for id, company := range map[outbox.EntryID]string{4: "Old", 5: "New"} {
			m.insert(id, "here", outbox.Updated, "", "company="+company)
			m.rows[id].State = outbox.Delivered
		}
		var written []string
		there := "Old" // a request that was late
		hub := &answers{
			read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
				return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9here", History: lateHistory, Properties: map[string]*string{"email": text("here@example.com"), "company": &there}}}}, nil
			},
			update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
				for _, x := range in {
					written = append(written, x.ID+" "+x.Properties["company"])
				}
				return acceptAll(in)
			},
		}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(2 * time.Minute)
		stop()
		if strings.Join(written, ",") != "9here New" {
			t.Errorf("written: %q", written)
		}
		for id, l := range m.links {
			if l.SecondLookAt != 0 {
				t.Fatalf("lead %s still waits for its second look", id)
			}
		}
	})
}

// An answer that does not name the contact of a second look leaves the look due.
func TestSecondLookIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := linked("a", "New")
		l.SecondLookAt = 2
		l.Fields["company"] = ledger.Field{Sent: "New", Seen: "New", Shown: true, Set: 5, Maybe: []string{"Old"}}
		m.links["a"] = l
		m.insert(4, "a", outbox.Updated, "", "company=Old")
		m.rows[4].State = outbox.Delivered
		there, writes := "Old", 0
		hub := &answers{
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
				return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9a", History: lateHistory, Properties: map[string]*string{"email": text("a@example.com"), "company": &there}}}}, nil
			},
			update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
				if writes++; writes == 1 {
					return &hubspot.BatchResult{Status: 200}, nil
				}
				there = in[0].Properties["company"]
				return acceptAll(in)
			},
		}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(5 * time.Minute)
		stop()
		if there != "New" || writes != 2 {
			t.Errorf("HubSpot holds %q after %d writes", there, writes)
		}
	})
}

// A value of a row that waits is not undone by a second look: its own job reads the contact.
func TestSecondLookLeavesPendingValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := linked("a", "Settled")
		l.SecondLookAt = 2
		m.links["a"] = l
		m.insert(9, "a", outbox.Updated, "", "company=Pending")
		wait := time.Now().Add(time.Hour).UnixMilli()
		m.rows[9].NotBefore = &wait
		hub := &answers{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
			return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9a", Properties: map[string]*string{"email": text("a@example.com"), "company": text("Pending")}}}}, nil
		}}
		stop := running(t, newTestWorker(t, hub, m)) // an update would be a nil call
		time.Sleep(2 * time.Minute)
		stop()
	})
}

// again all the same, and the address counts as what stands there.
func TestSecondLookWithoutTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l := linked("a", "New")
		l.SecondLookAt = 2
		l.Fields["company"] = ledger.Field{Sent: "New", Seen: "New", Shown: true, Set: 5, Maybe: []string{"Old"}}
		l.Fields["email"] = ledger.Field{Sent: "a@example.com", Seen: "a@example.com", Shown: true, Set: 5, Maybe: []string{"old@example.com"}}
		m.links["a"] = l
		m.insert(4, "a", outbox.Updated, "old@example.com", "company=Old")
		m.rows[4].State = outbox.Delivered
		company := "Old"
		hub := &answers{
			read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
				return &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "9a", History: lateHistory, Properties: map[string]*string{"email": text("old@example.com"), "company": &company}}}}, nil
			},
			update: func(in []hubspot.Input) (*hubspot.BatchResult, error) {
				if in[0].Properties["email"] != "" {
					return &hubspot.BatchResult{Errors: []hubspot.BatchError{{Category: "CONFLICT", TraceIDs: []string{in[0].TraceID}, ExistingID: "77"}}}, nil
				}
				company = in[0].Properties["company"]
				return acceptAll(in)
			},
		}
		stop := running(t, newTestWorker(t, hub, m))
		time.Sleep(time.Minute)
		stop()
		got := m.links["a"]
		if company != "New" || got.SecondLookAt != 0 || got.Address != "old@example.com" {
			t.Errorf("company %q, next look at %d, address of the link %q", company, got.SecondLookAt, got.Address)
		}
	})
}
