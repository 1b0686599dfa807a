package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/store"
)

// linkOf is what the link of a lead says: state, contact, address, closed_at_id.
func (r *rig) linkOf(lead string) (state, contact, address string, closed int64) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT state, contact_id, address, closed_at_id FROM leadsync_links WHERE lead_id = ?`, lead).
		Scan(&state, &contact, &address, &closed))
	return state, contact, address, closed
}

// nobody fails the test when HubSpot has a live contact.
func (r *rig) nobody() {
	r.t.Helper()
	for _, c := range r.sim.Contacts() {
		r.t.Errorf("contact %s is live (%s)", c.ID, c.Properties["email"])
	}
}

// lead.deleted archives the contact, the link stays with closed_at_id, and a later registration makes a fresh contact
// without what the old one held. The application hears nothing of its own delete.
func TestStoryDelete(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 301}, "", func(r *rig) {
		reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","company":"Engines"}`)
		r.start()
		r.settled(time.Minute)
		del := r.event("1", "lead.deleted", "", `{"firstname":"not to be written"}`)
		r.settled(time.Minute)
		old := r.outcome(reg).Contact
		if o := r.want(del, "delivered"); o.Contact != old || o.Attempts != 0 {
			t.Errorf("contact %s, %d attempts", o.Contact, o.Attempts)
		}
		r.nobody()
		if state, contact, address, closed := r.linkOf("1"); state != "deleted" || contact != old || address != "" || closed != del {
			t.Errorf("link %s %s %q %d", state, contact, address, closed)
		}
		r.wantInbox()
		upd := r.event("1", "lead.updated", "", `{"jobtitle":"Countess"}`)
		time.Sleep(10 * time.Second)
		if o := r.outcome(upd); o.State != "pending" || o.Note != "waits for an address" {
			t.Errorf("an update of a deleted lead is %s (%s)", o.word(), o.Note)
		}
		again := r.event("1", "lead.registered", "ada@example.com", `{"lastname":"King"}`)
		r.settled(time.Minute)
		if o := r.want(again, "delivered"); o.Contact == old {
			t.Error("the archived contact")
		}
		r.want(upd, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "", "company": "", "lastname": "King", "jobtitle": "Countess"})
		r.wantInbox()
	})
}

// A delete is a barrier: what was before it is one life, what comes behind another, also when all rows wait together.
func TestStoryDeleteIsABarrier(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 302}, "", func(r *rig) {
		a := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada","company":"Engines"}`)
		b := r.event("1", "lead.deleted", "", "")
		c := r.event("1", "lead.registered", "ada@example.com", `{"lastname":"King"}`)
		d := r.event("1", "lead.deleted", "", "")
		e := r.event("1", "lead.registered", "countess@example.com", `{"lastname":"Lovelace"}`)
		r.start()
		r.settled(time.Minute)
		seen := map[string]bool{}
		for _, id := range []int64{a, b, c, d, e} {
			seen[r.want(id, "delivered").Contact] = true
		}
		if len(seen) != 3 {
			t.Errorf("%d contacts in three lives", len(seen))
		}
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d live contacts", n)
		}
		r.wantContact("countess@example.com", map[string]string{"firstname": "", "company": "", "lastname": "Lovelace"})
	})
}

// Older rows that come late end overtaken, and so does a delete that is older than what was applied (finding 5 of the
// model).
func TestStoryDeleteAndLateRows(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 303}, "", func(r *rig) {
		r.insertAs(100, "1", "lead.deleted", "", "{}")
		r.insertAs(200, "2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
		r.start()
		r.settled(time.Minute)
		r.want(100, "skipped/no_contact") // nobody ever heard of the lead
		r.insertAs(50, "1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.insertAs(60, "2", "lead.deleted", "", "{}")
		r.settled(time.Minute)
		r.want(50, "skipped/overtaken")
		r.want(60, "skipped/overtaken")
		r.wantContact("bob@example.com", map[string]string{"firstname": "Bob"})
		if r.contact("ada@example.com") != nil {
			t.Error("the deleted lead came back")
		}
		r.insertAs(300, "1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.settled(time.Minute)
		r.want(300, "delivered")
	})
}

// A delete that was dead and is put back after the lead registered again does not archive the new contact (finding 5a).
func TestStoryRequeuedDelete(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 304}, "push: {max_attempts: 2}", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.SetFaults("batch_archive=400"))
		del := r.event("1", "lead.deleted", "", "")
		r.settled(time.Hour)
		if o := r.want(del, "dead/refused"); o.Attempts != 2 || o.Correlation == "" {
			t.Errorf("%d attempts, correlation %q", o.Attempts, o.Correlation)
		}
		must(t, r.sim.SetFaults(""))
		upd := r.event("1", "lead.registered", "ada@example.com", `{"company":"Engines"}`)
		r.settled(time.Minute)
		r.want(upd, "delivered")
		r.requeue(del)
		r.settled(time.Minute)
		r.want(del, "skipped/overtaken")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Engines"})
	})
}

