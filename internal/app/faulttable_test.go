package app

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/testsize"
)

// cell is one entry of the fault table: every call of an effect fails in one way for a while, and then heals, or the
// daemon is restarted in the middle of it.
type cell struct {
	place
	effect, kind string
	restart      bool
}

func (c cell) String() string {
	end := "heals"
	if c.restart {
		end = "restart"
	}
	return strings.Join([]string{c.place.String(), c.effect, c.kind, end}, "/")
}

// leave is what the contract leaves room for in a cell of HubSpot's.
func (c cell) leave() leave {
	writes := map[string]bool{"batch_create": true, "batch_update": true, "batch_upsert": true, "batch_archive": true, "gdpr_delete": true}[c.effect]
	switch c.kind {
	case "400", "409": // refused without a word of explanation, row by row
		return leave{attempts: writes, dead: writes}
	case "drop:3", "noids", "empty200": // a 2xx that does not name the row, or a reading that hides its contact
		return leave{attempts: writes || c.effect == "batch_read"}
	case "500", "502html", "503", "524", "hang", "late:20s":
		// The request with this row alone fails while others of the portal, to other operations, succeed.
		return leave{attempts: writes}
	}
	return leave{}
}

// Whatever HubSpot, or the way to it, does to any operation of the push path, for a while or until the daemon is
// restarted: every lead is in HubSpot once, as its rows say, and no row pays for trouble that is not its own (G1 to
// G5).
func TestG5FaultTableOfHubSpot(t *testing.T) {
	t.Parallel()
	var cells []cell
	seen := map[string]bool{}
	for _, p := range []place{{dialect: "sqlite"}, {dialect: "sqlite", keyed: true}, {dialect: "sqlite", oauth: true}, {dialect: "sqlite", pulls: true}} {
		w := &wire{seen: map[string]bool{}, strange: map[string]bool{}}
		inScene(t, p, func(s *scene) {
			w.into(s)
			s.all()
			s.check(leave{})
		})
		w.nothingStrange(t)
		for _, op := range slices.Sorted(maps.Keys(w.seen)) {
			if seen[op] && !(p.pulls && op == "batch_read") { // pull reads too
				continue
			}
			seen[op] = true
			for _, kind := range remoteKinds(t) {
				cells = append(cells, cell{p, op, kind, false}, cell{p, op, kind, true})
			}
		}
	}
	everyOperationRegistered(t, seen)
	runCells(t, cells, testsize.Of(1, 29), cell.remote)
}

func (w *wire) into(s *scene) {
	s.base = func(inner http.RoundTripper) http.RoundTripper {
		w.inner = inner
		return w
	}
}

// remote plays one cell.
func (c cell) remote(t *testing.T) {
	inScene(t, c.place, func(s *scene) {
		w := &wire{seen: map[string]bool{}, strange: map[string]bool{}}
		w.into(s)
		s.before()
		w.breaks(t, s.sim, c.effect, c.kind)
		s.start()
		s.during()
		if c.restart {
			s.stop()
			s.start()
			time.Sleep(10 * time.Second)
		}
		for range 60 { // a stream comes with its schedule
			if !c.pulls || w.hasMet(s.sim) {
				break
			}
			time.Sleep(5 * time.Second)
		}
		if w.heals(t, s.sim) == 0 {
			t.Errorf("no request met the fault")
		}
		s.after()
		s.check(c.leave())
		w.nothingStrange(t)
		if st := s.sim.Stats(); st.Early > 0 && !c.restart {
			t.Errorf("%d requests came before the time that HubSpot had asked for", st.Early)
		}
	})
}

