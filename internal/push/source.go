package push

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// scanner remembers how far a pass over the pending rows of a lane has come. It is no watermark: a pass that reaches the end
// begins again, and rows are chosen by state, so a row that commits late is found by the next pass.
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

// fill reads pending rows into the pools until they hold enough for the free jobs. Live rows are read also while the pools are full
// of backfill.
func (w *Worker) fill(ctx context.Context, p *pools) (reading, error) {
	var r reading
	if err := w.loadHigh(ctx); err != nil {
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
	if r.moreLive, err = w.scanLane(ctx, p, outbox.Live, &r, func() bool { return p.live >= want }); err != nil {
		return r, err
	}
	r.more, err = w.scanLane(ctx, p, outbox.Backfill, &r, func() bool { return p.size() >= want })
	r.more = r.more || r.moreLive
	return r, err
}

// scanLane goes on with a lane's scan until its end or until enough was read. more: the end was not reached.
func (w *Worker) scanLane(ctx context.Context, p *pools, lane outbox.Lane, r *reading, enough func() bool) (more bool, err error) {
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
	if err := w.watchIDs(rows); err != nil {
		return 0, false, err
	}
	end = len(rows) < scanRows
	var ids []lead.ID
	var orphans []outbox.EntryID
	for i, r := range rows {
		s.after = r.ID
		switch {
		case r.LeadID == nil || *r.LeadID == "" || len(*r.LeadID) > lead.MaxIDLength:
			orphans = append(orphans, r.ID)
		case len(ids) == 0 || ids[len(ids)-1] != lead.ID(*r.LeadID):
			ids = append(ids, lead.ID(*r.LeadID))
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
	rows, err := w.store.DueAgain(ctx, outbox.Millis(w.now()), scanRows)
	if err != nil {
		return nil, err
	}
	var ids []lead.ID
	for _, r := range rows {
		if r.LeadID != nil {
			ids = append(ids, lead.ID(*r.LeadID))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.revisit {
		if len(ids) >= scanRows+4*BatchSize {
			break
		}
		if h := w.hints[id]; h == nil || !h.until.After(w.now()) {
			ids = append(ids, id)
			delete(w.revisit, id)
		}
	}
	return ids, nil
}

// soonest is how long until a lead that waits in memory may be read again, -1 when none waits.
func (w *Worker) soonest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := time.Duration(-1)
	for id := range w.revisit {
		var left time.Duration
		if h := w.hints[id]; h != nil {
			left = max(0, h.until.Sub(w.now()))
		}
		if d < 0 || left < d {
			d = left
		}
	}
	return d
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
		if r := newRow(&entries[i], w.table(), false); r.end != nil {
			s.Outcomes = append(s.Outcomes, *r.end)
			s.High = s.High.raised(HighMark{r.ID, r.CreatedAt})
			w.dead(&work{}, *r.end)
		}
	}
	n, err := w.store.Settle(ctx, s)
	if err == nil {
		w.ids.raise(s.High)
		w.stats.settled(s.Outcomes, n)
	}
	return err
}

// plan reads the rows and links of leads that are free, plans each, and puts them into the pools. It returns how many it took.
func (w *Worker) plan(ctx context.Context, p *pools, ids []lead.ID) (int, error) {
	ids = w.claimFree(ids)
	if len(ids) == 0 {
		return 0, nil
	}
	taken := make(map[lead.ID]bool, len(ids))
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, id := range ids {
			if !taken[id] {
				delete(w.busyLead, id)
			}
		}
	}()
	rows, err := w.store.PendingOf(ctx, ids, readRows, readSize)
	if err != nil {
		return 0, err
	}
	links, err := w.store.Links(ctx, w.hubID(), ids)
	if err != nil {
		return 0, err
	}
	duplicate, err := w.duplicates(ctx, rows)
	if err != nil {
		return 0, err
	}
	var works, decided []*work
	for _, id := range ids {
		lr, ok := rows[id]
		if !ok || len(lr.Rows) == 0 {
			w.forgetLead(id)
			continue
		}
		k := w.newWork(id, lr, links[id], duplicate)
		if k.more && !k.workable() {
			if k, err = w.widen(ctx, id, links[id]); err != nil {
				return 0, err
			}
		}
		works = append(works, k)
	}
	slices.SortStableFunc(works, func(a, b *work) int { return int(a.first() - b.first()) })
	works = w.claimAddresses(works)
	if err := w.blockTaken(ctx, works); err != nil {
		w.mu.Lock()
		for _, k := range works {
			w.releaseLocked(k, nil, w.now())
			w.revisit[k.id] = true
		}
		w.mu.Unlock()
		return 0, err
	}
	for _, k := range works {
		taken[k.id] = true
		w.safely(k, func() { w.decide(k) })
		if k.plan.op == opSettle {
			decided = append(decided, k)
		} else {
			p.add(k, w.now())
		}
	}
	return len(works), w.settleDecided(ctx, decided)
}

// settleDecided settles leads that need no request at all.
func (w *Worker) settleDecided(ctx context.Context, works []*work) error {
	var failed error
	for part := range slices.Chunk(works, 5*BatchSize) {
		if failed == nil {
			for _, k := range part {
				w.heardNothingToSend(k)
			}
			failed = w.settle(ctx, part)
		}
		w.mu.Lock()
		for _, k := range part {
			w.releaseLocked(k, failed, w.now())
		}
		w.mu.Unlock()
	}
	return failed
}

// safely runs a step of one lead; a panic ends its rows, not the lane.
func (w *Worker) safely(k *work, step func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		w.cfg.Log.Error(msgPanic, "panic", fmt.Sprintf("%T", p), w.cfg.Person(k.id), "stack", string(debug.Stack()))
		k.ended, k.inbox, k.dirty = nil, nil, false
		for _, r := range k.rows {
			k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Dead, Reason: outbox.Panic, Attempts: r.Attempts})
		}
		k.rows, k.plan = nil, plan{}
	}()
	step()
}

