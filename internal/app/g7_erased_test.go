package app

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/push"
	"leadsync/internal/store"
)

// An unsubscribe that commits after the person was erased is carried out all the same: the address that it names is
// out, in every form. Then nothing of the row is left, and nothing is kept here of the address.
func TestG7UnsubscribeAfterAnErase(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lead, address, fields string
		out                   bool
	}{
		"the address that was erased":             {person, personEmail, "", true},
		"with fields":                             {person, personEmail, `{"firstname":"` + personName + `"}`, true},
		"with fields that are none":               {person, personEmail, `{"firstname":` + personName, true},
		"another address":                         {person, personSecond, "", true},
		"no address":                              {person, "", "", false},
		"of a new lead, naming the erased one":    {"new lead", personEmail, "", true},
		"of a new lead with fields, the same one": {"new lead", personEmail, `{"firstname":"` + personName + `"}`, true},
	} {
		for _, yaml := range []string{"", "consent: {unsubscribe: [1, 2]}"} {
			consentTest(t, yaml, hubspotsim.Config{Seed: 780, Subscriptions: twoTypes}, func(r *rig) {
				r.event(person, "lead.registered", personEmail, `{"firstname":"`+personName+`"}`)
				r.start()
				r.settled(time.Minute)
				r.erased(r.event(person, "lead.erased", "", ""))
				late := r.event(c.lead, "lead.unsubscribed", c.address, c.fields)
				r.settled(time.Minute)
				t.Log(name, yaml)
				r.want(late, "skipped/erased")
				if c.out {
					r.outOfAll(yaml, strings.ToLower(c.address))
				}
				r.nobody()
				time.Sleep(time.Hour)
				r.stop()
				for file, text := range r.files() {
					foundIn(t, file, text, personWords)
				}
			})
		}
	}
}

// A living lead without a contact that unsubscribes naming an address of somebody who was erased: the address is out,
// and the lead is out at the address that it gets.
func TestG7UnsubscribeNamesAnErasedAddress(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{true, false} {
		consentTest(t, "", hubspotsim.Config{Seed: 781}, func(r *rig) {
			r.event(person, "lead.registered", personEmail, "")
			r.start()
			r.settled(time.Minute)
			r.erased(r.event(person, "lead.erased", "", ""))
			from := len(r.sim.ConsentLog())
			r.stop()
			late := r.event("new lead", "lead.unsubscribed", personEmail, "")
			if !together {
				r.start()
				r.settled(time.Minute)
				r.stop()
			}
			reg := r.event("new lead", "lead.registered", "new@example.com", `{"firstname":"New"}`)
			r.start()
			r.settled(time.Minute)
			r.want(late, "skipped/erased")
			r.want(reg, "delivered")
			r.wantContact("new@example.com", map[string]string{"firstname": "New"})
			r.out(strings.ToLower(personEmail))
			r.out("new@example.com")
			r.silentFrom(from)
			r.stop()
			for file, text := range r.files() {
				foundIn(t, file, text, personWords)
			}
		})
	}
}

// HubSpot does not erase the contact, so an unsubscribe that comes after the refusal counts for the address that the
// contact has.
func TestG7UnsubscribeAfterARefusedErase(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "two@example.com"} {
		consentTest(t, "push: {max_attempts: 2}", hubspotsim.Config{Seed: 782}, func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", "")
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.SetFaults("gdpr_delete=400"))
			id := r.event("1", "lead.erased", "", "")
			r.settled(time.Hour)
			r.want(id, "dead/refused")
			late := r.event("1", "lead.unsubscribed", address, "")
			r.settled(time.Minute)
			r.want(late, "skipped/erased")
			r.out("ada@example.com")
			if address != "" {
				r.out(address)
			}
			must(t, r.sim.SetFaults(""))
			r.requeue(id)
			r.erased(id)
			r.nobody()
		})
	}
}

