package app

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// said keeps what the daemon logs.
type said struct {
	mu sync.Mutex
	bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Buffer.Write(b)
}

func (s *said) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.String()
}

// report is what `leadsync status` says.
func (r *rig) report() status.Report {
	r.t.Helper()
	var report status.Report
	r.operate(func(db *store.DB) {
		in, err := status.Collect(r.t.Context(), db.Operator(), status.Input{Version: "test", Portal: "default", AlertAfter: 15 * time.Minute})
		must(r.t, err)
		in.Now = time.Now()
		report = status.Build(in)
	})
	return report
}

// made gives a row the bubble's time: SQLite's own clock is the real one.
func (r *rig) made(id int64) {
	r.t.Helper()
	_, err := r.db.Exec(`UPDATE lead_outbox SET created_at = ? WHERE id = ?`, time.Now().UnixMilli(), id)
	must(r.t, err)
}

// Work that waits while nothing succeeds turns status, the line of systemctl status and health red, each cause with its
// own code and cure; what is mended turns them green again.
func TestWorkThatStandsStillTurnsAllRed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fault, code, cure string }{
		{"login", "any=401", "needs_login", "valid one into the token file"},
		{"quota", "any=429daily", "quota", "after midnight"},
		{"network", "any=cut", "network", "proxy, firewall"},
		{"hubspot", "any=500", "hubspot", "tried again by itself"},
		{"poison", "", "poison", "leadsync outbox list --state dead"},
	} {
		inBubble(t, hubspotsim.Config{Seed: 3, TimeZone: "Etc/GMT+1"}, "", func(r *rig) {
			r.patient = true
			log := &said{}
			r.log = slog.New(slog.NewTextHandler(log, nil))
			r.start()
			r.event("warm", "lead.registered", "warm@example.com", "")
			r.settled(time.Minute)
			if tt.fault != "" {
				must(t, r.sim.SetFaults(tt.fault))
				r.made(r.event("1", "lead.registered", "ada@example.com", ""))
			}
			for i := range 10 {
				if tt.fault == "" {
					r.event(fmt.Sprint(i), "lead.registered", "no address", "")
				}
				time.Sleep(time.Minute)
			}
			if s := r.daemon.health.all(); len(s) != 0 {
				t.Errorf("%s: red after ten minutes: %+v", tt.name, s)
			}
			time.Sleep(6 * time.Minute)
			all := r.daemon.health.all()
			if len(all) != 1 || all[0].Code != tt.code || !strings.Contains(all[0].Cure, tt.cure) || !strings.Contains(all[0].Text, "nothing has succeeded for 1") {
				t.Errorf("%s: health %+v", tt.name, all)
			}
			if line := r.daemon.status.now(); !strings.HasPrefix(line, "STALLED ("+tt.code+"): ") {
				t.Errorf("%s: systemctl status shows %q", tt.name, line)
			}
			report := r.report()
			var got []string
			for _, p := range report.Problems {
				if p.Code != status.CodeDeadRows {
					got = append(got, p.Code)
				}
			}
			if report.OK || strings.Join(got, " ") != tt.code || !strings.Contains(fmt.Sprint(report.Problems), "nothing has succeeded for") {
				t.Errorf("%s: status %v %+v", tt.name, report.OK, report.Problems)
			}
			if n := strings.Count(log.text(), `msg="health changed" item=work from=well to=`+tt.code); n != 1 {
				t.Errorf("%s: the change is logged %d times\n%s", tt.name, n, log.text())
			}
			must(t, r.sim.SetFaults(""))
			r.event("2", "lead.registered", "bob@example.com", "")
			r.settled(30 * time.Hour)
			time.Sleep(time.Minute)
			if s, report := r.daemon.health.all(), r.report(); len(s) != 0 || !report.OK || strings.HasPrefix(r.daemon.status.now(), "STALLED") {
				t.Errorf("%s: mended: %+v, status %+v", tt.name, s, report.Problems)
			}
		})
	}
}

