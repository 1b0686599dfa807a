package hubspot

import (
	"testing"
	"time"
)

// A wall clock that is set to another day and back begins a new day each time: what is reserved of the other day is not
// spent on this one, and nothing waits for a midnight that is years away.
func TestG10DailyClockJumps(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var d day
	for i, step := range []struct {
		at   time.Time
		name string
	}{
		{start, "2026-03-01"},
		{start.Add(48 * time.Hour), "2026-03-03"},
		{start, "2026-03-01"},
		{start.AddDate(-20, 0, 0), "2006-03-01"},
		{start.AddDate(20, 0, 0), "2046-03-01"},
		{start, "2026-03-01"},
	} {
		d.roll(step.at)
		if d.name != step.name || d.used != 0 || d.reserved != 0 || d.statedUsed != 0 {
			t.Errorf("step %d: day %s with %d used, %d reserved, %d stated, want %s with none", i, d.name, d.used, d.reserved, d.statedUsed, step.name)
		}
		d.used, d.reserved, d.statedUsed = 40, 60, 500
		if d.roll(step.at.Add(time.Second)); d.used != 40 || d.reserved != 60 {
			t.Errorf("step %d: the count of the day is gone a second later", i)
		}
		if wait := d.midnight(step.at).Sub(step.at); wait <= 0 || wait > 24*time.Hour {
			t.Errorf("step %d: midnight in %s", i, wait)
		}
		if d.usedOn(step.at.AddDate(1, 0, 0)) != 0 {
			t.Errorf("step %d: the count of this day stands for another", i)
		}
	}
}
