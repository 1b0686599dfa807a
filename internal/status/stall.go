package status

import (
	"time"

	"leadsync/internal/breaker"
)

// Codes of what makes work stand still, beside those of problems.go. A lane that is degraded or down has the code of
// its kind where the daemon knows it.
const (
	CodeNetwork  = breaker.KindNetwork  // HubSpot gives no answer
	CodeHubSpot  = breaker.KindHubSpot  // HubSpot answers with errors of its own
	CodeLocal    = breaker.KindLocal    // this host lacks memory, disk, descriptors or ports
	CodeDefect   = breaker.KindDefect   // our own check refused to send a request
	CodeDatabase = breaker.KindDatabase // the database takes nothing
	CodeLease    = breaker.KindLease    // the portal may be another daemon's
	CodeQuota    = breaker.KindQuota    // a limit of HubSpot's lasts
	CodePoison   = "poison"             // every row ends dead
	CodeSchedule = "schedule"           // a stream does not run when it should
	CodeStalled  = "stalled"            // work waits, nothing succeeds, and nothing says why
)

// poisonLeast is how many rows in a row must have ended dead before that is more than a few bad rows.
const poisonLeast = 5

// stalled says since when work has waited without any success; ok is false while less than alertAfter has gone by, and
// always when that is 0. A daemon that has just begun gets settlingIn first.
func (s Snapshot) stalled(servedSince int64, now time.Time, alertAfter time.Duration) (since int64, poison, ok bool) {
	limit := now.Add(-alertAfter).UnixMilli()
	if alertAfter <= 0 || servedSince == 0 || s.LastProgressAt > limit {
		return 0, false, false
	}
	since = s.LastProgressAt
	if since == 0 {
		since = servedSince
	}
	settling := min(alertAfter, settlingIn)
	if since > limit || now.Add(-settling).UnixMilli() < servedSince {
		return 0, false, false
	}
	// Time alone mends nothing: it stays until a row gets somewhere, or no dead one is left.
	if poison = s.Dead >= poisonLeast; poison {
		return since, true, true
	}
	waiting := s.WaitingSince
	if waiting == 0 && s.State == breaker.Down {
		waiting = s.Since // whether rows wait cannot be seen
	}
	if waiting == 0 || waiting > limit {
		return 0, false, false
	}
	return max(since, waiting), false, true
}

// settlingIn is how long a daemon that found old work gets before that counts against it.
const settlingIn = 2 * time.Minute

// Stall is what status, the line of systemctl status and health say when work stands still; nil when it does not.
// servedSince is when the daemon took the portal.
func (s Snapshot) Stall(servedSince int64, now time.Time, alertAfter time.Duration) *Problem {
	since, poison, ok := s.stalled(servedSince, now, alertAfter)
	if !ok {
		return nil
	}
	text := "nothing has succeeded for " + Elapsed(now.Sub(time.UnixMilli(since)))
	if s.WaitingSince > 0 {
		text += " while rows wait, the oldest for " + Elapsed(now.Sub(time.UnixMilli(s.WaitingSince)))
	}
	p := &Problem{Cure: s.Cure}
	switch {
	case s.State == breaker.Running && poison:
		p.Code = CodePoison
		text += "; every row ends dead, lately as " + s.DeadReason
		p.Cure = "see one of them: leadsync outbox list --state dead --limit 1; mend the application, the mapping or the rule in HubSpot, then: leadsync outbox retry --state dead"
	case s.State == breaker.Running:
		p.Code = CodeStalled
		p.Cure = "see the notes of the rows: leadsync outbox list --state pending; and the log: journalctl -u leadsync"
	default:
		p.Code = s.code()
		text += "; the lane is " + string(s.State)
		if s.Cause != "" {
			text += ": " + s.Cause
		}
	}
	if p.Cure == "" {
		p.Cure = cureOf(s.State, s.Kind, s.Token.Mode)
	}
	p.Text = text
	return p
}

// code is the problem code of a state.
func (s Snapshot) code() string {
	switch {
	case s.State == breaker.Limited:
		return CodeQuota
	case (s.State == breaker.Degraded || s.State == breaker.Down) && s.Kind != "":
		return s.Kind
	}
	return string(s.State)
}

