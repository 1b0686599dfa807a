package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A rule that an admin adds in HubSpot refuses every row: nothing is dead, the lane pauses and names it, probes, and
// goes on by itself when the rule is gone.
func TestBrake(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 40, Latency: 10 * time.Millisecond}, "", func(r *rig) {
		r.patient = true
		r.event("warm", "lead.registered", "warm@example.com", `{"firstname":"W","jobtitle":"x"}`)
		r.start()
		r.settled(time.Minute)
		r.sim.SetRules([]hubspotsim.Rule{{Property: "jobtitle"}})
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range 1000 {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
		})
		before := r.sim.Stats().Requests
		time.Sleep(30 * time.Minute)
		if got := r.counts(); got["pending"] != 1000 {
			t.Errorf("while the rule stands: %v", got)
		}
		if n := r.sim.Stats().Requests - before; n > 60 {
			t.Errorf("%d requests in half an hour of a paused lane", n)
		}
		if s := r.status(); s.State != "paused" || !strings.Contains(s.Cause, "MISSING_REQUIRED_PROPERTY") || s.Cure == "" {
			t.Errorf("status %+v", s)
		}
		r.sim.SetRules(nil)
		r.settled(10 * time.Minute)
		if got := r.counts(); got["delivered"] != 1001 {
			t.Errorf("after it: %v", got)
		}
		if s := r.status(); s.State != "running" {
			t.Errorf("status %+v", s)
		}
	})
}

// Two bad rows in a trickle are two bad rows, not a rule.
func TestBrakeLeavesBadRowsAlone(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 41}, "", func(r *rig) {
		a := r.event("1", "lead.registered", "fault-refused-a@example.com", `{"firstname":"F"}`)
		r.start()
		r.settled(time.Hour)
		b := r.event("2", "lead.registered", "fault-refused-b@example.com", `{"firstname":"F"}`)
		r.settled(time.Hour)
		r.want(a, "dead/refused")
		r.want(b, "dead/refused")
		c := r.event("3", "lead.registered", "ada@example.com", `{}`)
		r.settled(time.Minute)
		r.want(c, "delivered")
	})
}

