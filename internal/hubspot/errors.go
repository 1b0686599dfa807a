package hubspot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/lead"
)

// Sentinels, to be matched with errors.Is.
var (
	// ErrNotFound is under every error of a single contact that HubSpot does not have.
	ErrNotFound = errors.New("contact not found")
	// ErrTimeout is the named cause of a request that had no answer within Config.Timeout.
	ErrTimeout = errors.New("hubspot gave no answer in time")
	// ErrMisuse marks a request that was refused here because its caller broke a rule: more than MaxBatch inputs or none,
	// an id twice, a trace id empty or twice, a search that is too long, an address that is none. Nothing was sent.
	ErrMisuse = errors.New("request breaks a rule of the client")
	// ErrTooLarge marks a request that was refused here because its body is over 4 MiB. Nothing was sent; half may fit.
	ErrTooLarge = errors.New("request body is too large")
	// ErrAnswerTooLarge is the cause when an answer is over 16 MiB. A read of half as many contacts may fit.
	ErrAnswerTooLarge = errors.New("answer is over 16 MiB")

	errGarbled   = errors.New("answer is not the expected JSON")
	errEmptyBody = errors.New("answer has no body")
	// errNoEvidence is under an answer of success that does not show what was asked for.
	errNoEvidence = errors.New("the answer does not show that it was done")
)

// Error is one request that HubSpot did not answer with success, or that got no usable answer. Fields that the answer
// did not show are zero. It is immutable after it was returned.
type Error struct {
	Op     string // one of the Op constants
	Status int    // HTTP status; 0 when there was no answer
	// Category, SubCategory and CorrelationID are HubSpot's words, kept only when they look like identifiers.
	Category, SubCategory, CorrelationID string
	RetryAfter                           time.Duration // from the header, at most 24 h; 0 when absent
	Details                              []Detail
	ExistingID                           lead.ContactID // from "Existing ID: n" of a conflict
	IDs, TraceIDs                        []string       // rows the answer names; an id may be an address, so they are never printed
	Scopes                               []string       // of a 403 MISSING_SCOPES; may be empty even then
	// Sent says that the request may have reached HubSpot. It is false when the connection was refused, the name was not
	// found, or the request ended in the limiter.
	Sent bool
	HTML bool // the body was a web page, which HubSpot's API never answers: it comes from something in between
	// Err is the cause on our side: network, context, decoding; nil when HubSpot answered with an error of its own.
	Err error

	stopped bool // our caller's context ended
}

// Error gives the operation, the status and HubSpot's codes. It never holds a message text, an address or a value.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("hubspot")
	if e.Op != "" {
		b.WriteString(" " + e.Op)
	}
	if e.Status != 0 {
		b.WriteString(": status " + strconv.Itoa(e.Status))
	}
	for _, word := range []string{e.Category, e.SubCategory} {
		if word != "" {
			b.WriteString(" " + word)
		}
	}
	if e.HTML {
		b.WriteString(": a web page instead of JSON")
	}
	if e.Status >= 300 && e.Status < 400 {
		b.WriteString(": a redirect, which is never followed (check base_url and proxies)")
	}
	for i, d := range e.Details {
		if i == maxDetailsPrinted {
			fmt.Fprintf(&b, ", and %d more", len(e.Details)-i)
			break
		}
		b.WriteString(map[bool]string{true: ": ", false: ", "}[i == 0])
		b.WriteString(d.String())
	}
	if len(e.Scopes) > 0 {
		b.WriteString(": missing scope " + strings.Join(e.Scopes, ", "))
	}
	switch {
	case e.Err != nil && e.stopped:
		b.WriteString(": stopped: " + e.Err.Error()) // the cause our caller gave
	case e.Err != nil:
		b.WriteString(": " + describe(e.Err))
	}
	if e.RetryAfter > 0 {
		b.WriteString("; retry after " + e.RetryAfter.String())
	}
	if e.CorrelationID != "" {
		b.WriteString(" (correlation id " + e.CorrelationID + ")")
	}
	return b.String()
}

// Unwrap gives the cause on our side, or nil.
func (e *Error) Unwrap() error { return e.Err }

// After is the least wait before another try; package backoff asks for it.
func (e *Error) After() time.Duration {
	if e.Status == statusLocked {
		return max(e.RetryAfter, lockedWait)
	}
	return e.RetryAfter
}

const maxDetailsPrinted = 10

// String gives code and property names, as in "INVALID_OPTION (plan)".
func (d Detail) String() string {
	names := strings.Join(d.Properties, ", ")
	switch {
	case names == "":
		return d.Code
	case d.Code == "":
		return "(" + names + ")"
	}
	return d.Code + " (" + names + ")"
}

// ValidationError is a 400 that refuses the whole request because of what it carries: bad values, broken portal rules,
// ids given twice. Inside a batch answer the same is a BatchError.
type ValidationError struct {
	// Refusal holds the codes. It is never nil. It cannot be embedded: a field and a method named Error exclude each
	// other.
	Refusal *Error
}

// Error is the text of the refusal.
func (e *ValidationError) Error() string { return e.Refusal.Error() }

// Unwrap gives the *Error.
func (e *ValidationError) Unwrap() error { return e.Refusal }

// Policy names of 429 bodies, key policyName.
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22); SECONDLY is seen
// in practice on search and on the token endpoint.
const (
	PolicyDaily         = "DAILY"
	PolicyTenSecondly   = "TEN_SECONDLY_ROLLING"
	PolicySecondly      = "SECONDLY"
	policyDailyMessage  = "daily limit"
	policySecondMessage = "your secondly limit"
)

// RateLimitError is a 429, or the limiter's own word that the day's budget is used up; then nothing was sent.
type RateLimitError struct {
	Op            string
	Policy        string        // DAILY, TEN_SECONDLY_ROLLING, SECONDLY; empty when HubSpot named none
	Daily         bool          // the account's day is used up
	RetryAfter    time.Duration // from now; never 0
	CorrelationID string
}

func (e *RateLimitError) Error() string {
	var b strings.Builder
	b.WriteString("hubspot")
	if e.Op != "" {
		b.WriteString(" " + e.Op)
	}
	if e.Daily {
		b.WriteString(": daily limit reached")
	} else {
		b.WriteString(": rate limit reached")
	}
	if e.Policy != "" {
		b.WriteString(" (" + e.Policy + ")")
	}
	b.WriteString("; retry after " + e.RetryAfter.Round(time.Millisecond).String())
	if e.CorrelationID != "" {
		b.WriteString(" (correlation id " + e.CorrelationID + ")")
	}
	return b.String()
}

// After is the least wait before another try; package backoff asks for it.
func (e *RateLimitError) After() time.Duration { return e.RetryAfter }

// OpOf is the operation that err belongs to, or "".
func OpOf(err error) string {
	if limited, ok := errors.AsType[*RateLimitError](err); ok {
		return limited.Op
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Op
	}
	return ""
}

// TokenError says that no request was sent because the token source gave no token.
type TokenError struct{ Err error }

func (e *TokenError) Error() string { return "get a token: " + e.Err.Error() }

// Unwrap gives the token source's own error.
func (e *TokenError) Unwrap() error { return e.Err }
