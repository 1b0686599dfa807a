// Package observe is how leadsync speaks to its operator: the constant log messages, the names of their attributes, the
// logger that renders them, and the limiter that keeps a repeated trouble to one line a minute.
//
// Guarantee: whatever reaches a logger made by New leaves it without e-mail addresses, bearer tokens and HubSpot
// tokens, in the message, in attributes and in error texts. It does not decide what is worth a line, holds no metrics
// yet, and cannot look into a struct that is logged whole: values that name people are logged as their hash, by the
// caller.
//
// Design: every message is a constant of this file and everything that varies is an attribute, so an operator can
// filter on either for years. Messages with values inside were rejected: they cannot be counted, and they are where
// addresses leak.
package observe

// Messages of the daemon's life.
const (
	DaemonStarted     = "daemon started"
	DaemonStopping    = "daemon stopping"
	DaemonStopped     = "daemon stopped"
	MigrationsApplied = "migrations applied"
	MigrationWaits    = "migration waits"
	HealthChanged     = "health changed"
	ConfigWarning     = "configuration warning"
	WaitingDatabase   = "waiting for database"
	DatabaseRecovered = "database recovered"
	DaemonAlive       = "daemon alive"
	LoopStalled       = "loop stalled"
	ConfigReloaded    = "configuration reloaded"
	ConfigRefused     = "configuration refused"
	ListenFailed      = "status page unavailable"
)

// Messages of the push path.
const (
	PushSummary         = "push summary"
	PushDegraded        = "push degraded"
	PushRecovered       = "push recovered"
	PushPaused          = "push paused"
	PushResumed         = "push resumed"
	EntryDelivered      = "entry delivered"
	EntryRetryScheduled = "entry retry scheduled"
	EntryDeadLettered   = "entry dead-lettered"
	PortalLeaseTaken    = "portal lease taken"
	PortalLeaseLost     = "portal lease lost"
	OldEntriesPurged    = "old entries purged"
	// WaitsCut: rows or links waited for a time that is never set, since the clock was set back.
	WaitsCut      = "waits cut short"
	DeletesPaused = "deletes paused"
	OptOutRefused = "opt-out refused"
	OwnDefect     = "request refused by our own check"
	NoBatches     = "opt-outs go out one by one"
	PersonErased  = "person erased"
	PropertyFault = "mapped property at fault"
)

// Messages of the pull path.
const (
	PullRunDone    = "pull run done"
	PullRunFailed  = "pull run failed"
	PullRunSkipped = "pull run skipped"
	PullProgress   = "pull progress"
	// PullSetBack: a position lay beyond now, so that changes were passed over.
	PullSetBack = "pull position set back"
	// ClocksDiffer is said once when HubSpot's Date and our clock come apart, and once when they agree again.
	ClocksDiffer = "clocks differ"
	ClocksAgree  = "clocks agree"
	// ConflictDecided names a property that both sides changed and whose value stays.
	ConflictDecided = "conflict decided"
)

// Messages of authorization and of the HubSpot client.
const (
	TokenRefreshed        = "token refreshed"
	TokenRefreshFailed    = "token refresh failed"
	AuthorizationRequired = "authorization required"
	HubSpotRequest        = "hubspot request"
)
