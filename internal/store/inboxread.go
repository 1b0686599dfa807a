package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"leadsync/internal/lead"
)

// InboxQuery selects rows of lead_inbox; the zero value lists all in id order.
type InboxQuery struct {
	Portal     string
	IDs        []int64 // empty = any
	New        bool    // not acknowledged yet
	LeadID     lead.ID
	ContactID  lead.ContactID
	ChangeType string
	AfterID    int64 // ids above it, or below it with Desc; 0 = from the start
	Limit      int   // 0 = all
	Desc       bool
}

func (q *InboxQuery) narrow(g *gorm.DB) *gorm.DB {
	for _, c := range []struct{ column, value string }{{"portal", q.Portal}, {"lead_id", string(q.LeadID)}, {"contact_id", string(q.ContactID)}, {"change_type", q.ChangeType}} {
		if c.value != "" {
			g = g.Where(c.column+" = ?", cleanText(c.value))
		}
	}
	if len(q.IDs) > 0 {
		g = g.Where("id IN ?", q.IDs)
	}
	if q.New {
		g = g.Where("acked_at IS NULL")
	}
	return g
}

// ListInbox streams rows to each, in id order; an error of each ends it and is returned.
func (o *Operator) ListInbox(ctx context.Context, q InboxQuery, each func(InboxRow) error) error {
	g := q.narrow(o.gread.WithContext(ctx).Table("lead_inbox").Select(o.dialect.sql().inboxColumns))
	order, beyond := "id", "id > ?"
	if q.Desc {
		order, beyond = "id DESC", "id < ?"
	}
	if q.AfterID != 0 {
		g = g.Where(beyond, q.AfterID)
	}
	if q.Limit > 0 {
		g = g.Limit(q.Limit)
	}
	rows, err := g.Order(order).Rows()
	if err != nil {
		return fmt.Errorf("list the inbox: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r InboxRow
		if err := rows.Scan(&r.ID, &r.Portal, &r.LeadID, &r.ContactID, &r.Email, &r.ChangeType, &r.Properties, &r.ChangedAt, &r.PulledAt, &r.AckedAt); err != nil {
			return fmt.Errorf("list the inbox: %w", err)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("list the inbox: %w", err)
	}
	return nil
}

// AckInbox acknowledges rows by id, and all rows up to an id when upTo is not 0, that are not acknowledged yet, and
// returns how many there were, also with an error. An empty portal is any.
func (o *Operator) AckInbox(ctx context.Context, portal string, ids []int64, upTo int64) (total int64, err error) {
	at := now()
	ack := func(ids []int64) error {
		return o.again(ctx, func() error {
			g := (&InboxQuery{Portal: portal, New: true}).narrow(o.gwrite.WithContext(ctx).Table("lead_inbox"))
			res := g.Where("id IN ?", ids).Updates(map[string]any{"acked_at": at})
			if res.Error == nil {
				total += res.RowsAffected
			}
			return res.Error
		})
	}
	for chunk := range slices.Chunk(ids, settleChunk) {
		if err := ack(chunk); err != nil {
			return total, fmt.Errorf("acknowledge rows: %w", err)
		}
	}
	for upTo != 0 {
		var next []int64
		g := (&InboxQuery{Portal: portal, New: true}).narrow(o.gread.WithContext(ctx).Table("lead_inbox"))
		if err := g.Where("id <= ?", upTo).Order("id").Limit(settleChunk).Pluck("id", &next).Error; err != nil {
			return total, fmt.Errorf("acknowledge rows: %w", err)
		}
		if len(next) == 0 {
			break
		}
		if err := ack(next); err != nil {
			return total, fmt.Errorf("acknowledge rows: %w", err)
		}
	}
	return total, nil
}

// PurgeInbox deletes at most limit rows of the portal that were acknowledged before the time (unix ms), the oldest
// first.
func (p *Portal) PurgeInbox(ctx context.Context, before int64, limit int) (int64, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	n, err := p.execAgain(ctx, p.dialect.sql().purgeInbox, p.portal, before, limit)
	if err != nil {
		return 0, fmt.Errorf("purge acknowledged rows: %w", err)
	}
	return n, nil
}
