package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// A contact that people archive while rows wait: updates end as contact_gone and the application hears of it once; a
// newer registration makes a fresh contact, filled with what settled rows said before, and the order of events goes on.
func TestStoryArchivedContact(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 241}, "", func(r *rig) {
		reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","company":"Engines","city":"London"}`)
		r.start()
		r.settled(time.Minute)
		r.event("1", "lead.updated", "", `{"city":null}`)
		r.settled(time.Minute)
		old := r.outcome(reg).Contact
		must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
		gone := r.event("1", "lead.updated", "", `{"jobtitle":"Countess"}`)
		r.settled(time.Minute)
		if o := r.want(gone, "dead/contact_gone"); o.Attempts != 0 || !strings.Contains(o.Note, old) {
			t.Errorf("%d attempts, note %q", o.Attempts, o.Note)
		}
		r.wantInbox("contact.deleted {}")
		more := r.event("1", "lead.updated", "", `{"jobtitle":"Countess"}`)
		r.settled(time.Minute)
		r.want(more, "dead/contact_gone")
		r.wantInbox("contact.deleted {}")
		again := r.event("1", "lead.registered", "ada@example.com", `{"lastname":"King"}`)
		r.settled(time.Minute)
		if o := r.want(again, "delivered"); o.Contact == old {
			t.Error("the archived contact")
		}
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Engines", "lastname": "King", "city": "", "jobtitle": ""})
		r.insertAs(0x7fff, "1", "lead.updated", "", `{"firstname":"Augusta"}`)
		r.settled(time.Minute)
		r.requeue(gone)
		r.settled(time.Minute)
		r.want(gone, "delivered") // it is older than the registration, and no later row has set the field
		r.wantContact("ada@example.com", map[string]string{"firstname": "Augusta", "jobtitle": "Countess"})
	})
}

// The registration comes before anybody has noticed that the contact is archived, and its create is lost or refused in
// any way: one fresh contact, complete.
func TestStoryArchivedAndRegisteredAtOnce(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "batch_create=lostx1", "batch_create=500x1", "batch_update=500x1", "batch_read=500x2", "get=502htmlx1", "batch_create=noidsx1"} {
		for _, found := range []bool{false, true} {
			inBubble(t, hubspotsim.Config{Seed: 242}, "", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","company":"Engines"}`)
				r.start()
				r.settled(time.Minute)
				must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
				if found { // sales made another one
					r.stranger(map[string]string{"email": "ada@example.com", "company": "Theirs", "city": "Paris"})
				}
				must(t, r.sim.SetFaults(fault))
				id := r.event("1", "lead.registered", "ada@example.com", `{"lastname":"King"}`)
				r.settled(time.Hour)
				r.want(id, "delivered")
				r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Engines", "lastname": "King"})
				if n := len(r.sim.Contacts()); n != 1 {
					t.Errorf("%s found=%t: %d contacts", fault, found, n)
				}
				next := r.event("1", "lead.updated", "", `{"company":"Engines","firstname":"Ada"}`)
				r.settled(time.Minute)
				r.want(next, "skipped/unchanged")
			})
		}
	}
}

// A value that the contact held before it was archived and that HubSpot takes no more does not keep the fresh one from
// being made.
func TestStoryFillThatIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 243}, "push: {on_invalid_field: dead}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","hs_lead_status":"OPEN"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
		must(t, r.sim.DefineProperty(hubspotsim.Property{Name: "hs_lead_status", Options: []hubspotsim.Option{{Label: "N", Value: "N"}}}))
		id := r.event("1", "lead.registered", "ada@example.com", `{"lastname":"King"}`)
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "lastname": "King", "hs_lead_status": ""})
	})
}

// A contact that was erased in HubSpot for privacy is not made again, whatever the application registers; the reason
// says so.
func TestStoryPurgedContact(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 244}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.Purge(hubspotsim.Target{Email: "ada@example.com"}))
		upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
		r.settled(time.Minute)
		reg := r.event("1", "lead.registered", "ada@example.com", `{"company":"Engines"}`)
		r.settled(time.Minute)
		for _, id := range []int64{upd, reg} {
			if o := r.want(id, "dead/contact_purged"); o.Attempts != 0 {
				t.Errorf("row %d lost %d attempts", id, o.Attempts)
			}
		}
		r.wantInbox("contact.deleted {}")
		if n := len(r.sim.Contacts()); n != 0 {
			t.Errorf("%d contacts", n)
		}
	})
}

