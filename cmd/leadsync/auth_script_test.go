package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The commands of a script that plays a person with a HubSpot account:
//
//	simulator [ARG...]            run `leadsync simulate ARG...` on a free port until the end; the SIM_ lines and the settings of
//	                              leadsync for it are in the environment then, and hubspot-client-secret and token-key in the folder
//	waitport PORT                 wait until somebody listens there
//	sim PATH [BODY]               POST to the simulator's admin paths
//	login CODE HOW [ARG...]       run `leadsync auth login ARG...`, play the person, and want that exit code. HOW is browser (the
//	                              browser follows the redirect), paste or code (with --paste: the address it ends at, or the bare code
//	                              is pasted), each with :ANSWER of the simulator's page behind it where the person does not approve

// scriptEnv is the environment of a script's process.
func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LEADSYNC_CONFIG", "LEADSYNC_DATABASE_URL", "LEADSYNC_HUBSPOT_BASE_URL", "LEADSYNC_HUBSPOT_AUTHORIZE_URL",
		"LEADSYNC_HUBSPOT_AUTH_CLIENT_ID", "LEADSYNC_HUBSPOT_AUTH_REDIRECT_URL", "LEADSYNC_HUBSPOT_AUTH_MODE", "LEADSYNC_HUBSPOT_PORTAL_ID"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// scriptCommand is leadsync as a script's process.
func scriptCommand(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path := ""
	for _, folder := range filepath.SplitList(ts.Getenv("PATH")) {
		if at := filepath.Join(folder, "leadsync"); path == "" && fileThere(at) {
			path = at
		}
	}
	if path == "" {
		ts.Fatalf("no leadsync in the script's PATH")
	}
	c := exec.Command(path, args...)
	c.Dir, c.Env = ts.MkAbs("."), scriptEnv(ts)
	return c
}

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func simulator(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: simulator [ARG...]")
	}
	c := scriptCommand(ts, append([]string{"simulate", "--listen", "127.0.0.1:0", "--latency", "0"}, args...)...)
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())
	ts.Defer(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "ready" {
		name, value, _ := strings.Cut(lines.Text(), "=")
		ts.Setenv(name, value)
	}
	if lines.Text() != "ready" {
		ts.Fatalf("the simulator is not ready")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free, for the redirect
	ts.Check(err)
	port := l.Addr().(*net.TCPAddr).Port
	ts.Check(l.Close())
	ts.Setenv("PORT", fmt.Sprint(port))
	resp, err := browser(true).Get(ts.Getenv("SIM_ADMIN_URL") + "/credentials")
	ts.Check(err)
	var cred struct {
		Other int64 `json:"other_portal_id"`
	}
	ts.Check(errors.Join(json.NewDecoder(resp.Body).Decode(&cred), resp.Body.Close()))
	ts.Setenv("OTHER", fmt.Sprint(cred.Other))
	for name, value := range map[string]string{
		"LEADSYNC_HUBSPOT_BASE_URL": ts.Getenv("SIM_URL"), "LEADSYNC_HUBSPOT_AUTHORIZE_URL": ts.Getenv("SIM_AUTHORIZE_URL"),
		"LEADSYNC_HUBSPOT_AUTH_CLIENT_ID": ts.Getenv("SIM_CLIENT_ID"), "LEADSYNC_HUBSPOT_AUTH_REDIRECT_URL": fmt.Sprintf("http://localhost:%d/callback", port),
	} {
		ts.Setenv(name, value)
	}
	ts.Check(os.WriteFile(ts.MkAbs("hubspot-client-secret"), []byte(ts.Getenv("SIM_CLIENT_SECRET")), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("refresh-token"), []byte(ts.Getenv("SIM_REFRESH_TOKEN")), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("static-token"), []byte(ts.Getenv("SIM_STATIC_TOKEN")), 0o600))
	key, err := scriptCommand(ts, "auth", "key").Output()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("token-key"), key, 0o600))
}

func waitPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitport PORT")
	}
	end := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		c, err := net.Dial("tcp", "127.0.0.1:"+args[0])
		if err == nil {
			ts.Check(c.Close())
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nobody listens on port %s", args[0])
		}
	}
}

func simAdmin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: sim PATH [BODY]")
	}
	body := ""
	if len(args) == 2 {
		body = args[1]
	}
	resp, err := browser(true).Post(ts.Getenv("SIM_ADMIN_URL")+"/"+args[0], "text/plain", strings.NewReader(body))
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("the simulator answers %s: %s", resp.Status, text)
	}
	_, _ = ts.Stdout().Write(text)
}

// browser follows redirects or shows them.
func browser(follows bool) *http.Client {
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	if !follows {
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return c
}

func playLogin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: login CODE HOW [ARG...]")
	}
	how, answer, _ := strings.Cut(args[1], ":")
	command := append([]string{"auth", "login"}, args[2:]...)
	if how != "browser" {
		command = append(command, "--paste")
	}
	c := scriptCommand(ts, command...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	ts.Check(err)
	in, err := c.StdinPipe()
	ts.Check(err)
	ts.Check(c.Start())
	reader := bufio.NewReader(out)
	first, _ := reader.ReadString('\n')
	page := ""
	if url := strings.TrimSpace(first); strings.HasPrefix(url, "http") {
		if answer != "" {
			url += "&_sim=" + answer
		}
		resp, err := browser(how == "browser").Get(url)
		ts.Check(err)
		text, err := io.ReadAll(resp.Body)
		ts.Check(errors.Join(err, resp.Body.Close()))
		page = string(text)
		if how != "browser" {
			to, err := resp.Location()
			ts.Check(err)
			pasted := to.String()
			if how == "code" {
				pasted = to.Query().Get("code")
			}
			_, err = io.WriteString(in, pasted+"\n")
			ts.Check(err)
		}
	}
	ts.Check(in.Close())
	rest, err := io.ReadAll(reader)
	ts.Check(err)
	err = c.Wait()
	if _, exit := errors.AsType[*exec.ExitError](err); err != nil && !exit {
		ts.Check(err)
	}
	_, _ = io.WriteString(ts.Stdout(), first+string(rest)+"page: "+page)
	_, _ = io.WriteString(ts.Stderr(), stderr.String())
	if got := c.ProcessState.ExitCode(); fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s\n%s", got, args[0], rest, stderr.String())
	}
}