func (w *Worker) newWork(id lead.ID, lr LeadRows, link *ledger.Link, duplicate map[outbox.EntryID]bool) *work {
	if link == nil {
		link = &ledger.Link{Portal: w.cfg.Portal, HubID: w.hubID(), LeadID: id}
	}
	w.mu.Lock()
	h := w.hints[id]
	w.mu.Unlock()
	if h == nil {
		h = &hint{unknown: w.inDoubt()}
	}
	k := &work{id: id, more: lr.More, link: link, hint: h}
	for i := range lr.Rows {
		e := &lr.Rows[i]
		if e.ID > k.top.ID {
			k.top = HighMark{e.ID, e.CreatedAt}
		}
		if k.oldest == 0 || e.CreatedAt < k.oldest {
			k.oldest = e.CreatedAt
		}
		k.ids = append(k.ids, e.ID)
		k.live = k.live || e.Lane != outbox.Backfill
		w.safely(k, func() { k.rows = append(k.rows, newRow(e, w.table(), duplicate[e.ID])) })
	}
	return k
}

// duplicates tells which rows repeat an event_id.
func (w *Worker) duplicates(ctx context.Context, rows map[lead.ID]LeadRows) (map[outbox.EntryID]bool, error) {
	var withEvent []outbox.Entry
	for _, lr := range rows {
		for _, e := range lr.Rows {
			if e.EventID != nil {
				withEvent = append(withEvent, e)
			}
		}
	}
	if len(withEvent) == 0 {
		return nil, nil
	}
	return w.store.EarlierEvents(ctx, withEvent)
}

// A lead whose first rows all wait is read once more, further on: the row that ends their waiting may stand behind them.
const (
	wideRows = 20 * readRows
	wideSize = 16 * readSize
)

