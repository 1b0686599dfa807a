package breaker

import (
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// State is how a lane stands, in the words of `status --json`.
type State string

// The states of the public contract.
const (
	Running    State = "running"
	Limited    State = "limited"     // HubSpot's own limit, it passes by itself
	Paused     State = "paused"      // a person must act, the lane probes
	NeedsLogin State = "needs_login" // the token is refused
	Degraded   State = "degraded"    // an outage; tried again with backoff
	Down       State = "down"        // the database or the daemon is away
)

// Well reports whether the lane does its work.
func (s State) Well() bool { return s == Running || s == Limited }

// Kinds: what the trouble of a lane is about, one word for each cause that needs another cure. They appear in status
// and in metrics.
const (
	KindLogin    = "login"    // HubSpot refuses the token
	KindQuota    = "quota"    // a limit of HubSpot's
	KindNetwork  = "network"  // no answer: HubSpot, or the way to it
	KindHubSpot  = "hubspot"  // HubSpot answers with errors of its own
	KindDatabase = "database" // the database is away, full or read-only
	KindLease    = "lease"    // the portal may be another daemon's
	KindAccess   = "access"   // scopes, permissions, another account
	KindRule     = "rule"     // most rows are refused alike
	KindLocal    = "local"    // this host: memory, disk, file descriptors, ports
	KindDefect   = "defect"   // our own code refused to send a request
)

// Status is what a Breaker knows at one moment.
type Status struct {
	State    State
	Kind     string    // one of the kinds; empty = nothing special
	Cause    string    // a machine word or a short phrase; empty while it runs
	Cure     string    // a sentence; empty while it runs
	Since    time.Time // when the state began
	Until    time.Time // when it is tried again, zero while it runs
	LastGood time.Time // of the last answered request, zero = none since the start
}

// ByOperator is the cause of a lane that a person paused by hand.
const ByOperator = "by operator"

// Lanes says which lanes an operator stopped by hand; the zero value is none.
type Lanes struct {
	Live, Backfill bool
	Unsubscribe    bool      // no opt-out and no opt-in is sent
	Since          time.Time // of the live lane's pause
}

// All reports whether nothing of either lane of contacts may be sent.
func (l Lanes) All() bool { return l.Live && l.Backfill }

// Only is the one lane of contacts that is not paused while the other one is; empty = both run, or none does.
func (l Lanes) Only() outbox.Lane {
	switch {
	case l.Live == l.Backfill:
		return ""
	case l.Live:
		return outbox.Backfill
	}
	return outbox.Live
}

// Has reports whether the lane is paused.
func (l Lanes) Has(lane outbox.Lane) bool {
	if lane == outbox.Backfill {
		return l.Backfill
	}
	return l.Live
}

// Over is s as it is told while the live lane is paused: what is the matter with HubSpot or the database is graver than
// that.
func (l Lanes) Over(s Status) Status {
	if l.Live && s.State.Well() {
		s.State, s.Cause, s.Since, s.Until = Paused, ByOperator, l.Since, time.Time{}
		s.Cure = "let it go on: leadsync resume live"
	}
	return s
}

// Rule is what a refusal of HubSpot names: two rows that name the same are refused alike. The zero value names nothing.
type Rule struct{ Code, Property string }

// String gives the code and the property, and never what an application made up for a name.
func (r Rule) String() string {
	if r.Property == "" {
		return r.Code
	}
	return r.Code + " on " + lead.SafeName(r.Property)
}