// The create's answer is lost, or nobody ever heard of the contact: the delete looks the lead up before it says that
// nothing is there (finding 5d).
func TestStoryDeleteOfAnUnlinkedLead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, yaml, first string }{
		{"batch_create=lostx1", "", "delivered"},
		{"batch_create=500x1", "", "delivered"},
		{"batch_create=late:5sx1", "hubspot: {timeout: 2s}", "delivered"},
		{"batch_create=400", "", "dead/refused"},
		{"batch_create=empty200", "push: {max_attempts: 2}", "skipped/overtaken"},
		{"batch_archive=lostx1", "", "delivered"},
		{"batch_archive=500x2", "", "delivered"},
		{"batch_archive=hangx1", "hubspot: {timeout: 2s}", "delivered"},
		{"batch_read=500x2", "", "delivered"},
	} {
		inBubble(t, hubspotsim.Config{Seed: 305}, c.yaml, func(r *rig) {
			must(t, r.sim.SetFaults(c.fault))
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			del := r.event("1", "lead.deleted", "", "")
			r.start()
			r.settled(time.Hour)
			word := "delivered"
			if strings.HasPrefix(c.first, "dead") {
				word = "skipped/no_contact"
			}
			if o := r.outcome(reg); o.word() != c.first {
				t.Errorf("%s: the registration is %s (%s)", c.fault, o.word(), o.Note)
			}
			if o := r.outcome(del); o.word() != word && !strings.Contains(c.fault, "empty200") {
				t.Errorf("%s: the delete is %s (%s)", c.fault, o.word(), o.Note)
			}
			time.Sleep(3 * time.Minute)
			r.nobody()
		})
	}
	for _, idProperty := range []bool{false, true} { // a contact that people made, or that an import marked
		yaml := ""
		if idProperty {
			yaml = "mapping: {id_property: lead_key}"
		}
		cfg := hubspotsim.Config{Seed: 306, Properties: []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}}
		inBubble(t, cfg, yaml, func(r *rig) {
			p := map[string]string{"email": "ada@example.com"}
			if idProperty {
				p = map[string]string{"email": "other@example.com", "lead_key": "1"}
			}
			r.stranger(p)
			r.stranger(map[string]string{"email": "bob@example.com"})
			del := r.event("1", "lead.deleted", "Ada@Example.com", "")
			r.start()
			r.settled(time.Minute)
			if !idProperty { // an address alone proves nothing
				r.want(del, "dead/shared_contact")
				if n := len(r.sim.Contacts()); n != 2 {
					t.Errorf("%d contacts are left", n)
				}
				return
			}
			r.want(del, "delivered")
			if n := len(r.sim.Contacts()); n != 1 || r.contact("bob@example.com") == nil {
				t.Errorf("id property %t: %d contacts are left", idProperty, n)
			}
		})
	}
}

// Rows before a delete that cannot be delivered any more end overtaken, and do not hold it up.
func TestStoryDeleteOvertakesWhatWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 307}, "", func(r *rig) {
		r.event("2", "lead.registered", "taken@example.com", "{}")
		waits := r.event("1", "lead.updated", "", `{"firstname":"Ada"}`)
		taken := r.event("3", "lead.registered", "taken@example.com", "{}")
		r.start()
		time.Sleep(20 * time.Second)
		if o := r.outcome(taken); o.State != "pending" || o.Attempts == 0 {
			t.Fatalf("the taken address: %s, %d attempts", o.word(), o.Attempts)
		}
		a, b := r.event("1", "lead.deleted", "", ""), r.event("3", "lead.deleted", "", "")
		r.settled(time.Minute)
		r.want(waits, "skipped/overtaken")
		r.want(taken, "skipped/overtaken")
		r.want(a, "skipped/no_contact")
		r.want(b, "skipped/no_contact") // the contact is another lead's
		r.wantContact("taken@example.com", nil)
	})
}

// Already gone counts as delivered: archived by people, erased by people.
func TestStoryDeleteOfWhatIsGone(t *testing.T) {
	t.Parallel()
	for _, purge := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 308}, "", func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			if purge {
				must(t, r.sim.Purge(hubspotsim.Target{Email: "ada@example.com"}))
			} else {
				must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
			}
			del := r.event("1", "lead.deleted", "", "")
			r.settled(time.Minute)
			if o := r.want(del, "delivered"); !strings.Contains(o.Note, "gone already") {
				t.Errorf("note %q", o.Note)
			}
			r.wantInbox() // the application deletes it itself
			reg := r.event("1", "lead.registered", "ada@example.com", "{}")
			r.settled(time.Minute)
			if purge {
				r.want(reg, "dead/contact_purged")
			} else {
				r.want(reg, "delivered")
			}
		})
	}
}

