package app

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
	"leadsync/internal/testsize"
)

// lives tells whether HubSpot shows a contact, by id.
func (r *rig) shows(id string) bool {
	r.t.Helper()
	for _, c := range r.sim.Contacts() {
		if fmt.Sprint(c.ID) == id {
			return true
		}
	}
	return false
}

var keyed = hubspotsim.Config{Properties: []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}}

// An address that the lead never got, or an id that the application wrote into a row, proves nothing: an erase leaves
// the contact that has it, and its own later registration is delivered. Whatever became of the row, and whatever the
// row says of itself.
func TestEvidenceEraseLeavesStrangers(t *testing.T) {
	t.Parallel()
	forge := func(columns string) func(r *rig, stranger string) {
		return func(r *rig, stranger string) {
			id := r.event("1", "lead.updated", "stranger@example.com", "{}")
			_, err := r.db.Exec(`UPDATE lead_outbox SET contact_id = ?`+columns+` WHERE id = ?`, stranger, id)
			must(r.t, err)
		}
	}
	for name, write := range map[string]func(r *rig, stranger string){
		"taken, dead": func(r *rig, _ string) {
			r.event("1", "lead.updated", "stranger@example.com", "{}")
			r.settled(time.Hour)
		},
		"taken, skipped by an operator": func(r *rig, _ string) {
			id := r.event("1", "lead.updated", "stranger@example.com", "{}")
			time.Sleep(20 * time.Second)
			_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator', settled_at = 1 WHERE id = ?`, id)
			must(r.t, err)
		},
		"taken, still tried": func(r *rig, _ string) {
			r.event("1", "lead.updated", "stranger@example.com", "{}")
			time.Sleep(5 * time.Second)
		},
		"bad row": func(r *rig, _ string) {
			r.event("1", "lead.updated", "stranger@example.com", `no JSON`)
			r.settled(time.Minute)
		},
		"an unsubscribe that names it": func(r *rig, _ string) {
			r.event("1", "lead.unsubscribed", "stranger@example.com", "{}")
			time.Sleep(time.Minute)
		},
		"contact_id of a pending row":      forge(""),
		"contact_id of a delivered row":    forge(`, state = 'delivered', settled_at = 1`),
		"contact_id of a row by operator":  forge(`, state = 'skipped', reason = 'by_operator', settled_at = 1`),
		"contact_id of a row that gave up": forge(`, state = 'dead', reason = 'gave_up', settled_at = 1`),
		"contact_id of an inbox row": func(r *rig, stranger string) {
			_, err := r.db.Exec(`INSERT INTO lead_inbox (lead_id, contact_id, email, change_type, properties) VALUES ('1', ?, 'stranger@example.com', 'contact.updated', '{}')`, stranger)
			must(r.t, err)
		},
	} {
		inBubble(t, hubspotsim.Config{Seed: 701}, "push: {max_attempts: 2}", func(r *rig) {
			stranger := r.stranger(map[string]string{"email": "stranger@example.com", "firstname": "Stranger"})
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			write(r, stranger)
			id := r.event("1", "lead.erased", "", "")
			r.erased(id)
			if c := r.contact("ada@example.com"); c != nil {
				t.Errorf("%s: the lead's own contact is live", name)
			}
			r.wantContact("stranger@example.com", map[string]string{"firstname": "Stranger"})
			reg := r.event("2", "lead.registered", "stranger@example.com", `{"city":"Paris"}`)
			r.settled(time.Minute)
			if o := r.outcome(reg); o.word() != "delivered" {
				t.Errorf("%s: the stranger's own registration is %s", name, o.word())
			}
		})
	}
}

// with_shared in properties is not an operator's word.
func TestEvidenceApplicationCannotSpeakForAnOperator(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 702}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
		r.start()
		r.settled(time.Minute)
		_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "bob@example.com"})
		must(t, err)
		r.event("1", "lead.updated", "", `{"company":"Engines"}`)
		r.settled(time.Minute)
		id := r.event("2", "lead.erased", "", `{"with_shared":true,"also":"*"}`)
		r.settled(time.Hour)
		r.want(id, "dead/shared_contact")
		r.wantContact("ada@example.com", map[string]string{"company": "Engines"})
	})
}

