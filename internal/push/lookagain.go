package push

import (
	"context"
	"errors"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// lookEvery is how often the worker asks which contacts are to be looked at again.
const lookEvery = 15 * time.Second

// LookAgain reads contacts once more some time after an outcome that was unknown or not shown, and writes again what a
// late request of ours undid. HubSpot has no conditional write: a request that it executes after our time-out puts an
// older value over a newer one, and this is how that heals. It returns when ctx ends.
func (w *Worker) LookAgain(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for turn := 0; ; turn++ {
		if turn%cutTurns == 0 {
			cutWaits(ctx, w)
		}
		w.cfg.Turn(LoopSecondLook, lookEvery)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if w.breaker.OpenFor() > 0 || !w.account.Known() || w.pausedLanes().Live {
			continue
		}
		err := w.owed.find(ctx)
		if err != nil {
			w.breaker.Fail(w.named(err))
		}
		for more := err == nil; more && ctx.Err() == nil; {
			w.cfg.Turn(LoopSecondLook, slow)
			if more, err = w.lookOnce(ctx); err != nil {
				w.cfg.Log.Debug(observe.PushDegraded, "step", "second look", "err", err)
				w.breaker.Fail(w.named(err))
				break
			}
		}
	}
}

const (
	cutTurns = int(time.Minute / lookEvery) // counted, since the clock is what is in question
	cutSlack = time.Minute                  // what two clocks may differ by
	clockSet = "the clock of this machine was set back: timedatectl set-ntp true keeps it right"
)

// cutWaits lets go of waits that stand beyond the longest that is ever set. The clock was set back since they were
// written, and rows and links would wait for as long as it had been ahead.
func cutWaits(ctx context.Context, w *Worker) {
	look, retry := w.cfg.SecondLook, max(w.cfg.SecondLook, w.cfg.Retry.Cap, refusedWait, breaker.ScopeRetry)
	now := outbox.Millis(w.now())
	beyond := func(d time.Duration) int64 { return now + (d + cutSlack).Milliseconds() }
	rows, err := w.store.CutRowWaits(ctx, beyond(retry))
	var links []ledger.Link
	if err == nil && w.account.Known() {
		links, err = w.store.LinksWaiting(ctx, w.hubID(), beyond(look), beyond(retry), BatchSize)
	}
	cut := 0
	for i := 0; i < len(links) && err == nil; i++ {
		id := links[i].LeadID
		if !w.queue.ClaimOne(id) { // whoever has it writes its link; the next turn looks again
			continue
		}
		var there map[lead.ID]*ledger.Link
		there, err = w.store.Links(ctx, w.hubID(), []lead.ID{id})
		if l := there[id]; err == nil && l != nil && l.CutWaits(now, look.Milliseconds(), retry.Milliseconds()) {
			if err = w.settle(ctx, []*work{{id: id, hint: &hint{}, link: l, dirty: true, unread: true}}); err == nil {
				cut++
			}
		}
		w.queue.Done(id)
	}
	if rows > 0 || cut > 0 {
		w.cfg.Log.Warn(observe.WaitsCut, observe.Rows, rows, "links", cut, observe.Hint, clockSet)
		w.Wake()
		signal(w.consent.wake)
	}
	if err != nil && ctx.Err() == nil {
		w.cfg.Log.Debug(observe.WaitsCut, "err", err) // the next turn tries again
	}
}

func (w *Worker) named(err error) error {
	if t := w.store.Trouble(err); t != nil {
		return t
	}
	return err
}

// lookOnce looks at one batch. more: there may be further ones.
func (w *Worker) lookOnce(ctx context.Context) (more bool, err error) {
	links, err := w.store.LinksToLookAt(ctx, w.hubID(), outbox.Millis(w.now()), w.lookSize)
	if err != nil || len(links) == 0 {
		return false, err
	}
	more = len(links) == w.lookSize
	var works []*work
	for i := range links {
		if w.queue.ClaimOne(links[i].LeadID) {
			works = append(works, &work{id: links[i].LeadID})
		}
	}
	defer func() {
		for _, k := range works {
			w.queue.Done(k.id)
		}
	}()
	if len(works) == 0 {
		return false, nil
	}
	// The links are read again now that no job has their leads, with the rows that wait.
	ids := make([]lead.ID, len(works))
	for i, k := range works {
		ids[i] = k.id
	}
	fresh, err := w.store.Links(ctx, w.hubID(), ids)
	if err != nil {
		return false, err
	}
	held, err := w.heldWorks(ctx, ids)
	if err != nil {
		return false, err
	}
	var linked, others []*work
	for _, k := range held {
		if k.words = nil; k.link.State == ledger.Linked {
			linked = append(linked, k)
			delete(fresh, k.id)
		}
	}
	for id, l := range fresh { // nothing is looked at, and the links behind them in the queue must not wait; the doubt itself stays
		l.SecondLookAt = 0
		others = append(others, &work{id: id, hint: &hint{}, link: l, dirty: true, unread: true})
	}
	if err := w.settle(ctx, others); err != nil || len(linked) == 0 {
		return more && err == nil, err
	}
	err = w.withTrouble(w.lookAt(ctx, linked))
	switch {
	case err == nil:
		w.lookSize = min(BatchSize, 2*w.lookSize)
	case breaker.ForAll(err), hubspot.OpOf(err) == "":
		return false, err
	case len(linked) > 1: // one of them may be the cause
		w.lookSize = len(linked) / 2
		return true, nil
	default:
		return false, w.lookAgainLater(ctx, linked[0].id)
	}
	return more, nil
}

// lookAgainLater puts off the look at a contact that HubSpot does not show, so that nobody behind it waits.
func (w *Worker) lookAgainLater(ctx context.Context, id lead.ID) error {
	fresh, err := w.store.Links(ctx, w.hubID(), []lead.ID{id})
	if err != nil || fresh[id] == nil {
		return err
	}
	k := &work{id: id, link: fresh[id], hint: &hint{}, unread: true, dirty: true}
	k.link.SecondLookAt = outbox.Millis(w.now().Add(w.cfg.SecondLook))
	return w.settle(ctx, []*work{k})
}

// lookAt reads the contacts and takes the readings into the ledgers, like any other: what a person changed goes through
// the rule of the winner and is told. What only a request of ours in doubt can have put there is written again as the
// ledger has it. After it nothing is in doubt.
func (w *Worker) lookAt(ctx context.Context, works []*work) error {
	ctx = hubspot.WithGate(ctx, w.mayWrite)
	ids := make([]string, len(works))
	for i, k := range works {
		ids[i] = string(k.link.ContactID)
	}
	views, err := w.contacts.Batch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		return err
	}
	byID := map[lead.ContactID]*contact.View{}
	for _, v := range views {
		byID[v.ID] = v
	}
	var again []*work
	for _, k := range works {
		k.dirty = true
		v := byID[k.link.ContactID]
		if v == nil { // the next write finds out where it went
			k.link.SecondLookAt = 0
			continue
		}
		if err := w.take(ctx, k, v); err != nil {
			return err
		}
		k.plan = plan{op: opUpdate, diff: intent.Intent{Changes: map[string]intent.Change{}}}
		mend(&k.plan.diff, k)
		if _, late := k.late[ledger.AddressField]; late {
			f := k.link.Field(ledger.AddressField)
			k.plan.diff.Address = &intent.Change{Property: ledger.AddressField, Send: f.Sent, Canon: f.Sent, Set: f.Set}
		}
		w.owed.pay(k)
		k.link.EndDoubt(v.Begun)
		if !k.plan.diff.Empty() {
			k.plan.all.Rows = []*intent.Row{{Entry: &outbox.Entry{ID: outbox.EntryID(k.link.AppliedID)}}}
			again = append(again, k)
		}
	}
	if err := w.writeAgain(ctx, again, byID); err != nil {
		return errors.Join(err, w.settle(ctx, lookedInVain(works, again, outbox.Millis(w.now()))))
	}
	for _, k := range works {
		k.plan = plan{}
	}
	return w.settle(ctx, works)
}

