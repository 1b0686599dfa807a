package pull

import (
	"context"
	"slices"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// sweep walks the recycle bin, which cannot be asked for what is new in it, and then asks after the contacts that were
// gone. It begins anew each time: a cursor of a listing is not kept. A contact that is in neither place proves nothing,
// it may be merged or erased; push finds out when it writes to it.
func (r *run) sweep(ctx context.Context) error {
	after := ""
	for {
		list, err := r.p.hub.List(ctx, hubspot.ListRequest{After: after, Archived: true, Properties: []string{ledger.AddressField}})
		if err != nil {
			return err
		}
		if err := r.binned(ctx, list.Contacts); err != nil {
			return err
		}
		if list.After == "" || list.After == after {
			break
		}
		after = list.After
	}
	var last lead.ContactID
	for {
		links, err := r.p.store.GoneAfter(ctx, r.hubID, last, hubspot.MaxBatch)
		if err != nil {
			return err
		}
		if len(links) > 0 {
			last = links[len(links)-1].ContactID
		}
		end := len(links) < hubspot.MaxBatch
		if err := r.back(ctx, links, end); err != nil || end {
			return err
		}
	}
}

// binned takes contacts that are in the recycle bin. That of a lead is read again while the lead is held, so that one
// that came back meanwhile, or that the application itself deletes, is not told as deleted.
func (r *run) binned(ctx context.Context, contacts []hubspot.Contact) error {
	views := make([]*view, len(contacts))
	for i := range contacts {
		views[i] = newView(&contacts[i], r.table)
		if at := contacts[i].ArchivedAt; !at.IsZero() {
			views[i].UpdatedAt = at
		}
	}
	links, err := r.linksOf(ctx, views)
	if err != nil {
		return err
	}
	d := &draft{Page: newPage(r), counts: Result{Pages: 1, Seen: len(views)}}
	for _, v := range views {
		for _, l := range links[v.ID] {
			if l.State == ledger.Linked && l.Portal == r.p.cfg.Portal {
				d.reread = append(d.reread, l.LeadID)
			}
		}
		if len(links[v.ID]) == 0 {
			d.unknown = append(d.unknown, v)
		}
	}
	release, err := r.read(ctx, d)
	if err != nil {
		return err
	}
	defer release()
	done, err := r.p.meet(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := r.strangersBinned(ctx, d); err != nil {
		return err
	}
	if len(d.Links)+len(d.Strangers) == 0 {
		r.counts = r.counts.plus(d.counts)
		return nil
	}
	return r.keep(ctx, d)
}

// strangersBinned does the same with contacts that no lead has.
func (r *run) strangersBinned(ctx context.Context, d *draft) error {
	if r.p.cfg.Unknown != Inbox || len(d.unknown) == 0 {
		return nil
	}
	stored, err := r.strangersOf(ctx, d.unknown)
	if err != nil {
		return err
	}
	gone := slices.DeleteFunc(d.unknown, func(v *view) bool { return stored[v.ID] == nil || stored[v.ID].State != ledger.Linked })
	there, err := r.readAgain(ctx, gone)
	if err != nil {
		return err
	}
	for _, v := range gone {
		if slices.ContainsFunc(there, func(now *view) bool { return now.ID == v.ID }) {
			continue
		}
		l := stored[v.ID]
		l.State = ledger.Gone
		d.Strangers = append(d.Strangers, *l)
		d.Inbox = append(d.Inbox, inbox.Row{ContactID: v.ID, Email: l.Address, ChangeType: inbox.Deleted, Properties: "{}", ChangedAt: r.changedAt(v)})
	}
	return nil
}

// back finds those contacts that were gone and are there again. end: the run is done with them.
func (r *run) back(ctx context.Context, links []ledger.Link, end bool) error {
	d := &draft{Page: newPage(r), counts: Result{Pages: 1, Seen: len(links)}}
	asked := make([]*view, len(links))
	byContact := map[lead.ContactID]*ledger.Link{}
	for i := range links {
		asked[i] = &view{View: &contact.View{ID: links[i].ContactID}}
		byContact[links[i].ContactID] = &links[i]
	}
	there, err := r.readAgain(ctx, asked)
	if err != nil {
		return err
	}
	var strangers []*view
	for _, v := range there {
		if l := byContact[v.ID]; l.LeadID != "" {
			d.reread = append(d.reread, l.LeadID)
		} else {
			strangers = append(strangers, v)
		}
	}
	release, err := r.read(ctx, d)
	if err != nil {
		return err
	}
	defer release()
	done, err := r.p.meet(ctx)
	if err != nil {
		return err
	}
	defer done()
	stored, err := r.strangersOf(ctx, strangers) // again, now that no other stream has them
	if err != nil {
		return err
	}
	for _, v := range strangers {
		if l := stored[v.ID]; l != nil && l.State == ledger.Gone {
			r.meet(d, v, stored)
		}
	}
	if end {
		r.pos.RanAt = r.p.cfg.Now().UnixMilli()
		all := r.counts.plus(d.counts)
		all.Applied += len(d.Inbox)
		r.pos.Last = &all
	}
	if !end && len(d.Links)+len(d.Strangers) == 0 {
		r.counts = r.counts.plus(d.counts)
		return nil
	}
	return r.keep(ctx, d)
}

// keep commits a page of the sweep.
func (r *run) keep(ctx context.Context, d *draft) error {
	found, err := r.commit(ctx, d, func(Result) Position { return r.pos })
	r.counts = r.counts.plus(found)
	return err
}
