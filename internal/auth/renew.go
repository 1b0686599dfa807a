package auth

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/observe"
)

// saveTimeout bounds one try to store a pair.
const saveTimeout = 5 * time.Second

// saving is how often and how soon that is tried before the others hear of it.
var saving = backoff.Policy{Schedule: backoff.Schedule{Base: 200 * time.Millisecond, Cap: time.Second, Factor: 1.5}, Tries: 5}

// renew gives a newer token than the one that was refused, and one that is not due: the database's, when another
// process was faster, else HubSpot's. With an error comes the token of the database when it is still good for a while.
//
// The order of the steps is the guarantee. The right to refresh is a compare-and-set on the row that was read, so one
// process asks HubSpot. The pair is stored before anybody gets it, on the generation that was read, so a slower refresh
// of the same token changes nothing. Before a grant is called dead the row is read once more, since another process may
// have renewed it meanwhile.
func (s *Source) renew(ctx context.Context) (live, error) {
	waited := lease{}
	for {
		g, err := s.cfg.Grants.Grant(ctx, s.cfg.Portal)
		if err != nil {
			return live{}, s.away(ctx, "read", err)
		}
		if err := s.accept(g); err != nil {
			return live{}, err
		}
		if settled, err := s.saveLeft(ctx, g); err != nil {
			return live{}, err
		} else if settled {
			continue
		}
		token, err := g.OpenAccess(s.cfg.Keys)
		if err != nil {
			return live{}, err
		}
		l := s.hold(g, token)
		s.mu.Lock()
		ok, refused := s.usable(l), g.Generation <= s.rejected
		s.mu.Unlock()
		switch {
		case g.NeedsLogin != "" && within(g.Now, g.TriedAt, s.cfg.GrantCoolDown) > 0:
			return live{}, &LoginError{Word: g.NeedsLogin, Doubt: g.LeaseOwner != ""}
		case g.NeedsLogin != "":
		case ok && !s.isDue(l):
			return l, nil
		case refused:
			if wait := within(g.Now, g.ForcedAt, s.cfg.RefusedCoolDown); wait > 0 {
				return live{}, &RefusedError{Wait: wait}
			}
		}
		if waited.busy(g, s.cfg.Owner, s.leaseLength()) {
			if ok {
				return l, nil // due, and another process is at it
			}
			if backoff.Sleep(ctx, 20*time.Millisecond+rand.N(30*time.Millisecond)) != nil {
				return live{}, ErrClosed
			}
			continue
		}
		mine, err := s.cfg.Grants.LeaseGrant(ctx, g, s.cfg.Owner, g.Now+s.leaseLength().Milliseconds())
		if err != nil {
			return live{}, s.away(ctx, "lease", err)
		}
		if !mine {
			continue
		}
		next, err := s.ask(ctx, g, refused)
		if err == nil {
			return next, nil
		}
		if errors.Is(err, errOvertaken) {
			continue
		}
		if !ok || g.NeedsLogin != "" {
			l = live{}
		}
		return l, err
	}
}

// errOvertaken says that another process changed the row meanwhile.
var errOvertaken = errors.New("another process was faster")

// ask refreshes under the lease and stores the pair.
func (s *Source) ask(ctx context.Context, g Grant, forced bool) (live, error) {
	refresh, err := g.OpenRefresh(s.cfg.Keys)
	if err != nil {
		s.free(g, false)
		return live{}, err
	}
	pair, err := s.cfg.Client.Refresh(ctx, refresh)
	if err != nil {
		return live{}, s.refused(ctx, g, err)
	}
	next := g
	next.Generation++
	next.ExpiresAt, next.Life = pair.At.Add(pair.Life).UnixMilli(), pair.Life.Milliseconds()
	next.RefreshedAt = s.cfg.Wall().UnixMilli()
	next.HubID = cmp.Or(pair.HubID, g.HubID)
	if forced {
		next.ForcedAt = g.Now
	}
	if pair.Scopes != nil {
		next.Scopes = JoinScopes(pair.Scopes)
	}
	if err := next.Seal(s.cfg.Keys, pair.Access, pair.Refresh); err != nil {
		s.free(g, true)
		return live{}, err
	}
	if err := s.save(ctx, next); err != nil {
		return live{}, err
	}
	s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, observe.TokenRefreshed, slog.String(observe.Portal, s.cfg.Portal), slog.Duration(observe.ExpiresIn, pair.Life))
	if err := s.accept(next); err != nil {
		return live{}, err
	}
	return s.hold(next, pair.Access), nil
}