// An account that the portal had before says nothing of who has a contact id, or an address, in the new one.
func TestEvidenceEraseAfterThePortalMoved(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 703}, "", func(r *rig) {
		first := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		old := r.outcome(first).Contact
		r.stop()
		// Another account, in which somebody else has the id, and a third one the address.
		_, err := r.db.Exec(`UPDATE leadsync_links SET hub_id = hub_id + 1`)
		must(t, err)
		_, err = r.db.Exec(`UPDATE leadsync_contacts SET hub_id = hub_id + 1`)
		must(t, err)
		r.start()
		id := r.event("1", "lead.erased", "", "")
		r.erased(id)
		if !r.shows(old) {
			t.Error("a contact of the new account was erased by an id of the old one")
		}
	})
}

// A lead's own contact was archived by people, and a taken address was skipped by an operator: the delete archives
// nobody else.
func TestEvidenceDeleteLeavesStrangers(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} { // that the own contact is gone
		inBubble(t, hubspotsim.Config{Seed: 704}, "", func(r *rig) {
			r.stranger(map[string]string{"email": "stranger@example.com", "firstname": "Stranger"})
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			id := r.event("1", "lead.updated", "stranger@example.com", "{}")
			time.Sleep(20 * time.Second)
			r.skip(id)
			must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
			if known {
				gone := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
				r.settled(time.Minute)
				r.want(gone, "dead/contact_gone")
			}
			del := r.event("1", "lead.deleted", "", "")
			r.settled(time.Hour)
			r.want(del, "delivered")
			r.wantContact("stranger@example.com", map[string]string{"firstname": "Stranger"})
		})
	}
	// Somebody made a contact at the address that the lead's own had: the delete looks for the own one alone, and when it
	// names the address a person must say whose it is.
	for _, named := range []string{"", "ada@example.com"} {
		inBubble(t, hubspotsim.Config{Seed: 705}, "", func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
			other := r.stranger(map[string]string{"email": "ada@example.com", "firstname": "Another"})
			del := r.event("1", "lead.deleted", named, "")
			r.settled(time.Hour)
			r.wantContact("ada@example.com", map[string]string{"firstname": "Another"})
			if named == "" {
				r.want(del, "delivered")
				return
			}
			if o := r.want(del, "dead/shared_contact"); !strings.Contains(o.Note, "contact "+other) || !strings.Contains(o.Note, "--also") {
				t.Errorf("note %q", o.Note)
			}
			r.retryAlso(del, other)
			r.settled(time.Hour)
			r.want(del, "delivered")
			if r.contact("ada@example.com") != nil {
				t.Error("the operator's word was not heard")
			}
		})
	}
}

