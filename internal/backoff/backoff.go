// Package backoff decides when something is tried again.
//
// Guarantee: a Schedule's delay never exceeds its cap, jitter included, for any attempt number; a Policy never waits
// less than the server asked for, and never longer than MaxWait in place.
//
// It does not decide whether something is worth another try; the caller does.
//
// Design: one schedule serves both the delays that are stored in a row and the few retries that are made in place, the
// latter through sethvargo/go-retry. Its own exponential backoff was rejected for the stored delays, because its
// backoffs hold state and count from their making, while a row only knows its attempt number.
package backoff

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/sethvargo/go-retry"
)

// Schedule is delays that grow by a factor up to a cap. The zero value waits not at all.
type Schedule struct {
	Base   time.Duration // the delay of attempt 1
	Cap    time.Duration // the longest delay; 0 = no cap but the longest Duration
	Factor float64       // growth from one attempt to the next; under 1 = 1
	// Jitter takes a random part of up to this share off each delay (0 to 1; 0.2 = 80 % to 100 %). It only shortens, so
	// the cap holds.
	Jitter float64
}

// Delay is the wait after that many attempts; 1 gives Base, less than 1 counts as 1.
func (s Schedule) Delay(attempt int) time.Duration {
	if s.Base <= 0 {
		return 0
	}
	longest := s.Cap
	if longest <= 0 {
		longest = math.MaxInt64
	}
	delay := float64(s.Base) * math.Pow(max(s.Factor, 1), float64(max(attempt, 1)-1))
	result := longest
	if delay < float64(longest) { // false for +Inf: too far is the cap
		result = time.Duration(delay)
	}
	if s.Jitter > 0 {
		result -= time.Duration(rand.Float64() * min(s.Jitter, 1) * float64(result))
	}
	return max(result, 0)
}

// After is what an error has that names the earliest time of another try.
type After interface {
	error
	// After is the least wait from now; 0 = none.
	After() time.Duration
}

// Policy says how often, how soon and how patiently something is tried again in place, that is, while the caller waits
// for it.
type Policy struct {
	Schedule
	Tries   int           // of f, the first one included; under 1 = no bound
	MaxWait time.Duration // a longer wait is not made in place; 0 = the schedule's cap is the only bound
}

// Do calls f until it returns nil or an error that again does not hold for trouble that time heals, or until the policy
// or the context says stop; then it returns f's last error. f is called once also when the context has ended already.
// Between calls it waits what the schedule says, or what the error asks for by After when that is more. A wait over
// MaxWait, or beyond the context's deadline, is not made: the caller puts the work off instead.
func (p Policy) Do(ctx context.Context, again func(error) bool, f func(context.Context) error) error {
	var last error
	called := false
	var floor time.Duration // go-retry does not show a Backoff the error
	_ = retry.Do(ctx, p.backoff(ctx, &floor), func(ctx context.Context) error {
		called = true
		if last = f(ctx); last == nil || !again(last) {
			return last
		}
		if after, ok := errors.AsType[After](last); ok {
			floor = after.After()
		}
		return retry.RetryableError(last)
	})
	if !called {
		return f(ctx)
	}
	return last // not the context's end, which says nothing of what failed
}

// backoff is go-retry's form of the policy for one operation.
func (p Policy) backoff(ctx context.Context, floor *time.Duration) retry.Backoff {
	attempt := 0
	var b retry.Backoff = retry.BackoffFunc(func() (time.Duration, bool) {
		attempt++
		wait := max(p.Delay(attempt), *floor)
		*floor = 0
		if p.MaxWait > 0 && wait > p.MaxWait {
			return 0, true
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return 0, true
		}
		return wait, false
	})
	if p.Tries > 0 {
		b = retry.WithMaxRetries(uint64(p.Tries-1), b)
	}
	return b
}
