package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"leadsync/internal/outbox"
	"leadsync/internal/store/storetest"
)

// leadsync runs a command in this process with its streams, on a new SQLite database in the working directory.
func (p *pty) leadsync(ctx context.Context, environ []string, args ...string) int {
	return run(ctx, args, strings.NewReader(""), p.terminal, p.terminal, environ)
}

// newDatabase makes an environment whose database holds n rows.
func newDatabase(t *testing.T, n int) []string {
	t.Helper()
	url := storetest.SQLite(t)
	db := storetest.Open(t, url)
	rows := make([]outbox.Entry, n)
	for i := range rows {
		rows[i].LeadID = new(fmt.Sprint("lead-", i+1))
	}
	if _, _, err := db.Operator().Add(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	return []string{"LEADSYNC_DATABASE_URL=" + url}
}

// On a terminal the watch has the alternate screen, fits into the window, and gives the screen back.
func TestWatchOnATerminal(t *testing.T) {
	p := newPty(t)
	environ := newDatabase(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	code := make(chan int)
	go func() { code <- p.leadsync(ctx, environ, "status", "--watch") }()
	p.wait(t, clearBelow)
	cancel()
	if got := <-code; got != exitDone {
		t.Errorf("exit code %d", got)
	}
	shown := p.wait(t, screenClose)
	body, opened := strings.CutPrefix(shown, screenOpen+screenHome)
	body, closed := strings.CutSuffix(body, clearBelow+screenClose)
	if !opened || !closed {
		t.Fatalf("the screen is not opened and closed: %q", shown)
	}
	lines := strings.Split(body, "\r\n")
	if len(lines) > 12 || !strings.HasPrefix(lines[0], clearLine+"leadsync ") {
		t.Errorf("%d lines: %q", len(lines), lines)
	}
	for _, line := range lines {
		text, cleared := strings.CutPrefix(line, clearLine)
		if n := len([]rune(text)); n > 60 || !cleared {
			t.Errorf("line of %d characters: %q", n, line)
		}
	}
	if !strings.Contains(body, "1 row waits and no da…") {
		t.Errorf("%q", body)
	}
}

func TestListOnATerminalIsAScreenful(t *testing.T) {
	p := newPty(t)
	environ := newDatabase(t, 60)
	if code := p.leadsync(t.Context(), environ, "outbox", "list"); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	shown := p.wait(t, "the newest 50 rows are shown; --limit 0 shows all")
	if n := strings.Count(shown, " lead-"); n != 50 || !strings.Contains(shown, "lead-11 ") || strings.Contains(shown, "lead-10 ") {
		t.Errorf("%d rows:\n%s", n, shown)
	}
	if code := p.leadsync(t.Context(), environ, "outbox", "list", "--limit", "0"); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	if all := p.wait(t, "lead-1 ")[len(shown):]; strings.Count(all, " lead-") != 60 || strings.Contains(all, "are shown") {
		t.Errorf("--limit 0:\n%s", all)
	}
}

func TestProgressBar(t *testing.T) {
	p := newPty(t)
	bar := newProgress(p.terminal, "leads.csv", 1000)
	bar.show(1, 1) // too early
	bar.begun, bar.last = time.Now().Add(-10*time.Second), time.Time{}
	bar.show(50, 500)
	shown := p.wait(t, clearLine)
	line := strings.TrimSuffix(strings.TrimPrefix(shown, "\r"), clearLine)
	if !strings.HasPrefix(line, "leads.csv: ") && !strings.HasPrefix(line, "leads.csv [") || !strings.Contains(line, " 50 %, 50 records, 5 a second, 10s left") || len([]rune(line)) > 59 {
		t.Errorf("bar %q", line)
	}
	bar.print("leads.csv:17: no lead_id")
	if got := p.wait(t, "no lead_id\r\n")[len(shown):]; got != "\r"+clearLine+"leads.csv:17: no lead_id\r\n" {
		t.Errorf("a message over the bar: %q", got)
	}
	bar.width = 100
	if got := bar.text(50, 500, time.Second); got != "leads.csv ["+strings.Repeat("=", 20)+strings.Repeat(" ", 20)+"]  50 %, 50 records, 50 a second, 1s left" {
		t.Errorf("wide bar %q", got)
	}
	bar.width = 30
	if got := bar.text(50, 500, time.Second); got != "leads.csv:  50 %, 50 records…" || len([]rune(got)) != 29 {
		t.Errorf("narrow bar %q", got)
	}
	bar.size, bar.width = 0, 60
	if got := bar.text(50, 500, time.Second); got != "leads.csv: 50 records, 50 a second" {
		t.Errorf("without a size %q", got)
	}
}

// Elsewhere there is a line now and then, and no control character.
func TestProgressElsewhere(t *testing.T) {
	var out strings.Builder
	bar := newProgress(&out, "stdin", 0)
	bar.show(1, 1)
	if out.Len() > 0 {
		t.Errorf("at once: %q", out.String())
	}
	bar.last = time.Now().Add(-lineEvery)
	bar.begun = time.Now().Add(-lineEvery)
	bar.show(1000, 5000)
	bar.end()
	if got := out.String(); got != "stdin: 1000 records, 100 a second\n" {
		t.Errorf("%q", got)
	}
	if isTerminal(&out) || isTerminal(nil) {
		t.Error("a builder is no terminal")
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) {
		t.Error(os.DevNull + " is no terminal")
	}
}
