// Package breaker decides whether a portal may send; and if not, why, until when, and what would help.
//
// Guarantee: trouble that everybody would meet (a limit, the token, the database, the lease) closes the lane for all,
// and the first success opens it. Trouble of unknown reach closes it for the leads that met it alone, while others
// probe, one request at a time: only when different ones fail in a row is it an outage for all. Nothing is sent between
// two probes of a pause. A refusal that meets most rows alike is taken for a rule of the portal, and no row is dead of
// it.
//
// It sends nothing, knows no rows and keeps no lead waiting by itself: who sends asks OpenFor before, and reports
// after.
//
// Design: a circuit breaker in the usual sense, closed while work runs and open while it does not, whose half-open
// state is per kind of lead. What an error means stands in one function without side effects, Judge, so that a table
// shows all verdicts. The rejected way was to let each caller find out from the text that is displayed: a cause of
// other words then got another cure.
package breaker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/observe"
)

const (
	// NarrowWait is how soon a failing batch is asked for again in a smaller one.
	NarrowWait = 100 * time.Millisecond
	// OutageLeast is how many different leads must have failed alone in a row, and nothing succeeded, before that is an
	// outage and no fault of theirs.
	OutageLeast = 3
	// suspectsFirst is how much earlier leads that failed are asked than others in an outage of which very many are
	// remembered.
	suspectsFirst = 20 * time.Second
	// sayAgain is how often a lane that waits for a login says so.
	sayAgain = time.Hour
)

// Config is what a Breaker needs.
type Config struct {
	Log   *slog.Logger
	Waits backoff.Schedule // while HubSpot or the database is away
	Now   func() time.Time // nil = time.Now
}

// Breaker says whether the lane may send. Trouble opens it for a while, as one says of a circuit; the first success
// closes it. Safe for concurrent use.
type Breaker struct {
	cfg Config

	mu        sync.Mutex // guards what follows
	verdict   Verdict    // State is Running while there is no trouble
	since     time.Time
	until     time.Time // when leads that have failed may go
	fails     int       // in a row, without a success between
	countedTo time.Time // failures before are one with the last that was counted
	// freshAt is when leads that have not failed may go; freshFails are the requests in a row that held such alone,
	// aloneFails those that held one that had failed. probe is the most leads in a request while the trouble lasts, 0 =
	// any number.
	freshAt    time.Time
	freshFails int
	aloneFails int
	probe      int

	succeededAt map[string]time.Time // by operation
	lastWrite   time.Time            // of the last accepted write request
	lastGood    time.Time            // of the last answered request
	paused      bool                 // by Pause: only Resume ends it
	saidAt      time.Time            // when the state was last in the log
	unsettled   bool                 // the database took no settlement: that it can be read proves nothing
	changed     chan struct{}        // closed when the waits change
}

// New returns a Breaker that lets everything through.
func New(cfg Config) *Breaker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Breaker{cfg: cfg, verdict: Verdict{State: Running}, since: cfg.Now(), succeededAt: map[string]time.Time{},
		changed: make(chan struct{})}
}

// Narrowed is how many leads the next request may hold after one of n that ended without a word about any of them.
// Tenths find the one that is at fault in two steps where halves take seven, and each step may cost a whole time-out:
// it is the time of its neighbours.
func Narrowed(n int) int { return max(1, (n+9)/10) }

// Failure is what a request's end says of the trouble it ended with. The zero value is trouble that holds for all.
type Failure struct {
	Leads int  // in the request; 0 = the trouble holds for all
	Fresh bool // one of them had not failed before
	Many  bool // so many have failed that no further ones are asked before them: memory is bounded
}

// WriteSucceeded notes an accepted write request of an operation, as package hubspot names them.
func (b *Breaker) WriteSucceeded(op string) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lastWrite, b.lastGood, b.succeededAt[op] = now, now, now
}

// ReadSucceeded notes an answered reading.
func (b *Breaker) ReadSucceeded(op string) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.succeededAt[op] = now
}

// SucceededSince reports whether a write of the portal, or a request of the operation where one is named, succeeded
// after t and within the last minute.
func (b *Breaker) SucceededSince(op string, t time.Time) bool {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	last := b.lastWrite
	if op != "" {
		last = b.succeededAt[op]
	}
	return last.After(t) && now.Sub(last) <= time.Minute
}

// Succeed notes a request that was answered and settled; it ends trouble, but for a pause.
func (b *Breaker) Succeed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.succeed(b.cfg.Now())
}

func (b *Breaker) succeed(now time.Time) {
	b.lastGood = now
	b.fails, b.unsettled = 0, false
	if !b.paused {
		b.freshFails, b.aloneFails, b.probe = 0, 0, 0
	}
	if b.verdict.State == Running || b.paused {
		return
	}
	b.recovered(now)
}

// recovered ends the trouble and says so.
func (b *Breaker) recovered(now time.Time) {
	b.cfg.Log.Info(observe.PushRecovered, "condition", string(b.verdict.State), observe.Elapsed, now.Sub(b.since).Round(time.Millisecond))
	b.set(Verdict{State: Running}, now, time.Time{})
}

