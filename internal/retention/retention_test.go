package retention

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/outbox"
)

// table is a database with rows that ended at some time; it keeps what it was asked.
type table struct {
	ended []int64 // unix ms
	calls []string
	away  time.Time // until when every call fails
}

func (t *table) remove(what string, before int64, limit int) (int64, error) {
	t.calls = append(t.calls, what)
	if time.Now().Before(t.away) {
		return 0, errors.New("away")
	}
	n := 0
	t.ended = slices.DeleteFunc(t.ended, func(at int64) bool {
		old := at < before && n < limit
		if old {
			n++
		}
		return old
	})
	return int64(n), nil
}

func (t *table) Purge(_ context.Context, states []outbox.State, before int64, limit int) (int64, error) {
	return t.remove(fmt.Sprint(states), before, limit)
}

func (t *table) PurgeInbox(_ context.Context, before int64, limit int) (int64, error) {
	return t.remove("inbox", before, limit)
}

// running runs a loop in a bubble for a while, and returns its log and the waits it told.
func running(t *testing.T, life time.Duration, loop func(context.Context, Config)) (log string, waits []time.Duration) {
	t.Helper()
	var text bytes.Buffer
	c := Config{Log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Turn: func(wait time.Duration) { waits = append(waits, wait) }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); loop(ctx, c) }()
	time.Sleep(life)
	stop()
	<-ended
	return text.String(), waits
}

// Rows go when their time is over, a thousand in a transaction, and the loop turns between two.
func TestKeepEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{}
		for i := range 2500 {
			s.ended = append(s.ended, time.Now().Add(-time.Hour-time.Duration(i)).UnixMilli()-1)
		}
		s.ended = append(s.ended, time.Now().UnixMilli())
		log, waits := running(t, time.Minute, func(ctx context.Context, c Config) { KeepEntries(ctx, c, s, time.Hour, 0) })
		if len(s.ended) != 1 || len(s.calls) != 3 || s.calls[0] != "[delivered skipped]" {
			t.Errorf("%d rows stay, asked %v", len(s.ended), s.calls)
		}
		if !slices.Equal(waits, []time.Duration{0, 0, 0, Every}) || !strings.Contains(log, "count=2500 older_than=1h0m0s") {
			t.Errorf("waits %v, log %s", waits, log)
		}
	})
}

// Dead rows have a time of their own; the next round comes by itself, also after one that failed.
func TestKeepEntriesGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{ended: []int64{time.Now().UnixMilli()}, away: time.Now().Add(Every / 2)}
		log, _ := running(t, Every+time.Minute, func(ctx context.Context, c Config) { KeepEntries(ctx, c, s, 0, time.Minute) })
		if len(s.ended) != 0 || !slices.Equal(s.calls, []string{"[dead]", "[dead]"}) || !strings.Contains(log, "err=away") {
			t.Errorf("rows %v, asked %v, log %s", s.ended, s.calls, log)
		}
	})
}

// The inbox is kept in the same way, and says that it is the inbox.
func TestKeepInbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &table{ended: []int64{time.Now().UnixMilli()}}
		log, _ := running(t, 3*Every, func(ctx context.Context, c Config) {
			c.Turn = nil
			KeepInbox(ctx, c, s, Every)
		})
		if len(s.ended) != 0 || !strings.Contains(log, "item=inbox count=1 older_than=10m0s") {
			t.Errorf("rows %v, asked %v, log %s", s.ended, s.calls, log)
		}
	})
}
