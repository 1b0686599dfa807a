package auth_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/auth"
	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/people"
	"leadsync/internal/secret"
	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// childEnv makes this test binary another process that shares a database and a HubSpot with the test. It holds what the
// child does.
const childEnv = "LEADSYNC_AUTH_TEST_CHILD"

// child is what such a process is told.
type child struct {
	Database, Hub, ClientID, ClientSecret, TokenKey string
	Warm                                            bool   // take a token before the start
	Calls                                           int    // how many at once
	KillAt                                          string // a step of the refresh
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		fmt.Println("end", err)
		return
	}
	code := m.Run()
	fmt.Println(storetest.Dialects())
	os.Exit(code)
}

// run says ready, waits for a line, and makes its calls.
func (c child) run() error {
	ctx := context.Background()
	db, err := store.Open(ctx, c.Database, store.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := people.ParseKeys(c.TokenKey)
	if err != nil {
		return err
	}
	killer := &killer{Grants: db.Tokens(), at: c.KillAt, inner: &http.Transport{MaxIdleConnsPerHost: 64}}
	client := auth.NewClient(auth.ClientConfig{BaseURL: c.Hub, APIVersion: "2026-09", ClientID: c.ClientID, HTTP: &http.Client{Transport: killer, Timeout: 15 * time.Second},
		ClientSecret: func() (secret.String, error) { return secret.New(c.ClientSecret), nil }})
	source := auth.NewSource(auth.Config{Portal: portal, Owner: fmt.Sprint("child ", os.Getpid()), Grants: killer, Keys: keys, Client: client,
		Waits: func(int) time.Duration { return time.Second }, Log: slog.New(slog.DiscardHandler)})
	defer closeSource(source)
	hub := hubspot.New(hubspot.Config{BaseURL: c.Hub, HTTP: &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{
		Base: killer.inner, Tokens: source, UserAgent: "leadsync/test"})}})
	if c.Warm {
		if _, _, err := source.Token(ctx); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	errs := make([]error, c.Calls)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = call(ctx, hub) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// killer ends the process with SIGKILL at a step of a refresh: it stands where a source meets the world.
type killer struct {
	auth.Grants
	inner http.RoundTripper
	at    string
}

func (k *killer) step(name string) {
	if k.at == name {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

func (k *killer) LeaseGrant(ctx context.Context, seen auth.Grant, owner string, until int64) (bool, error) {
	k.step("before the lease")
	time.Sleep(100 * time.Millisecond) // all have read the same row by now
	ok, err := k.Grants.LeaseGrant(ctx, seen, owner, until)
	k.step("leased")
	return ok, err
}

func (k *killer) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := k.inner.RoundTrip(r)
	k.step("answered")
	if err == nil {
		body, readErr := io.ReadAll(resp.Body)
		resp.Body.Close()
		if readErr != nil {
			return nil, readErr
		}
		k.step("read")
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
	}
	return resp, err
}

func (k *killer) RenewGrant(ctx context.Context, next auth.Grant) (bool, error) {
	k.step("before the store")
	ok, err := k.Grants.RenewGrant(ctx, next)
	k.step("stored")
	return ok, err
}

// steps of a refresh, and whether HubSpot has given a new pair by then that nobody has stored.
var steps = []struct {
	name string
	lost bool
}{{"before the lease", false}, {"leased", false}, {"answered", true}, {"read", true}, {"before the store", true}, {"stored", false}}

// town is a simulator behind a real loopback port, and a database that processes share.
type town struct {
	*rig
	child child
}

func newTown(t *testing.T, url string, cfg hubspotsim.Config) *town {
	t.Helper()
	sim, err := hubspotsim.New(cfg)
	must(t, err)
	l, err := hubspotsim.Listen(t.Context(), "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
	key := people.NewKey()
	r := &rig{T: t, sim: sim, url: url, db: storetest.Open(t, url), keys: ringOf(t, key), log: slog.New(slog.DiscardHandler), base: sim.Transport()}
	r.login()
	cred := sim.Credentials()
	return &town{r, child{Database: url, Hub: "http://" + l.Addr().(*net.TCPAddr).AddrPort().String(), ClientID: cred.ClientID,
		ClientSecret: cred.ClientSecret, TokenKey: key}}
}

// expire ends the token that was stored, at HubSpot and by the stored time.
func (w *town) expire() {
	w.Helper()
	g := w.grant()
	g.ExpiresAt = time.Now().Add(-time.Minute).UnixMilli()
	if _, err := w.db.Tokens().Connect(w.Context(), g, "https://sim.example.com"); err != nil {
		w.Fatal(err)
	}
	w.sim.EndTokens(true)
	w.sim.ResetStats()
}

// process is a child that runs.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a child and waits until it is ready.
func (w *town) start(c child) *process {
	w.Helper()
	text, err := json.Marshal(c)
	must(w, err)
	cmd := exec.CommandContext(w.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	in, err := cmd.StdinPipe()
	must(w, err)
	out, err := cmd.StdoutPipe()
	must(w, err)
	must(w, cmd.Start())
	w.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	p := &process{cmd, in, bufio.NewReader(out)}
	if line, err := p.out.ReadString('\n'); err != nil || line != "ready\n" {
		w.Fatalf("a child begins with %q, %v", line, err)
	}
	return p
}

func (p *process) begin(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(p.in, "go\n"); err != nil {
		t.Fatal(err)
	}
}

// end is the last word of a child; "" when it was killed.
func (p *process) end() string {
	text, _ := io.ReadAll(p.out)
	_ = p.cmd.Wait()
	return string(text)
}

// four runs four children with 40 calls each.
func (w *town) four(warm bool, between func()) {
	w.Helper()
	c := w.child
	c.Calls, c.Warm = 40, warm
	var all []*process
	for range 4 {
		all = append(all, w.start(c))
	}
	between()
	for _, p := range all {
		p.begin(w)
	}
	for _, p := range all {
		if word := p.end(); word != "end <nil>\n" {
			w.Errorf("a child says %s", word)
		}
	}
}

// Four processes with 40 goroutines each and one expired token: one refresh, no 401, every call succeeds, though
// HubSpot replaces the refresh token at once.
func TestFourProcessesRefreshOnce(t *testing.T) {
	for name, newURL := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres, "mysql": storetest.MySQL} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, newURL(t), hubspotsim.Config{Seed: 21, Latency: 20 * time.Millisecond,
				Quirks: hubspotsim.Quirks{RotateRefresh: true}})
			w.four(false, w.expire)
			w.want("expired", 1, 0)
			if st := w.sim.Stats(); st.TokenRequests != 1 || st.Ops["account"] != 160 {
				t.Errorf("%d token requests, %d calls", st.TokenRequests, st.Ops["account"])
			}

			w.four(true, func() { w.sim.EndTokens(false); w.sim.ResetStats() })
			st := w.sim.Stats()
			if st.Refreshes != 1 || st.TokenRequests != 1 || st.Unauthorized > 160 || st.Unauthorized == 0 {
				t.Errorf("refused everywhere: %d refreshes, %d token requests, %d answers 401", st.Refreshes, st.TokenRequests, st.Unauthorized)
			}
			if g := w.grant(); g.LeaseOwner != "" || g.NeedsLogin != "" {
				t.Errorf("the grant is left as %+v", g)
			}
		})
	}
}

