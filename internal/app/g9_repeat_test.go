package app

import (
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
)

// TestG9EraseAskedAgainAndAgain: erases that come while an erase waits for its second look end with it, and do not keep
// the lane busy.
func TestG9EraseAskedAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 232}, "", func(r *rig) {
			r.start()
			if known {
				r.event("1", "lead.registered", "ada@example.com", `{}`)
				r.settled(time.Minute)
			}
			first := r.event("1", "lead.erased", "", "")
			time.Sleep(16 * time.Second)
			var again []int64
			r.events(func(insert func(lead, typ, email, properties string)) {
				for range 3 {
					insert("1", "lead.erased", "", "{}")
				}
			})
			for i := range int64(3) {
				again = append(again, first+1+i)
			}
			r.settled(time.Hour)
			delivered := 0
			for _, id := range append(again, first) {
				switch o := r.outcome(id); o.word() {
				case "delivered":
					delivered++
				case "skipped/erased":
				default:
					t.Errorf("known %t: row %d is %s (%s)", known, id, o.word(), o.Note)
				}
			}
			if delivered == 0 {
				t.Errorf("known %t: no erase was delivered", known)
			}
			if known && r.contact("ada@example.com") != nil {
				t.Error("the contact is still there")
			}
		})
	}
}
