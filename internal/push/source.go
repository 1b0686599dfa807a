package push

import (
	"context"
	"time"

	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// scanner remembers how far a pass over the pending rows of a lane has come. It is no watermark: a pass that reaches
// the end begins again, and rows are chosen by state, so a row that commits late is found by the next pass.
type scanner struct{ after outbox.EntryID }

func newScan() map[outbox.Lane]*scanner {
	return map[outbox.Lane]*scanner{outbox.Live: {}, outbox.Backfill: {}}
}

const (
	scanRows = 1000    // rows one scan step looks at
	readRows = 2000    // pending rows read of one lead at once
	readSize = 4 << 20 // bytes of properties read of one lead at once
)

// reading is what one fill brought.
type reading struct {
	leads    int  // taken into the pools or settled
	more     bool // some scan has not reached the end
	moreLive bool // the live one has not
}

// fill reads pending rows into the pools until they hold enough for the free jobs. Live rows are read also while the
// pools are full of backfill.
func (w *Worker) fill(ctx context.Context, p *pools) (reading, error) {
	var r reading
	if err := doubtsSkipped(ctx, w); err != nil {
		return r, err
	}
	if err := w.ids.Load(ctx, w.store.HighMark); err != nil {
		return r, err
	}
	if err := w.obeyPauses(ctx, p); err != nil || w.pausedLanes().All() {
		return r, err
	}
	want := w.want()
	if p.size() < want {
		again, err := w.dueAgain(ctx)
		if err != nil {
			return r, err
		}
		if r.leads, err = w.plan(ctx, p, again); err != nil {
			return r, err
		}
	}
	var err error
	if r.moreLive, err = w.scanLane(ctx, p, outbox.Live, &r, func() bool { return p.liveSize() >= want }); err != nil {
		return r, err
	}
	r.more, err = w.scanLane(ctx, p, outbox.Backfill, &r, func() bool { return p.size() >= want })
	r.more = r.more || r.moreLive
	return r, err
}

// scanLane goes on with a lane's scan until its end or until enough was read. more: the end was not reached.
func (w *Worker) scanLane(ctx context.Context, p *pools, lane outbox.Lane, r *reading, enough func() bool) (more bool, err error) {
	if w.pausedLanes().Has(lane) {
		return false, nil
	}
	for {
		if enough() || ctx.Err() != nil {
			return true, nil
		}
		got, end, err := w.step(ctx, p, lane)
		r.leads += got
		if err != nil || end {
			return false, err
		}
	}
}

// step takes one piece of a lane's scan into the pools. end: this pass has seen every row; the next one begins again.
func (w *Worker) step(ctx context.Context, p *pools, lane outbox.Lane) (leads int, end bool, err error) {
	s := w.scan[lane]
	rows, err := w.store.Ready(ctx, lane, s.after, scanRows)
	if err != nil {
		return 0, false, err
	}
	if err := w.ids.Check(rows); err != nil {
		return 0, false, err
	}
	end = len(rows) < scanRows
	var ids []lead.ID
	var orphans []outbox.EntryID
	for i, r := range rows {
		s.after = r.ID
		switch {
		case r.IsOrphan():
			orphans = append(orphans, r.ID)
		case len(ids) == 0 || ids[len(ids)-1] != r.Lead():
			ids = append(ids, r.Lead())
		}
		if len(ids) == 3*BatchSize && i < len(rows)-1 {
			end = false
			break
		}
	}
	if end {
		s.after = 0
	}
	if err := w.endOrphans(ctx, orphans); err != nil {
		return 0, false, err
	}
	leads, err = w.plan(ctx, p, ids)
	return leads + len(orphans), end, err
}

// dueAgain lists leads whose not_before has passed and those the scan has passed.
func (w *Worker) dueAgain(ctx context.Context) ([]lead.ID, error) {
	rows, err := w.store.DueAgain(ctx, w.pausedLanes().Only(), outbox.Millis(w.now()), scanRows)
	if err != nil {
		return nil, err
	}
	var ids []lead.ID
	for _, r := range rows {
		if !r.IsOrphan() {
			ids = append(ids, r.Lead())
		}
	}
	apart := 0
	if w.breaker.SuspectsIn() <= 0 {
		apart = 4 * BatchSize
	}
	return append(ids, w.queue.Due(scanRows+4*BatchSize-len(ids), apart)...), nil
}

// soonest is how long until a lead that waits in memory may be read again, -1 when none waits.
func (w *Worker) soonest() time.Duration {
	if w.pausedLanes().All() {
		return -1
	}
	return w.queue.NextDue(w.breaker.SuspectsIn())
}

// soon reports whether a lead waits in memory for a moment that is near.
func (w *Worker) soon() bool {
	d := w.soonest()
	return d >= 0 && d <= 5*time.Second
}

// endOrphans ends rows that belong to no lead.
func (w *Worker) endOrphans(ctx context.Context, ids []outbox.EntryID) error {
	if len(ids) == 0 {
		return nil
	}
	entries, err := w.store.Entries(ctx, ids)
	if err != nil {
		return err
	}
	var s Settlement
	for i := range entries {
		if r := intent.NewRow(&entries[i], w.table(), false); r.End != nil {
			s.Outcomes = append(s.Outcomes, *r.End)
			s.High = s.High.Raised(HighMark{ID: r.ID, CreatedAt: r.CreatedAt})
			w.dead(&work{}, *r.End)
		}
	}
	n, err := w.store.Settle(ctx, s)
	if err == nil {
		w.ids.Raise(s.High)
		w.stats.settled(s.Outcomes, n)
		w.tellOrphans(entries, s.Outcomes)
	}
	return err
}
