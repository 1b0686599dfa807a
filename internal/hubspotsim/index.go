package hubspotsim

import (
	"fmt"
	"slices"
	"time"
)

// view is what the search index has of one contact at one moment: the state it was in at seen. Times are unix ms.
type view struct {
	now      int64
	seen     int64 // the newest change that the index shows
	modified int64 // lastmodifieddate after that change
}

// mark is a change that search may not have shown yet, and lastmodifieddate after it.
type mark struct{ at, modified int64 }

// lagOf is how long a change waits before search shows it, in ms: IndexLag, and a share of IndexSpread that the seed,
// the contact and the moment decide. Two changes may so be shown in the other order than they were made
// (https://github.com/estuary/connectors/issues/1861), and HubSpot gives no bound
// (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm: "a few moments").
func (s *Sim) lagOf(id, at int64) int64 {
	lag := s.indexLag.Milliseconds()
	if spread := uint64(s.indexSpread.Milliseconds()); spread > 0 {
		lag += int64(mix(mix(s.cfg.Seed^uint64(id))^uint64(at)) % (spread + 1))
	}
	return lag
}

// maxLag is when search has shown a change for certain, in ms after it.
func (s *Sim) maxLag() int64 { return s.indexLag.Milliseconds() + s.indexSpread.Milliseconds() }

// mix spreads the bits of a number: the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// viewOf is what the index has of a contact; ok is false when it does not have it yet.
func (s *Sim) viewOf(c *contact, now int64) (v view, ok bool) {
	if c.touchedAt+s.maxLag() <= now || s.shown(c.id, c.touchedAt, now) {
		return view{now, c.touchedAt, c.updatedAt}, true
	}
	for _, m := range slices.Backward(c.recent) {
		if s.shown(c.id, m.at, now) {
			return view{now, m.at, m.modified}, true
		}
	}
	return view{}, false
}

// shown says whether search shows a change of that moment.
func (s *Sim) shown(id, at, now int64) bool { return at+s.lagOf(id, at) <= now }

// touch notes a change that search will show. bump: it moves lastmodifieddate.
func (s *Sim) touch(c *contact, now int64, bump bool) {
	s.changed(now)
	if lag := s.maxLag(); lag > 0 && now != c.touchedAt {
		// Of what search shows for certain the newest is enough.
		first := 0
		for i, m := range c.recent {
			if m.at+lag <= now {
				first = i
			}
		}
		c.recent = append(slices.Delete(c.recent, 0, first), mark{c.touchedAt, c.updatedAt})
	}
	c.touchedAt = now
	if bump {
		c.updatedAt = now
	}
}

// changed notes that something search answers from is another from now on.
func (p *portal) changed(now int64) { p.revision, p.changedAt = p.revision+1, max(p.changedAt, now) }

// SetIndexLag changes how long search lags: every change waits lag and a random part of spread. A contact that was
// changed while neither was set shows its present state only. It fails on a negative time.
func (s *Sim) SetIndexLag(lag, spread time.Duration) error {
	if lag < 0 || spread < 0 {
		return fmt.Errorf("set index lag: %v and %v, want 0 or more", lag, spread)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.indexLag, s.indexSpread = lag, spread
	s.changed(s.now().UnixMilli())
	return nil
}

// hitsCache keeps the hits of the last search while nothing changes, so that a scan of a million contacts by id does
// not look at all of them for each page.
type hitsCache struct {
	query    string
	revision uint64
	hits     []*contact
}

// settled says whether search shows everything there is.
func (s *Sim) settled(now int64) bool { return s.changedAt+s.maxLag() < now }