// A process that is killed at any step of a refresh leaves a grant that works. Where HubSpot has replaced the refresh
// token in an answer that died with the process, no program can go on: then the error says that this is what happened.
func TestKilledAtEachStep(t *testing.T) {
	for _, rotate := range []bool{false, true} {
		for _, step := range steps {
			t.Run(fmt.Sprintf("%s, rotation %t", step.name, rotate), func(t *testing.T) {
				w := newTown(t, storetest.SQLite(t), hubspotsim.Config{Seed: 22, Quirks: hubspotsim.Quirks{RotateRefresh: rotate}})
				w.expire()
				c := w.child
				c.Calls, c.KillAt = 1, step.name
				p := w.start(c)
				p.begin(t)
				if word := p.end(); word != "" {
					t.Fatalf("the child was not killed: %s", word)
				}
				must(t, w.db.Tokens().OrphanGrant(t.Context(), portal)) // what the next owner of the portal does on SQLite
				s := w.source("next")
				err := call(t.Context(), w.calls(s))
				if !rotate || !step.lost {
					if err != nil {
						t.Errorf("after the kill: %v", err)
					}
					if n := w.sim.Stats().Refreshes; n > 2 {
						t.Errorf("%d refreshes", n)
					}
					return
				}
				login, ok := errors.AsType[*auth.LoginError](err)
				if !ok || !login.Doubt || !strings.Contains(err.Error(), "an earlier refresh was cut off before its answer was stored") {
					t.Errorf("after the kill: %v", err)
				}
				if _, _, err := w.source("third").Token(t.Context()); err == nil || err.Error() != login.Error() {
					t.Errorf("another process says: %v", err)
				}
			})
		}
	}
}