// With id_property a contact that is the lead's by the property is read before its address is moved: a person who was
// out stays out at the new address, and the application is told.
func TestEvidenceIDPropertyIsReadBeforeTheAddressMoves(t *testing.T) {
	t.Parallel()
	cfg := keyed
	cfg.Seed = 706
	inBubble(t, cfg, "mapping: {id_property: lead_key}", func(r *rig) {
		r.stranger(map[string]string{"email": "old@example.com", "lead_key": "1"})
		r.sim.Optout("old@example.com", true)
		id := r.event("1", "lead.registered", "new@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		r.want(id, "delivered")
		r.wantContact("new@example.com", map[string]string{"firstname": "Ada", "hs_email_optout": "true"})
		var told int
		must(t, r.db.QueryRow(`SELECT count(*) FROM lead_inbox WHERE change_type = 'contact.unsubscribed'`).Scan(&told))
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// The id property counts when it holds exactly this lead's id.
func TestEvidenceIDPropertyIsExact(t *testing.T) {
	t.Parallel()
	cfg := keyed
	cfg.Seed = 707
	inBubble(t, cfg, "mapping: {id_property: lead_key}", func(r *rig) {
		r.stranger(map[string]string{"email": "other@example.com", "lead_key": "ab"})
		r.start()
		id := r.event("Ab", "lead.erased", "", "")
		r.erased(id)
		r.wantContact("other@example.com", nil)
	})
}

// What leadsync found rather than made: erase.adopted says whether a person must look first.
func TestEvidenceAdopted(t *testing.T) {
	t.Parallel()
	for _, adopted := range []string{"", "erase: {adopted: erase}", "erase: {adopted: ask}"} {
		inBubble(t, hubspotsim.Config{Seed: 708}, adopted, func(r *rig) {
			found := r.stranger(map[string]string{"email": "ada@example.com", "city": "Paris"})
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
			r.start()
			r.settled(time.Minute)
			a, b := r.event("1", "lead.erased", "", ""), r.event("2", "lead.erased", "", "")
			r.settled(time.Hour)
			r.want(b, "delivered") // made by leadsync
			if !strings.Contains(adopted, "ask") {
				r.want(a, "delivered")
				r.nobody()
				return
			}
			if o := r.want(a, "dead/shared_contact"); !strings.Contains(o.Note, "contact "+found) || !strings.Contains(o.Note, "--also") {
				t.Errorf("note %q", o.Note)
			}
			r.wantContact("ada@example.com", map[string]string{"firstname": "Ada"})
			id := r.eraseAlso("1", found)
			r.erased(id)
			r.nobody()
		})
	}
}

// A contact that was merged, and its survivor merged again, and so on: it is the lead's by HubSpot's own record,
// whether the record lists all ids or only the last ones.
func TestEvidenceMergedInAnyNumberOfSteps(t *testing.T) {
	t.Parallel()
	for _, act := range []string{"lead.erased", "lead.deleted", "lead.updated"} {
		for steps := 1; steps <= 3; steps++ {
			inBubble(t, hubspotsim.Config{Seed: 709}, "", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.start()
				r.settled(time.Minute)
				r.mergeChain("ada@example.com", steps)
				id := r.event("1", act, "", `{"company":"Engines"}`)
				r.settled(time.Hour)
				time.Sleep(time.Second)
				r.want(id, "delivered")
				if act == "lead.updated" {
					if n := len(r.sim.Contacts()); n != 1 || r.sim.Contacts()[0].Properties["company"] != "Engines" {
						t.Errorf("%d steps: %d contacts", steps, n)
					}
					return
				}
				r.nobody()
			})
		}
	}
}

// mergeChain merges the contact of an address into a fresh one, that one into the next, and so on.
func (r *rig) mergeChain(email string, steps int) string {
	r.t.Helper()
	last := hubspotsim.Target{Email: email}
	id := ""
	for i := range steps {
		into := fmt.Sprintf("survivor%d@example.com", i)
		r.stranger(map[string]string{"email": into})
		var err error
		id, err = r.sim.Merge(hubspotsim.Target{Email: into}, last)
		must(r.t, err)
		last = hubspotsim.Target{Email: into}
	}
	return id
}

// The contact of a lead was merged into another lead's, and that one into a third: the lead's opt-out reaches the
// address that the person is mailed at now, however many steps there were, and whether the merges came before the word
// or after it.
func TestEvidenceOptOutFollowsMerges(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} {
		for steps := 1; steps <= 3; steps++ {
			inBubble(t, hubspotsim.Config{Seed: 710}, "", func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.event("2", "lead.registered", "bob@example.com", `{"firstname":"Bob"}`)
				r.start()
				r.settled(time.Minute)
				_, err := r.sim.Merge(hubspotsim.Target{Email: "ada@example.com"}, hubspotsim.Target{Email: "bob@example.com"})
				must(t, err)
				r.event("2", "lead.updated", "", `{"company":"Engines"}`) // finds out: lead 2 is passive
				r.event("1", "lead.updated", "", `{"company":"Engines"}`)
				r.settled(time.Minute)
				word := func() {
					r.event("2", "lead.unsubscribed", "", "{}")
					r.settled(time.Minute)
				}
				if first {
					word()
				}
				r.mergeChain("ada@example.com", steps)
				if first {
					r.event("1", "lead.updated", "", `{"company":"Works"}`) // finds out
					r.settled(time.Minute)
					time.Sleep(time.Minute)
				} else {
					word()
				}
				for _, c := range r.sim.Contacts() {
					if c.Properties["hs_email_optout"] != "true" {
						t.Errorf("word first %t, %d steps: %s is mailable", first, steps, c.Properties["email"])
					}
				}
			})
		}
	}
}

// The brake counts contacts, before the first is touched; and more than one contact that is not the lead's by its link
// waits for a person.
func TestEvidenceBrakeCountsContacts(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 711}, "push: {max_deletes_per_hour: 5}", func(r *rig) {
		r.patient = true
		r.start()
		var ids []string
		for i := range 4 { // one id for everybody, life after life; people restore what was archived
			id := r.event("undefined", "lead.registered", fmt.Sprintf("p%d@example.com", i), "{}")
			r.settled(time.Minute)
			ids = append(ids, r.outcome(id).Contact)
			if i < 3 {
				r.event("undefined", "lead.deleted", "", "{}")
				r.settled(time.Minute)
				must(t, r.sim.Restore(hubspotsim.Target{ID: ids[i]}))
			}
		}
		id := r.event("undefined", "lead.erased", "", "")
		r.settled(time.Hour)
		if o := r.want(id, "dead/shared_contact"); !strings.Contains(o.Note, ids[0]) || !strings.Contains(o.Note, ids[2]) {
			t.Errorf("note %q", o.Note)
		}
		if n := len(r.sim.Contacts()); n != 4 {
			t.Fatalf("%d contacts are live", n)
		}
		time.Sleep(2 * time.Hour) // the hour of the deletes is over
		for i := range 4 {        // three contacts of an hour's five are gone then
			r.event(fmt.Sprint("other", i), "lead.registered", fmt.Sprintf("o%d@example.com", i), "{}")
		}
		r.settled(time.Minute)
		r.event("other0", "lead.deleted", "", "")
		r.event("other1", "lead.deleted", "", "")
		r.settled(time.Minute)
		id = r.eraseAlso("undefined", ids[:3]...) // four contacts: six in the hour
		time.Sleep(10 * time.Minute)
		if o := r.outcome(id); o.State != "pending" || !strings.Contains(o.Note, "resume --deletes") {
			t.Errorf("%s (%s)", o.word(), o.Note)
		}
		if n := len(r.sim.Contacts()); n != 6 {
			t.Errorf("%d contacts are live", n)
		}
		r.resumeDeletes()
		r.erased(id)
		if n := len(r.sim.Contacts()); n != 2 {
			t.Errorf("%d contacts are live", n)
		}
	})
	// Taken addresses bring nobody into an erase.
	inBubble(t, hubspotsim.Config{Seed: 712}, "push: {max_deletes_per_hour: 5, max_attempts: 1}", func(r *rig) {
		r.patient = true
		n := testsize.Of(300, 60)
		for i := range n {
			r.stranger(map[string]string{"email": fmt.Sprintf("p%d@example.com", i)})
		}
		r.start()
		r.event("undefined", "lead.registered", "first@example.com", "{}")
		r.settled(time.Minute)
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range n {
				insert("undefined", "lead.updated", fmt.Sprintf("p%d@example.com", i), "{}")
			}
		})
		time.Sleep(5 * time.Minute)
		id := r.event("undefined", "lead.erased", "", "")
		r.erased(id)
		if got := len(r.sim.Contacts()); got != n {
			t.Errorf("%d of %d strangers are left", got, n)
		}
	})
}