// TestPoisonStaysUntilARowGetsSomewhere: neither time nor a restart makes it green, but a row that is delivered, or a
// person who skips the dead ones.
func TestPoisonStaysUntilARowGetsSomewhere(t *testing.T) {
	t.Parallel()
	for _, mend := range []string{"deliver", "skip"} {
		inBubble(t, hubspotsim.Config{Seed: 4}, "", func(r *rig) {
			r.patient = true
			r.start()
			for i := range 6 {
				r.made(r.event(fmt.Sprint(i), "lead.registered", "no address", ""))
			}
			r.settled(time.Minute)
			red := func(when string) {
				t.Helper()
				report := r.report()
				if s := r.daemon.health.all(); len(s) != 1 || s[0].Code != status.CodePoison || report.OK || report.Problems[0].Code != status.CodePoison {
					t.Errorf("%s: health %+v, status %v %+v", when, s, report.OK, report.Problems)
				}
			}
			time.Sleep(20 * time.Minute)
			red("after 20 minutes")
			time.Sleep(5 * time.Hour)
			red("after five hours")
			r.stop()
			r.start()
			time.Sleep(20 * time.Minute)
			red("after a restart")
			if mend == "skip" {
				_, err := r.db.Exec(`UPDATE lead_outbox SET state = 'skipped', reason = 'by_operator' WHERE state = 'dead'`)
				must(t, err)
			} else {
				r.event("7", "lead.registered", "ada@example.com", "")
				r.settled(time.Minute)
			}
			time.Sleep(time.Minute)
			if s, report := r.daemon.health.all(), r.report(); len(s) != 0 || !report.OK {
				t.Errorf("%s: %+v, status %+v", mend, s, report.Problems)
			}
		})
	}
}

// TestStatusTellsOneMoment: from a second after rows were delivered status says that HubSpot answered and how many
// requests there were, at the first start and after a restart; never are delivered rows beside "never" and 0.
func TestStatusTellsOneMoment(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 5}, "", func(r *rig) {
		check := func(when string) {
			t.Helper()
			p := r.report().Portals[0]
			if p.Queue.Delivered > 0 && (p.LastSuccessAt == nil || p.Budget.DailyUsed != nil && *p.Budget.DailyUsed == 0) {
				t.Errorf("%s: %d delivered, last success %v, budget %+v", when, p.Queue.Delivered, p.LastSuccessAt, p.Budget)
			}
		}
		r.start()
		for life := range 3 {
			for i := range 5 {
				r.event(fmt.Sprint(life, "-", i), "lead.registered", fmt.Sprintf("n%d-%d@example.com", life, i), "")
			}
			r.settled(time.Minute)
			time.Sleep(1100 * time.Millisecond)
			check(fmt.Sprint("life ", life))
			if p := r.report().Portals[0]; p.Budget.DailyUsed == nil || *p.Budget.DailyUsed == 0 {
				t.Errorf("life %d: no request counted", life)
			}
			r.stop()
			check("stopped")
			r.start()
			for range 30 {
				check("starting")
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
}

// A pause by hand is no alarm: the person knows. Neither are rows that are put off for a reason of their own.
func TestWhatIsMeantToWaitIsNoAlarm(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		r.patient = true
		r.pause(status.LaneLive)
		r.start()
		r.made(r.event("1", "lead.registered", "ada@example.com", ""))
		time.Sleep(time.Hour)
		if s := r.daemon.health.all(); len(s) != 0 {
			t.Errorf("paused by hand: %+v", s)
		}
		report := r.report()
		if len(report.Problems) != 1 || report.OK || report.Problems[0].Code != status.CodePausedByHand || !strings.Contains(report.Problems[0].Text, "by ada") ||
			report.Problems[0].Cure != "let it go on: leadsync resume live" {
			t.Errorf("status %v %+v", report.OK, report.Problems)
		}
		r.resume(status.LaneLive)
		r.made(r.event("2", "lead.registered", "ada@example.com", "")) // another lead has the address
		time.Sleep(50 * time.Minute)
		if s := r.daemon.health.all(); len(s) != 0 {
			t.Errorf("put off: %+v", s)
		}
	})
}

// The requests about a lead are kept, a bounded number of them, under its hash alone.
func TestRequestsOfALeadAreKept(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "", func(r *rig) {
		r.start()
		for i := range 30 {
			r.event("42", "lead.registered", "ada@example.com", fmt.Sprintf(`{"firstname":"F%d"}`, i))
			r.settled(10 * time.Second)
		}
		time.Sleep(2 * memoryEvery)
		r.operate(func(db *store.DB) {
			rows, err := db.View("default").RequestsOf(context.Background(), r.daemon.hasher.Hash("42"), 100)
			must(t, err)
			if len(rows) != memoryPerLead || rows[0].Op != "batch_update" || rows[0].Answer != "accepted" || rows[0].Status != 200 || rows[0].CorrelationID == "" {
				t.Errorf("%d rows, the last one %+v", len(rows), rows[0])
			}
		})
		var n int
		must(t, r.db.QueryRow(`SELECT count(*) FROM leadsync_requests WHERE lead_hash LIKE '%42%' AND length(lead_hash) <> 12`).Scan(&n))
		if n != 0 {
			t.Errorf("%d rows name the lead", n)
		}
	})
}
