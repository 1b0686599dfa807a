package openapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// Env names the folder of HubSpot's documents.
const Env = "LEADSYNC_OPENAPI_DIR"

// loaded reads the folder once for all tests of a package.
var loaded = sync.OnceValues(func() (documents, error) { return load(os.Getenv(Env), "") })

// Check wraps a transport so that what does not fit HubSpot's documents fails the test, and changes nothing else: the
// request and the answer pass as they are, a body that breaks off included. Where Env is not set it gives inner back
// and says in the test's log that nothing is checked. It is safe for concurrent use as far as inner is, and must not be
// used after the test's end.
func Check(t testing.TB, inner http.RoundTripper) http.RoundTripper {
	t.Helper()
	docs := documentsOf(t)
	if docs == nil {
		return inner
	}
	return watch(inner, func(x *exchange) {
		for _, problem := range docs.problems(x) {
			t.Errorf("%s: %s", x, problem)
		}
	})
}

// documentsOf gives the documents, or nil with a loud line where there are none.
func documentsOf(t testing.TB) documents {
	t.Helper()
	if os.Getenv(Env) == "" {
		t.Logf("NOT CHECKED against HubSpot's OpenAPI documents: %s is not set", Env)
		return nil
	}
	docs, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

// exchange is one request with its answer, both whole. status is 0 when no answer came.
type exchange struct {
	request *http.Request // its body is spent
	sent    []byte
	status  int
	header  http.Header
	got     []byte
	broken  error // what ended the answer's body too early
}

// String is the request line and the status; ids in the path are no secrets, and the query is left out.
func (x *exchange) String() string {
	answer := "no answer"
	if x.status != 0 {
		answer = fmt.Sprint(x.status)
	}
	return x.request.Method + " " + x.request.URL.Path + ": " + answer
}

// watch shows each exchange to see before the caller has the answer.
func watch(inner http.RoundTripper, see func(*exchange)) http.RoundTripper {
	return watcher{inner, see}
}

type watcher struct {
	inner http.RoundTripper
	see   func(*exchange)
}

func (w watcher) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{request: req}
	passed := req
	if req.Body != nil {
		var err error
		x.sent, err = io.ReadAll(req.Body)
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, err
		}
		passed = req.Clone(req.Context())
		passed.Body = io.NopCloser(bytes.NewReader(x.sent))
	}
	resp, err := w.inner.RoundTrip(passed)
	if err == nil {
		x.status, x.header = resp.StatusCode, resp.Header
		x.got, x.broken = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var rest io.Reader = bytes.NewReader(x.got)
		if x.broken != nil {
			rest = io.MultiReader(rest, failing{x.broken})
		}
		resp.Body = io.NopCloser(rest)
	}
	w.see(x)
	return resp, err
}

// failing is the end of a body that broke off.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// copyOf is the request as it was sent, for the validator to read and change.
func (x *exchange) copyOf() *http.Request {
	req := x.request.Clone(context.WithoutCancel(x.request.Context()))
	if x.sent != nil {
		req.Body, req.GetBody = io.NopCloser(bytes.NewReader(x.sent)), nil
		req.ContentLength = int64(len(x.sent))
	}
	return req
}

// isForm says whether a form was sent.
func (x *exchange) isForm() bool {
	return strings.HasPrefix(x.request.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}