// People archive many contacts at once and the application goes on updating them: each of its rows ends as
// contact_gone. The lane does not stop for it, since the recycle bin shows that the ids are right, and it costs a few
// requests, not one a lead.
func TestStoryManyArchived(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 245, Latency: 10 * time.Millisecond}, "", func(r *rig) {
		all := func(typ, company string) {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 300 {
					insert(fmt.Sprint(i), typ, fmt.Sprintf("p%d@example.com", i), `{"company":"`+company+`"}`)
				}
			})
		}
		all("lead.registered", "A")
		r.start()
		r.settled(time.Minute)
		for i := range 300 {
			must(t, r.sim.Archive(hubspotsim.Target{Email: fmt.Sprintf("p%d@example.com", i)}))
		}
		before := r.sim.Stats().Requests
		all("lead.updated", "B")
		r.settled(10 * time.Minute)
		if got := r.counts(); got["dead/contact_gone"] != 300 {
			t.Errorf("%v", got)
		}
		if n := r.sim.Stats().Requests - before; n > 12 {
			t.Errorf("%d requests", n)
		}
		if s := r.status(); s.State != "running" {
			t.Errorf("status %+v", s)
		}
		if n := len(r.inbox()); n != 300 {
			t.Errorf("%d inbox rows", n)
		}
	})
}

// Ids that HubSpot does not know at all, and that no recycle bin shows, look like another account's: the lane pauses
// and names it.
func TestStoryManyUnknownIDs(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 246, Latency: 10 * time.Millisecond}, "", func(r *rig) {
		all := func(typ, company string) {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 300 {
					insert(fmt.Sprint(i), typ, fmt.Sprintf("p%d@example.com", i), `{"company":"`+company+`"}`)
				}
			})
		}
		all("lead.registered", "A")
		r.start()
		r.settled(time.Minute)
		_, err := r.db.Exec(`UPDATE leadsync_links SET contact_id = contact_id || '000000'`)
		must(t, err)
		all("lead.updated", "B")
		time.Sleep(10 * time.Minute)
		if got := r.counts(); got["pending"] != 300 {
			t.Errorf("%v", got)
		}
		if s := r.status(); s.State != "paused" || !strings.Contains(s.Cause, "OBJECT_NOT_FOUND") {
			t.Errorf("status %+v", s)
		}
	})
}

// Two leads' contacts are merged while rows of either, or of both, wait. The lead whose address the survivor has keeps
// it, the rows of the other end as merged, each hears of it once, and no attempt is lost. Both answers to the
// survivor's id.
func TestStoryMergedLeads(t *testing.T) {
	t.Parallel()
	for _, keeps := range []bool{false, true} {
		for _, who := range []string{"both", "primary first", "other first", "primary only", "other only"} {
			name := fmt.Sprintf("keeps=%t %s", keeps, who)
			inBubble(t, hubspotsim.Config{Seed: 247, Quirks: hubspotsim.Quirks{MergeKeepsPrimaryID: keeps}}, "push: {max_attempts: 3}", func(r *rig) {
				r.event("a", "lead.registered", "a@example.com", `{"company":"A"}`)
				r.event("b", "lead.registered", "b@example.com", `{"company":"B","city":"Paris"}`)
				r.start()
				r.settled(time.Minute)
				survivor, err := r.sim.Merge(hubspotsim.Target{Email: "b@example.com"}, hubspotsim.Target{Email: "a@example.com"})
				must(t, err)
				var a, b int64
				row := func(lead string) int64 { return r.event(lead, "lead.updated", "", `{"jobtitle":"of `+lead+`"}`) }
				switch who {
				case "both":
					r.stop()
					a, b = row("a"), row("b")
					r.start()
				case "primary first", "primary only":
					b = row("b")
					r.settled(time.Hour)
				default:
					a = row("a")
					r.settled(time.Hour)
				}
				if who == "primary first" {
					a = row("a")
				}
				if who == "other first" {
					b = row("b")
				}
				r.settled(time.Hour)
				if b != 0 {
					if o := r.want(b, "delivered"); o.Contact != survivor || o.Attempts != 0 {
						t.Errorf("%s: the keeper is on %s, want %s, after %d attempts", name, o.Contact, survivor, o.Attempts)
					}
					r.wantContact("b@example.com", map[string]string{"company": "B", "city": "Paris", "jobtitle": "of b"})
				}
				if a != 0 {
					if o := r.want(a, "skipped/merged"); o.Attempts != 0 {
						t.Errorf("%s: the other lost %d attempts", name, o.Attempts)
					}
				}
				told := map[string]int{}
				for _, i := range r.inbox() {
					told[i.Lead]++
					if i.Type != "contact.merged" || i.Contact != survivor {
						t.Errorf("%s: inbox row %+v, the survivor is %s", name, i, survivor)
					}
				}
				if told["a"] > 1 || told["b"] > 1 || a != 0 && told["a"] != 1 || b != 0 && !keeps && told["b"] != 1 {
					t.Errorf("%s: inbox rows a lead: %v", name, told)
				}
				if n := len(r.sim.Contacts()); n != 1 {
					t.Errorf("%s: %d contacts", name, n)
				}
			})
		}
	}
}

