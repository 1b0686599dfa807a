package app

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A hundred thousand updates are queued and the budget is used up by them: an unsubscribe of a lead that is anywhere
// among them (done, in a batch that waits, in a request under way, or still in the database) is at HubSpot within two
// seconds.
func TestG7UnsubscribeOvertakes(t *testing.T) {
	t.Parallel()
	backlog, tries := testsize.Of(100_000, 6_000), testsize.Of(200, 12)
	const yaml = "hubspot: {limits: {requests_per_10s: 100, daily: 0, share: 0.9}}"
	inBubble(t, hubspotsim.Config{Seed: 720, Latency: 150 * time.Millisecond, Limit: 100}, yaml, func(r *rig) {
		address := func(i int) string { return fmt.Sprintf("p%d@example.com", i) }
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range tries {
				insert(fmt.Sprint("p", i), "lead.registered", address(i), `{"company":"A"}`)
			}
		})
		r.start()
		r.settled(5 * time.Minute)
		rnd := rand.New(rand.NewPCG(1, 2))
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range backlog {
				if i%(backlog/tries) == 0 {
					insert(fmt.Sprint("p", i/(backlog/tries)), "lead.updated", "", `{"company":"B"}`)
					continue
				}
				insert(fmt.Sprint("x", i), "lead.updated", fmt.Sprintf("x%d@example.com", i), `{"company":"B"}`)
			}
		})
		begun := time.Now()
		over := time.Duration(float64(backlog) / 900 * float64(time.Second)) // 90 requests of 100 rows in ten seconds
		every := over * 9 / 10 / time.Duration(tries)
		inserted := map[int]time.Time{}
		var took []time.Duration
		order := rnd.Perm(tries)
		for next := 0; len(took) < tries; time.Sleep(10 * time.Millisecond) {
			if next < tries && time.Since(begun) >= time.Duration(next)*every {
				r.event(fmt.Sprint("p", order[next]), "lead.unsubscribed", "", "")
				inserted[order[next]] = time.Now()
				next++
			}
			for i, at := range inserted {
				switch {
				case r.sim.OptedOut(address(i)):
					took = append(took, time.Since(at))
					delete(inserted, i)
				case time.Since(at) > time.Minute:
					t.Fatalf("an unsubscribe waits for a minute")
				}
			}
		}
		if left := r.counts()["pending"]; left == 0 {
			t.Error("nothing was left of the backlog: the test proves nothing")
		}
		slices.Sort(took)
		t.Logf("median %s, longest %s of %d, %d rows still wait", took[len(took)/2], took[len(took)-1], len(took), r.counts()["pending"])
		if longest := took[len(took)-1]; longest > 2*time.Second {
			t.Errorf("the longest took %s", longest)
		}
		if s := r.sim.Stats(); len(s.Limited) != 0 || s.BudgetUsed < 80 {
			t.Errorf("limited %v, budget used %.0f %%", s.Limited, s.BudgetUsed)
		}
	})
}

// Ten thousand unsubscribes cost a request for each hundred where the account has batches of them. Where it has none
// that is found out once a day, and they go out one by one.
func TestG7Batches(t *testing.T) {
	t.Parallel()
	n := testsize.Of(10_000, 1_000)
	for _, lacks := range [][]string{nil, {"communication_preferences.statuses.batch.write"}} {
		consentTest(t, "", hubspotsim.Config{Seed: 721}, func(r *rig) {
			r.patient = true
			if lacks != nil {
				a := r.sim.App()
				must(t, r.sim.SetScopes("", slices.DeleteFunc(append(slices.Clone(a.RequiredScopes), a.OptionalScopes...), func(s string) bool { return slices.Contains(lacks, s) })))
			}
			insert := func(from, n int) {
				r.events(func(insert func(lead, typ, email, properties string)) {
					for i := range n {
						a := fmt.Sprintf("p%d@example.com", from+i)
						insert(a, "lead.unsubscribed", a, "{}")
					}
				})
			}
			if lacks != nil {
				n = 60
			}
			insert(0, n)
			r.start()
			r.settled(10 * time.Minute)
			if got := r.counts()["delivered"]; got != n {
				t.Errorf("%v", r.counts())
			}
			for i := range n {
				r.out(fmt.Sprintf("p%d@example.com", i))
			}
			s := r.sim.Stats()
			t.Logf("%d requests: %v", s.Requests, s.Ops)
			if lacks == nil {
				if most := n/100 + 10; s.Requests > most {
					t.Errorf("%d requests, want at most %d", s.Requests, most)
				}
				return
			}
			if tried := s.Ops["sub_batch_all"]; tried != 1 || s.Ops["sub_all"] != n {
				t.Errorf("%d batches were tried", tried)
			}
			time.Sleep(23 * time.Hour)
			insert(1000, 20)
			r.settled(10 * time.Minute)
			if tried := r.sim.Stats().Ops["sub_batch_all"]; tried != 1 {
				t.Errorf("%d batches were tried within a day", tried)
			}
			time.Sleep(2 * time.Hour)
			insert(2000, 20)
			r.settled(10 * time.Minute)
			if tried := r.sim.Stats().Ops["sub_batch_all"]; tried != 2 {
				t.Errorf("%d batches were tried after a day", tried)
			}
		})
	}
}

