package pull

import (
	"context"
	"slices"
	"strconv"
	"time"

	"leadsync/internal/hubspot"
)

// apart is how far HubSpot's Date and our clock may differ before neither of them is believed alone. A minute is more
// than any request takes, and what overlap reads again.
const apart = time.Minute

// hubTime is HubSpot's time when it gave an answer with that Date. One wrong clock never decides: while Date and ours
// agree, the earlier of them counts, since a time too early costs a second reading and one too late loses changes; when
// they differ, HubSpot is asked for the newest change it holds, and the one in the middle of the three counts.
func (r *run) hubTime(ctx context.Context, date time.Time) (time.Time, error) {
	ours := r.p.cfg.Now()
	if !r.p.differ(date, ours) {
		return middle(date, ours, time.Time{}), nil
	}
	if r.newest.IsZero() {
		page, err := r.askNewest(ctx)
		if err != nil {
			return time.Time{}, err
		}
		r.newest = newestOf(page)
	}
	return middle(date, ours, r.newest), nil
}

// differ notes by how much HubSpot's Date is ahead of our clock, and tells whether that is too much.
func (p *Puller) differ(date, ours time.Time) bool {
	off := date.Sub(ours)
	if date.IsZero() || off.Abs() <= apart {
		off = 0
	}
	p.clockOff.Store(int64(off))
	return off != 0
}

// ClockOff is by how much the Date of HubSpot's last answer was ahead of our clock, negative when behind; 0 while they
// agree.
func (p *Puller) ClockOff() time.Duration { return time.Duration(p.clockOff.Load()) }

// middle is the middle one of three times, the earlier one of two. A time that is not known is zero.
func middle(times ...time.Time) time.Time {
	times = slices.DeleteFunc(times, time.Time.IsZero)
	slices.SortFunc(times, time.Time.Compare)
	return times[(len(times)-1)/2]
}

// askNewest asks for the contact that changed last.
func (r *run) askNewest(ctx context.Context) (*hubspot.Page, error) {
	return r.p.hub.Search(ctx, hubspot.SearchRequest{Limit: 1, Properties: []string{modified}, Newest: modified,
		Filters: []hubspot.Filter{{Property: modified, Operator: "GTE", Value: strconv.Itoa(firstTime)}}})
}

// newestOf is the change time on a page, zero when it shows none.
func newestOf(page *hubspot.Page) (at time.Time) {
	for i := range page.Contacts {
		if t := page.Contacts[i].UpdatedAt; t.After(at) {
			at = t
		}
	}
	return at
}

// beyond reports whether a position holds a time after the limit.
func (p *Position) beyond(limit int64) bool {
	return max(p.Watermark, p.Began) > limit || p.Scan != nil && max(p.Scan.Lo, p.Scan.Hi) > limit
}

// mend sets a position back that lies beyond now: a clock that was wrong put it there, and everything until then would
// be passed over. Changes goes back to where Lagged stands, which is sure to have told what is before; where that is
// not known, to the beginning: what was told already is told no second time.
func (r *run) mend(ctx context.Context) error {
	if !r.pos.beyond(r.p.cfg.Now().Add(apart).UnixMilli()) {
		return nil
	}
	page, err := r.askNewest(ctx)
	if err != nil {
		return err
	}
	r.newest = newestOf(page)
	now, err := r.hubTime(ctx, page.Date)
	if err != nil {
		return err
	}
	limit := now.Add(apart).UnixMilli()
	if !r.pos.beyond(limit) {
		return nil
	}
	was := max(r.pos.Watermark, r.pos.Began)
	if r.pos.Scan != nil {
		was = max(was, r.pos.Scan.Lo, r.pos.Scan.Hi)
	}
	if r.pos.Began > limit {
		r.pos.Began = now.Add(-Lag).UnixMilli()
		r.p.mu.Lock()
		r.p.began[r.hubID] = r.pos.Began
		r.p.mu.Unlock()
	}
	r.pos.Watermark, r.pos.Scan, r.pos.SetBackAt = r.pos.Began, nil, r.p.cfg.Now().UnixMilli()
	if r.stream == Changes {
		lagged, err := r.p.Position(ctx, r.hubID, Lagged)
		if err != nil {
			return err
		}
		if lagged.Watermark <= limit {
			r.pos.Watermark = max(r.pos.Watermark, lagged.Watermark)
		}
	}
	if f := r.p.cfg.SetBack; f != nil {
		f(r.stream, time.UnixMilli(was), time.UnixMilli(r.pos.Watermark))
	}
	return nil
}
