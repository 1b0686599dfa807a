package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// ListQuery selects rows of lead_outbox; the zero value lists all in id order.
type ListQuery struct {
	Portal  string
	State   outbox.State
	Reason  outbox.Reason
	LeadID  lead.ID // needs Portal; without one it is the portal "default"
	Lane    outbox.Lane
	Since   int64          // rows settled, or while they are pending made, at or after it, unix ms; 0 = all
	AfterID outbox.EntryID // ids above it, or below it with Desc; 0 = from the start
	Limit   int            // 0 = all
	Desc    bool
}

// List streams rows to each, in id order; an error of each ends it and is returned. Nothing is held in memory, and each
// may use the DB.
func (o *Operator) List(ctx context.Context, q ListQuery, each func(outbox.Entry) error) error {
	return o.list(ctx, q, each)
}

func (db *engine) list(ctx context.Context, q ListQuery, each func(outbox.Entry) error) error {
	g := db.gread.WithContext(ctx).Table("lead_outbox AS o").Select(db.dialect.sql().entryColumns)
	g = db.narrow(g, q.Portal, q.State, q.Reason, q.LeadID, q.Since)
	if q.Lane != "" {
		g = g.Where("o.lane = ?", q.Lane)
	}
	order, beyond := "o.id", "o.id > ?"
	if q.Desc {
		order, beyond = "o.id DESC", "o.id < ?"
	}
	if q.AfterID != 0 {
		g = g.Where(beyond, q.AfterID)
	}
	if q.Limit > 0 {
		g = g.Limit(q.Limit)
	}
	rows, err := g.Order(order).Rows()
	if err != nil {
		return fmt.Errorf("list rows: %w", err)
	}
	var stopped error
	err = scanEntries(rows, func(e *outbox.Entry) error {
		stopped = each(*e)
		return stopped
	})
	if stopped != nil {
		return stopped
	}
	if err != nil {
		return fmt.Errorf("list rows: %w", err)
	}
	return nil
}

func (db *engine) narrow(g *gorm.DB, portal string, state outbox.State, reason outbox.Reason, id lead.ID, since int64) *gorm.DB {
	if id != "" {
		portal = portalOr(portal)
		g = g.Where(db.dialect.sql().leadMatch, cleanText(string(id)), cleanText(string(id)))
	}
	if portal != "" {
		g = g.Where("o.portal = ?", portal)
	}
	if state != "" {
		g = g.Where("o.state = ?", state)
	}
	if reason != "" {
		g = g.Where("o.reason = ?", reason)
	}
	if since != 0 {
		g = g.Where("coalesce(o.settled_at, o.created_at) >= ?", since)
	}
	return g
}

// Selection names the rows of an operator's change: ids, or all rows that match the rest. Portal alone selects nothing.
type Selection struct {
	Portal string // empty = any; with LeadID: default
	IDs    []outbox.EntryID
	State  outbox.State
	Reason outbox.Reason
	LeadID lead.ID
	Since  int64 // as in ListQuery
}

// Requeue puts dead rows back to pending as if they were new: no attempts, no reason, no note. A row that an operator
// skipped comes back too when it is named by id. It returns how many came back, also with an error; ErrNothingSelected
// for an empty selection.
func (o *Operator) Requeue(ctx context.Context, q Selection) (int64, error) {
	may := "o.state = 'dead'"
	if len(q.IDs) > 0 {
		may = "(o.state = 'dead' OR o.state = 'skipped' AND o.reason = 'by_operator')"
	}
	n, err := o.change(ctx, q, may, map[string]any{"state": outbox.Pending, "attempts": 0, "not_before": nil, "reason": nil,
		"note": nil, "settled_at": nil})
	if n > 0 {
		o.wakeLocal()
	}
	return n, wrapChange("requeue rows", err)
}

// SkipRows settles pending and dead rows as skipped by the operator and returns how many, also with an error. A row
// that a request carries at this moment is skipped all the same: its outcome then finds it settled. ErrNothingSelected
// for an empty selection.
func (o *Operator) SkipRows(ctx context.Context, q Selection) (int64, error) {
	n, err := o.change(ctx, q, "o.state IN ('pending', 'dead')", map[string]any{"state": outbox.Skipped, "reason": outbox.ByOperator,
		"not_before": nil, "settled_at": now()})
	return n, wrapChange("skip rows", err)
}

