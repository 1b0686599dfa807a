package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// Callback waits for the browser of a person to come back from HubSpot's page. It listens on the port of the redirect
// URL, on loopback alone, takes one answer and closes.
type Callback struct {
	server    *http.Server
	listeners []net.Listener
	answers   chan url.Values
	outcome   chan string // what the browser is told

	attempt *Attempt

	once  sync.Once
	serve sync.WaitGroup
}

// ListenError says why nothing can listen for the redirect.
type ListenError struct{ text, cure string }

func (e *ListenError) Error() string { return e.text }

// Cure is the one thing to do.
func (e *ListenError) Cure() string { return e.cure }

// Listen opens the port of the redirect URL, for the answer to an attempt; a request that carries another state, or
// none, ends nothing. Only a redirect to http://localhost can be listened for; HubSpot accepts http for that name alone
// (https://developers.hubspot.com/changelog/2018-03-05-oauth2-redirect-uri-served-over-http-localhost, read
// 2026-11-22). The error is a *ListenError.
func Listen(ctx context.Context, redirect string, a *Attempt) (*Callback, error) {
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" {
		return nil, &ListenError{"hubspot.auth.redirect_url is not http://localhost, so leadsync cannot wait for the browser there",
			"run `leadsync auth login --paste`, and paste the address that the browser ends at"}
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	c := &Callback{attempt: a, answers: make(chan url.Values, 1), outcome: make(chan string, 1)}
	var config net.ListenConfig
	for i, host := range []string{"127.0.0.1", "::1"} { // a browser may take localhost for either
		l, err := config.Listen(ctx, "tcp", net.JoinHostPort(host, port))
		switch {
		case err == nil:
			c.listeners = append(c.listeners, l)
		case i > 0 && !errors.Is(err, syscall.EADDRINUSE):
			// This machine has no IPv6.
		case errors.Is(err, syscall.EADDRINUSE):
			c.closeListeners()
			return nil, &ListenError{fmt.Sprintf("another program listens on port %s of hubspot.auth.redirect_url", port),
				"stop it (another `leadsync auth login`?), or run `leadsync auth login --paste`"}
		case errors.Is(err, syscall.EACCES):
			c.closeListeners()
			return nil, &ListenError{fmt.Sprintf("this user may not listen on port %s of hubspot.auth.redirect_url", port),
				"use a port above 1023, there and in the app's settings, or run `leadsync auth login --paste`"}
		default:
			c.closeListeners()
			return nil, &ListenError{fmt.Sprintf("cannot listen on port %s of hubspot.auth.redirect_url", port), "run `leadsync auth login --paste`"}
		}
	}
	path := u.Path
	if path == "" {
		path = "/"
	}
	c.server = &http.Server{Handler: c.handler(path), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)} // its lines quote what a client sent
	for _, l := range c.listeners {
		c.serve.Go(func() { _ = c.server.Serve(l) }) // says that it was closed
	}
	return c, nil
}

// handler takes the first request on the path that looks like an answer; a browser also asks for icons.
func (c *Callback) handler(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'")
		query := r.URL.Query()
		switch {
		case r.URL.Path != path:
			http.Error(w, "Nothing is here.", http.StatusNotFound)
			return
		case r.Method != http.MethodGet:
			http.Error(w, "GET only.", http.StatusMethodNotAllowed)
			return
		case !query.Has("code") && !query.Has("error"):
			http.Error(w, "leadsync waits here for HubSpot's answer, and this is none.", http.StatusBadRequest)
			return
		}
		// Whoever can reach this port, a page in the same browser too, may ask for this path. Only an answer to this attempt
		// ends the wait; whether HubSpot's "no" carries the state is not documented, so one without it is told to the browser
		// and waited on.
		if !c.attempt.owns(query) {
			http.Error(w, "This answer does not belong to the login that leadsync waits for. It goes on waiting: use the address that it printed, or end it "+
				"with Ctrl-C.", http.StatusBadRequest)
			return
		}
		first := false
		c.once.Do(func() { first = true })
		if !first {
			http.Error(w, "leadsync has an answer already.", http.StatusGone)
			return
		}
		c.answers <- query
		select {
		case text := <-c.outcome:
			_, _ = fmt.Fprintln(w, text) // the browser may be gone
		case <-r.Context().Done():
		}
	})
}

// Wait gives what the redirect carried. It ends early with ctx, and gives its cause.
func (c *Callback) Wait(ctx context.Context) (url.Values, error) {
	select {
	case query := <-c.answers:
		return query, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Close shows the text in the browser that is waiting, and gives the port back.
func (c *Callback) Close(text string) {
	select {
	case c.outcome <- text:
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
	c.serve.Wait()
}

func (c *Callback) closeListeners() {
	for _, l := range c.listeners {
		_ = l.Close()
	}
}
