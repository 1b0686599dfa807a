package app

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// insertAs inserts a row under an id of its own choice: a transaction that took its id early and commits late.
func (r *rig) insertAs(id int64, lead, typ, email, properties string) {
	r.t.Helper()
	var mail any
	if email != "" {
		mail = email
	}
	_, err := r.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, properties) VALUES (?, ?, ?, ?, ?)`, id, lead, typ, mail, properties)
	must(r.t, err)
}

// requeue does what `outbox retry` does.
func (r *rig) requeue(id int64) {
	r.t.Helper()
	_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'pending', attempts = 0, not_before = NULL, reason = NULL, note = NULL, settled_at = NULL WHERE id = ?`, id)
	must(r.t, err)
}

// The address is a field like any other. A registration that commits after a later change of address makes the contact
// under the later address, or sets only what the later row did not, and never brings its own address back.
func TestStoryLateRegistrationKeepsLaterAddress(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{true, false} {
		inBubble(t, hubspotsim.Config{Seed: 201}, "", func(r *rig) {
			r.start()
			r.insertAs(2, "1", "lead.updated", "later@example.com", `{"company":"B"}`)
			if !together {
				r.settled(time.Minute)
			}
			r.insertAs(1, "1", "lead.registered", "early@example.com", `{"firstname":"Ada","company":"A"}`)
			r.settled(time.Minute)
			r.want(1, "delivered")
			r.want(2, "delivered")
			r.wantContact("later@example.com", map[string]string{"firstname": "Ada", "company": "B"})
			if n := len(r.sim.Contacts()); n != 1 {
				t.Errorf("together=%t: %d contacts", together, n)
			}
		})
	}
}

// Rows that come before any address wait, whatever became of the row that brings one meanwhile, and are delivered
// with it. Nothing is dead for lack of an address.
func TestStoryRowsBeforeTheAddress(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "batch_create=500x1", "batch_create=lostx1", "batch_create=hangx1"} {
		inBubble(t, hubspotsim.Config{Seed: 203}, "", func(r *rig) {
			first := r.event("1", "lead.updated", "", `{"city":"London"}`)
			r.start()
			time.Sleep(5 * time.Second)
			if o := r.want(first, "pending"); o.Note != "waits for an address" || o.Attempts != 0 {
				t.Errorf("%s: note %q, %d attempts", fault, o.Note, o.Attempts)
			}
			must(t, r.sim.SetFaults(fault))
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			time.Sleep(300 * time.Millisecond)
			last := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
			r.settled(time.Hour)
			for _, id := range []int64{first, reg, last} {
				if o := r.want(id, "delivered"); o.Attempts != 0 {
					t.Errorf("%s: row %d lost %d attempts", fault, id, o.Attempts)
				}
			}
			r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "city": "London", "company": "Engines"})
			if n := len(r.sim.Contacts()); n != 1 {
				t.Errorf("%s: %d contacts", fault, n)
			}
		})
	}
}

