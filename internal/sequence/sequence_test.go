package sequence

import (
	"context"
	"errors"
	"strings"
	"testing"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// rows are n rows from an id on, made at a time.
func rows(from outbox.EntryID, n int, at int64) []settlement.ReadyRow {
	out := make([]settlement.ReadyRow, n)
	for i := range out {
		out[i].ID, out[i].CreatedAt = from+outbox.EntryID(i), at
	}
	return out
}

// A run of new rows with old ids stops the lane; one alone, old rows, and clocks that differ by less than a minute do
// not.
func TestCheck(t *testing.T) {
	w := &Watch{}
	if err := w.Check(rows(1, 100, 5)); err != nil {
		t.Errorf("nothing is known: %v", err)
	}
	w.Raise(settlement.HighMark{ID: 1000, CreatedAt: 50_000})
	w.Raise(settlement.HighMark{ID: 900, CreatedAt: 40_000})
	late := int64(50_000 + clockMargin + 1)
	for _, c := range []struct {
		name string
		rows []settlement.ReadyRow
		stop bool
	}{
		{"none", nil, false},
		{"a run", rows(1, backwardsRun, late), true},
		{"a few", rows(1, backwardsRun-1, late), false},
		{"old rows", rows(1, 100, 50_000), false},
		{"within the margin", rows(1, 100, late-1), false},
		{"and the sequence is ahead", append(rows(1, 100, late), rows(1000, 1, late)...), false},
		{"above the one that settled last, below the highest", rows(900, backwardsRun, late), true},
	} {
		err := w.Check(c.rows)
		if (err != nil) != c.stop {
			t.Errorf("%s: %v", c.name, err)
		}
		if back, ok := errors.AsType[*BackwardsError](err); c.stop && (!ok || back.High != 1000 || back.Stops() != breaker.Paused || !strings.Contains(back.Error(), "1000")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// The mark is read until it was read once.
func TestLoad(t *testing.T) {
	w, reads, away := &Watch{}, 0, errors.New("away")
	read := func(context.Context) (settlement.HighMark, error) {
		if reads++; reads == 1 {
			return settlement.HighMark{}, away
		}
		return settlement.HighMark{ID: 7, CreatedAt: 1}, nil
	}
	if err := w.Load(t.Context(), read); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	for range 3 {
		if err := w.Load(t.Context(), read); err != nil {
			t.Error(err)
		}
	}
	if reads != 2 || w.Check(rows(1, backwardsRun, 2+clockMargin)) == nil {
		t.Errorf("read %d times", reads)
	}
}
