package hubspotsim

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"syscall"
)

// Handler serves the Sim over real sockets: the API and the admin paths.
func (s *Sim) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rep, err := s.serve(r)
		if err != nil || rep.lost {
			panic(http.ErrAbortHandler) // net/http's way to drop the connection without an answer
		}
		h := w.Header()
		for k, v := range rep.header {
			h[k] = v
		}
		if rep.stream != nil {
			if err := rep.stream(w); err != nil {
				panic(http.ErrAbortHandler)
			}
			return
		}
		if rep.status != http.StatusNoContent {
			h.Set("Content-Length", itoa(len(rep.body)))
		}
		w.WriteHeader(rep.status)
		if rep.cut {
			_, _ = w.Write(rep.body[:len(rep.body)/2])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write(rep.body)
	})
}

// Transport is the Sim as a RoundTripper: no sockets, no goroutines, any host. A lost answer is a connection reset, a
// cut one a body that ends with io.ErrUnexpectedEOF. It honours the request's context.
func (s *Sim) Transport() http.RoundTripper { return transport{s} }

type transport struct{ s *Sim }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer func() { _ = r.Body.Close() }()
	}
	if err := r.Context().Err(); err != nil {
		return nil, context.Cause(r.Context())
	}
	rep, err := t.s.serve(r)
	switch {
	case err != nil:
		return nil, err
	case rep.lost:
		return nil, errReset
	}
	if rep.stream != nil {
		var b bytes.Buffer
		w := &bufferWriter{Buffer: &b, header: http.Header{}}
		if err := rep.stream(w); err != nil {
			return nil, err
		}
		rep.body = b.Bytes()
	}
	if rep.header == nil {
		rep.header = http.Header{}
	}
	body := io.Reader(bytes.NewReader(rep.body))
	if rep.cut {
		body = io.MultiReader(bytes.NewReader(rep.body[:len(rep.body)/2]), failing{})
	}
	return &http.Response{
		Status: itoa(rep.status) + " " + http.StatusText(rep.status), StatusCode: rep.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rep.header, Body: io.NopCloser(body), ContentLength: int64(len(rep.body)), Request: r,
	}, nil
}

// errReset is what a client sees when the connection ends before an answer.
var errReset error = &resetError{syscall.ECONNRESET}

type resetError struct{ err error }

func (e *resetError) Error() string { return "read from simulator: " + e.err.Error() }
func (e *resetError) Unwrap() error { return e.err }

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// bufferWriter lets an admin answer that streams be read whole.
type bufferWriter struct {
	*bytes.Buffer
	header http.Header
}

func (w *bufferWriter) Header() http.Header { return w.header }
func (w *bufferWriter) WriteHeader(int)     {}

var _ http.ResponseWriter = (*bufferWriter)(nil)
