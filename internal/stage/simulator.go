package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Simulator is a running `leadsync simulate`.
type Simulator struct {
	*Process
	// Vars are the SIM_ variables it printed.
	Vars map[string]string
}

// readyWithin is how long a simulator may take to listen.
const readyWithin = 20 * time.Second

// Simulate starts a simulator on a free port and waits until it listens.
func Simulate(binary string, args ...string) (*Simulator, error) {
	p, err := Spawn(binary, nil, append([]string{"simulate", "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		return nil, err
	}
	s := &Simulator{Process: p, Vars: map[string]string{}}
	if !Until(readyWithin, func() bool { return strings.Contains(p.Log.String(), "ready\n") }) {
		p.Kill()
		return nil, fmt.Errorf("the simulator does not get ready:\n%s", p.Log.Tail(10))
	}
	for line := range strings.SplitSeq(p.Log.String(), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			s.Vars[name] = strings.Trim(value, `'"`)
		}
	}
	return s, nil
}

// Admin calls an admin path and returns the answer's body; anything but 200 is an error.
func (s *Simulator) Admin(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.Vars["SIM_URL"]+"/_sim/"+path, strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the simulator: %w", err)
	}
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the simulator: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("ask the simulator: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the simulator: %s answers %d %s", path, resp.StatusCode, text)
	}
	return text, nil
}

// Stats are the simulator's counters as far as tests and figures use them.
type Stats struct {
	Requests      int            `json:"requests"`
	WriteRequests int            `json:"write_requests"`
	Contacts      int            `json:"contacts"`
	Unchanged     int            `json:"rows_unchanged"`
	Limited       map[string]int `json:"limited"`
	Statuses      map[string]int `json:"statuses"`
	BudgetUsed    float64        `json:"budget_used_percent"`
	MaxInWindow   int            `json:"max_in_window"`
	Early         int            `json:"early_requests"`
}

// Stats reads the counters.
func (s *Simulator) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	text, err := s.Admin(ctx, http.MethodGet, "stats", "")
	if err == nil {
		err = json.Unmarshal(text, &st)
	}
	return st, err
}

// Configure writes token key, token and leadsync.yaml into dir for a daemon that talks to the simulator, and returns
// the environment that makes commands use them. key is a token key; requests is the limit of 10 seconds, 0 = none; more
// is YAML behind the rest.
func (s *Simulator) Configure(dir, databaseURL, key string, requests int, more string) ([]string, error) {
	limits := fmt.Sprintf("limits: {requests_per_10s: %d, daily: 0, share: 1}", requests)
	file := filepath.Join(dir, "leadsync.yaml")
	return []string{"LEADSYNC_CONFIG=" + file}, errors.Join(
		os.WriteFile(filepath.Join(dir, "token-key"), []byte(key+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "hubspot-token"), []byte(s.Vars["SIM_STATIC_TOKEN"]), 0o600),
		os.WriteFile(file, fmt.Appendf(nil, "database: {url: %q}\nhubspot: {base_url: %q, timeout: 3s, auth: {mode: static}, %s}\nstatus: {listen: \"\"}\n%s",
			databaseURL, s.Vars["SIM_URL"], limits, more), 0o600))
}

// Until asks again and again whether ok, for at most within.
func Until(within time.Duration, ok func() bool) bool {
	end := time.NewTimer(within)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end.C:
			return ok()
		case <-tick.C:
		}
	}
	return true
}
