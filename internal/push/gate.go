package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
)

// Condition is how the lane of a portal stands, in the words of `status --json`.
type Condition string

// The conditions.
const (
	Running    Condition = "running"
	Limited    Condition = "limited"     // HubSpot's own limit, it passes by itself
	Paused     Condition = "paused"      // a person must act, the lane probes
	NeedsLogin Condition = "needs_login" // the token is refused
	Degraded   Condition = "degraded"    // an outage; tried again with backoff
	Down       Condition = "down"        // the database or the lease is away
)

// Sentinels that Store.Trouble returns.
var (
	// ErrDatabaseAway: the database cannot be reached, is full or read-only. It costs time and nothing else.
	ErrDatabaseAway = errors.New("database away")
	// ErrLeaseLost: another daemon owns the portal now; what was in memory is dropped.
	ErrLeaseLost = errors.New("portal lease lost")
	// errMayNotSend: the lease would not outlive the request.
	errMayNotSend = errors.New("the portal lease does not outlive a request")
)

// AwayError is ErrDatabaseAway with the cause in a few words, which name no row.
type AwayError struct {
	Cause string
	Full  bool // there is no space left
}

func (e *AwayError) Error() string { return ErrDatabaseAway.Error() + ": " + e.Cause }

// Unwrap makes the error match ErrDatabaseAway.
func (e *AwayError) Unwrap() error { return ErrDatabaseAway }

// WrongAccountError stops the lane: the token belongs to another HubSpot account than the one whose contacts the links name.
type WrongAccountError struct{ Want, Have int64 }

func (e *WrongAccountError) Error() string {
	return fmt.Sprintf("the token belongs to HubSpot account %d, this portal to %d: use a token of %d, or another database or portal name for %d", e.Have, e.Want, e.Want, e.Have)
}

// gate decides whether the lane may send. Trouble closes it for a while; the first success opens it. Safe for concurrent use.
type gate struct {
	log      *slog.Logger
	schedule backoff.Schedule

	mu      sync.Mutex
	cond    Condition
	cause   string
	since   time.Time
	until   time.Time
	fails   int // in a row, without a success between
	counted time.Time
	// freshAt is when leads that have not failed may go, until when those that have; freshFails are the requests in a row that held the first
	// kind alone. probe is the most leads in a request while the trouble lasts, 0 = any number.
	freshAt    time.Time
	freshFails int
	probe      int
	okAt       map[string]time.Time // of the last success, by operation
	lastWrite  time.Time            // of the last accepted write request
	lastGood   time.Time            // of the last answered request
	braked     bool                 // paused by the brake: only the brake's own probe opens it
	kind       string               // what the trouble is about, see Kind...; empty = nothing special
	cure       string               // what the trouble itself says would help; empty = cure() of its class
	token      bool                 // no request was sent: there is no token
	told       time.Time            // when the condition was last in the log
	unsettled  bool                 // the database took no settlement: that it can be read proves nothing
	changed    chan struct{}
}

func newGate(log *slog.Logger, s backoff.Schedule, now time.Time) *gate {
	return &gate{log: log, schedule: s, cond: Running, since: now, okAt: map[string]time.Time{}, changed: make(chan struct{})}
}

// wroteWell notes an accepted write request.
func (g *gate) wroteWell(op string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastWrite, g.lastGood, g.okAt[op] = now, now, now
}

// readWell notes an answered reading.
func (g *gate) readWell(op string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.okAt[op] = now
}

// wroteSince reports whether a write of the portal, or a request of the operation where one is named, succeeded after t and within the last
// minute.
func (g *gate) wroteSince(op string, t, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	last := g.lastWrite
	if op != "" {
		last = g.okAt[op]
	}
	return last.After(t) && now.Sub(last) <= time.Minute
}

// good notes an answered request; after trouble it opens the gate.
func (g *gate) good(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lastGood = now
	g.fails, g.unsettled = 0, false
	if !g.braked {
		g.freshFails, g.probe = 0, 0
	}
	if g.cond == Running || g.braked {
		return
	}
	g.log.Info(observe.PushRecovered, "condition", string(g.cond), "elapsed", now.Sub(g.since).Round(time.Millisecond))
	g.set(Running, "", now, time.Time{})
}

