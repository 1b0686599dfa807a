// Package sdnotify tells systemd how the daemon is: READY, STOPPING, STATUS, RELOADING, WATCHDOG and EXTEND_TIMEOUT_USEC, as
// datagrams to $NOTIFY_SOCKET.
//
// Guarantee: outside systemd every call does nothing and succeeds, so callers need no conditions; under systemd no call blocks
// longer than a second. It decides nothing: when the daemon is ready, and whether it is alive, is the caller's word.
//
// A process that starts another leadsync must take NOTIFY_SOCKET and WATCHDOG_PID out of the child's environment, or the child
// speaks for the parent.
//
// Design: forty lines on the standard library, after https://www.freedesktop.org/software/systemd/man/sd_notify.html (read
// 2026-11-22). go-systemd's daemon package does the same but reads the process environment, which tests cannot share, and sends
// RELOADING without the time that Type=notify-reload wants in the same datagram.
package sdnotify

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Notifier sends datagrams to one socket. The zero value and nil do nothing. Safe for concurrent use.
type Notifier struct {
	socket   string
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID through getenv, usually os.Getenv. A watchdog that was set for another
// process is ignored.
func New(getenv func(string) string) *Notifier {
	n := &Notifier{}
	if path := getenv("NOTIFY_SOCKET"); strings.HasPrefix(path, "/") || strings.HasPrefix(path, "@") {
		n.socket = path
	}
	pid := getenv("WATCHDOG_PID")
	usec, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64)
	if err == nil && usec > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		n.watchdog = time.Duration(usec) * time.Microsecond
	}
	return n
}

// Enabled says whether anybody listens.
func (n *Notifier) Enabled() bool { return n != nil && n.socket != "" }

// WatchdogInterval is the time within which systemd wants a Watchdog, 0 when it wants none. Beat three times in it.
func (n *Notifier) WatchdogInterval() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the start, or a reload, is done. status is shown by systemctl status; "" leaves it.
func (n *Notifier) Ready(status string) error {
	if status == "" {
		return n.send("READY=1")
	}
	return n.send("READY=1", "STATUS="+oneLine(status))
}

// Stopping says that the stop has begun.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status shows one line in systemctl status. It must name no person.
func (n *Notifier) Status(text string) error { return n.send("STATUS=" + oneLine(text)) }

// Watchdog says that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send("WATCHDOG=1") }

// Reloading says that a reload has begun; Ready ends it. The time must be in the same datagram, or systemctl reload hangs.
func (n *Notifier) Reloading() error {
	if !n.Enabled() {
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return fmt.Errorf("read monotonic clock: %w", err)
	}
	return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(now.Nano()/1000, 10))
}

// ExtendTimeout asks for d from now on for the present start, stop or reload.
func (n *Notifier) ExtendTimeout(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

func (n *Notifier) send(lines ...string) error {
	if !n.Enabled() {
		return nil
	}
	// A leading @ is the abstract namespace; net writes it as the NUL byte that the kernel wants.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = conn.Write([]byte(strings.Join(lines, "\n")))
	if err := errors.Join(err, conn.Close()); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// oneLine keeps a status text from being read as further assignments.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }), " ")
}
