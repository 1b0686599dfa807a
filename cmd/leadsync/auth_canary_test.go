package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// canaries is a simulator that remembers every secret which goes over the wire, in both directions, and that can be
// told to repeat what it was sent in its refusals, as an unfriendly proxy might.
type canaries struct {
	sim    *hubspotsim.Sim
	server *httptest.Server

	mu    sync.Mutex
	echo  string // content type of an echoing refusal; "" = none
	birds map[string]string
}

func newCanaries(t *testing.T, cfg hubspotsim.Config) *canaries {
	t.Helper()
	sim, err := hubspotsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := &canaries{sim: sim, birds: map[string]string{"the address of the user": "admin@example.com"}}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

// plant remembers a value that must be seen nowhere.
func (c *canaries) plant(name, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(value) > 8 {
		c.birds[fmt.Sprintf("%s %d", name, len(c.birds))] = value
	}
}

func (c *canaries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if form, err := url.ParseQuery(string(body)); err == nil {
		for _, name := range []string{"client_secret", "refresh_token", "code", "code_verifier", "token"} {
			c.plant(name, form.Get(name))
		}
	}
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		c.plant("bearer", bearer)
	}
	c.mu.Lock()
	echo := c.echo
	c.mu.Unlock()
	if echo != "" && strings.HasPrefix(r.URL.Path, "/oauth/2026-09/") {
		text, _ := json.Marshal(map[string]string{"status": string(body), "error": string(body), "message": string(body), "error_description": string(body), "category": string(body)})
		w.Header().Set("Content-Type", echo)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write(text)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	answer := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil {
				answer = nil // a connection that is cut
			}
		}()
		c.sim.Handler().ServeHTTP(answer, r)
	}()
	if answer == nil {
		panic(http.ErrAbortHandler)
	}
	var pair struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if json.Unmarshal(answer.Body.Bytes(), &pair) == nil {
		c.plant("access token", pair.Access)
		c.plant("refresh token", pair.Refresh)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// stage is a folder with a configuration, in which commands run; everything they write to standard error is kept.
type canaryStage struct {
	*testing.T
	*canaries
	dir     string
	environ []string
	heard   []string // outputs, with the command in front
	codes   map[string]int
}

func (s *canaryStage) file(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

// run runs a command; person plays the browser with the address that it prints and gives what is pasted.
func (s *canaryStage) run(stdin io.Reader, args ...string) (stdout string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, args, stdin, &out, &errs, s.environ)
	s.keep(strings.Join(args, " "), out.String(), errs.String(), code)
	return out.String()
}

func (s *canaryStage) keep(name, stdout, stderr string, code int) {
	// The address of who logged in is for the operator's eyes: the commands print it, nothing else does.
	stdout = strings.NewReplacer("  user     admin@example.com\n", "", "user        admin@example.com\n", "", `"user":"admin@example.com",`, "").Replace(stdout)
	s.heard = append(s.heard, name+"\n"+stdout+stderr)
	s.codes[name] = code
}

// paste logs in with --paste, with a person who does what answer says.
func (s *canaryStage) paste(answer string) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	var errs, rest bytes.Buffer
	done := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"auth", "login", "--paste", "--browser"}, inR, outW, &errs, s.environ)
		_ = outW.Close()
		done <- code
	}()
	first := make([]byte, 0, 1024)
	for one := make([]byte, 1); ; {
		if _, err := outR.Read(one); err != nil || one[0] == '\n' {
			break
		}
		first = append(first, one[0])
	}
	if strings.HasPrefix(string(first), "http") {
		resp, err := browser(false).Get(string(first) + "&_sim=" + answer)
		if err != nil {
			s.Fatal(err)
		}
		to, err := resp.Location()
		if err != nil {
			s.Fatal(err)
		}
		_ = resp.Body.Close()
		s.plant("code", to.Query().Get("code"))
		go func() { _, _ = io.WriteString(inW, to.String()+"\n"); _ = inW.Close() }()
	}
	_, _ = io.Copy(&rest, outR)
	s.keep("auth login "+answer, string(first)+"\n"+rest.String(), errs.String(), <-done)
}

// daemon runs the daemon for a while.
func (s *canaryStage) daemon(d time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var out, errs bytes.Buffer
	code := run(ctx, []string{"run"}, nil, &out, &errs, s.environ)
	s.keep("run", out.String(), errs.String(), code)
	if code != 0 {
		s.Errorf("run ends with %d: %s", code, errs.String())
	}
}

