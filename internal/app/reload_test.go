package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/push"
)

// listening is a rig whose log is kept.
func listening(r *rig) *logText {
	var log logText
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

// reload does what SIGHUP does, with the rig's YAML as it is now.
func (r *rig) reload() {
	r.t.Helper()
	r.daemon.load = r.load
	r.daemon.Reload(r.t.Context())
	time.Sleep(5 * time.Second)
}

// A reload lets the requests under way end, loses no row, and what comes next obeys the new file.
func TestReloadTakesOver(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Latency: 300 * time.Millisecond}, "", func(r *rig) {
		log := listening(r)
		r.start()
		time.Sleep(time.Second)
		r.event("1", "lead.registered", "a@example.com", `{"firstname":"A","nick":"x"}`)
		time.Sleep(200 * time.Millisecond) // its request is under way
		r.yaml = "mapping: {fields: [{lead: nick, contact: firstname}]}\npush: {linger: 10ms}\n"
		r.reload()
		r.event("2", "lead.registered", "b@example.com", `{"firstname":"A","nick":"B"}`)
		r.settled(time.Minute)
		r.wantContact("a@example.com", map[string]string{"firstname": "A"})
		r.wantContact("b@example.com", map[string]string{"firstname": "B"})
		r.stop()
		if text := log.String(); !strings.Contains(text, `msg="configuration reloaded" changed="push.linger mapping.fields"`) {
			t.Error(text)
		}
	})
}

// A refused file, a missing credential and a key that only a restart can change leave everything as it was, and the log
// says where.
func TestReloadRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		log := listening(r)
		r.start()
		time.Sleep(time.Second)
		served := r.daemon.serving.Load()
		for _, c := range []struct{ yaml, says string }{
			{"push:\n  lingr: 10ms\n", `leadsync.yaml:2 key="" reason="unknown key \"lingr\"`},
			{"portal: other\n", "leadsync.yaml:1 key=portal"},
			{"status: {alert_after: 1h}\nhubspot: {auth: {static_token_file: elsewhere}}\n", "key=hubspot.auth.static_token_file"},
		} {
			r.yaml = c.yaml
			log.Reset()
			r.reload()
			if text := log.String(); !strings.Contains(text, observe.ConfigRefused) || !strings.Contains(text, c.says) {
				t.Errorf("%q: %s", c.yaml, text)
			}
			if !strings.Contains(r.daemon.status.now(), "reload refused") {
				t.Errorf("status %q", r.daemon.status.now())
			}
		}
		if r.daemon.serving.Load() != served {
			t.Error("a refused file ended the work")
		}
		r.yaml = ""
		r.reload()
		if strings.Contains(r.daemon.status.now(), "refused") {
			t.Errorf("the refusal is still in the status: %q", r.daemon.status.now())
		}
		id := r.event("1", "lead.registered", "a@example.com", `{"firstname":"A"}`)
		r.settled(time.Minute)
		r.want(id, "delivered")
	})
}

// The level of the log is changed on the way, without an end of the work.
func TestReloadOfTheLevel(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		r.start()
		time.Sleep(time.Second)
		served := r.daemon.serving.Load()
		r.daemon.level = new(slog.LevelVar)
		r.yaml = "log: {level: debug}\n"
		r.reload()
		if r.daemon.level.Level() != slog.LevelDebug || r.daemon.serving.Load() != served {
			t.Errorf("level %s", r.daemon.level.Level())
		}
	})
}

// A second signal cuts the requests short; the row stays pending and is delivered once at the next start.
func TestHurry(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Latency: 10 * time.Second}, "", func(r *rig) {
		hurry := make(chan struct{})
		r.start()
		r.daemon.hurry = hurry
		time.Sleep(time.Minute)
		id := r.event("1", "lead.registered", "a@example.com", `{"firstname":"A"}`)
		time.Sleep(2 * time.Second)
		began := time.Now()
		time.AfterFunc(time.Second, func() { close(hurry) })
		r.stop()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("the stop took %s", d)
		}
		r.want(id, "pending")
		r.start()
		r.settled(5 * time.Minute)
		r.want(id, "delivered")
		if n := len(r.sim.Contacts()); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}

