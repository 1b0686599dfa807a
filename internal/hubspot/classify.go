package hubspot

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Class is what kind of trouble an error is. The words appear in logs, metrics and status.
type Class string

// The classes. What follows from each is the caller's business.
const (
	ClassNone         Class = ""
	ClassTransient    Class = "transient"     // 5xx, 408, network, time-out, web page, garbled answer: heals by waiting
	ClassRateLimited  Class = "rate_limited"  // 429
	ClassDaily        Class = "daily_limit"   // the account's day is used up
	ClassMigrating    Class = "migrating"     // 477: the account moves to another data centre, for up to a day
	ClassLocked       Class = "locked"        // 423: wait at least 2 s
	ClassUnauthorized Class = "unauthorized"  // 401 also after a replay with a newer token, or no token at all
	ClassScope        Class = "scope_missing" // 403 MISSING_SCOPES; ScopesOf names them
	ClassForbidden    Class = "forbidden"     // any other 4xx that is about the caller and not about the rows
	ClassInvalid      Class = "invalid"       // 400, 413, 422: about what the request carries
	ClassConflict     Class = "conflict"      // 409
	ClassNotFound     Class = "not_found"     // 404
	ClassTooLong      Class = "uri_too_long"  // 414: too many properties in the address, or a merge over its limit
	ClassStopped      Class = "stopped"       // our own context ended: not an error of anybody
	ClassLocal        Class = "local"         // this host lacks memory, disk, file descriptors or ports: HubSpot was not asked
	ClassDefect       Class = "defect"        // ErrMisuse: our own checks refused the request, which is a defect of ours
)

// Statuses that net/http has no name for. https://developers.hubspot.com/docs/api-reference/error-handling (read
// 2026-11-22): 477 while an account migrates, with Retry-After in seconds, typically up to 24 hours. 499 is what
// proxies write when the connection was given up.
const (
	statusMigrating    = 477
	statusClientClosed = 499
	statusLocked       = http.StatusLocked
	// A lock (423) lasts 2 s; the same page asks for at least 2 s between calls.
	lockedWait = 2 * time.Second
)

// Classify says what kind of trouble err is; it is the only place that decides whether something is worth another try,
// and it knows every HTTP status. nil is ClassNone; what it does not know is ClassTransient, since an outage must cost
// nothing.
func Classify(err error) Class {
	if err == nil {
		return ClassNone
	}
	if limited, ok := errors.AsType[*RateLimitError](err); ok {
		if limited.Daily {
			return ClassDaily
		}
		return ClassRateLimited
	}
	if token, ok := errors.AsType[*TokenError](err); ok {
		if needsLogin, ok := errors.AsType[interface {
			error
			Unauthorized() bool
		}](token.Err); ok && needsLogin.Unauthorized() {
			return ClassUnauthorized
		}
		if fault, ok := errors.AsType[interface {
			error
			Misconfigured() bool
		}](token.Err); ok && fault.Misconfigured() {
			return ClassForbidden
		}
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok && e.stopped:
		return ClassStopped
	case ok && e.Status != 0:
		return classifyStatus(e)
	case errors.Is(err, ErrMisuse):
		return ClassDefect
	case errors.Is(err, ErrTooLarge):
		return ClassInvalid
	case LocalCause(err) != "":
		return ClassLocal
	case errors.Is(err, ErrNotFound):
		return ClassNotFound
	case errors.Is(err, ErrTimeout):
		return ClassTransient
	case errors.Is(err, context.Canceled):
		return ClassStopped
	}
	return ClassTransient
}

func classifyStatus(e *Error) Class {
	switch e.Status { // these mean the same whatever the body is
	case http.StatusUnauthorized:
		return ClassUnauthorized
	case http.StatusTooManyRequests:
		return ClassRateLimited
	case statusMigrating:
		return ClassMigrating
	}
	if e.HTML {
		return ClassTransient // not HubSpot's word about our request
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return ClassInvalid
	case http.StatusForbidden:
		if e.Category == categoryMissingScopes {
			return ClassScope
		}
		return ClassForbidden
	case http.StatusNotFound:
		return ClassNotFound
	case http.StatusConflict:
		return ClassConflict
	case http.StatusRequestURITooLong:
		return ClassTooLong
	case statusLocked:
		return ClassLocked
	case http.StatusRequestTimeout, http.StatusTooEarly, statusClientClosed:
		return ClassTransient
	}
	if e.Status >= 400 && e.Status < 500 {
		// Wrong path, wrong method, a proxy that wants a password: true for every row alike, so no row may die of it.
		return ClassForbidden
	}
	return ClassTransient
}

// OutcomeUnknown says that err belongs to a write that HubSpot may have carried out all the same: a time-out, a cut or
// garbled answer, a 5xx, and the two 4xx with which something in between gives up waiting. It is false for every other
// 4xx, for a connection that was refused, and for reads.
func OutcomeUnknown(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || isRead(e.Op) {
		return false
	}
	switch {
	case e.Status == 0:
		return e.Sent
	case e.Status >= 200 && e.Status < 300, e.Status >= 500, e.Status == http.StatusRequestTimeout, e.Status == statusClientClosed:
		return true
	}
	return false
}

// RetryAfter is the least wait that err asks for, 0 when it asks for none.
func RetryAfter(err error) time.Duration {
	if after, ok := errors.AsType[interface {
		error
		After() time.Duration
	}](err); ok {
		return after.After()
	}
	return 0
}

// ScopesOf lists the scopes that a 403 MISSING_SCOPES names; it may be empty.
func ScopesOf(err error) []string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Scopes
	}
	return nil
}
