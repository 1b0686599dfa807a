package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// Every reading of a contact counts, whatever it was made for: a person who is out in HubSpot stays out at the address
// with which the lead begins anew after a delete, or with which it comes back after a merge.
func TestG7ReadingForADelete(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(r *rig){
		"linked": func(r *rig) {},
		"merged": func(r *rig) { r.mergeInto("ada@example.com", "other@example.com") },
		"renamed": func(r *rig) {
			must(r.t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"email": "third@example.com"}))
		},
	} {
		for _, yaml := range []string{"", "consent: {unsubscribe: [1, 2]}"} {
			consentTest(t, yaml, hubspotsim.Config{Seed: 765, Subscriptions: twoTypes}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.start()
				r.settled(time.Minute)
				before(r)
				for _, a := range []string{"ada@example.com", "third@example.com"} {
					r.sim.Optout(a, true)
				}
				from := len(r.sim.ConsentLog())
				del := r.event("1", "lead.deleted", "", "")
				r.settled(time.Minute)
				r.want(del, "delivered")
				again := r.event("1", "lead.registered", "new@example.com", "")
				r.settled(10 * time.Minute)
				r.want(again, "delivered")
				t.Log(name, yaml)
				r.outOfAll(yaml, "new@example.com")
				if yaml == "" {
					r.silentFrom(from)
				}
			})
		}
	}
}

func (r *rig) mergeInto(kept, other string) {
	r.t.Helper()
	_, err := r.sim.Create(map[string]string{"email": other})
	must(r.t, err)
	_, err = r.sim.Merge(hubspotsim.Target{Email: kept}, hubspotsim.Target{Email: other})
	must(r.t, err)
}

// A delete waits for an unsubscribe that is on its way: with the contact gone, the row would have no address to opt
// out.
func TestG7DeleteWaitsForOptOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ evicts, address string }{
		"delete":         {"lead.deleted", ""},
		"delete, naming": {"lead.deleted", "ada@example.com"},
		"erase":          {"lead.erased", ""},
		"erase, naming":  {"lead.erased", "ada@example.com"},
	} {
		for _, apart := range []bool{true, false} {
			consentTest(t, "", hubspotsim.Config{Seed: 766}, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
				r.start()
				r.settled(time.Minute)
				time.Sleep(10 * time.Minute)
				must(t, r.sim.SetFaults("sub_all=400,gdpr_delete=400"))
				unsub := r.event("1", "lead.unsubscribed", "", "")
				if apart {
					time.Sleep(5 * time.Second)
				}
				r.event("1", c.evicts, c.address, "")
				time.Sleep(20 * time.Second)
				r.want(unsub, "pending")
				if r.contact("ada@example.com") == nil {
					t.Errorf("%s: the contact is gone before its address is opted out", name)
				}
				must(t, r.sim.SetFaults("gdpr_delete=400"))
				time.Sleep(10 * time.Minute)
				r.want(unsub, "delivered")
				r.out("ada@example.com")
				t.Log(name, apart)
			})
		}
	}
}

// Opt out before the tombstone: an erase that HubSpot refuses leaves a contact, and nobody who can be mailed.
func TestG7RefusedEraseLeavesNobodyMailable(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]func(r *rig) (unsub int64){
		"unsubscribed": func(r *rig) int64 {
			id := r.event("1", "lead.unsubscribed", "", "")
			r.event("1", "lead.erased", "", "")
			return id
		},
		"naming another address": func(r *rig) int64 {
			id := r.event("1", "lead.unsubscribed", "two@example.com", "")
			r.event("1", "lead.erased", "", "")
			return id
		},
		"after it": func(r *rig) int64 {
			r.event("1", "lead.erased", "", "")
			return r.event("1", "lead.unsubscribed", "", "")
		},
		"and resubscribed": func(r *rig) int64 {
			id := r.word("1", "lead.unsubscribed", "")
			r.word("1", "lead.resubscribed", evidenceOf(-time.Hour))
			r.event("1", "lead.erased", "", "")
			return id
		},
	} {
		consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 767}, func(r *rig) {
			r.patient = true
			r.event("1", "lead.registered", "ada@example.com", `{"firstname":"Ada"}`)
			r.start()
			r.settled(time.Minute)
			r.stop()
			must(t, r.sim.SetFaults("gdpr_delete=400"))
			unsub := rows(r)
			r.start()
			r.settled(48 * time.Hour)
			t.Log(name)
			r.want(unsub, "delivered")
			r.out("ada@example.com")
			if name == "naming another address" {
				r.out("two@example.com")
			}
			if n := r.subscribes(); n != 0 {
				t.Errorf("%s: %d SUBSCRIBED", name, n)
			}
		})
	}
}

// A lead whose contact was merged into another's is the same person: what is known of the other one's consent counts,
// through the reading of the merge and when it resubscribes.
func TestG7ResubscribeAfterMerge(t *testing.T) {
	t.Parallel()
	for name, optOut := range map[string]func(r *rig){
		"of the survivor's address": func(r *rig) { r.word("1", "lead.unsubscribed", "") },
		"of the one that was lost": func(r *rig) {
			r.event("1", "lead.unsubscribed", "lost@example.com", "")
		},
		"in HubSpot": func(r *rig) { r.sim.Optout("kept@example.com", true) },
	} {
		for _, before := range []bool{true, false} {
			consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 768, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
				r.patient = true
				r.event("1", "lead.registered", "kept@example.com", "")
				r.event("2", "lead.registered", "lost@example.com", "")
				r.start()
				r.settled(time.Minute)
				if before {
					optOut(r)
					r.settled(time.Hour)
					time.Sleep(time.Minute)
				}
				_, err := r.sim.Merge(hubspotsim.Target{Email: "kept@example.com"}, hubspotsim.Target{Email: "lost@example.com"})
				must(t, err)
				r.event("1", "lead.updated", "", `{"company":"C"}`)
				r.event("2", "lead.updated", "", `{"company":"D"}`)
				r.settled(10 * time.Minute)
				if !before {
					optOut(r)
					r.settled(time.Hour)
				}
				time.Sleep(time.Hour)
				n := r.subscribes()
				ago := time.Duration(0)
				if name == "in HubSpot" && !before { // nothing but HubSpot's own time speaks against it
					ago = 2 * time.Hour
				}
				for _, address := range []string{"", "lost@example.com", "kept@example.com"} {
					id := r.event("2", "lead.resubscribed", address, evidenceOf(ago))
					_, err := r.db.Exec(`UPDATE lead_outbox SET created_at = ?, occurred_at = ? WHERE id = ?`, time.Now().UnixMilli(), time.Now().UnixMilli(), id)
					must(t, err)
					r.settled(time.Minute)
					r.want(id, "skipped/consent_refused")
				}
				if r.subscribes() != n {
					t.Errorf("%s, before the merge %t: SUBSCRIBED was sent", name, before)
				}
			})
		}
	}
}
