package hubspot

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/secret"
)

// server records what reaches HubSpot and answers from a list, the last one for ever.
type server struct {
	tokens, bodies, agents []string
	times                  []time.Time
	answers                []func(*http.Request) (*http.Response, error)
}

func (s *server) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		text, _ := io.ReadAll(req.Body)
		req.Body.Close()
		body = string(text)
	}
	s.bodies = append(s.bodies, body)
	s.tokens = append(s.tokens, req.Header.Get("Authorization"))
	s.agents = append(s.agents, req.Header.Get("User-Agent"))
	s.times = append(s.times, time.Now())
	n := min(len(s.times), len(s.answers)) - 1
	return s.answers[n](req)
}

func answers(list ...func(*http.Request) (*http.Response, error)) *server {
	return &server{answers: list}
}

func status(code int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) { return reply(req, code, body, headers...), nil }
}

const (
	expired = `{"status":"error","category":"EXPIRED_AUTHENTICATION","message":"The OAuth token used to make this call expired 0 second(s) ago."}`
	done    = `{"status":"COMPLETE","results":[]}`
)

func TestReplayOnceWithANewToken(t *testing.T) {
	for _, tc := range []struct {
		name   string
		renew  bool
		server *server
		class  Class
		tokens string
		told   []int64 // the generations that the source hears of
	}{
		{"newer token", true, answers(status(401, expired), status(200, done)), ClassNone, "Bearer token-0,Bearer token-1", []int64{0}},
		{"second 401", true, answers(status(401, expired)), ClassUnauthorized, "Bearer token-0,Bearer token-1", []int64{0, 1}},
		{"same token", false, answers(status(401, expired)), ClassUnauthorized, "Bearer token-0", []int64{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tokens := &source{renew: tc.renew}
			c := clientOf(t, NewTransport(TransportConfig{Base: tc.server, Tokens: tokens, UserAgent: "leadsync/other"}))
			_, err := c.BatchUpdate(t.Context(), inputs(2))
			if got := Classify(err); got != tc.class {
				t.Errorf("class %q: %v", got, err)
			}
			if got := strings.Join(tc.server.tokens, ","); got != tc.tokens {
				t.Errorf("sent with %s, want %s", got, tc.tokens)
			}
			for _, body := range tc.server.bodies {
				if body != string(encodeWrite(OpBatchUpdate, "", inputs(2))) {
					t.Errorf("body %s", body)
				}
			}
			if !slices.Equal(tokens.rejected, tc.told) {
				t.Errorf("rejected %v, want %v", tokens.rejected, tc.told)
			}
			if e, ok := errors.AsType[*Error](err); ok && e.Category != "EXPIRED_AUTHENTICATION" {
				t.Errorf("the body of the 401 was lost: %v", e)
			}
			if tc.server.agents[0] != "leadsync/test" {
				t.Errorf("user agent %q", tc.server.agents[0])
			}
		})
	}
}

func TestNoTokenSendsNothing(t *testing.T) {
	s := answers(status(200, done))
	c := clientOf(t, NewTransport(TransportConfig{Base: s, Tokens: &source{err: needsLogin{}}}))
	_, err := c.BatchUpdate(t.Context(), inputs(1))
	if Classify(err) != ClassUnauthorized || OutcomeUnknown(err) || len(s.times) != 0 {
		t.Errorf("got %v after %d requests", err, len(s.times))
	}
}

func TestG10HoldsObeyRefusals(t *testing.T) {
	for _, tc := range []struct {
		name    string
		refusal func(*http.Request) (*http.Response, error)
		class   Class
		hold    time.Duration // until a following request is sent
	}{
		{"window without headers", status(429, `{"policyName":"TEN_SECONDLY_ROLLING"}`), ClassRateLimited, 10 * time.Second},
		{"window with interval", status(429, `{"policyName":"TEN_SECONDLY_ROLLING"}`, headerInterval, "12000"), ClassRateLimited, 12 * time.Second},
		{"retry-after", status(429, `{}`, "Retry-After", "37"), ClassRateLimited, 37 * time.Second},
		{"secondly", status(429, `{"policyName":"SECONDLY"}`), ClassRateLimited, time.Second},
		{"web page", status(429, `<html>`), ClassRateLimited, 10 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := answers(tc.refusal, status(200, done))
			c := clientOf(t, NewTransport(TransportConfig{Base: s, Limiter: NewLimiter(LimiterConfig{PerWindow: 100})}))
			_, err := c.BatchUpdate(t.Context(), inputs(1))
			if Classify(err) != tc.class || RetryAfter(err) != tc.hold {
				t.Errorf("%s: %v, retry after %s", tc.name, err, RetryAfter(err))
			}
			// The hold is longer than the request's own time-out, whose clock must not run in the limiter.
			if _, err = c.BatchUpdate(t.Context(), inputs(1)); err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			if waited := s.times[1].Sub(s.times[0]); waited < tc.hold || waited > tc.hold+time.Second {
				t.Errorf("%s: sent again after %s", tc.name, waited)
			}
		})
	}
}

