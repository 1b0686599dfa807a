package hubspot

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
)

// Each fault of the simulator, once: its class, whether the outcome is unknown, how long to wait, and what HubSpot
// holds then.
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

// Each fault of the simulator met by the operations that search, list, archive and erase: the class, whether the
// outcome is unknown, which it never is of a read, and whether the contact is still there. No answer is taken for the
// end of a scan or for a removal that is not.
func TestEveryFaultOfScansAndRemovals(t *testing.T) {
	for _, tc := range []struct {
		fault  string
		class  Class // of all four, but for those below
		write  bool  // the outcome of a write is unknown
		remove bool  // a write is carried out
	}{
		{"400", ClassInvalid, false, false},
		{"401", ClassUnauthorized, false, false},
		{"403", ClassScope, false, false},
		{"409", ClassConflict, false, false},
		{"423", ClassLocked, false, false},
		{"429", ClassRateLimited, false, false},
		{"429daily", ClassDaily, false, false},
		{"477:90", ClassMigrating, false, false},
		{"500", ClassTransient, true, false},
		{"502html", ClassTransient, true, false},
		{"524", ClassTransient, true, false},
		{"lost", ClassTransient, true, true},
		{"cut", ClassTransient, true, true},
		{"hang", ClassTransient, true, false},
		{"late:20s", ClassTransient, true, true},
		{"slow:30s", ClassTransient, true, false},
		{"slow:5s", ClassNone, false, true},
		{"empty200", ClassTransient, true, false},
	} {
		for _, op := range []string{OpSearch, OpList, OpBatchArchive, OpGDPRDelete} {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(12 * time.Hour) // away from midnight
				sim := portal(t, hubspotsim.Config{Latency: 150 * time.Millisecond, Limit: 100})
				c := clientFor(t, sim, nil, NewLimiter(LimiterConfig{PerWindow: 100, SearchPerSecond: 5}))
				id := seed(t, c, "ada@example.com")["ada@example.com"]
				if err := sim.SetFaults(op + "=" + tc.fault + "x1"); err != nil {
					t.Fatal(err)
				}
				var err error
				hits, write := 0, op == OpBatchArchive || op == OpGDPRDelete
				switch op {
				case OpSearch, OpList:
					var page *Page
					if page, err = c.List(t.Context(), ListRequest{}); op == OpSearch {
						page, err = c.Search(t.Context(), window("0"))
					}
					if page != nil {
						hits = len(page.Contacts)
					}
				case OpBatchArchive:
					err = c.BatchArchive(t.Context(), []lead.ContactID{id})
				case OpGDPRDelete:
					err = c.GDPRDelete(t.Context(), id)
				}
				if sim.FaultsLeft() != "" {
					t.Fatalf("%s=%s was not met", op, tc.fault)
				}
				if class := Classify(err); class != tc.class || OutcomeUnknown(err) != (write && tc.write) {
					t.Errorf("%s=%s: class %q, unknown %t: %v", op, tc.fault, class, OutcomeUnknown(err), err)
				}
				if !write && (hits == 1) != (tc.class == ClassNone) {
					t.Errorf("%s=%s: %d hits", op, tc.fault, hits)
				}
				time.Sleep(25 * time.Second)
				there := len(sim.Contacts()) == 1
				if there != !(write && tc.remove) {
					t.Errorf("%s=%s: there %t", op, tc.fault, there)
				}
			})
		}
	}
}

// Every status, for every operation: the same class as for the batches, and an unknown outcome for the writes among
// them only.
func TestEveryStatusOfEveryOperation(t *testing.T) {
	reads := []string{OpAccount, OpProperties, OpContact, OpBatchRead, OpSearch, OpList, OpDefinitions, OpStatuses, OpOptedOut}
	for status := 201; status <= 599; status++ {
		if status >= 300 && status < 400 && status != 302 {
			continue
		}
		c := answering(t, status, "{}")
		want := Classify(func() error { _, err := c.BatchUpdate(t.Context(), inputs(1)); return err }())
		for op, call := range everyOp(c, "ada@example.com", "x") {
			err := call(t.Context())
			e, isError := errors.AsType[*Error](err)
			if status < 300 {
				// What an empty object means is each operation's own; it is never done for a write that must show something.
				if err != nil && Classify(err) != ClassTransient {
					t.Errorf("%s %d: %v", op, status, err)
				}
				continue
			}
			if class := Classify(err); class != want || isError && e.Op != op {
				t.Errorf("%s %d: class %q, want %q: %v", op, status, class, want, err)
			}
			unknown := status >= 500 || status == 408 || status == 499
			if OutcomeUnknown(err) != (unknown && !slices.Contains(reads, op)) {
				t.Errorf("%s %d: unknown %t", op, status, OutcomeUnknown(err))
			}
		}
	}
}
