package schedule

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// scene runs a scheduler for d and then stops it.
func scene(t *testing.T, cfg Config, d time.Duration, jobs ...Job) *Scheduler {
	t.Helper()
	cfg.NoJitter = true
	s, err := New(cfg, jobs...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	time.Sleep(d)
	stop()
	<-done
	return s
}

// marks is a job's Run that notes when it began.
func marks(at *[]time.Duration, lasts time.Duration) func(context.Context) error {
	begun := time.Now()
	return func(context.Context) error {
		*at = append(*at, time.Since(begun))
		time.Sleep(lasts)
		return nil
	}
}

func same(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s ran at %v, want %v", what, got, want)
	}
}

// The bubble's clock starts at midnight UTC.
func TestMissedRunsAreMadeUpForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var never, missed, recent, future, daily, today []time.Duration
		now := time.Now()
		scene(t, Config{}, 2*time.Hour+30*time.Minute,
			Job{Name: "never", Spec: "@every 1h", Run: marks(&never, 0)},
			Job{Name: "missed", Spec: "@every 1h", Last: now.Add(-100 * time.Hour), Run: marks(&missed, 0)},
			Job{Name: "recent", Spec: "@every 1h", Last: now.Add(-40 * time.Minute), Run: marks(&recent, 0)},
			Job{Name: "future", Spec: "@every 1h", Last: now.Add(40 * time.Minute), Run: marks(&future, 0)},
			Job{Name: "daily", Spec: "0 1 * * *", Last: now.Add(-22*time.Hour - 30*time.Minute), Run: marks(&daily, 0)},
			Job{Name: "today", Spec: "30 0 * * *", Last: now.Add(-time.Hour), Run: marks(&today, 0)})
		same(t, "a job that never ran", never, 0, time.Hour, 2*time.Hour)
		same(t, "a job that missed a hundred firings", missed, 0, time.Hour, 2*time.Hour)
		same(t, "a job that ran lately", recent, 20*time.Minute, 80*time.Minute, 140*time.Minute)
		same(t, "a job of a clock that was ahead", future, 0, time.Hour, 2*time.Hour)
		same(t, "a job of the day", daily, time.Hour)
		same(t, "another job of the day", today, 30*time.Minute)
	})
}

func TestARunningJobIsSkippedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		var told []time.Duration
		var mu sync.Mutex // firings tell from goroutines of their own
		tell := func(_ string, running time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, running)
		}
		s := scene(t, Config{Skipped: tell}, 5*time.Minute+time.Second,
			Job{Name: "slow", Spec: "@every 1m", Run: marks(&at, 150*time.Second)})
		same(t, "the job", at, 0, 3*time.Minute)
		same(t, "the skips were told", told, time.Minute, 2*time.Minute, time.Minute, 2*time.Minute)
		if n := s.Status("slow").Skipped; n != 4 {
			t.Errorf("%d firings counted as skipped, want 4", n)
		}
	})
}

func TestAPanicIsReportedAndTheNextRunComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, stacks := 0, ""
		s := scene(t, Config{Panicked: func(_ string, _ any, stack []byte) { stacks += string(stack) }}, 3*time.Minute+time.Second,
			Job{Name: "bad", Spec: "@every 1m", Run: func(context.Context) error { runs++; panic("oh") }})
		if st := s.Status("bad"); runs != 4 || st.Panics != 4 || st.Skipped != 0 {
			t.Errorf("%d runs, %+v, want 4 runs and 4 panics", runs, st)
		}
		if !strings.Contains(stacks, "schedule_test.go") {
			t.Errorf("the stack does not show where it was:\n%s", stacks)
		}
	})
}

func TestAFailedRunIsRepeatedBeforeTheNextFiring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		begun := time.Now()
		fails := 3
		s := scene(t, Config{Retry: func(n int) time.Duration { return time.Duration(n) * 10 * time.Minute }}, 2*time.Hour+time.Minute,
			Job{Name: "failing", Spec: "@every 1h", Run: func(context.Context) error {
				at = append(at, time.Since(begun))
				if fails--; fails >= 0 {
					return errors.New("away")
				}
				return nil
			}})
		// 0, +10, +20; the third repeat would come when the next firing does.
		same(t, "the job", at, 0, 10*time.Minute, 30*time.Minute, time.Hour, 2*time.Hour)
		if n := s.Status("failing").Skipped; n != 0 {
			t.Errorf("%d firings skipped while it waited for a repeat", n)
		}
	})
}

func TestStopWaitsForTheRunUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		scene(t, Config{}, time.Second, Job{Name: "long", Spec: "@every 1h", Run: func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(7 * time.Second) // a request that may end
			ended = true
			return ctx.Err()
		}})
		if !ended {
			t.Error("Run returned while a job was at work")
		}
	})
}

func TestNextIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{NoJitter: true}, Job{Name: "j", Spec: "@every 1h", Last: time.Now().Add(-10 * time.Minute),
			Run: func(context.Context) error { time.Sleep(time.Minute); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		if next := s.Status("j").Next.Sub(begun); next != 50*time.Minute {
			t.Errorf("next in %s, want 50m", next)
		}
		time.Sleep(50*time.Minute + 30*time.Second)
		if st := s.Status("j"); st.Next.Sub(begun) != 110*time.Minute || st.Running != 30*time.Second {
			t.Errorf("at work: next in %s, running for %s", st.Next.Sub(begun), st.Running)
		}
		stop()
		<-done
	})
}

func TestJitterPutsOffALittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		s, err := New(Config{}, Job{Name: "j", Spec: "@every 1m", Run: marks(&at, 0)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		time.Sleep(time.Hour)
		stop()
		<-done
		if at[0] != 0 {
			t.Errorf("the missed run was put off by %s", at[0])
		}
		exact := 0
		for i, d := range at[1:] {
			off := d - time.Duration(i+1)*time.Minute
			if off < 0 || off >= 3*time.Second {
				t.Errorf("firing %d came %s after its time", i+1, off)
			}
			if off == 0 {
				exact++
			}
		}
		if len(at) < 59 || exact > 5 {
			t.Errorf("%d runs, %d of them on the second", len(at), exact)
		}
	})
}

// A clock change neither loses nor doubles a firing, as long as the expression names no zone.
func TestSchedulesAreUTC(t *testing.T) {
	spring := time.Date(2027, 3, 27, 12, 0, 0, 0, time.UTC) // before the night of the change in Europe
	local := time.FixedZone("elsewhere", 3*3600)
	s, err := Parse("30 2 * * *", spring)
	if err != nil {
		t.Fatal(err)
	}
	j := &job{Job: Job{Last: spring.In(local)}, times: s}
	first, missed := j.first(spring.Add(time.Minute))
	if want := time.Date(2027, 3, 28, 2, 30, 0, 0, time.UTC); missed || !first.Equal(want) {
		t.Errorf("first at %s (missed %v), want %s", first, missed, want)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, spec := range []string{"", "TZ=UTC", "CRON_TZ=", "TZ=0", "0 0 31 2 *", "* * * * * *", "0 0 * * 7", "@every x", "@sometimes", "TZ=Nowhere/Here 0 0 * * *"} {
		if _, err := Parse(spec, time.Now()); err == nil {
			t.Errorf("%q is taken for a schedule", spec)
		}
	}
	for _, spec := range []string{"@every 1m", "@daily", "@hourly", "*/5 * * * *", "CRON_TZ=Europe/Paris 30 2 * * *"} {
		if _, err := Parse(spec, time.Now()); err != nil {
			t.Error(err)
		}
	}
}

// A clock that is set, in either direction and at any moment, neither holds a job up for longer than its period nor
// makes it run wild.
func TestSchedulesSurviveAClockThatIsSet(t *testing.T) {
	for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour, 24 * time.Hour, -24 * time.Hour, 87_600 * time.Hour, -87_600 * time.Hour} {
		for _, back := range []bool{false, true} { // whether it is set right again
			synctest.Test(t, func(t *testing.T) {
				var off atomic.Int64
				var minute, quarter, hourly []time.Duration
				now := func() time.Time { return time.Now().Add(time.Duration(off.Load())).Round(0) }
				go func() {
					time.Sleep(90*time.Minute + 20*time.Second)
					off.Store(int64(jump))
					if back {
						time.Sleep(10 * time.Minute)
						off.Store(0)
					}
				}()
				s := scene(t, Config{Now: now}, 4*time.Hour+30*time.Second,
					Job{Name: "minute", Spec: "@every 1m", Run: marks(&minute, 0)},
					Job{Name: "quarter", Spec: "*/15 * * * *", Run: marks(&quarter, 0)},
					Job{Name: "hourly", Spec: "@hourly", Run: marks(&hourly, 0)})
				next := s.Status("minute").Next.Sub(now())
				if next < 0 || next > time.Minute {
					t.Errorf("jump %s, back %t: the next run is told in %s", jump, back, next)
				}
				for name, job := range map[string]struct {
					at     []time.Duration
					period time.Duration
				}{"minute": {minute, time.Minute}, "quarter": {quarter, 15 * time.Minute}, "hourly": {hourly, time.Hour}} {
					last := time.Duration(0)
					for _, at := range append(job.at, 4*time.Hour) {
						if at-last > job.period+slice {
							t.Errorf("jump %s, back %t: %s stood from %s to %s", jump, back, name, last, at)
						}
						last = at
					}
					if most := int(4*time.Hour/job.period) + 4; len(job.at) > most {
						t.Errorf("jump %s, back %t: %s ran %d times, want at most %d", jump, back, name, len(job.at), most)
					}
				}
			})
		}
	}
}
