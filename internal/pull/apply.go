package pull

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/settlement"
)

// draft is a page in the making.
type draft struct {
	settlement.Page
	next    Position // where the stream stands with it
	counts  Result
	reread  []lead.ID // leads whose contacts are to be read again; those that a merge concerns first
	merges  int       // how many of them
	unknown []*view   // contacts that no link names
	known   []*view
}

// holdFor bounds the wait for requests that are under way for leads of a page.
const holdFor = 2 * time.Minute

var errHold = errors.New("requests for the leads of a page did not end")

// apply finds out which contacts of a page differ from what is known of them, has those read again while push leaves
// their leads alone, and commits what was found with the next position. The leads are let go after the commit: a crash,
// or a failure, anywhere before it leads to a repeat that comes to the same, since nothing was written; after it the
// contacts hold what was last seen.
func (r *run) apply(ctx context.Context, contacts []hubspot.Contact, next func(Result) Position) (Result, error) {
	d := &draft{Page: newPage(r), counts: Result{Pages: 1, Seen: len(contacts)}}
	views := make([]*view, len(contacts))
	for i := range contacts {
		views[i] = newView(&contacts[i], r.table)
	}
	if err := r.sort(ctx, d, views); err != nil {
		return Result{}, err
	}
	release, err := r.read(ctx, d)
	if err != nil {
		return Result{}, err
	}
	defer release()
	if r.p.cfg.Unknown == Inbox {
		done, err := r.p.meet(ctx)
		if err != nil {
			return Result{}, err
		}
		defer done()
		if err := r.strangers(ctx, d); err != nil {
			return Result{}, err
		}
	}
	return r.commit(ctx, d, next)
}

// newPage is an empty page of a run.
func newPage(r *run) settlement.Page {
	return settlement.Page{HubID: r.hubID, Stream: string(r.stream)}
}

func (r *run) commit(ctx context.Context, d *draft, next func(Result) Position) (Result, error) {
	if err := r.silence(ctx, d); err != nil {
		return Result{}, err
	}
	d.counts.Applied = len(d.Inbox)
	d.next = next(d.counts)
	text, err := d.next.encode(r.stream)
	if err != nil {
		return Result{}, err
	}
	d.Position = text
	if err := r.p.store.Commit(ctx, d.Page); err != nil {
		return Result{}, err
	}
	return d.counts, nil
}

// sort finds out whose contacts these are, and which of them may hold something new.
func (r *run) sort(ctx context.Context, d *draft, views []*view) error {
	links, err := r.linksOf(ctx, views)
	if err != nil {
		return err
	}
	var merged, moved []lead.ID
	for _, v := range views {
		known := false
		for _, l := range links[v.ID] {
			known = true
			if l.State == ledger.Linked {
				v.holder = l.LeadID
			}
			switch {
			case l.Portal != r.p.cfg.Portal, l.State == ledger.Passive, l.State == ledger.None:
			case v.differs(l, r.table, r.asked):
				moved = append(moved, l.LeadID)
				r.p.learn(l, r.asked)
			default:
				d.counts.Echoes++
			}
		}
		gone := false // some record that was merged into it is a lead's
		for _, id := range v.Merged {
			for _, l := range links[id] {
				if l.State == ledger.Linked && l.Portal == r.p.cfg.Portal {
					v.holder = l.LeadID
					merged, known, gone = append(merged, l.LeadID), true, true
				}
			}
		}
		for _, l := range links[v.ID] {
			if gone && l.Portal == r.p.cfg.Portal && l.State == ledger.Linked {
				merged = append(merged, l.LeadID)
			}
		}
		if known {
			d.known = append(d.known, v)
		} else {
			d.unknown = append(d.unknown, v)
		}
	}
	d.counts.Unknown = len(d.unknown)
	for _, id := range append(merged, moved...) {
		if !slices.Contains(d.reread, id) {
			d.reread = append(d.reread, id)
		}
	}
	slices.Sort(merged)
	d.merges = len(slices.Compact(merged))
	return nil
}

// linksOf reads the links of the contacts and of those that were merged into them, by contact.
func (r *run) linksOf(ctx context.Context, views []*view) (map[lead.ContactID][]*ledger.Link, error) {
	var ids []lead.ContactID
	for _, v := range views {
		ids = append(ids, v.ids()...)
	}
	out := map[lead.ContactID][]*ledger.Link{}
	if len(ids) == 0 {
		return out, nil
	}
	links, err := r.p.store.LinksByContact(ctx, r.hubID, ids)
	for i := range links {
		out[links[i].ContactID] = append(out[links[i].ContactID], &links[i])
	}
	return out, err
}

// read holds the leads whose contacts differ and takes fresh readings of these.
func (r *run) read(ctx context.Context, d *draft) (release func(), err error) {
	if len(d.reread) == 0 {
		return func() {}, nil
	}
	waiting, cancel := context.WithTimeoutCause(ctx, holdFor, errHold)
	defer cancel()
	if release, err = r.p.leads.Hold(waiting, d.reread); err != nil {
		return nil, err
	}
	parts := parts(d.reread, d.merges)
	found := make([]reading, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() {
			f := &found[i]
			f.links, f.rows, f.conflicts, f.err = r.p.leads.Reread(ctx, part)
		})
	}
	all.Wait()
	rows := 0
	for _, f := range found {
		if err = errors.Join(err, f.err); err != nil {
			continue
		}
		d.Links, d.Inbox = append(d.Links, f.links...), append(d.Inbox, f.rows...)
		d.counts.Conflicts += f.conflicts
		rows += len(f.rows)
	}
	if err != nil {
		release()
		return nil, err
	}
	d.counts.Echoes += max(0, len(d.reread)-rows)
	return release, nil
}

// reading is what one Reread brought.
type reading struct {
	links     []ledger.Link
	rows      []inbox.Row
	conflicts int
	err       error
}

// parts cuts a list into requests that run at once. The leads of merges stay together, since each may change another
// one's link.
func parts(leads []lead.ID, together int) [][]lead.ID {
	var out [][]lead.ID
	if together > hubspot.MaxBatch {
		out, leads = append(out, leads[:together]), leads[together:]
	}
	for part := range slices.Chunk(leads, hubspot.MaxBatch) {
		out = append(out, part)
	}
	return out
}
