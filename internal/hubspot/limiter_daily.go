package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// DailyStore keeps the count of a day across restarts and between processes of one portal.
type DailyStore interface {
	// ReserveDaily adds block to the count of day (YYYY-MM-DD in the account's zone) and returns what it was before.
	ReserveDaily(ctx context.Context, day string, block int) (usedBefore int, err error)
}

// dailyBlock is how many requests a daemon reserves at once: a crash loses at most so many, and one write serves a
// hundred requests. A command that asks a few times wants smaller blocks.
const dailyBlock = 100

// shortAfterMidnight is how long after our midnight HubSpot's counter may still show the old day.
const shortAfterMidnight = 5 * time.Minute

// day counts requests of one day. Fields are under the limiter's lock, but turn, which one reserving caller holds.
type day struct {
	store DailyStore
	zone  *time.Location // nil = UTC
	limit int            // configured; 0 = no limit
	block int            // reserved at once
	turn  chan struct{}

	name         string
	used         int  // ours, from the store's count
	reserved     int  // left of the block
	known        bool // the store has told its count once
	statedLimit  int  // from the headers, which only static tokens get
	statedUsed   int  // all apps of the account
	refusedUntil time.Time
}

// SetDaily sets where the count is kept, the account's time zone (nil = UTC), and the account's daily limit before
// Share; 0 = no limit. The counter resets at the account's midnight:
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22).
func (l *Limiter) SetDaily(store DailyStore, zone *time.Location, limit int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.day.store == nil {
		l.day.name = "" // what was counted without a store is in none
	}
	l.day.store, l.day.zone, l.day.limit = store, zone, limit // a zone in which it is another day has a block of its own
}

// takeDaily counts one request, and reserves a block when the last one is used up. Midnight may come in between and
// void a block, so it reserves again.
func (l *Limiter) takeDaily(ctx context.Context) error {
	if taken, err := l.takeReserved(); taken || err != nil {
		return err
	}
	select {
	case l.day.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.day.turn }()
	for {
		if taken, err := l.takeReserved(); taken || err != nil {
			return err // perhaps out of the block of the one before us
		}
		l.mu.Lock()
		store, name := l.day.store, l.day.name
		l.mu.Unlock()
		if store == nil || name == "" {
			continue // SetDaily came in between
		}
		before, err := store.ReserveDaily(ctx, name, l.day.block)
		if err != nil {
			return &unsentError{fmt.Errorf("reserve daily requests: %w", err)}
		}
		l.mu.Lock()
		if l.day.name == name {
			l.day.used, l.day.reserved, l.day.known = before, l.day.block, true
		}
		l.mu.Unlock()
	}
}

// takeReserved takes one request out of the block, if there is one or none is needed.
func (l *Limiter) takeReserved() (taken bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.day.roll(now)
	if err := l.dayClosed(now); err != nil {
		return false, err
	}
	if l.day.store != nil {
		if l.day.reserved == 0 {
			return false, nil
		}
		l.day.reserved--
	}
	l.day.used++
	l.day.statedUsed++
	return true, nil
}

// returnDaily gives back a request that was never sent. The lock is held.
func (l *Limiter) returnDaily() {
	if l.day.used == 0 {
		return // the day changed meanwhile
	}
	l.day.used--
	l.day.statedUsed = max(0, l.day.statedUsed-1)
	if l.day.store != nil {
		l.day.reserved++
	}
}

// dayClosed is the error while the day is used up: by HubSpot's word first, then by its headers, then by our count.
func (l *Limiter) dayClosed(now time.Time) error {
	if !l.day.refusedUntil.After(now) {
		limit := l.dailyLimit()
		if limit == 0 || l.day.usedOn(now) < limit {
			return nil
		}
	}
	return l.dayError(now)
}

func (l *Limiter) dayError(now time.Time) error {
	return &RateLimitError{Policy: PolicyDaily, Daily: true, RetryAfter: l.dayOpens(now).Sub(now)}
}

func (l *Limiter) dayOpens(now time.Time) time.Time {
	if l.day.refusedUntil.After(now) {
		return l.day.refusedUntil
	}
	return l.day.midnight(now).Add(l.jitter)
}

// dailyLimit is our share of the smaller of the configured and the stated limit; 0 = none.
func (l *Limiter) dailyLimit() int {
	limit := l.day.limit
	if stated := l.day.statedLimit; stated > 0 && (limit == 0 || stated < limit) {
		limit = stated
	}
	return part(limit, l.share)
}

// afterMidnight is when a DAILY 429 ends, as a wait: a clock that is set back does not prolong it. One that comes right
// after midnight is about the day that is over.
func (l *Limiter) afterMidnight(now time.Time) time.Time {
	if l.day.justBegun(now) {
		return now.Add(shortAfterMidnight)
	}
	return now.Add(l.day.midnight(now).Sub(now) + l.jitter)
}

// learnDay reads the daily pair. The pool is shared by all private apps of the account, so the stated count may be far
// above ours.
func (l *Limiter) learnDay(h http.Header, now time.Time) {
	limit, err := strconv.Atoi(h.Get(headerDaily))
	if err != nil || limit <= 0 || l.day.justBegun(now) {
		return
	}
	remaining, err := strconv.Atoi(h.Get(headerDailyRemaining))
	if err != nil || remaining < 0 {
		return
	}
	l.day.roll(now)
	l.day.statedLimit, l.day.statedUsed = limit, max(0, limit-remaining)
}

func (d *day) in(now time.Time) time.Time {
	if d.zone == nil {
		return now.UTC()
	}
	return now.In(d.zone)
}

func (d *day) nameOf(now time.Time) string { return d.in(now).Format(time.DateOnly) }

// roll starts a new day.
func (d *day) roll(now time.Time) {
	if name := d.nameOf(now); name != d.name {
		d.name = name
		d.used, d.reserved, d.statedUsed = 0, 0, 0
	}
}

func (d *day) usedOn(now time.Time) int {
	if d.name != d.nameOf(now) {
		return 0
	}
	if d.statedLimit == 0 {
		return d.used
	}
	return max(d.used, d.statedUsed)
}

func (d *day) midnight(now time.Time) time.Time {
	local := d.in(now)
	return time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, local.Location())
}

func (d *day) justBegun(now time.Time) bool {
	local := d.in(now)
	return local.Sub(time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())) < shortAfterMidnight
}
