package pull

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/hubspot"
)

// Whether an opt-out moves a contact's lastmodifieddate is not known (HubSpot does not say; `doctor` looks). Where it
// does, Changes finds it within its minute; where it does not, only the whole list of opted-out contacts shows it. With
// many of them the list is not read each time: HubSpot says with each search how many contacts there are in all
// ("total" in https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, read 2026-11-22), so ranges
// of ids are counted, and only those are read whose count is another one than it was. One that came and one that went
// in the same range between two runs look like nothing: once a day, and where the counts are seen to be wrong, all of
// it is read.
const (
	wholeEvery = 24 * time.Hour
	// partLeast is how many contacts a range has at least, partsMost about how many ranges there are at most.
	partLeast, partsMost = 10 * pageSize, 128
	// countsMost is how many counts a run begins with. A range whose count has changed is halved until it is one part.
	countsMost = 16
	// pageCost is how long a page of a whole reading lasts against the next one: all of them take at most 5,000 requests a
	// day, 2 % of the smallest limit of a day
	// (https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines, read 2026-11-22).
	pageCost = wholeEvery / 5000
)

// Part is a range of ids: those above the part before it, up to To. The last one has no end.
type Part struct {
	To string `json:"to"`
	N  int    `json:"n"` // contacts that were opted out
}

// count takes a page of a whole reading into its parts.
func (sc *Scan) count(page *hubspot.Page) {
	if sc.Total == 0 {
		sc.Total = page.Total
	}
	if len(page.Contacts) == 0 {
		return
	}
	sc.Parts = slices.Clone(sc.Parts) // the page before it is not committed yet
	if n := len(sc.Parts); n == 0 || sc.Parts[n-1].N >= max(partLeast, sc.Total/partsMost) {
		sc.Parts = append(sc.Parts, Part{})
	}
	last := &sc.Parts[len(sc.Parts)-1]
	last.To, last.N = sc.After, last.N+len(page.Contacts)
}

// believed are the parts of a whole reading, none where HubSpot's total was not about what the reading found.
func (sc *Scan) believed() []Part {
	if off := sc.Total - sc.Seen; max(off, -off) > 10+sc.Seen/100 {
		return nil
	}
	return sc.Parts
}

// optOut reads all opted-out contacts, or those parts of them whose count has changed.
func (r *run) optOut(ctx context.Context) error {
	if r.pos.Scan != nil {
		return r.scan(ctx, *r.pos.Scan)
	}
	since := r.p.cfg.Now().Sub(time.UnixMilli(r.pos.WholeAt))
	switch {
	case since < 0 || since >= wholeEvery:
	case len(r.pos.Parts) > 1:
		return r.recount(ctx)
	case r.pos.Last != nil && since < time.Duration(r.pos.Last.Pages)*pageCost:
		return nil // its turn comes
	}
	return r.scan(ctx, Scan{})
}

// recount counts the parts in groups and reads those that have changed.
func (r *run) recount(ctx context.Context) error {
	size := (len(r.pos.Parts) + countsMost - 1) / countsMost
	for from := 0; from < len(r.pos.Parts); from += size {
		to := min(from+size, len(r.pos.Parts))
		n, err := r.countOf(ctx, from, to)
		if err == nil {
			err = r.compare(ctx, from, to, n)
		}
		if err != nil {
			return err
		}
	}
	whole := r.counts
	_, err := r.page(ctx, nil, func(Result) Position {
		r.pos.RanAt, r.pos.Last = r.p.cfg.Now().UnixMilli(), &whole
		return r.pos
	})
	return err
}

// compare reads what is new in some parts, of which HubSpot counts n contacts.
func (r *run) compare(ctx context.Context, from, to, n int) error {
	known := 0
	for _, p := range r.pos.Parts[from:to] {
		known += p.N
	}
	if n == known {
		return nil
	}
	if to-from == 1 {
		return r.readPart(ctx, from)
	}
	mid := (from + to) / 2
	first, err := r.countOf(ctx, from, mid)
	if err != nil {
		return err
	}
	if err := r.compare(ctx, from, mid, first); err != nil {
		return err
	}
	return r.compare(ctx, mid, to, n-first)
}

// inParts are the filters of some parts, of ids above after.
func (p *Position) inParts(from, to int, after string) []hubspot.Filter {
	f := []hubspot.Filter{{Property: optedOut, Operator: "EQ", Value: "true"}}
	if after == "" && from > 0 {
		after = p.Parts[from-1].To
	}
	if after != "" {
		f = append(f, hubspot.Filter{Property: objectID, Operator: "GT", Value: after})
	}
	if to < len(p.Parts) {
		f = append(f, hubspot.Filter{Property: objectID, Operator: "LTE", Value: p.Parts[to-1].To})
	}
	return f
}

// countOf asks how many contacts some parts have.
func (r *run) countOf(ctx context.Context, from, to int) (int, error) {
	page, err := r.p.hub.Search(ctx, hubspot.SearchRequest{Filters: r.pos.inParts(from, to, ""), Properties: []string{optedOut}, Limit: 1})
	if err != nil {
		return 0, err
	}
	return page.Total, nil
}

// readPart reads the contacts of one part and notes how many there are now. A stop in the middle leaves the old count,
// so that it is read anew.
func (r *run) readPart(ctx context.Context, part int) error {
	parts := slices.Clone(r.pos.Parts)
	parts[part].N = 0
	f := fetched{}
	for limit := pageSize; !f.last; {
		page, err := r.p.hub.Search(ctx, hubspot.SearchRequest{Filters: r.pos.inParts(part, part+1, f.scan.After), Properties: r.list, Limit: limit})
		if err == nil {
			err = r.turn(ctx, &f, page)
		}
		if err != nil {
			return err
		}
		if page.Limit > 0 {
			limit = page.Limit
		}
		parts[part].N += len(page.Contacts)
		found, err := r.page(ctx, f.contacts, func(Result) Position {
			if f.last {
				r.pos.Parts = parts
			}
			return r.pos
		})
		if err != nil {
			return err
		}
		if r.counts = r.counts.plus(found); r.o.Progress != nil {
			r.o.Progress(r.pos)
		}
	}
	return nil
}