// HubSpot does not erase the contact, so the opt-out of its lead stands: for other leads, and for the lead when it
// comes back.
func TestG7RefusedEraseForgetsNoOptOut(t *testing.T) {
	t.Parallel()
	refused := func(r *rig) {
		must(t, r.sim.SetFaults("gdpr_delete=400"))
		id := r.event("1", "lead.erased", "", "")
		r.settled(time.Hour)
		r.want(id, "dead/refused")
		must(t, r.sim.SetFaults(""))
	}
	allow := "{push: {max_attempts: 2}, consent: {resubscribe: allow}}"
	consentTest(t, allow, hubspotsim.Config{Seed: 787, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", "")
		r.event("2", "lead.registered", "bob@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.event("1", "lead.unsubscribed", "bob@example.com", "")
		r.settled(time.Minute)
		refused(r)
		time.Sleep(time.Hour)
		id := r.word("2", "lead.resubscribed", evidenceOf(0))
		r.settled(time.Minute)
		r.want(id, "skipped/consent_refused")
		r.out("bob@example.com")
	})
	consentTest(t, allow, hubspotsim.Config{Seed: 788}, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.word("1", "lead.unsubscribed", "")
		r.settled(time.Minute)
		refused(r)
		r.stop()
		r.forget("1")
		from := len(r.sim.ConsentLog())
		r.start()
		r.event("1", "lead.updated", "new@example.com", "")
		r.settled(time.Minute)
		r.out("new@example.com")
		r.silentFrom(from)
	})
	consentTest(t, allow, hubspotsim.Config{Seed: 789}, func(r *rig) { // what is owed for an address that people gave the contact
		r.pull = true
		r.event("1", "lead.registered", "ada@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.word("1", "lead.unsubscribed", "")
		r.settled(time.Minute)
		must(t, r.sim.SetFaults("sub_all=400,gdpr_delete=400"))
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"email": "moved@example.com"}))
		time.Sleep(10 * time.Minute)
		refused(r)
		if r.sim.OptedOut("moved@example.com") {
			t.Fatal("it is out already: the test proves nothing")
		}
		time.Sleep(3 * time.Hour)
		r.out("moved@example.com")
	})
}

// forget removes the tombstones of a lead.
func (r *rig) forget(id lead.ID) {
	r.t.Helper()
	a := r.app()
	must(r.t, a.openOnce(context.Background()))
	hash := store.LeadTombstone(a.hasher.Tombstone, "default", id)
	a.close()
	r.operate(func(db *store.DB) {
		if n, err := db.Operator().ForgetTombstones(context.Background(), "default", hash); err != nil || n == 0 {
			r.t.Errorf("forgot %d tombstones, %v", n, err)
		}
	})
}

// atErase inserts a row right before one transaction of an erase: it commits after push has read the lead's rows.
type atErase struct {
	Store
	moment string
	insert func()
	once   sync.Once
}

func (s *atErase) Entomb(ctx context.Context, hub int64, p push.Person) error {
	if s.moment == "entomb" || s.moment == "second entomb" && p.PurgedAt != 0 {
		s.once.Do(s.insert)
	}
	return s.Store.Entomb(ctx, hub, p)
}

func (s *atErase) Wipe(ctx context.Context, p push.Person, note func(push.Wiped) string) error {
	if s.moment == "wipe" {
		s.once.Do(s.insert)
	}
	return s.Store.Wipe(ctx, p, note)
}

func (s *atErase) Scrub(ctx context.Context, needles []string) error {
	if s.moment == "scrub" {
		s.once.Do(s.insert)
	}
	return s.Store.Scrub(ctx, needles)
}

