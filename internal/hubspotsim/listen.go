package hubspotsim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// ErrNotLoopback is Listen's refusal of an address that other machines could reach: a simulator hands out its
// credentials to whoever asks.
var ErrNotLoopback = errors.New("not a loopback address")

// Listen opens a listener for Serve. address is HOST:PORT, where HOST is a loopback IP address or localhost and PORT
// may be 0 for any free one. Any other host, and none at all, is ErrNotLoopback.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("read listen address %q: %w", address, ErrNotLoopback)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("listen on %q: %w", address, ErrNotLoopback)
	}
	if host == "localhost" {
		host = "127.0.0.1" // whatever the machine's tables make of the name
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("listen for the simulator: %w", err)
	}
	return l, nil
}

// lastAnswers is how long answers under way get when Serve ends.
const lastAnswers = time.Second

// Serve answers requests on the listener, which it closes, until the context ends; then it returns nil once every
// request is over: those under way get a second, those that still hang then lose their connection. Any other end is an
// error.
func (s *Sim) Serve(ctx context.Context, l net.Listener) error {
	var requests sync.WaitGroup
	handler := s.Handler()
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			defer requests.Done()
			handler.ServeHTTP(w, r)
		}),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelWarn), // a panic of ours, above all
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(base, lastAnswers)
		defer cancel()
		if server.Shutdown(grace) != nil {
			cut()
			_ = server.Close() // whatever is left hangs
		}
	})
	err := server.Serve(l)
	if !stop() {
		<-stopped
	}
	if !errors.Is(err, http.ErrServerClosed) {
		cut()
		_ = server.Close() // the listener failed under us; err says how
	}
	requests.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve simulator: %w", err)
}