// An idle daemon says every quarter of an hour that it is there, and a database that is away is one line a minute and
// one at the end.
func TestQuietLog(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		log := listening(r)
		r.patient = true
		r.start()
		time.Sleep(46 * time.Minute)
		r.stop()
		if n := strings.Count(log.String(), `msg="daemon alive" state=running`); n != 3 {
			t.Errorf("%d lines that it is alive in 46 minutes: %s", n, log)
		}
		if n := strings.Count(log.String(), "\n"); n > 12 {
			t.Errorf("%d lines of an idle daemon: %s", n, log)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var log logText
		a := &App{log: slog.New(slog.NewTextHandler(&log, nil)), cfg: &config.Loaded{Config: config.Default()}}
		a.noise = observe.NewLimiter(a.log, 0)
		began := time.Now()
		for attempt := 1; attempt <= 60; attempt++ {
			time.Sleep(a.databaseAway(context.DeadlineExceeded, attempt))
		}
		a.noise.Recovered(t.Context(), troubleDatabase, observe.DatabaseRecovered)
		lines, minutes := strings.Count(log.String(), observe.WaitingDatabase), int(time.Since(began)/time.Minute)
		if lines > minutes+1 || lines < minutes/2 || !strings.Contains(log.String(), "count=60") {
			t.Errorf("%d lines in %d minutes: %s", lines, minutes, log.String())
		}
	})
}

// stuck is a database whose answers never come once stall is closed, whatever the context says, until free is.
type stuck struct {
	Store
	stall, free chan struct{}
}

func (s stuck) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	select {
	case <-s.stall:
		<-s.free
	default:
	}
	return s.Store.Ready(ctx, lane, after, limit)
}

// The watchdog counts a loop that is late without a word, and none that waits knowingly or has ended.
func TestLoops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l loops
		stalled := func() string { return strings.Join(l.stalled(time.Now(), time.Minute), " ") }
		l.turn("a", 0)
		l.turn("b", time.Hour)
		l.turn("c", 0)
		time.Sleep(time.Minute)
		if s := stalled(); s != "" {
			t.Errorf("stalled %q", s)
		}
		time.Sleep(time.Second)
		l.turn("c", -1)
		if s := stalled(); s != "a" {
			t.Errorf("stalled %q, want a", s)
		}
		l.turn("a", 0)
		if s := stalled(); s != "" {
			t.Errorf("stalled %q", s)
		}
		time.Sleep(2 * time.Hour)
		if s := stalled(); s != "a b" {
			t.Errorf("stalled %q, want a b", s)
		}
	})
}

// Through an outage, a limit, an idle day and a stop, every loop of a daemon keeps its word; one that stands still is
// named.
func TestWatchdogFollowsTheLoops(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		stall, free := make(chan struct{}), make(chan struct{})
		defer close(free)
		r.patient = true
		r.between = func(s Store) Store { return stuck{s, stall, free} }
		r.start()
		watch := func(d time.Duration) (late string) {
			for end := time.Now().Add(d); time.Now().Before(end) && late == ""; time.Sleep(5 * time.Second) {
				late = strings.Join(r.daemon.loops.stalled(time.Now(), time.Minute), " ")
			}
			return late
		}
		for _, faults := range []string{"", "any=502html", "any=hang", "any=429", "any=401", "any=429daily", ""} {
			must(t, r.sim.SetFaults(faults))
			r.event("1", "lead.updated", "a@example.com", `{"firstname":"`+faults+`"}`)
			if late := watch(40 * time.Minute); late != "" {
				t.Errorf("faults %q: %s stands still", faults, late)
			}
		}
		if late := watch(24 * time.Hour); late != "" {
			t.Errorf("idle: %s stands still", late)
		}
		close(stall)
		if late := watch(10 * time.Minute); late != push.LoopPush {
			t.Errorf("a stalled loop: %q, want %s", late, push.LoopPush)
		}
	})
}
