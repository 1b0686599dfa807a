package main

import (
	"strconv"
	"strings"
	"testing"
	"unicode"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
)

// Nothing that an application, a daemon or HubSpot wrote reaches the terminal as a control character.
func TestStatusTextIsSafe(t *testing.T) {
	const evil = "\x1b[2J\nok\u202e\u009b1m"
	p := status.Portal{Portal: evil, State: new(breaker.State(evil)), Cause: new(evil), DeadReasons: map[outbox.Reason]int64{evil: 1},
		Token: status.Token{Mode: new(evil)}}
	r := status.Report{Version: evil, Daemon: status.Daemon{Alive: true, Owner: new(evil)}, Portals: []status.Portal{p},
		Problems: []status.Problem{{Code: evil, Text: evil, Cure: evil}}}
	var out strings.Builder
	writeReport(&out, r)
	for _, line := range strings.Split(out.String(), "\n") {
		for _, c := range line {
			if !unicode.IsPrint(c) {
				t.Errorf("%U in %q", c, line)
			}
		}
	}
	if n := strings.Count(out.String(), `\x1b[2J\nok\u202e\u009b1m`); n < 8 {
		t.Errorf("%d of the texts are shown:\n%s", n, out.String())
	}
}

func TestStatusText(t *testing.T) {
	const now = 1795334400000
	r := status.Report{Version: "1.2.3", Now: now, OK: true, Problems: []status.Problem{},
		Daemon: status.Daemon{Owner: new("host-1"), Since: new(int64(now - 1000))},
		Portals: []status.Portal{{Portal: "default", PortalID: new(int64(62515)), State: new(breaker.Limited), Cause: new("daily"), Since: new(int64(now - 61000)), Until: now + 90000,
			Queue: status.Queue{Pending: 1, Delivered: 2, Skipped: 3, Dead: 4}, OldestPendingAt: new(int64(now - 7200000)),
			DeadReasons: map[outbox.Reason]int64{outbox.GaveUp: 1, outbox.InvalidEmail: 3}, LastSuccessAt: new(int64(now)),
			Budget: status.Budget{WindowUsed: new(int64(1)), WindowLimit: new(int64(90)), DailyLimit: new(int64(1000))},
			Token:  status.Token{Mode: new("oauth"), ExpiresAt: new(int64(now + 600000))}}}}
	var out strings.Builder
	writeReport(&out, r)
	const want = `leadsync 1.2.3 at 2026-11-22 08:00:00 UTC: ok
daemon          none; the last one was host-1

portal default, HubSpot account 62515
  lane          limited: daily, since 2026-11-22 07:58:59 UTC (61s), tried again in 90s
  rows          pending 1, delivered 2, skipped 3, dead 4
  oldest        waits since 2026-11-22 06:00:00 UTC (2h)
  dead          invalid_email 3, gave_up 1
  last success  2026-11-22 08:00:00 UTC (0s)
  budget        1 of 90 requests in 10 s, limit 1000 today
  token         oauth, expires in 10m
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// A new name in every row does not flood the screen.
	for i := range 100 {
		r.Portals = append(r.Portals, status.Portal{Portal: strconv.Itoa(i)})
		r.Problems = append(r.Problems, status.Problem{Code: "no_daemon"})
	}
	out.Reset()
	writeReport(&out, r)
	if n := strings.Count(out.String(), "\nportal "); n != mostPortals || !strings.Contains(out.String(), "(81 more portals, see --json)") {
		t.Errorf("%d portals are shown", n)
	}
	if n := strings.Count(out.String(), "  no_daemon "); n != mostProblems || !strings.Contains(out.String(), "(80 more problems, see --json)") {
		t.Errorf("%d problems are shown", n)
	}
}
