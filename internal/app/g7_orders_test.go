package app

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// step is one thing the application does to its lead.
type wordStep struct{ typ, email, properties string }

// orders calls f with every order of the steps.
func orders(steps []wordStep, f func([]wordStep)) {
	if len(steps) == 0 {
		f(nil)
		return
	}
	for i := range steps {
		rest := append(append([]wordStep{}, steps[:i]...), steps[i+1:]...)
		orders(rest, func(tail []wordStep) { f(append([]wordStep{steps[i]}, tail...)) })
	}
}

// misfortunes are what may befall a request. Each heals after a while.
var misfortunes = []string{"", "sub_all=500x2", "sub_all=lostx1", "sub_all=hangx1", "sub_all=429x1", "batch_create=lostx1", "batch_create=500x2", "batch_create=hangx1",
	"batch_update=lostx1", "batch_update=500x2", "batch_update=hangx1", "batch_read=500x2", "batch_read=cutx1", "any=502htmlx3", "any=lostx2", "batch_update=drop:1x1",
	"sub_all=empty200x1", "batch_create=empty200x1", "batch_create=400x1", "batch_update=400x1"}

// TestG7EveryOrderEndsOptedOut: whatever the order of registration, update, change of address and unsubscribe, whatever
// requests fail, however often the daemon is started anew, and whatever rows an operator puts back in: the person ends
// opted out at the address the contact has, and from the first opt-out on HubSpot could mail nobody at an address that
// the contact got later.
func TestG7EveryOrderEndsOptedOut(t *testing.T) {
	t.Parallel()
	steps := []wordStep{{"lead.registered", "old@example.com", `{"firstname":"Ada"}`}, {"lead.updated", "", `{"company":"C"}`},
		{"lead.updated", "new@example.com", `{"city":"London"}`}, {"lead.unsubscribed", "", `{}`}}
	seeds, first := testsize.Histories(3, 1), testsize.Seed(t)
	n := 0
	orders(steps, func(order []wordStep) {
		n++
		for seed := range seeds {
			rnd := rand.New(rand.NewPCG(uint64(n), first+uint64(seed)))
			var story []string
			inBubble(t, hubspotsim.Config{Seed: uint64(1000*n + seed), Latency: 40 * time.Millisecond}, "push: {max_attempts: 4}", func(r *rig) {
				say := func(format string, a ...any) { story = append(story, fmt.Sprintf(format, a...)) }
				up := func(on bool) {
					switch {
					case on && r.running == nil:
						say("start")
						r.start()
					case !on && r.running != nil:
						say("stop")
						r.stop()
					}
				}
				r.patient = seed%2 == 1
				up(rnd.IntN(2) == 0)
				for _, s := range order {
					if m := misfortunes[rnd.IntN(len(misfortunes))]; rnd.IntN(2) == 0 {
						say("%s", m)
						must(t, r.sim.SetFaults(m))
					}
					say("%s %s", s.typ, s.email)
					r.event("1", s.typ, s.email, s.properties)
					time.Sleep(time.Duration(rnd.IntN(4)) * time.Duration(rnd.IntN(1500)) * time.Millisecond)
					if rnd.IntN(3) == 0 {
						up(r.running == nil)
					}
				}
				time.Sleep(time.Duration(rnd.IntN(20)) * time.Second)
				must(t, r.sim.SetFaults(""))
				up(true)
				r.settled(24 * time.Hour)
				if rnd.IntN(2) == 0 { // an operator puts rows back in
					up(rnd.IntN(2) == 0)
					say("requeue")
					_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'pending', reason = NULL, note = NULL, attempts = 0, not_before = NULL, settled_at = NULL
  WHERE state = 'dead' OR state = 'skipped' AND ?`, rnd.IntN(2) == 0)
					must(t, err)
					time.Sleep(time.Second)
					up(true)
					r.settled(24 * time.Hour)
				}
				time.Sleep(5 * time.Minute) // the second look
				contacts := r.sim.Contacts()
				if len(contacts) != 1 {
					t.Errorf("%d contacts", len(contacts))
				}
				for _, c := range contacts {
					r.out(c.Properties["email"])
				}
				out := false
				for _, e := range r.sim.ConsentLog() {
					switch {
					case e.Kind == hubspotsim.ConsentAll && e.Status == "UNSUBSCRIBED":
						out = true
					case e.Kind == hubspotsim.ConsentMailable && out:
						t.Errorf("mailable at %s after the opt-out", e.Address)
					case e.Status == "SUBSCRIBED":
						t.Error("a SUBSCRIBED was sent")
					}
				}
				for word, k := range r.counts() {
					if strings.HasPrefix(word, "dead") && k > 0 {
						t.Logf("%s: %d", word, k)
					}
				}
			})
			if t.Failed() {
				t.Fatalf("order %d, seed %d:\n%s", n, seed, strings.Join(story, "\n"))
			}
		}
	})
}
