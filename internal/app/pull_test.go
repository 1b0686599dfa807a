package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// both maps the fields of these tests both ways.
const both = `mapping: {fields: [{lead: first_name, contact: firstname, direction: both, winner: newest}, {lead: city, contact: city, direction: both, winner: hubspot}, {lead: company, contact: company}]}
`

func TestAnEditInHubSpotReachesTheInbox(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{IndexLag: 5 * time.Second}, both, func(r *rig) {
		r.pull, r.patient = true, true
		r.event("a", "lead.registered", "ada@example.com", `{"first_name":"Ada","city":"London","company":"Analytical Engines"}`)
		r.start()
		r.settled(time.Minute)
		time.Sleep(3 * time.Minute)
		r.wantInbox() // our own write does not come back
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Paris", "company": "Other"}))
		time.Sleep(2 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		time.Sleep(2 * time.Hour) // the lagged look and all others find nothing more
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		r.stop()
		r.start()
		time.Sleep(2 * time.Hour)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
	})
}
