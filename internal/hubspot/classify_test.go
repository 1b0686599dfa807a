package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"
)

// TestClassifyEveryStatus asks the real client, with an empty JSON body, so that both the decoding and the table are
// held.
func TestClassifyEveryStatus(t *testing.T) {
	want := func(status int) Class {
		switch status {
		case 400, 413, 422:
			return ClassInvalid
		case 401:
			return ClassUnauthorized
		case 404:
			return ClassNotFound
		case 409:
			return ClassConflict
		case 414:
			return ClassTooLong
		case 423:
			return ClassLocked
		case 429:
			return ClassRateLimited
		case 477:
			return ClassMigrating
		case 408, 425, 499:
			return ClassTransient
		}
		if status >= 400 && status < 500 {
			return ClassForbidden
		}
		return ClassTransient
	}
	for status := 100; status < 600; status++ {
		body := `{}`
		if status/100 == 2 {
			body = `{"results":` // cut
		}
		_, err := answering(t, status, body).BatchUpdate(t.Context(), inputs(1))
		if err == nil {
			t.Errorf("status %d: no error", status)
			continue
		}
		if got := Classify(fmt.Errorf("push: %w", err)); got != want(status) {
			t.Errorf("status %d: class %q, want %q", status, got, want(status))
		}
		unknown := status/100 == 2 || status/100 == 5 || status == 408 || status == 499
		if got := OutcomeUnknown(err); got != unknown {
			t.Errorf("status %d: OutcomeUnknown = %t, want %t", status, got, unknown)
		}
	}
}

func TestClassifyWebPage(t *testing.T) {
	for status := 400; status < 600; status++ {
		_, err := answering(t, status, "\n<!DOCTYPE html><html><title>x@example.com</title></html>").BatchCreate(t.Context(), inputs(1))
		want := ClassTransient
		switch status {
		case 401:
			want = ClassUnauthorized
		case 429:
			want = ClassRateLimited
		case 477:
			want = ClassMigrating
		}
		if got := Classify(err); got != want {
			t.Errorf("status %d as a web page: class %q, want %q", status, got, want)
		}
	}
}

func TestClassifyOthers(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, tc := range []struct {
		name    string
		err     error
		class   Class
		unknown bool
	}{
		{"none", nil, ClassNone, false},
		{"unheard of", errors.New("x"), ClassTransient, false},
		{"daily", &RateLimitError{Daily: true}, ClassDaily, false},
		{"window", &RateLimitError{}, ClassRateLimited, false},
		{"scope", &Error{Status: 403, Category: "MISSING_SCOPES"}, ClassScope, false},
		{"forbidden", &Error{Status: 403}, ClassForbidden, false},
		{"validation", &ValidationError{Refusal: &Error{Status: 400}}, ClassInvalid, false},
		{"misuse", misuse(OpBatchCreate, "x"), ClassDefect, false},
		{"no descriptors", &Error{Op: OpBatchCreate, Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}}, ClassLocal, false},
		{"no descriptors for the resolver", &Error{Op: OpBatchCreate, Err: &net.DNSError{Err: "dial udp 127.0.0.53:53: socket: too many open files"}}, ClassLocal, false},
		{"no memory", &Error{Op: OpBatchRead, Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ENOMEM)}}, ClassLocal, false},
		{"no port for the token", &TokenError{Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, ClassLocal, false},
		{"HubSpot's own text", &Error{Op: OpBatchRead, Status: 500, Err: errors.New("x: too many open files")}, ClassTransient, false},
		{"too large", &Error{Err: ErrTooLarge}, ClassInvalid, false},
		{"not found", fmt.Errorf("x: %w", ErrNotFound), ClassNotFound, false},
		{"refused", &Error{Op: OpBatchCreate, Err: dial}, ClassTransient, false},
		{"time-out after sending", &Error{Op: OpBatchCreate, Sent: true, Err: ErrTimeout}, ClassTransient, true},
		{"time-out of a read", &Error{Op: OpBatchRead, Sent: true, Err: ErrTimeout}, ClassTransient, false},
		{"502", &Error{Op: OpBatchCreate, Status: 502}, ClassTransient, true},
		{"502 of a read", &Error{Op: OpBatchRead, Status: 502}, ClassTransient, false},
		{"stopped before", &Error{Op: OpBatchCreate, Err: errors.New("stopping"), stopped: true}, ClassStopped, false},
		{"stopped while sending", &Error{Op: OpBatchCreate, Sent: true, Err: errors.New("stopping"), stopped: true}, ClassStopped, true},
		{"stopped while reading a good answer", &Error{Op: OpBatchCreate, Status: 200, Sent: true, Err: errors.New("stopping"), stopped: true}, ClassStopped, true},
		{"bare cancel", context.Canceled, ClassStopped, false},
		{"token away", &TokenError{Err: errors.New("x")}, ClassTransient, false},
		{"token cannot be got", &TokenError{Err: fmt.Errorf("x: %w", misconfigured{})}, ClassForbidden, false},
		{"token lost", &TokenError{Err: fmt.Errorf("x: %w", needsLogin{})}, ClassUnauthorized, false},
	} {
		if got := Classify(tc.err); got != tc.class {
			t.Errorf("%s: class %q, want %q", tc.name, got, tc.class)
		}
		if got := OutcomeUnknown(tc.err); got != tc.unknown {
			t.Errorf("%s: OutcomeUnknown = %t", tc.name, got)
		}
	}
}

