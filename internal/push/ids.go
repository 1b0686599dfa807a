package push

import (
	"context"
	"fmt"
	"sync"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
)

// idWatch notices outbox ids that go backwards: after a TRUNCATE or a restored dump new rows get ids below those the ledger knows,
// and every event would silently be overtaken.
type idWatch struct {
	mu     sync.Mutex
	loaded bool
	high   HighMark
}

// raise notes a settled row.
func (w *idWatch) raise(m HighMark) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.high = w.high.Raised(m)
}

const (
	// backwardsRun is how many such rows stop the lane. A single one may be a transaction that took its id early and commits late.
	backwardsRun = 5
	// clockMargin forgives clocks of producers that differ (SQLite writes the time of the producer's machine), in ms.
	clockMargin = 60_000
)

// IDsBackwardsError stops the lane until a person has raised the sequence of lead_outbox.
type IDsBackwardsError struct{ High outbox.EntryID }

func (e *IDsBackwardsError) Error() string {
	return fmt.Sprintf("new rows of lead_outbox have ids below %d, which was settled before they were made; raise the id sequence of the table above it", e.High)
}

// Stops gives the state of the lane.
func (e *IDsBackwardsError) Stops() breaker.State { return breaker.Paused }

// loadHigh reads the mark once; settlements raise it from then on.
func (w *Worker) loadHigh(ctx context.Context) error {
	w.ids.mu.Lock()
	loaded := w.ids.loaded
	w.ids.mu.Unlock()
	if loaded {
		return nil
	}
	high, err := w.store.HighMark(ctx)
	if err != nil {
		return err
	}
	w.ids.raise(high)
	w.ids.mu.Lock()
	defer w.ids.mu.Unlock()
	w.ids.loaded = true
	return nil
}

// watchIDs looks at a piece of the scan.
func (w *Worker) watchIDs(rows []ReadyRow) error {
	w.ids.mu.Lock()
	high := w.ids.high
	w.ids.mu.Unlock()
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
		return &IDsBackwardsError{High: high.ID}
	}
	return nil
}