// lookedInVain is what is settled of a look whose write ended without an answer: what was read. Leads whose values may
// not stand in their contacts are looked at again, with what the request may still do.
func lookedInVain(works, again []*work, now int64) []*work {
	for _, k := range again {
		for p, there := range k.late {
			k.link.MayHold(p, there)
		}
		k.link.SecondLookAt = max(k.link.SecondLookAt, now)
	}
	for _, k := range works {
		k.plan = plan{}
	}
	return works
}

// writeAgain writes what a late request of ours undid.
func (w *Worker) writeAgain(ctx context.Context, again []*work, byID map[lead.ContactID]*contact.View) error {
	for len(again) > 0 {
		if err := w.write(ctx, opUpdate, again); err != nil {
			return err
		}
		var rest []*work
		for _, k := range again {
			if w.owed.paid(k) {
				rest = append(rest, k)
				continue
			}
			switch k.answer.kind {
			case unnamed:
				for p, there := range k.late {
					k.link.MayHold(p, there)
				}
				w.doubts(k)
			case accepted:
				for p, c := range k.plan.diff.Changes {
					k.link.Wrote(p, c.Canon, c.Set, k.answer.contact.Shown(p))
				}
				if c := k.plan.diff.Address; c != nil {
					k.link.Wrote(ledger.AddressField, c.Canon, c.Set, k.answer.contact.Shown(ledger.AddressField))
				}
			default: // another contact has taken the address meanwhile: what stands there stays, the other fields go on
				if c := k.plan.diff.Address; c != nil {
					shown := byID[k.link.ContactID].Email
					k.link.Wrote(ledger.AddressField, shown, c.Set, &shown)
					if k.plan.diff.Address = nil; !k.plan.diff.Empty() {
						rest = append(rest, k)
					}
				}
			}
		}
		again = rest
	}
	return nil
}
