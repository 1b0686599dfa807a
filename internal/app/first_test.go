package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

func TestFirstUse(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 1, Latency: 50 * time.Millisecond}, "", func(r *rig) {
		id := r.event("42", "lead.registered", "Ada@Example.com", `{"firstname":"Ada","company":"Analytical Engines"}`)
		r.start()
		r.settled(10 * time.Second)
		r.want(id, "delivered")
		r.wantContact("ada@example.com", map[string]string{"firstname": "Ada", "company": "Analytical Engines"})
	})
}