// No token, client secret, code, verifier or address leaves the program other than to HubSpot, whatever goes wrong on
// the way: not in a log line of any level, not in an error, not in clear in the database, not as an argument of a
// process.
func TestG9OAuthLeaksNothing(t *testing.T) {
	c := newCanaries(t, hubspotsim.Config{Seed: 91, TokenLife: 2 * time.Second, Quirks: hubspotsim.Quirks{RotateRefresh: true}})
	cred := c.sim.Credentials()
	s := &canaryStage{T: t, canaries: c, dir: t.TempDir(), codes: map[string]int{}}
	// A browser that keeps its arguments.
	bin := filepath.Join(s.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	s.file("bin/xdg-open", "#!/bin/sh\necho \"$@\" >>"+filepath.Join(s.dir, "arguments")+"\n")
	if err := os.Chmod(filepath.Join(bin, "xdg-open"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	s.file("leadsync.yaml", fmt.Sprintf(`database: {url: %q}
hubspot:
  base_url: %s
  authorize_url: %s/oauth/authorize
  timeout: 1s
  auth: {client_id: %s}
  limits: {requests_per_10s: 0, daily: 0}
push: {poll_interval: 50ms}
log: {level: debug, format: json}
status: {listen: ""}
`, "sqlite://"+filepath.Join(s.dir, "leads.db"), c.server.URL, c.server.URL, cred.ClientID))
	s.environ = []string{"LEADSYNC_CONFIG=" + filepath.Join(s.dir, "leadsync.yaml")}
	key := strings.TrimSpace(s.run(nil, "auth", "key"))
	s.heard = nil // it prints a key: that is what it is for
	s.file("token-key", key)
	s.plant("token key", key)
	s.file("hubspot-client-secret", cred.ClientSecret)
	c.plant("client secret", cred.ClientSecret)
	c.plant("a lead's address", "grace.canary@example.org")
	s.run(nil, "migrate", "up")

	refresh := func() io.Reader { return strings.NewReader(c.sim.Credentials().RefreshToken + "\n") }
	c.plant("refresh token", cred.RefreshToken)
	faults := []string{"token=429", "token=500", "token=502html", "token=400:BAD_CLIENT_SECRET", "token=400:BAD_REFRESH_TOKEN", "token=400:BAD_HUB",
		"token=400:BAD_GRANT_TYPE", "token=cut", "token=lost", "token=empty200", "token=hang", "introspect=500", "introspect=502html", "revoke=500",
		"any=401", "any=403"}
	faults = testsize.Some(s, faults, 5)
	for _, answer := range []string{"approve", "deny", "wrong_state", "no_state", "used_code", "expired_code", "other_redirect"} {
		s.paste(answer)
	}
	if s.codes["auth login approve"] != 0 || s.codes["auth login deny"] != 1 {
		t.Fatalf("codes %v: %s", s.codes, s.heard)
	}
	s.run(nil, "outbox", "add", "--lead-id", "1", "--email", "grace.canary@example.org", "--set", "firstname=Grace")
	s.heard = s.heard[:len(s.heard)-1] // its own arguments are in the name
	s.daemon(4 * time.Second)          // two refreshes
	if c.sim.Stats().Refreshes < 2 || c.sim.Stats().Contacts != 1 {
		t.Errorf("the daemon did not work: %+v\n%s", c.sim.Stats(), s.heard[len(s.heard)-1])
	}
	drive := func(what string) {
		s.run(refresh(), "auth", "import")
		s.paste("approve")
		s.run(nil, "auth", "status")
		s.run(nil, "auth", "status", "--json")
		s.daemon(300 * time.Millisecond)
		s.run(nil, "auth", "logout")
		s.heard[len(s.heard)-1] += " (" + what + ")"
	}
	for _, fault := range faults {
		if err := c.sim.SetFaults(""); err != nil {
			t.Fatal(err)
		}
		s.run(refresh(), "auth", "import")
		if err := c.sim.SetFaults(fault); err != nil {
			t.Fatal(err)
		}
		drive(fault)
	}
	if err := c.sim.SetFaults(""); err != nil {
		t.Fatal(err)
	}
	for _, echo := range []string{"application/json", "text/plain", "application/x-www-form-urlencoded", "text/html"} {
		c.mu.Lock()
		c.echo = ""
		c.mu.Unlock()
		s.paste("approve")
		c.mu.Lock()
		c.echo = echo
		c.mu.Unlock()
		drive("echo as " + echo)
	}
	c.mu.Lock()
	c.echo = ""
	c.mu.Unlock()
	s.paste("approve")
	s.file("token-key", key[:43]) // no longer a key
	s.run(nil, "auth", "status")
	s.run(nil, "auth", "login")
	s.file("hubspot-client-secret", "unset")
	s.run(nil, "auth", "login")
	s.search(c)
}

// search looks for every canary in everything that was written.
func (s *canaryStage) search(c *canaries) {
	s.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.birds) < 50 {
		s.Errorf("only %d secrets went over the wire", len(c.birds))
	}
	for _, text := range s.heard {
		for name, value := range c.birds {
			if strings.Contains(text, value) {
				s.Errorf("%s was written:\n%s", name, text)
			}
		}
		// The masks are the last line of defence: nothing may have reached them.
		for _, mask := range []string{"[token]", "[address]"} {
			if strings.Contains(text, mask) {
				s.Errorf("something had to be masked:\n%s", text)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(s.dir, "*"))
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range files {
		base := filepath.Base(file)
		if base == "token-key" || base == "hubspot-client-secret" || base == "bin" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			s.Fatal(err)
		}
		for name, value := range c.birds {
			if name[:6] == "a lead" { // an application put it there
				continue
			}
			if bytes.Contains(content, []byte(value)) {
				s.Errorf("%s stands in %s", name, base)
			}
		}
	}
	if arguments, err := os.ReadFile(filepath.Join(s.dir, "arguments")); err != nil || !bytes.Contains(arguments, []byte("/oauth/authorize?")) {
		s.Errorf("no browser was started: %v", err)
	}
}
