package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pty is a terminal of 60 columns and 12 lines, and what was written to it.
type pty struct {
	terminal *os.File
	mu       sync.Mutex
	text     strings.Builder
	more     chan struct{}
}

func newPty(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("NOT CHECKED: there are no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 12, Col: 60}); err != nil {
		t.Fatal(err)
	}
	p := &pty{terminal: terminal, more: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.text.Write(buf[:n])
			p.mu.Unlock()
			select {
			case p.more <- struct{}{}:
			default:
			}
			if err != nil { // EIO once the other side is closed
				return
			}
		}
	})
	t.Cleanup(func() { _ = terminal.Close(); reading.Wait() })
	return p
}

// wait returns what was written when that holds text, for ten seconds at most.
func (p *pty) wait(t *testing.T, text string) string {
	t.Helper()
	late := time.After(10 * time.Second)
	for {
		p.mu.Lock()
		got := p.text.String()
		p.mu.Unlock()
		if strings.Contains(got, text) {
			return got
		}
		select {
		case <-p.more:
		case <-late:
			t.Fatalf("the terminal shows %q, want %q in it", got, text)
		}
	}
}
