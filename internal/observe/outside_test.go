package observe

import (
	encoding "encoding/json"
	"errors"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lmittmann/tint"
)

// TestShellWordIsOneWordInEveryShell: pasted into any shell the name comes out as it was, and nothing of it runs.
func TestShellWordIsOneWordInEveryShell(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"sh", "dash", "bash", "zsh", "busybox"} {
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		for _, name := range []string{"west", "", "a b", "it's", `a"b`, "$(echo hi)", "`echo hi`", "$HOME", "a;echo hi", "x'\n;echo hi;'", `a\'b`, "\x1b[31m", "\u202eevil",
			"-x", "~root", "=ls", "a%sb", "!!", "#x", "é", "a\tb", "\\0101", "*", "{a,b}", "\xff"} {
			args := []string{"-c", "printf '<%s>' " + ShellWord(name)}
			if shell == "busybox" {
				args = append([]string{"sh"}, args...)
			}
			out, err := exec.Command(path, args...).CombinedOutput()
			if err != nil || string(out) != "<"+name+">" {
				t.Errorf("%s: %q as %s is %q, %v", shell, name, ShellWord(name), out, err)
			}
			if word := ShellWord(name); Visible(word) != word {
				t.Errorf("%q disturbs a terminal: %q", name, word)
			}
		}
	}
}

// TestPlainTakesNothingThatATerminalObeys: control characters of both kinds, marks of direction, what has no width,
// broken UTF-8.
func TestPlainTakesNothingThatATerminalObeys(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0xffff; r++ {
		control := r < 0x20 || r >= 0x7f && r <= 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff
		if got := Visible("a" + string(r) + "b"); control && got == "a"+string(r)+"b" {
			t.Errorf("%U passes", r)
		}
	}
	if got := Visible("\xff\x1b\n"); got != `\xff\x1b\n` {
		t.Error(got)
	}
	if got := Plain(strings.Repeat("é", 50), 10); utf8.RuneCountInString(got) != 10 || !strings.HasSuffix(got, "…") {
		t.Error(got)
	}
}

// TestLogDisturbsNoTerminal: whatever a certificate, an answer or a row says, no form of the log hands it to a terminal
// as it is, and JSON still means the same.
func TestLogDisturbsNoTerminal(t *testing.T) {
	t.Parallel()
	const evil = "CN=\x1b[2J\u202e\u009b31m\u200b\nx"
	for _, format := range []string{"text", "json", "terminal"} {
		var out strings.Builder
		log, _, err := New(Options{Out: &out, Format: strings.Replace(format, "terminal", "text", 1), Level: "info"})
		if err != nil {
			t.Fatal(err)
		}
		if format == "terminal" {
			log = slog.New(tint.NewTextHandler(&out, &tint.Options{NoColor: true, ReplaceAttr: Redact}))
		}
		log.Info("x", slog.Any(Err, errors.New(evil)), slog.String(Reason, evil))
		line := strings.TrimSuffix(out.String(), "\n")
		if strings.IndexFunc(line, func(r rune) bool { return r < ' ' || unseen(r) }) >= 0 {
			t.Errorf("%s: %q", format, line)
		}
		if format == "json" {
			var said map[string]any
			if err := encoding.Unmarshal([]byte(line), &said); err != nil || said[Reason] != evil {
				t.Errorf("%v, %v", said, err)
			}
		}
	}
}
