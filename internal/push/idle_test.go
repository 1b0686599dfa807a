package push

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/outbox"
)

// counted counts the readings of a lane.
type counted struct {
	*memory
	reads atomic.Int64
}

func (c *counted) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]ReadyRow, error) {
	c.reads.Add(1)
	return c.memory.Ready(ctx, lane, after, limit)
}

// A lane without work that is told of every commit looks for itself only once a second, and goes on at once when it is
// woken; without such hints its poll stays what it is.
func TestIdleWorkerReadsSeldom(t *testing.T) {
	for _, hinted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &counted{memory: newMemory()}
			w := newTestWorker(t, &answers{}, s)
			w.cfg.PollInterval = 250 * time.Millisecond
			if hinted {
				w.Hinted()
			}
			stop := running(t, w)
			defer stop()
			time.Sleep(5 * time.Second)
			before := s.reads.Load()
			time.Sleep(10 * time.Second)
			reads := s.reads.Load() - before // two lanes
			if few := reads <= 24; few != hinted || reads < 16 {
				t.Errorf("hinted=%t: %d readings in ten seconds", hinted, reads)
			}
			before = s.reads.Load()
			w.Wake()
			time.Sleep(10 * time.Millisecond)
			if s.reads.Load() == before {
				t.Error("a wake is not followed by a reading")
			}
		})
	}
}
