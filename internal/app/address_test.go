package app

import (
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// Two leads with one address: the older row has it, the other waits and then ends as address_taken, naming the contact.
// Neither writes on the other's contact.
func TestTwoLeadsOneAddress(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 30}, "push: {max_attempts: 3}", func(r *rig) {
		a := r.event("1", "lead.registered", "shared@example.com", `{"firstname":"One"}`)
		b := r.event("2", "lead.registered", "Shared@Example.com", `{"firstname":"Two"}`)
		r.start()
		r.settled(48 * time.Hour)
		r.want(a, "delivered")
		o := r.want(b, "dead/address_taken")
		if !strings.Contains(o.Note, r.outcome(a).Contact) {
			t.Errorf("note %q does not name contact %s", o.Note, r.outcome(a).Contact)
		}
		r.wantContact("shared@example.com", map[string]string{"firstname": "One"})
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}

// Two leads that swap their addresses: no API call does that at once, so each waits for the other; nothing is written
// on the wrong contact, and their other fields go on.
func TestSwappedAddresses(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 31}, "push: {max_attempts: 3}", func(r *rig) {
		r.event("1", "lead.registered", "one@example.com", `{"firstname":"One"}`)
		r.event("2", "lead.registered", "two@example.com", `{"firstname":"Two"}`)
		r.start()
		r.settled(time.Minute)
		a := r.event("1", "lead.updated", "two@example.com", `{"company":"C1"}`)
		b := r.event("2", "lead.updated", "one@example.com", `{"company":"C2"}`)
		r.settled(48 * time.Hour)
		for _, id := range []int64{a, b} {
			r.want(id, "dead/address_taken")
		}
		if n := len(r.sim.Contacts()); n != 2 {
			t.Errorf("%d contacts", n)
		}
		r.wantContact("one@example.com", map[string]string{"firstname": "One"})
		r.wantContact("two@example.com", map[string]string{"firstname": "Two"})
	})
}

// An address chain resolves by itself: the first lead frees the address that the second one waits for.
func TestAddressFreedLater(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 32, Quirks: hubspotsim.Quirks{KeepOldAddress: keep}}, "", func(r *rig) {
			r.event("1", "lead.registered", "one@example.com", `{"firstname":"One"}`)
			r.event("2", "lead.registered", "two@example.com", `{"firstname":"Two"}`)
			r.start()
			r.settled(time.Minute)
			b := r.event("2", "lead.updated", "one@example.com", `{"lastname":"L2"}`)
			time.Sleep(3 * time.Second)
			r.want(b, "pending")
			a := r.event("1", "lead.updated", "new@example.com", `{}`)
			time.Sleep(2 * time.Minute)
			r.want(a, "delivered")
			r.wantContact("new@example.com", map[string]string{"firstname": "One"})
			if keep { // HubSpot keeps the old address with the first contact: the second lead cannot have it
				r.want(b, "pending")
			} else {
				r.want(b, "delivered")
				r.wantContact("one@example.com", map[string]string{"firstname": "Two", "lastname": "L2"})
			}
		})
	}
}

// A lead whose address another contact has as a further one: the contact is the same person to HubSpot, so it is linked
// and no second contact appears, whichever way HubSpot answers.
func TestSecondaryAddress(t *testing.T) {
	t.Parallel()
	for _, misses := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 33, Quirks: hubspotsim.Quirks{SecondaryMisses: misses}}, "push: {max_attempts: 3}", func(r *rig) {
			r.event("p", "lead.registered", "main@example.com", `{"firstname":"Main"}`)
			r.event("s", "lead.registered", "second@example.com", `{"firstname":"Second"}`)
			r.start()
			r.settled(time.Minute)
			r.stop()
			_, err := r.sim.Merge(hubspotsim.Target{Email: "main@example.com"}, hubspotsim.Target{Email: "second@example.com"})
			must(t, err)
			_, err = r.db.Exec(`DELETE FROM leadsync_links`) // an application that meets a CRM it has never seen
			must(t, err)
			id := r.event("new", "lead.registered", "second@example.com", `{"company":"C"}`)
			r.start()
			r.settled(48 * time.Hour)
			if n := len(r.sim.Contacts()); n != 1 {
				t.Errorf("misses=%t: %d contacts", misses, n)
			}
			o := r.want(id, "delivered")
			t.Logf("misses=%t: %s %s", misses, o.word(), o.Note)
			r.wantContact("main@example.com", map[string]string{"company": "C"})
		})
	}
}

// A change of address goes to the same contact.
func TestAddressChange(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 34}, "", func(r *rig) {
		a := r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		b := r.event("1", "lead.updated", "new@example.com", `{"lastname":"King"}`)
		r.settled(time.Minute)
		r.want(b, "delivered")
		if r.outcome(a).Contact != r.outcome(b).Contact {
			t.Error("another contact")
		}
		r.wantContact("new@example.com", map[string]string{"firstname": "Ada", "lastname": "King"})
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}