// After a merge the contact that is archived is the survivor; when the survivor is another lead's, the delete only
// unlinks (finding 15).
func TestStoryDeleteAfterAMerge(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 309}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
		r.stranger(map[string]string{"email": "imported@example.com"})
		r.start()
		r.settled(time.Minute)
		_, err := r.sim.Merge(hubspotsim.Target{Email: "bob@example.com"}, hubspotsim.Target{Email: "imported@example.com"})
		must(t, err)
		del := r.event("2", "lead.deleted", "", "")
		r.settled(time.Minute)
		r.want(del, "delivered")
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts are left of the merged one and lead 1's", n)
		}
	})
	inBubble(t, hubspotsim.Config{Seed: 310}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
		r.start()
		r.settled(time.Minute)
		_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "bob@example.com"})
		must(t, err)
		del := r.event("2", "lead.deleted", "", "")
		r.settled(time.Minute)
		if o := r.want(del, "delivered"); !strings.Contains(o.Note, "only unlinked") {
			t.Errorf("note %q", o.Note)
		}
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
		upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
		r.settled(time.Minute)
		r.want(upd, "delivered")
	})
}

// More deletes than push.max_deletes_per_hour pause deletes and erases, over a restart too, and name the command that
// lets them go on; nothing else waits for it.
func TestDeleteBrake(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 311}, "push: {max_deletes_per_hour: 10}", func(r *rig) {
		r.patient = true
		all := func(typ string, from, to int) {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := from; i < to; i++ {
					insert(fmt.Sprint(i), typ, fmt.Sprintf("p%d@example.com", i), "{}")
				}
			})
		}
		all("lead.registered", 0, 40)
		r.start()
		r.settled(time.Minute)
		all("lead.deleted", 0, 8)
		r.settled(time.Minute)
		all("lead.deleted", 8, 20)
		time.Sleep(20 * time.Second)
		all("lead.erased", 20, 24)
		next := r.event("19", "lead.registered", "p19@example.com", `{"firstname":"Again"}`)
		time.Sleep(3 * time.Hour)
		if got := len(r.sim.Contacts()); got != 30 {
			t.Errorf("%d contacts are live, want 30 of 40", got)
		}
		if got := r.counts()["pending"]; got != 15 { // and the next life of lead 19 behind its delete
			t.Errorf("%d rows wait", got)
		}
		var note string
		must(t, r.db.QueryRow(`SELECT note FROM lead_outbox WHERE event_type = 'lead.erased' LIMIT 1`).Scan(&note))
		if note != "waits: more than 10 deletes and erases in an hour; `leadsync resume --deletes` lets them go on" {
			t.Errorf("note %q", note)
		}
		if s := r.status(); s.DeletesPausedAt == 0 || s.State != "running" {
			t.Errorf("status %+v", s)
		}
		upd := r.event("30", "lead.updated", "", `{"firstname":"Goes on"}`)
		time.Sleep(10 * time.Second)
		r.want(upd, "delivered")
		out := r.event("22", "lead.unsubscribed", "", "{}") // of a lead whose erase is paused
		time.Sleep(10 * time.Second)
		r.want(out, "delivered")
		r.stop()
		r.start()
		time.Sleep(time.Minute)
		if got := len(r.sim.Contacts()); got != 30 {
			t.Errorf("after a restart %d contacts are live", got)
		}
		db, err := store.Open(context.Background(), r.url, store.Options{})
		must(t, err)
		if n, err := db.Operator().ResumeDeletes(context.Background(), "default"); err != nil || n != 14 {
			t.Errorf("let go: %d, %v", n, err)
		}
		must(t, db.Close())
		r.settled(10 * time.Minute)
		r.want(next, "delivered")
		if got := len(r.sim.Contacts()); got != 17 {
			t.Errorf("%d contacts are live at the end", got)
		}
	})
	inBubble(t, hubspotsim.Config{Seed: 312}, "push: {max_deletes_per_hour: 0}", func(r *rig) {
		for _, typ := range []string{"lead.registered", "lead.deleted"} {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 150 {
					insert(fmt.Sprint(i), typ, fmt.Sprintf("p%d@example.com", i), "{}")
				}
			})
		}
		r.start()
		r.settled(time.Minute)
		r.nobody()
		if got := r.counts(); got["delivered"] != 300 {
			t.Errorf("%v", got)
		}
	})
}
