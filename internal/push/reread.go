package push

import (
	"context"
	"errors"
	"slices"

	"leadsync/internal/inbox"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// Attached tells the account and the mapping with its definitions; false while they are not known yet.
func (w *Worker) Attached() (hubID int64, table *mapping.Table, ok bool) {
	ok = w.account.Known() // asked first: what is known stays known
	return w.account.ID(), w.account.Table(), ok
}

// errMergeBusy: two leads' contacts were merged, and the other lead is in a request.
var errMergeBusy = errors.New("the contacts of two leads were merged, and one of the leads is busy; it is looked at again")

// Reread reads the contacts of leads that the caller holds and merges what they show into their ledgers, by the rules
// with which push reads before it writes. A contact that is not there is looked for: merged into another, archived, or
// erased. One that was gone and is there again is linked again. Nothing is written: links and rows belong into one
// transaction, and the leads may be let go after it. A repeat without that transaction comes to the same. conflicts
// counts properties that both sides changed.
//
// A lead with a delete that is still to be done is left alone: the application has ended this life already.
func (w *Worker) Reread(ctx context.Context, leads []lead.ID) (links []ledger.Link, rows []inbox.Row, conflicts int, err error) {
	works, err := w.heldWorks(ctx, leads)
	if err != nil {
		return nil, nil, 0, err
	}
	var linked, gone []*work
	for _, k := range works {
		switch k.link.State {
		case ledger.Linked:
			linked = append(linked, k)
		case ledger.Gone, ledger.Purged:
			gone = append(gone, k)
		}
	}
	if err := w.returned(ctx, gone); err != nil {
		return nil, nil, 0, err
	}
	if len(linked) > 0 {
		if err := w.readLinked(ctx, linked); err != nil {
			return nil, nil, 0, err
		}
	}
	for _, k := range works {
		if k.done && !k.dirty {
			return nil, nil, 0, errMergeBusy
		}
		if err := w.standAbove(ctx, k); err != nil {
			return nil, nil, 0, err
		}
		w.payOwed(k)
		if k.dirty {
			links, rows, conflicts = append(links, *k.link), append(rows, k.inbox...), conflicts+k.conflicts
		}
	}
	return links, rows, conflicts, nil
}

// heldWorks reads links and pending rows of leads that nobody else acts for.
func (w *Worker) heldWorks(ctx context.Context, leads []lead.ID) ([]*work, error) {
	links, err := w.store.Links(ctx, w.hubID(), leads)
	if err != nil {
		return nil, err
	}
	pending, err := w.store.PendingOf(ctx, leads, readRows, readSize)
	if err != nil {
		return nil, err
	}
	duplicate, err := w.duplicates(ctx, pending)
	if err != nil {
		return nil, err
	}
	erased, err := w.store.Tombstoned(ctx, w.hubID(), leads, nil, nil)
	if err != nil {
		return nil, err
	}
	beside := map[lead.ID]*work{}
	var works []*work
	for _, id := range leads {
		link := links[id]
		if _, gone := erased.Leads[id]; gone || link == nil { // an erase that HubSpot refused leaves a lead of whom nothing is told
			continue
		}
		k := w.newWork(id, pending[id], link, duplicate)
		k.beside = beside
		if slices.ContainsFunc(k.rows, func(r *intent.Row) bool { return r.Event == outbox.Erased && r.End == nil || r.EffectiveDelete(link) }) {
			continue
		}
		k.rows = slices.DeleteFunc(k.rows, func(r *intent.Row) bool {
			r.Omit(k.hint.refused[r.ID])
			return r.End != nil || r.Num() < link.ClosedAtID || r.AllOmitted()
		})
		beside[id] = k
		works = append(works, k)
	}
	return works, nil
}

// returned links leads again whose contact was gone and is there once more.
func (w *Worker) returned(ctx context.Context, works []*work) error {
	if len(works) == 0 {
		return nil
	}
	ids := make([]string, len(works))
	for i, k := range works {
		ids[i] = string(k.link.ContactID)
	}
	views, err := w.contacts.Batch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		return err
	}
	for _, v := range views {
		for _, k := range works {
			if k.link.ContactID != v.ID {
				continue
			}
			k.link.State = ledger.Linked
			k.inbox = append(k.inbox, InboxRow{LeadID: k.id, ContactID: v.ID, Email: v.Email, ChangeType: inbox.Restored, Properties: "{}",
				ChangedAt: v.UpdatedAt.UnixMilli()})
			if err := w.take(ctx, k, v); err != nil {
				return err
			}
		}
	}
	return nil
}
