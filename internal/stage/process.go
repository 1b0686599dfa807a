// Package stage starts leadsync and its simulator as processes of their own, for the end-to-end tests and the
// benchmarks: what users run is what is tested and measured.
//
// Guarantee: a process that was started here dies with the one that started it, also when that one is killed; what it
// wrote is kept. It makes no judgement of what it sees, and knows leadsync by its command line and the simulator's
// admin paths alone.
//
// Design: the binary is built once with CGO_ENABLED=0, as it is shipped. Running the commands inside the calling
// process was rejected: memory, kills and signals of the two could not be told apart.
package stage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build builds the command into dir and returns the path of the binary.
func Build(dir string) (string, error) {
	binary := filepath.Join(dir, "leadsync")
	c := exec.Command("go", "build", "-trimpath", "-o", binary, "leadsync/cmd/leadsync")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build leadsync: %w\n%s", err, out)
	}
	return binary, nil
}

// Process is one running leadsync.
type Process struct {
	Cmd  *exec.Cmd
	Log  *Buffer // standard output and error together
	done chan struct{}
	err  error
}

// Spawn starts binary with args. environ is added to the environment, from which everything of leadsync and systemd is
// taken away.
func Spawn(binary string, environ []string, args ...string) (*Process, error) {
	p := &Process{Cmd: exec.Command(binary, args...), Log: &Buffer{}, done: make(chan struct{})}
	p.Cmd.Env = append(Environ(), environ...)
	p.Cmd.Stdout, p.Cmd.Stderr = p.Log, p.Log
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.Cmd.Start(); err != nil {
		return nil, fmt.Errorf("start leadsync: %w", err)
	}
	go func() { p.err = p.Cmd.Wait(); close(p.done) }()
	return p, nil
}

// Environ is this process's environment without leadsync's and systemd's variables.
func Environ() []string {
	var out []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "LEADSYNC_") && !strings.HasPrefix(pair, "NOTIFY_SOCKET=") && !strings.HasPrefix(pair, "WATCHDOG_") {
			out = append(out, pair)
		}
	}
	return out
}

// Signal sends a signal; a process that has ended gets none.
func (p *Process) Signal(s syscall.Signal) { _ = syscall.Kill(p.Cmd.Process.Pid, s) }

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// ErrRunsOn says that a process has not ended in time.
var ErrRunsOn = errors.New("the process runs on")

// End waits for the process to end by itself and returns its exit code.
func (p *Process) End(within time.Duration) (int, error) {
	select {
	case <-p.done:
	case <-time.After(within):
		return 0, fmt.Errorf("%w after %s", ErrRunsOn, within)
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		return exit.ExitCode(), nil
	}
	return 0, p.err
}

// Stop asks the process to end as systemd does.
func (p *Process) Stop(within time.Duration) (int, error) {
	p.Signal(syscall.SIGTERM)
	return p.End(within)
}

// PeakRSS is the largest memory the ended process held, in bytes, and CPU what it used.
func (p *Process) PeakRSS() (bytes int64, cpu time.Duration) {
	state := p.Cmd.ProcessState
	if state == nil {
		return 0, 0
	}
	if u, ok := state.SysUsage().(*syscall.Rusage); ok {
		bytes = u.Maxrss * 1024
	}
	return bytes, state.UserTime() + state.SystemTime()
}

// Buffer keeps what a process wrote. Safe for concurrent use; the zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write never fails.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String is everything so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Tail is the last n lines.
func (b *Buffer) Tail(n int) string {
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