func (w *Worker) widen(ctx context.Context, id lead.ID, link *ledger.Link) (*work, error) {
	rows, err := w.store.PendingOf(ctx, []lead.ID{id}, wideRows, wideSize)
	if err != nil {
		return nil, err
	}
	duplicate, err := w.duplicates(ctx, rows)
	if err != nil {
		return nil, err
	}
	return w.newWork(id, rows[id], link, duplicate), nil
}

// workable reports whether some row that was read can go on: it is decided by itself, or there is a contact or an address for it.
func (k *work) workable() bool {
	return slices.ContainsFunc(k.rows, func(r *row) bool {
		if r.end != nil {
			return r.end.State != outbox.Pending
		}
		return k.link.State == ledger.Linked || k.link.Address != "" || r.addr != ""
	})
}

// forgetLead drops what is remembered of a lead that has no pending rows: they were settled, by us or by an operator.
func (w *Worker) forgetLead(id lead.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hints[id]; h != nil {
		w.unclaimLocked(id, h.claims)
	}
	delete(w.hints, id)
	delete(w.revisit, id)
}

func (k *work) first() int64 {
	if len(k.rows) == 0 {
		return 0
	}
	return k.rows[0].id()
}

// claimFree marks leads as busy that are in no job and need not wait, each once.
func (w *Worker) claimFree(ids []lead.ID) []lead.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	var out []lead.ID
	for _, id := range ids {
		if w.busyLead[id] {
			continue
		}
		if h := w.hints[id]; h != nil && h.until.After(now) {
			w.revisit[id] = true
			continue
		}
		w.busyLead[id] = true
		delete(w.revisit, id)
		out = append(out, id)
	}
	return out
}

// addressWait is how long a lead waits while another one's request about the same address is under way.
const addressWait = 200 * time.Millisecond

// claimAddresses keeps the leads whose addresses are in no other lead's job; of two new ones the lower outbox id goes first.
func (w *Worker) claimAddresses(works []*work) []*work {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := works[:0]
	for _, k := range works {
		k.claims = k.addresses()
		for _, a := range k.hint.claims {
			if !slices.Contains(k.claims, a) {
				k.claims = append(k.claims, a)
			}
		}
		claimed := func(a string) bool {
			o, ok := w.busyAddr[a]
			return ok && o != k.id
		}
		switch clash := slices.ContainsFunc(k.claims, claimed); {
		case clash && len(k.hint.claims) > 0:
			// Two leads in doubt may each want what the other one holds: this one finds out about its own addresses first.
			for _, a := range k.claims {
				if claimed(a) {
					k.block(a, blockage{note: "waits for another lead's request about the address", wait: time.Second})
				}
			}
			k.claims = slices.DeleteFunc(k.claims, claimed)
		case clash:
			k.hint.until = w.now().Add(addressWait)
			w.hints[k.id] = k.hint
			w.revisit[k.id] = true
			continue
		}
		for _, a := range k.claims {
			w.busyAddr[a] = k.id
		}
		kept = append(kept, k)
	}
	return kept
}

// blockTaken finds addresses that are known to belong to another lead's contact, without a request. Before a row would be dead of
// it HubSpot is asked all the same, since the other contact may have moved on unseen.
func (w *Worker) blockTaken(ctx context.Context, works []*work) error {
	var asked []string
	wants := map[string]*work{} // an address is in one work at a time
	for _, k := range works {
		for _, r := range k.rows {
			if r.addr == "" || r.end != nil || r.addr == k.link.Address {
				continue
			}
			if _, known := wants[r.addr]; !known {
				asked = append(asked, r.addr)
			}
			wants[r.addr] = k
		}
		for _, r := range k.rows {
			if r.Attempts+1 >= w.cfg.MaxAttempts {
				delete(wants, r.addr)
			}
		}
	}
	if len(wants) == 0 {
		return nil
	}
	links, err := w.store.LinksByAddress(ctx, w.hubID(), asked)
	if err != nil {
		return err
	}
	for _, l := range links {
		if k := wants[l.Address]; k != nil && k.id != l.LeadID && l.State == ledger.Linked {
			k.block(l.Address, taken(l.ContactID))
		}
	}
	return nil
}
