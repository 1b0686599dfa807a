package auth

import (
	"context"
	"time"
)

// ExpiresAt is when the access token in hand ends, unix ms; 0 = there is none, or HubSpot did not tell.
func (s *Source) ExpiresAt() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live.expiresAt
}

// Failing is why there is no token that can be used, nil while there is one, or while nobody has tried.
func (s *Source) Failing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usable(s.live) {
		return nil
	}
	return s.trouble
}

// Keep renews the token in the background when it is time, so that a lane without work has one at hand, and a grant
// that died is found out before it is needed.
func (s *Source) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if (!s.usable(s.live) || s.isDue(s.live)) && s.mayTry() {
		s.takeOff()
	}
}

// KeepIn is how long Keep has nothing to do, as far as is known; it may be negative.
func (s *Source) KeepIn() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight != nil || s.live.endless() || !s.usable(s.live) {
		return time.Hour // a tick of the caller's is soon enough
	}
	return max(s.live.due-s.elapsed(s.live), time.Until(s.nextTry))
}

// Look asks the database whether somebody else changed the grant: logged in, logged out, renewed it. connected is true
// when there is a new grant or pair to use; trouble of before is forgotten then. The error is an *AccountError when it
// is one of another account, or the database's.
func (s *Source) Look(ctx context.Context) (connected bool, err error) {
	g, err := s.cfg.Grants.Grant(ctx, s.cfg.Portal)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.Generation <= s.seen || s.flight != nil { // a flight under way sees for itself
		return false, nil
	}
	s.seen = g.Generation
	if !g.Connected() {
		s.live, s.trouble, s.nextTry = live{}, &LoginError{Word: notConnected}, time.Time{}
		return false, nil
	}
	if s.hub != 0 && g.HubID != 0 && g.HubID != s.hub {
		s.live, s.trouble = live{}, &AccountError{s.hub, g.HubID}
		return false, s.trouble
	}
	s.live, s.trouble, s.fails, s.nextTry = live{}, nil, 0, time.Time{}
	return true, nil
}
