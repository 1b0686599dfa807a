package auth

import (
	"math/rand/v2"
	"time"

	"leadsync/internal/secret"
)

// live is the token in hand. The zero value is none.
type live struct {
	token      secret.String
	generation int64
	expiresAt  int64 // unix ms, as stored; 0 = never told

	// How old the knowledge is, by both clocks: a suspended machine stops the one, and the other can be set.
	since time.Time
	wall  time.Time
	left  time.Duration // until it expires, at that moment
	due   time.Duration // until it should be renewed, at that moment
}

// endless says that HubSpot did not tell the life: the token is used until it is refused.
func (l live) endless() bool { return l.expiresAt == 0 }

// elapsed since the knowledge is from.
func (s *Source) elapsed(l live) time.Duration {
	return max(time.Since(l.since), s.cfg.Wall().Round(0).Sub(l.wall))
}

// usable says that the token can be handed out: it outlives the way to HubSpot.
func (s *Source) usable(l live) bool {
	if l.token.Empty() || l.generation <= s.rejected {
		return false
	}
	return l.endless() || s.elapsed(l) < l.left
}

func (s *Source) isDue(l live) bool { return !l.endless() && s.elapsed(l) >= l.due }

// hold makes a token in hand of what the database has; it may be one whose life is over.
func (s *Source) hold(g Grant, token secret.String) live {
	l := live{token: token, generation: g.Generation, expiresAt: g.ExpiresAt, since: time.Now(), wall: s.cfg.Wall().Round(0)}
	if g.Life == 0 {
		l.expiresAt = 0
		return l
	}
	life := time.Duration(g.Life) * time.Millisecond
	left := time.UnixMilli(g.ExpiresAt).Sub(l.wall)
	if left > life+time.Minute {
		// It would live longer than it was given: a clock was set back since. Its age is not known.
		left = 0
	}
	left = min(left, life)
	// The last twentieth of the life, half a minute of half an hour, is left for the request's own way.
	l.left = left - min(life/20, 30*time.Second)
	// 75 % of the life, with jitter, so that many processes do not come at once. It is the same each time the row is read,
	// or a token that is due would not be any more when the refresh looks at it.
	jitter := rand.New(rand.NewPCG(s.seed, uint64(g.Generation))).Float64()
	l.due = left - time.Duration((0.20+0.10*jitter)*float64(life))
	return l
}
