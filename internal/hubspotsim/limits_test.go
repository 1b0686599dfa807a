package hubspotsim

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// The window rolls: a request leaves it after its span, not at a full stop of the clock. A refused request uses
// nothing.
func TestWindowLimit(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Limit: 3, Window: 10 * time.Second})
	get := func() got { return ask(t, s, http.MethodGet, contactsPath, "") }
	for i := range 3 {
		g := get()
		want(t, "headers", []string{g.header.Get("X-HubSpot-RateLimit-Max"), g.header.Get("X-HubSpot-RateLimit-Remaining"), g.header.Get("X-HubSpot-RateLimit-Interval-Milliseconds")},
			[]string{"3", fmt.Sprint(2 - i), "10000"})
		w.pass(time.Second)
	}
	g := get()
	want(t, "status", []any{g.status, g.header.Get("X-HubSpot-RateLimit-Remaining"), g.header.Get("Retry-After")}, "[429 0 ]")
	_, category := g.body["category"]
	want(t, "a 429 has errorType and no category", []any{g.body["errorType"], category}, "[RATE_LIMIT false]")
	w.pass(6999 * time.Millisecond)
	want(t, "a millisecond early", get().status, 429)
	w.pass(time.Millisecond)
	want(t, "the first has left", []int{get().status, get().status}, "[200 429]")
	st := s.Stats()
	want(t, "figures", []any{st.Limited[policyWindow], st.MaxInWindow, st.Statuses["200"], st.Statuses["429"], st.Limit, st.Window}, "[3 3 4 3 3 10000]")
}

// Search has a bucket of its own, no rate headers, and still counts for the day.
func TestSearchLimit(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Limit: 1, SearchLimit: 5, Daily: 100})
	search := func() got { return post(t, s, contactsPath+"/search", `{"limit":1}`) }
	for range 5 {
		g := search()
		want(t, "status", g.status, 200)
		for name := range g.header {
			if len(name) > 18 && name[:18] == "X-Hubspot-Ratelimi" {
				t.Errorf("search answers %s", name)
			}
		}
	}
	g := search()
	want(t, "sixth", []any{g.status, g.body["policyName"], g.body["message"]}, "[429 SECONDLY You have reached your secondly limit.]")
	want(t, "group", g.body["groupName"], fmt.Sprintf("publicapi:crm:search:oauth:%d:%d", s.appID, s.Credentials().PortalID))
	want(t, "the window is untouched", ask(t, s, http.MethodGet, contactsPath, "").status, 200)
	want(t, "the day is not", s.Stats().DayUsed, 6)
	w.pass(time.Second)
	want(t, "a second later", search().status, 200)
}

// The day ends at midnight of the account, also where the clock changes.
func TestDailyLimit(t *testing.T) {
	w := &watch{time.Date(2026, 3, 28, 22, 59, 0, 0, time.UTC)} // 23:59 in Berlin, the night the clock goes forward
	s := newSim(t, Config{Clock: w.now, Daily: 2, Limit: 100, TimeZone: "Europe/Berlin"})
	get := func() got { return ask(t, s, http.MethodGet, contactsPath, "") }
	want(t, "left", get().header.Get("X-HubSpot-RateLimit-Daily-Remaining"), "1")
	get()
	g := get()
	want(t, "third", []any{g.status, g.body["policyName"], g.body["message"], g.body["requestId"] != nil}, "[429 DAILY You have reached your daily limit. true]")
	want(t, "daily headers", []string{g.header.Get("X-HubSpot-RateLimit-Daily"), g.header.Get("X-HubSpot-RateLimit-Daily-Remaining")}, "[2 0]")
	w.pass(59 * time.Second)
	want(t, "a second before midnight", get().status, 429)
	w.pass(time.Second)
	want(t, "midnight", []int{get().status, get().status, get().status}, "[200 200 429]")
	w.pass(22*time.Hour + 59*time.Minute + 59*time.Second)
	want(t, "23 hours", get().status, 429)
	w.pass(time.Second)
	want(t, "the day had 23 hours", get().status, 200)
	// Requests before the time that a DAILY 429 gave are counted as too early, but for those that were on their way.
	want(t, "early", s.Stats().Early, 2)
}

// Early counts what comes between a 429 or 477 and its time.
func TestEarlyRequestsAreCounted(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Window: 10 * time.Second, Faults: "list=429x1,list=477:30x1"})
	get := func() { ask(t, s, http.MethodGet, contactsPath, "") }
	get()
	w.pass(grace)
	get() // was on its way, and is told to stay away for 30 s
	want(t, "on their way", s.Stats().Early, 0)
	w.pass(29 * time.Second)
	get()
	refresh(t, s, s.Credentials().RefreshToken)
	want(t, "early", s.Stats().Early, 1)
	w.pass(time.Second)
	get()
	want(t, "in time", s.Stats().Early, 1)
}

// BudgetUsed is what came through against what the window allowed, from the first write to the last.
func TestBudgetUsed(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Limit: 10, Window: 10 * time.Second})
	for i := range 41 {
		s.mustCreate(t, fmt.Sprintf(`{"email":"c%d@example.com"}`, i))
		if i < 40 {
			w.pass(1250 * time.Millisecond) // 8 in 10 s, where 10 are allowed
		}
	}
	want(t, "share", s.Stats().BudgetUsed, 80)
	s.ResetStats()
	st := s.Stats()
	want(t, "reset", []any{st.Requests, st.BudgetUsed, st.Contacts, st.MaxInWindow}, "[0 0 41 8]")
}
