package main

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/stage"
)

// unknownContacts are what a person imports into HubSpot while the rows wait.
const unknownContacts = 2_000

// waiting measures what a long backlog costs everybody but the rows themselves.
func waiting(b *bench) ([]result, error) {
	var out []result
	for _, dialect := range dialects() {
		more, err := waitingOn(b, dialect)
		out = append(out, more...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", dialect, err)
		}
	}
	return out, nil
}

func waitingOn(b *bench, dialect string) ([]result, error) {
	yaml := "pull: {unknown: inbox, schedule: \"@every 5s\"}\nmapping: {fields: [{lead: firstname, contact: firstname, direction: both}]}\n"
	s, err := b.scene(dialect, 0, yaml, "--latency", "0", "--limit", "0", "--index-lag", "0s")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.command("pause", "live", "backfill"); err != nil {
		return nil, err
	}
	if err := s.leads("w", "live", "pending", million); err != nil {
		return nil, err
	}
	if dialect == "postgres" { // what autovacuum does by itself a minute after so many inserts
		if _, err := s.db.ExecContext(s.ctx, "VACUUM ANALYZE lead_outbox"); err != nil {
			return nil, err
		}
	}
	d, err := s.daemon()
	if err != nil {
		return nil, err
	}
	idle, err := s.idle(d, time.Minute)
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for range 5 {
		began := time.Now()
		if err := s.command("status"); err != nil {
			return nil, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	pulled, err := s.pulled()
	if err != nil {
		return nil, err
	}
	return []result{
		{"status on " + dialect + ", median of 5", all[2].Round(time.Millisecond).String(), "<= 1s", all[2] <= time.Second},
		{"idle daemon on " + dialect + ", share of a core in 60 s", fmt.Sprintf("%.2f %%", idle), "<= 1 %", idle <= 1},
		{"pull of 2,000 unknown contacts told on " + dialect, pulled.Round(100 * time.Millisecond).String(), "<= 30s", pulled <= 30*time.Second},
	}, nil
}

// command runs one to its end. A status that is not well, since a lane is paused, is no failure of the measurement.
func (s *scene) command(args ...string) error {
	p, err := stage.Spawn(s.binary, s.environ, args...)
	if err != nil {
		return err
	}
	code, err := p.End(time.Minute)
	if err != nil || code != 0 && (args[0] != "status" || code > 3) {
		return fmt.Errorf("%s: exit code %d, %w\n%s", args[0], code, err, p.Log.Tail(5))
	}
	return nil
}

// idle gives the share of a core, in percent, that the process uses from ten seconds after now on.
func (s *scene) idle(d *stage.Process, within time.Duration) (float64, error) {
	if err := backoff.Sleep(s.ctx, 10*time.Second); err != nil {
		return 0, err
	}
	before, err := ticks(d.Cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, d.Log.Tail(5))
	}
	if err := backoff.Sleep(s.ctx, within); err != nil {
		return 0, err
	}
	after, err := ticks(d.Cmd.Process.Pid)
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, d.Log.Tail(5))
	}
	return 100 * float64(after-before) / 100 / within.Seconds(), nil // a tick is 10 ms: USER_HZ is 100 on every Linux that Go knows
}

// ticks reads utime and stime of a living process from /proc, proc_pid_stat(5).
func ticks(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return user + system, err
}

// pulled lets a person import contacts and gives the time until the last of them is told.
func (s *scene) pulled() (time.Duration, error) {
	began := time.Now()
	_, err := s.sim.Admin(s.ctx, http.MethodPost, "bulk",
		fmt.Sprintf(`{"count":%d,"properties":{"email":"unknown{n}@example.com","firstname":"F"}}`, unknownContacts))
	if err != nil {
		return 0, err
	}
	var failed error
	ok := stage.Until(5*time.Minute, func() bool {
		var n int
		failed = s.db.QueryRowContext(s.ctx, "SELECT count(*) FROM lead_inbox").Scan(&n)
		return failed != nil || n >= unknownContacts || s.ctx.Err() != nil
	})
	if failed == nil && !ok {
		failed = fmt.Errorf("not all are told after 5m0s")
	}
	return time.Since(began), failed
}
