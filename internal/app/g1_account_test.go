package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// For N rows ever inserted, pending + delivered + skipped + dead = N at every moment, through faults, bad rows and
// restarts.
func TestG1Account(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 3, Latency: 20 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
		r.patient = true
		total := 0
		account := func() {
			t.Helper()
			sum := 0
			for word, n := range r.counts() {
				switch o := word; {
				case o == "pending", o == "delivered", len(o) > 8 && o[:8] == "skipped/", len(o) > 5 && o[:5] == "dead/":
				default:
					t.Errorf("%d rows are %q: not one of the states, or without a reason", n, o)
				}
				sum += n
			}
			if sum != total {
				t.Errorf("%d rows in the table, %d inserted", sum, total)
			}
		}
		r.start()
		for round := range testsize.Of(6, 2) {
			script := []string{"", "any=500x3", "batch_create=lostx2", "batch_create=drop:30x1", "any=429x2", "batch_update=cutx1"}[round]
			if err := r.sim.SetFaults(script); err != nil {
				t.Fatal(err)
			}
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 150 {
					insert(fmt.Sprint(round%3, "-", i), "lead.registered", fmt.Sprintf("p%d-%d@example.org", round%3, i), fmt.Sprintf(`{"lastname":"L%d"}`, round))
				}
				insert("bad", "lead.registered", "x@example.org", `{"a":`)
				insert("", "lead.registered", "x@example.org", `{}`)
				insert("later", "lead.unsubscribed", "x@example.org", `{}`)
			})
			total += 153
			for range 20 {
				time.Sleep(150 * time.Millisecond)
				account()
			}
			if round%2 == 1 {
				r.stop()
				account()
				r.start()
			}
		}
		time.Sleep(10 * time.Minute)
		account()
		each := testsize.Of(6, 2)
		if got := r.counts(); got["pending"] != 0 || got["dead/invalid_json"] != each || got["dead/missing_lead_id"] != each {
			t.Errorf("at the end: %v, want none pending and %d each invalid_json and missing_lead_id", got, each)
		}
		r.out("x@example.org") // one unsubscribe a round; one that failed may have been overtaken by the next
		if n := r.sim.Stats().Contacts; n != 150*min(each, 3) {
			t.Errorf("%d contacts, want %d", n, 150*min(each, 3))
		}
	})
}
