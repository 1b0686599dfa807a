package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/testsize"
)

// pullMapping has one field of each kind, and looks for changes every minute.
const pullMapping = `mapping:
  fields:
    - {lead: name, contact: firstname}
    - {lead: firm, contact: company, direction: both, winner: hubspot}
    - {lead: town, contact: city, direction: both, winner: app}
    - {lead: job, contact: jobtitle, direction: both, winner: newest}
    - {lead: note, contact: message, direction: pull}
`

// inPull runs f with a daemon that serves one lead, and that has begun to look for changes.
func inPull(t *testing.T, cfg hubspotsim.Config, yaml string, f func(r *rig, ada hubspotsim.Target)) {
	t.Helper()
	if cfg.Seed == 0 {
		cfg.Seed = 501
	}
	inBubble(t, cfg, yaml, func(r *rig) {
		r.patient, r.pull = true, true
		r.start()
		r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":"Engines","town":"London","job":"Analyst"}`)
		r.settled(time.Minute)
		time.Sleep(10 * time.Minute)
		f(r, hubspotsim.Target{Email: "ada@example.com"})
	})
}

// told is the inbox as "lead type properties".
func (r *rig) told() []string {
	r.t.Helper()
	var out []string
	for _, i := range r.inbox() {
		out = append(out, strings.TrimSpace(i.Lead+" "+i.Type+" "+i.Properties))
	}
	return out
}

func (r *rig) wantTold(want ...string) {
	r.t.Helper()
	if have := r.told(); !slices.Equal(have, want) {
		r.t.Errorf("the inbox holds\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// writes is how many write requests the simulator has taken.
func (r *rig) writes() int { return int(r.sim.Stats().WriteRequests) }

// One edit on either side, fifty polls and restarts between them: exactly one write on the other side.
func TestG8PullOneEditOneWrite(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{IndexLag: 3 * time.Second}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		r.wantTold() // our own create does not come back
		writes := r.writes()
		must(t, r.sim.Edit(ada, map[string]string{"company": "Looms"}))
		for range 5 {
			time.Sleep(10 * time.Minute)
			r.stop()
			r.start()
		}
		r.wantTold(`1 contact.updated {"firm":{"value":"Looms","was":"Engines"}}`)
		if n := r.writes() - writes; n != 0 {
			t.Errorf("a person's edit caused %d writes", n)
		}
		r.event("1", "lead.updated", "", `{"town":"Paris"}`)
		for range 5 {
			time.Sleep(10 * time.Minute)
			r.stop()
			r.start()
		}
		r.wantContact("ada@example.com", map[string]string{"city": "Paris", "company": "Looms"})
		if n := r.writes() - writes; n != 1 {
			t.Errorf("an event caused %d writes, want 1", n)
		}
		r.wantTold(`1 contact.updated {"firm":{"value":"Looms","was":"Engines"}}`)
	})
}

// The application's own value that stands in HubSpot before its row is settled is no change (G8-ECHO), and what a
// person changes is told by the rule of its field.
func TestPullTellsByField(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.Edit(ada, map[string]string{"firstname": "Augusta", "company": "Looms", "city": "Turin", "message": "call her"}))
		time.Sleep(5 * time.Minute)
		r.wantTold(`1 contact.updated {"firm":{"value":"Looms","was":"Engines"},"note":{"value":"call her","was":null},"town":{"value":"Turin","was":"London"}}`)
		// A field of direction push is not told, but it is known to have moved: the application's next word counts.
		r.event("1", "lead.updated", "", `{"name":"Ada"}`)
		r.settled(time.Minute)
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Looms", "city": "Turin"})
		// What was told stands above every row before it: an old one that is tried again changes nothing.
		if len(r.told()) != 1 {
			t.Errorf("told again: %q", r.told())
		}
	})
}

// A value that is cleared there is told as null.
func TestPullTellsWhatWasCleared(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.Edit(ada, map[string]string{"company": ""}))
		time.Sleep(5 * time.Minute)
		r.wantTold(`1 contact.updated {"firm":{"value":null,"was":"Engines"}}`)
	})
}

