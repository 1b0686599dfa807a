package hubspotsim

import (
	"net/http"
	"strconv"
	"time"
)

// rolling counts what was let through in any span of time. The zero limit lets everything through and still counts.
type rolling struct {
	limit int
	span  time.Duration
	ring  []time.Time // the n times since head, oldest first
	head  int
	n     int
	most  int // the most there ever were at once
}

// expire drops what the window has left behind.
func (w *rolling) expire(now time.Time) {
	for w.n > 0 && now.Sub(w.ring[w.head]) >= w.span {
		w.head = (w.head + 1) % len(w.ring)
		w.n--
	}
}

// take lets a request through, or says no. A refused request uses nothing.
func (w *rolling) take(now time.Time) bool {
	w.expire(now)
	if w.limit > 0 && w.n >= w.limit {
		return false
	}
	if w.n == len(w.ring) {
		bigger := make([]time.Time, max(64, 2*len(w.ring)))
		for i := range w.n {
			bigger[i] = w.ring[(w.head+i)%len(w.ring)]
		}
		w.ring, w.head = bigger, 0
	}
	w.ring[(w.head+w.n)%len(w.ring)] = now
	w.n++
	w.most = max(w.most, w.n)
	return true
}

// books are the counters of limits and of what the Sim saw. Sim.mu guards them.
type books struct {
	window, search rolling
	tokenLimit     rolling // of the token endpoint
	day            string
	dayUsed        int
	stats          Stats
	quietFrom      time.Time // no request is due from here to quietUntil: a 429 or 477 said so
	quietUntil     time.Time
	passed         int       // requests that the window let through
	firstWrite     time.Time // and how many had passed when it came
	afterFirst     int
}

func newBooks(cfg Config) books {
	return books{
		window: rolling{limit: cfg.Limit, span: cfg.Window},
		search: rolling{limit: cfg.SearchLimit, span: time.Second},

		tokenLimit: rolling{span: time.Second},
		stats:      Stats{Ops: map[string]int{}, Statuses: map[string]int{}, Faults: map[string]int{}, Limited: map[string]int{}},
	}
}

// admit counts a request against the limits and names the policy that refuses it, or "". Search is exempt from the
// window, not from the day (x-hubspot-rate-limit-exemptions in the contacts description,
// https://github.com/HubSpot/HubSpot-public-api-spec-collection).
func (s *Sim) admit(op string, now time.Time) string {
	// The day begins at midnight in the account's zone:
	// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
	if day := now.In(s.zone).Format(time.DateOnly); day != s.day {
		s.day, s.dayUsed = day, 0
	}
	if s.cfg.Daily > 0 && s.dayUsed >= s.cfg.Daily {
		return policyDaily
	}
	if op == "search" {
		if !s.search.take(now) {
			return policySecond
		}
	} else if !s.window.take(now) {
		return policyWindow
	}
	s.dayUsed++
	if op != "search" {
		s.passed++
	}
	return ""
}

// midnight is when the daily count starts again.
func (s *Sim) midnight(now time.Time) time.Time {
	y, m, d := now.In(s.zone).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, s.zone)
}

// rateHeaders are the headers of an answer; search answers and 401 carry none, and the daily pair comes to static
// tokens only. https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines, and for OAuth
// https://developers.hubspot.com/changelog/rate-limit-headers-will-now-appear-for-oauth-authenticated-calls, read
// 2026-11-22
func (s *Sim) rateHeaders(c *call, now time.Time, h http.Header) {
	if c.op == "search" {
		return
	}
	set := func(name string, n int) { h["X-Hubspot-Ratelimit-"+name] = []string{strconv.Itoa(n)} }
	if s.cfg.Limit > 0 {
		s.window.expire(now)
		set("Interval-Milliseconds", int(s.cfg.Window.Milliseconds()))
		set("Max", s.cfg.Limit)
		set("Remaining", max(0, s.cfg.Limit-s.window.n))
		set("Secondly", max(1, s.cfg.Limit/10)) // accurate but no longer enforced
		set("Secondly-Remaining", max(1, s.cfg.Limit/10))
	}
	if s.cfg.Daily > 0 && c.static {
		set("Daily", s.cfg.Daily)
		set("Daily-Remaining", max(0, s.cfg.Daily-s.dayUsed))
	}
}

// quiet notes that no request is due before a time.
func (s *Sim) quiet(from, until time.Time) {
	if until.After(s.quietUntil) {
		s.quietFrom, s.quietUntil = from, until
	}
}
