package e2e

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/store/storetest"
	"leadsync/internal/testsize"
)

// A database that is away at the start, or in the middle, is waited for in clear words, and nothing is lost.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	real := storetest.Postgres(t) // skips, loudly, without a server
	u, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	way := &line{target: u.Host}
	way.open(t)
	u.Host = way.address
	s := newScene(t, real, "", "--latency", "10ms", "--limit", "0")
	s.environ = append(s.environ, "LEADSYNC_DATABASE_URL="+u.String())
	way.cut()
	d := s.daemon()
	until(t, 20*time.Second, "the line that says what is waited for", func() bool {
		text := d.Log.String()
		return strings.Contains(text, "waiting for database") && strings.Contains(text, "connection refused") && strings.Contains(text, "retry_in")
	})
	if strings.Contains(d.Log.String(), "postgres@") {
		t.Error("the user of the database stands in the log")
	}
	insert := func(from, to int) {
		for i := from; i < to; i++ {
			if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
				t.Fatal(err)
			}
		}
	}
	insert(0, 300)
	way.open(t)
	until(t, 40*time.Second, "rows delivered after the database came", func() bool { return s.count(`state = 'delivered'`) > 0 })
	way.cut()
	insert(300, 600)
	until(t, 20*time.Second, "trouble in the log", func() bool { return strings.Contains(d.Log.String(), "push degraded") })
	way.open(t)
	s.settled(time.Minute)
	d.Signal(syscall.SIGTERM)
	if code := d.end(t, 30*time.Second); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.balanced(t)
	if n := s.count(`attempts > 0`); n != 0 {
		t.Errorf("%d rows lost an attempt", n)
	}
}

// The owner is frozen past its lease and a standby takes over; when it wakes up it writes nothing any more, and stands
// by in its turn.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	s := newScene(t, storetest.Postgres(t), "push: {poll_interval: 50ms}", "--latency", "10ms", "--limit", "0")
	first := s.daemon()
	until(t, 20*time.Second, "the first owner", func() bool { return strings.Contains(first.Log.String(), "portal lease taken") })
	second := s.daemon()
	until(t, 20*time.Second, "the standby", func() bool { return strings.Contains(second.Log.String(), "standing by") })
	for i := range 100 {
		if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
			t.Fatal(err)
		}
	}
	s.settled(20 * time.Second)
	first.Signal(syscall.SIGSTOP)
	if !testsize.Full() {
		s.expireLease() // a full run waits the thirty seconds
	}
	if err := s.insert("7", "lead.updated", nil, `{"firstname":"New"}`); err != nil {
		t.Fatal(err)
	}
	until(t, time.Minute, "the take-over", func() bool { return strings.Contains(second.Log.String(), "portal lease taken") })
	s.settled(time.Minute)
	first.Signal(syscall.SIGCONT)
	until(t, time.Minute, "the first owner's notice", func() bool { return strings.Contains(first.Log.String(), "portal lease lost") })
	until(t, time.Minute, "the first owner as standby", func() bool { return strings.Contains(first.Log.String(), "standing by") })
	if err := s.insert("8", "lead.updated", nil, `{"firstname":"Newer"}`); err != nil {
		t.Fatal(err)
	}
	s.settled(20 * time.Second)
	s.balanced(t)
}

// A database that goes silent in the middle, with its connections open, as after a power cut or behind a firewall that
// forgot them: the daemon finds out by itself, waits in clear words, and goes on when it answers again.
func TestG5DatabaseSilent(t *testing.T) {
	t.Parallel()
	if !testsize.Full() {
		t.Skip("NOT CHECKED in a sample: a database that does not answer any more")
	}
	for dialect, open := range databases(t) {
		if dialect == "sqlite" {
			continue
		}
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			real := open(t)
			u, err := url.Parse(real)
			if err != nil {
				t.Fatal(err)
			}
			way := &line{target: u.Host}
			way.open(t)
			u.Host = way.address
			s := newScene(t, real, "push: {poll_interval: 50ms}", "--latency", "10ms", "--limit", "0")
			s.environ = append(s.environ, "LEADSYNC_DATABASE_URL="+u.String())
			d := s.daemon()
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(d.Log.String())
				}
			})
			insert := func(from, to int) {
				t.Helper()
				for i := from; i < to; i++ {
					if err := s.insert(fmt.Sprint(i), "lead.registered", fmt.Sprintf("p%d@example.com", i), `{"firstname":"F"}`); err != nil {
						t.Fatal(err)
					}
				}
			}
			insert(0, 100)
			s.settled(20 * time.Second)
			way.freeze(true)
			insert(100, 300)
			until(t, time.Minute, "the word about the silence", func() bool {
				log := d.Log.String() // pull and the saved status may say it before push
				return strings.Contains(log, "no answer in time") && strings.Contains(log, "push degraded")
			})
			way.freeze(false)
			s.settled(90 * time.Second)
			until(t, 20*time.Second, "the word that it is back", func() bool {
				log := d.Log.String() // where the silence outlasted the lease, the portal is taken anew
				return strings.Contains(log, "push recovered") || strings.Count(log, "portal lease taken") > 1
			})
			d.Signal(syscall.SIGTERM)
			if code := d.end(t, 30*time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			s.balanced(t)
			if n := s.count(`attempts > 0 OR state = 'dead'`); n != 0 {
				t.Errorf("%d rows paid for it", n)
			}
		})
	}
}

// line is a way to a server that can be cut, and that can go silent.
type line struct {
	target, address string

	mu     sync.Mutex
	in     net.Listener
	conns  []net.Conn
	frozen sync.RWMutex // held while nothing passes
}

// freeze lets nothing pass any more, or everything that was held up and follows.
func (l *line) freeze(on bool) {
	if on {
		l.frozen.Lock()
	} else {
		l.frozen.Unlock()
	}
}

// pass copies one direction until an end.
func (l *line) pass(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.frozen.RLock()
		if n > 0 {
			if _, writeErr := to.Write(buf[:n]); err == nil {
				err = writeErr
			}
		}
		l.frozen.RUnlock()
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

func (l *line) open(t *testing.T) {
	t.Helper()
	at := l.address
	if at == "" {
		at = "127.0.0.1:0"
	}
	in, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	l.in, l.address = in, in.Addr().String()
	l.mu.Unlock()
	t.Cleanup(l.cut)
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", l.target)
			if err != nil {
				_ = c.Close()
				continue
			}
			l.mu.Lock()
			l.conns = append(l.conns, c, server)
			l.mu.Unlock()
			go l.pass(server, c)
			go l.pass(c, server)
		}
	}()
}

func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.in != nil {
		_ = l.in.Close()
		l.in = nil
	}
	for _, c := range l.conns {
		_ = c.Close()
	}
	l.conns = nil
}
