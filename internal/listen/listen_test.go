package listen

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/html"

	"leadsync/internal/breaker"
	"leadsync/internal/metrics"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
)

// source is a daemon as the tests need it.
type source struct {
	health  Health
	report  status.Report
	err     error
	history []Sample
}

func (s *source) Health() Health                                { return s.health }
func (s *source) Report(context.Context) (status.Report, error) { return s.report, s.err }
func (s *source) History() []Sample                             { return s.history }
func (s *source) Metrics(context.Context) prometheus.Gatherer {
	var m metrics.Moment
	m.Gauge(metrics.Healthy, 1)
	return m.With(prometheus.NewRegistry())
}

func serve(src Source) http.Handler {
	return New(Config{Source: src, Log: slog.New(slog.DiscardHandler)}).Handler()
}

func get(t *testing.T, h http.Handler, method, host, path string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A name that somebody else's server resolves to this machine is refused, so that no page of the web reads it through a
// browser.
func TestHostIsChecked(t *testing.T) {
	h := serve(&source{health: Health{Ready: true}})
	for host, want := range map[string]int{"localhost": 200, "localhost:8977": 200, "LOCALHOST.:1": 200, "127.0.0.1:8977": 200, "127.1.2.3": 200, "[::1]:8977": 200, "[::1]": 200,
		"": 421, "evil.example.com": 421, "localhost.evil.example.com": 421, "127.0.0.1.example.com:80": 421, "192.0.2.1:8977": 421, "0.0.0.0": 421, "[::]:1": 421, "2130706433": 421} {
		for _, path := range []string{"/healthz", "/metrics", "/"} {
			if path == "/" && want == 200 {
				continue // the source has no report
			}
			if got := get(t, h, "GET", host, path).StatusCode; got != want {
				t.Errorf("%q %s: %d, want %d", host, path, got, want)
			}
		}
	}
}

func TestOnlyReadingIsAnswered(t *testing.T) {
	h := serve(&source{health: Health{Ready: true}})
	for _, c := range []struct {
		method, path string
		want         int
	}{{"POST", "/healthz", 405}, {"DELETE", "/", 405}, {"HEAD", "/healthz", 200}, {"GET", "/favicon.ico", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/healthz/x", 404}} {
		r := get(t, h, c.method, "localhost", c.path)
		if r.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.StatusCode, c.want)
		}
		if r.Header.Get("Content-Security-Policy") == "" || r.Header.Get("X-Content-Type-Options") != "nosniff" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.path, r.Header)
		}
	}
}

func TestHealthAndReady(t *testing.T) {
	src := &source{health: Health{Ready: true}}
	h := serve(src)
	if r := get(t, h, "GET", "localhost", "/healthz"); r.StatusCode != 200 || body(t, r) != "ok\n" {
		t.Errorf("well: %d", r.StatusCode)
	}
	src.health = Health{Problems: []status.Problem{{Code: "quota", Text: "nothing has succeeded for 16m", Cure: "wait"}}, NotReady: "limited: daily_limit"}
	if r := get(t, h, "GET", "localhost", "/healthz"); r.StatusCode != 503 || body(t, r) != "quota: nothing has succeeded for 16m\ncure: wait\n" {
		t.Errorf("ill: %d", r.StatusCode)
	}
	if r := get(t, h, "GET", "localhost", "/readyz"); r.StatusCode != 503 || body(t, r) != "limited: daily_limit\n" {
		t.Errorf("not ready: %d", r.StatusCode)
	}
	if r := get(t, h, "GET", "localhost", "/metrics"); r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8") || !strings.Contains(body(t, r), "leadsync_healthy 1\n") {
		t.Errorf("metrics: %d %v", r.StatusCode, r.Header)
	}
}

