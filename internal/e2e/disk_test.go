package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/stage"
)

// The disk of the database is full: the daemon stays up and says so in its log and to systemd, what HubSpot has taken
// meanwhile is not sent again when there is room, and no row pays for it.
func TestG5DiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("NOT CHECKED: a full disk (no right to mount a small file system: %v)", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	path := filepath.Join(dir, "leads.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScene(t, "sqlite://"+path, "push: {poll_interval: 50ms}", "--latency", "10ms", "--limit", "0")
	systemd := listen(t)
	s.environ = append(s.environ, "NOTIFY_SOCKET="+systemd.path)
	d := s.daemon()
	lead := func(i int) error {
		return s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), fmt.Sprintf(`{"firstname":"F%d","company":%q}`, i, strings.Repeat("x", 2000)))
	}
	n := 0
	for ; n < 50; n++ {
		if err := lead(n); err != nil {
			t.Fatal(err)
		}
	}
	s.settled(20 * time.Second)

	d.Signal(syscall.SIGSTOP) // so that rows wait when the last byte is taken
	for range 150 {
		if err := lead(n); err != nil {
			t.Fatal(err)
		}
		n++
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	var full error
	for full == nil && n < 10_000 { // until the journal is at its end as well
		if full = lead(n); full == nil {
			n++
		}
	}
	if full == nil {
		t.Fatal("the disk is not full")
	}
	d.Signal(syscall.SIGCONT)
	until(t, 20*time.Second, "the word about the full disk in the log", func() bool { return strings.Contains(d.Log.String(), "full") })
	until(t, 20*time.Second, "the cure in the log", func() bool { return strings.Contains(d.Log.String(), "make room where the database is") })
	until(t, 20*time.Second, "the word about the full disk to systemd", func() bool { return strings.Contains(systemd.last(), "no space left") })
	until(t, 20*time.Second, "contacts that could not be settled", func() bool { return s.stats().Contacts > s.count(`state = 'delivered'`) })
	pause(t.Context(), 6*time.Second)
	if n := strings.Count(d.Log.String(), "push degraded"); n > 1 {
		t.Errorf("the same trouble stands %d times in the log", n)
	}
	if waits := s.count(`state = 'pending'`); waits == 0 {
		t.Error("no row waits: the disk was not full")
	}
	code, out, errs := command(t, s.environ, "", "status")
	if code != 3 || !strings.Contains(out, "no space") {
		t.Errorf("status: exit code %d, %s%s", code, out, errs)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.settled(2 * time.Minute)
	if err := lead(n); err != nil {
		t.Fatal(err)
	}
	s.settled(20 * time.Second)
	until(t, 10*time.Second, "the word to systemd that all is well", func() bool { return strings.Contains(systemd.last(), "STATUS=running") })
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(d.Log.String(), "daemon started"); n != 1 {
		t.Errorf("the daemon started %d times", n)
	}
	s.balanced(t)
	if n := s.count(`attempts > 0 OR state = 'dead'`); n != 0 {
		t.Errorf("%d rows paid for the full disk", n)
	}
	if n := s.stats().Unchanged; n != 0 {
		t.Errorf("%d contacts were written twice", n)
	}
}

// fill takes all room that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// notices is a systemd that listens.
type notices struct {
	path string
	mu   sync.Mutex
	text string // the last STATUS
}

func listen(t *testing.T) *notices {
	t.Helper()
	n := &notices{path: filepath.Join(t.TempDir(), "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			size, err := c.Read(buf)
			if err != nil {
				return
			}
			if text := string(buf[:size]); strings.Contains(text, "STATUS=") {
				n.mu.Lock()
				n.text = text
				n.mu.Unlock()
			}
		}
	}()
	return n
}

func (n *notices) last() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}

// A database that another user may only read, or not even that, cannot be waited for: exit code 78, and one sentence
// with the cure.
func TestReadOnlyDatabase(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("NOT CHECKED: a database that the daemon may not write (needs root to become another user)")
	}
	const nobody = 65534
	dir := openFolder(t)
	program := filepath.Join(dir, "leadsync")
	if out, err := exec.Command("cp", binary, program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := newScene(t, "sqlite://"+filepath.Join(t.TempDir(), "unused.db")+"", "", "--latency", "0")
	for _, name := range []string{"leadsync.yaml", "token-key", "hubspot-token"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), text, 0o600), os.Chown(filepath.Join(dir, name), nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name         string
		file, folder os.FileMode
		says         string
	}{
		{"file", 0o644, 0o777, "may not write"},
		{"folder", 0o666, 0o755, "may not write"},
		{"both", 0o644, 0o755, "may not write"},
		{"unreadable", 0o600, 0o755, "may not write"},
		{"closed", 0o666, 0o700, "permission denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			folder := filepath.Join(dir, c.name)
			url := "sqlite://" + filepath.Join(folder, "leads.db")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if code, _, errs := command(t, []string{"LEADSYNC_CONFIG=" + filepath.Join(dir, "leadsync.yaml"), "LEADSYNC_DATABASE_URL=" + url}, "", "migrate", "up"); code != 0 {
				t.Fatal(errs)
			}
			files, _ := filepath.Glob(folder + "/*")
			for _, f := range files {
				if err := os.Chmod(f, c.file); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(folder, c.folder); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, "run")
			cmd.Dir = "/"
			cmd.Env = append(stage.Environ(), "LEADSYNC_CONFIG="+filepath.Join(dir, "leadsync.yaml"), "LEADSYNC_DATABASE_URL="+url)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGKILL) }
			var said stage.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				_ = cmd.Process.Kill()
				<-ended
				t.Errorf("it does not end by itself")
			}
			last := said.Tail(1)
			if code := cmd.ProcessState.ExitCode(); code != 78 || !strings.Contains(last, c.says) || !strings.Contains(last, "give the user") && !strings.Contains(last, "chmod") {
				t.Errorf("exit code %d, and it says:\n%s", code, said.String())
			}
		})
	}
}

// A server that refuses the login, or has no such database, ends the start with 78 and the cure.
func TestDeniedServer(t *testing.T) {
	for dialect, open := range databases(t) {
		if dialect == "sqlite" {
			continue
		}
		t.Run(dialect, func(t *testing.T) {
			real := open(t)
			s := newScene(t, real, "", "--latency", "0")
			for what, change := range map[string]func(*url.URL){
				"login refused":    func(u *url.URL) { u.User = url.UserPassword("leadsync-nobody", "canary-of-a-password") },
				"no such database": func(u *url.URL) { u.Path = "/leadsync_no_such_database" },
			} {
				u, err := url.Parse(real)
				if err != nil {
					t.Fatal(err)
				}
				change(u)
				code, _, errs := command(t, append(s.environ, "LEADSYNC_DATABASE_URL="+u.String()), "", "run")
				if code != 78 || !strings.Contains(errs, what) || !strings.Contains(errs, "correct user") || strings.Contains(errs, "canary") {
					t.Errorf("%s: exit code %d, %s", what, code, errs)
				}
			}
		})
	}
}
