package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxTroubles bounds the table of a Limiter. A key beyond it pushes out the one that was quiet longest.
const maxTroubles = 256

// Limiter keeps a trouble that repeats to one line per key and period, and closes it with one line when it is over. The
// key names the trouble ("push/transient"), not the instance: no ids in it. Safe for concurrent use.
type Limiter struct {
	log    *slog.Logger
	period time.Duration

	mu       sync.Mutex
	troubles map[string]*trouble
}

// trouble is what is known of one key since its first line.
type trouble struct {
	since, spoke, last time.Time
	held               int // lines held back since the last one that was written
	total              int // all lines, written or not
}

// NewLimiter makes one; period 0 means a minute.
func NewLimiter(log *slog.Logger, period time.Duration) *Limiter {
	if period == 0 {
		period = time.Minute
	}
	return &Limiter{log: log, period: period, troubles: map[string]*trouble{}}
}

// Log writes the line unless the same key had one within the period. A line that follows held back ones carries their
// number as `suppressed`. It reports whether the line was written.
func (l *Limiter) Log(ctx context.Context, level slog.Level, key, message string, attrs ...slog.Attr) bool {
	now := time.Now()
	l.mu.Lock()
	t := l.troubles[key]
	if t == nil {
		l.makeRoom()
		t = &trouble{since: now}
		l.troubles[key] = t
	}
	t.total++
	t.last = now
	if t.total > 1 && now.Sub(t.spoke) < l.period {
		t.held++
		l.mu.Unlock()
		return false
	}
	held := t.held
	t.held, t.spoke = 0, now
	l.mu.Unlock()
	if held > 0 {
		attrs = append(attrs[:len(attrs):len(attrs)], slog.Int(Suppressed, held))
	}
	l.log.LogAttrs(ctx, level, message, attrs...)
	return true
}

// Recovered closes the trouble of key with one info line that says how often and how long it was met, and forgets it.
// Without such a trouble it writes nothing and reports false, so it may be called on every success.
func (l *Limiter) Recovered(ctx context.Context, key, message string, attrs ...slog.Attr) bool {
	l.mu.Lock()
	t := l.troubles[key]
	delete(l.troubles, key)
	l.mu.Unlock()
	if t == nil {
		return false
	}
	attrs = append(attrs[:len(attrs):len(attrs)], slog.Int(Count, t.total), slog.Duration(Elapsed, time.Since(t.since)))
	l.log.LogAttrs(ctx, slog.LevelInfo, message, attrs...)
	return true
}

// makeRoom runs under mu.
func (l *Limiter) makeRoom() {
	if len(l.troubles) < maxTroubles {
		return
	}
	oldest, at := "", time.Time{}
	for key, t := range l.troubles {
		if oldest == "" || t.last.Before(at) {
			oldest, at = key, t.last
		}
	}
	delete(l.troubles, oldest)
}