// Both sides change a field: the rule of the field decides, and a value that lost to a row which then dies is told
// after all.
func TestPullDecidesConflicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field, property, want string
		told                  string
	}{
		{"firm", "company", "Theirs", `1 contact.updated {"firm":{"value":"Theirs","was":"Engines"}}`},
		{"town", "city", "Ours", ""},
		{"job", "jobtitle", "Theirs", `1 contact.updated {"job":{"value":"Theirs","was":"Analyst"}}`}, // the person was later
	} {
		t.Run(c.field, func(t *testing.T) {
			inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
				must(t, r.sim.Inject("batch_update=500x30"))
				r.eventAt(time.Now(), "1", "lead.updated", "", `{"`+c.field+`":"Ours"}`)
				time.Sleep(2 * time.Second)
				must(t, r.sim.Edit(ada, map[string]string{c.property: "Theirs"}))
				time.Sleep(3 * time.Minute)
				must(t, r.sim.SetFaults(""))
				r.settled(30 * time.Minute)
				time.Sleep(10 * time.Minute)
				r.wantContact("ada@example.com", map[string]string{c.property: c.want})
				if c.told == "" {
					r.wantTold()
				} else {
					r.wantTold(c.told)
				}
			})
		})
	}
}

// Of two changes the newer one counts, by the history of the property itself: an edit of another field makes it no
// newer.
func TestPullNewestGoesByHistory(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
			r.stop()
			if !later {
				must(t, r.sim.Edit(ada, map[string]string{"jobtitle": "Theirs"}))
				time.Sleep(time.Minute)
			}
			r.eventAt(time.Now(), "1", "lead.updated", "", `{"job":"Ours"}`)
			time.Sleep(time.Minute)
			must(t, r.sim.Edit(ada, map[string]string{"firstname": "Augusta"}))
			if later {
				must(t, r.sim.Edit(ada, map[string]string{"jobtitle": "Theirs"}))
			}
			r.start()
			r.settled(time.Minute)
			time.Sleep(10 * time.Minute)
			if !later {
				r.wantContact("ada@example.com", map[string]string{"jobtitle": "Ours"})
				r.wantTold()
				return
			}
			r.wantContact("ada@example.com", map[string]string{"jobtitle": "Theirs"})
			r.wantTold(`1 contact.updated {"job":{"value":"Theirs","was":"Analyst"}}`)
		})
	}
}

// A value of HubSpot's that lost to the application's row is owed: when the row dies it is told (a winner that dies).
func TestPullPaysWhatIsOwed(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, "push: {max_attempts: 2}\n"+pullMapping, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.Inject("batch_update=500x1,batch_update=400x20")) // after the first the contact is read, then the value is refused
		must(t, r.sim.Edit(ada, map[string]string{"city": "Theirs"}))
		id := r.event("1", "lead.updated", "", `{"town":"Ours"}`)
		r.settled(2 * time.Hour)
		must(t, r.sim.SetFaults(""))
		r.want(id, "dead/refused")
		r.wantTold(`1 contact.updated {"town":{"value":"Theirs","was":null}}`)
		time.Sleep(2 * time.Hour)
		r.wantTold(`1 contact.updated {"town":{"value":"Theirs","was":null}}`)
	})
}

// Pull meets a conflict while the row waits: the application's value wins and HubSpot's is owed. When the row is then
// refused, it is told.
func TestStoryPullOwesUntilTheRowIsDecided(t *testing.T) {
	t.Parallel()
	for _, dies := range []bool{false, true} {
		inPull(t, hubspotsim.Config{}, "push: {max_attempts: 2}\n"+pullMapping, func(r *rig, ada hubspotsim.Target) {
			r.stop()
			id := r.event("1", "lead.updated", "", `{"town":"Ours"}`)
			must(t, r.sim.Edit(ada, map[string]string{"city": "Theirs"}))
			time.Sleep(time.Minute)
			r.pullOnce()
			r.wantTold()
			if dies {
				must(t, r.sim.SetFaults("batch_update=400"))
			}
			r.start()
			r.settled(time.Hour)
			must(t, r.sim.SetFaults(""))
			time.Sleep(2 * time.Hour)
			if !dies {
				r.want(id, "delivered")
				r.wantContact("ada@example.com", map[string]string{"city": "Ours"})
				r.wantTold()
				return
			}
			r.want(id, "dead/refused")
			r.wantContact("ada@example.com", map[string]string{"city": "Theirs"})
			r.wantTold(`1 contact.updated {"town":{"value":"Theirs","was":null}}`)
		})
	}
}

