package app

import (
	"context"
	"sync/atomic"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// pauses are the lanes of the portal that an operator stopped by hand, as the database has them.
type pauses struct {
	portal *store.Portal
	last   atomic.Pointer[breaker.Lanes]
	noPull atomic.Bool
}

// lanes reads them; push asks at every poll.
func (p *pauses) lanes(ctx context.Context) (breaker.Lanes, error) {
	all, err := p.portal.Pauses(ctx)
	if err != nil {
		return breaker.Lanes{}, err
	}
	var l breaker.Lanes
	var noPull bool
	for _, one := range all {
		switch one.Lane {
		case status.LaneLive:
			l.Live, l.Since = true, time.UnixMilli(one.Since)
		case status.LaneBackfill:
			l.Backfill = true
		case status.LaneUnsubscribe:
			l.Unsubscribe = true
		case status.LanePull:
			noPull = true
		}
	}
	p.last.Store(&l)
	p.noPull.Store(noPull)
	return l, nil
}

// pull reports whether the streams of pull are paused; it is as old as push's last poll.
func (p *pauses) pull() bool { return p.noPull.Load() }

// unpaused are the lanes of push that are not paused.
func (p *pauses) unpaused() (lanes []outbox.Lane) {
	l := p.last.Load()
	if l == nil || !l.Live {
		lanes = append(lanes, outbox.Live)
	}
	if l == nil || !l.Backfill {
		lanes = append(lanes, outbox.Backfill)
	}
	return lanes
}
