package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"leadsync/internal/store/storetest"
	"leadsync/internal/testsize"
)

// With a backlog of a hundred thousand rows and HubSpot's smallest limit an unsubscribe is at HubSpot within two
// seconds (G7), by the clock on the wall: twenty are inserted one after the other, and none while the one before waits.
func TestG7UnsubscribeOvertakesABacklog(t *testing.T) {
	if !testsize.Full() {
		t.Skip("NOT CHECKED in a sample: unsubscribes that overtake a hundred thousand rows")
	}
	const backlog, tries, most = 100_000, 20, 2 * time.Second
	s := newScene(t, storetest.SQLite(t), "push: {max_deletes_per_hour: 0}\n", "--latency", "150ms", "--limit", "100", "--index-lag", "0s")
	s.environ = append(s.environ, "LEADSYNC_HUBSPOT_LIMITS_REQUESTS_PER_10S=100", "LEADSYNC_HUBSPOT_LIMITS_SHARE=0.9")
	tx, err := s.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	insert, err := tx.Prepare(`INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES (?, 'lead.registered', ?, '{"firstname":"First"}')`)
	if err != nil {
		t.Fatal(err)
	}
	for i := range backlog {
		if _, err := insert.Exec(fmt.Sprint("lead-", i), fmt.Sprintf("p%d@example.com", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	d := s.daemon()
	until(t, 30*time.Second, "the first deliveries", func() bool { return s.count(`state = 'delivered' LIMIT 1`) > 0 })
	var took []time.Duration
	for i := range tries {
		address := fmt.Sprintf("p%d@example.com", backlog-1-i) // its registration is at the end of the backlog
		at := time.Now()
		if err := s.insert(fmt.Sprint("lead-", backlog-1-i), "lead.unsubscribed", address, `{}`); err != nil {
			t.Fatal(err)
		}
		until(t, 30*time.Second, "HubSpot's opt-out of all e-mail", func() bool { return len(s.admin("GET", "consent?email="+address, "")) > 0 })
		took = append(took, time.Since(at))
	}
	left := s.count(`state = 'pending'`)
	d.Kill()
	slices.Sort(took)
	t.Logf("%d unsubscribes over a backlog of %d rows, %d of them left: median %s, longest %s", tries, backlog, left, took[tries/2].Round(time.Millisecond),
		took[tries-1].Round(time.Millisecond))
	if left == 0 {
		t.Error("the backlog was gone: the test proves nothing")
	}
	if took[tries-1] > most {
		t.Errorf("an unsubscribe took %s, want at most %s", took[tries-1], most)
	}
}
