package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// simulation is a simulate command that runs.
type simulation struct {
	values map[string]string
	lines  []string
	stop   func() (code int, stderr string) // ends its context
}

// simulate runs the command in this process until ready.
func simulate(t *testing.T, args ...string) *simulation {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	var stderr bytes.Buffer
	done := make(chan int, 1)
	go func() {
		code := run(ctx, append([]string{"simulate", "--listen", "127.0.0.1:0"}, args...), nil, in, &stderr, nil)
		_ = in.Close()
		done <- code
	}()
	sim := &simulation{values: map[string]string{}}
	stopped := false
	sim.stop = func() (int, string) {
		stopped = true
		cancel()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		return <-done, stderr.String()
	}
	t.Cleanup(func() {
		if !stopped {
			sim.stop()
		}
	})
	for sc := bufio.NewScanner(out); sc.Scan(); {
		sim.lines = append(sim.lines, sc.Text())
		if sc.Text() == "ready" {
			return sim
		}
		name, value, ok := strings.Cut(sc.Text(), "=")
		if !ok {
			t.Fatalf("line %q is no NAME=value", sc.Text())
		}
		sim.values[name] = value
	}
	code, text := sim.stop()
	t.Fatalf("simulate ended with %d before it was ready: %s", code, text)
	return nil
}

func (s *simulation) ask(t *testing.T, method, url, token, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if strings.HasPrefix(body, "grant_type=") {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

// The lines of the public contract, in their order; the same seed gives the same values, but for the port.
func TestSimulatePrintsWhatAShellCanSource(t *testing.T) {
	one, two, other := simulate(t, "--seed", "7"), simulate(t, "--seed", "7"), simulate(t, "--seed", "8")
	var names []string
	for _, line := range one.lines {
		name, _, _ := strings.Cut(line, "=")
		names = append(names, name)
	}
	if got, want := strings.Join(names, " "), "SIM_URL SIM_STATIC_TOKEN SIM_CLIENT_ID SIM_CLIENT_SECRET SIM_REFRESH_TOKEN SIM_PORTAL_ID SIM_AUTHORIZE_URL SIM_ADMIN_URL ready"; got != want {
		t.Errorf("lines: got %s, want %s", got, want)
	}
	for name, value := range one.values {
		switch {
		case value == "":
			t.Errorf("%s is empty", name)
		case strings.HasSuffix(name, "URL"):
			if !strings.HasPrefix(value, one.values["SIM_URL"]) {
				t.Errorf("%s=%s is not on the listener %s", name, value, one.values["SIM_URL"])
			}
		case two.values[name] != value:
			t.Errorf("%s differs under one seed", name)
		case other.values[name] == value:
			t.Errorf("%s is the same under another seed", name)
		}
	}
	script := `eval "$1"; printf '%s %s' "$SIM_PORTAL_ID" "$SIM_STATIC_TOKEN"`
	out, err := exec.CommandContext(t.Context(), "sh", "-c", script, "sh", strings.Join(one.lines[:len(one.lines)-1], "\n")).Output()
	if want := one.values["SIM_PORTAL_ID"] + " " + one.values["SIM_STATIC_TOKEN"]; err != nil || string(out) != want {
		t.Errorf("a shell reads %q (%v), want %q", out, err, want)
	}
	if code, text := one.stop(); code != exitDone || text != "" {
		t.Errorf("stop: exit code %d, %q", code, text)
	}
	if _, err := net.DialTimeout("tcp", strings.TrimPrefix(one.values["SIM_URL"], "http://"), time.Second); err == nil {
		t.Error("it listens after its end")
	}
}

// What the printed values are good for: calls, a refresh, the authorize page, and the admin paths.
func TestSimulateServes(t *testing.T) {
	sim := simulate(t, "--latency", "0", "--token-life", "3s", "--faults", "batch_create=500x1")
	v := sim.values
	create := v["SIM_URL"] + "/crm/objects/2026-09/contacts/batch/create"
	body := `{"inputs":[{"properties":{"email":"ada@example.com"},"objectWriteTraceId":"1"}]}`
	if resp, _ := sim.ask(t, "POST", create, v["SIM_STATIC_TOKEN"], body); resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("with a fault: %d", resp.StatusCode)
	}
	resp, text := sim.ask(t, "POST", create, v["SIM_STATIC_TOKEN"], body)
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("create: %d %s", resp.StatusCode, text)
	}
	h := resp.Header
	if got := h.Get("X-HubSpot-RateLimit-Max") + " " + h.Get("X-HubSpot-RateLimit-Interval-Milliseconds") + " " + h.Get("X-HubSpot-RateLimit-Daily"); got != "190 10000 625000" {
		t.Errorf("limits: %s", got)
	}
	fields := url.Values{"client_id": {v["SIM_CLIENT_ID"]}, "client_secret": {v["SIM_CLIENT_SECRET"]}, "refresh_token": {v["SIM_REFRESH_TOKEN"]}}
	_, text = sim.ask(t, "POST", v["SIM_URL"]+"/oauth/2026-09/token", "", "grant_type=refresh_token&"+fields.Encode())
	var token struct {
		Access string `json:"access_token"`
		Life   int    `json:"expires_in"`
		Hub    int64  `json:"hub_id"`
	}
	if err := json.Unmarshal([]byte(text), &token); err != nil || token.Life != 3 || fmt.Sprint(token.Hub) != v["SIM_PORTAL_ID"] {
		t.Errorf("refresh: %v %s", err, text)
	}
	if resp, _ := sim.ask(t, "GET", v["SIM_URL"]+"/account-info/2026-09/details", token.Access, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("call with the access token: %d", resp.StatusCode)
	}
	q := url.Values{"client_id": {v["SIM_CLIENT_ID"]}, "redirect_uri": {"http://localhost:8976/callback"}, "state": {"x"},
		"scope": {"oauth crm.objects.contacts.read crm.objects.contacts.write crm.schemas.contacts.read communication_preferences.read_write"}}
	resp, _ = sim.ask(t, "GET", v["SIM_AUTHORIZE_URL"]+"?"+q.Encode(), "", "")
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || !strings.HasPrefix(to, "http://localhost:8976/callback?code=") {
		t.Errorf("authorize with the scopes of the default configuration: %d %s", resp.StatusCode, to)
	}
	_, text = sim.ask(t, "GET", v["SIM_ADMIN_URL"]+"/stats", "", "")
	var stats struct {
		Contacts  int `json:"contacts"`
		Refreshes int `json:"refreshes"`
	}
	if err := json.Unmarshal([]byte(text), &stats); err != nil || stats.Contacts != 1 || stats.Refreshes != 1 {
		t.Errorf("stats: %v %s", err, text)
	}
	if _, text := sim.ask(t, "GET", v["SIM_URL"]+"/_sim/contacts", "", ""); !strings.Contains(text, `"ada@example.com"`) {
		t.Errorf("contacts: %s", text)
	}
	free := simulate(t, "--latency", "0s", "--limit", "0")
	resp, _ = free.ask(t, "POST", free.values["SIM_URL"]+"/crm/objects/2026-09/contacts/batch/create", free.values["SIM_STATIC_TOKEN"], body)
	for name := range resp.Header {
		if strings.HasPrefix(name, "X-Hubspot-Ratelimit") {
			t.Errorf("without a limit it answers %s", name)
		}
	}
}

