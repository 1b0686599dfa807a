package storetest

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Proxy stands between the store and a database server, so that a test can take the server away. It is safe for
// concurrent use.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	away    bool
	lose    []byte // what a statement holds whose answer is lost
	silence *silence
	cutAt   int  // messages of clients until all is cut; 0 = never
	answer  bool // the message of the cut reaches the server
	wasCut  bool
	pieces  int
	pairs   map[net.Conn]net.Conn
	closed  bool
	done    sync.WaitGroup
}

// NewProxy puts a proxy in front of the server of a postgres or mysql URL and returns it with the URL that leads
// through it. It ends with the test.
func NewProxy(t testing.TB, raw string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal("parse the URL")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"mysql": "3306"}[u.Scheme]
	}
	if port == "" {
		port = "5432"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{listener: l, target: net.JoinHostPort(u.Hostname(), port), pairs: map[net.Conn]net.Conn{}}
	p.done.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.Speak()
		_ = l.Close()
		p.cut()
		p.done.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// Cut breaks every connection, and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	p.away = true
	p.mu.Unlock()
	p.cut()
}

// Heal lets connections through again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = false
}

// LoseAnswer passes the next statement that holds the text on to the server, keeps the answer for itself and breaks the
// connection.
func (p *Proxy) LoseAnswer(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = bytes.ToLower([]byte(text))
}

// CutAt breaks every connection at the nth message that a client sends from now on, and refuses new ones until Heal.
// The server gets that message when after is set, and its answer is lost.
func (p *Proxy) CutAt(n int, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutAt, p.answer, p.wasCut = n, after, false
}

// WasCut reports whether the message of CutAt came.
func (p *Proxy) WasCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wasCut
}

// cutsNow counts a message.
func (p *Proxy) cutsNow() (cut, pass bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cutAt == 0 {
		return p.wasCut && p.away, false
	}
	if p.cutAt--; p.cutAt > 0 {
		return false, true
	}
	p.wasCut, p.away = true, true
	return true, p.answer
}

func (p *Proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a, b := range p.pairs {
		_, _ = a.Close(), b.Close()
	}
	clear(p.pairs)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		away := p.away || p.closed
		p.mu.Unlock()
		if away {
			_ = client.Close()
			continue
		}
		server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.pairs[client] = server
		p.mu.Unlock()
		var lost sync.Once
		losing := make(chan struct{})
		p.done.Go(func() { p.toServer(server, client, func() { lost.Do(func() { close(losing) }) }) })
		p.done.Go(func() { p.toClient(client, server, losing) })
	}
}

// toServer copies what the client says and looks for the statement whose answer is lost.
func (p *Proxy) toServer(server, client net.Conn, lose func()) {
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if n > 0 {
			p.mu.Lock()
			if len(p.lose) > 0 && bytes.Contains(bytes.ToLower(buf[:n]), p.lose) {
				p.lose = nil
				lose()
			}
			p.mu.Unlock()
			cut, pass := p.cutsNow()
			if cut && pass {
				lose()
				_, _ = server.Write(buf[:n])
				_, _ = server.Read(make([]byte, 1)) // toClient takes the answer, or this: it has come
			}
			if cut {
				p.cut()
				break
			}
			now, wait := p.sent(n)
			if now > 0 {
				if _, err := server.Write(buf[:now]); err != nil {
					break
				}
			}
			if wait != nil {
				<-wait
				if _, err := server.Write(buf[now:n]); err != nil {
					break
				}
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = server.Close(), client.Close()
}

// toClient copies what the server answers, but for the answer that is lost: it is read, so the server has done its
// work.
func (p *Proxy) toClient(client, server net.Conn, losing <-chan struct{}) {
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		select {
		case <-losing:
			err = io.EOF
		default:
			if n > 0 {
				if wait := p.received(); wait != nil {
					<-wait
				}
				if _, err := client.Write(buf[:n]); err != nil {
					break
				}
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = server.Close(), client.Close()
}