type needsLogin struct{}

func (needsLogin) Error() string      { return "log in again" }
func (needsLogin) Unauthorized() bool { return true }

func TestRetryAfterOfErrors(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want time.Duration
	}{
		{nil, 0},
		{errors.New("x"), 0},
		{&Error{Status: 503}, 0},
		{&Error{Status: 423}, 2 * time.Second},
		{&Error{Status: 423, RetryAfter: 5 * time.Second}, 5 * time.Second},
		{fmt.Errorf("x: %w", &Error{Status: 477, RetryAfter: time.Hour}), time.Hour},
		{&ValidationError{Refusal: &Error{Status: 400, RetryAfter: time.Second}}, time.Second},
		{&RateLimitError{RetryAfter: 3 * time.Second}, 3 * time.Second},
	} {
		if got := RetryAfter(tc.err); got != tc.want {
			t.Errorf("RetryAfter(%v) = %s, want %s", tc.err, got, tc.want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		text, date string
		want       time.Duration
	}{
		{"", "", 0},
		{"7", "", 7 * time.Second},
		{" 7 ", "", 7 * time.Second},
		{"0.5", "", 500 * time.Millisecond},
		{"-3", "", 0},
		{"NaN", "", 0},
		{"1e300", "", 24 * time.Hour},
		{"86401", "", 24 * time.Hour},
		{"soon", "", 0},
		{"Sun, 22 Nov 2026 08:00:30 GMT", "", 30 * time.Second},
		{"Sun, 22 Nov 2026 07:00:30 GMT", "", 0},
		{"Sun, 22 Nov 2026 09:00:30 GMT", "Sun, 22 Nov 2026 09:00:00 GMT", 30 * time.Second},
		{"Sun, 22 Nov 2027 08:00:30 GMT", "", 24 * time.Hour},
		{"Sun, 22 Nov 2026 08:00:30 GMT", "Sat, 21 Nov 2026 08:00:00 GMT", 30 * time.Second}, // Date a day behind
		{"Sun, 22 Nov 2026 08:00:30 GMT", "Mon, 23 Nov 2026 08:00:00 GMT", 30 * time.Second}, // a day ahead
		{"Sun, 22 Nov 2026 08:00:30 GMT", "Thu, 22 Nov 2016 08:00:00 GMT", 30 * time.Second},
		{"Fri, 20 Nov 2026 08:00:30 GMT", "Fri, 20 Nov 2026 08:00:00 GMT", 30 * time.Second}, // our clock ahead
	} {
		h := http.Header{}
		h.Set("Retry-After", tc.text)
		h.Set("Date", tc.date)
		if got := parseRetryAfter(h, now); got != tc.want {
			t.Errorf("parseRetryAfter(%q, Date %q) = %s, want %s", tc.text, tc.date, got, tc.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "1", "-1", "1e9", "Sun, 22 Nov 2026 08:00:30 GMT", "x"} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		got := parseRetryAfter(http.Header{"Retry-After": {text}, "Date": {date}}, time.Now())
		if got < 0 || got > maxRetryAfter {
			t.Errorf("parseRetryAfter(%q) = %s", text, got)
		}
	})
}

type misconfigured struct{}

func (misconfigured) Error() string       { return "the client secret is wrong" }
func (misconfigured) Misconfigured() bool { return true }
