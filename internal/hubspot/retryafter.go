package hubspot

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Waits after a 429 that names no time, which is what ordinary answers do; the window's length comes from its header.
// https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines (read 2026-11-22); HubSpot's own
// client waits as long: https://github.com/HubSpot/hubspot-api-nodejs, src/services/decorators/RetryDecorator.ts.
const (
	defaultWindow  = 10 * time.Second
	secondlyWait   = time.Second
	maxRetryAfter  = 24 * time.Hour // a migration (477) takes up to this
	shortestWindow = time.Second
	longestWindow  = 10 * time.Minute
)

// parseRetryAfter reads the header as seconds (https://developers.hubspot.com/docs/api-reference/error-handling, for
// 477) or as a date; 0 when it is missing or makes no sense, at most 24 hours.
func parseRetryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get(headerRetryAfter))
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		switch {
		case seconds >= maxRetryAfter.Seconds():
			return maxRetryAfter
		case seconds > 0: // false for NaN
			return time.Duration(seconds * float64(time.Second))
		}
		return 0
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	wait := at.Sub(now)
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		// Their clock for both ends, and ours: one that is wrong makes the wait too long or none at all. Asking too early
		// costs a second refusal.
		if theirs := at.Sub(sent); wait <= 0 || theirs > 0 && theirs < wait {
			wait = theirs
		}
	}
	return min(max(wait, 0), maxRetryAfter)
}

// interval is the length of the limit's window as the answer states it, 0 when it does not.
func interval(h http.Header) time.Duration {
	ms, err := strconv.ParseInt(h.Get(headerInterval), 10, 32)
	if err != nil {
		return 0
	}
	if d := time.Duration(ms) * time.Millisecond; d >= shortestWindow && d <= longestWindow {
		return d
	}
	return 0
}

// policyWait is how long a 429 of that policy asks to wait. A daily one gets an hour here; the limiter knows the
// account's midnight and says more.
func policyWait(policy string, retryAfter, window time.Duration) time.Duration {
	switch {
	case retryAfter > 0:
		return retryAfter
	case policy == PolicyDaily:
		return time.Hour
	case policy == PolicySecondly:
		return secondlyWait
	case window > 0:
		return window
	}
	return defaultWindow
}