// Fail opens the breaker for all, for as long as the trouble calls for.
func (b *Breaker) Fail(err error) { b.FailFor(err, Failure{}) }

// FailFor opens the breaker for all, or only for the leads that failed.
func (b *Breaker) FailFor(err error, f Failure) {
	v, now := Judge(err), b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.countedTo) > 0 || b.fails == 0 { // requests that fail together are one failure
		b.fails++
		b.countedTo = now.Add(b.cfg.Waits.Delay(b.fails) / 2)
	}
	until := now.Add(b.wait(v))
	if b.paused && v.State == Degraded { // the pause is the graver one
		return
	}
	until, freshAt := b.admit(f, now, until, v.Exact || v.Wait > 0)
	if v.State == b.verdict.State && v.Cause == b.verdict.Cause {
		if until.After(b.until) || freshAt.After(b.freshAt) {
			b.until, b.freshAt = latest(b.until, until), latest(b.freshAt, freshAt)
			b.wake()
		}
		b.verdict = v
		if v.State != NeedsLogin || now.Sub(b.saidAt) < sayAgain {
			return
		}
	} else {
		b.set(v, now, until)
		b.freshAt = freshAt
	}
	b.saidAt = now
	level, message := slog.LevelWarn, observe.PushDegraded
	switch v.State { // a person must act
	case NeedsLogin:
		level, message = slog.LevelError, observe.AuthorizationRequired
	case Paused:
		level = slog.LevelError
	}
	b.cfg.Log.Log(context.Background(), level, message, "condition", string(v.State), observe.Class, v.Cause,
		observe.RetryIn, until.Sub(now).Round(time.Millisecond), observe.Hint, v.Cure, observe.Err, err)
}

// wait is how long the trouble keeps the breaker open. A first failure without a word about it is short.
func (b *Breaker) wait(v Verdict) time.Duration {
	switch {
	case v.Exact:
		return v.Wait
	case v.State == Degraded && b.fails < 2:
		return max(v.Wait, b.cfg.Waits.Delay(1)/2)
	}
	return max(v.Wait, b.cfg.Waits.Delay(b.fails))
}

// admit says when leads that failed and when others may go, after a failure for which the breaker would be open for all
// until then; said: HubSpot said how long.
func (b *Breaker) admit(f Failure, now, until time.Time, said bool) (suspects, others time.Time) {
	switch {
	case f.Leads == 0: // it holds for all
		return until, until
	case f.Leads > 1: // the next one is smaller
		b.probe = Narrowed(f.Leads)
		return now.Add(NarrowWait), now.Add(NarrowWait)
	case !f.Fresh && b.freshFails < OutageLeast && !f.Many:
		b.probe = 1
		if b.aloneFails++; b.aloneFails < OutageLeast && !said {
			until = now.Add(NarrowWait) // others of its batch are not at fault for that
		}
		return until, b.freshAt
	case f.Fresh:
		b.freshFails++
	}
	b.probe = 1
	switch {
	case b.freshFails >= OutageLeast && f.Many:
		return until, until.Add(suspectsFirst)
	case b.freshFails >= OutageLeast:
		return until, until
	}
	return until, earliest(until, now.Add(b.cfg.Waits.Delay(1)/2))
}

// TokenRenewed says that there is a token again, after a login or when its trouble has passed: what was for want of one
// is over, and other trouble that a person may just have mended is tried at once.
func (b *Breaker) TokenRenewed() {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.verdict.State == NeedsLogin, b.verdict.Token:
		b.fails, b.freshFails, b.aloneFails, b.probe = 0, 0, 0, 0
		b.recovered(now)
	case b.verdict.State == Paused && !b.paused:
		b.until, b.freshAt = now, now
		b.wake()
	}
}

// SettleFailed notes that what HubSpot did could not be recorded. One job at a time finds out when it can, so that a
// disk that is full for hours does not let everything that waits be sent and forgotten.
func (b *Breaker) SettleFailed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unsettled = true
}

// Unsettled reports whether nothing was recorded since SettleFailed.
func (b *Breaker) Unsettled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unsettled
}

// DatabaseAnswered closes a breaker that the database had opened. idle: no lead waits, so that no job will find out.
func (b *Breaker) DatabaseAnswered(idle bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.verdict.State == Down && (!b.unsettled || idle) {
		b.succeed(b.cfg.Now())
	}
}

// Status is a copy of what is known.
func (b *Breaker) Status() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.verdict
	return Status{State: v.State, Kind: v.Kind, Cause: v.Cause, Cure: v.Cure, Since: b.since, Until: b.until, LastGood: b.lastGood}
}

func (b *Breaker) set(v Verdict, now, until time.Time) {
	b.paused, b.verdict, b.since, b.until, b.freshAt = false, v, now, until, until
	b.wake()
}

func (b *Breaker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

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