// An unsubscribe that commits while an erase goes on is not ended by it.
func TestG7UnsubscribeWhileAnEraseGoesOn(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"entomb", "second entomb", "wipe", "scrub"} {
		for _, address := range []string{personSecond, personEmail, ""} {
			consentTest(t, "", hubspotsim.Config{Seed: 783}, func(r *rig) {
				var late int64
				r.between = func(s Store) Store {
					return &atErase{Store: s, moment: moment, insert: func() { late = r.event(person, "lead.unsubscribed", address, "") }}
				}
				r.event(person, "lead.registered", personEmail, "")
				r.start()
				r.settled(time.Minute)
				id := r.event(person, "lead.erased", "", "")
				r.erased(id)
				t.Log(moment, address)
				r.settled(time.Hour)
				time.Sleep(time.Minute)
				r.want(late, "skipped/erased")
				switch {
				case address != "":
					r.out(strings.ToLower(address))
				case strings.HasSuffix(moment, "entomb"): // the link has the address still
					r.out(strings.ToLower(personEmail))
				}
				r.nobody()
				r.stop()
				for file, text := range r.files() {
					foundIn(t, moment+": "+file, text, personWords)
				}
			})
		}
	}
}

// A delete or an erase that waits for an opt-out says so, and keeps what its note said before.
func TestG7WaitingForAnOptOutIsSaid(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{"lead.deleted", "lead.erased", "late"} {
		for _, stopped := range []string{"refused", "paused"} {
			consentTest(t, "", hubspotsim.Config{Seed: 786}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", "")
				r.start()
				r.settled(time.Minute)
				if stopped == "refused" {
					must(t, r.sim.SetFaults("sub_all=400,sub_batch_all=400"))
				} else {
					r.pause("unsubscribe")
					time.Sleep(5 * time.Second)
				}
				insert := func() int64 { return r.event("1", "lead.unsubscribed", "two@example.com", "") }
				var unsub, id int64
				if typ != "late" {
					unsub = insert()
					id = r.event("1", typ, "", "")
				} else {
					id = r.event("1", "lead.erased", "", "")
					time.Sleep(time.Minute) // it looks again in two
					unsub = insert()
				}
				time.Sleep(4 * time.Minute)
				t.Log(typ, stopped)
				r.want(unsub, "pending")
				o := r.want(id, "pending")
				if !strings.Contains(o.Note, "waits until the unsubscribe of the lead is carried out") {
					t.Errorf("note %q", o.Note)
				}
				if typ == "late" && !strings.HasPrefix(o.Note, "erased in HubSpot: 1 contacts; ") {
					t.Errorf("note %q", o.Note)
				}
				must(t, r.sim.SetFaults(""))
				if stopped == "paused" {
					r.resume("unsubscribe")
				}
				r.settled(time.Hour)
				r.oneOf(unsub, "delivered,skipped/erased")
				if o = r.want(id, "delivered"); strings.Contains(o.Note, "waits") || typ != "lead.deleted" && !strings.Contains(o.Note, "1 contacts in HubSpot") {
					t.Errorf("note %q", o.Note)
				}
				r.out("two@example.com")
				r.nobody()
			})
		}
	}
}

// What HubSpot does to the late opt-out delays it and does not lose it; an address that is none ends it.
func TestG7UnsubscribeAfterAnEraseMeetsTrouble(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"sub_all=500x3", "sub_all=lostx1", "sub_all=400x1", "sub_all=429x2", "sub_all=hangx1"} {
		consentTest(t, "", hubspotsim.Config{Seed: 784}, func(r *rig) {
			r.event(person, "lead.registered", personEmail, "")
			r.start()
			r.settled(time.Minute)
			r.erased(r.event(person, "lead.erased", "", ""))
			must(t, r.sim.SetFaults(fault))
			late := r.event(person, "lead.unsubscribed", personEmail, "")
			r.settled(4 * time.Hour)
			t.Log(fault)
			r.want(late, "skipped/erased")
			r.out(strings.ToLower(personEmail))
		})
	}
	consentTest(t, "push: {max_attempts: 2}", hubspotsim.Config{Seed: 785}, func(r *rig) {
		r.event(person, "lead.registered", personEmail, "")
		r.start()
		r.settled(time.Minute)
		r.erased(r.event(person, "lead.erased", "", ""))
		bad := r.event(person, "lead.unsubscribed", "subfault-invalid-1@example.com", "")
		r.settled(time.Hour)
		r.want(bad, "skipped/erased")
	})
}
