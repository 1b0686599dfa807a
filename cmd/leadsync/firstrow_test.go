package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/readme"
)

// TestFirstRow runs the block of README.md that leads to the first delivered row as it stands, but for the port.
func TestFirstRow(t *testing.T) {
	needTool(t, "sqlite3")
	needTool(t, "curl")
	bash := needTool(t, "bash")
	block := readme.Between(t, "README.md", "<!-- first row -->\n```sh\n", "```\n<!-- /first row -->")
	script := strings.Replace(block, "leadsync simulate >", "leadsync simulate --listen 127.0.0.1:0 >", 1)
	if script == block {
		t.Fatal("the block does not start the simulator")
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, bash, "-eu", "-c", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT; trap 'exit 1' TERM\n"+script)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "LEADSYNC_STATUS_LISTEN=") // the page's port may be taken
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, 20*time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	for _, want := range []string{"1|42|delivered|", "Analytical Engines", "ada@example.com"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the block prints no %q:\n%s%s", want, &out, &errs)
		}
	}
}
