package hubspot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"leadsync/internal/secret"
)

// roundTrip lets a function stand for HubSpot.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// reply builds an answer; headers are name, value, name, value.
func reply(req *http.Request, status int, body string, headers ...string) *http.Response {
	resp := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json;charset=utf-8"}},
		Body:   io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}
	for i := 0; i+1 < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

// answering is a client whose HubSpot gives one answer to everything.
func answering(t *testing.T, status int, body string, headers ...string) *Client {
	return clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			_, _ = io.Copy(io.Discard, req.Body)
			req.Body.Close()
		}
		return reply(req, status, body, headers...), nil
	}))
}

func clientOf(t *testing.T, rt http.RoundTripper) *Client {
	return New(Config{
		BaseURL: "https://api.hubapi.com", APIVersion: "2026-09", UserAgent: "leadsync/test",
		HTTP: &http.Client{Transport: rt},
		Log:  slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

func inputs(n int) []Input {
	list := make([]Input, n)
	for i := range list {
		list[i] = Input{ID: fmt.Sprint(1000 + i), TraceID: fmt.Sprintf("row-%d", i),
			Properties: map[string]string{"firstname": "Ada", "email": fmt.Sprintf("lead%d@example.com", i)}}
	}
	return list
}

// source is a token source whose token changes when it is told to.
type source struct {
	mu         sync.Mutex
	generation int64
	renew      bool // a Reject makes a new token
	err        error
	rejected   []int64
}

func (s *source) Token(context.Context) (secret.String, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return secret.New(fmt.Sprintf("token-%d", s.generation)), s.generation, s.err
}

func (s *source) Reject(_ context.Context, generation int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = append(s.rejected, generation)
	if s.renew && generation == s.generation {
		s.generation++
	}
	return nil
}
