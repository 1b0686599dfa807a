package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"leadsync/internal/outbox"
)

// deleteRow is a row of leadsync_deletes, see the migration.
type deleteRow struct {
	Portal   string         `gorm:"primaryKey"`
	OutboxID outbox.EntryID `gorm:"primaryKey;autoIncrement:false"`
	At       int64
}

func (deleteRow) TableName() string { return "leadsync_deletes" }

// deletesWindow is the time that the brake looks back, in ms.
const deletesWindow = 3_600_000

// AllowDeletes asks the brake whether deletes and erases may go: most of them in an hour, and those that a person has let go. It returns
// the rows that may, each of which stays allowed, and since when the others are paused (unix ms, 0 = they are not). One more than most
// pauses them until ResumeDeletes, also over a restart. ErrLeaseLost when another owner has the portal.
func (db *DB) AllowDeletes(ctx context.Context, l *Lease, rows []outbox.EntryID, most int, now int64) (allowed []outbox.EntryID, paused int64, err error) {
	err = db.fenced(ctx, "count deletes", l, now, func(tx *sql.Tx) error {
		allowed, paused = nil, 0
		g := db.joined(ctx, tx)
		// An allowance that is older than the window counts for nothing any more; whoever still needs it asks again.
		if err := g.Where("portal = ? AND outbox_id > 0 AND at > 0 AND at <= ?", l.portal, now-deletesWindow).Delete(&deleteRow{}).Error; err != nil {
			return err
		}
		var known []deleteRow
		if err := g.Where("portal = ? AND outbox_id IN ?", l.portal, append(slices.Clone(rows), 0)).Find(&known).Error; err != nil {
			return err
		}
		var recent int64
		if err := g.Model(&deleteRow{}).Where("portal = ? AND outbox_id > 0 AND at > 0", l.portal).Count(&recent).Error; err != nil {
			return err
		}
		there := map[outbox.EntryID]bool{}
		for _, k := range known {
			if there[k.OutboxID] = true; k.OutboxID == 0 {
				paused = k.At
			}
		}
		var fresh []deleteRow
		for _, id := range rows {
			switch {
			case there[id]:
				allowed = append(allowed, id)
			case paused != 0:
			case recent+int64(len(fresh)) < int64(most):
				allowed = append(allowed, id)
				fresh = append(fresh, deleteRow{l.portal, id, now})
			default:
				paused = now
				fresh = append(fresh, deleteRow{l.portal, 0, now})
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		return g.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(fresh, 200).Error
	})
	if err != nil {
		return nil, 0, err
	}
	return allowed, paused, nil
}

// DeletesPaused tells since when deletes and erases of the portal are paused, unix ms; 0 = they are not.
func (db *DB) DeletesPaused(ctx context.Context, portal string) (int64, error) {
	var rows []deleteRow
	if err := db.gread.WithContext(ctx).Where("portal = ? AND outbox_id = 0", portal).Find(&rows).Error; err != nil {
		return 0, fmt.Errorf("read the brake of deletes: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return rows[0].At, nil
}

// ResumeDeletes lets all deletes and erases go that are pending now, and counts anew from here. It returns how many those are. Rows that
// wait for the brake are read again.
func (db *DB) ResumeDeletes(ctx context.Context, portal string) (int64, error) {
	var n int64
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := db.exec(ctx, tx, `DELETE FROM leadsync_deletes WHERE portal = ?1`, portal); err != nil {
			return err
		}
		var err error
		n, err = db.exec(ctx, tx, `INSERT INTO leadsync_deletes (portal, outbox_id, at) SELECT portal, id, 0 FROM lead_outbox
  WHERE portal = ?1 AND state = 'pending' AND event_type IN ('lead.deleted', 'lead.erased')`, portal)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("resume deletes: %w", err)
	}
	if _, err := db.Unpark(ctx, portal); err != nil {
		return 0, err
	}
	db.wakeLocal()
	return n, nil
}
