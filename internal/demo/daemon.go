package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"leadsync/internal/observe"
)

// daemon is the child process. Its methods belong to one goroutine.
type daemon struct {
	binary, config, log string
	environ             []string

	tail    tail
	process *os.Process
	ended   chan struct{} // closed when the process is gone; err is set before
	err     error
}

const (
	startPatience = 15 * time.Second
	stopPatience  = 10 * time.Second
	// outputPatience is how long a dead child's output is waited for.
	outputPatience = 2 * time.Second
)

// foreign are variables that would make the child speak for a service, or take its credentials.
// https://www.freedesktop.org/software/systemd/man/sd_notify.html (read 2026-11-22)
var foreign = map[string]bool{
	"NOTIFY_SOCKET": true, "WATCHDOG_USEC": true, "WATCHDOG_PID": true, "CREDENTIALS_DIRECTORY": true, "JOURNAL_STREAM": true,
	"INVOCATION_ID": true, "LISTEN_FDS": true, "LISTEN_PID": true, "LISTEN_FDNAMES": true, "MAINPID": true,
}

// childEnviron is the environment without what belongs to a service, and without settings of leadsync: the demo's file
// decides.
func childEnviron(environ []string) []string {
	kept := make([]string, 0, len(environ))
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !foreign[name] && !strings.HasPrefix(name, "LEADSYNC_") {
			kept = append(kept, pair)
		}
	}
	return kept
}

// prepare creates the database and takes over the grant of a HubSpot account, with the commands that operators use.
func (d *daemon) prepare(ctx context.Context, refreshToken string) error {
	if err := d.command(ctx, "", "migrate", "up"); err != nil {
		return err
	}
	return d.command(ctx, refreshToken+"\n", "auth", "import")
}

func (d *daemon) command(ctx context.Context, stdin string, args ...string) error {
	c := exec.CommandContext(ctx, d.binary, append(args, "--config", d.config)...)
	c.Env, c.SysProcAttr, c.WaitDelay, c.Stdin = d.environ, dieWithParent(), outputPatience, strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("leadsync %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// start starts the daemon and waits until it says that it runs.
func (d *daemon) start(ctx context.Context) error {
	file, err := os.OpenFile(d.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the daemon's log: %w", err)
	}
	started := d.tail.follow(file, observe.DaemonStarted)
	c := exec.Command(d.binary, "run", "--config", d.config)
	c.Env, c.SysProcAttr, c.WaitDelay = d.environ, dieWithParent(), outputPatience
	c.Stdout, c.Stderr = &d.tail, &d.tail
	born, ended := make(chan error, 1), make(chan struct{})
	go func() {
		// The child is told of the death of the thread that started it, so this thread stays as long as the child:
		// https://github.com/golang/go/issues/27505 (read 2026-11-22)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := c.Start()
		born <- err
		if err == nil {
			d.err = c.Wait()
		}
		_ = file.Close() // a log that is cut short costs nothing
	}()
	if err := <-born; err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	d.process, d.ended = c.Process, ended
	patience := time.NewTimer(startPatience)
	defer patience.Stop()
	select {
	case <-started:
		return nil
	case <-ended:
		return d.died()
	case <-patience.C:
		return fmt.Errorf("the daemon does not say %q within %s", observe.DaemonStarted, startPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// died is the error when the daemon ended by itself, nil while it runs.
func (d *daemon) died() error {
	select {
	case <-d.ended:
		if d.err == nil {
			return errors.New("the daemon ended by itself")
		}
		return fmt.Errorf("the daemon ended by itself: %w", d.err)
	default:
		return nil
	}
}

// kill ends the daemon at once, with SIGKILL, and waits until it is gone. It may be called when none runs.
func (d *daemon) kill() {
	if d.process == nil {
		return
	}
	_ = d.process.Kill() // an error means that it is gone already
	<-d.ended
	d.process = nil
}

// stop asks the daemon to end, as systemd does, and wants a clean exit.
func (d *daemon) stop(ctx context.Context) error {
	if err := d.died(); err != nil {
		return err
	}
	if err := d.process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the daemon: %w", err)
	}
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-d.ended:
	case <-patience.C:
		d.kill()
		return fmt.Errorf("the daemon did not stop within %s", stopPatience)
	case <-ctx.Done():
		return ctx.Err()
	}
	d.process = nil
	if d.err != nil {
		return fmt.Errorf("the daemon was asked to stop and ended badly: %w", d.err)
	}
	return nil
}

// said is everything that the daemon has written to its log.
func (d *daemon) said() (string, error) {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return "", fmt.Errorf("read the daemon's log: %w", err)
	}
	return string(text), nil
}

// tailLines is how many of the daemon's last lines are kept in memory.
const tailLines = 15

// tail takes the daemon's output: all of it into the file, the last lines for an error, and a word that is waited for.
type tail struct {
	mu     sync.Mutex
	file   *os.File
	lines  []string
	rest   []byte // of a line that has not ended
	word   []byte
	spoken chan struct{}
}

// follow turns to a new process; the channel is closed when a line holds the message.
func (t *tail) follow(file *os.File, message string) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.file, t.rest, t.word, t.spoken = file, nil, []byte(`"`+message+`"`), make(chan struct{})
	return t.spoken
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = t.file.Write(p) // a full disk must not stop the daemon's mouth
	t.rest = append(t.rest, p...)
	for {
		line, rest, ok := bytes.Cut(t.rest, []byte("\n"))
		if !ok {
			break
		}
		t.rest = rest
		t.lines = append(t.lines, string(line))
		if len(t.lines) > tailLines {
			t.lines = t.lines[len(t.lines)-tailLines:]
		}
		if t.word != nil && bytes.Contains(line, t.word) {
			close(t.spoken)
			t.word = nil
		}
	}
	return len(p), nil
}

// last is what the daemon said last.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(append([]string(nil), t.lines...), string(t.rest)), "\n")
}
