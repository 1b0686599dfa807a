package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
)

// StreamRow is how far a pull stream has come in one HubSpot account. Position is the stream's own JSON.
type StreamRow struct {
	Portal    string `gorm:"primaryKey"`
	HubID     int64  `gorm:"primaryKey"`
	Stream    string `gorm:"primaryKey"`
	Position  string
	UpdatedAt int64 `gorm:"autoUpdateTime:false"` // unix ms
}

// TableName is for gorm.
func (StreamRow) TableName() string { return "leadsync_streams" }

// Streams reads the positions of all streams of a portal in an account, by the name of the stream.
func (db *DB) Streams(ctx context.Context, portal string, hubID int64) (map[string]StreamRow, error) {
	var rows []StreamRow
	if err := db.gread.WithContext(ctx).Where("portal = ? AND hub_id = ?", portal, hubID).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read the streams of portal %s: %w", portal, err)
	}
	all := make(map[string]StreamRow, len(rows))
	for _, r := range rows {
		all[r.Stream] = r
	}
	return all, nil
}

// Stream reads one of them; lead.ErrNotFound when it never ran.
func (db *DB) Stream(ctx context.Context, portal string, hubID int64, stream string) (StreamRow, error) {
	all, err := db.Streams(ctx, portal, hubID)
	if err != nil {
		return StreamRow{}, err
	}
	row, ok := all[stream]
	if !ok {
		return row, fmt.Errorf("stream %s of portal %s: %w", stream, portal, lead.ErrNotFound)
	}
	return row, nil
}

// errStreamLess says that a page was given without its stream: its strangers have no account then.
var errStreamLess = errors.New("strangers without a stream")

// page writes what a page of pull has beyond a settlement of push, inside its transaction.
func (db *DB) page(ctx context.Context, tx *sql.Tx, s *Settlement) error {
	if s.Stream == nil {
		if len(s.Strangers)+len(s.Drop) > 0 {
			return errStreamLess
		}
		return nil
	}
	row := *s.Stream
	row.Portal, row.UpdatedAt = s.Lease.portal, s.Now
	err := db.joined(ctx, tx).Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "stream"),
		DoUpdates: clause.AssignmentColumns([]string{"position", "updated_at"})}).Create(&row).Error
	if err != nil {
		return err
	}
	if err := db.dropStrangers(ctx, tx, s.Lease.portal, row.HubID, s.Drop); err != nil {
		return err
	}
	return db.putStrangers(ctx, tx, s)
}

func columns(names ...string) []clause.Column {
	all := make([]clause.Column, len(names))
	for i, n := range names {
		all[i].Name = n
	}
	return all
}
