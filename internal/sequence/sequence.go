// Package sequence notices ids of lead_outbox that go backwards: after a TRUNCATE or a restored dump new rows get ids
// below those that the ledger knows, and every event would silently count as overtaken.
//
// Design: a row whose id lies below the highest settled one, and which was made after that one, has an id that was
// given out before. A single such row may belong to a transaction that took its id early and commits late, so a run of
// them stops the lane. The rejected way was to compare ids alone: a requeued row and one that waited are old on
// purpose.
package sequence

import (
	"context"
	"fmt"
	"sync"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// Watch is safe for concurrent use; its zero value knows nothing yet.
type Watch struct {
	mu     sync.Mutex
	loaded bool
	high   settlement.HighMark
}

// Raise notes a settled row.
func (w *Watch) Raise(m settlement.HighMark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.high = w.high.Raised(m)
}

const (
	// backwardsRun is how many such rows stop the lane. A single one may be a transaction that took its id early and
	// commits late.
	backwardsRun = 5
	// clockMargin forgives clocks of producers that differ (SQLite writes the time of the producer's machine), in ms.
	clockMargin = 60_000
)

// BackwardsError stops the lane until a person has raised the sequence of lead_outbox.
type BackwardsError struct{ High outbox.EntryID }

func (e *BackwardsError) Error() string {
	return fmt.Sprintf("new rows of lead_outbox have ids below %d, which was settled before they were made; raise the id sequence of the table above it", e.High)
}

// Stops gives the state of the lane.
func (e *BackwardsError) Stops() breaker.State { return breaker.Paused }

// Load reads the mark once, as any owner of the portal has settled it; settlements raise it from then on.
func (w *Watch) Load(ctx context.Context, read func(context.Context) (settlement.HighMark, error)) error {
	w.mu.Lock()
	loaded := w.loaded
	w.mu.Unlock()
	if loaded {
		return nil
	}
	high, err := read(ctx)
	if err != nil {
		return err
	}
	w.Raise(high)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loaded = true
	return nil
}

// Check looks at a piece of a scan, in id order; a *BackwardsError stops the lane.
func (w *Watch) Check(rows []settlement.ReadyRow) error {
	w.mu.Lock()
	high := w.high
	w.mu.Unlock()
	run := 0
	for _, r := range rows {
		if r.ID >= high.ID {
			return nil // the sequence is ahead: nothing went backwards
		}
		if r.CreatedAt > high.CreatedAt+clockMargin {
			run++
		}
	}
	if run >= backwardsRun {
		return &BackwardsError{High: high.ID}
	}
	return nil
}
