package hubspot

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/secret"
)

// slowSource needs longer for a token than a request may take.
type slowSource struct{ takes time.Duration }

func (s slowSource) Token(context.Context) (secret.String, int64, error) {
	time.Sleep(s.takes)
	return secret.New("token"), 1, nil
}
func (s slowSource) Reject(context.Context, int64) error { return nil }

// The clock of a request does not run while it waits for a slot or a token, and runs from zero afterwards.
func TestTimeoutRunsOutsideLimiterAndTokenSource(t *testing.T) {
	for _, tc := range []struct {
		name    string
		tokens  TokenSource
		answers time.Duration // how long HubSpot takes
		ok      bool
	}{
		{"an answer in time", slowSource{time.Minute}, 14 * time.Second, true},
		{"no answer in time", slowSource{time.Minute}, 16 * time.Second, false},
		{"an answer in time, no bearer", nil, 14 * time.Second, true},
		{"no answer in time, no bearer", nil, 16 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(func(req *http.Request) (*http.Response, error) {
				select {
				case <-time.After(tc.answers):
					return reply(req, 200, done), nil
				case <-req.Context().Done():
					return nil, context.Cause(req.Context())
				}
			})
			l := NewLimiter(LimiterConfig{PerWindow: 10})
			l.Hold(time.Now().Add(2*time.Minute), "test")
			c := clientOf(t, NewTransport(TransportConfig{Base: s, Tokens: tc.tokens, Limiter: l}))
			began := time.Now()
			_, err := c.BatchUpdate(t.Context(), inputs(1))
			if (err == nil) != tc.ok {
				t.Errorf("%s: %v", tc.name, err)
			}
			took := time.Since(began) - 2*time.Minute
			if err != nil {
				if !errors.Is(err, ErrTimeout) || Classify(err) != ClassTransient || !OutcomeUnknown(err) || took != 15*time.Second {
					t.Errorf("%s: %v after %s", tc.name, err, took)
				}
			}
		})
	}
}

// trickle gives a byte a second for ever, so that no single read is slow.
type trickle struct{ ctx context.Context }

func (b trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, context.Cause(b.ctx)
	}
}

func TestTimeoutCoversTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			resp := reply(req, 200, "")
			resp.Body = io.NopCloser(trickle{req.Context()})
			return resp, nil
		}))
		began := time.Now()
		_, err := c.BatchCreate(t.Context(), inputs(1))
		if !errors.Is(err, ErrTimeout) || !OutcomeUnknown(err) || time.Since(began) != 15*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

// Our own stop is nobody's error, and says whether the request was under way.
func TestStoppedByTheCaller(t *testing.T) {
	for _, tc := range []struct {
		name    string
		hold    time.Duration
		unknown bool
	}{{"under way", 0, true}, {"in the limiter", time.Minute, false}} {
		synctest.Test(t, func(t *testing.T) {
			stopping := errors.New("stop time-out")
			s := answers(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, req.Context().Err()
			})
			l := NewLimiter(LimiterConfig{PerWindow: 10})
			l.Hold(time.Now().Add(tc.hold), "test")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(5*time.Second, func() { cancel(stopping) })
			_, err := clientOf(t, NewTransport(TransportConfig{Base: s, Limiter: l})).BatchCreate(ctx, inputs(1))
			if Classify(err) != ClassStopped || !errors.Is(err, stopping) || OutcomeUnknown(err) != tc.unknown {
				t.Errorf("%s: class %q, unknown %t: %v", tc.name, Classify(err), OutcomeUnknown(err), err)
			}
		})
	}
}

// Answers that are none, each with the text that an operator reads.
func TestUnusableAnswers(t *testing.T) {
	for _, tc := range []struct {
		name string
		body io.Reader
		want string
	}{
		{"empty", strings.NewReader(" \n"), "answer has no body"},
		{"cut", io.MultiReader(strings.NewReader(`{"results":[{"id":"1"`), broken{}), "connection broken"},
		{"cut without an error", strings.NewReader(`{"results":[{"id":"1"`), "answer is not the expected JSON"},
		{"a list", strings.NewReader(`[]`), "answer is not the expected JSON"},
		{"a web page", strings.NewReader(`<html>`), "a web page instead of JSON"},
		{"huge", io.MultiReader(strings.NewReader(`{"results":"`), endless{}), "answer is over 16 MiB"},
	} {
		c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			resp := reply(req, 200, "", headerCorrelation, "c0ffee")
			resp.Body, resp.ContentLength = io.NopCloser(tc.body), -1
			return resp, nil
		}))
		_, err := c.BatchCreate(t.Context(), inputs(1))
		if err == nil || Classify(err) != ClassTransient || !OutcomeUnknown(err) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "c0ffee") {
			t.Errorf("%s: %v", tc.name, err)
		}
		if errors.Is(err, ErrAnswerTooLarge) != (tc.name == "huge") {
			t.Errorf("%s: ErrAnswerTooLarge is wrong", tc.name)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// Over a real connection the trace tells a request that never left from one that did.
func TestSentOverRealConnections(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := closed.Addr().String()
	closed.Close()
	for _, tc := range []struct {
		name, address string
		unknown       bool
	}{
		{"nobody listens", refusing, false},
		{"the connection ends after the request", answerAlways(t, ""), true},
	} {
		base, err := NewBase(BaseConfig{})
		if err != nil {
			t.Fatal(err)
		}
		c := New(Config{BaseURL: "http://" + tc.address, HTTP: &http.Client{Transport: NewTransport(TransportConfig{
			Base: base, Limiter: NewLimiter(LimiterConfig{PerWindow: 100})})}})
		_, err = c.BatchCreate(t.Context(), inputs(1))
		if Classify(err) != ClassTransient || OutcomeUnknown(err) != tc.unknown {
			t.Errorf("%s: unknown %t: %v", tc.name, OutcomeUnknown(err), err)
		}
		base.CloseIdleConnections()
	}
}
