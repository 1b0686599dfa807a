package store

import (
	"context"
	"fmt"

	"gorm.io/gorm/clause"
)

// keyRow is a sealed key that the instances of one database share.
type keyRow struct {
	Name  string `gorm:"primaryKey"`
	Value string
}

func (keyRow) TableName() string { return "leadsync_keys" }

// LoadOrMakeKey reads the value stored under name, or stores what mk returns and reads that. When two processes race, both
// return the value of the one that came first. An error of mk is returned and nothing is stored.
func (db *DB) LoadOrMakeKey(ctx context.Context, name string, mk func() (string, error)) (string, error) {
	var rows []keyRow
	if err := db.gread.WithContext(ctx).Where("name = ?", name).Find(&rows).Error; err != nil {
		return "", fmt.Errorf("read key %s: %w", name, err)
	}
	if len(rows) == 1 {
		return rows[0].Value, nil
	}
	value, err := mk()
	if err != nil {
		return "", fmt.Errorf("make key %s: %w", name, err)
	}
	if err := db.gwrite.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&keyRow{name, value}).Error; err != nil {
		return "", fmt.Errorf("store key %s: %w", name, err)
	}
	var row keyRow
	if err := db.gwrite.WithContext(ctx).Where("name = ?", name).Take(&row).Error; err != nil {
		return "", fmt.Errorf("read key %s: %w", name, notFound(err))
	}
	return row.Value, nil
}
