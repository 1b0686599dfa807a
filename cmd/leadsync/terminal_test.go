package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"leadsync/internal/config"
	"leadsync/internal/store/storetest"
)

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"Zoë שלום 🦜 \\N":             "Zoë שלום 🦜 \\N",
		"\x1b[31mred\x1b[0m":         `\x1b[31mred\x1b[0m`,
		"a\tb\r\nc\x00\x7f":          `a\tb\r\nc\x00\x7f`,
		"\u009b1m\u202e\u200b\ufeff": `\u009b1m\u202e\u200b\ufeff`,
		"caf\xe9\xff":                `caf\xe9\xff`,
		"\ufffd":                     `�`,
		"\U000e0041":                 `\U000e0041`,
	} {
		if got := visible(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 4, "äöüß"}, {"äöüß", 2, "ä…"}, {"ab", 1, "…"}, {"", 1, ""}} {
		if got := cut(tt.in, tt.n); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

// Whatever a row holds, its JSON has no control character but the line break at the end, and means the same.
func TestSafeJSON(t *testing.T) {
	var all strings.Builder
	for r := range rune(0x200) {
		all.WriteRune(r)
	}
	all.WriteString("\u202e\u2066\u200b\u2028\ufeff\U000e0041")
	var out strings.Builder
	if err := json.NewEncoder(safeJSON{&out}).Encode(all.String()); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(out.String(), "\n")
	for _, r := range line {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			t.Errorf("%U reaches the terminal", r)
		}
	}
	var back string
	if err := json.Unmarshal([]byte(line), &back); err != nil || back != all.String() {
		t.Errorf("another text came back: %v", err)
	}
}

// drawings counts the reports that were written, and ends the watch at the third.
type drawings struct {
	text strings.Builder
	at   []time.Time
	stop context.CancelFunc
}

func (d *drawings) Write(p []byte) (int, error) {
	d.at = append(d.at, time.Now())
	if len(d.at) == 3 {
		d.stop()
	}
	return d.text.Write(p)
}

// Elsewhere than on a terminal the watch repeats the plain report every two seconds.
func TestWatchRepeats(t *testing.T) {
	url := storetest.SQLite(t)
	storetest.Open(t, url)
	for _, args := range [][]string{{"status", "--watch"}, {"status", "--watch", "--json"}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &drawings{stop: cancel}
			begun := time.Now()
			code := run(ctx, args, strings.NewReader(""), out, t.Output(), []string{"LEADSYNC_DATABASE_URL=" + url})
			if code != exitDone || len(out.at) != 3 || out.at[2].Sub(begun) != 2*watchEvery {
				t.Errorf("%q: exit code %d, drawn at %v", args, code, out.at)
			}
			text := out.text.String()
			if strings.Contains(text, "\x1b") || strings.Count(text, `"portals":[`)+strings.Count(text, "\nportal default\n") != 3 {
				t.Errorf("%q: %q", args, text)
			}
		})
	}
}

// TestErrorsDisturbNoTerminal: what an unknown server, its certificate or a row put into an error is printed without
// what a terminal obeys, and is no longer than a line can be read; its own line breaks stay.
func TestErrorsDisturbNoTerminal(t *testing.T) {
	const evil = "x509: certificate is valid for \x1b]0;title\x07\u202e\u009b2J"
	var out strings.Builder
	e := &environment{stderr: &out, started: true}
	long := errors.New(strings.Repeat("x", 1<<20))
	for _, err := range []error{errors.New(evil), errors.Join(errors.New(evil), errors.New("second")), &exitError{exitConfig, errors.New(evil)},
		&config.Error{Problems: []config.Problem{{Key: "portal", Text: evil}}}, long} {
		out.Reset()
		if e.report(nil, err) == exitDone {
			t.Errorf("%v is done", err)
		}
		e.warn(&config.Loaded{Warnings: []string{evil}})
		for _, r := range strings.ReplaceAll(out.String(), "\n", "") {
			if !unicode.IsPrint(r) {
				t.Errorf("%U reaches the terminal: %q", r, out.String())
				break
			}
		}
		if out.Len() > 3*maxError {
			t.Errorf("%d bytes", out.Len())
		}
	}
}