// scopeRetry is how long after a 403 MISSING_SCOPES it is tried again by itself; a login tries at once.
const scopeRetry = time.Hour

// trouble closes the gate for as long as trouble calls for that holds for all.
func (g *gate) trouble(err error, now time.Time) { g.fail(err, now, failure{}) }

// fail closes the gate for as long as the trouble calls for: for all, or for suspects alone.
func (g *gate) fail(err error, now time.Time, what failure) {
	class := hubspot.Classify(err)
	cond, cause, until := Degraded, string(class), time.Time{}
	var other *WrongAccountError
	var backwards *IDsBackwardsError
	token, isToken := errors.AsType[*hubspot.TokenError](err)
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := hubspot.RetryAfter(err)
	switch {
	case errors.Is(err, ErrDatabaseAway):
		cond, cause = Down, "database"
		if away, ok := errors.AsType[*AwayError](err); ok {
			cause += ": " + away.Cause
		}
	case errors.Is(err, ErrLeaseLost), errors.Is(err, errMayNotSend):
		cond, cause = Down, causeLease
	case errors.As(err, &other):
		cond, cause = Paused, other.Error()
	case errors.As(err, &backwards):
		cond, cause = Paused, err.Error()
	case class == hubspot.ClassRateLimited:
		cond, until = Limited, now.Add(max(wait, time.Second))
	case class == hubspot.ClassDaily:
		cond, until = Limited, now.Add(max(wait, time.Minute))
	case class == hubspot.ClassMigrating:
		cond, until = Limited, now.Add(max(wait, time.Minute))
	case class == hubspot.ClassLocked:
		wait = max(wait, lockedWait)
	case class == hubspot.ClassLocal:
		cause += ": " + hubspot.LocalCause(err)
	case class == hubspot.ClassUnauthorized:
		cond = NeedsLogin
	case class == hubspot.ClassForbidden && isToken:
		cond, cause = Paused, token.Err.Error()
	case class == hubspot.ClassScope:
		cond, until = Paused, now.Add(scopeRetry)
		if scopes := hubspot.ScopesOf(err); len(scopes) > 0 {
			cause += ": " + strings.Join(scopes, ", ")
		}
	case class == hubspot.ClassForbidden:
		cond = Paused
	}
	if now.Sub(g.counted) > 0 || g.fails == 0 { // requests that fail together are one failure
		g.fails++
		g.counted = now.Add(g.schedule.Delay(g.fails) / 2)
	}
	if cond == Degraded && g.fails < 2 && until.IsZero() {
		until = now.Add(max(wait, g.schedule.Delay(1)/2))
	}
	if until.IsZero() {
		until = now.Add(max(wait, g.schedule.Delay(g.fails)))
	}
	if g.braked && cond == Degraded { // the brake's word is the graver one
		return
	}
	until, freshAt := g.admit(what, now, until)
	kind := kindOf(cond, class, err)
	hint, own := cure(cond, class, cause), ""
	switch kind {
	case KindNetwork:
		hint, own = cureNetwork, cureNetwork
	case KindLocal:
		own = cureLocal(err)
		hint = own
	case KindDefect:
		hint, own = cureDefect, cureDefect
	}
	if away, ok := errors.AsType[*AwayError](err); ok && away.Full {
		hint, own = cureFull, cureFull
	}
	if says, ok := errors.AsType[interface {
		error
		Cure() string
	}](err); ok {
		hint, own = says.Cure(), says.Cure()
	}
	if cond == g.cond && cause == g.cause {
		if until.After(g.until) || freshAt.After(g.freshAt) {
			g.until, g.freshAt = latest(g.until, until), latest(g.freshAt, freshAt)
			g.wake()
		}
		g.kind, g.cure, g.token = kind, own, isToken
		if cond != NeedsLogin || now.Sub(g.told) < tellAgain {
			return
		}
	} else {
		g.set(cond, cause, now, until)
		g.kind, g.cure, g.token, g.freshAt = kind, own, isToken, freshAt
	}
	g.told = now
	level, message := slog.LevelWarn, observe.PushDegraded
	switch cond { // a person must act
	case NeedsLogin:
		level, message = slog.LevelError, observe.AuthorizationRequired
	case Paused:
		level = slog.LevelError
	}
	g.log.Log(context.Background(), level, message, "condition", string(cond), observe.Class, cause,
		observe.RetryIn, until.Sub(now).Round(time.Millisecond), observe.Hint, hint, observe.Err, err)
}

