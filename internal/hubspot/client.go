package hubspot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"leadsync/internal/observe"
)

// What one request is called in errors and logs.
const (
	OpAccount     = "account"
	OpProperties  = "properties"
	OpContact     = "contact"
	OpBatchRead   = "batch_read"
	OpBatchCreate = "batch_create"
	OpBatchUpdate = "batch_update"
	OpBatchUpsert = "batch_upsert"

	OpSearch       = "search"
	OpList         = "list"
	OpBatchArchive = "batch_archive"
	OpGDPRDelete   = "gdpr_delete"

	OpDefinitions      = "subscription_definitions"
	OpStatuses         = "statuses"
	OpOptedOut         = "opted_out_of_all"
	OpOptOutOfAll      = "opt_out_of_all"
	OpOptOut           = "opt_out"
	OpOptIn            = "opt_in"
	OpBatchOptOutOfAll = "batch_opt_out_of_all"
	OpBatchOptOut      = "batch_opt_out"
)

// isRead says that the operation changes nothing. An operation it does not know counts as a write.
func isRead(op string) bool {
	switch op {
	case OpAccount, OpProperties, OpContact, OpBatchRead, OpSearch, OpList, OpDefinitions, OpStatuses, OpOptedOut:
		return true
	}
	return false
}

// mayBeEmpty says that success of the operation is 204 without a body.
func mayBeEmpty(op string) bool { return op == OpBatchArchive || op == OpGDPRDelete }

// Bounds of what is sent and read. Ours; HubSpot publishes none.
const (
	maxRequestBody = 4 << 20  // four of the largest rows (1 MiB); a hundred ordinary ones are 40 KiB
	maxAnswerBody  = 16 << 20 // an answer repeats what was sent, in escapes of up to six bytes for one
	defaultTimeout = 15 * time.Second
	// DefaultAPIVersion is the dated version this client was written for, current since 2026-09-08.
	// https://developers.hubspot.com/docs/developer-tooling/platform/versioning (read 2026-11-22).
	DefaultAPIVersion = "2026-09"
)

// Config is what a Client needs.
type Config struct {
	BaseURL    string // https://api.hubapi.com, or http on a loopback address
	APIVersion string // empty = DefaultAPIVersion
	// HTTP holds the whole chain (NewTransport) and no Timeout of its own. It is copied, and the copy follows no redirect.
	HTTP *http.Client
	// Timeout bounds one request from the moment it left the limiter to the last byte of its answer; 0 = 15 s.
	Timeout   time.Duration
	UserAgent string // leadsync/VERSION
	Log       *slog.Logger
	// Observe is told of each request that ended, for metrics; it must not block. May be nil.
	Observe func(op string, class Class, elapsed time.Duration)
}

// Client sends requests to one HubSpot account. It is safe for concurrent use.
type Client struct {
	base      string
	version   string
	http      *http.Client
	timeout   time.Duration
	userAgent string
	log       *slog.Logger
	observe   func(op string, class Class, elapsed time.Duration)
}

// New makes a Client. It sends nothing.
func New(cfg Config) *Client {
	c := &Client{
		base:      strings.TrimRight(cfg.BaseURL, "/"),
		version:   cfg.APIVersion,
		timeout:   cfg.Timeout,
		userAgent: cfg.UserAgent,
		log:       cfg.Log,
		observe:   cfg.Observe,
	}
	if c.version == "" {
		c.version = DefaultAPIVersion
	}
	if c.timeout <= 0 {
		c.timeout = defaultTimeout
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	var hc http.Client
	if cfg.HTTP != nil {
		hc = *cfg.HTTP
	}
	// An API answers no redirect; following one would carry the token to whoever wrote it.
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &hc
	return c
}

// answer is a 2xx answer with its whole body.
type answer struct {
	status        int
	correlationID string
	date          time.Time // zero when absent
	body          []byte
	filter        filter
}

// do sends one request and reads its answer whole. Everything but a 2xx with a readable body is an error.
func (c *Client) do(ctx context.Context, op, method, path string, body []byte) (*answer, error) {
	if len(body) > maxRequestBody {
		return nil, &Error{Op: op, Err: ErrTooLarge}
	}
	try, tryCtx := newTry(ctx, c.timeout)
	defer try.end()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body) // net/http derives GetBody from it, which the replay after a 401 needs
	}
	req, err := http.NewRequestWithContext(tryCtx, method, c.base+path, reader)
	if err != nil {
		return nil, &Error{Op: op, Err: fmt.Errorf("%w: the address cannot be built", ErrMisuse)}
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	try.start()
	resp, err := c.http.Do(req)
	if err != nil {
		err = c.unanswered(ctx, tryCtx, op, try, err)
		c.logRequest(ctx, op, nil, try, err)
		return nil, err
	}
	defer resp.Body.Close()
	got, err := c.read(ctx, tryCtx, op, resp)
	c.logRequest(ctx, op, resp, try, err)
	return got, err
}

