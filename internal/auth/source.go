package auth

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/secret"
)

const (
	// grantCoolDown is how long a dead grant is left alone before it is tried once more: HubSpot has refused a good token
	// by mistake (https://github.com/hubspotdev/devslackarchive, 2023-08-15, read 2026-11-22), and nobody may be there to
	// log in.
	grantCoolDown = 15 * time.Minute
	// refusedCoolDown is the least time between two refreshes that a 401 asks for.
	refusedCoolDown = time.Minute
	// leaseMargin is how much longer than a request the right to refresh lasts: the pair must be stored in it too.
	leaseMargin = 10 * time.Second
	// lookEvery is the least time between two looks at the database for a grant that is dead.
	lookEvery = time.Second
)

// Config is what a Source needs. Wall and the cool-downs may be left out.
type Config struct {
	Portal string
	Owner  string // names the process in the database; unique
	Grants Grants
	Keys   Sealer
	Client *Client
	// Waits is how long to wait after so many failed refreshes in a row, from 1.
	Waits func(attempt int) time.Duration
	Log   *slog.Logger
	// Wall is the wall clock; nil = time.Now. Elapsed time is the larger of what it and the monotonic clock say.
	Wall func() time.Time

	GrantCoolDown, RefusedCoolDown time.Duration // 0 = 15 min and 1 min
}

// Source gives the access token of an OAuth grant and renews it. It is safe for concurrent use, and any number of
// processes may have one for the same portal. Close it.
type Source struct {
	cfg   Config
	life  context.Context // ends with Close
	end   context.CancelFunc
	work  sync.WaitGroup
	noise *observe.Limiter // a minute
	alarm *observe.Limiter // an hour
	seed  uint64           // of the jitter

	mu       sync.Mutex
	live     live
	rejected int64 // newest generation that was answered with 401
	seen     int64 // newest generation that was read or written
	hub      int64 // the account that this source is for; 0 = not known yet
	flight   *flight
	trouble  error     // why the last refresh gave nothing; nil after one that did
	fault    string    // the word of the last FaultError
	fails    int       // in a row
	nextTry  time.Time // by the monotonic clock
	asked    time.Time // until when HubSpot asked to be left alone
	unsaved  *Grant    // a pair that HubSpot gave and the database has not taken yet
	closed   bool
}

// flight is one refresh, or one look at the database, that everybody waits for.
type flight struct {
	done chan struct{}
	err  error
}

