package hubspot

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspotsim"
)

// Each fault of the simulator, once: its class, whether the outcome is unknown, how long to wait, and what HubSpot holds then.
func TestEveryFault(t *testing.T) {
	for _, tc := range []struct {
		fault   string
		class   Class
		unknown bool
		wait    time.Duration
		applied int
	}{
		{"400", ClassInvalid, false, 0, 0},
		{"401", ClassUnauthorized, false, 0, 0},
		{"403", ClassScope, false, 0, 0},
		{"409", ClassConflict, false, 0, 0},
		{"409:77", ClassConflict, false, 0, 0},
		{"423", ClassLocked, false, 2 * time.Second, 0},
		{"429", ClassRateLimited, false, 10 * time.Second, 0},
		{"429daily", ClassDaily, false, 24 * time.Hour, 0},
		{"477:90", ClassMigrating, false, 90 * time.Second, 0},
		{"500", ClassTransient, true, 0, 0},
		{"502html", ClassTransient, true, 0, 0},
		{"524", ClassTransient, true, 0, 0},
		{"lost", ClassTransient, true, 0, 2},
		{"cut", ClassTransient, true, 0, 2},
		{"hang", ClassTransient, true, 0, 0},
		{"late:20s", ClassTransient, true, 0, 2},
		{"slow:30s", ClassTransient, true, 0, 0},
		{"slow:5s", ClassNone, false, 0, 2},
		{"empty200", ClassNone, false, 0, 0},
		{"noids", ClassNone, false, 0, 2},
		{"drop:1", ClassNone, false, 0, 2},
		{"drop:2", ClassNone, false, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(12 * time.Hour) // away from midnight
			sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100, Faults: "batch_create=" + tc.fault + "x1"})
			c := clientFor(t, sim, nil, NewLimiter(LimiterConfig{PerWindow: 100}))
			in := []Input{row("r1", "", "email", "ada@example.com"), row("r2", "", "email", "grace@example.org")}
			began := time.Now()
			got, err := c.BatchCreate(t.Context(), in)
			if took := time.Since(began); took > 15*time.Second+time.Second {
				t.Errorf("%s: took %s", tc.fault, took)
			}
			if class := Classify(err); class != tc.class || OutcomeUnknown(err) != tc.unknown {
				t.Errorf("%s: class %q, unknown %t: %v", tc.fault, class, OutcomeUnknown(err), err)
			}
			wait := RetryAfter(err)
			if tc.class == ClassDaily {
				if wait < 12*time.Hour || wait > 12*time.Hour+2*time.Minute {
					t.Errorf("%s: wait %s, want until after midnight", tc.fault, wait)
				}
			} else if wait != tc.wait {
				t.Errorf("%s: wait %s, want %s", tc.fault, wait, tc.wait)
			}
			if (got == nil) == (err == nil) {
				t.Errorf("%s: result %v and error %v", tc.fault, got, err)
			}
			if e, ok := errors.AsType[*Error](err); ok && e.Status != 0 && e.CorrelationID == "" {
				t.Errorf("%s: no correlation id: %v", tc.fault, err)
			}
			if e, ok := errors.AsType[*Error](err); ok && (e.ExistingID == "77") != (tc.fault == "409:77") {
				t.Errorf("%s: existing id %q", tc.fault, e.ExistingID)
			}
			time.Sleep(25 * time.Second) // what comes late comes
			if n := len(sim.Contacts()); n != tc.applied {
				t.Errorf("%s: %d contacts, want %d", tc.fault, n, tc.applied)
			}
		})
	}
}