// The operator's commands, as package main calls them.
func (r *rig) operator(f func(db *store.DB) error) {
	r.t.Helper()
	db, err := store.Open(context.Background(), r.url, store.Options{})
	must(r.t, err)
	must(r.t, f(db))
	must(r.t, db.Close())
}

func words(contacts []string) (said []store.ContactWord) {
	for _, id := range contacts {
		said = append(said, store.ContactWord{Contact: lead.ContactID(id), Also: true})
	}
	return said
}

func (r *rig) eraseAlso(leadID string, contacts ...string) (id int64) {
	r.t.Helper()
	typ, none := "lead.erased", "{}"
	r.operator(func(db *store.DB) error {
		row, err := db.Operator().AddRow(context.Background(), outbox.Entry{Portal: "default", LeadID: &leadID, Type: &typ, Properties: &none}, words(contacts)...)
		id = int64(row)
		return err
	})
	return id
}

func (r *rig) retryAlso(id int64, contacts ...string) {
	r.t.Helper()
	r.operator(func(db *store.DB) error {
		rows := []outbox.EntryID{outbox.EntryID(id)}
		if err := db.Operator().SayOfContacts(context.Background(), rows[0], words(contacts)); err != nil {
			return err
		}
		_, err := db.Operator().Requeue(context.Background(), store.Selection{IDs: rows})
		return err
	})
}

func (r *rig) skip(id int64) {
	r.t.Helper()
	r.operator(func(db *store.DB) error {
		_, err := db.Operator().SkipRows(context.Background(), store.Selection{IDs: []outbox.EntryID{outbox.EntryID(id)}})
		return err
	})
}

func (r *rig) resumeDeletes() {
	r.t.Helper()
	r.operator(func(db *store.DB) error {
		_, err := db.Operator().ResumeDeletes(context.Background(), "default")
		return err
	})
}