// admit says when suspects and when others may go, after a failure for which the gate would be closed for all until then.
func (g *gate) admit(what failure, now, until time.Time) (suspects, others time.Time) {
	switch {
	case what.leads == 0: // it holds for all
		return until, until
	case what.leads > 1: // the next one is smaller
		g.probe = max(1, what.leads/2)
		return now.Add(narrowWait), now.Add(narrowWait)
	case !what.fresh && g.freshFails < outageLeast && !what.many:
		g.probe = 1
		return until, g.freshAt
	case what.fresh:
		g.freshFails++
	}
	g.probe = 1
	switch {
	case g.freshFails >= outageLeast && what.many:
		return until, until.Add(suspectsFirst)
	case g.freshFails >= outageLeast:
		return until, until
	}
	return until, earliest(until, now.Add(g.schedule.Delay(1)/2))
}

// suspectsFirst is how much earlier leads that failed are asked than others in an outage of which very many are remembered.
const suspectsFirst = 20 * time.Second

// outageLeast is how many different leads must have failed alone in a row, and nothing succeeded, before that is an outage and no fault of
// theirs.
const outageLeast = 3

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// probing reports how many leads a request may hold, and that one at a time is enough, because the last ones failed; 0 = no bound.
func (g *gate) probing() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.probe
}

// freshIn is how long leads that have not failed wait still.
func (g *gate) freshIn(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.freshAt.Sub(now))
}

// suspectsIn is how long suspects wait still.
func (g *gate) suspectsIn(now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, g.until.Sub(now))
}

// tellAgain is how often a lane that waits for a login says so.
const tellAgain = time.Hour

// tokenBack says that there is a token again, after a login or when its trouble has passed: what was for want of one is over, and
// other trouble that a person may just have mended is tried at once.
func (g *gate) tokenBack(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.cond == NeedsLogin, g.token:
		g.log.Info(observe.PushRecovered, "condition", string(g.cond), "elapsed", now.Sub(g.since).Round(time.Millisecond))
		g.fails, g.freshFails, g.probe = 0, 0, 0
		g.set(Running, "", now, time.Time{})
	case g.cond == Paused && !g.braked:
		g.until, g.freshAt = now, now
		g.wake()
	}
}

// causeLease is the cause of a lane whose owner lost the portal, or may have.
const causeLease = "lease"

// cure is the one thing that would help.
func cure(c Condition, class hubspot.Class, cause string) string {
	switch {
	case c == NeedsLogin:
		return "HubSpot refuses the token: run `leadsync auth login`, and it goes on by itself; in auth.mode static put a valid one into the token file, and under systemd then: systemctl restart leadsync"
	case class == hubspot.ClassScope:
		return "grant the missing scopes to the app in HubSpot; it is tried again by itself"
	case class == hubspot.ClassForbidden:
		return "check hubspot.base_url, the app's permissions in HubSpot, and proxies on the way"
	case c == Paused:
		return "do what the cause says; it is tried again by itself"
	case class == hubspot.ClassDaily:
		return "the account's requests of the day are used up; it goes on after midnight of the account's time zone"
	case class == hubspot.ClassMigrating:
		return "HubSpot moves the account to another data centre; it goes on by itself"
	case c == Limited, class == hubspot.ClassLocked:
		return "wait: HubSpot's limit passes by itself; when it lasts, other apps of the account use it up: see its API usage in HubSpot, lower the load or hubspot.limits, or take a larger plan"
	case c == Down && cause == causeLease:
		return "nothing: another daemon serves the portal, or this one could not renew its lease in time, because the database was slow or this " +
			"machine was suspended; it goes on by itself"
	case c == Down:
		return "start or repair the database; it goes on by itself"
	}
	return "HubSpot or the way to it is away; it is tried again by itself"
}

