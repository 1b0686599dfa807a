package listen

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"
)

// Whoever opens connections without end has few of them, and a health check is answered all the same.
func TestConnectionsAreBounded(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := New(Config{Address: "127.0.0.1:0", Source: &source{}, Log: slog.New(slog.DiscardHandler)})
	bound := make(chan net.Addr, 1)
	s.bound = func(a net.Addr) { bound <- a }
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	defer func() { stop(); <-done }()
	addr := (<-bound).String()
	var held []net.Conn
	for i := range 5 * maxConns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if i%3 > 0 { // most ask slowly
			_, _ = c.Write([]byte("GET /healthz HTTP/1.1\r\n"))
		}
		held = append(held, c)
	}
	client := http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal("a health check beside them:", err)
	}
	_ = resp.Body.Close()
	open := 0
	for _, c := range held {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); err != nil && err != io.EOF {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				open++
			}
		}
		_ = c.Close()
	}
	if open > maxConns {
		t.Errorf("%d connections are open, want at most %d", open, maxConns)
	}
}