// save stores a new pair, which nobody has but this process: it is tried for a while, and kept for the next flight when
// the database stays away. The context's end does not stop a try.
func (s *Source) save(ctx context.Context, next Grant) error {
	s.keep(&next)
	stored := false
	err := saving.Do(ctx, func(error) bool { return true }, func(ctx context.Context) (err error) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		defer cancel()
		stored, err = s.cfg.Grants.RenewGrant(once, next)
		return err
	})
	switch {
	case err != nil:
		return s.away(ctx, "store the new", err)
	case !stored:
		s.keep(nil) // a login came in between: its grant is the newer one
		return errOvertaken
	}
	s.keep(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, next.Generation)
	return nil
}

func (s *Source) keep(next *Grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = next
}

// saveLeft stores what an earlier flight could not. settled asks for a new look at the row.
func (s *Source) saveLeft(ctx context.Context, g Grant) (settled bool, err error) {
	s.mu.Lock()
	left := s.unsaved
	s.mu.Unlock()
	switch {
	case left == nil:
		return false, nil
	case left.Generation != g.Generation+1: // stored after all, or overtaken
		s.keep(nil)
		return true, nil
	}
	if err := s.save(ctx, *left); err != nil && !errors.Is(err, errOvertaken) {
		return false, err
	}
	return true, nil
}

// refused handles a refresh that gave nothing.
func (s *Source) refused(ctx context.Context, g Grant, err error) error {
	login, ok := errors.AsType[*LoginError](err)
	if !ok {
		busy, isWait := errors.AsType[*WaitError](err)
		s.free(g, isWait && busy.Unknown || ctx.Err() != nil || g.LeaseOwner != "")
		return err
	}
	once, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	login.Doubt = g.LeaseOwner != ""
	noted, err := s.cfg.Grants.RefuseGrant(once, g, login.Word)
	switch {
	case err != nil:
		return s.away(ctx, "note the end of", err)
	case !noted:
		return errOvertaken // another process has a newer pair, and that one was refused for its age
	}
	return login
}

// free gives the lease back. In doubt, when HubSpot may have answered with a new refresh token that was lost, the name
// stays.
func (s *Source) free(g Grant, doubt bool) {
	once, cancel := context.WithTimeout(context.WithoutCancel(s.life), saveTimeout)
	defer cancel()
	if err := s.cfg.Grants.FreeGrant(once, g, s.cfg.Owner, doubt); err != nil {
		s.cfg.Log.Debug(observe.TokenRefreshFailed, observe.Portal, s.cfg.Portal, observe.Err, err) // it runs out by itself
	}
}

// accept says whether the row is one to work with.
func (s *Source) accept(g Grant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = max(s.seen, g.Generation)
	switch {
	case !g.Connected():
		return &LoginError{Word: notConnected}
	case s.hub == 0:
		s.hub = g.HubID
	case g.HubID != 0 && g.HubID != s.hub:
		return &AccountError{s.hub, g.HubID}
	}
	return nil
}

// away is trouble with the database.
func (s *Source) away(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return ErrClosed
	}
	return &WaitError{text: doing + " token: " + err.Error(), err: err}
}

func (s *Source) leaseLength() time.Duration { return s.cfg.Client.Timeout() + leaseMargin }

// within is how much of the period since a moment of the same clock is left; 0 when it is over, or when the clock was
// set back.
func within(now, since int64, period time.Duration) time.Duration {
	if now < since {
		return 0
	}
	return max(period-time.Duration(now-since)*time.Millisecond, 0)
}

// lease is somebody's right to refresh, as it was seen first.
type lease struct {
	owner string
	until int64
	since time.Time
}

// busy says whether another process refreshes at the moment. Its time is over by the database's clock, or when the same
// lease has been seen for its whole length: the database's clock may have been set back.
func (l *lease) busy(g Grant, me string, length time.Duration) bool {
	if g.LeaseOwner == "" || g.LeaseOwner == me || g.Now >= g.LeaseUntil {
		return false
	}
	if l.owner != g.LeaseOwner || l.until != g.LeaseUntil {
		*l = lease{g.LeaseOwner, g.LeaseUntil, time.Now()}
	}
	return time.Since(l.since) < length
}
