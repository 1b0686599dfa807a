// Package backoff decides when something is tried again.
//
// Guarantee: a Schedule's delay never exceeds its cap, jitter included, for any attempt number; Do never waits less than the
// server asked for, and never longer than maxWait in place.
//
// It does not decide whether something is worth another try; the caller does, by the error it returns.
//
// Design: one schedule serves both the delays that are stored in a row and the few retries that are made in place, the
// latter through sethvargo/go-retry. Its own exponential backoff was rejected for the stored delays, because its backoffs
// hold state and count from their making, while a row only knows its attempt number.
package backoff

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync/atomic"
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

// New gives go-retry's form of the schedule. It counts attempts, so make one for each operation.
func New(s Schedule) retry.Backoff {
	var attempt atomic.Int64
	return retry.BackoffFunc(func() (time.Duration, bool) {
		return s.Delay(int(attempt.Add(1))), false
	})
}

// After is what an error has that names the earliest time of another try.
type After interface {
	error
	// After is the least wait from now; 0 = none.
	After() time.Duration
}

// Do calls f until it returns nil, an error that is not marked with retry.RetryableError, or b says stop. Between calls it
// waits what b says, or what the error asks for by After when that is more. A wait over maxWait, or beyond the context's
// deadline, is not made: the last error is returned at once, and the caller puts the work off instead.
func Do(ctx context.Context, b retry.Backoff, maxWait time.Duration, f func(context.Context) error) error {
	var floor atomic.Int64 // go-retry does not show a Backoff the error
	bounded := retry.BackoffFunc(func() (time.Duration, bool) {
		wait, stop := b.Next()
		if stop {
			return 0, true
		}
		wait = max(wait, time.Duration(floor.Swap(0)))
		if wait > maxWait {
			return 0, true
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return 0, true // keeps the real error instead of "deadline exceeded"
		}
		return wait, false
	})
	return retry.Do(ctx, bounded, func(ctx context.Context) error {
		err := f(ctx)
		if after, ok := errors.AsType[After](err); ok {
			floor.Store(int64(after.After()))
		}
		return err
	})
}
