package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// An address that a late or requeued older row names does not replace the one that a later row set.
func TestStoryOlderAddressStaysBehind(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 202}, "", func(r *rig) {
		r.start()
		r.insertAs(1, "1", "lead.registered", "a@example.com", `{"firstname":"Ada"}`)
		r.settled(time.Minute)
		r.insertAs(5, "1", "lead.updated", "c@example.com", `{}`)
		r.settled(time.Minute)
		r.insertAs(3, "1", "lead.updated", "b@example.com", `{"city":"London"}`)
		r.settled(time.Minute)
		r.want(3, "delivered") // its city is news
		r.insertAs(2, "1", "lead.updated", "d@example.com", `{}`)
		r.settled(time.Minute)
		r.want(2, "skipped/overtaken")
		r.wantContact("c@example.com", map[string]string{"firstname": "Ada", "city": "London"})
	})
}

// A row in backoff does not let a later one of its lead go ahead, and a later one brings it along.
func TestStoryBackoffIsTheLeads(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 206}, "push: {max_attempts: 6}", func(r *rig) {
		r.event("other", "lead.registered", "taken@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		reg := r.event("1", "lead.registered", "taken@example.com", `{"company":"A"}`)
		time.Sleep(time.Second)
		if o := r.want(reg, "pending"); o.NotBefore == 0 {
			t.Error("the row does not wait")
		}
		upd := r.event("1", "lead.updated", "", `{"city":"London"}`)
		time.Sleep(time.Second)
		r.want(upd, "pending")
		must(t, r.sim.Edit(hubspotsim.Target{Email: "taken@example.com"}, map[string]string{"email": "free@example.com"}))
		r.settled(24 * time.Hour)
		r.want(reg, "delivered")
		r.want(upd, "delivered")
		r.wantContact("taken@example.com", map[string]string{"company": "A", "city": "London"})
	})
}

// Rows that wait along with a row whose address is taken are not asked for again and again: a lead costs the requests
// of its attempts and no more.
func TestTakenAddressCostsItsAttempts(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 207}, "push: {max_attempts: 5}", func(r *rig) {
		r.start()
		r.event("warm", "lead.registered", "warm@example.com", `{}`)
		r.settled(time.Minute)
		holder := r.stranger(map[string]string{"email": "taken@example.com"})
		link := r.event("holder", "lead.registered", "taken@example.com", `{}`)
		r.settled(time.Minute)
		if o := r.want(link, "delivered"); o.Contact != holder {
			t.Fatalf("linked to %s", o.Contact)
		}
		_, err := r.db.Exec(`UPDATE leadsync_links SET address = 'else@example.com' WHERE lead_id = 'holder'`) // as after a change by hand
		must(t, err)
		before := r.sim.Stats().Requests
		up := r.event("1", "lead.updated", "", `{"city":"London"}`)
		reg := r.event("1", "lead.registered", "taken@example.com", `{"company":"A"}`)
		r.settledBut(1, 24*time.Hour)
		if o := r.want(reg, "dead/address_taken"); o.Attempts != 5 || !strings.Contains(o.Note, holder) {
			t.Errorf("%d attempts, note %q", o.Attempts, o.Note)
		}
		r.want(up, "pending")
		if n := r.sim.Stats().Requests - before; n > 3*5 {
			t.Errorf("%d requests for 5 attempts", n)
		}
		brings := r.event("1", "lead.updated", "mine@example.com", `{}`)
		r.settled(time.Minute)
		r.want(up, "delivered")
		r.want(brings, "delivered")
		r.wantContact("mine@example.com", map[string]string{"city": "London", "company": ""})
	})
}

// settledBut waits until no more than n rows are pending.
func (r *rig) settledBut(n int, d time.Duration) {
	r.t.Helper()
	for end, wait := time.Now().Add(d), 100*time.Millisecond; r.counts()["pending"] > n; wait = min(wait*11/10, 30*time.Second) {
		if time.Now().After(end) {
			r.t.Fatalf("%d rows are still pending after %s", r.counts()["pending"], d)
		}
		time.Sleep(wait)
	}
}

// Of several pending addresses the last one that can be had counts: a taken one costs its own row and nothing else,
// with a contact and without.
func TestStoryEarlierAddressWhenTheLastIsTaken(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{true, false} {
		for _, strangers := range []bool{true, false} {
			inBubble(t, hubspotsim.Config{Seed: 208}, "push: {max_attempts: 3}", func(r *rig) {
				r.event("warm", "lead.registered", "warm@example.com", `{}`)
				r.start()
				r.settled(time.Minute)
				if linked {
					r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
				}
				for i := range 3 {
					address := fmt.Sprintf("taken%d@example.com", i)
					if r.event(fmt.Sprint("holder", i), "lead.registered", address, `{}`); strangers {
						continue
					}
				}
				r.settled(time.Minute)
				if strangers { // leadsync does not know that the addresses are where they are
					_, err := r.db.Exec(`UPDATE leadsync_links SET address = lead_id || '@example.net' WHERE lead_id LIKE 'holder%'`)
					must(t, err)
				}
				r.stop()
				typ := "lead.updated"
				if !linked {
					typ = "lead.registered"
				}
				a := r.event("1", typ, "taken0@example.com", `{"city":"A"}`)
				b := r.event("1", "lead.updated", "mine@example.com", `{"company":"B"}`)
				c := r.event("1", "lead.updated", "taken1@example.com", `{"state":"C"}`)
				d := r.event("1", "lead.updated", "taken2@example.com", `{"zip":"D"}`)
				r.start()
				time.Sleep(2 * time.Second)
				r.wantContact("mine@example.com", map[string]string{"city": "A", "company": "B", "state": "C", "zip": "D"})
				r.settled(24 * time.Hour)
				r.want(a, "delivered")
				r.want(b, "delivered")
				r.want(c, "dead/address_taken")
				r.want(d, "dead/address_taken")
				r.wantContact("mine@example.com", map[string]string{"city": "A", "company": "B", "state": "C", "zip": "D"})
			})
		}
	}
}

// The rows of a lead are tried together: five rows whose address is taken cost the requests of one.
func TestTakenAddressIsTriedOnceForAllRows(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 213}, "push: {max_attempts: 4}", func(r *rig) {
		r.event("holder", "lead.registered", "taken@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		_, err := r.db.Exec(`UPDATE leadsync_links SET address = 'else@example.com' WHERE lead_id = 'holder'`)
		must(t, err)
		before := r.sim.Stats().Requests
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 5 {
				insert("1", "lead.registered", "taken@example.com", fmt.Sprintf(`{"company":"C%d"}`, i))
			}
		})
		r.settled(24 * time.Hour)
		if got := r.counts(); got["dead/address_taken"] != 5 {
			t.Errorf("%v", got)
		}
		if n := r.sim.Stats().Requests - before; n > 3*4+1 { // and once a day the account's subscription types
			t.Errorf("%d requests for 4 attempts", n)
		}
	})
}
