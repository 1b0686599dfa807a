package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// The stricter of everything known wins, through whichever lead: an address that another lead has, had, or named when
// it was opted out refuses a resubscribe there, also while that row waits, and however many rows stand beside it. What
// that lead says of other addresses does not.
func TestG7OptedOutThroughAnotherLead(t *testing.T) {
	t.Parallel()
	const yaml = "consent: {resubscribe: allow}"
	for name, c := range map[string]struct {
		other   func(r *rig)
		refused bool
	}{
		"had it": {func(r *rig) {
			r.event("2", "lead.unsubscribed", "", "")
			r.settled(time.Minute)
			r.event("2", "lead.updated", "moved@example.com", "")
		}, true},
		"named it": {func(r *rig) { r.event("2", "lead.unsubscribed", "ada@example.com", "") }, true},
		"is about to name it": {func(r *rig) {
			must(r.t, r.sim.SetFaults("sub_all=400"))
			r.event("2", "lead.unsubscribed", "ada@example.com", "")
			time.Sleep(20 * time.Second)
			must(r.t, r.sim.SetFaults(""))
		}, true},
		"is out elsewhere": {func(r *rig) { r.event("2", "lead.unsubscribed", "", "") }, false},
		"had it, never out": {func(r *rig) {
			r.event("2", "lead.updated", "moved@example.com", "")
		}, false},
	} {
		consentTest(t, yaml, hubspotsim.Config{Seed: 775, Subscriptions: twoTypes}, func(r *rig) {
			t.Log(name)
			first := "two@example.com"
			if c.refused && name == "had it" || name == "had it, never out" {
				first = "ada@example.com"
			}
			r.event("2", "lead.registered", first, "")
			r.start()
			r.settled(time.Minute)
			c.other(r)
			time.Sleep(30 * time.Second)
			r.stop()
			// HubSpot itself knows nothing of an opt-out any more: only what is known here can refuse.
			r.sim.Optout("ada@example.com", false)
			must(t, r.sim.Subscribe("ada@example.com", 2, "UNSUBSCRIBED"))
			time.Sleep(time.Hour)
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 5 {
					insert("1", "lead.updated", "", fmt.Sprintf(`{"company":"%d"}`, i))
				}
			})
			n := r.subscribes()
			r.start()
			id := r.event("1", "lead.resubscribed", "ada@example.com", evidenceOf(0))
			_, err := r.db.Exec(`UPDATE lead_outbox SET created_at = ?, occurred_at = ? WHERE id = ?`, time.Now().UnixMilli(), time.Now().UnixMilli(), id)
			must(t, err)
			time.Sleep(time.Minute)
			if o := r.outcome(id); (o.word() == "skipped/consent_refused") != c.refused {
				t.Errorf("%s: %s (note %q)", name, o.word(), o.Note)
			}
			if sent := r.subscribes() - n; (sent > 0) == c.refused {
				t.Errorf("%s: %d SUBSCRIBED", name, sent)
			}
		})
	}
}

// TestG5ResubscribeAsks has its place beside the fault table, whose scene has no resubscribe: while one of the
// questions that a resubscribe asks the database has no answer nobody is subscribed, and when it has one the row goes
// on and pays nothing.
func TestG5ResubscribeAsks(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"SpokeOut", "PendingOptOut", "LinksOutAt"} {
		for _, kind := range []string{"refused", "lost", "hung", "slow"} {
			consentTest(t, "consent: {resubscribe: allow}", hubspotsim.Config{Seed: 776, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
				r.patient = true
				sh := &shakes{seen: map[string]bool{}, portalLost: func() {}}
				r.between = func(s Store) Store { return shaky{s, sh} }
				r.event("1", "lead.registered", "ada@example.com", "")
				r.word("1", "lead.unsubscribed", "")
				r.start()
				r.settled(time.Minute)
				time.Sleep(time.Hour)
				sh.breaks(method, kind)
				id := r.word("1", "lead.resubscribed", evidenceOf(0))
				time.Sleep(5 * time.Second)
				if n := r.subscribes(); n > 0 {
					t.Errorf("%s %s: %d SUBSCRIBED without an answer", method, kind, n)
				}
				time.Sleep(20 * time.Second)
				if sh.heals() == 0 {
					t.Errorf("%s %s: no call met the fault", method, kind)
				}
				r.settled(10 * time.Minute)
				if o := r.want(id, "delivered"); o.Attempts != 0 {
					t.Errorf("%s %s: the row paid %d attempts", method, kind, o.Attempts)
				}
				r.notOut("ada@example.com")
			})
		}
	}
}