// A row that says what is known already waits while a person changes the field and pull tells it: the row is overtaken,
// whoever wins, or the application would know one value and HubSpot hold another.
func TestStoryPullOvertakesARowThatSaysNothingNew(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		r.stop()
		id := r.event("1", "lead.updated", "", `{"town":"London","firm":"Engines"}`)
		must(t, r.sim.Edit(ada, map[string]string{"city": "Turin", "company": "Looms"}))
		time.Sleep(time.Minute)
		r.pullOnce()
		want := `1 contact.updated {"firm":{"value":"Looms","was":"Engines"},"town":{"value":"Turin","was":"London"}}`
		r.wantTold(want)
		r.start()
		r.settled(time.Minute)
		time.Sleep(2 * time.Hour)
		r.want(id, "skipped/overtaken")
		r.wantContact("ada@example.com", map[string]string{"city": "Turin", "company": "Looms"})
		r.wantTold(want)
	})
}

// A row that died before a person's edit was told does not come over it when it is tried again.
func TestStoryPullStandsAboveDeadRows(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.SetFaults("batch_update=400"))
		id := r.event("1", "lead.updated", "", `{"town":"Ours"}`)
		r.settled(time.Hour)
		r.want(id, "dead/refused")
		must(t, r.sim.SetFaults(""))
		must(t, r.sim.Edit(ada, map[string]string{"city": "Theirs"}))
		time.Sleep(5 * time.Minute)
		want := `1 contact.updated {"town":{"value":"Theirs","was":"London"}}`
		r.wantTold(want)
		r.requeue(id)
		r.settled(time.Hour)
		r.want(id, "skipped/overtaken")
		r.wantContact("ada@example.com", map[string]string{"city": "Theirs"})
		r.wantTold(want)
	})
}

// pullOnce runs every stream once while nobody pushes.
func (r *rig) pullOnce() {
	r.t.Helper()
	_, err := r.app().PullOnce(context.Background(), pull.Once{})
	must(r.t, err)
}

// A contact that people archive is told once as deleted, and once as restored when it comes back; what was edited after
// is told too.
func TestPullArchivedAndRestored(t *testing.T) {
	t.Parallel()
	for _, quirk := range []bool{false, true} {
		t.Run(fmt.Sprintf("RestoreKeepsModified=%t", quirk), func(t *testing.T) {
			inPull(t, hubspotsim.Config{Quirks: hubspotsim.Quirks{RestoreKeepsModified: quirk}}, "pull: {archived_schedule: '@every 2h'}\n"+pullMapping, func(r *rig, ada hubspotsim.Target) {
				contact := r.inboxContact("ada@example.com")
				must(t, r.sim.Archive(ada))
				time.Sleep(3 * time.Hour)
				r.wantTold(`1 contact.deleted {}`)
				must(t, r.sim.Restore(hubspotsim.Target{ID: contact}))
				time.Sleep(3 * time.Hour)
				r.wantTold(`1 contact.deleted {}`, `1 contact.restored {}`)
				must(t, r.sim.Edit(ada, map[string]string{"company": "Looms"}))
				time.Sleep(10 * time.Minute)
				r.wantTold(`1 contact.deleted {}`, `1 contact.restored {}`, `1 contact.updated {"firm":{"value":"Looms","was":"Engines"}}`)
				r.event("1", "lead.updated", "", `{"town":"Paris"}`)
				r.settled(time.Minute)
				r.wantContact("ada@example.com", map[string]string{"city": "Paris"})
			})
		})
	}
}

