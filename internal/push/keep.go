package push

import (
	"context"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

const (
	// purgeEvery and purgeChunk: settled rows are removed in short transactions, so that no application's insert waits for one.
	purgeEvery = 10 * time.Minute
	purgeChunk = 1000
)

// Retain removes settled rows that are older than the configuration keeps them. It returns when ctx ends.
func (w *Worker) Retain(ctx context.Context) {
	t := time.NewTicker(purgeEvery)
	defer t.Stop()
	for {
		w.purge(ctx, w.cfg.RetainSettled, outbox.Delivered, outbox.Skipped)
		w.purge(ctx, w.cfg.RetainDead, outbox.Dead)
		w.cfg.Turn(LoopRetention, purgeEvery)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (w *Worker) purge(ctx context.Context, keep time.Duration, states ...outbox.State) {
	if keep <= 0 {
		return
	}
	before, total := outbox.Millis(w.now().Add(-keep)), int64(0)
	for ctx.Err() == nil {
		w.cfg.Turn(LoopRetention, 0)
		n, err := w.store.Purge(ctx, states, before, purgeChunk)
		if err != nil {
			w.cfg.Log.Debug(observe.OldEntriesPurged, "err", err)
			break
		}
		if total += n; n < purgeChunk {
			break
		}
	}
	if total > 0 {
		w.cfg.Log.Info(observe.OldEntriesPurged, "count", total, "older_than", keep.String())
	}
}

// learnExisting counts how many of a batch's leads existed already: when it is more than a fifth, the next ones are looked up
// before they are created, so that errors stay low; when it is not, creating first costs one request instead of two.
func (w *Worker) learnExisting(works []*work) {
	found := 0
	for _, k := range works {
		if k.linked || len(k.blocked) > 0 {
			found++
		}
	}
	if len(works) >= BatchSize/5 && !w.readFirst.Load() && found >= BatchSize/5 {
		w.readFirst.Store(true)
	} else if w.readFirst.Load() && len(works) >= BatchSize/5 && 5*found <= len(works) {
		w.readFirst.Store(false)
	}
}

// Log messages of rare events, beside those of observe.
const msgPanic = "push step panicked"
