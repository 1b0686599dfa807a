package hubspot

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Kind is which of HubSpot's counters a request falls under.
type Kind int

// Search has a counter of its own and is exempt from the window, but not from the day.
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, x-hubspot-rate-limit-exemptions of the contacts
// description (read 2026-11-22).
const (
	KindGeneral Kind = iota
	KindSearch
)

func kindOf(req *http.Request) Kind {
	if strings.HasSuffix(req.URL.EscapedPath(), "/search") { // escaped: an address in a path may hold a slash
		return KindSearch
	}
	return KindGeneral
}

// LimiterConfig is the account's budget as configured.
type LimiterConfig struct {
	PerWindow       int           // requests per Window; 0 = no limit
	Window          time.Duration // 0 = 10 s
	Share           float64       // part of PerWindow and Daily that is ours; 0 or over 1 = 1
	SearchPerSecond int           // 0 = no limit
	Daily           int           // requests a day, see SetDaily; 0 = no limit
	DailyBlock      int           // requests of the day that are reserved at once; 0 = 100
	Log             *slog.Logger
}

// Limiter lets requests start at an even pace under HubSpot's rolling window. It is safe for concurrent use and owns no
// goroutine.
//
// Three things bound a start: the pace (one interval after the slot before, so that an urgent request never waits for a
// window to empty), a ring of the last starts (never more than the limit in any window and its guard), and holds. Up to
// three slots that a late timer or an idle moment left behind are caught up at once; what that takes out of a later
// window is spread over the steps before it, none longer than an interval and a tenth. Waiters are served by priority,
// then in order of arrival; pull has one slot in twenty.
//
// Design: golang.org/x/time/rate was rejected, because its bucket lets twice the limit through in a window that begins
// with a full bucket, and it knows no priorities. A goroutine that hands out slots was rejected for a timer that only
// runs while somebody waits.
type Limiter struct {
	log    *slog.Logger
	share  float64
	jitter time.Duration // after midnight, so that not all daemons start at once

	mu        sync.Mutex
	general   lane
	search    lane
	perWindow int // configured
	others    float64
	othersAt  time.Time
	hold      hold
	migration time.Time // nobody passes and nobody waits before
	day       day
}

type hold struct {
	until  time.Time
	reason string
}

// NewLimiter makes a Limiter with an empty window.
func NewLimiter(cfg LimiterConfig) *Limiter {
	if cfg.Window <= 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Share <= 0 || cfg.Share > 1 {
		cfg.Share = 1
	}
	if cfg.DailyBlock <= 0 {
		cfg.DailyBlock = dailyBlock
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{
		log:       cfg.Log,
		share:     cfg.Share,
		jitter:    5*time.Second + rand.N(time.Minute),
		perWindow: cfg.PerWindow,
		day:       day{limit: cfg.Daily, block: cfg.DailyBlock, turn: make(chan struct{}, 1)},
	}
	l.general = newLane(cfg.Window, cfg.PerWindow, part(cfg.PerWindow, cfg.Share))
	l.search = newLane(time.Second, cfg.SearchPerSecond, cfg.SearchPerSecond)
	l.search.slot = time.Now() // the process before may have searched a moment ago: its pace is kept
	return l
}

// part is floor(n*share), at least 1 where n is; 0 stays 0, which means no limit.
func part(n int, share float64) int {
	if n <= 0 {
		return 0
	}
	return max(1, int(float64(n)*share+1e-9))
}

// ticket names a start that was let through; 0 = none.
type ticket uint64

// Wait returns nil when the request may start, at once. It returns the context's error when that ends first, a
// *RateLimitError with Daily when the day is used up, and an *Error of status 477 while the account migrates: both last
// too long to wait in place.
func (l *Limiter) Wait(ctx context.Context, p Priority, kind Kind) error {
	_, err := l.wait(ctx, p, kind)
	return err
}

func (l *Limiter) wait(ctx context.Context, p Priority, kind Kind) (ticket, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := l.takeDaily(ctx); err != nil {
		return 0, err
	}
	w := &waiter{ready: make(chan struct{})}
	l.mu.Lock()
	ln := l.lane(kind)
	ln.push(w, p)
	l.dispatch(ln)
	l.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if !w.done { // otherwise the slot was ours a moment ago: use it, the request will end by itself
			ln.remove(w, p)
			l.returnDaily()
			l.dispatch(ln) // stops the timer when nobody waits
			return 0, ctx.Err()
		}
	}
	return w.ticket, w.err
}

func (l *Limiter) lane(kind Kind) *lane {
	if kind == KindSearch {
		return &l.search
	}
	return &l.general
}

