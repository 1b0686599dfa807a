package push

import (
	"context"
	"errors"
	"slices"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// recycled finds the works whose contact people archived: one request for all of them, and the proof that the ids are
// of this account. What it does not find stays missing.
func (w *Worker) recycled(ctx context.Context, works []*work) error {
	missing := map[string]*work{}
	var ids []string
	for _, k := range works {
		if k.answer.kind == missingContact {
			missing[string(k.link.ContactID)] = k
			ids = append(ids, string(k.link.ContactID))
		}
	}
	for part := range slices.Chunk(ids, BatchSize) {
		res, err := w.hub.BatchRead(ctx, hubspot.ReadRequest{IDs: part, Properties: []string{ledger.AddressField}, Archived: true})
		if errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound {
			continue
		}
		if err != nil {
			for _, id := range part {
				missing[id].failed(err, len(part))
			}
			return err
		}
		for i := range res.Results {
			if k := missing[string(res.Results[i].ID)]; k != nil {
				at := w.now()
				if there := res.Results[i].ArchivedAt; !there.IsZero() {
					at = there
				}
				k.goneAs(ledger.Gone, outbox.Millis(at))
			}
		}
	}
	return nil
}

// goneAs notes that the lead's contact is no more, and tells the application.
func (k *work) goneAs(state ledger.State, now int64) {
	k.link.State, k.link.SecondLookAt = state, 0
	k.answer = answer{kind: located}
	k.dirty, k.read, k.unseen = true, true, false
	k.inbox = append(k.inbox, InboxRow{LeadID: k.id, ContactID: k.link.ContactID, Email: k.link.Address, ChangeType: inbox.Deleted,
		Properties: "{}", ChangedAt: now})
}

// whereIs finds out what became of a contact that HubSpot does not show: merged into another, archived, or erased
// there.
func (w *Worker) whereIs(ctx context.Context, k *work) error {
	id := k.link.ContactID
	c, err := w.hub.Contact(ctx, id, w.readProperties([]*work{k}), false) // follows merges
	if err == nil {
		v := w.contacts.View(c)
		if v.ID != k.link.ContactID {
			return w.followMerge(ctx, k, v)
		}
		if k.shownAgain++; k.shownAgain > 1 && k.plan.op != opErase && !k.unread {
			w.ownFailure(k, "HubSpot shows the contact, and answers that it is not there", false)
			k.resting = true
			return nil
		}
		return w.take(ctx, k, v)
	}
	if !contact.NotFound(err) {
		return err
	}
	switch _, err = w.hub.Contact(ctx, id, []string{ledger.AddressField}, true); {
	case err == nil:
		k.goneAs(ledger.Gone, outbox.Millis(w.now()))
	case contact.NotFound(err):
		k.goneAs(ledger.Purged, outbox.Millis(w.now()))
	default:
		return err
	}
	return nil
}

// followMerge links the lead to the survivor of a merge. Of two leads the one whose address is the survivor's keeps the
// contact; the other link is passive.
func (w *Worker) followMerge(ctx context.Context, k *work, v *contact.View) error {
	links, err := w.store.LinksByContact(ctx, w.hubID(), append([]lead.ContactID{v.ID}, v.Merged...))
	if err != nil {
		return err
	}
	if busy, err := w.movePassive(ctx, k, links, v); busy || err != nil {
		return err
	}
	links = slices.DeleteFunc(links, func(l ledger.Link) bool {
		return l.State != ledger.Linked || l.LeadID == k.id && l.Portal == w.cfg.Portal
	})
	now := outbox.Millis(w.now())
	if w.keeps(k.link, links, v) {
		for _, l := range links {
			if o := k.beside[l.LeadID]; o != nil {
				o.passive(v, now)
				continue
			}
			if !w.queue.ClaimOne(l.LeadID) { // in a job, where it finds out by itself
				k.hint.until, k.done = w.now().Add(addressWait), true
				return nil
			}
			old := l.ContactID
			l.OptOut.Moved(l.Address, v.Email)
			l.State, l.ContactID, l.SecondLookAt = ledger.Passive, v.ID, 0
			rows := []InboxRow{mergedInto(l.LeadID, old, v, now)}
			if v.OptedOut && l.OptedOutThere(v.Email, 0) {
				rows = append(rows, leftThere(l.LeadID, v.ID, v.Email, now))
			}
			_, err := w.store.Settle(ctx, Settlement{Links: []ledger.Link{l}, Inbox: rows})
			w.queue.Done(l.LeadID)
			if err != nil {
				return err
			}
		}
	} else {
		k.link.State, k.link.SecondLookAt = ledger.Passive, 0
	}
	k.inbox = append(k.inbox, mergedInto(k.id, k.link.ContactID, v, now))
	k.link.ContactID, k.dirty, k.read, k.unseen = v.ID, true, true, false
	k.answer = answer{kind: located}
	if k.link.State == ledger.Passive { // the person is mailed there now
		k.link.OptOut.Moved(k.link.Address, v.Email)
		return w.takeConsent(ctx, k, v)
	}
	return w.take(ctx, k, v)
}

// movePassive lets leads whose contacts were merged into one that was merged now follow it: their opt-outs count for
// its address too. busy: one of them is in a job, and the lead waits.
func (w *Worker) movePassive(ctx context.Context, k *work, links []ledger.Link, v *contact.View) (busy bool, err error) {
	for _, l := range links {
		if l.State != ledger.Passive || l.ContactID == v.ID || l.Portal != w.cfg.Portal || l.LeadID == k.id {
			continue
		}
		if o := k.beside[l.LeadID]; o != nil {
			o.link.ContactID, o.dirty = v.ID, true
			continue
		}
		if !w.queue.ClaimOne(l.LeadID) {
			k.hint.until, k.done = w.now().Add(addressWait), true
			return true, nil
		}
		err := w.follow(ctx, l.LeadID, v.ID)
		w.queue.Done(l.LeadID)
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// follow points the passive link of a claimed lead to the contact that was kept. It is read anew: a job may have
// settled it since.
func (w *Worker) follow(ctx context.Context, id lead.ID, kept lead.ContactID) error {
	links, err := w.store.Links(ctx, w.hubID(), []lead.ID{id})
	if l := links[id]; err == nil && l != nil && l.State == ledger.Passive {
		l.ContactID = kept
		_, err = w.store.Settle(ctx, Settlement{Links: []ledger.Link{*l}})
	}
	return err
}

// passive gives up the contact of a lead that is held together with the one that keeps it.
func (k *work) passive(v *contact.View, now int64) {
	if k.link.State == ledger.Passive {
		return
	}
	k.inbox = []InboxRow{mergedInto(k.id, k.link.ContactID, v, now)}
	k.link.OptOut.Moved(k.link.Address, v.Email)
	k.link.State, k.link.ContactID, k.link.SecondLookAt = ledger.Passive, v.ID, 0
	if v.OptedOut && k.link.OptedOutThere(v.Email, 0) {
		k.inbox = append(k.inbox, leftThere(k.id, v.ID, v.Email, now))
	}
	k.answer, k.dirty, k.read, k.view = answer{kind: located}, true, true, nil
}

// keeps decides between the leads whose contacts were merged into v: the one whose address it has, then the one that is
// linked to it already, then the least id, so that each of them comes to the same answer.
func (w *Worker) keeps(own *ledger.Link, others []ledger.Link, v *contact.View) bool {
	rank := func(l *ledger.Link) int {
		switch {
		case l.Address == v.Email && v.Email != "":
			return 0
		case l.ContactID == v.ID:
			return 1
		}
		return 2
	}
	for i := range others {
		o := &others[i]
		if o.Portal != w.cfg.Portal { // another portal's link is not ours to change
			return false
		}
		if a, b := rank(own), rank(o); b < a || a == b && o.LeadID < own.LeadID {
			return false
		}
	}
	return true
}

func mergedInto(id lead.ID, old lead.ContactID, v *contact.View, now int64) InboxRow {
	at := v.UpdatedAt.UnixMilli()
	if v.UpdatedAt.IsZero() {
		at = now
	}
	return InboxRow{LeadID: id, ContactID: v.ID, Email: v.Email, ChangeType: inbox.Merged,
		Properties: inbox.MergedProperties(old), ChangedAt: at}
}
