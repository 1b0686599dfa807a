package hubspot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	"leadsync/internal/secret"
)

// TokenSource gives the bearer token. It must be safe for concurrent use.
type TokenSource interface {
	// Token gives the current token and its generation, which rises with every new token. An error that has a method
	// Unauthorized() bool answering true says that a person must log in; one with Misconfigured() bool, that a person must
	// correct something else. Any other is trouble that passes.
	Token(ctx context.Context) (value secret.String, generation int64, err error)
	// Reject says that the token of that generation was answered with 401. The next Token is a newer one, or the same when
	// there is none.
	Reject(ctx context.Context, generation int64) error
}

// TransportConfig names the links of the chain.
type TransportConfig struct {
	Base      http.RoundTripper // NewBase, or a handler as a RoundTripper in tests
	Tokens    TokenSource       // nil = no bearer
	Limiter   *Limiter          // nil = no limit
	UserAgent string            // set where a request has none
}

// NewTransport builds the chain: user agent, bearer with one replay after a 401, limiter, base. The limiter is inside
// the bearer because a replay is a request like any other, and next to the base so that nothing delays a request after
// it passed.
func NewTransport(cfg TransportConfig) http.RoundTripper {
	return &transport{cfg}
}

type transport struct{ cfg TransportConfig }

var errRedirect = errors.New("a redirect, which is never followed")

// maxPeek bounds what is read of an answer inside the chain, to learn why it was refused.
const maxPeek = 64 << 10

// RoundTrip sends one request, twice when the first is answered 401 and a newer token exists.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Response != nil {
		closeBody(req)
		return nil, errRedirect // net/http sets it on the request that follows a redirect
	}
	ctx := req.Context()
	if t.cfg.Tokens == nil {
		return t.limited(t.dress(req, secret.String{}))
	}
	value, generation, err := t.token(ctx)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.limited(t.dress(req, value))
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	return t.replay(req, resp, generation)
}

// replay sends the request once more if the token source has a newer token than the one that was refused; otherwise the
// 401 goes to the caller, and so does a second one. Trouble of the token source is told as such: a token endpoint that
// is away for a minute must not look like lost authorization.
// https://developers.hubspot.com/docs/api-reference/error-handling (401).
func (t *transport) replay(req *http.Request, refused *http.Response, generation int64) (*http.Response, error) {
	ctx := req.Context()
	keepBody(refused)
	again, newer, err := t.renewed(req, generation)
	if err != nil {
		return nil, err
	}
	if again == nil {
		tryOf(ctx).start()
		return refused, nil
	}
	resp, err := t.limited(again)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		// The source learns it now: the next request would spend a call on finding that out. Its answer is for the next
		// Token.
		_ = t.cfg.Tokens.Reject(ctx, newer)
	}
	return resp, err
}

// renewed gives the request with a newer token and its generation, or nil when there is none.
func (t *transport) renewed(req *http.Request, refused int64) (again *http.Request, generation int64, err error) {
	hasBody := req.Body != nil && req.Body != http.NoBody
	if hasBody && req.GetBody == nil {
		return nil, 0, nil
	}
	tryOf(req.Context()).pause()
	if err := t.cfg.Tokens.Reject(req.Context(), refused); err != nil {
		return nil, 0, &TokenError{Err: err}
	}
	value, generation, err := t.token(req.Context())
	if err != nil || generation == refused {
		return nil, 0, err
	}
	again = t.dress(req, value)
	if hasBody {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, 0, err
		}
	}
	return again, generation, nil
}

func (t *transport) token(ctx context.Context) (secret.String, int64, error) {
	tryOf(ctx).pause()
	value, generation, err := t.cfg.Tokens.Token(ctx)
	if err == nil && value.Empty() {
		err = errors.New("the token source gave an empty token")
	}
	if err != nil {
		return secret.String{}, 0, &TokenError{Err: err}
	}
	return value, generation, nil
}

// dress gives a copy with the headers, since a RoundTripper may not change its request.
func (t *transport) dress(req *http.Request, token secret.String) *http.Request {
	dressed := req.Clone(req.Context())
	if t.cfg.UserAgent != "" && dressed.Header.Get("User-Agent") == "" {
		dressed.Header.Set("User-Agent", t.cfg.UserAgent)
	}
	if !token.Empty() {
		dressed.Header.Set("Authorization", "Bearer "+token.Reveal())
	}
	return dressed
}

// limited waits for a slot, sends, and shows the answer to the limiter.
func (t *transport) limited(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	kind := kindOf(req)
	var passed ticket
	if t.cfg.Limiter != nil {
		tryOf(ctx).pause()
		var err error
		if passed, err = t.cfg.Limiter.wait(ctx, priorityOf(ctx), kind); err != nil {
			closeBody(req)
			return nil, err
		}
	}
	if err := passGate(ctx); err != nil {
		closeBody(req)
		return nil, &Error{Err: err}
	}
	tryOf(ctx).start()
	if t.cfg.Limiter == nil {
		return t.cfg.Base.RoundTrip(req)
	}
	sentAt := time.Now()
	// A connection may have to be made first: the slot counts from the moment the request really leaves.
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { t.cfg.Limiter.left(passed, kind, time.Now()) },
	})
	resp, err := t.cfg.Base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	t.cfg.Limiter.observe(resp.Header, sentAt, kind)
	var wait time.Duration
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		wait = t.cfg.Limiter.refused(resp.Header, keepBody(resp), kind)
	case statusMigrating:
		wait = t.cfg.Limiter.migrating(resp.Header)
	}
	if wait > 0 {
		// The limiter knows more than the answer (the account's midnight): the caller learns it where HubSpot would say it.
		resp.Header.Set(headerRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	return resp, nil
}

// keepBody reads the start of a refused answer and puts it back, so that the connection is free and the caller can read
// it.
func keepBody(resp *http.Response) []byte {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxPeek))
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