// HubSpot executes a request after our time-out and so puts an older value over a newer one: the second look finds and
// mends it.
func TestSecondLook(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 42}, "", func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"company":"First"}`)
		r.start()
		r.settled(time.Minute)
		must(t, r.sim.SetFaults("batch_update=late:40sx1"))
		old := r.event("1", "lead.updated", "", `{"company":"Old"}`)
		time.Sleep(16 * time.Second) // our time-out is over, HubSpot's work is not
		newer := r.event("1", "lead.updated", "", `{"company":"New"}`)
		time.Sleep(15 * time.Second)
		r.want(old, "delivered")
		r.want(newer, "delivered")
		r.wantContact("ada@example.com", map[string]string{"company": "New"})
		time.Sleep(20 * time.Second)
		r.wantContact("ada@example.com", map[string]string{"company": "Old"}) // the late request arrived
		time.Sleep(3 * time.Minute)
		r.wantContact("ada@example.com", map[string]string{"company": "New"})
	})
}

// Live rows go before backfill, whatever the backlog, and whether they need the same kind of request as it or another.
func TestG10LiveBeforeBackfill(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 43, Latency: 150 * time.Millisecond, Limit: 190}, "hubspot: {limits: {requests_per_10s: 190, share: 1}}", func(r *rig) {
		r.event("known", "lead.registered", "known@example.com", `{}`)
		r.start()
		r.settled(time.Minute)
		r.stop()
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range testsize.Of(40_000, 20_000) {
				insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
			}
		})
		_, err := r.db.Exec(`UPDATE lead_outbox SET lane = 'backfill' WHERE state = 'pending'`)
		must(t, err)
		r.start()
		time.Sleep(5 * time.Second)
		worst := map[string]time.Duration{}
		for i := range testsize.Of(20, 6) {
			began := time.Now()
			kind, id := "create", int64(0)
			if i%2 == 0 {
				id = r.event(fmt.Sprint("live", i), "lead.registered", fmt.Sprintf("live%d@example.com", i), `{}`)
			} else {
				kind, id = "update", r.event("known", "lead.updated", "", fmt.Sprintf(`{"company":"C%d"}`, i))
			}
			for r.outcome(id).State == "pending" && time.Since(began) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			worst[kind] = max(worst[kind], time.Since(began))
		}
		if n := r.counts()["pending"]; n < 1000 {
			t.Fatalf("the backlog was gone (%d left) before the live rows were measured", n)
		}
		t.Logf("slowest live rows beside the backfill: %v", worst)
		for kind, d := range worst {
			if d > 500*time.Millisecond {
				t.Errorf("a live %s waited %s behind the backfill", kind, d)
			}
		}
		if st := r.sim.Stats(); len(st.Limited) != 0 {
			t.Errorf("429 answers: %v", st.Limited)
		}
	})
}

// Settled rows go when their time is over, dead ones only where the configuration says so, pending ones never; ids are
// not reused.
func TestRetention(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 44}, "retention: {settled: 1h, dead: 2h}", func(r *rig) {
		r.patient = true
		for i := range 30 {
			r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
		}
		r.event("bad", "lead.registered", "x", `{}`)
		waits := r.event("waits", "lead.updated", "", `{"city":"Here"}`) // waits for an address
		r.start()
		time.Sleep(50 * time.Minute)
		if got := r.counts(); got["delivered"] != 30 || got["dead/invalid_email"] != 1 {
			t.Errorf("after 50 minutes: %v", got)
		}
		time.Sleep(25 * time.Minute)
		if got := r.counts(); got["delivered"] != 0 || got["dead/invalid_email"] != 1 {
			t.Errorf("after 75 minutes: %v", got)
		}
		time.Sleep(time.Hour)
		if got := r.counts(); len(got) != 1 || got["pending"] != 1 {
			t.Errorf("after 135 minutes: %v", got)
		}
		if id := r.event("next", "lead.registered", "n@example.com", `{}`); id <= waits {
			t.Errorf("id %d was given out again", id)
		}
	})
}

// After a TRUNCATE or a restored dump new rows get ids below the ones that were settled: the lane stops and says so,
// since every event would silently count as overtaken. When the sequence is raised it goes on.
func TestIDsBackwards(t *testing.T) {
	t.Parallel()
	for _, running := range []bool{false, true} {
		inBubble(t, hubspotsim.Config{Seed: 45}, "", func(r *rig) {
			for i := range 40 {
				r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
			}
			r.start()
			r.settled(time.Minute)
			time.Sleep(5 * time.Minute)
			if !running {
				r.stop()
			}
			tx, err := r.db.Begin() // a daemon that runs sees all of it or nothing
			must(t, err)
			_, err = tx.Exec(`DELETE FROM lead_outbox`)
			must(t, err)
			_, err = tx.Exec(`DELETE FROM sqlite_sequence WHERE name = 'lead_outbox'`)
			must(t, err)
			for i := range 10 { // the default of created_at follows the machine's clock, which stands still in the bubble
				_, err = tx.Exec(`INSERT INTO lead_outbox (lead_id, event_type, properties) VALUES (?, 'lead.updated', '{"firstname":"G"}')`, fmt.Sprint(i))
				must(t, err)
			}
			_, err = tx.Exec(`UPDATE lead_outbox SET created_at = created_at + 600000`)
			must(t, err)
			must(t, tx.Commit())
			if !running {
				r.start()
			}
			time.Sleep(5 * time.Minute)
			if got := r.counts(); got["pending"] != 10 {
				t.Errorf("running=%t: %v, want all 10 pending", running, got)
			}
			if s := r.status(); s.State != "paused" || !strings.Contains(s.Cause, "lead_outbox") {
				t.Errorf("running=%t: status %+v", running, s)
			}
			_, err = r.db.Exec(`UPDATE lead_outbox SET id = id + 1000`)
			must(t, err)
			r.settled(10 * time.Minute)
			if got := r.counts(); got["delivered"] != 10 {
				t.Errorf("running=%t, with ids above: %v, want all 10 delivered", running, got)
			}
		})
	}
}

// A second row with the event_id of an earlier one is a duplicate; the same event_id in another portal is not.
func TestDuplicateEvents(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 46}, "", func(r *rig) {
		insert := func(portal, event, lead string) int64 {
			res, err := r.db.Exec(`INSERT INTO lead_outbox (portal, event_id, lead_id, event_type, email) VALUES (?, ?, ?, 'lead.registered', ?)`, portal, event, lead, lead+"@example.com")
			must(t, err)
			id, _ := res.LastInsertId()
			return id
		}
		a, b := insert("default", "e1", "one"), insert("default", "e1", "one")
		other := insert("elsewhere", "e1", "one")
		c := insert("default", "e2", "two")
		r.start()
		time.Sleep(time.Minute)
		r.want(a, "delivered")
		r.want(b, "skipped/duplicate")
		r.want(c, "delivered")
		r.want(other, "pending")
		d := insert("default", "e2", "two")
		time.Sleep(time.Minute)
		r.want(d, "skipped/duplicate")
	})
}

// A thousand events that change nothing cost no write request, and a thousand new leads at most ten, with three reads
// at the start.
func TestRequestsPerThousand(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 47, Latency: 50 * time.Millisecond}, "", func(r *rig) {
		register := func() {
			r.events(func(insert func(lead, typ, email, properties string)) {
				for i := range 1000 {
					insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`)
				}
			})
		}
		register()
		r.start()
		r.settled(time.Minute)
		st := r.sim.Stats()
		if st.WriteRequests > 10 || st.Requests-st.WriteRequests > 3 {
			t.Errorf("%d writes and %d reads for 1,000 new leads", st.WriteRequests, st.Requests-st.WriteRequests)
		}
		register()
		r.settled(time.Minute)
		if after := r.sim.Stats(); after.Requests != st.Requests {
			t.Errorf("%d requests for 1,000 events that change nothing", after.Requests-st.Requests)
		}
		if got := r.counts(); got["skipped/unchanged"] != 1000 {
			t.Errorf("%v", got)
		}
	})
}