// SkippedSince lists the rows that an operator skipped at the time (unix ms) or later.
func (v *View) SkippedSince(ctx context.Context, since int64) ([]outbox.EntryID, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var ids []outbox.EntryID
	err := v.gread.WithContext(ctx).Table("lead_outbox").Where("portal = ? AND state = ? AND state <> 'pending' AND reason = ? AND settled_at >= ?",
		v.portal, outbox.Skipped, outbox.ByOperator, since).Pluck("id", &ids).Error
	if err != nil {
		return nil, fmt.Errorf("look for skipped rows: %w", err)
	}
	return ids, nil
}

func wrapChange(doing string, err error) error {
	if err == nil || errors.Is(err, ErrNothingSelected) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// change updates the selected rows in id order, in transactions of changeChunk rows, so that no application's insert
// waits long for a million of them.
func (o *Operator) change(ctx context.Context, q Selection, may string, columns map[string]any) (total int64, err error) {
	if len(q.IDs) == 0 && q.State == "" && q.Reason == "" && q.LeadID == "" && q.Since == 0 {
		return 0, ErrNothingSelected
	}
	update := func(which string, args ...any) error {
		return o.again(ctx, func() error {
			g := o.narrow(o.gwrite.WithContext(ctx).Table("lead_outbox AS o"), q.Portal, q.State, q.Reason, q.LeadID, q.Since)
			res := g.Where(may).Where(which, args...).Updates(columns)
			if res.Error == nil {
				total += res.RowsAffected
			}
			return res.Error
		})
	}
	if len(q.IDs) > 0 {
		for ids := range slices.Chunk(q.IDs, settleChunk) {
			if err := update("o.id IN ?", ids); err != nil {
				return total, err
			}
		}
		return total, nil
	}
	for after := outbox.EntryID(0); ; {
		// The rows up to the last of a chunk, by its id and not by a list of them: what a server reads and a log repeats
		// stays short.
		var ids []outbox.EntryID
		g := o.narrow(o.gread.WithContext(ctx).Table("lead_outbox AS o"), q.Portal, q.State, q.Reason, q.LeadID, q.Since)
		if err := g.Where(may).Where("o.id > ?", after).Order("o.id").Limit(changeChunk).Pluck("o.id", &ids).Error; err != nil {
			return total, err
		}
		if len(ids) == 0 {
			return total, nil
		}
		last := ids[len(ids)-1]
		if err := update("o.id > ? AND o.id <= ?", after, last); err != nil {
			return total, err
		}
		after = last
	}
}

// changeChunk is how many rows an operator's change takes in one transaction: some tens of milliseconds, in which
// SQLite lets nobody else write.
const changeChunk = 2000

// Purge deletes at most limit rows of the portal in the given settled states that were settled before the time (unix
// ms), the oldest of each state and reason first, and returns how many, also with an error; without one, fewer than
// limit means that none is left. Pending rows are never deleted. Ids of deleted rows are not given out again.
func (p *Portal) Purge(ctx context.Context, states []outbox.State, before int64, limit int) (int64, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	var total int64
	for _, state := range states {
		left := int64(limit) - total
		if left < 1 || state == outbox.Pending {
			continue
		}
		n, err := p.purge(ctx, p.portal, string(state), before, left)
		total += n
		if err != nil {
			return total, fmt.Errorf("purge settled rows: %w", err)
		}
	}
	return total, nil
}

// purge deletes rows of one state, those without a reason first, then reason by reason: the index has the reason before
// the time.
func (p *Portal) purge(ctx context.Context, portal, state string, before, limit int64) (int64, error) {
	s := p.dialect.sql()
	total, err := p.execAgain(ctx, s.purgeBare, portal, state, before, limit)
	if err != nil {
		return 0, err
	}
	for reason := ""; total < limit; {
		var next *string
		if err := p.one(ctx, p.read, []any{&next}, s.nextReason, portal, state, reason); err != nil {
			return total, err
		}
		if next == nil {
			break
		}
		n, err := p.execAgain(ctx, s.purgeReason, portal, state, before, limit-total, *next)
		total += n
		if err != nil {
			return total, err
		}
		reason = *next
	}
	return total, nil
}