// Whatever the database does to any statement of the push path, on every dialect: the outcome is the same, and no row
// pays for it.
func TestG5FaultTableOfSQL(t *testing.T) {
	t.Parallel()
	for _, p := range places(t) {
		t.Run(p.dialect, func(t *testing.T) {
			t.Parallel()
			sh := &shakes{}
			inScene(t, p, func(s *scene) {
				sh.into(s)
				s.all()
				s.check(leave{})
			})
			var cells []cell
			for _, method := range sqlEffects(t, sh.seen) {
				for _, kind := range sqlKinds {
					cells = append(cells, cell{p, method, kind, false}, cell{p, method, kind, true})
				}
			}
			q := p
			q.pulls = true
			sh = &shakes{}
			inScene(t, q, func(s *scene) {
				sh.into(s)
				s.all()
				s.check(leave{})
			})
			for _, method := range pullEffects(t, sh.seen) {
				for _, kind := range sqlKinds {
					cells = append(cells, cell{q, method, kind, false}, cell{q, method, kind, true})
				}
			}
			runCells(t, cells, sqlStride(p), cell.sql)
		})
	}
}

// sql plays one cell.
func (c cell) sql(t *testing.T) {
	inScene(t, c.place, func(s *scene) {
		sh := &shakes{}
		sh.into(s)
		s.before()
		if c.pulls { // the contacts are read once more for the mapping, as if it had come to tell a field
			_, err := s.db.Exec(`DELETE FROM leadsync_streams WHERE stream = 'mapping'`)
			must(t, err)
		}
		sh.breaks(c.effect, c.kind)
		s.start()
		s.during()
		if c.restart {
			s.stop()
			s.start()
			time.Sleep(10 * time.Second)
		}
		// Some calls come with the second look, minutes later: time costs nothing in a bubble.
		for range 60 {
			if sh.hasMet() || !c.place.bubble() {
				break
			}
			time.Sleep(5 * time.Second)
		}
		switch {
		case sh.heals() > 0:
		case c.place.bubble():
			t.Errorf("no call met the fault")
		default:
			t.Log("NOT CHECKED on a server: the call comes minutes later; the SQLite cell waits for it")
		}
		s.after()
		s.check(leave{})
	})
}

// sqlStride is how many cells of a database lie between two that are run.
func sqlStride(p place) int {
	if p.bubble() {
		return testsize.Of(1, 29)
	}
	return testsize.Of(7, 41) // in real time
}

// runCells runs every stride-th cell and prints the table. The stride has no divisor in common with the cells of an
// effect, so what is run touches every kind, and it begins somewhere else each time, so that many runs cover all of it.
// A full run has a stride of 1.
func runCells(t *testing.T, cells []cell, stride int, play func(cell, *testing.T)) {
	t.Helper()
	began, ran, failed, offset := time.Now(), 0, 0, int(testsize.Seed(t)%uint64(stride))
	marks := map[cell]string{}
	for i, c := range cells {
		marks[c] = "-"
		if (i+offset)%stride != 0 {
			continue
		}
		ran++
		marks[c] = "."
		if !t.Run(strings.ReplaceAll(c.String(), " ", "_"), func(t *testing.T) { play(c, t) }) {
			failed++
			marks[c] = "F"
		}
	}
	t.Logf("%s\n%d of %d cells run in %s, %d failed", drawTable(cells, marks), ran, len(cells), time.Since(began).Round(100*time.Millisecond), failed)
}

// drawTable is the whole table: an effect a line, a kind a column, and in each the two ends.
func drawTable(cells []cell, marks map[cell]string) string {
	var kinds, effects []string
	for _, c := range cells {
		if effect := c.place.String() + " " + c.effect; !slices.Contains(effects, effect) {
			effects = append(effects, effect)
		}
		if !slices.Contains(kinds, c.kind) {
			kinds = append(kinds, c.kind)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "fault table: %d effects x %d kinds x {heals, restart}; . = as the rows say, F = not, - = not in this sample\n%-46s", len(effects), len(kinds), "")
	for _, kind := range kinds {
		fmt.Fprintf(&b, " %s", kind)
	}
	for _, effect := range effects {
		fmt.Fprintf(&b, "\n%-46s", effect)
		for _, kind := range kinds {
			mark := ""
			for _, c := range cells {
				if c.place.String()+" "+c.effect == effect && c.kind == kind {
					mark += marks[c]
				}
			}
			fmt.Fprintf(&b, " %-*s", len(kind), mark)
		}
	}
	return b.String()
}
