package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

const byKey = "push: {max_attempts: 3}\nmapping: {id_property: lead_key}"

// With an id property new leads are upserted by it, after it was asked who has it: twenty requests for a thousand, and
// every contact holds its lead's id.
func TestIDPropertyUpsert(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 261, Latency: 20 * time.Millisecond, Properties: leadKey}, byKey, func(r *rig) {
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 1000 {
				insert(fmt.Sprint("k", i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
		})
		r.start()
		r.settled(time.Minute)
		st := r.sim.Stats()
		if st.WriteRequests > 10 || st.Ops["batch_upsert"] != st.WriteRequests || st.Ops["batch_read"] > 10 {
			t.Errorf("%d writes, %d upserts, %d reads", st.WriteRequests, st.Ops["batch_upsert"], st.Ops["batch_read"])
		}
		for i := range 1000 {
			if c := r.contact(fmt.Sprintf("p%d@example.com", i)); c["lead_key"] != fmt.Sprint("k", i) {
				t.Fatalf("lead k%d: the contact holds %q", i, c["lead_key"])
			}
			if i == 20 {
				break
			}
		}
	})
}

// Lead ids that differ in case only are two leads; they never stand in one batch, which HubSpot might refuse for it.
func TestIDPropertyCase(t *testing.T) {
	t.Parallel()
	for _, folds := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 262, Properties: leadKey, Quirks: hubspotsim.Quirks{DuplicateFoldsCase: folds}}, byKey, func(r *rig) {
			a := r.event("Ab", "lead.registered", "one@example.com", `{"company":"One"}`)
			b := r.event("aB", "lead.registered", "two@example.com", `{"company":"Two"}`)
			r.start()
			r.settled(time.Minute)
			r.want(a, "delivered")
			r.want(b, "delivered")
			r.wantContact("one@example.com", map[string]string{"lead_key": "Ab", "company": "One"})
			r.wantContact("two@example.com", map[string]string{"lead_key": "aB", "company": "Two"})
		})
	}
}

// A contact that sales made is linked by its address and gets the lead's id, also when it lacks nothing else.
func TestIDPropertyMarksWhatItFinds(t *testing.T) {
	t.Parallel()
	for _, equal := range []bool{false, true} {
		for _, fault := range []string{"", "batch_update=lostx1", "batch_update=500x1"} {
			inBubble(t, hubspotsim.Config{Seed: 263, Properties: leadKey}, byKey, func(r *rig) {
				company := "Theirs"
				if equal {
					company = "Ours"
				}
				contact := r.stranger(map[string]string{"email": "ada@example.com", "company": company})
				must(t, r.sim.SetFaults(fault))
				id := r.event("1", "lead.registered", "ada@example.com", `{"company":"Ours"}`)
				r.start()
				r.settled(time.Hour)
				if o := r.want(id, "delivered"); o.Contact != contact || o.Attempts != 0 {
					t.Errorf("equal=%t %s: contact %s, %d attempts", equal, fault, o.Contact, o.Attempts)
				}
				r.wantContact("ada@example.com", map[string]string{"company": "Ours", "lead_key": "1"})
				if n := r.sim.Stats().Unchanged; n != 0 {
					t.Errorf("equal=%t %s: %d writes that changed nothing", equal, fault, n)
				}
			})
		}
	}
}

// A contact that holds another lead's id is that lead's, whatever address it has: address_taken, and nothing is written
// on it.
func TestIDPropertyOfAnotherLead(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 264, Properties: leadKey}, byKey, func(r *rig) {
		contact := r.stranger(map[string]string{"email": "ada@example.com", "company": "Theirs", "lead_key": "other"})
		id := r.event("1", "lead.registered", "ada@example.com", `{"company":"Ours"}`)
		r.start()
		r.settled(24 * time.Hour)
		if o := r.want(id, "dead/address_taken"); !strings.Contains(o.Note, contact) {
			t.Errorf("note %q", o.Note)
		}
		r.wantContact("ada@example.com", map[string]string{"company": "Theirs", "lead_key": "other"})
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}

// The create was applied, nobody heard of it, and a person changes the address of the new contact before it is found.
// By its id it is found all the same: no second contact, also when the daemon was restarted meanwhile.
func TestIDPropertyFindsALostCreate(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"lost", "cut", "noids", "late:2s"} {
		for _, restart := range []bool{false, true} {
			inBubble(t, hubspotsim.Config{Seed: 265, Properties: leadKey}, byKey, func(r *rig) {
				must(t, r.sim.SetFaults("batch_upsert="+fault+"x1"))
				id := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.start()
				made := func() bool { return r.contact("ada@example.com") != nil }
				for range 100 {
					if made() {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				if fault != "noids" { // that one is read back within the same moment
					must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"email": "king@example.com"}))
				}
				if restart {
					r.stop()
					r.start()
				}
				r.settled(time.Hour)
				if o := r.want(id, "delivered"); o.Attempts != 0 {
					t.Errorf("%s restart=%t: %d attempts", fault, restart, o.Attempts)
				}
				r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "lead_key": "1"}) // the application's word
				if n := len(r.sim.Contacts()); n != 1 {
					t.Errorf("%s restart=%t: %d contacts", fault, restart, n)
				}
			})
		}
	}
}

// The database is restored without its links: every lead finds its contact by the id, under whatever address.
func TestIDPropertyAfterLostLinks(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 266, Properties: leadKey}, byKey, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","company":"A"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"email": "king@example.com"}))
		r.stop()
		_, err := r.db.Exec(`DELETE FROM leadsync_links`)
		must(t, err)
		id := r.event("1", "lead.updated", "new@example.com", `{"company":"B"}`)
		r.start()
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.wantContact("new@example.com", map[string]string{"firstname": "Ada", "company": "B", "lead_key": "1"})
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}

// Where fields flow both ways or another winner counts, an upsert is preceded by a look, and goes by the first-link
// rule.
func TestIDPropertyReadsFirst(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(firmMapping("both", "hubspot"), "mapping:", "mapping:\n  id_property: lead_key", 1)
	inBubble(t, hubspotsim.Config{Seed: 267, Properties: leadKey}, yaml, func(r *rig) {
		r.stranger(map[string]string{"email": "other@example.com", "company": "Theirs", "lead_key": "1"})
		id := r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":"Ours"}`)
		fresh := r.event("2", "lead.registered", "bob@example.com", `{"name":"Bob","firm":"Ours"}`)
		r.start()
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.want(fresh, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Theirs", "lead_key": "1"})
		r.wantContact("bob@example.com", map[string]string{"firstname": "Bob", "company": "Ours", "lead_key": "2"})
		r.wantInbox(`contact.updated {"firm":{"value":"Theirs","was":null}}`)
	})
}
