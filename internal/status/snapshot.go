// Package status is what a daemon says about itself and what an operator is told: the snapshot that the daemon saves in
// the database, and the report that `leadsync status` makes of it together with the rows themselves.
//
// Guarantee: the report never claims that a lane runs when nobody serves it, or when its daemon has said nothing for a
// while; what is not known is null. Every row of every portal is counted, also those of portals that no daemon serves
// and of event types that this version does not act on. A report whose OK is false has a problem entry that says why
// and what cures it.
//
// It reads no database by itself and asks nobody over the network: a daemon that is gone cannot hinder the answer. It
// does not decide how a lane stands; the push package does.
//
// Design: the daemon writes one small JSON text into its row of leadsync_portals, at every change and at least every
// SaveEvery, and whoever asks reads that row. The rejected way was to ask the daemon itself over a socket: that needs
// access rules of its own, works on one host only, and is silent exactly when the question matters most.
package status

import (
	"encoding/json"
	"fmt"
	"time"

	"leadsync/internal/breaker"
)

// How often a daemon reports, and after which silence it is no longer believed.
const (
	// SaveEvery is the longest time between two saves of a snapshot by a daemon that serves a portal.
	SaveEvery = 10 * time.Second
	// StaleAfter is how old a snapshot may be: beyond it a daemon that holds the portal counts as hung. It allows for two
	// saves that the database was slow to take, and for clocks of two hosts that differ by a few seconds; doctor tells of
	// more.
	StaleAfter = 30 * time.Second
)

// Snapshot is what a daemon saves about its portal. Times are unix ms, 0 = none or not known. It holds no token, no
// address and no value of a lead.
type Snapshot struct {
	State breaker.State `json:"state"`
	// Kind is what the trouble is about: login, quota, network, hubspot, database, lease, access, rule. Empty = not known,
	// or none.
	Kind string `json:"kind,omitempty"`
	// Cause is a machine word or a short phrase, empty while the lane runs.
	Cause string `json:"cause,omitempty"`
	// Cure is a sentence for the operator where the daemon knows better than the report does; empty = the report's own.
	Cure string `json:"cure,omitempty"`
	// Since is when the state began; Until is when the lane tries again, 0 while it runs.
	Since int64 `json:"since,omitempty"`
	Until int64 `json:"until,omitempty"`
	// LastSuccessAt is when HubSpot last answered a request well.
	LastSuccessAt int64 `json:"last_success_at,omitempty"`
	// WaitingSince is when the oldest row was made that could be sent now, in lanes that nobody paused by hand.
	WaitingSince int64 `json:"waiting_since,omitempty"`
	// LastProgressAt is when a row was last settled as delivered or skipped; Dead counts the rows that ended dead since
	// then, the last one at LastDeadAt for DeadReason.
	LastProgressAt int64    `json:"last_progress_at,omitempty"`
	Dead           int64    `json:"dead,omitempty"`
	DeadReason     string   `json:"dead_reason,omitempty"`
	LastDeadAt     int64    `json:"last_dead_at,omitempty"`
	Budget         Budget   `json:"budget"`
	Token          Token    `json:"token"`
	Streams        []Stream `json:"streams,omitempty"`
	// PropertyProblems are sentences about mapped properties that the account does not have or that cannot be written.
	PropertyProblems []string `json:"property_problems,omitempty"`
	// ConsentCause is why unsubscribes wait while other rows go on, empty = they do not; ConsentCure is a sentence.
	ConsentCause string `json:"consent_cause,omitempty"`
	ConsentCure  string `json:"consent_cure,omitempty"`
	// Refused are sentences about operations that HubSpot does not allow, while the lane goes on.
	Refused []string `json:"refused,omitempty"`
	// ClockOff is by how many ms the Date of HubSpot's answers is ahead of the daemon's clock, negative = behind; 0 while
	// they agree within a minute.
	ClockOff int64 `json:"clock_off,omitempty"`
	// DeletesPausedAt is since when the brake keeps deletes and erases back; 0 = it does not.
	DeletesPausedAt int64 `json:"deletes_paused_at,omitempty"`
	// Version of the daemon.
	Version string `json:"version,omitempty"`
}

// Stream is how one pull stream stands. Times are unix ms; nil is not known, or never.
type Stream struct {
	Stream string `json:"stream"` // changes, lagged, optout, archived or mapping
	// LastRunAt is when the last run that came to its end did so.
	LastRunAt *int64 `json:"last_run_at"`
	// Watermark is HubSpot's time up to which every change was looked at; only changes and lagged have one. Lag is how far
	// it is behind the time of the report, in ms.
	Watermark *int64 `json:"watermark"`
	Lag       *int64 `json:"lag"`
	NextRunAt *int64 `json:"next_run_at"`
	// RunningSince is the start of a run under way.
	RunningSince *int64 `json:"running_since"`
	// Failing is the class of the last run's error, nil after one that ended well.
	Failing *string `json:"failing"`
	// FailingSince is when the first of the runs failed that failed one after the other since then.
	FailingSince *int64 `json:"failing_since,omitempty"`
	// SetBackAt is when a position that lay beyond now was set back last.
	SetBackAt *int64 `json:"set_back_at,omitempty"`
	// Seen, Applied and Conflicts are those of the last run; Skipped counts firings that met the stream at work.
	Seen      int64 `json:"seen"`
	Applied   int64 `json:"applied"`
	Conflicts int64 `json:"conflicts"`
	Skipped   int64 `json:"skipped"`
}

// Budget is the use of HubSpot's limits; nil is not known, or no limit of our own.
type Budget struct {
	WindowUsed  *int64 `json:"window_used"` // requests in the last 10 seconds
	WindowLimit *int64 `json:"window_limit"`
	DailyUsed   *int64 `json:"daily_used"` // reserved today, in the account's time zone
	DailyLimit  *int64 `json:"daily_limit"`
}

// Token says how the daemon is let in; nil is not known.
type Token struct {
	Mode      *string `json:"mode"`       // oauth or static
	ExpiresAt *int64  `json:"expires_at"` // unix ms; nil for a token without an end
}

// Marshal is the text to save.
func (s Snapshot) Marshal() (json.RawMessage, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	return text, nil
}

// Parse reads what Marshal of this or another version wrote; what a later version added is passed over. An empty text
// is the zero Snapshot.
func Parse(text string) (Snapshot, error) {
	var s Snapshot
	if text == "" {
		return s, nil
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return Snapshot{}, fmt.Errorf("decode status: %w", err)
	}
	return s, nil
}