// A second daemon on the same database stands by and takes over when the first one ends; rows are never written twice.
func TestStandby(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 48, Latency: 20 * time.Millisecond}, "", func(r *rig) {
		r.start()
		first := r.running
		time.Sleep(time.Second)
		r.start()
		second := r.running
		for i := range 200 {
			r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
		}
		r.settled(time.Minute)
		_, err := r.app().Once(context.Background())
		if err == nil || !strings.Contains(err.Error(), "served by another process") {
			t.Errorf("push --once beside a daemon: %v", err)
		}
		r.running = first
		r.stop()
		id := r.event("late", "lead.registered", "late@example.com", `{}`)
		time.Sleep(10 * time.Second)
		r.want(id, "delivered")
		r.running = second
		if st := r.sim.Stats(); st.Contacts != 201 || st.Unchanged != 0 {
			t.Errorf("%d contacts, %d rows written twice", st.Contacts, st.Unchanged)
		}
	})
}

// push --once delivers what can be sent and says how many rows are left.
func TestOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 49}, "", func(r *rig) {
		for i := range 250 {
			r.event(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{}`)
		}
		res, err := r.app().Once(context.Background())
		if err != nil || res.Pending != 0 {
			t.Errorf("%+v, %v", res, err)
		}
		r.event("waits", "lead.updated", "", `{"firstname":"F"}`)
		res, err = r.app().Once(context.Background())
		if err != nil || res.Pending != 1 {
			t.Errorf("with a row that waits for an address: %+v, %v", res, err)
		}
		must(t, r.sim.SetFaults("any=500"))
		r.event("x", "lead.registered", "x@example.com", `{}`)
		res, err = r.app().Once(context.Background())
		if err == nil || res.Pending != 2 {
			t.Errorf("with HubSpot away: %+v, %v", res, err)
		}
	})
}

// What a person must correct ends the daemon at its start.
func TestConfigErrors(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 50}, "", func(r *rig) {
		r.write("hubspot-token", "unset")
		_, err := New(Options{Config: r.config(), Log: r.log})
		if _, ok := errors.AsType[*ConfigError](err); !ok {
			t.Errorf("without a token: %v", err)
		}
		r.write("hubspot-token", r.sim.Credentials().StaticToken)
		_, err = r.db.Exec(`INSERT INTO leadsync_schema (version_id, is_applied, tstamp) VALUES (999, 1, datetime('now'))`)
		must(t, err)
		err = r.app().Run(context.Background())
		if _, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(err.Error(), "999") {
			t.Errorf("with a newer schema: %v", err)
		}
	})
}

// A token of another account than the pinned one sends nothing.
func TestWrongAccount(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 51}, "hubspot: {portal_id: 4711}", func(r *rig) {
		id := r.event("1", "lead.registered", "ada@example.com", `{}`)
		r.start()
		time.Sleep(10 * time.Minute)
		r.want(id, "pending")
		if st := r.sim.Stats(); st.WriteRequests != 0 || st.Read != 0 {
			t.Errorf("%d writes to a strange account", st.WriteRequests)
		}
		if s := r.status(); s.State != "paused" || !strings.Contains(s.Cause, "4711") {
			t.Errorf("status %+v", s)
		}
	})
}

// A token that is replaced in its file is found after the 401, without a restart.
func TestStaleToken(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 52}, "", func(r *rig) {
		r.start()
		time.Sleep(time.Second)
		fresh := r.sim.RotateToken(true)
		id := r.event("1", "lead.registered", "ada@example.com", `{}`)
		time.Sleep(time.Minute)
		if o := r.want(id, "pending"); o.Attempts != 0 {
			t.Errorf("%d attempts", o.Attempts)
		}
		if s := r.status(); s.State != "needs_login" {
			t.Errorf("status %+v", s)
		}
		r.write("hubspot-token", fresh)
		r.settled(5 * time.Minute)
		r.want(id, "delivered")
	})
}