// Some addresses of a batch are refused: each row has its own fate, however HubSpot says it.
func TestG7PartialFailure(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]hubspotsim.Quirks{"named": {}, "unnamed": {ConsentErrorsUnnamed: true}, "whole": {ConsentWhole400: true}, "207": {Consent207: true}} {
		t.Run(name, func(t *testing.T) {
			consentTest(t, "", hubspotsim.Config{Seed: 722, Quirks: q}, func(r *rig) {
				var bad []int64
				var good []string
				for i := range 100 {
					a := fmt.Sprintf("p%d@example.com", i)
					if i%40 == 7 {
						bad = append(bad, r.event(fmt.Sprint(i), "lead.unsubscribed", fmt.Sprintf("subfault-invalid-%d@example.com", i), "{}"))
						continue
					}
					r.event(fmt.Sprint(i), "lead.unsubscribed", a, "{}")
					good = append(good, a)
				}
				r.start()
				time.Sleep(5 * time.Second)
				for _, a := range good {
					r.out(a)
				}
				for _, id := range bad {
					if o := r.want(id, "dead/invalid_email"); o.Correlation == "" {
						t.Error("the row names no request")
					}
				}
				if got := r.counts()["delivered"]; got != len(good) {
					t.Errorf("%v", r.counts())
				}
				if n := r.sim.Stats().Requests; n > 60 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// The token may not write preferences: unsubscribes wait and say why, everything else goes on, and nothing of a person
// who is out gets an address meanwhile. With the scope it goes on by itself.
func TestG7WithoutTheScope(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 723}, func(r *rig) {
		r.patient = true
		all := r.sim.App()
		scopes := slices.DeleteFunc(append(slices.Clone(all.RequiredScopes), all.OptionalScopes...), func(s string) bool {
			return s == "communication_preferences.read_write" || s == "communication_preferences.write" || s == "communication_preferences.statuses.batch.write"
		})
		must(t, r.sim.SetScopes("", scopes))
		unsub := r.event("1", "lead.unsubscribed", "", "")
		reg := r.event("1", "lead.registered", "ada@example.com", "")
		other := r.event("2", "lead.registered", "king@example.com", "")
		r.start()
		time.Sleep(30 * time.Second)
		r.want(unsub, "pending")
		r.want(reg, "pending")
		r.want(other, "delivered")
		if s := r.status(); !strings.Contains(s.ConsentCause, "communication_preferences.read_write") || s.State != "running" {
			t.Errorf("status says %q, the lane is %s", s.ConsentCause, s.State)
		}
		must(t, r.sim.SetScopes("", nil))
		time.Sleep(2 * time.Hour)
		r.want(unsub, "delivered")
		r.want(reg, "delivered")
		r.out("ada@example.com")
		for _, a := range r.mailable(0) {
			if a != "king@example.com" {
				t.Errorf("mailable at %s", a)
			}
		}
	})
}

// An unsubscribe comes while a job of its lead has read the contact and not yet written: the job lets the lead go, and
// the opt-out is there before the fields.
func TestG7JobLetsTheLeadGo(t *testing.T) {
	t.Parallel()
	const yaml = "mapping: {fields: [{lead: company, contact: company, direction: both, winner: newest}]}"
	consentTest(t, yaml, hubspotsim.Config{Seed: 724, Latency: time.Second}, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"company":"A"}`)
		r.start()
		r.settled(time.Minute)
		up := r.event("1", "lead.updated", "", `{"company":"B"}`)
		time.Sleep(700 * time.Millisecond) // the contact is being read
		r.event("1", "lead.unsubscribed", "", "")
		for !r.sim.OptedOut("ada@example.com") {
			time.Sleep(50 * time.Millisecond)
		}
		if got := r.contact("ada@example.com")["company"]; got != "A" {
			t.Errorf("company is %s before the opt-out", got)
		}
		r.settled(time.Minute)
		r.want(up, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "B"})
	})
}