// The contact of a lead is merged into one that no lead has: the lead follows, and goes on as before.
func TestStoryMergedWithAStranger(t *testing.T) {
	t.Parallel()
	for _, keeps := range []bool{false, true} {
		for _, primary := range []bool{false, true} {
			inBubble(t, hubspotsim.Config{Seed: 248, Quirks: hubspotsim.Quirks{MergeKeepsPrimaryID: keeps}}, "push: {max_attempts: 2}", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`)
				r.start()
				r.settled(time.Minute)
				r.stranger(map[string]string{"email": "stranger@example.com", "city": "Paris"})
				one, two := hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "stranger@example.com"}
				if !primary {
					one, two = two, one
				}
				survivor, err := r.sim.Merge(one, two)
				must(t, err)
				id := r.event("1", "lead.updated", "", `{"jobtitle":"x"}`)
				r.settled(time.Hour)
				if o := r.want(id, "delivered"); o.Contact != survivor || o.Attempts != 0 {
					t.Errorf("keeps=%t primary=%t: on %s, want %s, after %d attempts", keeps, primary, o.Contact, survivor, o.Attempts)
				}
				same := r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`) // still one of the contact's addresses
				r.settled(time.Hour)
				if o := r.outcome(same); o.State == "dead" {
					t.Errorf("keeps=%t primary=%t: %s", keeps, primary, o.word())
				}
				if n := len(r.sim.Contacts()); n != 1 {
					t.Errorf("keeps=%t primary=%t: %d contacts", keeps, primary, n)
				}
			})
		}
	}
}

// A new lead with an address that a merge left to another lead's contact does not take that contact, although nobody
// has followed the merge yet.
func TestStorySurvivorHasItsLead(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 249}, "push: {max_attempts: 2}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`)
		r.start()
		r.settled(time.Minute)
		r.stranger(map[string]string{"email": "second@example.com"})
		_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "second@example.com"})
		must(t, err)
		id := r.event("2", "lead.registered", "second@example.com", `{"company":"B"}`)
		r.settled(24 * time.Hour)
		r.want(id, "dead/address_taken")
		r.wantContact("ada@example.com", map[string]string{"company": "A"})
	})
}

// Where one contact of a batch went cannot be found out at this moment: what HubSpot took of the others is settled all
// the same, and not written a second time.
func TestStoryUnansweredQuestionCostsNobodyElse(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 250}, "", func(r *rig) {
		r.event("a", "lead.registered", "a@example.com", `{"company":"A"}`)
		r.event("z", "lead.registered", "z@example.com", `{"company":"A"}`)
		r.start()
		r.settled(time.Minute)
		r.stop()
		must(t, r.sim.Purge(hubspotsim.Target{Email: "a@example.com"}))
		must(t, r.sim.SetFaults("get=500x3"))
		first := r.event("z", "lead.updated", "", `{"company":"B"}`)
		gone := r.event("a", "lead.updated", "", `{"company":"B"}`)
		r.start()
		time.Sleep(300 * time.Millisecond)
		r.want(first, "delivered")
		r.want(gone, "pending")
		r.settled(time.Hour)
		r.want(gone, "dead/contact_purged")
		if n := r.sim.Stats().Unchanged; n != 0 {
			t.Errorf("%d writes changed nothing", n)
		}
	})
}