// read takes the answer's body and turns everything but a 2xx into an error.
func (c *Client) read(ctx, tryCtx context.Context, op string, resp *http.Response) (*answer, error) {
	f := filterOf(resp)
	got := &answer{status: resp.StatusCode, correlationID: f.correlationID(resp.Header), filter: f}
	got.date, _ = http.ParseTime(resp.Header.Get("Date"))
	var err error
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswerBody+1))
	switch {
	case err != nil:
		err = cause(ctx, tryCtx, err)
	case len(got.body) > maxAnswerBody:
		err = ErrAnswerTooLarge
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		if err == nil && !(resp.StatusCode == http.StatusNoContent && mayBeEmpty(op)) {
			err = checkJSON(got.body)
		}
		if err != nil {
			return nil, &Error{Op: op, Status: resp.StatusCode, CorrelationID: got.correlationID, Sent: true,
				HTML: isHTML(resp.Header, got.body), Err: err, stopped: ctx.Err() != nil}
		}
		return got, nil
	}
	// The status already says what matters; a body that is cut costs only details.
	return nil, refusal(op, resp, got.body)
}

// unanswered turns net/http's error into ours. The *url.Error around it is dropped: its text holds the whole address.
func (c *Client) unanswered(ctx, tryCtx context.Context, op string, try *try, err error) error {
	if limited, ok := errors.AsType[*RateLimitError](err); ok {
		own := *limited
		own.Op = op
		return &own
	}
	if unsent, ok := errors.AsType[*Error](err); ok {
		own := *unsent // the limiter gives one error to all who wait
		own.Op, own.stopped = op, ctx.Err() != nil
		return &own
	}
	if token, ok := errors.AsType[*TokenError](err); ok && ctx.Err() == nil {
		return token
	}
	return &Error{Op: op, Sent: try.sent(err), Err: cause(ctx, tryCtx, err), stopped: ctx.Err() != nil}
}

// cause names who ended the request: the caller, our own time limit, or else the network.
func cause(ctx, tryCtx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(context.Cause(tryCtx), ErrTimeout):
		return ErrTimeout
	}
	return withoutURL(err)
}

// logRequest writes the line of one request; resp is nil when there was no answer.
func (c *Client) logRequest(ctx context.Context, op string, resp *http.Response, try *try, err error) {
	if c.observe != nil {
		c.observe(op, Classify(err), try.elapsed())
	}
	if !c.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	status, id, remaining := 0, "", ""
	if resp != nil {
		status, id, remaining = resp.StatusCode, filterOf(resp).correlationID(resp.Header), digits(resp.Header.Get(headerRemaining))
	}
	attrs := []slog.Attr{
		slog.String(observe.Op, op),
		slog.Int(observe.Status, status),
		slog.Duration(observe.Elapsed, try.elapsed()),
		slog.String(observe.CorrelationID, id),
		slog.String(observe.LimitRemaining, remaining),
	}
	if err != nil {
		attrs = append(attrs, slog.String(observe.Class, string(Classify(err))), slog.Any(observe.Err, err))
	}
	c.log.LogAttrs(ctx, slog.LevelDebug, observe.HubSpotRequest, attrs...)
}
