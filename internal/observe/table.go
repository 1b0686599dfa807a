package observe

import "log/slog"

// Events is every constant message, in the order of the table in cmd/leadsync/README.md, of the catalog of the journal
// and of the message ids. A test holds it and the constants of events.go together.
var Events = []Event{
	{DaemonStarted, slog.LevelInfo, []string{Version, Dialect, Database, Portal, PortalID}, "Configuration, credentials, database and schema are in order.", ""},
	{DaemonAlive, slog.LevelInfo, []string{State, Cause, Pending, Dead, LastOK, Uptime}, "Said every 15 minutes, also when there is nothing to do.", ""},
	{DaemonStopping, slog.LevelInfo, []string{Cause}, "Nothing new is read; requests under way may end for up to stop_timeout.", "A second signal cuts them short."},
	{DaemonStopped, slog.LevelInfo, []string{Elapsed}, "The portal was released and the database closed.", ""},
	{MigrationsApplied, slog.LevelInfo, []string{From, To}, "The schema was brought to this version.", ""},
	{MigrationWaits, slog.LevelWarn, []string{Cause, Elapsed}, "A transaction that is open in the database keeps the schema from being changed; it is tried again every second, and no insert waits for it.", "End that transaction."},
	{ConfigWarning, slog.LevelWarn, []string{Warning}, "The configuration works, but probably not as it was meant.", "Correct what the warning names and reload."},
	{ConfigReloaded, slog.LevelInfo, []string{Changed}, "A changed configuration is in force; the attribute names its keys.", ""},
	{ConfigRefused, slog.LevelError, []string{Where, Key, Reason, Hint}, "A reload was refused, and the configuration in force stays.",
		"Correct the line that is named and reload again."},
	{WaitingDatabase, slog.LevelWarn, []string{Database, Cause, RetryIn, Suppressed}, "The database is away; rows wait and nothing is lost.",
		"Start or repair it. leadsync goes on by itself."},
	{DatabaseRecovered, slog.LevelInfo, []string{Database, Count, Elapsed}, "The database is back, after so many tries and so long.", ""},
	{LoopStalled, slog.LevelError, []string{Item, Hint}, "A part of the daemon stands still without a reason. systemd's watchdog ends the process with SIGABRT, " +
		"which prints what every goroutine was doing, and starts it again.", "Keep the goroutines from the journal; it is a defect of leadsync."},
	{HealthChanged, slog.LevelInfo, []string{Item, From, To, Reason, Hint}, "Work began to stand still, or moves again; an error when it stands: rows wait and nothing has " +
		"succeeded for status.alert_after, every row ends dead, or a stream does not run.", "Do what hint says; leadsync status says more."},
	{ListenFailed, slog.LevelWarn, []string{Address, Err, RetryIn, Hint}, "Health, metrics and the status page are not served; the daemon works without.",
		"Give each instance a port of its own in status.listen."},
	{PortalLeaseTaken, slog.LevelInfo, []string{Portal, Owner, Epoch}, "This process serves the portal from now on.", ""},
	{PortalLeaseLost, slog.LevelWarn, []string{Portal, Owner, Epoch}, "Another process serves the portal; this one stands by.", ""},

	{PushSummary, slog.LevelInfo, []string{Rows, Delivered, Skipped, Dead, Retried}, "What was settled in a minute; none while nothing happens.", ""},
	{PushDegraded, slog.LevelWarn, []string{"condition", Class, RetryIn, Hint, Err}, "HubSpot, the way to it or the database is away, or refuses everything. No attempt is used, " +
		"and it is tried again by itself. An error when a person must act.", "The hint says what would help."},
	{PushRecovered, slog.LevelInfo, []string{"condition", Elapsed}, "The trouble is over.", ""},
	{PushPaused, slog.LevelError, []string{Reason, Until, Lane, Hint}, "The same refusal met most of two batches in a row: a rule in HubSpot or a fault of the mapping, not bad rows. " +
		"Nothing is dead; one row a minute probes. With the reason \"by operator\" somebody paused the lane by hand (a warning).", "Mend what the reason names, and it goes on by itself; after a pause by hand: leadsync resume."},
	{PushResumed, slog.LevelInfo, []string{PausedFor, Reason, Lane}, "A probe went through, or an operator resumed the lane.", ""},
	{EntryDelivered, slog.LevelDebug, []string{OutboxID, LeadHash, ContactID, Attempt}, "HubSpot holds the row.", ""},
	{EntryRetryScheduled, slog.LevelDebug, []string{OutboxID, Attempt, CorrelationID}, "The row failed for a reason of its own and is tried again.", ""},
	{EntryDeadLettered, slog.LevelError, []string{OutboxID, LeadHash, Reason, Attempt, "note", CorrelationID}, "The row needs a person.",
		"leadsync outbox show ID says everything about it; after the cause is mended, leadsync outbox retry ID puts it back."},
	{PropertyFault, slog.LevelWarn, []string{Property, Code, Reason, Hint}, "A mapped property cannot be written: it is left out and counted, the other fields go on. Said at the start and once a day.", "Do what the hint says."},
	{DeletesPaused, slog.LevelError, []string{"since", "limit", Hint}, "Deletes and erases of more contacts in an hour than push.max_deletes_per_hour; they wait, everything else goes on.",
		"Look at them: leadsync outbox list --state pending. Then let them go: leadsync resume --deletes."},
	{OptOutRefused, slog.LevelWarn, []string{LeadHash, Class, RetryIn, CorrelationID}, "HubSpot refuses one person's opt-out; it is tried again. A lane that waits says push degraded or push paused with lane=unsubscribe.", ""},
	{OwnDefect, slog.LevelError, []string{Hint, Err}, "leadsync built a request that breaks a rule of its own and did not send it: a defect of leadsync. The row uses up its attempts, all others go on.", "Report the line."},
	{NoBatches, slog.LevelInfo, nil, "HubSpot grants no batches of opt-outs, so they go out one by one; asked again after a day.", ""},
	{PersonErased, slog.LevelInfo, []string{OutboxID}, "An erase came to its end, and nothing about whom.", ""},
	{WaitsCut, slog.LevelWarn, []string{Rows, "links", Hint}, "Rows or leads waited for a time that leadsync never sets: the clock was ahead when it was written. They are tried now.", "Set the clock of this machine: timedatectl set-ntp true."},
	{OldEntriesPurged, slog.LevelInfo, []string{Count, OlderThan}, "Settled rows beyond the retention were removed.", ""},

	{PullRunDone, slog.LevelInfo, []string{RunID, Pages, Seen, Applied, Echoes, Conflicts, WatermarkFrom, WatermarkTo, Elapsed}, "One look at what changed in HubSpot.", ""},
	{PullRunFailed, slog.LevelWarn, []string{RunID, Class, Err, NextRunAt}, "A look at HubSpot failed; the next one starts where the last good one ended.", ""},
	{PullRunSkipped, slog.LevelWarn, []string{Stream, RunningFor}, "A look was due while the one before still ran.", ""},
	{PullProgress, slog.LevelInfo, []string{RunID, Stream, Pages, Seen, Applied, Echoes, Conflicts, Elapsed}, "A long look is under way; said once a minute.", ""},
	{PullSetBack, slog.LevelWarn, []string{Stream, WatermarkFrom, WatermarkTo, Hint}, "A stream stood at a time beyond now, where a wrong clock had put it. It reads again from an earlier time; what was passed over is told, and nothing twice.",
		"See that the clocks of this machine and of the way to HubSpot are right."},
	{ClocksDiffer, slog.LevelWarn, []string{Ahead, Hint}, "The Date of HubSpot's answers and the clock of this machine differ by more than a minute. Pull goes on by what both and the newest change time agree on.", "Set the clock of this machine: timedatectl set-ntp true."},
	{ClocksAgree, slog.LevelInfo, nil, "The two clocks agree again.", ""},
	{ConflictDecided, slog.LevelInfo, []string{LeadHash, ContactID, Property, Winner}, "Both sides changed a field: which, and whose value stays.", ""},

	{TokenRefreshed, slog.LevelInfo, []string{Portal, ExpiresIn}, "A new access token is stored.", ""},
	{TokenRefreshFailed, slog.LevelWarn, []string{Portal, RetryIn, Hint, Err, Suppressed}, "The access token could not be renewed; the one in hand is used while it lives. An error when a person must act.",
		"The hint says what would help."},
	{AuthorizationRequired, slog.LevelError, []string{"condition", Class, RetryIn, Hint, Err}, "HubSpot refuses the token: rows wait and lose no attempt.",
		"Run leadsync auth login, and it goes on by itself, without a restart; in mode static put a valid token into the token file, and under systemd restart the unit, which hands the file over at its start."},
	{HubSpotRequest, slog.LevelDebug, []string{Op, Status, Elapsed, CorrelationID, LimitRemaining}, "One request.", ""},
}