// NewSource makes a source. Nothing is read yet.
func NewSource(cfg Config) *Source {
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	if cfg.GrantCoolDown == 0 {
		cfg.GrantCoolDown = grantCoolDown
	}
	if cfg.RefusedCoolDown == 0 {
		cfg.RefusedCoolDown = refusedCoolDown
	}
	s := &Source{cfg: cfg, noise: observe.NewLimiter(cfg.Log, 0), alarm: observe.NewLimiter(cfg.Log, time.Hour), seed: rand.Uint64()}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Token gives the access token and its generation. While the token in hand is good it answers at once, and renews it in
// the background when about three quarters of its life are over; otherwise it waits for the refresh that is under way.
// The error is a *LoginError, *RefusedError, *FaultError, *WaitError or *AccountError, ErrClosed, or the end of ctx.
func (s *Source) Token(ctx context.Context) (secret.String, int64, error) {
	for {
		s.mu.Lock()
		if s.usable(s.live) {
			l := s.live
			if s.isDue(l) && s.mayTry() {
				s.takeOff()
			}
			s.mu.Unlock()
			return l.token, l.generation, nil
		}
		if !s.mayTry() {
			err := s.present()
			s.mu.Unlock()
			return secret.String{}, 0, err
		}
		f := s.takeOff()
		s.mu.Unlock()
		if f == nil {
			return secret.String{}, 0, ErrClosed
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return secret.String{}, 0, ctx.Err()
		}
		s.mu.Lock()
		l, ok := s.live, s.usable(s.live)
		s.mu.Unlock()
		switch {
		case ok:
			return l.token, l.generation, nil
		case f.err != nil:
			return secret.String{}, 0, f.err
		}
		// The new token was refused meanwhile: once more, up to the cool-down.
	}
}

// Reject says that the token of that generation was answered with 401. The next Token is a newer one or an error:
// HubSpot is asked for a new one once in a cool-down. A generation that is not the newest is no news.
func (s *Source) Reject(_ context.Context, generation int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if generation > s.rejected {
		s.rejected = generation
		if generation == s.live.generation {
			s.nextTry = s.asked // a failed early refresh must not keep the forced one waiting, but for what HubSpot asked
		}
	}
	return nil
}

// mayTry says whether a refresh may begin, or is under way. mu is held.
func (s *Source) mayTry() bool {
	return s.flight != nil || !time.Now().Before(s.nextTry)
}

// present is the trouble, with the wait that is left of it. mu is held.
func (s *Source) present() error {
	left := max(time.Until(s.nextTry), 0)
	switch e := s.trouble.(type) {
	case *WaitError:
		again := *e
		again.Wait = left
		return &again
	case *RefusedError:
		return &RefusedError{Wait: left}
	}
	return s.trouble
}

// takeOff joins the flight that is under way, or starts one; nil when the source is closed. mu is held. The flight does
// not end with who asked for it: a refresh that HubSpot carries out must be stored.
func (s *Source) takeOff() *flight {
	if s.flight != nil {
		return s.flight
	}
	if s.closed {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	s.flight = f
	s.work.Go(func() {
		l, err := s.renew(s.life)
		s.mu.Lock()
		s.landed(l, err)
		f.err = s.trouble
		s.flight = nil
		s.mu.Unlock()
		close(f.done)
	})
	return f
}

// landed takes in how a flight ended. A token that is still good stays in use whatever the trouble is, unless its grant
// is dead. mu is held.
func (s *Source) landed(l live, err error) {
	s.trouble = err
	if err == nil {
		s.live, s.fails, s.nextTry = l, 0, time.Time{}
		s.noise.Recovered(s.life, waiting, msgRecovered, slog.String(observe.Portal, s.cfg.Portal))
		s.alarm.Recovered(s.life, s.fault, msgRecovered, slog.String(observe.Portal, s.cfg.Portal))
		return
	}
	s.live = live{}
	s.fails++
	wait := s.cfg.Waits(s.fails)
	var login *LoginError
	var refused *RefusedError
	var account *AccountError
	var busy *WaitError
	switch {
	case errors.As(err, &login), errors.As(err, &account), s.life.Err() != nil:
		s.nextTry = time.Now().Add(lookEvery) // a look at the database, seldom a request
		return
	case errors.As(err, &refused):
		s.nextTry = time.Now().Add(refused.Wait)
		return
	case errors.As(err, &busy):
		wait = max(wait, busy.Wait)
		s.asked = time.Now().Add(busy.Wait)
	}
	s.live = l
	s.nextTry = time.Now().Add(wait)
	s.complain(err, wait)
}

// complain writes the line about a refresh that did not happen; package push tells what follows when the token ends.
func (s *Source) complain(err error, wait time.Duration) {
	attrs := []slog.Attr{slog.String(observe.Portal, s.cfg.Portal), slog.Int(observe.Attempt, s.fails),
		slog.Duration(observe.RetryIn, wait.Round(time.Millisecond)), slog.Any(observe.Err, err)}
	if fault, ok := errors.AsType[*FaultError](err); ok {
		attrs = append(attrs, slog.String(observe.Hint, fault.Cure()))
		s.fault = fault.Word
		s.alarm.Log(s.life, slog.LevelError, s.fault, observe.TokenRefreshFailed, attrs...)
		return
	}
	s.noise.Log(s.life, slog.LevelWarn, waiting, observe.TokenRefreshFailed, attrs...)
}

const (
	msgRecovered = "token refresh recovered"
	waiting      = "waiting" // names the trouble that passes by itself
)

// Close waits for a refresh that is under way until ctx ends, then cuts it off. A pair that could not be stored gets a
// last try.
func (s *Source) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
		}
	}
	s.end()
	s.work.Wait()
	s.mu.Lock()
	left := s.unsaved
	s.mu.Unlock()
	if left == nil {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if _, err := s.cfg.Grants.RenewGrant(last, *left); err != nil {
		s.cfg.Log.Error(observe.TokenRefreshFailed, observe.Portal, s.cfg.Portal, observe.Err, err,
			observe.Hint, "the newest pair of tokens could not be stored; if HubSpot has replaced the refresh token, run `leadsync auth login`")
	}
}