// scene is a daemon in trouble with a day behind it.
func scene(now time.Time) *source {
	const evil = `<script>alert(1)</script>"'&`
	ms := func(d time.Duration) int64 { return now.Add(-d).UnixMilli() }
	src := &source{health: Health{Problems: []status.Problem{{Code: "network", Text: "nothing has succeeded for 21m while rows wait, the oldest for 22m; the lane is degraded: transient", Cure: "HubSpot gives no answer: check name resolution, proxy, firewall and hubspot.base_url from this host; it is tried again by itself"}}}}
	src.report = status.Report{Version: "1.2.3", Now: now.UnixMilli(), Problems: []status.Problem{{Code: "network", Text: "portal default: the lane is degraded", Cure: "none"},
		{Code: "dead_rows", Text: "portal default: 8 rows are dead: invalid_email 7, " + evil + " 1", Cure: "see why: leadsync outbox list --portal default --state dead; when that is mended: leadsync outbox retry --portal default --state dead"}},
		Daemon: status.Daemon{Alive: true, Owner: new("host-1:4711:ab12cd"), Since: new(ms(26 * time.Hour))},
		Portals: []status.Portal{{Portal: "default", PortalID: new(int64(62515)), State: new(breaker.Degraded), Cause: new("transient"), Since: new(ms(22 * time.Minute)),
			Queue: status.Queue{Pending: 1843, Delivered: 481204, Skipped: 9120, Dead: 8}, OldestWaitingAt: ms(22 * time.Minute), LastSuccessAt: new(ms(21 * time.Minute)),
			DeadReasons: map[outbox.Reason]int64{outbox.InvalidEmail: 7, evil: 1},
			Budget:      status.Budget{WindowUsed: new(int64(4)), WindowLimit: new(int64(90)), DailyUsed: new(int64(18123)), DailyLimit: new(int64(225000))},
			Token:       status.Token{Mode: new("oauth"), ExpiresAt: new(now.Add(18 * time.Minute).UnixMilli())}}}}
	for i := range 20 * 60 { // it began four hours into the day
		at := now.Add(-time.Duration(20*60-i) * time.Minute)
		age := now.Sub(at)
		s := Sample{At: at, Pending: int64(i % 7), Delivered: 30 + (i*i)%97/2, Skipped: i % 3, Middle: time.Duration(180+i%60) * time.Millisecond,
			High: time.Duration(900+(i*31)%700) * time.Millisecond, Requests: 28 + i%17, RequestLimit: 540}
		switch {
		case age > 9*time.Hour && age < 10*time.Hour: // a backlog of an import
			s.Pending, s.Delivered, s.Requests, s.Middle, s.High = int64(18000-i%60*300), 900, 520, 40*time.Second, 90*time.Second
		case age > 6*time.Hour && age < 7*time.Hour: // the process did not run
			continue
		case age < 22*time.Minute:
			s.Pending, s.Delivered, s.Skipped, s.Requests, s.Failed = 1843-int64(age.Minutes())*84, 0, 0, 6, 6
		}
		if i%311 == 0 {
			s.Dead = 3
		}
		src.history = append(src.history, s)
	}
	return src
}

var styled = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

// The page is whole without a script, and what its policy allows is its own style and nothing else.
func TestPageIsStrict(t *testing.T) {
	src := scene(time.Now())
	for name, err := range map[string]error{"report": nil, "no report": errors.New("waiting for database")} {
		src.err = err
		r := get(t, serve(src), "GET", "localhost", "/")
		text := body(t, r)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Fatalf("%s: %d %v", name, r.StatusCode, r.Header)
		}
		sheet := styled.FindStringSubmatch(text)
		if sheet == nil {
			t.Fatalf("%s: no style", name)
		}
		sum := sha256.Sum256([]byte(sheet[1]))
		want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
		if got := r.Header.Get("Content-Security-Policy"); got != want {
			t.Errorf("%s: policy %s, want %s", name, got, want)
		}
		strict(t, text)
		if err != nil && !strings.Contains(text, "waiting for database") {
			t.Errorf("%s: the trouble is not told", name)
		}
		if err == nil {
			for _, want := range []string{"Something is wrong", "1843", "481k", "nothing has succeeded for 21m", "8 % of 225k", "invalid_email 7", "Latency", "limit 540"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not on the page", want)
				}
			}
			if n := strings.Count(text, "<code>network</code>"); n != 1 {
				t.Errorf("the trouble is told %d times", n)
			}
		}
	}
}

