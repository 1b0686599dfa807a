package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// delivered needs HubSpot's word about the row: rows that an answer names nowhere are read back, and those that are not
// there are tried again, not assumed.
func TestG4Evidence(t *testing.T) {
	t.Parallel()
	for _, fault := range testsize.Some(t, []string{"drop:40x1", "noidsx1", "empty200x1"}, 1) {
		inBubble(t, hubspotsim.Config{Seed: 9, Latency: 10 * time.Millisecond}, "", func(r *rig) {
			must(t, r.sim.SetFaults("batch_create="+fault))
			var ids []int64
			for i := range 100 {
				ids = append(ids, r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`))
			}
			r.start()
			deadline := time.Now().Add(time.Hour)
			for time.Now().Before(deadline) {
				there := map[string]bool{}
				for _, c := range r.sim.Contacts() {
					there[c.Properties["email"]] = true
				}
				done := true
				for i, id := range ids {
					switch o := r.outcome(id); {
					case o.State == "pending":
						done = false
					case o.State == "delivered" && !there[fmt.Sprintf("p%d@example.com", i)]:
						t.Fatalf("%s: row %d is delivered, and HubSpot does not have it", fault, id)
					case o.State != "delivered":
						t.Fatalf("%s: row %d is %s", fault, id, o.word())
					}
				}
				if done {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			r.settled(time.Second)
			if st := r.sim.Stats(); st.Contacts != 100 || st.Unchanged != 0 {
				t.Errorf("%s: %d contacts, want 100; %d rows written again that held the values", fault, st.Contacts, st.Unchanged)
			}
		})
	}
}

// A row that no answer ever names and no reading ever shows ends as gave_up after max_attempts, not as delivered.
func TestG4NeverNamed(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 10}, "push: {max_attempts: 3}", func(r *rig) {
		bad := r.event("1", "lead.registered", "fault-drop@example.com", `{"firstname":"F"}`)
		good := r.event("2", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(24 * time.Hour)
		r.want(good, "delivered")
		if o := r.want(bad, "dead/gave_up"); o.Attempts != 3 {
			t.Errorf("%d attempts, want 3", o.Attempts)
		}
	})
}
