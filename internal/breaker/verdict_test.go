package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/settlement"
)

// tokenFault is a token source whose settings are wrong.
type tokenFault struct{ cure string }

func (tokenFault) Error() string       { return "the file of the token is empty" }
func (tokenFault) Misconfigured() bool { return true }

// knownFault knows what helps against it.
type knownFault struct{ tokenFault }

func (f knownFault) Cure() string { return f.cure }

// loginFault is a refused grant.
type loginFault struct{}

func (loginFault) Error() string      { return "refused" }
func (loginFault) Unauthorized() bool { return true }

// stop is trouble that a lane found by itself.
type stop struct{ state breaker.State }

func (stop) Error() string          { return "the wrong account" }
func (s stop) Stops() breaker.State { return s.state }

// TestVerdicts: what each error means for the lane. A verdict is told by types: other words around an error change
// nothing.
func TestVerdicts(t *testing.T) {
	full := &settlement.AwayError{Cause: "no space left", Full: true}
	for _, tc := range []struct {
		name   string
		err    error
		state  breaker.State
		kind   string
		cause  string
		cure   string // a part of it
		wait   time.Duration
		exact  bool
		forAll bool
	}{
		{"database away", &settlement.AwayError{Cause: "connection refused"}, breaker.Down, "database", "database: connection refused", "repair the database", 0, false, true},
		{"database away, no cause", settlement.ErrDatabaseAway, breaker.Down, "database", "database", "repair the database", 0, false, true},
		{"database full", full, breaker.Down, "database", "database: no space left", "make room", 0, false, true},
		{"database full during an outage", errors.Join(full, &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 500}), breaker.Down, "database",
			"database: no space left", "make room", 0, false, true},
		{"lease lost", settlement.ErrLeaseLost, breaker.Down, "lease", "lease", "renew its lease", 0, false, true},
		{"lease ending", breaker.ErrLeaseEnding, breaker.Down, "lease", "lease", "renew its lease", 0, false, true},
		{"wrong account", stop{breaker.Paused}, breaker.Paused, "access", "the wrong account", "do what the cause says", 0, false, true},
		{"unknown subscription", stop{breaker.Degraded}, breaker.Degraded, "network", "transient", "name resolution", 0, false, true},
		{"short limit", &hubspot.RateLimitError{RetryAfter: 100 * time.Millisecond}, breaker.Limited, "quota", "rate_limited", "limit passes", time.Second, true, true},
		{"short limit with a wait", &hubspot.RateLimitError{RetryAfter: 7 * time.Second}, breaker.Limited, "quota", "rate_limited", "limit passes", 7 * time.Second, true, true},
		{"daily limit", &hubspot.RateLimitError{Daily: true, RetryAfter: time.Hour}, breaker.Limited, "quota", "daily_limit", "midnight", time.Hour, true, true},
		{"account moves", &hubspot.Error{Status: 477}, breaker.Limited, "quota", "migrating", "data centre", time.Minute, true, true},
		{"locked", &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 423}, breaker.Degraded, "hubspot", "locked", "limit passes", 2 * time.Second, false, false},
		{"no memory here", &hubspot.Error{Op: hubspot.OpBatchUpdate, Err: syscall.EMFILE}, breaker.Degraded, "local", "local: " + syscall.EMFILE.Error(), "LimitNOFILE", 0, false, true},
		{"our own check", fmt.Errorf("x: %w", hubspot.ErrMisuse), breaker.Degraded, "defect", "defect", "report this line", 0, false, false},
		{"401", &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 401}, breaker.NeedsLogin, "login", "unauthorized", "auth login", 0, false, true},
		{"no login", &hubspot.TokenError{Err: loginFault{}}, breaker.NeedsLogin, "login", "unauthorized", "auth login", 0, false, true},
		{"token settings", &hubspot.TokenError{Err: tokenFault{}}, breaker.Paused, "access", "the file of the token is empty", "do what the cause says", 0, false, true},
		{"token settings, known cure", &hubspot.TokenError{Err: knownFault{tokenFault{"write a token into it"}}}, breaker.Paused, "access",
			"the file of the token is empty", "write a token into it", 0, false, true},
		{"token endpoint away", &hubspot.TokenError{Err: errors.New("503")}, breaker.Degraded, "hubspot", "transient", "is away", 0, false, true},
		{"scope", &hubspot.Error{Status: 403, Category: "MISSING_SCOPES", Scopes: []string{"a", "b"}}, breaker.Paused, "access", "scope_missing: a, b", "grant", time.Hour, true, false},
		{"scope without names", &hubspot.Error{Status: 403, Category: "MISSING_SCOPES"}, breaker.Paused, "access", "scope_missing", "grant", time.Hour, true, false},
		{"403", &hubspot.Error{Status: 403}, breaker.Paused, "access", "forbidden", "base_url", 0, false, false},
		{"500", &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 500}, breaker.Degraded, "hubspot", "transient", "is away", 0, false, false},
		{"500 about no lead", &hubspot.Error{Op: hubspot.OpProperties, Status: 500}, breaker.Degraded, "hubspot", "transient", "is away", 0, false, true},
		{"500 that names a wait", &hubspot.Error{Op: hubspot.OpBatchUpdate, Status: 503, RetryAfter: 90 * time.Second}, breaker.Degraded, "hubspot", "transient", "is away",
			90 * time.Second, false, false},
		{"no answer", &hubspot.Error{Op: hubspot.OpBatchUpdate, Err: hubspot.ErrTimeout}, breaker.Degraded, "network", "transient", "name resolution", 0, false, false},
		{"no such host", &hubspot.Error{Op: hubspot.OpBatchUpdate, Err: &net.DNSError{}}, breaker.Degraded, "network", "transient", "name resolution", 0, false, false},
		{"stopped", context.Canceled, breaker.Degraded, "network", "stopped", "name resolution", 0, false, true},
		{"anything else", errors.New("database: lease: unauthorized"), breaker.Degraded, "network", "transient", "name resolution", 0, false, false},
	} {
		for _, err := range []error{tc.err, fmt.Errorf("daily_limit: %w", tc.err)} {
			v := breaker.Judge(err)
			if v.State != tc.state || v.Kind != tc.kind || v.Cause != tc.cause || v.Wait != tc.wait || v.Exact != tc.exact {
				t.Errorf("%s: %+v", tc.name, v)
			}
			if !contains(v.Cure, tc.cure) {
				t.Errorf("%s: the cure is %q, want %q in it", tc.name, v.Cure, tc.cure)
			}
			if got := breaker.ForAll(err); got != tc.forAll {
				t.Errorf("%s: for all is %v", tc.name, got)
			}
		}
	}
}

// TestStatusTellsTheVerdict: status and log name one cure.
func TestStatusTellsTheVerdict(t *testing.T) {
	for _, err := range []error{&hubspot.RateLimitError{Daily: true}, &hubspot.Error{Status: 403}, settlement.ErrLeaseLost, &settlement.AwayError{Cause: "daily_limit"},
		&hubspot.TokenError{Err: tokenFault{}}, &hubspot.Error{Status: 423}} {
		b, log := breakerWithLog()
		b.Fail(err)
		s, v := b.Status(), breaker.Judge(err)
		if s.State != v.State || s.Kind != v.Kind || s.Cause != v.Cause || s.Cure != v.Cure {
			t.Errorf("%v: status %+v, verdict %+v", err, s, v)
		}
		if !contains(log.String(), v.Cure) {
			t.Errorf("%v: the log does not name the cure:\n%s", err, log)
		}
	}
}
