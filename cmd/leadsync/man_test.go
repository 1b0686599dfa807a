package main

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"leadsync/internal/outbox"
	"leadsync/internal/readme"
)

// TestReadmeCommandsAreMadeFromTheHelp: the page lists each command with the words of its help.
func TestReadmeCommandsAreMadeFromTheHelp(t *testing.T) {
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	var list func(c *cobra.Command)
	list = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			switch {
			case !sub.IsAvailableCommand(), sub.Name() == "help":
			case sub.HasAvailableSubCommands() && sub.Name() != "completion":
				list(sub)
			default:
				use, _ := strings.CutSuffix(strings.TrimPrefix(sub.UseLine(), "leadsync "), " [flags]")
				fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(use, "|", `\|`), sub.Short)
			}
		}
	}
	list(newRootCommand(&environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}))
	readme.Hold(t, "cmd/leadsync/README.md", "commands", "cmd/leadsync", b.String())
}

func TestManPageHasThePagesTables(t *testing.T) {
	page := commandPage(newRootCommand(&environment{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard}))
	for _, want := range []string{
		".SH EXIT STATUS\n.TP\n.B 0\ndone\n", ".TP\n.B 78\nconfiguration refused", ".TP\n.B " + string(outbox.GaveUp) + "\ndead. max_attempts",
		".nf\nleadsync status  ", ".SH FILES", "\nDead letters stay until retention.dead.",
	} {
		if !strings.Contains(strings.NewReplacer(`\-`, "-", `\e`, `\`).Replace(page), want) {
			t.Errorf("the man page lacks %q", want)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "|") || strings.HasPrefix(line, "#") || strings.Contains(line, "](") {
			t.Errorf("Markdown is left in the man page: %q", line)
		}
	}
	if groff, err := exec.LookPath("groff"); err == nil {
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-Tutf8", "-ww", "-z")
		cmd.Stdin = strings.NewReader(page)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("groff: %v %s", err, out)
		}
	}
}