// HubSpot took B and nobody heard of it; the next event sets A again, which is what the
// ledger says HubSpot holds. Nothing may count as unchanged before the contact was looked at. The same with a daemon
// that dies in between.
func TestStoryLedgerIsBehind(t *testing.T) {
	t.Parallel()
	for _, crash := range []string{"", "restart", "restart while HubSpot is away"} {
		for _, fault := range []string{"lost", "cut", "500", "hang", "late:2s"} {
			inBubble(t, hubspotsim.Config{Seed: 204}, "", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`)
				r.start()
				r.settled(time.Minute)
				must(t, r.sim.SetFaults("batch_update="+fault+"x1"))
				b := r.event("1", "lead.updated", "", `{"company":"B"}`)
				time.Sleep(300 * time.Millisecond)
				if crash != "" {
					r.stop()
				}
				a := r.event("1", "lead.updated", "", `{"company":"A"}`)
				if crash != "" {
					if strings.HasSuffix(crash, "away") { // for longer than requests of the daemon before can still be executed
						must(t, r.sim.SetFaults("account=500"))
					}
					r.start()
					time.Sleep(time.Minute)
					must(t, r.sim.SetFaults(""))
				}
				r.settled(time.Hour)
				r.wantContact("ada@example.com", map[string]string{"company": "A"})
				for _, id := range []int64{a, b} {
					if o := r.outcome(id); o.State != "delivered" && o.word() != "skipped/unchanged" || o.Attempts != 0 {
						t.Errorf("%s %s: row %d is %s after %d attempts", fault, crash, id, o.word(), o.Attempts)
					}
				}
				r.wantInbox()
				if n := r.sim.Stats().Unchanged; n != 0 && fault != "late:2s" {
					t.Errorf("%s %s: %d writes changed nothing", fault, crash, n)
				}
			})
		}
	}
}

// A row that is skipped as unchanged still counts in the order. The row before it, dead and put back later, does not
// bring its value back.
func TestStoryUnchangedCountsInTheOrder(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 205}, "push: {on_invalid_field: dead}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"phone":"A"}`)
		r.start()
		r.settled(time.Minute)
		dead := r.event("1", "lead.updated", "", `{"phone":"B","lifecyclestage":"nonsense"}`)
		r.settled(time.Minute)
		r.want(dead, "dead/invalid_property")
		same := r.event("1", "lead.updated", "", `{"phone":"A"}`)
		r.settled(time.Minute)
		r.want(same, "skipped/unchanged")
		_, err := r.db.Exec(`UPDATE lead_outbox SET properties = '{"phone":"B"}' WHERE id = ?`, dead)
		must(t, err)
		r.requeue(dead)
		r.settled(time.Minute)
		r.want(dead, "skipped/overtaken")
		r.wantContact("ada@example.com", map[string]string{"phone": "A"})
	})
}

// A null clears what a contact held before the lead was linked to it, although the ledger has never heard of the
// property.
func TestStoryClearsWhatItHasNotSeen(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 209}, "", func(r *rig) {
		r.stranger(map[string]string{"email": "ada@example.com", "company": "Old", "city": "London"})
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		id := r.event("1", "lead.updated", "", `{"company":null,"jobtitle":null}`)
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "", "city": "London"})
		before := r.sim.Stats()
		again := r.event("1", "lead.updated", "", `{"company":null,"jobtitle":null}`)
		r.settled(time.Minute)
		r.want(again, "skipped/unchanged")
		if after := r.sim.Stats(); after.Requests != before.Requests || after.Unchanged != 0 {
			t.Errorf("%d requests for nothing, %d writes that changed nothing", after.Requests-before.Requests, after.Unchanged)
		}
	})
}

// HubSpot accepts a step back of the lifecycle stage and keeps the old one, without showing it in the answer. The
// second look reads it, the ledger remembers what was sent and what stands there, and the same event again costs
// nothing.
func TestStoryStageNotMovedBack(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 210}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"lifecyclestage":"customer"}`)
		r.start()
		r.settled(time.Minute)
		back := r.event("1", "lead.updated", "", `{"lifecyclestage":"lead"}`)
		r.settled(time.Minute)
		r.want(back, "delivered")
		time.Sleep(5 * time.Minute)
		before := r.sim.Stats().Requests
		again := r.event("1", "lead.updated", "", `{"lifecyclestage":"lead"}`)
		r.settled(time.Minute)
		r.want(again, "skipped/unchanged")
		if n := r.sim.Stats().Requests - before; n != 0 {
			t.Errorf("%d requests for an event that changes nothing", n)
		}
		forward := r.event("1", "lead.updated", "", `{"lifecyclestage":"evangelist"}`)
		r.settled(time.Minute)
		r.want(forward, "delivered")
		r.wantContact("ada@example.com", map[string]string{"lifecyclestage": "evangelist"})
	})
}

// A 401 or a limit in the middle of a backlog puts its leads off for as long as it lasts, not behind the whole backlog.
func TestRefusedRequestKeepsItsPlace(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 211, Latency: 300 * time.Millisecond}, "push: {concurrency: 1}", func(r *rig) {
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 20_000 {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
			}
		})
		var once sync.Once
		r.base = func(inner http.RoundTripper) http.RoundTripper {
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if strings.HasSuffix(req.URL.Path, "/batch/create") {
					once.Do(func() { must(t, r.sim.SetFaults("batch_create=429x1")) })
				}
				return inner.RoundTrip(req)
			})
		}
		r.start()
		time.Sleep(12 * time.Second)
		if n := r.counts()["pending"]; n < 5000 {
			t.Fatalf("the backlog is gone: %d rows left", n)
		}
		var first int
		must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE state = 'pending' AND id <= 1000`).Scan(&first))
		if first != 0 {
			t.Errorf("%d of the first 1,000 rows wait behind the backlog", first)
		}
	})
}

