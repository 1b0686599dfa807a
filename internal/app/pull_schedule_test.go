package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/testsize"
)

// inSchedule runs f with a daemon that pulls and serves one lead, and its log.
func inSchedule(t *testing.T, cfg hubspotsim.Config, yaml string, f func(r *rig, ada hubspotsim.Target, said *logText)) {
	t.Helper()
	inBubble(t, cfg, both+yaml, func(r *rig) {
		var said logText
		r.log = slog.New(slog.NewTextHandler(io.MultiWriter(t.Output(), &said), nil))
		r.pull, r.patient = true, true
		r.start()
		r.event("a", "lead.registered", "ada@example.com", `{"first_name":"Ada","city":"London"}`)
		r.settled(time.Minute)
		time.Sleep(2 * time.Minute)
		f(r, hubspotsim.Target{Email: "ada@example.com"}, &said)
	})
}

func (r *rig) stream(name string) status.Stream {
	r.t.Helper()
	time.Sleep(status.SaveEvery)
	for _, s := range r.status().Streams {
		if s.Stream == name {
			return s
		}
	}
	r.t.Fatalf("status names no stream %s", name)
	return status.Stream{}
}

// An empty poll costs one request a stream; nothing else is asked.
func TestAnEmptyPollCostsOneRequest(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, _ hubspotsim.Target, _ *logText) {
		time.Sleep(2 * time.Hour) // what the lagged look had to see is over
		r.sim.ResetStats()
		hours := testsize.Of(24, 3)
		time.Sleep(time.Duration(hours) * time.Hour)
		ops := r.sim.Stats().Ops
		for op, n := range ops {
			if op != "search" && op != "list" && op != "properties" {
				t.Errorf("%d idle hours have %d requests %s", hours, n, op)
			}
		}
		// 60 of changes, 4 of lagged, 1 of optout; a list of archived contacts at midnight, and one look at the properties a
		// day.
		if n, want := ops["search"], 65*hours; n < want-5 || n > want+5 || ops["list"] != hours/24 || ops["properties"] > 1 {
			t.Errorf("%d idle hours have %v, want %d searches and %d lists", hours, ops, want, hours/24)
		}
	})
}

// What happened while nobody was there is looked for at the start, and a restart does not run what ran lately.
func TestMissedRunsAreCaughtUp(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, _ *logText) {
		before := r.stream("archived")
		if before.LastRunAt == nil || before.NextRunAt == nil || time.Until(time.UnixMilli(*before.NextRunAt)) < time.Hour {
			t.Errorf("archived: %+v, want a run at the start and the next tomorrow", before)
		}
		r.sim.ResetStats()
		r.stop()
		time.Sleep(10 * time.Minute)
		r.start()
		time.Sleep(2 * time.Minute)
		if ops := r.sim.Stats().Ops; ops["list"] != 0 || ops["search"] == 0 || ops["search"] > 5 {
			t.Errorf("a restart asks %v; archived ran lately, changes did not", ops)
		}
		if after := r.stream("archived"); *after.LastRunAt != *before.LastRunAt || *after.NextRunAt != *before.NextRunAt {
			t.Errorf("archived stands at %+v after a restart, %+v before", after, before)
		}
		r.stop()
		must(t, r.sim.SetFaults("any=502html"))
		r.start()
		if s := r.stream("archived"); s.LastRunAt == nil || *s.LastRunAt != *before.LastRunAt {
			t.Errorf("status forgets the last run while HubSpot is away: %+v", s)
		}
		r.stop()
		must(t, r.sim.SetFaults(""))
		must(t, r.sim.Archive(ada))
		time.Sleep(30 * time.Hour)
		r.start()
		time.Sleep(30 * time.Second)
		r.wantInbox(`contact.deleted {}`)
	})
}

// slowPull holds a run up, or breaks it.
type slowPull struct {
	pull.Store
	commit   func(p settlement.Page)
	position func(stream string)
}

func (s slowPull) Position(ctx context.Context, hubID int64, stream string) (string, error) {
	if s.position != nil {
		s.position(stream)
	}
	return s.Store.Position(ctx, hubID, stream)
}

func (s slowPull) Commit(ctx context.Context, p settlement.Page) error {
	s.commit(p)
	return s.Store.Commit(ctx, p)
}

