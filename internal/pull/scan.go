package pull

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"leadsync/internal/hubspot"
)

const (
	// margin keeps the end of a window away from now: what changed this instant is not in the index yet, and HubSpot's
	// Date has whole seconds.
	margin = 10 * time.Second
	// overlap is read again by the next window. Figures people give for the lag of the index are a few to 30 seconds
	// (https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm says "a few moments", read 2026-11-22);
	// what is later than that is for the lagged stream.
	overlap = time.Minute
	// Lag is how far Lagged stays behind: what the index shows within an hour is never missed.
	Lag = time.Hour
	// pageSize is the most contacts of a search (same page).
	pageSize = hubspot.MaxSearchPage
	// firstTime is the least value of a time in a filter: 0 was seen to be answered with 500, see hubspot.Filter.
	firstTime = 1000
)

// errOrder: a scan by id cannot go on, or would never end.
var errOrder = errors.New("hubspot's search does not answer in the order of ids")

// fetched is one page of a scan.
type fetched struct {
	contacts []hubspot.Contact
	scan     Scan // when this page is committed
	last     bool
	err      error
}

// fetch searches page after page, one ahead of what is applied, until the scan is at its end or ctx ends. It never
// pages by offset: each request asks for ids above the last, so neither the 10,000 hits of a search nor contacts on one
// millisecond bound it, and a contact that is edited meanwhile leaves the window and is found by the next one.
func (r *run) fetch(ctx context.Context, sc Scan, out chan<- fetched) {
	defer close(out)
	limit := pageSize
	for {
		page, err := r.p.hub.Search(ctx, hubspot.SearchRequest{Filters: r.filters(sc), Properties: r.list, Limit: limit})
		f := fetched{scan: sc, err: err}
		if err == nil {
			if page.Limit > 0 { // what was too heavy is not tried again by this run
				limit = page.Limit
			}
			f.err = r.turn(ctx, &f, page)
		}
		sc = f.scan
		select {
		case out <- f:
		case <-ctx.Done():
			return
		}
		if f.err != nil || f.last {
			return
		}
	}
}

// turn takes an answer: the end of the window from the first one, then the last id.
func (r *run) turn(ctx context.Context, f *fetched, page *hubspot.Page) error {
	if f.scan.Hi == 0 && r.stream != OptOut {
		now, err := r.hubTime(ctx, page.Date)
		if err != nil {
			return err
		}
		f.scan.Hi = max(r.end(now), r.pos.Watermark, f.scan.Lo)
	}
	last, _ := strconv.ParseUint(f.scan.After, 10, 64)
	for i := range page.Contacts {
		id, err := strconv.ParseUint(string(page.Contacts[i].ID), 10, 64)
		if err != nil || id <= last {
			return errOrder
		}
		last = id
	}
	f.contacts = page.Contacts
	f.last = len(page.Contacts) == 0 || page.Total <= len(page.Contacts) && len(page.Contacts) < pageSize
	if len(page.Contacts) > 0 {
		f.scan.After = strconv.FormatUint(last, 10)
	}
	if r.stream == OptOut {
		f.scan.count(page)
	}
	return nil
}

// end is where a window that begins to be read ends, by HubSpot's time.
func (r *run) end(now time.Time) int64 {
	if r.stream == Lagged {
		return now.Add(-Lag).UnixMilli()
	}
	return now.Add(-margin).UnixMilli()
}

// filters are those of the next page. The first page of a window has no end, since nobody has said yet what time it is
// there: it may show contacts beyond the end, which does no harm.
func (r *run) filters(sc Scan) []hubspot.Filter {
	var f []hubspot.Filter
	ms := func(at int64) string { return strconv.FormatInt(max(at, firstTime), 10) }
	switch {
	case r.stream == OptOut:
		f = append(f, hubspot.Filter{Property: optedOut, Operator: "EQ", Value: "true"})
	case sc.Hi == 0:
		f = append(f, hubspot.Filter{Property: modified, Operator: "GTE", Value: ms(sc.Lo)})
	default:
		f = append(f, hubspot.Filter{Property: modified, Operator: "BETWEEN", Value: ms(sc.Lo), HighValue: ms(sc.Hi)})
	}
	if sc.After != "" {
		f = append(f, hubspot.Filter{Property: objectID, Operator: "GT", Value: sc.After})
	}
	return f
}

// window is the scan to do: the one under way, or a new one from the position on.
func (r *run) window(ctx context.Context, since time.Time) (Scan, error) {
	if err := r.mend(ctx); err != nil {
		return Scan{}, err
	}
	if !since.IsZero() {
		lo := max(since.UnixMilli(), firstTime)
		if r.pos.Began == 0 {
			r.pos.Began = lo
		}
		if r.pos.Watermark != 0 {
			lo = min(lo, r.pos.Watermark-overlap.Milliseconds())
		}
		if r.pos.Scan != nil { // what it has not read yet must not be left out
			lo = min(lo, r.pos.Scan.Lo)
		}
		return Scan{Lo: lo}, nil
	}
	if r.pos.Scan != nil {
		return *r.pos.Scan, nil
	}
	if r.pos.Began == 0 {
		if err := r.begin(ctx); err != nil {
			return Scan{}, err
		}
	}
	return Scan{Lo: max(r.pos.Watermark-overlap.Milliseconds(), r.pos.Began)}, nil
}

// begin finds where the first window begins. The two streams of changes begin at one moment, whichever runs first, so
// that nothing falls between them.
func (r *run) begin(ctx context.Context) error {
	for _, s := range []Stream{Changes, Lagged} {
		other, err := r.p.Position(ctx, r.hubID, s)
		if err != nil {
			return err
		}
		r.pos.Began = cmp.Or(r.pos.Began, other.Began)
	}
	if at := r.p.cfg.Start; r.pos.Began == 0 && !at.IsZero() {
		r.pos.Began = max(at.UnixMilli(), firstTime)
	}
	if r.pos.Began == 0 {
		page, err := r.askNewest(ctx)
		if err != nil {
			return err
		}
		r.newest = newestOf(page)
		now, err := r.hubTime(ctx, page.Date)
		if err != nil {
			return err
		}
		r.pos.Began = now.UnixMilli()
	}
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	r.pos.Began = cmp.Or(r.p.began[r.hubID], r.pos.Began)
	r.p.began[r.hubID] = r.pos.Began
	return nil
}
