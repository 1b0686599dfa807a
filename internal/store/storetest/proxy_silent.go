package storetest

import (
	"sync"
)

// Silence makes the proxy say nothing more, in either direction, while every connection stays open: a machine that lost
// its power, a process that was stopped, a firewall that forgot. It begins when the client has sent after further
// pieces (0 = at once); of the last one only the part goes through (0 = nothing, 1 = all of it, in between a half
// message). frozen is closed when it has begun. Connections that are made meanwhile are taken and get no answer.
func (p *Proxy) Silence(after int, part float64) (frozen <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silence = &silence{after: after, part: part, begun: make(chan struct{}), over: make(chan struct{})}
	if after == 0 {
		p.silence.begin()
	}
	return p.silence.begun
}

// Pieces counts what clients have sent so far, a message or a few at a time.
func (p *Proxy) Pieces() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pieces
}

// Speak ends the silence: what was held back goes through.
func (p *Proxy) Speak() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silence != nil {
		p.silence.end()
	}
	p.silence = nil
}

type silence struct {
	after       int
	part        float64
	begun, over chan struct{}
	once, twice sync.Once
}

func (s *silence) begin() { s.once.Do(func() { close(s.begun) }) }
func (s *silence) end()   { s.twice.Do(func() { close(s.over) }) }

// sent counts a piece of n bytes from the client and returns how many of them go through at once, and what to wait for
// before the rest.
func (p *Proxy) sent(n int) (now int, wait <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pieces++
	s := p.silence
	if s == nil {
		return n, nil
	}
	if s.after > 0 {
		s.after--
		if s.after > 0 {
			return n, nil
		}
		s.begin()
		return int(float64(n) * s.part), s.over
	}
	return 0, s.over
}

// received tells what to wait for before an answer goes through.
func (p *Proxy) received() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.silence; s != nil && s.after == 0 {
		return s.over
	}
	return nil
}
