package app

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
)

// failingUntaken is a database in which the question what the application has not taken yet fails some times.
type failingUntaken struct {
	Store
	left *atomic.Int32
	err  error
}

func (f failingUntaken) Untaken(ctx context.Context, id lead.ID) (map[string]int64, error) {
	if f.left.Add(-1) >= 0 {
		return nil, f.err
	}
	return f.Store.Untaken(ctx, id)
}

// TestG5UntakenFails has its place beside the fault table, whose scene has no row that meets what was told and not
// taken: whatever the question fails with, the row is decided as if it had not, once, and pays nothing.
func TestG5UntakenFails(t *testing.T) {
	t.Parallel()
	for _, trouble := range []error{driver.ErrBadConn, context.DeadlineExceeded, errors.New("an error that no class knows")} {
		for _, times := range []int32{1, 3} {
			inBubble(t, hubspotsim.Config{Seed: 231}, firmMapping("both", "hubspot"), func(r *rig) {
				var left atomic.Int32
				r.between = func(s Store) Store { return failingUntaken{s, &left, trouble} }
				r.event("1", "lead.registered", "ada@example.com", `{"name":"Ada","firm":"First"}`)
				r.start()
				r.settled(time.Minute)
				must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{"company": "Theirs"}))
				second := r.eventAt(time.Now(), "1", "lead.updated", "", `{"firm":"Second"}`)
				r.settled(time.Minute)
				r.want(second, "skipped/overtaken")
				left.Store(times)
				id := r.eventAt(time.Now(), "1", "lead.updated", "", `{"firm":"Third"}`)
				r.settled(10 * time.Minute)
				if o := r.want(id, "skipped/overtaken"); o.Attempts != 0 {
					t.Errorf("%v, %d times: the row paid %d attempts", trouble, times, o.Attempts)
				}
				if left.Load() >= 0 {
					t.Errorf("%v: the question was not asked %d times", trouble, times+1)
				}
				r.wantContact("ada@example.com", map[string]string{"company": "Theirs"})
				r.wantInbox(`contact.updated {}`, `contact.updated {"firm":{"value":"Theirs","was":"First"}}`)
			})
		}
	}
}
