package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// An unsubscribe overtakes the delete before it, and brings the first address of the lead: the delete does not take that away from the row
// that waits for one (found by TestModelBothWays).
func TestAddressOfAWordBehindADelete(t *testing.T) {
	consentTest(t, "", hubspotsim.Config{Seed: 740}, func(r *rig) {
		del := r.event("1", "lead.deleted", "", "")
		update := r.event("1", "lead.updated", "", `{"company":"Looms"}`)
		word := r.event("1", "lead.unsubscribed", "ada@example.com", "")
		r.start()
		time.Sleep(time.Minute)
		r.want(del, "skipped/no_contact")
		r.want(word, "delivered")
		r.want(update, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "Looms"})
		r.out("ada@example.com")
		r.silentFrom(0)
	})
}
