package app

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// Registrations and deletes of one lead committed in any order, one by one or together, with faults of every operation
// of theirs and restarts between: in the end the lead has one contact when its last event is a registration, and none
// when it is a delete.
func TestG2DeletesInAnyOrder(t *testing.T) {
	t.Parallel()
	faults := []string{"", "", "batch_archive=lostx1", "batch_archive=500x2", "batch_archive=drop:1x1", "batch_create=lostx1", "batch_create=500x1", "batch_read=500x1",
		"batch_create=noidsx1", "batch_update=lostx1", "get=500x1", "any=429x1", "batch_archive=hangx1", "batch_create=hangx1"}
	rng := rand.New(rand.NewPCG(1815, testsize.Seed(t)))
	for range testsize.Histories(60, 12) {
		var kinds []string
		for range 2 + rng.IntN(4) {
			kinds = append(kinds, []string{"lead.registered", "lead.registered", "lead.deleted"}[rng.IntN(3)])
		}
		order, fault := rng.Perm(len(kinds)), faults[rng.IntN(len(faults))]
		script := fmt.Sprintf("%v committed as %v, fault %q", kinds, order, fault)
		inBubble(t, hubspotsim.Config{Seed: 320, Latency: 10 * time.Millisecond}, "push: {max_deletes_per_hour: 0}", func(r *rig) {
			r.patient = true
			must(t, r.sim.SetFaults(fault))
			r.start()
			for _, i := range order {
				properties := "{}"
				if kinds[i] == "lead.registered" {
					properties = fmt.Sprintf(`{"company":"life %d"}`, i)
				}
				r.insertAs(int64(100+i), "1", kinds[i], "ada@example.com", properties)
				switch rng.IntN(4) {
				case 0:
					r.restart()
					script += fmt.Sprintf(", restart after %d", i)
				case 1:
					time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
				case 2:
					time.Sleep(20 * time.Second)
				}
			}
			r.settled(2 * time.Hour)
			time.Sleep(3 * time.Minute) // the second look
			want, last := 0, len(kinds)-1
			if kinds[last] == "lead.registered" {
				want = 1
			}
			live := r.sim.Contacts()
			if len(live) != want {
				t.Errorf("%s: %d contacts, want %d", script, len(live), want)
			}
			if len(live) == 1 && want == 1 && live[0].Properties["company"] != fmt.Sprint("life ", last) {
				t.Errorf("%s: the contact is of %s", script, live[0].Properties["company"])
			}
			for word, n := range r.counts() {
				if strings.HasPrefix(word, "dead") || strings.HasPrefix(word, "pending") {
					t.Errorf("%s: %d rows are %s", script, n, word)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
}

// An erase among registrations, updates and deletes, committed in any order, with faults and restarts between: no
// contact is left, no row names the person, and whatever comes later ends as erased.
func TestG9EraseInAnyOrder(t *testing.T) {
	t.Parallel()
	faults := []string{"", "", "gdpr_delete=lostx1", "gdpr_delete=500x2", "gdpr_delete=drop:1x1", "batch_create=lostx1", "batch_create=late:30sx1", "batch_read=500x1",
		"batch_create=noidsx1", "get=500x1", "any=429x1", "gdpr_delete=hangx1", "batch_create=hangx1", "batch_archive=lostx1"}
	rng := rand.New(rand.NewPCG(1843, testsize.Seed(t)))
	for range testsize.Histories(40, 8) {
		kinds := []string{"lead.erased"}
		for range 1 + rng.IntN(4) {
			kinds = append(kinds, []string{"lead.registered", "lead.registered", "lead.updated", "lead.deleted", "lead.unsubscribed"}[rng.IntN(5)])
		}
		rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		order, fault := rng.Perm(len(kinds)), faults[rng.IntN(len(faults))]
		script := fmt.Sprintf("%v committed as %v, fault %q", kinds, order, fault)
		inBubble(t, hubspotsim.Config{Seed: 321, Latency: 10 * time.Millisecond}, "", func(r *rig) {
			r.patient = true
			must(t, r.sim.SetFaults(fault))
			r.start()
			for _, i := range order {
				r.insertAs(int64(100+i), person, kinds[i], personEmail, fmt.Sprintf(`{"company":"Analytical-Engines %d"}`, i))
				switch rng.IntN(4) {
				case 0:
					r.restart()
					script += fmt.Sprintf(", restart after %d", i)
				case 1:
					time.Sleep(time.Duration(rng.IntN(8000)) * time.Millisecond)
				case 2:
					time.Sleep(4 * time.Minute)
				}
			}
			r.settled(2 * time.Hour)
			time.Sleep(3 * time.Minute)
			for _, c := range r.sim.Contacts() {
				t.Errorf("%s: contact %s is live", script, c.ID)
			}
			for word, n := range r.counts() {
				if strings.HasPrefix(word, "dead") || strings.HasPrefix(word, "pending") {
					t.Errorf("%s: %d rows are %s", script, n, word)
				}
			}
			var erases int
			must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE event_type = 'lead.erased' AND state = 'delivered'`).Scan(&erases))
			if erases != 1 {
				t.Errorf("%s: %d erases were delivered", script, erases)
			}
			for name, text := range r.files() {
				foundIn(t, script+": "+name, text, personWords)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// The highest id that was settled for a lead does not fall with a row that commits late: a delete below it is an older
// word, and the lead lives.
func TestG2LateRowDoesNotLowerTheOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 723}, "", func(r *rig) {
		insert := func(id int64, typ, properties string) {
			t.Helper()
			_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, properties) VALUES (?, '1', ?, ?)`, id, typ, properties)
			must(t, err)
			r.settled(time.Minute)
		}
		first := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		insert(first+9, "lead.updated", `{"company":"New"}`)
		insert(first+2, "lead.updated", `{"city":"London"}`)
		r.want(first+2, "delivered")
		insert(first+5, "lead.deleted", `{}`)
		r.want(first+5, "skipped/overtaken")
		r.wantContact("ada@example.com", map[string]string{"company": "New", "city": "London"})
	})
}