// A request that HubSpot executes after our time-out puts an older value of ours over the newer one. A reading in
// between, made for another reason, does not take it for somebody's edit: the second look mends it.
func TestStoryLateWriteIsNotAnEdit(t *testing.T) {
	t.Parallel()
	for _, id := range []bool{false, true} {
		yaml := "push: {max_attempts: 4}"
		if id {
			yaml = "push: {max_attempts: 4}\nmapping: {id_property: lead_key}"
		}
		inBubble(t, hubspotsim.Config{Seed: 212, Properties: leadKey}, yaml, func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"company":"First"}`)
			r.event("2", "lead.registered", "taken@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.SetFaults("batch_update=late:30sx1"))
			r.event("1", "lead.updated", "", `{"company":"Old"}`)
			time.Sleep(16 * time.Second)
			r.event("1", "lead.updated", "", `{"company":"New"}`)
			r.event("1", "lead.updated", "taken@example.com", `{}`)
			time.Sleep(3 * time.Second)
			r.wantContact("ada@example.com", map[string]string{"company": "New"})
			time.Sleep(20 * time.Second) // the late request has arrived, and the row with the taken address was tried again
			r.wantContact("ada@example.com", map[string]string{"company": "Old"})
			time.Sleep(5 * time.Minute)
			r.wantContact("ada@example.com", map[string]string{"company": "New"})
		})
	}
}

// HubSpot holds by chance what a row wants that then dies: the row before it is not overtaken by a row that was never
// delivered.
func TestStoryDeadRowDoesNotOvertake(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 214}, "push: {on_invalid_field: dead}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`)
		r.start()
		r.settled(time.Minute) // the definitions are known now
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "hs_lead_status", Options: []hubspotsim.Option{{Label: "N", Value: "N"}}}))
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "C"}))
		must(t, r.sim.SetFaults("batch_update=500x1")) // so that the contact is read before the next write
		var b, c int64
		r.events(func(insert func(lead, typ, email, properties string)) {
			insert("1", "lead.updated", "ada@example.com", `{"company":"B"}`)
			insert("1", "lead.updated", "ada@example.com", `{"company":"C","hs_lead_status":"OPEN"}`)
		})
		must(t, r.db.QueryRow(`SELECT max(id) - 1, max(id) FROM lead_outbox`).Scan(&b, &c))
		r.settled(time.Minute)
		r.want(b, "delivered")
		r.want(c, "dead/invalid_property")
		r.wantContact("ada@example.com", map[string]string{"company": "B"})
	})
}

// HubSpot takes no writes for half an hour, and answers everything else: it is an outage all the same and costs no
// attempt, although each row fails by itself again and again.
func TestG5OnlyWritesFail(t *testing.T) {
	t.Parallel()
	for _, kind := range testsize.Some(t, []string{"500", "hang", "502html"}, 1) {
		inBubble(t, hubspotsim.Config{Seed: 215, Latency: 10 * time.Millisecond}, "push: {max_attempts: 2}", func(r *rig) {
			r.event("warm", "lead.registered", "warm@example.com", `{}`)
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.SetFaults("batch_create="+kind+",batch_update="+kind))
			for i := range 30 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
			time.Sleep(30 * time.Minute)
			must(t, r.sim.SetFaults(""))
			r.settled(time.Hour)
			var tried int
			must(t, r.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE attempts > 0`).Scan(&tried))
			if got := r.counts(); got["delivered"] != 31 || tried != 0 {
				t.Errorf("%s: %v, %d rows lost an attempt", kind, got, tried)
			}
		})
	}
}