// strict parses the page: every element is closed, none can run or load anything, and every style is a class.
func strict(t *testing.T, text string) {
	t.Helper()
	void := map[string]bool{"meta": true, "br": true, "path": true, "circle": true}
	var open []string
	z := html.NewTokenizer(strings.NewReader(text))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Errorf("the page ends with %v open, %v", open, z.Err())
			}
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			switch token.Data {
			case "script", "iframe", "object", "embed", "link", "img", "base", "form":
				t.Errorf("the page has a %s", token.Data)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || strings.Contains(a.Val, "javascript:") || strings.Contains(a.Val, "NaN") {
					t.Errorf("<%s %s=%q>", token.Data, a.Key, a.Val)
				}
				if a.Key == "href" && !strings.HasPrefix(a.Val, "/") {
					t.Errorf("a link leads to %q", a.Val)
				}
			}
			if token.Type == html.StartTagToken && !void[token.Data] {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func TestCharts(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 30, 0, 0, time.UTC)
	empty := charts(nil, now)
	if len(empty) != 4 || !empty[0].Empty || len(empty[0].Ticks) != 6 || empty[0].Ticks[0].Label != "08:00" || empty[0].Ticks[5].Label != "12:00" {
		t.Errorf("%+v", empty[0])
	}
	samples := []Sample{{At: now.Add(-25 * time.Hour), Pending: 999999}, {At: now.Add(-time.Hour), Pending: 150}, {At: now.Add(-54 * time.Minute), Pending: 30},
		{At: now.Add(-time.Minute), Pending: -1, Delivered: 6, Middle: time.Second, High: 4 * time.Second}}
	all := charts(samples, now)
	if q := all[0]; q.Top != "200" || q.Half != "100" || q.Now != "rows waiting 30" || q.Lines[0].Path != "M459.0 30.0L461.0 102.0" ||
		q.Lines[0].Area != "M459.0 120.0L459.0 30.0L461.0 102.0L461.0 120.0Z" {
		t.Errorf("queue %+v", q)
	}
	if l := all[1]; l.Top != "5 s" || l.Now != "95 % 4 s, half 1 s" || l.Lines[0].Path != "M479.0 24.0h1" {
		t.Errorf("latency %+v", l)
	}
	for v, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.01: 2, 4.2: 5, 51: 100, 2e6: 2e6} {
		if got := nice(v); got != want {
			t.Errorf("nice(%v) is %v, want %v", v, got, want)
		}
	}
}

func TestHistoryKeepsADay(t *testing.T) {
	var h History
	if len(h.All()) != 0 {
		t.Error("not empty")
	}
	for i := range Kept + 7 {
		h.Add(Sample{Delivered: i})
	}
	all := h.All()
	if len(all) != Kept || all[0].Delivered != 7 || all[Kept-1].Delivered != Kept+6 {
		t.Errorf("%d samples from %d to %d", len(all), all[0].Delivered, all[len(all)-1].Delivered)
	}
}

// The server answers on a real socket, ends with its context, and a port that is taken is waited for.
func TestRun(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		ctx, stop := context.WithCancel(t.Context())
		s := New(Config{Address: address, Source: &source{health: Health{Ready: true}}, Log: slog.New(slog.DiscardHandler)})
		at := make(chan net.Addr, 1)
		s.bound = func(a net.Addr) { at <- a }
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		select {
		case a := <-at:
			client := &http.Client{Timeout: 5 * time.Second}
			r, err := client.Get("http://" + a.String() + "/readyz")
			if err != nil || r.StatusCode != 200 {
				t.Errorf("%s: %v", address, err)
			}
			if err == nil {
				r.Body.Close()
			}
		case <-time.After(5 * time.Second):
			t.Logf("NOT CHECKED: nothing listens on %s", address)
		}
		stop()
		<-done
	}
	var said strings.Builder
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := New(Config{Address: taken.Addr().String(), Source: &source{}, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := s.serve(t.Context()); err == nil {
		t.Error("a port that is taken was listened on")
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	s.Run(ctx)
	if !strings.Contains(said.String(), observe.ListenFailed) || !strings.Contains(said.String(), "status.listen") {
		t.Errorf("said %q", said.String())
	}
}

// TestPageInBrowser draws the page in a real browser, light and dark, wide and narrow, into $LEADSYNC_SCREENSHOTS (or a
// folder of the test), and fails when the browser complains about the page: the policy would have kept its own style
// out.
func TestPageInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("NOT CHECKED: the page in a browser: there is no chromium here (package chromium)")
	}
	src := scene(time.Now())
	server := httptest.NewServer(serve(src))
	defer server.Close()
	folder := os.Getenv("LEADSYNC_SCREENSHOTS")
	if folder == "" {
		folder = t.TempDir()
	}
	for _, shot := range []struct{ name, size, scheme string }{{"light.png", "1120,1060", "light"}, {"dark.png", "1120,1060", "dark"}, {"narrow.png", "420,1900", "light"}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
			"--disable-sync", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--enable-logging=stderr", "--window-size=" + shot.size,
			"--screenshot=" + filepath.Join(folder, shot.name)}
		if shot.scheme == "dark" {
			args = append(args, "--blink-settings=preferredColorScheme=0")
		}
		out, err := exec.CommandContext(ctx, browser, append(args, server.URL+"/")...).CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("%s: %v\n%s", shot.name, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "CONSOLE") && !strings.Contains(line, "favicon") {
				t.Errorf("%s: %s", shot.name, line)
			}
		}
		if info, err := os.Stat(filepath.Join(folder, shot.name)); err != nil || info.Size() < 10_000 {
			t.Errorf("%s: %v", shot.name, err)
		}
	}
}
