package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// More rows of one lead wait for an address than are read at once: the row that brings it is found behind them, and all
// of them end as one fold.
func TestStoryAddressBehindManyRows(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 301}, "", func(r *rig) {
			if linked { // rows that this version does not act on wait just so
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			}
			r.start()
			r.settled(time.Minute)
			tx, err := r.db.Begin()
			must(t, err)
			for i := range 2500 {
				typ, props := "lead.updated", fmt.Sprintf(`{"company":"C%d"}`, i)
				if linked {
					typ, props = "lead.unsubscribed", `{}`
				}
				_, err := tx.Exec(`INSERT INTO lead_outbox (lead_id, event_type, properties) VALUES ('1', ?, ?)`, typ, props)
				must(t, err)
			}
			must(t, tx.Commit())
			time.Sleep(10 * time.Second)
			last := r.event("1", "lead.updated", "ada@example.com", `{"city":"London"}`)
			time.Sleep(20 * time.Second)
			r.want(last, "delivered")
			if linked {
				r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "city": "London"})
			} else {
				r.settled(time.Minute)
				r.wantContact("ada@example.com", map[string]string{"company": "C2499", "city": "London"})
			}
			if n := r.sim.Stats().WriteRequests; n > 6 {
				t.Errorf("linked=%t: %d write requests", linked, n)
			}
		})
	}
}

// A lead with more rows than are read at once and a taken address is tried when it is due and not all the time.
func TestStoryTakenAddressOfManyRows(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 302}, "push: {max_attempts: 4}", func(r *rig) {
		r.event("holder", "lead.registered", "taken@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		_, err := r.db.Exec(`UPDATE leadsync_links SET address = 'else@example.com' WHERE lead_id = 'holder'`)
		must(t, err)
		before := r.sim.Stats().Requests
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 2500 {
				insert("1", "lead.registered", "taken@example.com", fmt.Sprintf(`{"company":"C%d"}`, i))
			}
		})
		time.Sleep(time.Minute)
		if n := r.sim.Stats().Requests - before; n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
		r.settled(24 * time.Hour)
		if got := r.counts(); got["dead/address_taken"] != 2500 {
			t.Errorf("%v", got)
		}
	})
}

// A lead that names a dozen addresses which others have ends each of those rows after its attempts; what is left of it
// is delivered.
func TestStoryManyTakenAddresses(t *testing.T) {
	t.Parallel()
	for _, linked := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 303}, "push: {max_attempts: 3}", func(r *rig) {
			for i := range 12 {
				r.event(fmt.Sprint("holder", i), "lead.registered", fmt.Sprintf("taken%d@example.com", i), `{}`)
			}
			if linked {
				r.event("1", "lead.registered", "ada@example.com", `{}`)
			}
			r.start()
			r.settled(time.Minute)
			_, err := r.db.Exec(`UPDATE leadsync_links SET address = lead_id || '@example.net' WHERE lead_id LIKE 'holder%'`)
			must(t, err)
			var ids []int64
			r.stop()
			for i := range 12 {
				ids = append(ids, r.event("1", "lead.registered", fmt.Sprintf("taken%d@example.com", i), fmt.Sprintf(`{"company":"C%d"}`, i)))
			}
			r.start()
			r.settled(24 * time.Hour)
			for _, id := range ids {
				r.want(id, "dead/address_taken")
			}
			last := r.event("1", "lead.updated", "free@example.com", `{"city":"London"}`)
			r.settled(time.Minute)
			r.want(last, "delivered")
			r.wantContact("free@example.com", map[string]string{"city": "London"})
		})
	}
}

// Contacts that hold so much text that a hundred of them make too large an answer are read in smaller parts.
func TestStoryReadsThatAreTooLarge(t *testing.T) {
	t.Parallel()
	yaml := "mapping: {fields: [{lead: a, contact: message, direction: both, winner: hubspot}, {lead: b, contact: address, direction: both, winner: hubspot}, {lead: c, contact: company, direction: both, winner: hubspot}, {lead: d, contact: jobtitle}]}"
	inBubble(t, hubspotsim.Config{Seed: 304}, yaml, func(r *rig) {
		long := strings.Repeat("x", 65_000)
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 100 {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), fmt.Sprintf(`{"a":"a%s","b":"b%s","c":"c%s"}`, long, long, long))
			}
		})
		r.start()
		r.settled(10 * time.Minute)
		r.stop()
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 100 {
				insert(fmt.Sprint(i), "lead.updated", fmt.Sprintf("p%d@example.com", i), `{"a":"short"}`)
			}
		})
		r.start()
		r.settled(10 * time.Minute)
		if got := r.counts(); got["delivered"] != 200 {
			t.Errorf("%v", got)
		}
	})
}

// A large backlog does not keep a row whose turn to be tried again has come: it goes first.
func TestStoryRetriesBesideABacklog(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 305, Latency: 100 * time.Millisecond, Limit: 190}, "push: {max_attempts: 6}\nhubspot: {limits: {requests_per_10s: 190, share: 1}}", func(r *rig) {
		r.event("holder", "lead.registered", "taken@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		waits := r.event("waits", "lead.registered", "taken@example.com", `{}`)
		time.Sleep(time.Second)
		r.want(waits, "pending")
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 40_000 {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
			}
		})
		must(t, r.sim.Edit(hubspotsim.Target{Email: "taken@example.com"}, map[string]string{"email": "moved@example.com"}))
		_, err := r.db.Exec(`UPDATE leadsync_links SET address = 'moved@example.com' WHERE lead_id = 'holder'`)
		must(t, err)
		for began := time.Now(); r.outcome(waits).State == "pending"; time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > 20*time.Second {
				t.Fatal("the row waits behind the backlog")
			}
		}
		r.want(waits, "delivered")
		if n := r.counts()["pending"]; n < 10_000 {
			t.Fatalf("the backlog was gone (%d left)", n)
		}
	})
}