// inboxContact is the id of the live contact with the address.
func (r *rig) inboxContact(email string) string {
	r.t.Helper()
	for _, c := range r.sim.Contacts() {
		if c.Properties["email"] == email {
			return c.ID
		}
	}
	r.t.Fatalf("no contact %s", email)
	return ""
}

// Who opts out in HubSpot is told once, and the link remembers it.
func TestPullOptedOut(t *testing.T) {
	t.Parallel()
	for _, bumps := range []bool{false, true} {
		t.Run(fmt.Sprintf("OptoutBumpsModified=%t", bumps), func(t *testing.T) {
			inPull(t, hubspotsim.Config{Quirks: hubspotsim.Quirks{OptoutBumpsModified: bumps}}, pullMapping, func(r *rig, ada hubspotsim.Target) {
				r.sim.Optout("ada@example.com", true)
				time.Sleep(2 * time.Hour)
				r.stop()
				r.start()
				time.Sleep(2 * time.Hour)
				r.wantTold(`1 contact.unsubscribed {}`)
				var word string
				must(t, r.db.QueryRow(`SELECT consent FROM leadsync_links WHERE lead_id = '1'`).Scan(&word))
				if word != "out" {
					t.Errorf("the link says %q, want out", word)
				}
				r.sim.Optout("ada@example.com", false) // absence proves nothing
				time.Sleep(3 * time.Hour)
				r.wantTold(`1 contact.unsubscribed {}`)
			})
		})
	}
}

// An address that is changed there is matched through the link: the lead keeps its contact, and no second one is made.
func TestPullAddressChangedThere(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, ada hubspotsim.Target) {
		must(t, r.sim.Edit(ada, map[string]string{"email": "countess@example.com", "company": "Looms"}))
		time.Sleep(5 * time.Minute)
		r.wantTold(`1 contact.updated {"firm":{"value":"Looms","was":"Engines"}}`)
		r.event("1", "lead.updated", "", `{"town":"Paris"}`)
		r.settled(time.Minute)
		r.wantContact("countess@example.com", map[string]string{"city": "Paris", "company": "Looms"})
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts, want 1", n)
		}
	})
}

// The contacts of two leads are merged: the lead whose address is the survivor's keeps it, the other one is passive,
// each is told once, and what is edited afterwards is told to the one that has it.
func TestPullMerged(t *testing.T) {
	t.Parallel()
	for _, n := range testsize.Some(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, 2) {
		q := hubspotsim.Quirks{MergeKeepsPrimaryID: n&1 > 0, ReadFollowsMerges: n&2 > 0}
		keeper, other := "1", "2"
		if n&4 > 0 {
			keeper, other = other, keeper
		}
		inPull(t, hubspotsim.Config{Quirks: q}, pullMapping, func(r *rig, ada hubspotsim.Target) {
			r.event("2", "lead.registered", "grace@example.com", `{"name":"Grace","firm":"Navy","town":"Arlington","job":"Admiral"}`)
			r.settled(time.Minute)
			time.Sleep(5 * time.Minute)
			ids := map[string]string{"1": r.inboxContact("ada@example.com"), "2": r.inboxContact("grace@example.com")}
			survivor, err := r.sim.Merge(hubspotsim.Target{ID: ids[keeper]}, hubspotsim.Target{ID: ids[other]})
			must(t, err)
			time.Sleep(2 * time.Hour)
			want := []string{other + ` contact.merged {"merged":{"value":"` + ids[other] + `"}}`}
			if !q.MergeKeepsPrimaryID {
				want = append(want, keeper+` contact.merged {"merged":{"value":"`+ids[keeper]+`"}}`)
			}
			have := r.told()
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				t.Errorf("%d, lead %s keeps: told %q, want %q", n, keeper, have, want)
			}
			r.wantLink(keeper, "linked", survivor)
			r.wantLink(other, "passive", survivor)
			must(t, r.sim.Edit(hubspotsim.Target{ID: survivor}, map[string]string{"company": "Both"}))
			time.Sleep(5 * time.Minute)
			have = r.told()
			if last := have[len(have)-1]; !strings.HasPrefix(last, keeper+` contact.updated {"firm":{"value":"Both"`) || len(have) != len(want)+1 {
				t.Errorf("%d, lead %s keeps: told %q", n, keeper, have)
			}
		})
	}
}

