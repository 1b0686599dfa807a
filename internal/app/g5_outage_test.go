package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// An outage of any kind costs time and nothing else: no attempt, no dead row, and the lane goes on by itself.
func TestG5OutageCostsNothing(t *testing.T) {
	t.Parallel()
	all := []string{"500", "lost", "429daily", "401", "502html", "524", "hang", "cut", "403", "423", "429", "477:60"}
	for _, fault := range testsize.Some(t, all, 3) {
		inBubble(t, hubspotsim.Config{Seed: 11, Latency: 10 * time.Millisecond, TimeZone: "Etc/GMT+1"}, "push: {max_attempts: 2}", func(r *rig) {
			r.patient = true
			warm := r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			r.want(warm, "delivered")
			must(t, r.sim.SetFaults("any="+fault))
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 250 {
					insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
				}
			})
			time.Sleep(30 * time.Minute)
			if got := r.counts(); got["pending"] != 250 && fault != "lost" && fault != "cut" {
				t.Errorf("%s: after half an hour of it: %v", fault, got)
			}
			must(t, r.sim.SetFaults(""))
			r.settled(2 * time.Hour)
			if got := r.counts(); got["delivered"] != 251 {
				t.Errorf("%s: after it: %v", fault, got)
			}
			var tried int
			must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE attempts > 0`).Scan(&tried))
			if tried != 0 {
				t.Errorf("%s: %d rows lost an attempt", fault, tried)
			}
			if n := r.sim.Stats().Contacts; n != 251 {
				t.Errorf("%s: %d contacts, want 251", fault, n)
			}
		})
	}
}

// A row whose request alone always fails, while others succeed, is found by halving and uses up its own attempts; the
// others lose nothing.
func TestG5RowOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, kind := range testsize.Some(t, []string{"500", "hang", "502html"}, 1) {
		inBubble(t, hubspotsim.Config{Seed: 12, Latency: 10 * time.Millisecond}, "push: {max_attempts: 3}", func(r *rig) {
			r.patient = true
			bad := r.event("bad", "lead.registered", "fault-"+kind+"@example.com", `{"firstname":"F"}`)
			for i := range 150 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
			r.start()
			for i := range 600 { // others go on meanwhile
				time.Sleep(20 * time.Second)
				r.event(fmt.Sprint("later", i), "lead.registered", fmt.Sprintf("later%d@example.com", i), `{}`)
				if r.outcome(bad).State != "pending" {
					break
				}
			}
			r.want(bad, "dead/gave_up")
			r.settled(time.Hour)
			for word, n := range r.counts() {
				if word != "delivered" && word != "dead/gave_up" || word == "dead/gave_up" && n != 1 {
					t.Errorf("%s: %d rows are %s", kind, n, word)
				}
			}
		})
	}
}
