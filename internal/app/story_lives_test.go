package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// What was told of a life that a delete ended is no change of the next one: an application that reads its inbox late
// does not take it for one.
func TestAgreeAfterTheNextLife(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 911, IndexLag: 2 * time.Second}, bothOf("city", "hubspot"), func(r *rig) {
		r.pull = true
		a := r.application()
		a.says("1", "lead.registered", "ada@example.com", map[string]string{"city": "Old"})
		a.start()
		a.settled(time.Minute)
		must(t, a.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Person"}))
		time.Sleep(time.Minute)
		a.wantInbox("contact.updated " + toldOf("city", "Person", "Old"))
		delete(a.values, "1 city")
		a.says("1", "lead.deleted", "", nil)
		a.settled(time.Minute)
		a.says("1", "lead.registered", "ada@example.com", map[string]string{"zip": "9"})
		a.settled(time.Minute)
		for a.consume() > 0 {
			time.Sleep(5 * time.Minute)
		}
		if have := a.values["1 city"]; have != "" {
			t.Errorf("the application has %q", have)
		}
		a.wantContact("ada@example.com", map[string]string{"zip": "9", "city": a.values["1 city"]})
	})
}

// Rows behind a delete that a person must decide about are another life: they go on at once.
func TestRowsBehindADeleteThatAsks(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 912}, "", func(r *rig) {
		r.stranger(map[string]string{"email": "stranger@example.com"})
		del := r.event("1", "lead.deleted", "stranger@example.com", "")
		reg := r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
		r.start()
		r.settled(time.Minute)
		r.want(del, "dead/shared_contact")
		r.want(reg, "delivered")
		r.wantContact("stranger@example.com", map[string]string{"firstname": ""})
	})
}

// The address that an unsubscribe named belongs to the life before the delete behind it: an update without an address
// has none.
func TestAddressOfAWordBeforeADelete(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 913}, "", func(r *rig) {
		r.event("1", "lead.unsubscribed", "ada@example.com", "")
		r.start()
		r.settled(time.Minute)
		r.event("1", "lead.deleted", "", "")
		r.settled(time.Minute)
		upd := r.event("1", "lead.updated", "", `{"company":"Engines"}`)
		time.Sleep(time.Minute)
		if o := r.outcome(upd); o.State != "pending" || o.Note != "waits for an address" {
			t.Errorf("the update is %s (%s)", o.word(), o.Note)
		}
		r.nobody()
		r.out("ada@example.com")
	})
}

// A lead that is out and begins anew with an address that another lead's contact has among its further ones opts nobody
// else out.
func TestNewLifeOptsNobodyElseOut(t *testing.T) {
	t.Parallel()
	for _, yaml := range []string{"push: {max_attempts: 2}", "push: {max_attempts: 2}\nconsent: {unsubscribe: [1, 2]}"} {
		consentTest(t, yaml, hubspotsim.Config{Seed: 914, Subscriptions: twoTypes}, func(r *rig) {
			r.event("1", "lead.registered", "ada@example.com", "")
			r.event("2", "lead.registered", "bob@example.com", "")
			r.start()
			r.settled(time.Minute)
			r.mergeInto("bob@example.com", "robert@example.com")
			r.event("1", "lead.unsubscribed", "", "")
			r.settled(time.Minute)
			r.event("1", "lead.deleted", "", "")
			r.settled(time.Minute)
			reg := r.event("1", "lead.registered", "robert@example.com", "")
			r.settled(time.Hour)
			r.want(reg, "dead/address_taken")
			r.notOut("robert@example.com")
			r.notOut("bob@example.com")
			for _, id := range []int64{1, 2} {
				if s := r.sim.Status("robert@example.com", id); s == "UNSUBSCRIBED" {
					t.Errorf("the other person is out of type %d", id)
				}
			}
		})
	}
}
