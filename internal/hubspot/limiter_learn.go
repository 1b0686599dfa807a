package hubspot

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

const msgLimitLearned = "hubspot limit learned"

const (
	// othersTolerance is how far HubSpot's count may be above ours before we speak of other users: its counters are many
	// machines', and a false alarm costs as much of the budget as it names.
	othersTolerance = 6
	// othersMargin is left free beside other users: what they send between two of our answers, and our own requests on
	// their way.
	othersMargin = 5
	// defaultMigration is the wait after a 477 without Retry-After, which HubSpot says it always sends.
	defaultMigration = 5 * time.Minute
)

// Observe learns from an answer's headers: the limit, the window, what is left, the day. at is when the request was
// sent. Search answers carry none of them.
func (l *Limiter) Observe(resp *http.Response, at time.Time) {
	l.observe(resp.Header, at, KindGeneral)
}

func (l *Limiter) observe(h http.Header, at time.Time, kind Kind) {
	if kind == KindSearch {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.learnDay(h, now)
	most, err := strconv.Atoi(h.Get(headerMax))
	if err != nil || most <= 0 || l.general.limit == 0 {
		return
	}
	if window := interval(h); window > 0 {
		l.general.window = window
	}
	l.learnMax(most)
	remaining, err := strconv.Atoi(h.Get(headerRemaining))
	if err != nil || remaining < 0 || now.Sub(at) > l.general.window {
		return // a late answer speaks of a window that has gone
	}
	if remaining > 0 && l.general.fullUntil.After(now) {
		l.general.fullUntil = time.Time{}
	}
	// At which moment of the request's way the answer was counted is not known. There are others only when all of ours
	// that it may hold does not explain the count; how many they are, from those of ours that it must hold.
	taken := most - remaining
	if taken-l.general.used(at.Add(-l.general.window-guard), now) <= othersTolerance {
		l.dispatchAll()
		return
	}
	if others := taken - l.general.used(now.Add(-l.general.window), at); float64(others) > l.othersNow(now) {
		l.others, l.othersAt = float64(others), now
	}
	l.dispatchAll()
}

// learnMax takes the smaller of the configured and the stated limit, and says so once for each stated one.
func (l *Limiter) learnMax(stated int) {
	if stated == l.general.max {
		return
	}
	l.general.max = stated
	l.general.limit = part(min(stated, l.perWindow), l.share)
	l.log.Info(msgLimitLearned, slog.Int("stated", stated), slog.Int("configured", l.perWindow), slog.Int("used", l.general.limit))
}

// left tells that the request of the ticket left the machine at that moment.
func (l *Limiter) left(which ticket, kind Kind, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lane(kind).left(which, at)
}

// refused obeys a 429 and returns for how long. A later end of an earlier hold stays.
func (l *Limiter) refused(h http.Header, body []byte, kind Kind) time.Duration {
	now := time.Now()
	var wire wireError
	_ = json.Unmarshal(body, &wire) // a body that is none leaves the policy empty, which waits as long as the window
	policy := filter("").policy(&wire)
	if policy == PolicyDaily {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.day.refusedUntil = later(l.day.refusedUntil, l.afterMidnight(now))
		l.dispatchAll()
		return l.day.refusedUntil.Sub(now)
	}
	wait := policyWait(policy, parseRetryAfter(h, now), interval(h))
	if kind == KindSearch && policy != PolicyTenSecondly {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.search.holdUntil = later(l.search.holdUntil, now.Add(wait))
		l.dispatchAll()
		return wait
	}
	l.Hold(now.Add(wait), string(ClassRateLimited))
	return wait
}

// migrating obeys a 477 and returns for how long.
func (l *Limiter) migrating(h http.Header) time.Duration {
	now := time.Now()
	wait := parseRetryAfter(h, now)
	if wait <= 0 {
		wait = defaultMigration
	}
	l.Hold(now.Add(wait), string(ClassMigrating))
	return wait
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