func TestALongRunIsNotStartedTwice(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		r.stop()
		var slow, long atomic.Bool
		r.betweenPull = func(s pull.Store) pull.Store {
			return slowPull{s, func(p settlement.Page) {
				if p.Stream == string(pull.Changes) && len(p.Inbox) > 0 {
					long.Store(true)
				}
			}, func(stream string) {
				if stream == string(pull.Changes) && slow.Load() {
					time.Sleep(29 * time.Second)
				}
			}}
		}
		r.start()
		time.Sleep(time.Minute)
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		slow.Store(true)
		time.Sleep(5 * time.Minute)
		if s := r.stream("changes"); s.RunningSince == nil && s.NextRunAt == nil || s.Skipped < 2 || s.Skipped > 4 {
			t.Errorf("with runs of one and a half minutes: %+v", s)
		}
		slow.Store(false)
		time.Sleep(4 * time.Minute)
		if n := strings.Count(said.String(), "pull run skipped"); n != 1 || !long.Load() { // the line comes at most every ten minutes
			t.Errorf("the log says %d times that a firing was skipped", n)
		}
		if !strings.Contains(said.String(), "running_for=") {
			t.Errorf("the line does not say for how long")
		}
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
	})
}

// A run that panics is reported and tried again; the leads that it held are let go.
func TestAPanicOfARunIsReported(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		r.stop()
		broken := atomic.Bool{}
		broken.Store(true)
		r.betweenPull = func(s pull.Store) pull.Store {
			return slowPull{Store: s, commit: func(p settlement.Page) {
				if len(p.Inbox) > 0 && broken.Load() {
					panic("ada@example.com is in the way")
				}
			}}
		}
		r.start()
		time.Sleep(time.Minute)
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		time.Sleep(2 * time.Minute)
		if s := r.stream("changes"); s.Failing == nil || *s.Failing != "panic" {
			t.Errorf("status shows %+v", s)
		}
		row := r.event("a", "lead.updated", "", `{"first_name":"Ada B"}`)
		time.Sleep(time.Minute)
		r.want(row, "delivered")
		text := said.String()
		if !strings.Contains(text, `level=ERROR msg="pull run failed"`) || !strings.Contains(text, "class=panic") || !strings.Contains(text, "pull_schedule_test.go") {
			t.Errorf("the log does not tell of the panic with its stack")
		}
		if strings.Contains(text, "ada@") || strings.Contains(text, "in the way") {
			t.Errorf("the log repeats what the panic said")
		}
		broken.Store(false)
		time.Sleep(3 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		if s := r.stream("changes"); s.Failing != nil || s.Watermark == nil || s.Lag != nil {
			t.Errorf("status shows %+v", s)
		}
	})
}

// Nothing is asked of an account before it is known to be the right one, nor while HubSpot wants to be left alone.
func TestPullWaitsForTheAccountAndForLimits(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, both+"hubspot: {portal_id: 77}\n", func(r *rig) {
		r.pull, r.patient = true, true
		r.start()
		time.Sleep(20 * time.Minute)
		if ops := r.sim.Stats().Ops; ops["search"]+ops["list"]+ops["batch_read"] > 0 {
			t.Errorf("a wrong account was asked %v", ops)
		}
	})
	inSchedule(t, hubspotsim.Config{TimeZone: "Etc/UTC"}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		r.stop()
		time.Sleep(20 * time.Hour) // so that the day ends soon
		r.start()
		time.Sleep(2 * time.Minute)
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		must(t, r.sim.SetFaults("search=429daily"))
		time.Sleep(2 * time.Hour)
		if n := r.sim.Stats().Limited["fault"]; n == 0 || n > 3 { // the client asks once more after five minutes, and then believes it
			t.Errorf("%d requests met the daily limit in two hours", n)
		}
		if n := strings.Count(said.String(), "pull run failed"); n == 0 || n > 8 { // the lane's own line says it, not one a minute
			t.Errorf("the log says %d times that a run failed", n)
		}
		if s := r.status(); s.State != breaker.Limited {
			t.Errorf("the lane is %s", s.State)
		}
		must(t, r.sim.SetFaults(""))
		time.Sleep(2 * time.Hour) // the day has ended
		if s := r.status(); s.State != breaker.Running {
			t.Errorf("the lane is %s", s.State)
		}
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
	})
}

