package app

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/store"
)

// day is the count of the day as it is stored.
func (r *rig) day() (day string, reserved int) {
	r.t.Helper()
	must(r.t, r.db.QueryRow(`SELECT daily_day, daily_reserved FROM leadsync_portals`).Scan(&day, &reserved))
	return day, reserved
}

// dialed is a client as a command makes it, beside the daemon or without one.
func (r *rig) dialed(base http.RoundTripper) (*hubspot.Client, *Dialer) {
	r.t.Helper()
	db, err := store.Open(context.Background(), r.url, store.Options{})
	must(r.t, err)
	r.t.Cleanup(func() { _ = db.Close() })
	dial, err := Dial(context.Background(), r.config(), DialOptions{Version: "test", Base: base, Database: db, Block: 1})
	must(r.t, err)
	return dial.Client(dial.Static()), dial
}

// What a command asks is held back by the limit and counted in the portal's day, to the request, under the account's
// day.
func TestG10CommandsKeepTheBudget(t *testing.T) {
	t.Parallel()
	const limit, asked = 20, 50
	sim := hubspotsim.Config{Limit: limit, TimeZone: "America/Los_Angeles"} // where it is still the day before
	inBubble(t, sim, "hubspot: {limits: {requests_per_10s: 20, share: 0.9, daily: 1000}}", func(r *rig) {
		r.start()
		r.event("42", "lead.registered", "ada@example.com", "")
		r.settled(time.Minute)
		r.stop()
		day, before := r.day()
		if day != "1999-12-31" || before == 0 {
			t.Fatalf("the daemon counts %d requests of %q", before, day)
		}
		time.Sleep(time.Minute)

		var mu sync.Mutex
		var starts []time.Time
		client, _ := r.dialed(roundTripper(func(req *http.Request) (*http.Response, error) {
			mu.Lock()
			starts = append(starts, time.Now())
			mu.Unlock()
			return r.sim.Transport().RoundTrip(req)
		}))
		var all sync.WaitGroup
		for range asked {
			all.Go(func() {
				if _, err := client.Account(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(starts) != asked {
			t.Errorf("%d requests, want %d: one was refused", len(starts), asked)
		}
		for i := range starts {
			if n := i + limit*9/10; n < len(starts) && starts[n].Sub(starts[i]) < 10*time.Second {
				t.Errorf("%d requests in %v", limit*9/10+1, starts[n].Sub(starts[i]))
			}
		}
		if now, after := r.day(); now != day || after != before+asked {
			t.Errorf("the day is %q with %d requests, want %q with %d", now, after, day, before+asked)
		}

		r.start() // and the daemon goes on from there
		r.event("43", "lead.registered", "bob@example.com", "")
		r.settled(time.Minute)
		r.stop()
		if now, after := r.day(); now != day || after < before+asked+1 {
			t.Errorf("after the next start the day is %q with %d requests", now, after)
		}
	})
}

// A day that is used up stops a command before HubSpot is asked.
func TestG10CommandsKeepTheDay(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "hubspot: {limits: {requests_per_10s: 100, share: 1, daily: 200}}", func(r *rig) {
		r.start()
		r.event("42", "lead.registered", "ada@example.com", "")
		r.settled(time.Minute)
		r.stop()
		_, used := r.day()
		sent := 0
		client, _ := r.dialed(roundTripper(func(req *http.Request) (*http.Response, error) {
			sent++
			return r.sim.Transport().RoundTrip(req)
		}))
		var err error
		for err == nil && sent < 1000 {
			_, err = client.Account(context.Background())
		}
		if hubspot.Classify(err) != hubspot.ClassDaily || sent != 200-used {
			t.Errorf("%d requests beside %d of 200, then: %v", sent, used, err)
		}
	})
}

// A portal that no daemon ever had gets no row by a command, and is limited all the same.
func TestDialWithoutARow(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{}, "hubspot: {limits: {requests_per_10s: 10, share: 1}}", func(r *rig) {
		client, dial := r.dialed(r.sim.Transport())
		began := time.Now()
		for range 11 {
			_, err := client.Account(context.Background())
			must(t, err)
		}
		if time.Since(began) < 9*time.Second {
			t.Errorf("11 requests in %v", time.Since(began))
		}
		dial.Learn(hubspot.Account{TimeZone: "Europe/Berlin"})
		var rows int
		must(t, r.db.QueryRow(`SELECT count(*) FROM leadsync_portals`).Scan(&rows))
		if rows != 0 {
			t.Errorf("%d rows", rows)
		}
	})
}

// The stored day goes on wherever it is still going on, so that the count is not lost before the account has said its
// zone.
func TestZoneOfTheStoredDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ now, stored, want string }{
		{"2026-11-24T03:00:00Z", "2026-11-24", "2026-11-24"},
		{"2026-11-24T03:00:00Z", "2026-11-23", "2026-11-23"}, // evening in America
		{"2026-11-24T20:00:00Z", "2026-11-25", "2026-11-25"}, // morning in Asia
		{"2026-11-24T13:00:00Z", "2026-11-23", "2026-11-24"}, // over everywhere
		{"2026-11-24T03:00:00Z", "2026-11-20", "2026-11-24"},
		{"2026-11-24T03:00:00Z", "", "2026-11-24"},
		{"2026-11-24T03:00:00Z", "soon", "2026-11-24"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		must(t, err)
		if got := now.In(zoneOf(c.stored, now)).Format(time.DateOnly); got != c.want {
			t.Errorf("at %s with %q stored: %s, want %s", c.now, c.stored, got, c.want)
		}
	}
}
