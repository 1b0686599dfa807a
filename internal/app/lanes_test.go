package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/status"
)

// bySettled is how long a row waited from its insert to its end.
func (r *rig) bySettled(id int64) time.Duration {
	r.t.Helper()
	var created, settled int64
	must(r.t, r.db.QueryRow(`SELECT created_at, coalesce(settled_at, 0) FROM lead_outbox WHERE id = ?`, id).Scan(&created, &settled))
	if settled == 0 {
		return time.Duration(1<<63 - 1)
	}
	return time.Duration(settled-created) * time.Millisecond
}

// within holds rows against how long they may have waited to be delivered.
func (r *rig) within(what string, most time.Duration, ids ...int64) {
	r.t.Helper()
	for _, id := range ids {
		if o := r.outcome(id); o.State != "delivered" {
			r.t.Errorf("%s: row %d is %s (note %q, attempts %d)", what, id, o.word(), o.Note, o.Attempts)
		} else if d := r.bySettled(id); d > most {
			r.t.Errorf("%s: row %d waited %s, want at most %s", what, id, d, most)
		}
	}
}

// The unsubscribe lane takes a lead out of a batch that is not sent yet, whatever stopped the contact lane, and whatever was paused and
// resumed before.
func TestLanesUnsubscribeLeavesPlannedBatch(t *testing.T) {
	for _, paused := range []string{"", status.LaneLive, status.LaneBackfill} {
		inBubble(t, hubspotsim.Config{Seed: 50, Latency: 10 * time.Millisecond}, "", func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			if paused != "" {
				r.pause(paused)
				time.Sleep(5 * time.Second)
				r.resume(paused)
				time.Sleep(5 * time.Second)
			}
			must(t, r.sim.SetFaults("batch_create=500"))
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 1500 {
					insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
				}
			})
			time.Sleep(time.Minute)
			var out []int64
			for i := range 15 {
				out = append(out, r.event(fmt.Sprint(100*i+50), "lead.unsubscribed", fmt.Sprintf("p%d@example.com", 100*i+50), ""))
			}
			time.Sleep(5 * time.Second)
			r.within("after a pause of "+paused, 2*time.Second, out...)
			must(t, r.sim.SetFaults(""))
			r.settled(5 * time.Minute)
		})
	}
}
