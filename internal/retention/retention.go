// Package retention removes rows whose time is over: settled rows of the outbox, and inbox rows that the application
// acknowledged. It knows nothing of leads, links or HubSpot, and a pending row is never its business.
//
// Design: rows go in short transactions, so that no application's insert waits for one, and by the age of what ended
// them, not by their id: a row that settles late stays its full time.
package retention

import (
	"context"
	"log/slog"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

const (
	// Every is how often the rows are looked through.
	Every = 10 * time.Minute
	// chunk is the most rows of one transaction.
	chunk = 1000
)

// Entries is the outbox of a portal.
type Entries interface {
	// Purge deletes at most limit settled rows of the states that were settled before the time.
	Purge(ctx context.Context, states []outbox.State, before int64, limit int) (int64, error)
}

// Inbox is the inbox of a portal.
type Inbox interface {
	// PurgeInbox deletes at most limit rows that were acknowledged before the time.
	PurgeInbox(ctx context.Context, before int64, limit int) (int64, error)
}

// Config is what both need.
type Config struct {
	Log *slog.Logger
	// Turn is told whenever the loop turns, and how long it waits then. May be nil.
	Turn func(wait time.Duration)
}

// KeepEntries removes settled rows that are older than settled, or than dead for those that are dead; 0 = they stay. It
// returns when ctx ends.
func KeepEntries(ctx context.Context, c Config, s Entries, settled, dead time.Duration) {
	of := func(states ...outbox.State) func(int64) (int64, error) {
		return func(before int64) (int64, error) { return s.Purge(ctx, states, before, chunk) }
	}
	c.each(ctx, func() {
		c.purge(ctx, settled, of(outbox.Delivered, outbox.Skipped))
		c.purge(ctx, dead, of(outbox.Dead))
	})
}

// KeepInbox removes rows that were acknowledged longer ago than keep; 0 = they stay. It returns when ctx ends.
func KeepInbox(ctx context.Context, c Config, s Inbox, keep time.Duration) {
	c.each(ctx, func() {
		c.purge(ctx, keep, func(before int64) (int64, error) { return s.PurgeInbox(ctx, before, chunk) }, observe.Item, "inbox")
	})
}

// each does a round at once and then again and again.
func (c Config) each(ctx context.Context, round func()) {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		round()
		c.turn(Every)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// purge removes what is older than keep; what fails is tried again with the next round.
func (c Config) purge(ctx context.Context, keep time.Duration, some func(before int64) (int64, error), what ...any) {
	if keep <= 0 {
		return
	}
	before, total := outbox.Millis(time.Now().Add(-keep)), int64(0)
	for ctx.Err() == nil {
		c.turn(0)
		n, err := some(before)
		if err != nil {
			c.Log.Debug(observe.OldEntriesPurged, observe.Err, err)
			break
		}
		if total += n; n < chunk {
			break
		}
	}
	if total > 0 {
		c.Log.Info(observe.OldEntriesPurged, append(what, observe.Count, total, observe.OlderThan, keep.String())...)
	}
}

func (c Config) turn(wait time.Duration) {
	if c.Turn != nil {
		c.Turn(wait)
	}
}
