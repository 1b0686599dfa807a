package schedule

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Parse reads five cron fields (minute hour day month weekday, Sunday is 0), @every DURATION, @hourly, @daily and the
// like. cron's own parser panics on some zones (https://github.com/robfig/cron/issues/554, read 2026-11-22), makes one
// second of @every 0s, and takes dates that never come.
func Parse(spec string, now time.Time) (s cron.Schedule, err error) {
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("%q is not a schedule", spec)
		}
	}()
	if s, err = cron.ParseStandard(spec); err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %w", spec, err)
	}
	if s.Next(now).IsZero() {
		return nil, fmt.Errorf("schedule %q names a time that never comes", spec)
	}
	return s, nil
}
