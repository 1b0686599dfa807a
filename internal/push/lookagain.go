package push

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// lookEvery is how often the worker asks which contacts are to be looked at again.
const lookEvery = 15 * time.Second

// LookAgain reads contacts once more some time after an outcome that was unknown or not shown, and writes again what an older
// request of ours undid. HubSpot has no conditional write: a request that it executes after our time-out puts an older value over a
// newer one, and this is how that heals. It returns when ctx ends.
func (w *Worker) LookAgain(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		w.cfg.Turn(LoopSecondLook, lookEvery)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if d, _ := w.gate.closedFor(w.now()); d > 0 || w.attached.Load() == nil || w.pausedLanes().Live {
			continue
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			w.cfg.Turn(LoopSecondLook, slow)
			if more, err = w.lookOnce(ctx); err != nil {
				w.cfg.Log.Debug(observe.PushDegraded, "step", "second look", "err", err)
				w.gate.trouble(w.named(err), w.now())
				break
			}
		}
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
	links, err := w.store.LinksToLookAt(ctx, w.hubID(), outbox.Millis(w.now()), BatchSize)
	if err != nil || len(links) == 0 {
		return false, err
	}
	more = len(links) == BatchSize
	var works []*work
	for i := range links {
		if w.claimLead(links[i].LeadID) {
			works = append(works, &work{id: links[i].LeadID, hint: &hint{}, unread: true})
		}
	}
	defer func() {
		for _, k := range works {
			w.unclaimLead(k.id)
		}
	}()
	if len(works) == 0 {
		return false, nil
	}
	// The links are read again now that no job has their leads.
	ids := make([]lead.ID, len(works))
	for i, k := range works {
		ids[i] = k.id
	}
	fresh, err := w.store.Links(ctx, w.hubID(), ids)
	if err != nil {
		return false, err
	}
	var linked, others []*work
	for _, k := range works {
		switch k.link = fresh[k.id]; {
		case k.link == nil:
		case k.link.State == ledger.Linked:
			linked = append(linked, k)
		default: // there is no contact to look at; the links behind it in the queue must not wait for it
			k.link.SecondLookAt, k.dirty = 0, true
			others = append(others, k)
		}
	}
	if err := w.settle(ctx, others); err != nil || len(linked) == 0 {
		return more && err == nil, err
	}
	return more, w.lookAt(ctx, linked)
}

// lookAt reads the contacts and compares each with its ledger. A value of ours, of an older row, that stands there against the ledger
// is written again; anything else is taken as it is.
func (w *Worker) lookAt(ctx context.Context, works []*work) error {
	ctx = hubspot.WithGate(ctx, w.mayWrite)
	ids := make([]string, len(works))
	for i, k := range works {
		ids[i] = string(k.link.ContactID)
	}
	views, err := w.readBatch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		return err
	}
	byID := map[lead.ContactID]*contactView{}
	for _, v := range views {
		byID[v.id] = v
	}
	var again []*work
	for _, k := range works {
		k.link.SecondLookAt, k.dirty = 0, true
		v := byID[k.link.ContactID]
		if v == nil {
			continue // the next write finds out where it went
		}
		if _, err := w.top(ctx, k, ""); err != nil {
			return err
		}
		k.plan = plan{op: opUpdate, diff: intent{changes: map[string]change{}}}
		for p, f := range k.link.Fields {
			w.compare(k, v, p, f)
		}
		if !k.plan.diff.empty() {
			k.plan.all.rows = []*row{{Entry: &outbox.Entry{ID: outbox.EntryID(k.link.AppliedID)}}}
			again = append(again, k)
		}
	}
	for len(again) > 0 {
		s := &sender{w: w, ctx: ctx, kind: opUpdate}
		if err := s.send(again); err != nil {
			return err
		}
		var rest []*work
		for _, k := range again {
			switch k.answer.kind {
			case unnamed:
				k.link.SecondLookAt = outbox.Millis(w.now().Add(w.cfg.SecondLook))
			case accepted:
				for p, c := range k.plan.diff.changes {
					k.link.Wrote(p, c.canon, c.set, k.answer.contact.shown(p))
				}
				if c := k.plan.diff.addr; c != nil {
					k.link.Wrote(ledger.AddressField, c.canon, c.set, k.answer.contact.shown(ledger.AddressField))
				}
			default: // another contact has taken the address meanwhile: what stands there stays, the other fields go on
				if c := k.plan.diff.addr; c != nil {
					shown := byID[k.link.ContactID].email
					k.link.Wrote(ledger.AddressField, shown, c.set, &shown)
					if k.plan.diff.addr = nil; !k.plan.diff.empty() {
						rest = append(rest, k)
					}
				}
			}
		}
		again = rest
	}
	for _, k := range works {
		k.plan = plan{}
	}
	return w.settle(ctx, works)
}

// compare takes one field of a second look: seen as it is now, or to be written again.
func (w *Worker) compare(k *work, v *contactView, property string, f ledger.Field) {
	now := v.shown(property)
	if now == nil || *now == f.Seen {
		if now != nil && !f.Shown {
			k.link.Wrote(property, f.Sent, f.Set, now)
		}
		return
	}
	values := pendingValues(k.history, property)
	if slices.ContainsFunc(values, func(p ledger.Pending) bool { return p.Canon == *now && p.ID > f.Set }) {
		return // a row on its way to be settled; its job reads the contact itself
	}
	for _, p := range values {
		if p.Canon != *now || p.Canon == f.Sent || property == ledger.AddressField && (f.Sent == "" || (v.optedOut || k.link.Consent == ledger.Out) && !k.link.Evidenced(f.Sent)) {
			continue
		}
		c := change{property: property, send: f.Sent, canon: f.Sent, set: f.Set}
		if property == ledger.AddressField {
			k.plan.diff.addr = &c
		} else {
			k.plan.diff.changes[property] = c
		}
		return
	}
	if !f.Shown { // how HubSpot keeps what we sent
		k.link.Wrote(property, f.Sent, f.Set, now)
	}
	// A person's edit is left to the pull: it alone tells the application.
}
