// Package listen answers on loopback: /healthz and /readyz for whoever watches the service, /metrics for Prometheus,
// and a page for a person at /.
//
// Guarantee: it listens on loopback addresses only and answers only requests whose Host names one, so that no page of
// the web can read it through a person's browser; it takes GET and HEAD, changes nothing, and nothing it says holds a
// person, a token or a value of a lead. A port that is taken does not hinder the daemon: it is told once and tried
// again.
//
// It knows no database and decides nothing: what it says comes from its Source.
//
// Design: one page that the server renders whole, without a script, so that the Content-Security-Policy can forbid
// everything but its one style, by its hash. A page that fetches JSON and draws by itself was rejected: it needs a
// script, a second contract and a build.
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"leadsync/internal/observe"
	"leadsync/internal/status"
)

// Health is what /healthz and /readyz say.
type Health struct {
	// Problems say that work stands still; none = well.
	Problems []status.Problem
	// Ready says that a row inserted now would be sent, or that the daemon stands by for another one. NotReady is why not.
	Ready    bool
	NotReady string
}

// Source is where everything comes from. It must be safe for concurrent use and bound its own time.
type Source interface {
	Health() Health
	// Metrics gathers all metrics of the moment.
	Metrics(ctx context.Context) prometheus.Gatherer
	// Report is what `leadsync status` says.
	Report(ctx context.Context) (status.Report, error)
	// History is the last day, the oldest sample first.
	History() []Sample
}

// Config is what a Server needs.
type Config struct {
	Address string // host:port of a loopback address
	Source  Source
	Log     *slog.Logger
}

// Server answers. Run it once.
type Server struct {
	cfg Config
	// bound is told the address that is listened on; for tests.
	bound func(net.Addr)
}

// New makes a server that does not listen yet.
func New(cfg Config) *Server { return &Server{cfg: cfg, bound: func(net.Addr) {}} }

const (
	// againEvery is how often a port that is taken is tried again.
	againEvery = 30 * time.Second
	// requestTime bounds one request, a scrape of a slow database among them.
	requestTime = 20 * time.Second
	// closeTime is how long answers under way may take at the end.
	closeTime = time.Second
)

// errNotLoopback: the name resolves to an address that other machines reach.
var errNotLoopback = errors.New("is no loopback address")

// Run listens until ctx ends. It returns when nothing answers any more.
func (s *Server) Run(ctx context.Context) {
	told := false
	for ctx.Err() == nil {
		err := s.serve(ctx)
		if err != nil && !told {
			told = true
			s.cfg.Log.Warn(observe.ListenFailed, observe.Address, s.cfg.Address, observe.Err, err, observe.RetryIn, againEvery,
				observe.Hint, "give each instance a port of its own in status.listen, or \"\" for none; the daemon works without")
		}
		t := time.NewTimer(againEvery)
		select {
		case <-ctx.Done():
			t.Stop()
		case <-t.C:
		}
	}
}

// serve listens until ctx ends or the listener fails.
func (s *Server) serve(ctx context.Context) error {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return err
	}
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		_ = l.Close()
		return fmt.Errorf("%s %w", l.Addr(), errNotLoopback)
	}
	s.bound(l.Addr())
	open := &conns{busy: map[net.Conn]bool{}}
	h := &http.Server{Handler: s.Handler(), ConnState: open.state, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: requestTime + 10*time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug)}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
		if h.Shutdown(late) != nil {
			_ = h.Close()
		}
	})
	err = h.Serve(bounded{l, open})
	if !stop() {
		<-ended
		return nil
	}
	return err
}

// Handler answers all paths, behind the checks.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /{$}", s.page)
	return guard(mux)
}

// guard refuses what does not come from this machine's own tools and sets what every answer has.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !loopbackHost(r.Host) {
			http.Error(w, "this page is for this machine alone: ask for localhost or 127.0.0.1", http.StatusMisdirectedRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// loopbackHost reports whether a Host header names this machine: a name that somebody else's server resolves to
// 127.0.0.1 does not.
func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && a.IsLoopback()
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text)) // a reader that went away needs no answer
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	all := s.cfg.Source.Health().Problems
	if len(all) == 0 {
		plain(w, http.StatusOK, "ok\n")
		return
	}
	var b strings.Builder
	for _, p := range all {
		fmt.Fprintf(&b, "%s: %s\ncure: %s\n", p.Code, p.Text, p.Cure)
	}
	plain(w, http.StatusServiceUnavailable, b.String())
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if h := s.cfg.Source.Health(); !h.Ready {
		plain(w, http.StatusServiceUnavailable, h.NotReady+"\n")
		return
	}
	plain(w, http.StatusOK, "ready\n")
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	promhttp.HandlerFor(s.cfg.Source.Metrics(r.Context()), promhttp.HandlerOpts{}).ServeHTTP(w, r)
}
