package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/demo"
	"leadsync/internal/leadgen"
)

// asCommand makes this test binary leadsync itself, as demo starts it again. It is no LEADSYNC_ variable: those the
// demo keeps away from its daemon.
const asCommand = "TEST_RUN_AS_COMMAND"

func init() {
	if os.Getenv(asCommand) != "" {
		os.Exit(mainCode())
	}
}

func demoEnviron(t *testing.T) (environ []string, temp string) {
	t.Helper()
	temp = t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv(asCommand, "1")
	t.Setenv("LEADSYNC_DATABASE_URL", "postgres://nobody@127.0.0.1:1/nothing") // the demo's daemon must not hear of it
	t.Setenv("NOTIFY_SOCKET", filepath.Join(temp, "nobody-listens"))
	return os.Environ(), temp
}

// The demo with a few leads of a file: the whole story, to an account that balances.
func TestDemo(t *testing.T) {
	environ, temp := demoEnviron(t)
	var csv strings.Builder
	csv.WriteString("lead_id,email,city\n")
	const leads = 30
	for l := range leadgen.New(5).Leads(leads) {
		csv.WriteString(string(l.ID) + `,"` + l.Email + `",` + strconv.Quote(l.Properties["city"].(string)) + "\n")
	}
	file, keep := filepath.Join(t.TempDir(), "leads.csv"), filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(file, []byte(csv.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	started := time.Now()
	code := run(t.Context(), []string{"demo", "--leads", file, "--json", "--keep", keep}, nil, &stdout, &stderr, environ)
	t.Logf("%s in %s\n%s", &stdout, time.Since(started).Round(time.Millisecond), &stderr)
	if code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	var account map[string]any
	if err := json.Unmarshal(stdout.Bytes(), &account); err != nil {
		t.Fatal(err)
	}
	// One newcomer in each of the five parts with faults, and one who unsubscribes; two more come and go.
	for name, want := range map[string]any{"balance": "ok", "contacts": leads + 6.0, "deleted": 1.0, "erased": 1.0, "skipped.erased": 1.0, "restarts": 1.0, "pending": 0.0, "dead.refused": 1.0, "dead.invalid_json": 1.0} {
		if account[name] != want {
			t.Errorf("%s is %v, want %v", name, account[name], want)
		}
	}
	if !strings.Contains(stderr.String(), "kept in "+keep) {
		t.Error("it does not say where the folder is")
	}
	stdout.Reset()
	if code := run(t.Context(), []string{"migrate", "status", "--config", filepath.Join(keep, "leadsync.yaml")}, nil, &stdout, &stderr, nil); code != exitDone {
		t.Errorf("the kept database cannot be asked: exit code %d: %s", code, &stderr)
	}
	nothingLeft(t, temp)
}

// The demo with generated leads counts both directions: what people change comes back once, and who wins a conflict is
// named.
func TestDemoCountsBothDirections(t *testing.T) {
	environ, temp := demoEnviron(t)
	result, err := demo.Run(t.Context(), demo.Options{Leads: 100, Seed: 5, Environ: environ, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	a := result.Account
	t.Logf("%+v", a)
	want := map[string]int{"contact.updated": 2, "contact.unsubscribed": 1, "contact.deleted": 1, "contact.restored": 1}
	if len(result.Broken) > 0 || !a.Balanced || !maps.Equal(a.Inbox, want) || a.Conflicts != 2 || a.ChangedThere != 7 {
		t.Errorf("inbox %v, %d conflicts, %d changes there, broken %q", a.Inbox, a.Conflicts, a.ChangedThere, result.Broken)
	}
	if a.Overtook == 0 || a.UnsubscribeMs < 0 || a.UnsubscribeMs > 2000 || a.Deleted != 1 || a.Erased != 1 || a.Skipped["erased"] != 1 || a.Pending != 0 {
		t.Errorf("the unsubscribe took %d ms and overtook %d rows, %d deleted, %d erased, skipped %v, %d pending", a.UnsubscribeMs, a.Overtook, a.Deleted,
			a.Erased, a.Skipped, a.Pending)
	}
	nothingLeft(t, temp)
}

// nothingLeft checks that the temporary folder is empty and that no process works in it.
func nothingLeft(t *testing.T, temp string) {
	t.Helper()
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if pids := processes(t, temp); len(pids) > 0 {
		t.Errorf("processes left behind: %v", pids)
	}
}

// processes are those with a word in their command line; none where there is no /proc.
func processes(t *testing.T, word string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(word)) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// sayer calls heard once when a text comes by.
type sayer struct {
	mu    sync.Mutex
	text  bytes.Buffer
	word  string
	heard func()
}

func (s *sayer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	if s.heard != nil && strings.Contains(s.text.String(), s.word) {
		s.heard()
		s.heard = nil
	}
	return len(p), nil
}

// Ctrl-C ends the demo, its daemon and its folder.
func TestDemoInterrupted(t *testing.T) {
	environ, temp := demoEnviron(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr := &sayer{word: "people sign up", heard: cancel}
	var stdout bytes.Buffer
	if code := run(ctx, []string{"demo"}, nil, &stdout, stderr, environ); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(stderr.text.String(), "interrupted") || stdout.Len() > 0 {
		t.Errorf("said %q and %q", &stdout, stderr.text.String())
	}
	nothingLeft(t, temp)
}

func TestDemoUsage(t *testing.T) {
	for _, args := range [][]string{{"demo", "now"}, {"demo", "--seed", "x"}, {"demo", "--seed", "-1"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, nil, &stdout, &stderr, nil); code != exitUsage {
			t.Errorf("%q: exit code %d: %s", args, code, &stderr)
		}
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"demo", "--leads", filepath.Join(t.TempDir(), "none.csv")}, nil, &stdout, &stderr, nil); code != exitFailed {
		t.Errorf("a missing file: exit code %d: %s", code, &stderr)
	}
}
