package app

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A lead's state in HubSpot is the fold of its events in id order, whatever is retried, restarted, requeued or
// committed late.
func TestG2Order(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 4, Latency: 30 * time.Millisecond}, "", func(r *rig) {
		rng := rand.New(rand.NewPCG(4, 2))
		want := map[string]map[string]string{}
		r.start()
		for step := range testsize.Of(120, 40) {
			switch step % 40 {
			case 7:
				must(t, r.sim.SetFaults("any=500x2,batch_update=lostx1"))
			case 15:
				must(t, r.sim.SetFaults("batch_create=lostx1,batch_update=drop:3x2"))
			case 23:
				r.stop()
				r.start()
			case 31:
				must(t, r.sim.SetFaults("any=429x1,batch_update=502htmlx1"))
			}
			for range rng.IntN(8) {
				n := rng.IntN(12)
				email, lead := fmt.Sprintf("p%d@example.com", n), fmt.Sprint("lead-", n)
				field := []string{"firstname", "lastname", "company"}[rng.IntN(3)]
				value := []string{"A", "B", "C", ""}[rng.IntN(4)]
				typ, mail := "lead.updated", ""
				if want[email] == nil {
					want[email] = map[string]string{}
					typ, mail = "lead.registered", email
				}
				want[email][field] = value
				text := fmt.Sprintf(`{%q:%q}`, field, value)
				if value == "" {
					text = fmt.Sprintf(`{%q:null}`, field)
				}
				r.event(lead, typ, mail, text)
			}
			time.Sleep(time.Duration(rng.IntN(400)) * time.Millisecond)
		}
		r.settled(time.Hour)
		for email, values := range want {
			r.wantContact(email, values)
		}
		if n := len(r.sim.Contacts()); n != len(want) {
			t.Errorf("%d contacts, want %d", n, len(want))
		}
	})
}

// A row that took its id early and commits late sets only what no later row has set.
func TestG2LateCommit(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 5}, "", func(r *rig) {
		insert := func(id int64, typ, properties string) {
			t.Helper()
			_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, properties) VALUES (?, '1', ?, 'ada@example.com', ?)`, id, typ, properties)
			must(t, err)
			r.settled(time.Minute)
		}
		r.start()
		insert(10, "lead.registered", `{"firstname":"Ada"}`)
		insert(12, "lead.updated", `{"company":"New","lastname":"L"}`)
		insert(11, "lead.updated", `{"company":"Old","jobtitle":"Countess"}`)
		r.want(11, "delivered")
		want := map[string]string{"firstname": "Ada", "company": "New", "lastname": "L", "jobtitle": "Countess"}
		r.wantContact("ada@example.com", want)
		insert(5, "lead.updated", `{"company":"Oldest"}`)
		r.want(5, "skipped/overtaken")
		r.wantContact("ada@example.com", want)
	})
}

// A dead row that is put back after later ones were delivered does not bring its old values back.
func TestG2Requeue(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 6}, "push: {on_invalid_field: dead}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		bad := r.event("1", "lead.updated", "", `{"company":"Old","lifecyclestage":"no such stage"}`)
		r.start()
		r.settled(time.Minute)
		r.want(bad, "dead/invalid_property")
		next := r.event("1", "lead.updated", "", `{"company":"New"}`)
		r.settled(time.Minute)
		r.want(next, "delivered")
		_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'pending', attempts = 0, reason = NULL, note = NULL, properties = '{"company":"Old","city":"London"}' WHERE id = ?`, bad)
		must(t, err)
		r.settled(time.Minute)
		r.want(bad, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "New", "city": "London"})
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
