package hubspot

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// try is one request on its way. Its clock runs only outside the limiter, where a request may wait longer than any
// time-out.
type try struct {
	timeout time.Duration
	cancel  context.CancelCauseFunc

	mu      sync.Mutex
	timer   *time.Timer
	started time.Time
	ended   bool

	// What the trace saw. A RoundTripper that is not net/http's own reports nothing.
	limiting   atomic.Bool // inside the limiter or the token source
	connecting atomic.Bool // net/http began to look for a connection
	written    atomic.Bool // the request's head was written
}

type tryKey struct{}

// newTry gives the context to send the request with. end must be called.
func newTry(ctx context.Context, timeout time.Duration) (*try, context.Context) {
	t := &try{timeout: timeout}
	ctx, t.cancel = context.WithCancelCause(ctx)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { t.connecting.Store(true) },
		WroteHeaders: func() { t.written.Store(true) },
	})
	return t, context.WithValue(ctx, tryKey{}, t)
}

func tryOf(ctx context.Context) *try {
	t, _ := ctx.Value(tryKey{}).(*try)
	return t
}

// start runs the clock from zero and forgets what an earlier sending of the same request did; a nil try has none.
func (t *try) start() {
	if t == nil {
		return
	}
	t.limiting.Store(false)
	t.connecting.Store(false)
	t.written.Store(false)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.started = time.Now()
	t.timer = time.AfterFunc(t.timeout, func() { t.cancel(ErrTimeout) })
}

// pause stops the clock until start.
func (t *try) pause() {
	if t == nil {
		return
	}
	t.limiting.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
}

func (t *try) end() {
	t.mu.Lock()
	t.ended = true
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	t.cancel(context.Canceled)
}

func (t *try) elapsed() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Since(t.started)
}

// sent says whether the request may have left the machine, given the error it ended with.
func (t *try) sent(err error) bool {
	switch {
	case t.written.Load():
		return true
	case t.limiting.Load(), t.connecting.Load(), neverConnected(err):
		return false
	}
	return true // a RoundTripper that reports nothing: assume the worse
}

func neverConnected(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// withoutURL drops every *url.Error: the address in it may hold a person's.
func withoutURL(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// describe puts a cause into words. Texts of net/http are not repeated as they stand: some quote what the server sent.
func describe(err error) string {
	for _, known := range []error{ErrTimeout, ErrNotFound, ErrTooLarge, ErrAnswerTooLarge, errGarbled, errEmptyBody, errNoEvidence, errRedirect, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if errors.Is(err, ErrMisuse) {
		return err.Error() // our own words
	}
	if unsent, ok := errors.AsType[*unsentError](err); ok {
		return "not sent: " + unsent.err.Error()
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "tls: " + certificate.Err.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return "lookup " + dns.Name + ": " + dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Error()
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "network time-out"
	}
	return fmt.Sprintf("connection broken (%T)", innermost(err))
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