// cureOf is the next thing to do about a state, where the daemon said nothing better.
func cureOf(state breaker.State, kind string, mode *string) string {
	switch {
	case state == breaker.NeedsLogin && mode != nil && *mode == "static":
		return "put a token that HubSpot takes into the file of hubspot.auth.static_token_file; under systemd then: systemctl restart leadsync; elsewhere it is read again by itself"
	case state == breaker.NeedsLogin:
		return "connect the account again: leadsync auth login"
	case state == breaker.Paused:
		return "remove the cause in HubSpot or in the configuration; the lane probes and goes on by itself"
	case state == breaker.Limited:
		return "nothing, HubSpot's limit passes by itself; if it does so every day, lower the load, raise hubspot.limits with the account's plan, or give leadsync a larger share"
	case state == breaker.Degraded && kind == CodeNetwork:
		return "check name resolution, proxy and firewall from this host; rows wait without losing an attempt, and the lane goes on by itself"
	case state == breaker.Degraded && kind == CodeHubSpot:
		return "see https://status.hubspot.com; rows wait without losing an attempt, and the lane goes on by itself"
	case state == breaker.Degraded && kind == CodeLocal:
		return "this host lacks what the cause names: free it, or raise its bound (LimitNOFILE, MemoryMax, the disk); the lane goes on by itself"
	case state == breaker.Degraded && kind == CodeDefect:
		return "a defect of leadsync, not of HubSpot or of this host: report the line 'request refused by our own check' of the log"
	case state == breaker.Degraded:
		return "none needed while HubSpot or the network is away: rows wait without losing an attempt, and the lane goes on by itself"
	case state == breaker.Down:
		return "see the daemon's log: journalctl -u leadsync; the lane goes on by itself when the database answers"
	}
	return "this version does not know the state; install the daemon's version"
}

// Overdue finds the streams that should have run longer than grace ago and do not run. Streams of a lane that waits for
// something wait with it.
func (s Snapshot) Overdue(now time.Time, grace time.Duration) []*Problem {
	var out []*Problem
	if grace <= 0 || s.State != breaker.Running {
		return nil
	}
	for _, one := range s.Streams {
		if one.NextRunAt == nil || one.RunningSince != nil {
			continue
		}
		late := now.Sub(time.UnixMilli(*one.NextRunAt))
		if late <= grace {
			continue
		}
		out = append(out, &Problem{Code: CodeSchedule, Text: "stream " + one.Stream + " should have run " + Elapsed(late) + " ago and did not",
			Cure: "see the log: journalctl -u leadsync; a restart sets the schedule up again: systemctl restart leadsync"})
	}
	return out
}

// OnlyFailing finds the streams all of whose runs have failed for longer than grace. Those of a lane that waits for
// something wait with it.
func (s Snapshot) OnlyFailing(now time.Time, grace time.Duration) (out []*Problem) {
	for _, one := range s.Streams {
		if s.State == breaker.Running && one.onlyFailing(now, grace) {
			out = append(out, one.failing(now))
		}
	}
	return out
}

func (s *Stream) onlyFailing(now time.Time, grace time.Duration) bool {
	return grace > 0 && s.Failing != nil && s.FailingSince != nil && now.Sub(time.UnixMilli(*s.FailingSince)) > grace
}

// failing is the problem of a stream whose last run failed.
func (s *Stream) failing(now time.Time) *Problem {
	p := &Problem{Code: CodePullFailing, Text: "stream " + s.Stream + " of pull fails: " + *s.Failing,
		Cure: "see why: journalctl -u leadsync | grep 'pull run failed'; it is tried again by itself, and nothing is lost meanwhile"}
	if s.FailingSince != nil {
		p.Text += ", for " + Elapsed(now.Sub(time.UnixMilli(*s.FailingSince)))
	}
	if s.LastRunAt != nil {
		p.Text += "; its last good run was at " + Clock(*s.LastRunAt)
	}
	if *s.Failing == "scope_missing" {
		p.Cure = "grant the missing scopes to the app in HubSpot and connect again: leadsync auth login"
	}
	return p
}
