package app

import (
	"fmt"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// operate is the database as a command of an operator opens it.
func (r *rig) operate(do func(db *store.DB)) {
	r.t.Helper()
	db, err := store.Open(r.t.Context(), r.url, store.Options{})
	must(r.t, err)
	do(db)
	must(r.t, db.Close())
}

func (r *rig) pause(lanes ...string) {
	r.t.Helper()
	r.operate(func(db *store.DB) {
		_, err := db.Operator().PauseLanes(r.t.Context(), "default", lanes, "ada")
		must(r.t, err)
	})
}

func (r *rig) resume(lanes ...string) {
	r.t.Helper()
	r.operate(func(db *store.DB) {
		_, err := db.Operator().ResumeLanes(r.t.Context(), "default", lanes)
		must(r.t, err)
	})
}

func (r *rig) backfill(lead, email string) int64 {
	r.t.Helper()
	res, err := r.db.Exec(`INSERT INTO lead_outbox (lead_id, event_type, email, lane) VALUES (?, 'lead.registered', ?, 'backfill')`, lead, email)
	must(r.t, err)
	id, err := res.LastInsertId()
	must(r.t, err)
	return id
}

// A lane that an operator paused sends nothing within a poll, whatever restarts, and goes on when it is resumed; the
// other lane is not hindered, also not by what waits in front of it.
func TestPausedLanesSendNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		r.start()
		first := r.event("1", "lead.registered", "ada@example.com", "")
		r.settled(10 * time.Second)
		r.want(first, "delivered")

		r.pause(status.LaneLive)
		time.Sleep(time.Second)
		held := r.event("2", "lead.registered", "bob@example.com", "")
		mixed := r.backfill("2", "bob@example.com") // a lead with a live row is live
		other := r.backfill("3", "eve@example.com")
		time.Sleep(10 * time.Second)
		r.want(held, "pending")
		r.want(mixed, "pending")
		r.want(other, "delivered")
		if s := r.status(); s.State != breaker.Paused || s.Cause != "by operator" || s.Since == 0 {
			t.Errorf("the daemon says %+v", s)
		}

		r.stop()
		r.start()
		time.Sleep(10 * time.Second)
		r.want(held, "pending")

		r.resume(status.LaneLive)
		r.pause(status.LaneBackfill)
		late := r.backfill("4", "joe@example.com")
		time.Sleep(10 * time.Second)
		r.want(held, "delivered")
		r.want(mixed, "delivered")
		r.want(late, "pending")
		if s := r.status(); s.State != breaker.Running {
			t.Errorf("the daemon says %+v", s)
		}

		r.pause(status.LaneLive)
		more := r.event("5", "lead.registered", "kim@example.com", "")
		time.Sleep(10 * time.Second)
		r.want(more, "pending")
		r.want(late, "pending")
		r.resume(status.Lanes()...)
		r.settled(10 * time.Second)
		r.want(more, "delivered")
		r.want(late, "delivered")
	})
}

// What is planned or due again when the pause begins is held back too, and a paused lane does not keep the daemon busy.
func TestPauseHoldsBackWhatWaits(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		ids := []int64{r.event("1", "lead.registered", "ada@example.com", ""), r.event("2", "lead.registered", "bob@example.com", "")}
		_, err := r.db.Exec(`UPDATE lead_outbox SET not_before = ?, attempts = 1`, time.Now().Add(5*time.Second).UnixMilli())
		must(t, err)
		r.events(func(insert func(lead, typ, email, properties string)) { // more than one reading of due rows takes
			for i := range 1200 {
				insert(fmt.Sprint("due", i), "lead.registered", fmt.Sprintf("due%d@example.com", i), "{}")
			}
		})
		_, err = r.db.Exec(`UPDATE lead_outbox SET not_before = 1 WHERE not_before IS NULL`)
		must(t, err)
		r.pause(status.LaneLive)
		other := r.backfill("3", "eve@example.com")
		_, err = r.db.Exec(`UPDATE lead_outbox SET not_before = 2 WHERE id = ?`, other)
		must(t, err)
		r.start()
		time.Sleep(time.Minute)
		r.want(other, "delivered")
		for _, id := range ids {
			r.want(id, "pending")
		}
		r.resume(status.LaneLive)
		r.settled(time.Minute)
		for _, id := range ids {
			r.want(id, "delivered")
		}
	})
}

// A pause of pull reads nothing from HubSpot, is no alarm, and leaves push alone; what was changed meanwhile is found
// afterwards.
func TestPausedPullReadsNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{IndexLag: 5 * time.Second}, both, func(r *rig) {
		r.pull, r.patient = true, true
		r.event("a", "lead.registered", "ada@example.com", `{"first_name":"Ada","city":"London"}`)
		r.start()
		r.settled(time.Minute)
		time.Sleep(3 * time.Minute)
		r.pause(status.LanePull)
		time.Sleep(time.Minute)
		before := r.sim.Stats().Requests
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"city": "Paris"}))
		time.Sleep(2 * time.Hour)
		if n := r.sim.Stats().Requests - before; n != 0 {
			t.Errorf("%d requests while pull was paused", n)
		}
		r.wantInbox()
		if all := r.daemon.health.all(); len(all) != 0 {
			t.Errorf("an alarm: %+v", all)
		}
		if report := r.report(); !report.OK || len(report.Problems) != 1 || report.Problems[0].Code != status.CodePausedByHand {
			t.Errorf("status %v %+v", report.OK, report.Problems)
		}
		row := r.event("b", "lead.registered", "bob@example.com", "")
		r.settled(time.Minute)
		r.want(row, "delivered")
		r.resume(status.LanePull)
		time.Sleep(5 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
	})
}