// Wrong usage is 2 and a port that is taken 1, each with what to do.
func TestSimulateRefuses(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for _, tc := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"--listen", "0.0.0.0:8979"}, exitUsage, []string{"--listen 0.0.0.0:8979 is refused", "127.0.0.1"}},
		{[]string{"--listen", ":8979"}, exitUsage, []string{"is refused"}},
		{[]string{"--listen", "8979"}, exitUsage, []string{"is refused", "HOST:PORT"}},
		{[]string{"--listen", l.Addr().String()}, exitFailed, []string{"another program listens on " + l.Addr().String(), "--listen"}},
		{[]string{"--faults", "batch_create=500,batch_read=600x2,any=slow"}, exitUsage,
			[]string{`read fault "batch_read=600x2": unknown kind "600"; want one of 400`, "502html", `read fault "any=slow"`}},
		{[]string{"--faults", "contacts=500"}, exitUsage, []string{`"contacts=500": unknown operation`, "batch_create", "subscriptions", "token"}},
		{[]string{"--limit", "-1"}, exitUsage, []string{"--limit"}},
		{[]string{"--latency", "-1s"}, exitUsage, []string{"--latency"}},
		{[]string{"--latency", "soon"}, exitUsage, []string{"latency"}},
		{[]string{"--window", "0"}, exitUsage, []string{"--window"}},
		{[]string{"--index-lag", "-1s"}, exitUsage, []string{"--index-lag"}},
		{[]string{"--token-life", "10ms"}, exitUsage, []string{"--token-life"}},
		{[]string{"--seed", "-1"}, exitUsage, []string{"seed"}},
		{[]string{"extra"}, exitUsage, []string{`unexpected argument "extra"`}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		var stdout, stderr bytes.Buffer
		code := run(ctx, append([]string{"simulate"}, tc.args...), nil, &stdout, &stderr, nil)
		cancel()
		if code != tc.code || stdout.Len() > 0 {
			t.Errorf("%v: exit code %d, want %d; standard output %q", tc.args, code, tc.code, stdout.String())
		}
		for _, says := range tc.says {
			if !strings.Contains(stderr.String(), says) {
				t.Errorf("%v: does not say %q: %s", tc.args, says, stderr.String())
			}
		}
	}
}

// The real process ends with 0 on either signal, also while a request hangs.
func TestSimulateEndsOnSignals(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		c := exec.CommandContext(t.Context(), exe, "simulate", "--listen", "127.0.0.1:0", "--latency", "0", "--faults", "list=hang")
		c.Args[0] = "leadsync" // TestMain answers to that name
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		sim := &simulation{values: map[string]string{}}
		for sc := bufio.NewScanner(out); sc.Scan() && sc.Text() != "ready"; {
			name, value, _ := strings.Cut(sc.Text(), "=")
			sim.values[name] = value
		}
		hung := make(chan struct{})
		go func() {
			defer close(hung)
			r, err := http.NewRequestWithContext(t.Context(), "GET", sim.values["SIM_URL"]+"/crm/objects/2026-09/contacts", nil)
			if err != nil {
				return
			}
			r.Header.Set("Authorization", "Bearer "+sim.values["SIM_STATIC_TOKEN"])
			if resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r); err == nil {
				_ = resp.Body.Close()
				t.Errorf("%v: the hanging request was answered with %d", sig, resp.StatusCode)
			}
		}()
		for text := ""; !strings.Contains(text, `"list":1`); {
			_, text = sim.ask(t, "GET", sim.values["SIM_ADMIN_URL"]+"/stats", "", "")
		}
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %v", sig, err)
		}
		<-hung
	}
}
