package app

import (
	"context"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

const (
	// retainEvery and retainChunk: acknowledged inbox rows are removed in short transactions, as settled rows are.
	retainEvery = 10 * time.Minute
	retainChunk = 1000
)

// retainInbox removes inbox rows that the application acknowledged longer ago than retention.inbox. It returns when ctx ends.
func (o *ownership) retainInbox(ctx context.Context) {
	keep := o.app.cfg.Retention.Inbox
	if keep <= 0 {
		return
	}
	t := time.NewTicker(retainEvery)
	defer t.Stop()
	for {
		before, total := outbox.Millis(time.Now().Add(-keep)), int64(0)
		for ctx.Err() == nil {
			n, err := o.portal.PurgeInbox(ctx, before, retainChunk)
			if err != nil {
				o.app.log.Debug(observe.OldEntriesPurged, observe.Err, err) // tried again with the next round
				break
			}
			if total += n; n < retainChunk {
				break
			}
		}
		if total > 0 {
			o.app.log.Info(observe.OldEntriesPurged, observe.Item, "inbox", observe.Count, total, observe.OlderThan, keep.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
