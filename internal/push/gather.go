package push

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// plan reads the rows and links of leads that are free, plans each, and puts them into the pools. It returns how many
// it took.
func (w *Worker) plan(ctx context.Context, p *pools, ids []lead.ID) (int, error) {
	ids = w.queue.Claim(ids, w.breaker.SuspectsIn() <= 0)
	if len(ids) == 0 {
		return 0, nil
	}
	taken := make(map[lead.ID]bool, len(ids))
	defer func() {
		for _, id := range ids {
			if !taken[id] {
				w.queue.Done(id)
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
		if k.refusedHere() && w.account.Refresh(ctx) {
			k = w.newWork(id, lr, links[id], duplicate)
		}
		if k.more && !k.workable() {
			if k, err = w.widen(ctx, id, links[id]); err != nil {
				return 0, err
			}
		}
		if k.pausedIn(w.pausedLanes()) {
			continue
		}
		works = append(works, k)
	}
	if err := w.endErased(ctx, works); err != nil {
		return 0, err
	}
	if err := w.recallAddresses(ctx, works); err != nil {
		return 0, err
	}
	if err := w.recallTold(ctx, works); err != nil {
		return 0, err
	}
	slices.SortStableFunc(works, func(a, b *work) int { return int(a.first() - b.first()) })
	works = w.claimAddresses(works)
	if err := w.blockTaken(ctx, works); err != nil {
		w.mu.Lock()
		for _, k := range works {
			w.queue.Add(k.id)
			w.releaseLocked(k, nil, w.now())
			taken[k.id] = true
		}
		w.mu.Unlock()
		return 0, err
	}
	var waits []outbox.Outcome
	for _, k := range works {
		taken[k.id] = true
		w.safely(k, func() { w.facts().decide(k) })
		w.giveBackWord(k)
		if k.waitsForConsent() {
			waits = append(waits, waitNote(k, w.now())...)
			w.leaveToConsent(k)
			continue
		}
		if w.heldApart(k) {
			continue
		}
		if k.plan.op == opSettle {
			decided = append(decided, k)
		} else {
			p.add(k, w.now())
		}
	}
	if len(waits) > 0 {
		_, err = w.store.Settle(ctx, Settlement{Outcomes: waits})
	}
	return len(works), errors.Join(err, w.settleDecided(ctx, decided))
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

// msgPanic is a log message of a rare event, beside those of observe.
const msgPanic = "push step panicked"

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
	fresh := link == nil
	if fresh {
		link = &ledger.Link{Portal: w.cfg.Portal, HubID: w.hubID(), LeadID: id}
	}
	w.mu.Lock()
	h := w.hints[id]
	w.mu.Unlock()
	if h == nil {
		h = &hint{unknown: w.inDoubt()}
	}
	k := &work{id: id, more: lr.More, link: link, hint: h, doubt: link.InDoubt(), fresh: fresh}
	for i := range lr.Rows {
		e := &lr.Rows[i]
		if e.ID > k.top.ID {
			k.top = HighMark{ID: e.ID, CreatedAt: e.CreatedAt}
		}
		if k.oldest == 0 || e.CreatedAt < k.oldest {
			k.oldest = e.CreatedAt
		}
		k.ids = append(k.ids, e.ID)
		k.live = k.live || e.Lane != outbox.Backfill
		w.safely(k, func() { k.rows = append(k.rows, intent.NewRow(e, w.table(), duplicate[e.ID])) })
	}
	k.every = slices.Clone(k.rows)
	k.closes = slices.ContainsFunc(k.rows, func(r *intent.Row) bool { return r.EffectiveDelete(link) })
	k.takeWords()
	k.maybeSent = k.mayHaveBeenSent()
	return k
}

// refusedHere reports whether our own check by the definitions leaves a value of some row out.
func (k *work) refusedHere() bool {
	return slices.ContainsFunc(k.rows, func(r *intent.Row) bool { return len(r.Omitted) > 0 })
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

// A lead whose first rows all wait is read once more, further on: the row that ends their waiting may stand behind
// them.
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

// workable reports whether some row that was read can go on: it is decided by itself, or there is a contact or an
// address for it.
func (k *work) workable() bool {
	return slices.ContainsFunc(k.rows, func(r *intent.Row) bool {
		if r.End != nil {
			return r.End.State != outbox.Pending
		}
		if r.Event == outbox.Deleted || r.Event == outbox.Erased {
			return true
		}
		return k.link.State == ledger.Linked || k.link.Address != "" || r.Address != ""
	})
}

func (k *work) first() int64 {
	if len(k.rows) == 0 {
		return 0
	}
	return k.rows[0].Num()
}
