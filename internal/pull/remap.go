package pull

import (
	"context"
	"slices"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/mapping"
)

// remap reads the contacts of all leads once after the mapping came to tell the application of a property: what people
// wrote there before was no change for it, and no search shows it. The ledger knows what the application knows
// (ledger.Field.Untold), so each reading is decided and told like any other. It goes on where it was cut off, by
// contact id; while the mapping tells nothing new it asks for nothing.
func (r *run) remap(ctx context.Context) error {
	now := toldOf(r.table)
	known := within(r.pos.Told, now)
	sc := r.pos.Scan
	switch {
	case sc != nil && len(without(now, known, sc.Told)) == 0: // goes on
	case len(without(now, known)) > 0:
		sc = &Scan{Told: now}
	case r.pos.RanAt != 0 && sc == nil && slices.Equal(known, r.pos.Told):
		return nil
	default:
		return r.remapped(ctx, &draft{Page: newPage(r)}, known, nil)
	}
	r.pos.Told = known
	for {
		links, err := r.p.store.LinkedAfter(ctx, r.hubID, lead.ContactID(sc.After), hubspot.MaxBatch)
		if err != nil {
			return err
		}
		d := &draft{Page: newPage(r), counts: Result{Pages: 1, Seen: len(links)}}
		next := *sc
		for i := range links {
			d.reread, next.After = append(d.reread, links[i].LeadID), string(links[i].ContactID)
		}
		if len(links) < hubspot.MaxBatch {
			return r.remapped(ctx, d, within(slices.Concat(known, sc.Told), now), sc)
		}
		if err := r.remapPage(ctx, d, func(found Result) Position {
			next.Result = sc.Result.plus(found)
			pos := r.pos
			pos.Scan = &next
			return pos
		}); err != nil {
			return err
		}
		sc = &next
	}
}

// remapPage reads the contacts of a page while push leaves their leads alone.
func (r *run) remapPage(ctx context.Context, d *draft, next func(Result) Position) error {
	release, err := r.read(ctx, d)
	if err != nil {
		return err
	}
	defer release()
	found, err := r.commit(ctx, d, next)
	if err != nil {
		return err
	}
	r.counts, r.pos = r.counts.plus(found), d.next
	if r.o.Progress != nil {
		r.o.Progress(r.pos)
	}
	return nil
}

// remapped commits the last page; sc is nil when nothing was to be read.
func (r *run) remapped(ctx context.Context, d *draft, told []string, sc *Scan) error {
	return r.remapPage(ctx, d, func(found Result) Position {
		pos := r.pos
		pos.Scan, pos.Told, pos.RanAt = nil, told, r.p.cfg.Now().UnixMilli()
		if sc != nil {
			all := sc.Result.plus(found)
			pos.Last = &all
		}
		return pos
	})
}

// toldOf lists the properties that the application is told of, sorted.
func toldOf(t *mapping.Table) []string {
	return slices.DeleteFunc(t.Properties(), func(p string) bool { return !told(t, p) })
}

// within lists, in order, those of a list that another holds too.
func within(list, other []string) []string {
	list = slices.DeleteFunc(slices.Clone(list), func(p string) bool { return !slices.Contains(other, p) })
	slices.Sort(list)
	return slices.Compact(list)
}

// without lists those of a list that none of the others holds.
func without(list []string, others ...[]string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(p string) bool { return slices.Contains(slices.Concat(others...), p) })
}
