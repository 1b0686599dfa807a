package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// listen opens a socket as systemd does and returns its name and a function that reads one datagram.
func listen(t *testing.T, name string) (read func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return func() string {
		t.Helper()
		buf := make([]byte, 4096)
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("no datagram: %v", err)
		}
		return string(buf[:n])
	}
}

// under makes a notifier as a process with these variables does.
func under(t *testing.T, socket, usec, pid string) *Notifier {
	t.Helper()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", usec)
	t.Setenv("WATCHDOG_PID", pid)
	return New()
}

func TestDatagrams(t *testing.T) {
	folder, err := os.MkdirTemp("", "sd") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	for _, socket := range []string{filepath.Join(folder, "notify"), fmt.Sprintf("@leadsync-test-%d", os.Getpid())} {
		read := listen(t, socket)
		n := under(t, socket, "", "")
		if !n.Enabled() {
			t.Fatalf("%s: not enabled", socket)
		}
		for _, c := range []struct {
			send func() error
			want string
		}{
			{func() error { return n.Ready("") }, `^READY=1$`},
			{func() error { return n.Ready("2 portals") }, `^READY=1\nSTATUS=2 portals$`},
			{func() error { return n.Status("waits\nREADY=1\r\n") }, `^STATUS=waits READY=1$`},
			{n.Watchdog, `^WATCHDOG=1$`},
			{n.Reloading, `^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+$`},
			{func() error { return n.ExtendTimeout(90 * time.Second) }, `^EXTEND_TIMEOUT_USEC=90000000$`},
			{n.Stopping, `^STOPPING=1$`},
		} {
			if err := c.send(); err != nil {
				t.Fatal(err)
			}
			if got := read(); !regexp.MustCompile(c.want).MatchString(got) {
				t.Errorf("%s: got %q, want %s", socket, got, c.want)
			}
		}
	}
}

func TestNothingHappensOutsideSystemd(t *testing.T) {
	var none *Notifier
	for _, n := range []*Notifier{none, {}, under(t, "", "", ""), under(t, "vsock:2:1", "", "")} {
		if n.Enabled() || n.WatchdogInterval() != 0 {
			t.Error("enabled")
		}
		for _, err := range []error{n.Ready("x"), n.Stopping(), n.Status("x"), n.Watchdog(), n.Reloading(), n.ExtendTimeout(1)} {
			if err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSocketThatIsGone(t *testing.T) {
	n := under(t, filepath.Join(t.TempDir(), "gone"), "", "")
	if err := n.Ready(""); err == nil {
		t.Error("no error")
	}
}

func TestWatchdogInterval(t *testing.T) {
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{
		{"60000000", "", time.Minute}, {"60000000", me, time.Minute}, {"60000000", "1", 0}, {"", me, 0}, {"soon", "", 0}, {"-5", "", 0},
	} {
		n := under(t, "", c.usec, c.pid)
		if got := n.WatchdogInterval(); got != c.want {
			t.Errorf("usec %q pid %q: %v, want %v", c.usec, c.pid, got, c.want)
		}
	}
}

// A systemd that empties its socket no more holds nobody up longer than a second.
func TestSocketThatIsFull(t *testing.T) {
	folder, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	socket := filepath.Join(folder, "notify")
	listen(t, socket) // and nobody reads
	n := under(t, socket, "", "")
	began := time.Now()
	for err = nil; err == nil; err = n.Watchdog() {
		if time.Since(began) > time.Minute {
			t.Fatal("the socket never fills up")
		}
	}
	if !errors.Is(err, errBusy) {
		t.Errorf("error %v, want %v", err, errBusy)
	}
	began = time.Now()
	if err := n.Stopping(); !errors.Is(err, errBusy) || time.Since(began) > 10*longest {
		t.Errorf("the next call: %v after %v", err, time.Since(began))
	}
}
