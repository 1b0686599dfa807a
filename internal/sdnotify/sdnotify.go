// Package sdnotify tells systemd how the daemon is: READY, STOPPING, STATUS, RELOADING, WATCHDOG and
// EXTEND_TIMEOUT_USEC.
//
// Guarantee: outside systemd every call does nothing and succeeds, so callers need no conditions; under systemd no call
// blocks longer than a second. It decides nothing: when the daemon is ready, and whether it is alive, is the caller's
// word.
//
// A process that starts another leadsync must take NOTIFY_SOCKET and WATCHDOG_PID out of the child's environment, or
// the child speaks for the parent.
//
// Design: go-systemd's daemon package sends. Here are the words it has no function for, and the bound: its write waits
// for ever when nobody empties the socket (https://www.freedesktop.org/software/systemd/man/sd_notify.html, read
// 2026-11-22).
package sdnotify

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// longest bounds one call.
const longest = time.Second

// errBusy: systemd does not empty its socket.
var errBusy = errors.New("notify systemd: the socket takes nothing")

// Notifier sends datagrams to the socket of the process's environment. The zero value and nil do nothing. Safe for
// concurrent use.
type Notifier struct {
	sending  chan struct{} // holds one token while a datagram is under way; nil = nobody listens
	watchdog time.Duration
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment. A watchdog that was set for another
// process, and one that cannot be read, are ignored.
func New() *Notifier {
	n := &Notifier{}
	if path := os.Getenv("NOTIFY_SOCKET"); strings.HasPrefix(path, "/") || strings.HasPrefix(path, "@") {
		n.sending = make(chan struct{}, 1)
	}
	if every, err := daemon.SdWatchdogEnabled(false); err == nil {
		n.watchdog = every
	}
	return n
}

// Enabled says whether anybody listens.
func (n *Notifier) Enabled() bool { return n != nil && n.sending != nil }

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
		return n.send(daemon.SdNotifyReady)
	}
	return n.send(daemon.SdNotifyReady + "\nSTATUS=" + oneLine(status))
}

// Stopping says that the stop has begun.
func (n *Notifier) Stopping() error { return n.send(daemon.SdNotifyStopping) }

// Status shows one line in systemctl status. It must name no person.
func (n *Notifier) Status(text string) error { return n.send("STATUS=" + oneLine(text)) }

// Watchdog says that the daemon is alive.
func (n *Notifier) Watchdog() error { return n.send(daemon.SdNotifyWatchdog) }

// Reloading says that a reload has begun; Ready ends it. The time must be in the same datagram, or systemctl reload
// hangs.
func (n *Notifier) Reloading() error {
	return n.send(daemon.SdNotifyReloading + "\n" + strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// ExtendTimeout asks for d from now on for the present start, stop or reload.
func (n *Notifier) ExtendTimeout(d time.Duration) error {
	return n.send("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(d.Microseconds(), 10))
}

// send sends one datagram. One that systemd does not take keeps its goroutine until it does, and those that come
// meanwhile fail.
func (n *Notifier) send(state string) error {
	if !n.Enabled() {
		return nil
	}
	t := time.NewTimer(longest)
	defer t.Stop()
	select {
	case n.sending <- struct{}{}:
	case <-t.C:
		return errBusy
	}
	sent := make(chan error, 1)
	go func() {
		_, err := daemon.SdNotify(false, state)
		<-n.sending
		sent <- err
	}()
	select {
	case err := <-sent:
		if err != nil {
			return fmt.Errorf("notify systemd: %w", err)
		}
		return nil
	case <-t.C:
		return errBusy
	}
}

// oneLine keeps a status text from being read as further assignments.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == 0 }), " ")
}
