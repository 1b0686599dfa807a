package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// A person leaves in HubSpot, and before anybody reads that the contact gets another address there: somebody edits it,
// or merges the contact into another one. What was left at the address of before counts at the new one.
func TestG7LeftBeforeTheAddressWentInHubSpot(t *testing.T) {
	t.Parallel()
	const old, next = "old@example.com", "new@example.com"
	changes := map[string]func(r *rig){
		"edited": func(r *rig) {
			must(r.t, r.sim.Edit(hubspotsim.Target{Email: old}, map[string]string{"email": next}))
		},
		"merged": func(r *rig) {
			_, err := r.sim.Create(map[string]string{"email": next, "lastname": "Twin"})
			must(r.t, err)
			_, err = r.sim.Merge(hubspotsim.Target{Email: next}, hubspotsim.Target{Email: old})
			must(r.t, err)
		},
	}
	for name, change := range changes {
		for _, form := range []int64{0, 1, 2} {
			for _, types := range []string{"", "consent: {unsubscribe: [1, 2]}\n"} {
				for _, asks := range []string{"pull", "push"} {
					cfg := hubspotsim.Config{Seed: 781, Subscriptions: twoTypes, IndexLag: time.Second}
					consentTest(t, types, cfg, func(r *rig) {
						r.pull, r.patient = asks == "pull", true
						r.event("1", "lead.registered", old, `{"firstname":"Ada"}`)
						r.start()
						r.settled(time.Minute)
						r.stop()
						r.leave(old, form)
						change(r)
						r.start()
						if asks == "push" {
							r.event("1", "lead.registered", "", `{"company":""}`) // asks for a reading
							r.settled(time.Minute)
						}
						time.Sleep(10 * time.Minute)
						if form == 0 && !r.sim.OptedOut(next) || form != 0 && r.sim.Status(next, form) != "UNSUBSCRIBED" {
							t.Errorf("%s", fmt.Sprint(name, ", form ", form, ", ", types, asks, ": mailable at the new address"))
						}
					})
				}
			}
		}
	}
}

// An address of before about which HubSpot answers 500 for ever costs its own lead alone.
func TestG7FormerAddressThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"sub_read=500", "sub_all_read=500"} {
		consentTest(t, "", hubspotsim.Config{Seed: 782, Subscriptions: twoTypes}, func(r *rig) {
			r.event("1", "lead.registered", "old@example.com", `{"firstname":"Ada"}`)
			r.event("2", "lead.registered", "two@example.com", `{"firstname":"Bea"}`)
			r.start()
			r.settled(time.Minute)
			must(t, r.sim.SetFaults(fault))
			r.leave("old@example.com", 0)
			must(t, r.sim.Edit(hubspotsim.Target{Email: "old@example.com"}, map[string]string{"email": "new@example.com"}))
			r.event("1", "lead.registered", "", `{"company":""}`)
			r.settled(time.Minute)
			time.Sleep(10 * time.Minute)
			began := time.Now()
			id := r.event("2", "lead.unsubscribed", "", "")
			r.settled(10 * time.Second)
			r.want(id, "delivered")
			r.out("two@example.com")
			if d := time.Since(began); d > 3*time.Second {
				t.Errorf("%s: the opt-out of another lead took %s", fault, d)
			}
			must(t, r.sim.SetFaults(""))
			time.Sleep(2 * time.Hour)
			r.out("new@example.com")
		})
	}
}

// While the scope is missing that reads consent, an address of before stays on the link, is asked about once an hour at
// the most for all leads together, and nothing that was left there is lost.
func TestG7FormerAddressWithoutTheScope(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 783, Subscriptions: twoTypes}, func(r *rig) {
		r.patient = true
		for i := range 5 {
			r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("old%d@example.com", i), `{"firstname":"Ada"}`)
		}
		r.start()
		r.settled(time.Minute)
		all := r.sim.App()
		must(t, r.sim.SetScopes("", slices.DeleteFunc(append(slices.Clone(all.RequiredScopes), all.OptionalScopes...), func(s string) bool {
			return strings.HasPrefix(s, "communication_preferences")
		})))
		for i := range 5 {
			r.leave(fmt.Sprintf("old%d@example.com", i), int64(i%3))
			must(t, r.sim.Edit(hubspotsim.Target{Email: fmt.Sprintf("old%d@example.com", i)}, map[string]string{"email": fmt.Sprintf("new%d@example.com", i)}))
			r.event(fmt.Sprint(i), "lead.registered", "", `{"company":""}`)
		}
		r.settled(time.Minute)
		r.sim.ResetStats()
		time.Sleep(6 * time.Hour)
		if ops := r.sim.Stats().Ops; ops["sub_all_read"]+ops["sub_read"] == 0 || ops["sub_all_read"]+ops["sub_read"] > 8 {
			t.Errorf("in six hours HubSpot was asked %v", ops)
		}
		must(t, r.sim.SetScopes("", nil))
		time.Sleep(3 * time.Hour)
		for i := range 5 {
			a := fmt.Sprintf("new%d@example.com", i)
			if form := int64(i % 3); form == 0 && !r.sim.OptedOut(a) || form != 0 && r.sim.Status(a, form) != "UNSUBSCRIBED" {
				t.Errorf("lead %d is mailable at the new address", i)
			}
		}
	})
}

// What a person left at an address of before speaks no longer once it subscribed again.
func TestG7FormerAddressBeforeAResubscribe(t *testing.T) {
	t.Parallel()
	for _, form := range []int64{0, 1} {
		cfg := hubspotsim.Config{Seed: 784, Subscriptions: twoTypes, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}
		consentTest(t, "consent: {resubscribe: allow, unsubscribe: [1, 2]}", cfg, func(r *rig) {
			r.patient = true
			r.event("1", "lead.registered", "old@example.com", "")
			r.start()
			r.settled(time.Minute)
			r.stop()
			r.leave("old@example.com", form)
			must(t, r.sim.Edit(hubspotsim.Target{Email: "old@example.com"}, map[string]string{"email": "new@example.com"}))
			time.Sleep(time.Hour)
			r.event("1", "lead.registered", "", `{"company":""}`)
			in := r.word("1", "lead.resubscribed", evidenceOf(0))
			r.start()
			r.settled(10 * time.Minute)
			time.Sleep(3 * time.Hour)
			r.want(in, "delivered")
			if r.sim.OptedOut("new@example.com") || r.sim.Status("new@example.com", 1) == "UNSUBSCRIBED" {
				t.Errorf("form %d: opted out at the new address after the resubscribe", form)
			}
		})
	}
}