func (r *rig) wantLink(lead, state, contact string) {
	r.t.Helper()
	var haveState, haveContact string
	must(r.t, r.db.QueryRow(`SELECT state, contact_id FROM leadsync_links WHERE lead_id = ?`, lead).Scan(&haveState, &haveContact))
	if haveState != state || haveContact != contact {
		r.t.Errorf("lead %s is %s to %s, want %s to %s", lead, haveState, haveContact, state, contact)
	}
}

// Contacts that the application does not know are nobody's business, or told once and then followed; a later lead
// adopts one.
func TestPullUnknown(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, pullMapping, func(r *rig, _ hubspotsim.Target) {
		_, err := r.sim.Create(map[string]string{"email": "sam@example.com", "company": "Looms"})
		must(t, err)
		time.Sleep(3 * time.Hour)
		r.wantTold()
	})
	inPull(t, hubspotsim.Config{}, "pull: {unknown: inbox, archived_schedule: '@every 2h'}\n"+pullMapping, func(r *rig, _ hubspotsim.Target) {
		id, err := r.sim.Create(map[string]string{"email": "sam@example.com", "company": "Looms"})
		must(t, err)
		sam := hubspotsim.Target{ID: id}
		time.Sleep(3 * time.Hour)
		want := []string{`contact.created {"firm":{"value":"Looms","was":null}}`}
		r.wantTold(want...)
		must(t, r.sim.Edit(sam, map[string]string{"company": "Mills"}))
		time.Sleep(3 * time.Hour)
		want = append(want, `contact.updated {"firm":{"value":"Mills","was":"Looms"}}`)
		r.wantTold(want...)
		r.sim.Optout("sam@example.com", true)
		time.Sleep(3 * time.Hour)
		want = append(want, `contact.unsubscribed {}`)
		r.wantTold(want...)
		must(t, r.sim.Archive(sam))
		time.Sleep(3 * time.Hour)
		want = append(want, `contact.deleted {}`)
		r.wantTold(want...)
		must(t, r.sim.Restore(sam))
		time.Sleep(3 * time.Hour)
		want = append(want, `contact.restored {}`)
		r.wantTold(want...)
		r.event("9", "lead.registered", "sam@example.com", `{"name":"Sam"}`)
		r.settled(time.Minute)
		time.Sleep(3 * time.Hour)
		want = append(want, `9 contact.unsubscribed {}`, `9 contact.updated {"firm":{"value":"Mills","was":null}}`)
		r.wantTold(want...)
		must(t, r.sim.Edit(sam, map[string]string{"company": "Docks"}))
		time.Sleep(3 * time.Hour)
		r.wantTold(append(want, `9 contact.updated {"firm":{"value":"Docks","was":"Mills"}}`)...)
	})
}

// A contact that we create is not told as somebody's, when the answer is lost and pull meets it before push has found
// out.
func TestPullDoesNotTellOurOwnContact(t *testing.T) {
	t.Parallel()
	inPull(t, hubspotsim.Config{}, "pull: {unknown: inbox}\n"+pullMapping, func(r *rig, _ hubspotsim.Target) {
		must(t, r.sim.SetFaults("batch_create=lostx1,batch_read=500"))
		r.event("2", "lead.registered", "Grace@Example.com", `{"name":"Grace","firm":"Navy"}`)
		time.Sleep(8 * time.Second)
		r.stop()
		if r.contact("grace@example.com") == nil {
			t.Fatal("the contact was not made")
		}
		must(t, r.sim.SetFaults(""))
		time.Sleep(time.Minute)
		r.pullOnce()
		r.wantTold()
		r.start()
		r.settled(time.Hour)
		time.Sleep(2 * time.Hour)
		r.wantTold()
	})
}
