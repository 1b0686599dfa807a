package push

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/hubspot"
)

// A lane that is told how long to stay away stays away for so long, and says so, whatever told it and however often it failed before.
func TestGateObeysRetryAfter(t *testing.T) {
	for _, status := range []int{423, 429, 477, 500, 503} {
		for _, fails := range []int{0, 1, 5} {
			now := time.UnixMilli(1_700_000_000_000)
			g := newGate(slog.New(slog.DiscardHandler), backoff.Schedule{Base: time.Second, Cap: time.Minute, Factor: 2}, now)
			for range fails {
				g.trouble(&hubspot.Error{Op: hubspot.OpBatchRead, Status: 500, Sent: true}, now)
				now = now.Add(time.Minute)
			}
			g.trouble(fmt.Errorf("read: %w", &hubspot.Error{Op: hubspot.OpBatchRead, Status: status, Sent: true, RetryAfter: time.Hour}), now)
			if wait, _ := g.closedFor(now); wait != time.Hour {
				t.Errorf("%d after %d failures: closed for %s", status, fails, wait)
			}
			if wait, _ := g.closedFor(now.Add(time.Hour)); wait > 0 {
				t.Errorf("%d after %d failures: still closed for %s", status, fails, wait)
			}
		}
	}
}
