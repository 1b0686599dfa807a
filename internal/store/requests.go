package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
)

// RequestRow is one request that was about a lead. The lead stands there as its keyed hash alone.
type RequestRow struct {
	ID            int64
	Portal        string
	LeadHash      string
	StartedAt     int64  // unix ms
	Elapsed       int64  // ms
	Op            string // batch_create, batch_read, ...
	Status        int    // HTTP status, 0 = no answer
	Answer        string // what it said about the lead, or the class of the trouble
	CorrelationID string
}

// TableName is for gorm.
func (RequestRow) TableName() string { return "leadsync_requests" }

// KeepRequests adds rows and takes away the oldest of each lead in them beyond perLead. It is a memory for people:
// whoever calls it may lose rows in a crash.
func (p *Portal) KeepRequests(ctx context.Context, rows []RequestRow, perLead int) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	for part := range slices.Chunk(rows, 500) {
		hashes := make([]string, len(part))
		for i := range part {
			hashes[i] = part[i].LeadHash
		}
		slices.Sort(hashes)
		hashes = slices.Compact(hashes)
		portal := part[0].Portal
		err := p.inTx(ctx, func(tx *sql.Tx) error {
			add := slices.Clone(part) // a repeat must not carry the ids of the first try
			if err := p.joined(ctx, tx).CreateInBatches(add, 100).Error; err != nil {
				return err
			}
			return p.joined(ctx, tx).Exec(`DELETE FROM leadsync_requests WHERE id IN (SELECT id FROM (
  SELECT id, row_number() OVER (PARTITION BY lead_hash ORDER BY id DESC) AS nr FROM leadsync_requests WHERE portal = ? AND lead_hash IN ?) AS t
  WHERE nr > ?)`, portal, hashes, perLead).Error
		})
		if err != nil {
			return fmt.Errorf("keep requests: %w", err)
		}
	}
	return nil
}

// RequestsOf reads the newest requests about a lead, newest first.
func (v *View) RequestsOf(ctx context.Context, leadHash string, limit int) ([]RequestRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var rows []RequestRow
	err := v.gread.WithContext(ctx).Where("portal = ? AND lead_hash = ?", v.portal, leadHash).Order("id DESC").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read requests of a lead: %w", err)
	}
	return rows, nil
}

// PurgeRequests deletes at most limit requests of the portal that started before the time (unix ms) and returns how
// many.
func (p *Portal) PurgeRequests(ctx context.Context, before int64, limit int) (int64, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	var n int64
	err := p.again(ctx, func() error {
		res := p.gwrite.WithContext(ctx).Exec(`DELETE FROM leadsync_requests WHERE id IN (SELECT id FROM (
  SELECT id FROM leadsync_requests WHERE portal = ? AND started_at < ? ORDER BY started_at LIMIT ?) AS t)`, p.portal, before, limit)
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("purge requests: %w", err)
	}
	return n, nil
}
