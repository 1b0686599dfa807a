package app

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// A contact that the lead had is not the lead's any more once somebody else has its address, or once another lead has
// the contact, be it live or in the recycle bin: an erase asks a person, and purges nothing.
func TestEvidenceEraseAsksAboutContactsOfBefore(t *testing.T) {
	t.Parallel()
	for name, since := range map[string]func(r *rig, contact hubspotsim.Target){
		"given to somebody else": func(r *rig, contact hubspotsim.Target) {
			must(r.t, r.sim.Edit(contact, map[string]string{"email": "else@example.com", "firstname": "Else"}))
		},
		"another lead's": func(r *rig, _ hubspotsim.Target) {
			r.event("2", "lead.registered", "ada@example.com", `{"company":"Second"}`)
			r.settled(time.Minute)
		},
		"another lead's, in the recycle bin": func(r *rig, contact hubspotsim.Target) {
			r.event("2", "lead.registered", "ada@example.com", `{"company":"Second"}`)
			r.settled(time.Minute)
			must(r.t, r.sim.Archive(contact))
			r.event("2", "lead.updated", "", `{"company":"Third"}`)
			r.settled(time.Minute)
		},
	} {
		inBubble(t, hubspotsim.Config{Seed: 720}, "", func(r *rig) {
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			contact := hubspotsim.Target{ID: r.outcome(reg).Contact}
			r.event("1", "lead.deleted", "", "")
			r.settled(time.Minute)
			must(t, r.sim.Restore(contact))
			since(r, contact)
			id := r.event("1", "lead.erased", "", "")
			r.settled(time.Hour)
			if o := r.outcome(id); o.word() != "dead/shared_contact" {
				t.Errorf("%s: the erase is %s (%s)", name, o.word(), o.Note)
			}
			if !r.shows(contact.ID) && r.sim.Restore(contact) != nil {
				t.Errorf("%s: the contact was purged", name)
			}
		})
	}
}

// After a create without an answer a contact at its address is the lead's only when an app has made it since: one that
// people made, or that an app had made before, is left alone by a delete.
func TestEvidenceRequestIsAnAppsAndNoOlder(t *testing.T) {
	t.Parallel()
	made := map[string]func(r *rig){
		"by people": func(r *rig) {
			_, err := r.sim.Create(map[string]string{"email": "ada@example.com"})
			must(r.t, err)
		},
		"by an app": func(r *rig) { r.stranger(map[string]string{"email": "ada@example.com"}) },
	}
	for _, c := range []struct {
		who    string
		before bool // the create
		stays  bool
	}{{"by people", false, true}, {"by an app", true, true}, {"by people", true, true}, {"by an app", false, false}} {
		inBubble(t, hubspotsim.Config{Seed: 721}, "", func(r *rig) {
			if c.before {
				made[c.who](r)
				time.Sleep(10 * time.Minute)
			}
			must(t, r.sim.SetFaults("batch_create=500,batch_read=500"))
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			time.Sleep(10 * time.Second)
			r.want(reg, "pending")
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', settled_at = 1 WHERE id = ?`, reg)
			must(t, err)
			time.Sleep(time.Minute)
			must(t, r.sim.SetFaults(""))
			if r.contact("ada@example.com") == nil {
				made[c.who](r)
			}
			r.event("1", "lead.deleted", "", "")
			r.settled(time.Hour)
			if stays := r.contact("ada@example.com") != nil; stays != c.stays {
				t.Errorf("made %s, before the create %t: stays %t", c.who, c.before, stays)
			}
		})
	}
}

// A process that was killed had sent a create of which nothing is known here but the row. However the row ended
// meanwhile, the delete of the lead finds the contact and archives it.
func TestDeleteFindsWhatAKilledProcessMade(t *testing.T) {
	t.Parallel()
	for _, ended := range []string{"dead/gave_up", "dead/refused", "dead/panic", "skipped/by_operator", "skipped/overtaken"} {
		inBubble(t, hubspotsim.Config{Seed: 722}, "", func(r *rig) {
			var dead atomic.Bool
			r.between = func(s Store) Store { return dying{s, &dead} }
			dead.Store(true)
			must(t, r.sim.SetFaults("batch_create=lost"))
			reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			time.Sleep(time.Second)
			r.stop()
			dead.Store(false)
			must(t, r.sim.SetFaults(""))
			if r.contact("ada@example.com") == nil {
				t.Fatal("the create was not executed")
			}
			state, reason, _ := strings.Cut(ended, "/")
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = ?, reason = ?, settled_at = ?, not_before = NULL WHERE id = ?`, state, reason, time.Now().UnixMilli(), reg)
			must(t, err)
			r.event("1", "lead.deleted", "", "")
			r.start()
			r.settled(time.Hour)
			if c := r.contact("ada@example.com"); c != nil {
				t.Errorf("%s: the contact is live", ended)
			}
		})
	}
}

// Two leads share one contact since a merge: the erase of either asks a person first, whether the merge is known here
// or not. When the other lead has let go of it, the erase goes on.
func TestEvidenceEraseOfASharedContactAsks(t *testing.T) {
	t.Parallel()
	for _, lead := range []string{"1", "2"} {
		for _, known := range []bool{false, true} {
			inBubble(t, hubspotsim.Config{Seed: 724}, "", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
				r.start()
				r.settled(time.Minute)
				_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "bob@example.com"})
				must(t, err)
				if known {
					r.event("1", "lead.updated", "", `{"company":"Engines"}`)
					r.event("2", "lead.updated", "", `{"company":"Works"}`)
					r.settled(time.Minute)
				}
				id := r.event(lead, "lead.erased", "", "")
				r.settled(time.Hour)
				if o := r.outcome(id); o.word() != "dead/shared_contact" {
					t.Errorf("known %t: the erase of lead %s is %s (%s)", known, lead, o.word(), o.Note)
				}
				r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
				if lead == "1" {
					r.event("2", "lead.deleted", "", "")
					r.settled(time.Hour)
					r.erased(r.event("1", "lead.erased", "", ""))
					r.nobody()
				}
			})
		}
	}
}
