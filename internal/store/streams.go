package store

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm/clause"

	"leadsync/internal/settlement"
)

// streamRow is how far a pull stream has come in one HubSpot account. Position is the stream's own JSON.
type streamRow struct {
	Portal    string `gorm:"primaryKey"`
	HubID     int64  `gorm:"primaryKey"`
	Stream    string `gorm:"primaryKey"`
	Position  string
	UpdatedAt int64 `gorm:"autoUpdateTime:false"` // unix ms
}

// TableName is for gorm.
func (streamRow) TableName() string { return "leadsync_streams" }

// Position is where a pull stream stands in an account, as it wrote it; empty when it never ran.
func (v *View) Position(ctx context.Context, hubID int64, stream string) (string, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var rows []streamRow
	if err := v.gread.WithContext(ctx).Where("portal = ? AND hub_id = ?", v.portal, hubID).Find(&rows).Error; err != nil {
		return "", fmt.Errorf("read the streams of portal %s: %w", v.portal, err)
	}
	for _, r := range rows {
		if r.Stream == stream {
			return r.Position, nil
		}
	}
	return "", nil
}

// Commit writes a page of pull: links, contacts without a lead, inbox rows and the position of the stream. An error
// that matches lead.ErrDuplicate when a contact of the page got another lead meanwhile.
func (p *Portal) Commit(ctx context.Context, page settlement.Page) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	_, err := p.settle(ctx, settlement.Settlement{Links: page.Links, Inbox: page.Inbox}, &page)
	return err
}

// page writes what a page of pull has beyond a settlement of push, inside its transaction.
func (p *Portal) page(ctx context.Context, tx *sql.Tx, page *settlement.Page, now int64) error {
	row := streamRow{Portal: p.portal, HubID: page.HubID, Stream: page.Stream, Position: page.Position, UpdatedAt: now}
	err := p.joined(ctx, tx).Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "stream"),
		DoUpdates: clause.AssignmentColumns([]string{"position", "updated_at"})}).Create(&row).Error
	if err != nil {
		return err
	}
	if err := p.dropStrangers(ctx, tx, p.portal, page.HubID, page.Drop); err != nil {
		return err
	}
	return p.putStrangers(ctx, tx, page, now)
}

func columns(names ...string) []clause.Column {
	all := make([]clause.Column, len(names))
	for i, n := range names {
		all[i].Name = n
	}
	return all
}
