package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/mapping"
)

// run is one run of a stream. One goroutine uses it, but for fetch.
type run struct {
	p      *Puller
	hubID  int64
	table  *mapping.Table
	stream Stream
	list   []string // properties that are asked for
	asked  asked
	pos    Position
	counts Result    // of this run
	newest time.Time // the newest change that HubSpot showed when it was asked; only where clocks differ
	o      RunOptions
}

// Run makes one run of a stream: it goes on with the scan that a run before left unfinished, or begins one, and returns
// when the stream is read to its end. What is committed stays when it fails or ctx ends; the next run goes on there.
// The error is settlement.ErrLeaseLost or ErrNotAttached, or what HubSpot or the database said. The result counts this
// run alone, also beside an error.
func (p *Puller) Run(ctx context.Context, s Stream, o RunOptions) (Result, error) {
	ctx = hubspot.WithPriority(ctx, hubspot.PriorityPull)
	hubID, table, ok := p.leads.Attached()
	if !ok {
		return Result{}, ErrNotAttached
	}
	r := &run{p: p, hubID: hubID, table: table, stream: s, list: p.searchFor(table), o: o}
	r.asked = set(r.list)
	var err error
	if r.pos, err = p.Position(ctx, hubID, s); err != nil {
		return Result{}, err
	}
	switch s {
	case Changes, Lagged:
		var sc Scan
		if sc, err = r.window(ctx, o.Since); err == nil {
			err = r.scan(ctx, sc)
		}
	case OptOut:
		err = r.optOut(ctx)
	case Archived:
		err = r.sweep(ctx)
	case Mapping:
		err = r.remap(ctx)
	default:
		return Result{}, fmt.Errorf("stream %q: want %v", s, Streams())
	}
	return r.counts, err
}

// scan reads the contacts of a search to the end and applies page by page.
func (r *run) scan(ctx context.Context, sc Scan) error {
	ctx, stop := context.WithCancel(ctx)
	pages := make(chan fetched)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.fetch(ctx, sc, pages)
	}()
	defer func() { stop(); <-done }()
	counts := sc.Result
	for f := range pages {
		if f.err != nil {
			return f.err
		}
		pos := r.pos
		found, err := r.page(ctx, f.contacts, func(page Result) Position {
			f.scan.Result = counts.plus(page)
			pos.Scan = &f.scan
			if f.last {
				pos = r.finished(f.scan)
			}
			return pos
		})
		if err != nil {
			return err
		}
		counts, r.counts = counts.plus(found), r.counts.plus(found)
		r.pos = pos
		if r.o.Progress != nil {
			r.o.Progress(pos)
		}
		if f.last {
			return nil
		}
	}
	return context.Cause(ctx)
}

// finished is the position after the last page of a scan.
func (r *run) finished(sc Scan) Position {
	pos := r.pos
	pos.Scan, pos.Last, pos.RanAt = nil, &sc.Result, r.p.cfg.Now().UnixMilli()
	if r.stream == OptOut {
		pos.WholeAt, pos.Parts = pos.RanAt, sc.believed()
		return pos
	}
	pos.Watermark = max(pos.Watermark, sc.Hi)
	return pos
}

// applyTries is how often a page is applied anew when one of its contacts got a lead meanwhile.
const applyTries = 3

// page applies contacts and commits them together with the position that next makes of their counts.
func (r *run) page(ctx context.Context, contacts []hubspot.Contact, next func(Result) Position) (Result, error) {
	var err error
	for range applyTries {
		var found Result
		if found, err = r.apply(ctx, contacts, next); !errors.Is(err, lead.ErrDuplicate) {
			return found, err
		}
	}
	return Result{}, err
}

// plus adds two counts.
func (a Result) plus(b Result) Result {
	return Result{Pages: a.Pages + b.Pages, Seen: a.Seen + b.Seen, Applied: a.Applied + b.Applied, Echoes: a.Echoes + b.Echoes,
		Conflicts: a.Conflicts + b.Conflicts, Unknown: a.Unknown + b.Unknown}
}
