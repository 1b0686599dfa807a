package app

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/testsize"
)

// A row is pushed, a person edits the same field and pull looks, at every moment against each other, with answers that
// come and answers that are lost. Our own value never comes back as a change, a person's is told at most once, and in
// the end the application knows what HubSpot holds: it was told of the person's value if that stands there, and not
// told of it if its own does.
func TestStoryPullAndPushAtOnce(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot", "newest"} {
		faults := []string{"batch_update=lostx1", "batch_update=500x1", "batch_update=late:3sx1", "batch_read=slow:1500msx1"}
		for _, fault := range append([]string{""}, testsize.Some(t, faults, 1)...) {
			t.Run(winner+" "+fault, func(t *testing.T) {
				step := time.Duration(testsize.Of(500, 1000)) * time.Millisecond
				if fault != "" && !testsize.Full() {
					step *= 2
				}
				kept, told := 0, 0
				for edit := -step; edit < 5*time.Second; edit += step {
					for look := time.Duration(0); look < 4*time.Second; look += 2 * step {
						ok := t.Run(fmt.Sprintf("edit %s look %s", edit, look), func(t *testing.T) {
							theirs := atOnce(t, winner, fault, edit, look)
							if told++; !theirs {
								kept++
							}
						})
						if !ok {
							return
						}
					}
				}
				if fault == "" && (kept == 0 || kept == told) {
					t.Errorf("of %d cases the application's value stood in %d: the cases do not differ", told, kept)
				}
			})
		}
	}
}

func atOnce(t *testing.T, winner, fault string, edit, look time.Duration) (theirs bool) {
	yaml := "mapping:\n  fields:\n    - {lead: firm, contact: company, direction: both, winner: " + winner + "}\n"
	inBubble(t, hubspotsim.Config{Seed: 801, Latency: time.Second}, yaml, func(r *rig) {
		r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", `{"firm":"First"}`)
		r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
		time.Sleep(time.Hour)
		must(t, r.sim.SetFaults(fault))
		person := func() {
			must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "Theirs"}))
		}
		if edit < 0 {
			person()
			time.Sleep(time.Second)
		}
		r.eventAt(time.Now(), "1", "lead.updated", "", `{"firm":"Ours"}`)
		var people sync.WaitGroup
		if edit >= 0 {
			people.Go(func() { time.Sleep(2*time.Second + edit); person() }) // two requests come before the first of push
		}
		r.passAfter(look, time.Minute, func() (error, error) { return nil, nil }, pull.Changes)
		people.Wait()
		must(t, r.sim.SetFaults(""))
		for range 3 {
			time.Sleep(5 * time.Minute)
			r.pass(time.Minute, nil, pull.Changes)
		}
		time.Sleep(2 * time.Hour)
		r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
		theirs = r.contact("ada@example.com")["company"] == "Theirs"
		rows := strings.Join(r.told(), "\n")
		switch {
		case strings.Contains(rows, `"value":"Ours"`):
			t.Errorf("our own value came back: %s", rows)
		case theirs && strings.Count(rows, `"value":"Theirs"`) != 1:
			t.Errorf("HubSpot holds the person's value, and the application was told %q", rows)
		case !theirs && rows != "":
			t.Errorf("HubSpot holds our value, and the application was told %q", rows)
		}
		if c := r.counts(); c["pending"] > 0 {
			t.Errorf("rows %v", c)
		}
	})
	return theirs
}
