package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/stage"
	"leadsync/internal/store/storetest"
)

// An environment with nothing in it, no standard input, and nobody who reads the log any more: the daemon does its work
// all the same.
func TestHostileEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		shell string // "" = the binary itself
		deaf  bool   // the reader of the log goes away
	}{
		"nothing set":            {},
		"standard input closed":  {shell: `exec "$0" run <&-`},
		"standard output closed": {shell: `exec "$0" run >&-`},
		"all three closed":       {shell: `exec "$0" run <&- >&- 2>&-`},
		"nobody reads the log":   {deaf: true},
		"a full device":          {shell: `exec "$0" run >/dev/full 2>&1`},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, storetest.SQLite(t), "push: {poll_interval: 50ms}", "--latency", "5ms", "--limit", "0")
			cmd := exec.Command(binary, "run")
			if c.shell != "" {
				cmd = exec.Command("/bin/sh", "-c", c.shell, binary)
			}
			cmd.Env, cmd.Dir = s.environ, "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			var said stage.Buffer
			cmd.Stdout, cmd.Stderr = write, write
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = write.Close()
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
			heard := make(chan struct{})
			go func() {
				defer close(heard)
				buf := make([]byte, 4096)
				for {
					n, err := read.Read(buf)
					_, _ = said.Write(buf[:n])
					if err != nil {
						return
					}
				}
			}()
			if c.deaf {
				until(t, 20*time.Second, "the first lines", func() bool { return strings.Contains(said.String(), "portal lease taken") })
				_ = read.Close()
				<-heard
			}
			for i := range 20 {
				if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
					t.Fatal(err)
				}
				if err := s.insert(fmt.Sprint(i), "lead.updated", nil, `{"broken":`); err != nil { // an error line each
					t.Fatal(err)
				}
				pause(t.Context(), 10*time.Millisecond)
			}
			s.settled(20 * time.Second)
			select {
			case <-ended:
				t.Errorf("the daemon has ended: %s\n%s", cmd.ProcessState, said.String())
			default:
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			select {
			case <-ended:
				if code := cmd.ProcessState.ExitCode(); code != 0 {
					t.Errorf("%s\n%s", cmd.ProcessState, said.String())
				}
			case <-time.After(20 * time.Second):
				t.Error("the daemon does not end")
			}
			s.balanced(t)
		})
	}
}
