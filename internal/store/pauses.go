package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"
)

// Pause is a lane of a portal that an operator stopped by hand. It lasts until somebody resumes it, whatever restarts
// meanwhile.
type Pause struct {
	Portal string `gorm:"primaryKey"`
	Lane   string `gorm:"primaryKey"` // live, backfill, pull or unsubscribe
	Since  int64  // unix ms
	By     string `gorm:"column:by_whom"` // who, as the operating system names the person; may be empty
}

// TableName is for gorm.
func (Pause) TableName() string { return "leadsync_pauses" }

// Pauses reads what is paused in any portal, by portal and lane.
func (o *Operator) Pauses(ctx context.Context) ([]Pause, error) {
	var all []Pause
	if err := o.gread.WithContext(ctx).Order("portal, lane").Find(&all).Error; err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	return all, nil
}

// Pauses reads what is paused in the portal. A daemon asks at every poll, so it is one short statement.
func (v *View) Pauses(ctx context.Context) ([]Pause, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.pausesOf(ctx, v.portal)
}

func (db *engine) pausesOf(ctx context.Context, portal string) ([]Pause, error) {
	rows, err := db.rows(ctx, db.read, `SELECT lane, since, by_whom FROM leadsync_pauses WHERE portal = ?1`, portal)
	if err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	defer rows.Close()
	var all []Pause
	for rows.Next() {
		p := Pause{Portal: portal}
		if err := rows.Scan(&p.Lane, &p.Since, &p.By); err != nil {
			return nil, fmt.Errorf("read pauses: %w", err)
		}
		all = append(all, p)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	return all, nil
}

// PauseLanes pauses lanes of a portal and returns how many of them ran until now. One that is paused already keeps its
// time.
func (o *Operator) PauseLanes(ctx context.Context, portal string, lanes []string, by string) (int64, error) {
	if len(lanes) == 0 {
		return 0, nil
	}
	there, err := o.pausesOf(ctx, portal)
	if err != nil {
		return 0, err
	}
	var add []Pause
	for _, lane := range lanes {
		if !slices.ContainsFunc(there, func(p Pause) bool { return p.Lane == lane }) {
			add = append(add, Pause{Portal: portal, Lane: lane, Since: now(), By: cleanText(by)})
		}
	}
	if len(add) == 0 {
		return 0, nil
	}
	err = o.again(ctx, func() error { // one that somebody else adds meanwhile stays as it is
		return o.gwrite.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&add).Error
	})
	if err != nil {
		return 0, fmt.Errorf("pause lanes of portal %s: %w", portal, err)
	}
	o.wakeLocal()
	return int64(len(add)), nil
}

// ResumeLanes lets lanes of a portal go on and returns how many of them were paused.
func (o *Operator) ResumeLanes(ctx context.Context, portal string, lanes []string) (int64, error) {
	if len(lanes) == 0 {
		return 0, nil
	}
	var n int64
	err := o.again(ctx, func() error {
		res := o.gwrite.WithContext(ctx).Where("portal = ? AND lane IN ?", portal, lanes).Delete(&Pause{})
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("resume lanes of portal %s: %w", portal, err)
	}
	o.wakeLocal()
	return n, nil
}
