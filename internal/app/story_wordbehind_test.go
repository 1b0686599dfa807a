package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// An unsubscribe overtakes the delete before it, and brings the first address of the lead: the delete does not take
// that away from the row that waits for one (found by TestModelBothWays).
func TestAddressOfAWordBehindADelete(t *testing.T) {
	t.Parallel()
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

// The delete does not look for a contact at an address that came after it: who is there was never this lead's to
// archive.
func TestDeleteLooksAtNoLaterAddress(t *testing.T) {
	t.Parallel()
	consentTest(t, "", hubspotsim.Config{Seed: 741}, func(r *rig) {
		_, err := r.sim.Create(map[string]string{"email": "ada@example.com", "company": "Sales"})
		must(t, err)
		del := r.event("1", "lead.deleted", "", "")
		word := r.event("1", "lead.unsubscribed", "ada@example.com", "")
		r.start()
		time.Sleep(time.Minute)
		r.want(del, "skipped/no_contact")
		r.want(word, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "Sales"})
		r.out("ada@example.com")
	})
}
