package pull

import (
	"context"
	"errors"
	"slices"
	"sync"

	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// meet waits until no other stream looks for contacts without a lead. The caller calls done after the commit.
func (p *Puller) meet(ctx context.Context) (done func(), err error) {
	select {
	case p.meeting <- struct{}{}:
		return func() { <-p.meeting }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// strangers takes contacts that no lead has into the page. Each gets a link without a lead, so that it is told once; a
// lead that is linked later adopts it, which ends that link. A contact whose address stands in a pending row is left to
// push, which links it and tells what the application lacks: it may be our own, created a moment ago.
func (r *run) strangers(ctx context.Context, d *draft) error {
	if err := r.passErased(ctx, d); err != nil {
		return err
	}
	links, err := r.strangersOf(ctx, append(slices.Clone(d.known), d.unknown...))
	if err != nil {
		return err
	}
	for _, v := range d.known { // adopted, by itself or by a merge
		for _, id := range v.ids() {
			if links[id] == nil {
				continue
			}
			if d.Drop = append(d.Drop, id); id != v.ID {
				d.Inbox = append(d.Inbox, inbox.Row{LeadID: v.holder, ContactID: v.ID, Email: v.Email, ChangeType: inbox.Merged,
					Properties: inbox.MergedProperties(id), ChangedAt: r.changedAt(v)})
			}
		}
	}
	var fresh, moved []*view
	for _, v := range d.unknown {
		l := links[v.ID]
		merged := slices.ContainsFunc(v.Merged, func(id lead.ContactID) bool { return links[id] != nil })
		switch {
		case l == nil && !merged:
			fresh = append(fresh, v)
		case l == nil || merged || v.differs(l, r.table, r.asked):
			moved = append(moved, v)
		}
	}
	if r.stream == Changes || r.stream == Lagged {
		if fresh, err = r.nobodys(ctx, fresh); err != nil {
			return err
		}
		moved = append(moved, fresh...)
	}
	now, err := r.linksOf(ctx, moved) // a lead may have adopted one since
	if err != nil {
		return err
	}
	moved = slices.DeleteFunc(moved, func(v *view) bool { return len(now[v.ID]) > 0 })
	views, err := r.readAgain(ctx, moved)
	if err != nil {
		return err
	}
	for _, v := range views {
		r.meet(d, v, links)
	}
	return nil
}

// strangersOf reads the links without a lead of the contacts and of those that were merged into them, by contact.
func (r *run) strangersOf(ctx context.Context, views []*view) (map[lead.ContactID]*ledger.Link, error) {
	var ids []lead.ContactID
	for _, v := range views {
		ids = append(ids, v.ids()...)
	}
	links := map[lead.ContactID]*ledger.Link{}
	if len(ids) == 0 {
		return links, nil
	}
	stored, err := r.p.store.Strangers(ctx, r.hubID, ids)
	for i := range stored {
		links[stored[i].ContactID] = &stored[i]
	}
	return links, err
}

// nobodys leaves out contacts that a pending row is about. Pending rows are asked before the links are read once more:
// a row that is settled in between has written its link by then.
func (r *run) nobodys(ctx context.Context, views []*view) ([]*view, error) {
	if len(views) == 0 {
		return nil, nil
	}
	var addresses []string
	for _, v := range views {
		if v.Email != "" {
			addresses = append(addresses, v.Email)
		}
	}
	pending, err := r.p.store.PendingAddresses(ctx, addresses)
	return slices.DeleteFunc(views, func(v *view) bool { return slices.Contains(pending, v.Email) }), err
}

// readAgain reads contacts by id: what search showed of them may be old. One that is not there is left out. The
// requests of a page run at once, so that applying it takes no longer than searching for the next.
func (r *run) readAgain(ctx context.Context, views []*view) ([]*view, error) {
	names := append(slices.Clone(r.list), r.table.Properties()...)
	slices.Sort(names)
	names = slices.Compact(names)
	chunks := slices.Collect(slices.Chunk(views, hubspot.MaxBatch))
	found, errs := make([][]*view, len(chunks)), make([]error, len(chunks))
	var all sync.WaitGroup
	for i, chunk := range chunks {
		all.Go(func() { found[i], errs[i] = r.readChunk(ctx, chunk, names) })
	}
	all.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}

func (r *run) readChunk(ctx context.Context, views []*view, names []string) (there []*view, err error) {
	ids := make([]string, len(views))
	for i, v := range views {
		ids[i] = string(v.ID)
	}
	res, err := r.p.hub.BatchRead(ctx, hubspot.ReadRequest{IDs: ids, Properties: names})
	if errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound {
		return nil, nil // none of them
	}
	if err != nil {
		return nil, err
	}
	for i := range res.Results {
		if c := &res.Results[i]; !c.Archived && slices.Contains(ids, string(c.ID)) {
			there = append(there, newView(c, r.table))
		}
	}
	return there, nil
}

// meet takes a fresh reading of a contact without a lead into its link and tells what is new.
func (r *run) meet(d *draft, v *view, links map[lead.ContactID]*ledger.Link) {
	l := links[v.ID]
	var merged []lead.ContactID
	for _, id := range v.Merged {
		if old := links[id]; old != nil {
			merged = append(merged, id)
			if l == nil || l.ContactID != v.ID && old.Address == v.Email { // whose address is the survivor's goes on as it
				l = old
			}
		}
	}
	tell := func(change, properties string) {
		d.Inbox = append(d.Inbox, inbox.Row{ContactID: v.ID, Email: v.Email, ChangeType: change, Properties: properties, ChangedAt: r.changedAt(v)})
	}
	known := l != nil
	if !known {
		l = &ledger.Link{Portal: r.p.cfg.Portal, HubID: r.hubID}
	}
	gone := l.State == ledger.Gone
	l.State, l.ContactID = ledger.Linked, v.ID
	if len(merged) > 0 {
		d.Drop = append(d.Drop, merged...)
		tell(inbox.Merged, inbox.MergedProperties(merged...))
	}
	values := r.merge(l, v)
	switch {
	case !known:
		tell(inbox.Created, inbox.Properties(values))
	case gone:
		tell(inbox.Restored, "{}")
	}
	if known && len(values) > 0 {
		tell(inbox.Updated, inbox.Properties(values))
	}
	if v.OptedOut && l.Consent != consentOut {
		l.Consent = consentOut
		tell(inbox.Unsubscribed, "{}")
	}
	d.Strangers = append(d.Strangers, *l)
}

// merge takes the values of a contact without a lead: there is no side but HubSpot's.
func (r *run) merge(l *ledger.Link, v *view) map[string]inbox.Value {
	out := map[string]inbox.Value{}
	for p, canon := range v.Values {
		hears := told(r.table, p)
		if !hears && p != ledger.AddressField || canon == "" && l.Field(p).IsZero() {
			continue
		}
		was := l.Field(p).Seen
		if l.Merge(ledger.Reading{Property: p, Canon: canon, Told: hears}).Tell() {
			out[r.table.LeadName(p)] = inbox.Value{New: canon, Was: was}
		}
	}
	return out
}

// changedAt is HubSpot's time of a change, ours where it shows none.
func (r *run) changedAt(v *view) int64 {
	if v.UpdatedAt.IsZero() {
		return r.p.cfg.Now().UnixMilli()
	}
	return v.UpdatedAt.UnixMilli()
}
