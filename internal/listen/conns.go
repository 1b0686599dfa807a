package listen

import (
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxConns is how many connections are open at once. A browser, a scraper and a health check need a handful; whoever
// opens thousands must not take the descriptors that HubSpot and the database are reached with.
const maxConns = 64

// conns bounds the connections of a server: one more than maxConns ends the oldest that asks nothing, or else the
// oldest. So those who hold connections open for nothing, or ask slowly, cannot keep out a health check.
type conns struct {
	mu   sync.Mutex
	open []net.Conn // oldest first
	busy map[net.Conn]bool
}

// bounded is a listener whose connections are counted.
type bounded struct {
	net.Listener
	conns *conns
}

// Accept gives the next connection, and may end another one for it.
func (b bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err == nil {
		b.conns.add(c)
	}
	return c, err
}

func (s *conns) add(c net.Conn) {
	s.mu.Lock()
	var oldest net.Conn
	if len(s.open) >= maxConns {
		i := max(0, slices.IndexFunc(s.open, func(o net.Conn) bool { return !s.busy[o] }))
		oldest = s.open[i]
		s.open = slices.Delete(s.open, i, i+1)
	}
	s.open = append(s.open, c)
	s.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close()
	}
}

// state is the server's ConnState.
func (s *conns) state(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateActive:
		s.busy[c] = true
	case http.StateIdle:
		delete(s.busy, c)
	case http.StateClosed, http.StateHijacked:
		delete(s.busy, c)
		s.open = slices.DeleteFunc(s.open, func(o net.Conn) bool { return o == c })
	}
}
