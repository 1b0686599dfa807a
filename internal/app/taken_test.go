package app

import (
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// A new lead with the address of one that is linked already is told so at once and tried again, not parked as if it had
// no address.
func TestTakenByALinkedLead(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 60}, "push: {max_attempts: 3}", func(r *rig) {
		r.event("1", "lead.registered", "Ada.One@Example.com", `{"firstname":"One"}`)
		r.start()
		r.settled(time.Minute)
		id := r.event("2", "lead.registered", "ada.one@example.com", `{"firstname":"Two"}`)
		time.Sleep(2 * time.Second)
		if o := r.want(id, "pending"); !strings.HasPrefix(o.Note, "held by contact ") || o.Attempts == 0 {
			t.Errorf("note %q, %d attempts", o.Note, o.Attempts)
		}
		r.settled(24 * time.Hour)
		r.want(id, "dead/address_taken")
		r.wantContact("ada.one@example.com", map[string]string{"firstname": "One"})
	})
}
