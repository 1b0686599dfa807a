package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/backoff"
)

func atLimit(b *bench) ([]result, error) {
	s, err := b.scene("sqlite", 190, "", "--latency", "150ms", "--limit", "190", "--window", "10s")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.leads("l", "live", "pending", 50_000); err != nil {
		return nil, err
	}
	if _, err := s.daemon(); err != nil {
		return nil, err
	}
	if err := s.settled(3*time.Minute, ""); err != nil {
		return nil, err
	}
	st, err := s.sim.Stats(s.ctx)
	if err != nil {
		return nil, err
	}
	limited := 0
	for _, n := range st.Limited {
		limited += n
	}
	return []result{
		{"budget used while work was queued", fmt.Sprintf("%.1f %%", st.BudgetUsed), ">= 98 %", st.BudgetUsed >= 98},
		{"429 answers", fmt.Sprint(limited), "0", limited == 0},
		{"most requests in any window", fmt.Sprint(st.MaxInWindow), "<= 190", st.MaxInWindow <= 190},
	}, nil
}

func speed(b *bench) ([]result, error) {
	var out []result
	for _, dialect := range dialects() {
		rate, _, err := drain(b, dialect)
		if err != nil {
			return out, err
		}
		target := map[string]float64{"sqlite": 5000, "postgres": 3000, "mysql": 1000}[dialect]
		out = append(out, result{"leads/s on " + dialect, fmt.Sprintf("%.0f", rate), fmt.Sprintf(">= %.0f", target), rate >= target})
	}
	return out, nil
}

// drain pushes 50,000 new leads without limits and returns leads/s and what the daemon used.
func drain(b *bench, dialect string) (float64, time.Duration, error) {
	const n = 50_000
	s, err := b.scene(dialect, 0, "", "--latency", "0", "--limit", "0")
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	if err := s.leads("l", "live", "pending", n); err != nil {
		return 0, 0, err
	}
	began := time.Now()
	d, err := s.daemon()
	if err != nil {
		return 0, 0, err
	}
	if err := s.settled(3*time.Minute, ""); err != nil {
		return 0, 0, err
	}
	rate := n / time.Since(began).Seconds()
	if _, err := d.Stop(30 * time.Second); err != nil {
		return 0, 0, err
	}
	_, used := d.PeakRSS()
	return rate, used, nil
}

func cpu(b *bench) ([]result, error) {
	var out []result
	for _, dialect := range dialects() {
		_, used, err := drain(b, dialect)
		if err != nil {
			return out, err
		}
		out = append(out, result{"CPU per 1,000 leads on " + dialect, (used / 50).Round(100 * time.Microsecond).String(), "reported", true})
	}
	return out, nil
}

func requests(b *bench) ([]result, error) {
	s, err := b.scene("sqlite", 0, "", "--latency", "20ms", "--limit", "0")
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.leads("l", "live", "pending", 1000); err != nil {
		return nil, err
	}
	if _, err := s.daemon(); err != nil {
		return nil, err
	}
	if err := s.settled(time.Minute, ""); err != nil {
		return nil, err
	}
	first, err := s.sim.Stats(s.ctx)
	if err != nil {
		return nil, err
	}
	if err := s.leads("l", "live", "pending", 1000); err != nil {
		return nil, err
	}
	if err := s.settled(time.Minute, ""); err != nil {
		return nil, err
	}
	second, err := s.sim.Stats(s.ctx)
	if err != nil {
		return nil, err
	}
	reads, again := first.Requests-first.WriteRequests, second.WriteRequests-first.WriteRequests
	return []result{
		{"write requests per 1,000 new leads", fmt.Sprint(first.WriteRequests), "<= 10", first.WriteRequests <= 10},
		{"reads at the start", fmt.Sprint(reads), "<= 3", reads <= 3},
		{"write requests per 1,000 events that change nothing", fmt.Sprint(again), "0", again == 0},
	}, nil
}

func latency(b *bench) ([]result, error) {
	var out []result
	for _, dialect := range dialects() {
		p50, p99, err := idle(b, dialect)
		if err != nil {
			return out, err
		}
		out = append(out,
			result{"p50 on " + dialect, p50.Round(time.Millisecond).String(), "<= 150ms", p50 <= 150*time.Millisecond},
			result{"p99 on " + dialect, p99.Round(time.Millisecond).String(), "<= 400ms", p99 <= 400*time.Millisecond})
	}
	return out, nil
}

// idle inserts rows one by one into an idle system. Accepted is when the simulator counts the contact, asked every
// millisecond.
func idle(b *bench, dialect string) (p50, p99 time.Duration, err error) {
	s, err := b.scene(dialect, 0, "", "--latency", "0", "--limit", "0")
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	if _, err := s.daemon(); err != nil {
		return 0, 0, err
	}
	if _, err := s.one("warm", "{}"); err != nil {
		return 0, 0, err
	}
	if err := s.settled(30*time.Second, ""); err != nil {
		return 0, 0, err
	}
	var all []time.Duration
	for i := range 200 {
		if err := backoff.Sleep(s.ctx, time.Duration(300+7*(i%37))*time.Millisecond); err != nil {
			return 0, 0, err
		}
		if _, err := s.one(fmt.Sprint("l", i), `{"firstname":"F"}`); err != nil {
			return 0, 0, err
		}
		d, err := s.accepted(i + 2)
		if err != nil {
			return 0, 0, err
		}
		all = append(all, d)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100], nil
}

// accepted waits until HubSpot has n contacts.
func (s *scene) accepted(n int) (time.Duration, error) {
	began := time.Now()
	for {
		st, err := s.sim.Stats(s.ctx)
		if err != nil {
			return 0, err
		}
		if st.Contacts >= n {
			return time.Since(began), nil
		}
		if time.Since(began) > 10*time.Second {
			return 0, fmt.Errorf("the row has not arrived after 10s")
		}
		if err := backoff.Sleep(s.ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

func poison(b *bench) ([]result, error) {
	var out []result
	for _, kind := range []string{"invalid", "refused", "whole400", "whole400named"} {
		extra, delivered, err := onePoison(b, kind)
		if err != nil {
			return out, err
		}
		out = append(out,
			result{"extra requests, " + kind, fmt.Sprint(extra), "<= 15", extra <= 15},
			result{"delivered, " + kind, fmt.Sprint(delivered), "99", delivered == 99})
	}
	return out, nil
}

func onePoison(b *bench, kind string) (extra, delivered int, err error) {
	s, err := b.scene("sqlite", 0, "", "--latency", "5ms", "--limit", "0")
	if err != nil {
		return 0, 0, err
	}
	defer s.close()
	var values []string
	for i := range 100 {
		email := fmt.Sprintf("l%d@example.com", i)
		if i == 57 {
			email = "fault-" + kind + "@example.com"
		}
		values = append(values, fmt.Sprintf(`('l%d', 'lead.registered', '%s', '{"firstname":"F"}')`, i, email))
	}
	if _, err := s.db.ExecContext(s.ctx, `INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES `+strings.Join(values, ", ")); err != nil {
		return 0, 0, err
	}
	if _, err := s.daemon(); err != nil {
		return 0, 0, err
	}
	if err := s.settled(5*time.Minute, ""); err != nil {
		return 0, 0, err
	}
	st, err := s.sim.Stats(s.ctx)
	if err != nil {
		return 0, 0, err
	}
	err = s.db.QueryRowContext(s.ctx, `SELECT count(*) FROM lead_outbox WHERE state = 'delivered'`).Scan(&delivered)
	return st.Requests - 2 - 1, delivered, err // two at the start: the account and its properties
}
