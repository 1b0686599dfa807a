//go:build stallable

package app

import (
	"context"
	"os"
	"path/filepath"

	"leadsync/internal/outbox"
	"leadsync/internal/push"
)

// Built with -tags stallable, for the test of the watchdog alone: while $STATE_DIRECTORY/stall is there, the reading
// loop stands still in a call that never returns.
func init() {
	between = func(s Store) Store { return stalling{s} }
}

type stalling struct{ Store }

func (s stalling) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	if _, err := os.Stat(filepath.Join(os.Getenv("STATE_DIRECTORY"), "stall")); err == nil {
		select {}
	}
	return s.Store.Ready(ctx, lane, after, limit)
}
