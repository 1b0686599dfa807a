package app

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/listen"
	"leadsync/internal/status"
)

// ask is one request to the listener of the daemon, without a socket.
func (r *rig) ask(w *window, path string) (int, string) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Host = "localhost"
	rec := httptest.NewRecorder()
	listen.New(listen.Config{Source: w, Log: slog.New(slog.DiscardHandler)}).Handler().ServeHTTP(rec, req)
	b, err := io.ReadAll(rec.Result().Body)
	must(r.t, err)
	return rec.Code, string(b)
}

// What the daemon shows on loopback is what it does: counters, gauges, health, and a history of the minutes.
func TestListenerShowsTheDaemon(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Latency: 100 * time.Millisecond}, "hubspot: {limits: {requests_per_10s: 100}}", func(r *rig) {
		r.patient = true
		r.start()
		w := &window{app: r.daemon}
		for _, email := range []string{"ada@example.com", "bob@example.com", "no address"} {
			r.made(r.event(email, "lead.registered", email, ""))
		}
		r.settled(time.Minute)
		time.Sleep(15 * time.Second)
		w.history.Add(w.now(r.t.Context()))
		code, text := r.ask(w, "/metrics")
		for _, want := range []string{`leadsync_build_info{version="test"} 1`, "leadsync_healthy 1", "leadsync_ready 1", "leadsync_serving 1",
			`leadsync_lane_state{state="running"} 1`, `leadsync_lane_state{state="paused"} 0`, `leadsync_outbox_rows{state="delivered"} 2`, `leadsync_outbox_rows{state="dead"} 1`,
			`leadsync_outbox_dead_rows{reason="invalid_email"} 1`, `leadsync_rows_settled_total{reason="",state="delivered"} 2`, `leadsync_rows_settled_total{reason="invalid_email",state="dead"} 1`,
			"leadsync_delivery_seconds_count 2", `leadsync_hubspot_requests_total{class="ok",op="batch_create"} 1`, `leadsync_hubspot_request_seconds_count{op="batch_create"} 1`,
			"leadsync_budget_window_limit 90", "leadsync_oldest_waiting_seconds 0", `leadsync_problem{code="dead_rows"} 1`, "leadsync_last_success_timestamp_seconds 9.466848", `leadsync_lane_paused{lane="live"} 0`} {
			if code != 200 || !strings.Contains(text, want) {
				t.Errorf("%q is not in the metrics (%d)\n%s", want, code, text)
			}
		}
		if strings.Contains(text, "example.com") {
			t.Error("a metric names a person")
		}
		if code, text := r.ask(w, "/"); code != 200 || !strings.Contains(text, "Working, with problems") || !strings.Contains(text, "invalid_email 1") {
			t.Errorf("page %d\n%s", code, text)
		}
		if s := w.History(); len(s) != 1 || s[0].Delivered != 2 || s[0].Dead != 1 || s[0].Pending != 0 || s[0].Middle <= 0 || s[0].Requests < 2 || s[0].RequestLimit != 540 {
			t.Errorf("history %+v", s)
		}

		must(t, r.sim.SetFaults("any=401"))
		r.made(r.event("4", "lead.registered", "eve@example.com", ""))
		time.Sleep(16 * time.Minute)
		if code, text := r.ask(w, "/healthz"); code != 503 || !strings.HasPrefix(text, "needs_login: nothing has succeeded for 15m") {
			t.Errorf("health %d %s", code, text)
		}
		if code, text := r.ask(w, "/readyz"); code != 503 || !strings.HasPrefix(text, "needs_login: unauthorized") {
			t.Errorf("ready %d %s", code, text)
		}
		_, text = r.ask(w, "/metrics")
		if age := regexp.MustCompile(`leadsync_oldest_waiting_seconds 9[5-7]\d`); !age.MatchString(text) || !strings.Contains(text, "leadsync_healthy 0\n") || !strings.Contains(text, `leadsync_problem{code="needs_login"} 1`) {
			t.Errorf("metrics\n%s", text)
		}
		r.pause(status.LaneBackfill)
		time.Sleep(time.Minute)
		if _, text = r.ask(w, "/metrics"); !strings.Contains(text, `leadsync_lane_paused{lane="backfill"} 1`) {
			t.Errorf("a paused lane is not shown\n%s", text)
		}
		r.stop()
		if code, _ := r.ask(w, "/readyz"); code != 503 {
			t.Errorf("a daemon that stopped is ready: %d", code)
		}
	})
}