func TestG10LongHoldsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(6 * time.Hour)
		for _, tc := range []struct {
			refusal func(*http.Request) (*http.Response, error)
			class   Class
			hold    time.Duration
		}{
			{status(429, `{"policyName":"DAILY"}`), ClassDaily, 18 * time.Hour},
			{status(477, `{}`, "Retry-After", "7200"), ClassMigrating, 2 * time.Hour},
			{status(477, `{}`), ClassMigrating, 5 * time.Minute},
		} {
			s := answers(tc.refusal, status(200, done))
			c := clientOf(t, NewTransport(TransportConfig{Base: s, Limiter: NewLimiter(LimiterConfig{PerWindow: 100})}))
			for range 3 {
				_, err := c.BatchUpdate(t.Context(), inputs(1))
				wait := RetryAfter(err)
				if Classify(err) != tc.class || wait < tc.hold || wait > tc.hold+2*time.Minute || OutcomeUnknown(err) {
					t.Errorf("%s: %v", tc.class, err)
				}
			}
			if len(s.times) != 1 {
				t.Errorf("%s: %d requests sent while it lasts", tc.class, len(s.times))
			}
		}
	})
}

// brokenSource has a token until it is refused, and then trouble.
type brokenSource struct{ reject, token error }

func (s *brokenSource) Token(context.Context) (secret.String, int64, error) {
	if s.token != nil && s.reject == nil {
		s.reject = errors.New("asked for the first time")
		return secret.New("token-0"), 0, nil
	}
	return secret.New("token-0"), 0, s.token
}
func (s *brokenSource) Reject(context.Context, int64) error {
	if s.token != nil {
		return nil
	}
	return s.reject
}

// A 401 is lost authorization only when the token source says so: when it cannot be asked right now, the trouble is its
// own.
func TestTokenTroubleAfterA401(t *testing.T) {
	away := errors.New("token endpoint is away")
	for _, tc := range []struct {
		name   string
		source *brokenSource
		class  Class
		want   string
	}{
		{"reject fails", &brokenSource{reject: away}, ClassTransient, "get a token: token endpoint is away"},
		{"no token now", &brokenSource{token: away}, ClassTransient, "get a token: token endpoint is away"},
		{"no token at all", &brokenSource{token: needsLogin{}}, ClassUnauthorized, "get a token: log in again"},
	} {
		s := answers(status(401, expired))
		_, err := clientOf(t, NewTransport(TransportConfig{Base: s, Tokens: tc.source})).BatchCreate(t.Context(), inputs(1))
		if Classify(err) != tc.class || OutcomeUnknown(err) || len(s.times) != 1 || err.Error() != tc.want {
			t.Errorf("%s: class %q after %d requests: %v", tc.name, Classify(err), len(s.times), err)
		}
	}
}

// A replay is a request like any other: it waits for a slot of its own.
func TestG10ReplayTakesASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := answers(status(401, expired), status(200, done))
		l := NewLimiter(LimiterConfig{PerWindow: 1})
		c := clientOf(t, NewTransport(TransportConfig{Base: s, Tokens: &source{renew: true}, Limiter: l}))
		if _, err := c.BatchUpdate(t.Context(), inputs(1)); err != nil {
			t.Fatal(err)
		}
		if waited := s.times[1].Sub(s.times[0]); waited < 10*time.Second {
			t.Errorf("sent again after %s", waited)
		}
	})
}

func TestGateStopsAnUnsentRequest(t *testing.T) {
	lost := errors.New("lease lost")
	s := answers(status(200, done))
	c := clientOf(t, NewTransport(TransportConfig{Base: s, Limiter: NewLimiter(LimiterConfig{})}))
	_, err := c.BatchUpdate(WithGate(t.Context(), func(context.Context) error { return lost }), inputs(1))
	if !errors.Is(err, lost) || OutcomeUnknown(err) || len(s.times) != 0 || !strings.Contains(err.Error(), "lease lost") {
		t.Errorf("got %v after %d requests", err, len(s.times))
	}
	if _, err = c.BatchUpdate(WithGate(t.Context(), func(context.Context) error { return nil }), inputs(1)); err != nil {
		t.Error(err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	s := answers(status(307, "", "Location", "https://example.net/elsewhere"))
	c := clientOf(t, NewTransport(TransportConfig{Base: s, Tokens: &source{}}))
	_, err := c.BatchUpdate(t.Context(), inputs(1))
	if len(s.times) != 1 || Classify(err) != ClassTransient || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), "example.net") {
		t.Errorf("%d requests, %v", len(s.times), err)
	}
	// A client that would follow gets no token for it either.
	loose := &http.Client{Transport: NewTransport(TransportConfig{Base: s, Tokens: &source{}})}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.hubapi.com/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := loose.Do(req); !errors.Is(err, errRedirect) {
		resp.Body.Close()
		t.Errorf("got %v", err)
	}
}
