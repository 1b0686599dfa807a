package storetest

import (
	"fmt"
	"maps"
	"slices"

	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// lanesArePaused: a pause is kept as it was first said, per portal and lane, until it is resumed.
func lanesArePaused(e *env) {
	pause := func(want int64, by string, lanes ...string) {
		e.Helper()
		n, err := e.db.Operator().PauseLanes(e.Context(), portal, lanes, by)
		e.must(err)
		if n != want {
			e.Errorf("pause %v: %d, want %d", lanes, n, want)
		}
	}
	lanes := func(all []store.Pause, err error) (out []string) {
		e.Helper()
		e.must(err)
		for _, p := range all {
			if p.Since < 1000 {
				e.Errorf("%+v has no time", p)
			}
			out = append(out, p.Portal+"/"+p.Lane+"/"+p.By)
		}
		slices.Sort(out)
		return out
	}
	same := func(what string, got, want []string) {
		e.Helper()
		if !slices.Equal(got, want) {
			e.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	same("nothing", lanes(e.db.View(portal).Pauses(e.Context())), nil)
	pause(1, "ada", "live")
	pause(1, "bob", "live", "pull")
	pause(0, "bob")
	_, err := e.db.Operator().PauseLanes(e.Context(), "west", []string{"live"}, "")
	e.must(err)
	same("one portal", lanes(e.db.View(portal).Pauses(e.Context())), []string{"default/live/ada", "default/pull/bob"})
	same("all", lanes(e.db.Operator().Pauses(e.Context())), []string{"default/live/ada", "default/pull/bob", "west/live/"})
	n, err := e.db.Operator().ResumeLanes(e.Context(), portal, []string{"live", "backfill"})
	e.must(err)
	if n != 1 {
		e.Errorf("resumed %d, want 1", n)
	}
	same("after resume", lanes(e.db.Operator().Pauses(e.Context())), []string{"default/pull/bob", "west/live/"})
}

// requestsAreBounded: the newest requests of a lead stay, those of other leads and portals too.
func requestsAreBounded(e *env) {
	mine := own(e.db, e.acquire("one"), 0)
	var rows []store.RequestRow
	for i := range 7 {
		rows = append(rows, store.RequestRow{Portal: portal, LeadHash: "aaa", StartedAt: int64(100 + i), Op: "batch_read", Status: 200,
			CorrelationID: fmt.Sprint("c", i)})
	}
	rows = append(rows, store.RequestRow{Portal: portal, LeadHash: "bbb", StartedAt: 50, Op: "batch_create", Status: 207, Answer: "refused", Elapsed: 12})
	e.must(mine.KeepRequests(e.Context(), rows, 5))
	e.must(mine.KeepRequests(e.Context(), []store.RequestRow{{Portal: "west", LeadHash: "aaa", StartedAt: 1}, {Portal: "west", LeadHash: "aaa", StartedAt: 2}}, 1))
	of := func(portal, hash string) (out []int64) {
		e.Helper()
		all, err := e.db.View(portal).RequestsOf(e.Context(), hash, 100)
		e.must(err)
		for _, r := range all {
			out = append(out, r.StartedAt)
		}
		return out
	}
	if got := of(portal, "aaa"); !slices.Equal(got, []int64{106, 105, 104, 103, 102}) {
		e.Errorf("kept %v", got)
	}
	if got := of("west", "aaa"); !slices.Equal(got, []int64{2}) {
		e.Errorf("kept %v of the other portal", got)
	}
	one, err := e.db.View(portal).RequestsOf(e.Context(), "bbb", 1)
	e.must(err)
	if len(one) != 1 || one[0].Answer != "refused" || one[0].Status != 207 || one[0].Op != "batch_create" || one[0].Elapsed != 12 {
		e.Errorf("%+v", one)
	}
	n, err := mine.PurgeRequests(e.Context(), 104, 2)
	e.must(err)
	m, err := mine.PurgeRequests(e.Context(), 104, 100)
	e.must(err)
	if n != 2 || m != 1 || !slices.Equal(of(portal, "aaa"), []int64{106, 105, 104}) {
		e.Errorf("purged %d and %d, left %v", n, m, of(portal, "aaa"))
	}
}

// whatWaits: the oldest row that could be sent now, whatever its lane; what is put off, parked or settled does not
// wait.
func whatWaits(e *env) {
	waits := func(want int64) {
		e.Helper()
		got, err := e.db.View(portal).OldestWaiting(e.Context(), 1000, outbox.Live, outbox.Backfill)
		e.must(err)
		if got != want {
			e.Errorf("oldest waiting %d, want %d", got, want)
		}
	}
	waits(0)
	e.insertWith(`lead_id, state, created_at`, `'a', 'delivered', 5`)
	e.insertWith(`lead_id, created_at, not_before`, `'a', 6, $1`, outbox.Parked)
	e.insertWith(`lead_id, created_at, not_before`, `'a', 7, 1001`)
	e.insertWith(`portal, lead_id, created_at`, `'west', 'a', 8`)
	waits(0)
	e.insertWith(`lead_id, created_at, not_before`, `'a', 30, 999`)
	waits(30)
	e.insertWith(`lead_id, created_at, lane`, `'a', 20, 'backfill'`)
	waits(20)
	e.insertWith(`lead_id, created_at`, `'a', 10`)
	waits(10)
	if got, err := e.db.View(portal).OldestWaiting(e.Context(), 1000, outbox.Backfill); err != nil || got != 20 {
		e.Errorf("oldest waiting of backfill %d, %v", got, err)
	}
}

// dueOfALane: rows that are due again, of one lane alone.
func dueOfALane(e *env) {
	e.insertWith(`lead_id, not_before`, `'a', 10`)
	e.insertWith(`lead_id, not_before, lane`, `'b', 20, 'backfill'`)
	e.insertWith(`lead_id, not_before, lane`, `'c', 30, 'odd'`)
	e.insertWith(`lead_id, not_before`, `'d', 2000`)
	for lane, want := range map[outbox.Lane][]outbox.EntryID{outbox.Live: {1, 3}, outbox.Backfill: {2}} {
		rows, err := e.db.View(portal).DueAgain(e.Context(), lane, 1000, 10)
		e.must(err)
		e.same("due in "+string(lane), idsOf(rows), want)
	}
}

// straysAreCounted: what reading passes over is in no count of rows that wait, and in one of its own. An unknown state
// is a count under its name.
func straysAreCounted(e *env) {
	e.insertWith(`lead_id, created_at`, `'a', 7`)
	e.insertWith(`id, lead_id, created_at`, `-5, 'b', 1`)
	e.insertWith(`id, lead_id, event_type`, `-6, 'c', 'lead.unsubscribed'`)
	e.insertWith(`lead_id, state`, `'d', 'done'`)
	e.insertWith(`portal, id, lead_id`, `'west', -7, 'e'`)
	want := map[string]int64{"default " + store.StrayID: 2, "west " + store.StrayID: 1}
	if e.db.Dialect() == "sqlite" {
		e.insertWith(`lead_id, not_before`, `'f', 'tomorrow'`)
		e.insertWith(`lead_id, not_before, event_type`, `'g', 'now', 'lead.unsubscribed'`)
		want["default "+store.StrayTime] = 2
	}
	e.insertWith(`lead_id, not_before`, `'h', 99`)
	strays, err := e.db.Operator().Strays(e.Context())
	e.must(err)
	got := map[string]int64{}
	for _, s := range strays {
		got[s.Portal+" "+s.Why] += s.Count
	}
	if !maps.Equal(got, want) {
		e.Errorf("strays %v, want %v", got, want)
	}
	counts, err := e.db.Operator().Counts(e.Context())
	e.must(err)
	byState := map[outbox.State]int64{}
	for _, c := range counts {
		byState[c.State] += c.Count
		if c.State == outbox.Pending && c.OldestCreatedAt != 7 {
			e.Errorf("the oldest is of %d", c.OldestCreatedAt)
		}
	}
	if !maps.Equal(byState, map[outbox.State]int64{outbox.Pending: 2, "done": 1}) {
		e.Errorf("counted %v", byState)
	}
}
