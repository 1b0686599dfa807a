package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
)

// What people changed in fields that the mapping did not tell, or did not have, is told once when it comes to tell
// them, under every winner and both directions; what went back meanwhile, and what the application said too, is not.
func TestG8PullMappingComesToTell(t *testing.T) {
	t.Parallel()
	oneWay := "mapping: {fields: [{lead: town, contact: city}, {lead: name, contact: firstname}]}\n"
	for _, rule := range []string{"direction: both, winner: app", "direction: both, winner: hubspot", "direction: both, winner: newest",
		"direction: both, winner: fill_empty", "direction: pull"} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(rule, restart), func(t *testing.T) {
				inPull(t, hubspotsim.Config{}, oneWay, func(r *rig, _ hubspotsim.Target) {
					for i, who := range []string{"bea Lima", "cy Bern", "dee Oslo", "eve Graz"} {
						name, town, _ := strings.Cut(who, " ")
						r.event(fmt.Sprint(2+i), "lead.registered", name+"@example.com", `{"town":"`+town+`"}`)
					}
					r.settled(time.Minute)
					time.Sleep(5 * time.Minute)
					for who, town := range map[string]string{"ada": "Paris", "cy": "Kiel", "dee": "Turin", "eve": ""} {
						must(t, r.sim.Edit(hubspotsim.Target{Email: who + "@example.com"}, map[string]string{"city": town, "jobtitle": who}))
					}
					time.Sleep(5 * time.Minute)
					must(t, r.sim.Edit(hubspotsim.Target{Email: "cy@example.com"}, map[string]string{"city": "Bern"})) // back again
					time.Sleep(5 * time.Minute)
					r.event("4", "lead.updated", "", `{"town":"Turin"}`) // agrees
					r.settled(time.Minute)
					time.Sleep(3 * time.Hour) // no other stream looks at these changes any more
					r.wantTold()
					writes := r.writes()
					r.yaml = "mapping: {fields: [{lead: town, contact: city, " + rule +
						"}, {lead: name, contact: firstname}, {lead: job, contact: jobtitle, direction: both}]}\n"
					for range 2 {
						if restart {
							r.stop()
							r.start()
						} else {
							r.reload()
						}
						time.Sleep(5 * time.Minute)
						told := map[string]bool{}
						for _, line := range r.told() {
							told[line] = true
						}
						if len(told) != 4 || len(r.told()) != 4 ||
							!told[`1 contact.updated {"job":{"value":"ada","was":null},"town":{"value":"Paris","was":"London"}}`] ||
							!told[`3 contact.updated {"job":{"value":"cy","was":null}}`] || !told[`4 contact.updated {"job":{"value":"dee","was":null}}`] ||
							!told[`5 contact.updated {"job":{"value":"eve","was":null},"town":{"value":null,"was":"Graz"}}`] {
							t.Errorf("told:\n%s", strings.Join(r.told(), "\n"))
						}
					}
					if n := r.writes() - writes; n != 0 {
						t.Errorf("a change of the mapping wrote %d times", n)
					}
				})
			})
		}
	}
}

// A reading for the mapping that is killed again and again goes on where it was, tells each contact once, reads each
// about once, and costs nothing from then on.
func TestG8PullMappingResumes(t *testing.T) {
	t.Parallel()
	const n = 1_000
	oneWay := "mapping: {fields: [{lead: town, contact: city}]}\n"
	inBubble(t, hubspotsim.Config{Latency: 300 * time.Millisecond}, oneWay, func(r *rig) {
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range n {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprint("p", i, "@example.com"), `{"town":"London"}`)
			}
		})
		r.pass(time.Minute, nil, pull.Streams()...)
		_, err := r.sim.EditAll(map[string]string{"city": "Turin"})
		must(t, err)
		time.Sleep(2 * time.Minute)
		r.pass(5*time.Minute, nil, pull.Changes)
		r.wantTold()
		r.yaml = strings.ReplaceAll(oneWay, "city", "city, direction: both")
		r.sim.ResetStats()
		for range 3 {
			r.pass(1500*time.Millisecond, nil, pull.Mapping)
		}
		cut := r.sim.Stats().Ops["batch_read"]
		r.pass(time.Minute, nil, pull.Mapping)
		r.wantEach(n, "contact.updated", 1)
		if all := r.sim.Stats().Ops["batch_read"]; cut < 3 || cut >= n/100 || all > n/100+3 {
			t.Errorf("%d readings before the last pass, %d with it; want some, and %d and one a kill", cut, all, n/100)
		}
		r.sim.ResetStats()
		r.pass(time.Minute, nil, pull.Mapping)
		r.yaml = oneWay // and back: what is told no more needs no reading
		r.pass(time.Minute, nil, pull.Mapping)
		if ops := r.sim.Stats().Ops; ops["batch_read"]+ops["search"] != 0 {
			t.Errorf("a mapping that tells nothing new costs %v", ops)
		}
	})
}
