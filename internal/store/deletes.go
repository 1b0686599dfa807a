package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"gorm.io/gorm/clause"

	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
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

// AllowDeletes asks the brake whether deletes and erases may go: those that touch most contacts together in an hour,
// and those that a person has let go. It returns the rows that may, each of which stays allowed for as many contacts as
// it asked for, and since when the others are paused (unix ms, 0 = they are not). One contact more than most pauses
// them until ResumeDeletes, also over a restart. settlement.ErrLeaseLost when another owner has the portal.
func (p *Portal) AllowDeletes(ctx context.Context, asks []settlement.DeleteAsk, most int, now int64) (allowed []outbox.EntryID, paused int64, err error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	err = p.fenced(ctx, "count deletes", p.lease, now, func(tx *sql.Tx) error {
		allowed, paused = nil, 0
		g := p.joined(ctx, tx)
		// An allowance that is older than the window counts for nothing any more; whoever still needs it asks again.
		if err := g.Where("portal = ? AND outbox_id > 0 AND at > 0 AND at <= ?", p.portal, now-deletesWindow).Delete(&deleteRow{}).Error; err != nil {
			return err
		}
		if err := g.Where("portal = ? AND hub_id = 0 AND kind = ? AND at <= ?", p.portal, kindTouch, now-deletesWindow).Delete(&contactRow{}).Error; err != nil {
			return err
		}
		// One of a clock that was set back since would count for as long as that had been ahead.
		if err := g.Model(&deleteRow{}).Where("portal = ? AND outbox_id > 0 AND at > ?", p.portal, now).Update("at", now).Error; err != nil {
			return err
		}
		if err := g.Model(&contactRow{}).Where("portal = ? AND hub_id = 0 AND kind = ? AND at > ?", p.portal, kindTouch, now).Update("at", now).Error; err != nil {
			return err
		}
		var known []deleteRow
		if err := g.Where("portal = ? AND (outbox_id IN ? OR outbox_id = 0 OR at > 0)", p.portal, rowsOf(asks)).Find(&known).Error; err != nil {
			return err
		}
		touches, err := p.touches(ctx, tx, p.portal)
		if err != nil {
			return err
		}
		there, recent := map[outbox.EntryID]int64{}, 0
		for _, k := range known {
			switch {
			case k.OutboxID == 0:
				paused = k.At
			case k.At > 0:
				recent += max(1, touches[k.OutboxID])
				fallthrough
			default:
				there[k.OutboxID] = k.At
			}
		}
		var fresh []deleteRow
		var counted []contactRow
		for _, a := range asks {
			at, known := there[a.Row]
			more := max(1, a.Contacts)
			if known {
				more -= max(1, touches[a.Row])
			}
			switch {
			case known && (at == 0 || more <= 0): // by a person, or counted already
				allowed = append(allowed, a.Row)
			case paused != 0:
			case recent+more <= most:
				allowed, recent = append(allowed, a.Row), recent+more
				fresh = append(fresh, deleteRow{p.portal, a.Row, now})
				counted = append(counted, contactRow{Portal: p.portal, Kind: kindTouch, Owner: strconv.FormatInt(int64(a.Row), 10),
					N: int64(max(1, a.Contacts)), At: now})
			default:
				paused = now
				fresh = append(fresh, deleteRow{p.portal, 0, now})
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		if err := g.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(fresh, 200).Error; err != nil || len(counted) == 0 {
			return err
		}
		return g.Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "kind", "owner", "contact_id"),
			DoUpdates: clause.AssignmentColumns([]string{"n", "at"})}).CreateInBatches(counted, 200).Error
	})
	if err != nil {
		return nil, 0, err
	}
	return allowed, paused, nil
}

func rowsOf(asks []settlement.DeleteAsk) []outbox.EntryID {
	rows := make([]outbox.EntryID, len(asks))
	for i, a := range asks {
		rows[i] = a.Row
	}
	return rows
}

// touches tells how many contacts each delete or erase of the last hour was let touch.
func (p *Portal) touches(ctx context.Context, tx *sql.Tx, portal string) (map[outbox.EntryID]int, error) {
	var rows []contactRow
	if err := p.joined(ctx, tx).Where("portal = ? AND hub_id = 0 AND kind = ?", portal, kindTouch).Find(&rows).Error; err != nil {
		return nil, err
	}
	out := map[outbox.EntryID]int{}
	for _, r := range rows {
		id, err := strconv.ParseInt(r.Owner, 10, 64)
		if err == nil {
			out[outbox.EntryID(id)] = int(r.N)
		}
	}
	return out, nil
}

// DeletesPaused tells since when deletes and erases of the portal are paused, unix ms; 0 = they are not.
func (v *View) DeletesPaused(ctx context.Context) (int64, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var rows []deleteRow
	if err := v.gread.WithContext(ctx).Where("portal = ? AND outbox_id = 0", v.portal).Find(&rows).Error; err != nil {
		return 0, fmt.Errorf("read the brake of deletes: %w", err)
	}
	if len(rows) == 0 {
		return 0, nil
	}
	return rows[0].At, nil
}

// ResumeDeletes lets all deletes and erases go that are pending now, and counts anew from here. It returns how many
// those are. Rows that wait for the brake are read again.
func (o *Operator) ResumeDeletes(ctx context.Context, portal string) (int64, error) {
	var n int64
	err := o.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := o.exec(ctx, tx, `DELETE FROM leadsync_deletes WHERE portal = ?1`, portal); err != nil {
			return err
		}
		if err := o.joined(ctx, tx).Where("portal = ? AND hub_id = 0 AND kind = ?", portal, kindTouch).Delete(&contactRow{}).Error; err != nil {
			return err
		}
		var err error
		n, err = o.exec(ctx, tx, `INSERT INTO leadsync_deletes (portal, outbox_id, at) SELECT portal, id, 0 FROM lead_outbox
  WHERE portal = ?1 AND state = 'pending' AND event_type IN ('lead.deleted', 'lead.erased')`, portal)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("resume deletes: %w", err)
	}
	if _, err := o.unpark(ctx, portal); err != nil {
		return 0, err
	}
	o.wakeLocal()
	return n, nil
}