// A stop in the middle of a run ends at once, and the next start goes on.
func TestStopEndsARun(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		must(t, r.sim.SetFaults("search=hang"))
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		time.Sleep(65 * time.Second)
		said.Reset()
		began := time.Now()
		r.stop()
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("the stop took %s", d)
		}
		if strings.Contains(said.String(), "pull run failed") {
			t.Error("a run that the stop cut off is told as failed")
		}
		must(t, r.sim.SetFaults(""))
		r.start()
		time.Sleep(2 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
	})
}

// An outage costs time: the runs that fail say so, and what happened meanwhile comes when it is over.
func TestPullOutage(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		must(t, r.sim.SetFaults("any=502html"))
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		time.Sleep(3 * time.Hour)
		if s := r.stream("changes"); s.Failing == nil || *s.Failing != "transient" {
			t.Errorf("status shows %+v", s)
		}
		if !strings.Contains(said.String(), "next_run_at=") || !strings.Contains(said.String(), "class=transient") {
			t.Error("the log does not say when it is tried again")
		}
		must(t, r.sim.SetFaults(""))
		time.Sleep(2 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		if s := r.stream("changes"); s.Failing != nil {
			t.Errorf("status shows %+v", s)
		}
	})
}

// Acknowledged rows go after retention.inbox, the others stay.
func TestAcknowledgedRowsGo(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "retention: {inbox: 2h}\n", func(r *rig, ada hubspotsim.Target, _ *logText) {
		for _, city := range []string{"Paris", "Wien"} {
			must(t, r.sim.Edit(ada, map[string]string{"city": city}))
			time.Sleep(3 * time.Minute)
		}
		_, err := r.db.Exec(`UPDATE lead_inbox SET acked_at = ? WHERE id = 1`, time.Now().UnixMilli())
		must(t, err)
		time.Sleep(110 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`, `contact.updated {"city":{"value":"Wien","was":"Paris"}}`)
		time.Sleep(30 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Wien","was":"Paris"}}`)
	})
}

// A backlog of the application does not keep pull from its share of the budget (G10).
func TestG10PullHasAFloor(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "hubspot: {limits: {requests_per_10s: 10, daily: 0, share: 1}}\n", func(r *rig, ada hubspotsim.Target, _ *logText) {
		leads := 15_000 // 150 requests, two and a half minutes
		r.events(func(insert func(lead, typ, email, properties string)) {
			for i := range leads {
				insert(fmt.Sprint("n", i), "lead.registered", fmt.Sprintf("n%d@example.com", i), `{"first_name":"N"}`)
			}
		})
		time.Sleep(10 * time.Second)
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		time.Sleep(100 * time.Second)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		if n := r.counts()["pending"]; n < 1000 {
			t.Errorf("%d rows wait: there was no backlog to stand against", n)
		}
	})
}

// A daemon that stands by asks nothing; when it takes over it goes on where the other one was.
func TestAStandbyDoesNotPull(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, _ *logText) {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		standby := r.app()
		go func() { done <- standby.Run(ctx) }()
		time.Sleep(time.Minute)
		r.sim.ResetStats()
		time.Sleep(10 * time.Minute)
		if n := r.sim.Stats().Ops["search"]; n < 9 || n > 12 {
			t.Errorf("%d searches in ten minutes of two daemons, want those of one", n)
		}
		r.stop()
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		time.Sleep(3 * time.Minute)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		stop()
		must(t, <-done)
	})
}

// The search budget is the account's: that another app used it up is waited for inside the run.
func TestASearchLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	inSchedule(t, hubspotsim.Config{}, "", func(r *rig, ada hubspotsim.Target, said *logText) {
		must(t, r.sim.Edit(ada, map[string]string{"city": "Paris"}))
		must(t, r.sim.SetFaults("search=429x3"))
		time.Sleep(90 * time.Second)
		r.wantInbox(`contact.updated {"city":{"value":"Paris","was":"London"}}`)
		if n := r.sim.Stats().Limited["fault"]; n != 3 {
			t.Errorf("%d requests met the limit, want 3", n)
		}
		if strings.Contains(said.String(), "pull run failed") || r.sim.Stats().Early > 0 {
			t.Errorf("a limit of a second failed a run, or %d requests came too early", r.sim.Stats().Early)
		}
		must(t, r.sim.SetFaults("search=429"))
		time.Sleep(10 * time.Minute)
		if !strings.Contains(said.String(), "class=rate_limited") {
			t.Error("a limit that does not pass is not told")
		}
	})
}
