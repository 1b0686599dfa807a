package breaker

import (
	"context"
	"time"
)

// beatEvery bounds the time between two calls of Wait's turn.
const beatEvery = 10 * time.Second

// ProbeSize is how many leads a request may hold, and that one at a time is enough, because the last ones failed; 0 =
// no bound.
func (b *Breaker) ProbeSize() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.probe
}

// FreshIn is how long leads that have not failed wait still.
func (b *Breaker) FreshIn() time.Duration {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.freshAt.Sub(now))
}

// SuspectsIn is how long leads that failed wait still.
func (b *Breaker) SuspectsIn() time.Duration {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, b.until.Sub(now))
}

// OpenFor is how long nothing at all may be sent; zero = something may, at least of leads that have not failed.
func (b *Breaker) OpenFor() time.Duration {
	d, _ := b.openFor()
	return d
}

// openFor gives a channel too, which is closed when that changes.
func (b *Breaker) openFor() (time.Duration, <-chan struct{}) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(0, earliest(b.until, b.freshAt).Sub(now)), b.changed
}

// Wait returns nil when something may be sent, or the context's error. It calls turn at the start and at least every 10
// seconds.
func (b *Breaker) Wait(ctx context.Context, turn func()) error {
	for {
		turn()
		d, changed := b.openFor()
		if d <= 0 {
			return ctx.Err()
		}
		t := time.NewTimer(min(d, beatEvery))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		case <-changed:
			t.Stop()
		}
	}
}