// dispatch lets through everybody whose time has come and sets the timer for the next one. The lock is held.
func (l *Limiter) dispatch(ln *lane) {
	for ln.waiting > 0 {
		now := time.Now()
		if err := l.closed(now); err != nil {
			ln.failAll(err)
			for range ln.failed {
				l.returnDaily()
			}
			break
		}
		at := ln.earliest(now, l.allowed(ln, now))
		if l.hold.until.After(at) {
			at = l.hold.until
		}
		if at.After(now) {
			ln.wakeAt(at.Sub(now), func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.dispatch(ln)
			})
			return
		}
		ln.grant(now, l.allowed(ln, now))
	}
	ln.sleep()
}

// closed is the error for everybody while a long hold lasts.
func (l *Limiter) closed(now time.Time) error {
	if wait := l.migration.Sub(now); wait > 0 {
		return &Error{Status: statusMigrating, RetryAfter: wait}
	}
	if l.day.refusedUntil.After(now) {
		return l.dayError(now)
	}
	return nil // who waits has been counted: the count cannot close the day for them
}

// allowed is how many starts a window may hold right now: our share, or what other users of the same app leave of the
// whole.
func (l *Limiter) allowed(ln *lane, now time.Time) int {
	if ln != &l.general || ln.limit == 0 {
		return ln.limit
	}
	others := l.othersNow(now)
	if others == 0 {
		return ln.limit
	}
	return max(1, min(ln.limit, ln.max-othersMargin-int(math.Ceil(others))))
}

// othersNow is the estimate of other users' requests in the window; it fades over one window, and new answers renew it.
func (l *Limiter) othersNow(now time.Time) float64 {
	age := now.Sub(l.othersAt)
	if l.others == 0 || age >= l.general.window {
		return 0
	}
	return l.others * (1 - float64(age)/float64(l.general.window))
}

// Hold lets nobody pass before until; those who come wait. Only a later time replaces a hold. With the reason
// string(ClassMigrating) they get an error instead, since that may last a day.
func (l *Limiter) Hold(until time.Time, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reason == string(ClassMigrating) {
		if until.After(l.migration) {
			l.migration = until
		}
	} else if until.After(l.hold.until) {
		l.hold = hold{until, reason}
	}
	l.dispatchAll()
}

func (l *Limiter) dispatchAll() {
	l.dispatch(&l.general)
	l.dispatch(&l.search)
}

// slowest is the fastest pace of a window that counts as full.
const slowest = time.Second

// AssumeFull counts the window as full, for the successor of an owner that died: until a window has gone by, or until
// an answer says that there is room, requests start at a trickle. It takes no more of a window than our share leaves of
// the whole, so that together with all that the dead one may have sent HubSpot's limit is kept; where our share is the
// whole, nobody passes. The first one waits as long as each other, so that of owners that die one after the other not
// each begins with one.
func (l *Limiter) AssumeFull() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.general.limit > 0 {
		l.general.fullUntil = time.Now().Add(l.general.window + guard)
		if spare := l.general.max - l.general.limit; spare > 0 {
			l.general.trickle = max(slowest, (l.general.window+guard)/time.Duration(spare))
			l.general.trickleAt = time.Now().Add(l.general.trickle)
		}
		l.search.fullUntil = time.Now().Add(l.search.window + searchGuard)
		l.dispatchAll()
	}
}

// Budget is what status shows. A limit of 0 means that there is none.
type Budget struct {
	WindowUsed, WindowLimit int
	DailyUsed, DailyLimit   int
	DailyKnown              bool      // false until the first request has read the count of the day
	HeldUntil               time.Time // zero = not held
	HeldFor                 string    // rate_limited, migrating, daily_limit, or the reason given to Hold
}

// Budget tells how much of the window and of the day is used, and what holds the requests up.
func (l *Limiter) Budget() Budget {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	b := Budget{
		WindowUsed:  l.general.usedAt(now),
		WindowLimit: l.general.limit,
		DailyUsed:   l.day.usedOn(now),
		DailyLimit:  l.dailyLimit(),
		DailyKnown:  l.day.known,
	}
	if l.general.fullUntil.After(now) {
		b.WindowUsed = b.WindowLimit
	}
	switch {
	case l.migration.After(now):
		b.HeldUntil, b.HeldFor = l.migration, string(ClassMigrating)
	case l.dayClosed(now) != nil:
		b.HeldUntil, b.HeldFor = l.dayOpens(now), string(ClassDaily)
	case l.hold.until.After(now):
		b.HeldUntil, b.HeldFor = l.hold.until, l.hold.reason
	}
	return b
}