// lockedWait: a record stays locked for 2 seconds after many writes.
// https://developers.hubspot.com/docs/api-reference/error-handling (read 2026-11-22)
const lockedWait = 2 * time.Second

// pause closes the gate until somebody acts: rows that showed the fault are asked again every probeEvery, and of the others one at a time,
// the later the more of them have shown it.
func (g *gate) pause(cause string, now time.Time, fresh bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.braked || g.cause != cause {
		g.log.Error(observe.PushPaused, observe.Reason, cause, observe.Until, now.Add(probeEvery).UTC())
		g.set(Paused, cause, now, now.Add(probeEvery))
		g.braked, g.kind, g.freshFails = true, KindRule, 0
	}
	if g.probe = 1; fresh {
		g.freshFails++
		g.freshAt = now.Add(probeWait(g.freshFails))
	} else {
		g.until = now.Add(probeEvery)
	}
	g.wake()
}

// probeWait is how long after that many rows in a row that showed the fault the next one is asked for that has not: the first ones soon, since
// a few bad rows must not stop the good ones, then ever later, since it is a rule.
func probeWait(n int) time.Duration {
	const soon = 8
	if n <= soon {
		return probeEvery / 60
	}
	return min(probeEvery, probeEvery/60<<min(n-soon, 10))
}

// settleFailed notes that what HubSpot did could not be recorded. One job at a time finds out when it can, so that a disk that is full
// for hours does not let everything that waits be sent and forgotten.
func (g *gate) settleFailed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.unsettled = true
}

func (g *gate) cannotSettle() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unsettled
}

// databaseBack opens a gate that the database had closed. nothing: no lead waits, so that no job will find out.
func (g *gate) databaseBack(now time.Time, nothing bool) {
	g.mu.Lock()
	closed := g.cond == Down && (!g.unsettled || nothing)
	g.mu.Unlock()
	if closed {
		g.good(now)
	}
}

// resume opens a paused gate.
func (g *gate) resume(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.braked {
		return
	}
	g.log.Info(observe.PushResumed, observe.PausedFor, now.Sub(g.since).Round(time.Second), observe.Reason, g.cause)
	g.freshFails, g.probe = 0, 0
	g.set(Running, "", now, time.Time{})
}

func (g *gate) set(c Condition, cause string, now, until time.Time) {
	g.braked, g.token, g.kind, g.cure = false, false, "", ""
	g.cond, g.cause, g.since, g.until, g.freshAt = c, cause, now, until, until
	g.wake()
}

func (g *gate) wake() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// state is a copy of what the gate knows.
func (g *gate) state() Status {
	g.mu.Lock()
	defer g.mu.Unlock()
	word, _, _ := strings.Cut(g.cause, ":")
	s := Status{Condition: g.cond, Kind: g.kind, Cause: g.cause, Since: g.since, Until: g.until, LastGood: g.lastGood}
	switch {
	case g.cond == Running:
	case g.braked:
		s.Cure = "mend what the cause names, in HubSpot or in the mapping; the lane probes with one row a minute and goes on by itself"
	case g.cure != "":
		s.Cure = g.cure
	default:
		s.Cure = cure(g.cond, hubspot.Class(word), g.cause)
	}
	return s
}

// closedFor returns how long the gate stays closed for all and a channel that is closed when that changes. Zero: it is open, at least for
// leads that have not failed.
func (g *gate) closedFor(now time.Time) (time.Duration, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(0, earliest(g.until, g.freshAt).Sub(now)), g.changed
}

// wait returns when the gate is open or the context ends. It calls turn at least every beatEvery.
func (g *gate) wait(ctx context.Context, now func() time.Time, turn func()) error {
	for {
		turn()
		d, changed := g.closedFor(now())
		if d <= 0 {
			return ctx.Err()
		}
		t := time.NewTimer(min(d, beatEvery))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		case <-changed:
			t.Stop()
		}
	}
}
