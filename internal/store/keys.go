package store

import (
	"context"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// keyRow is a sealed key that the instances of one database share.
type keyRow struct {
	Name  string `gorm:"primaryKey"`
	Value string
}

func (keyRow) TableName() string { return "leadsync_keys" }

// LoadOrMakeKey reads the value stored under name, or stores what mk returns and reads that. When two processes race,
// both return the value of the one that came first. An error of mk is returned and nothing is stored.
func (t *Tokens) LoadOrMakeKey(ctx context.Context, name string, mk func() (string, error)) (string, error) {
	var rows []keyRow
	if err := t.gread.WithContext(ctx).Where("name = ?", name).Find(&rows).Error; err != nil {
		return "", fmt.Errorf("read key %s: %w", name, err)
	}
	if len(rows) == 1 {
		return rows[0].Value, nil
	}
	value, err := mk()
	if err != nil {
		return "", fmt.Errorf("make key %s: %w", name, err)
	}
	if err := t.gwrite.WithContext(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&keyRow{name, value}).Error; err != nil {
		return "", fmt.Errorf("store key %s: %w", name, err)
	}
	var row keyRow
	if err := t.gwrite.WithContext(ctx).Where("name = ?", name).Take(&row).Error; err != nil {
		return "", fmt.Errorf("read key %s: %w", name, notFound(err))
	}
	return row.Value, nil
}

// The reasons for which the key of people's hashes is refused.
var (
	// ErrKeyLost says that the key is gone, and there are tombstones that were made with it.
	ErrKeyLost = errors.New("the key of people's hashes is gone from leadsync_keys, and people were erased whose tombstones hold by it alone")
	// ErrKeyReplaced says that another key stands in its place.
	ErrKeyReplaced = errors.New("the key of people's hashes in leadsync_keys is not the one that the tombstones of erased people were made with")
)

// KeyCure is what an operator does about both.
const KeyCure = "restore the row of leadsync_keys from a backup of this database; when it is lost for good: DELETE FROM leadsync_tombstones, start, " +
	"and have the application write lead.erased again for everybody who was erased, or erased people come back"

// tombKey is the kind of the row among the tombstones that says which key they were made with: a hash of a fixed text
// by that key. It stands with the tombstones and not with the key, so that it goes where they go.
const tombKey = "key"

// PersonKey is LoadOrMakeKey for the key that tombstones are made with, and never makes one while there are tombstones:
// under another key each of them would be void, and erased people would come back without a word. mark makes of the
// stored value the text by which the key is known again. With a nil mk it changes nothing, and returns "" where no key
// was ever needed. ErrKeyLost and ErrKeyReplaced.
func (t *Tokens) PersonKey(ctx context.Context, name string, mk func() (string, error), mark func(value string) (string, error)) (string, error) {
	var rows []keyRow
	if err := t.gread.WithContext(ctx).Where("name = ?", name).Find(&rows).Error; err != nil {
		return "", fmt.Errorf("read key %s: %w", name, err)
	}
	var tombs []tombRow
	if err := t.gread.WithContext(ctx).Where("kind <> ?", tombKey).Limit(1).Find(&tombs).Error; err != nil {
		return "", fmt.Errorf("read tombstones: %w", err)
	}
	switch {
	case len(rows) == 0 && len(tombs) > 0:
		return "", ErrKeyLost
	case len(rows) == 0 && mk == nil:
		return "", nil
	}
	value, err := t.LoadOrMakeKey(ctx, name, mk)
	if err != nil {
		return "", err
	}
	want, err := mark(value)
	if err != nil {
		return "", err
	}
	var marks []tombRow
	if err := t.gread.WithContext(ctx).Where("kind = ?", tombKey).Find(&marks).Error; err != nil {
		return "", fmt.Errorf("read tombstones: %w", err)
	}
	switch {
	case len(marks) == 1 && marks[0].Hash == want:
		return value, nil
	case len(marks) > 0 && len(tombs) > 0:
		return "", ErrKeyReplaced
	case mk == nil:
		return value, nil
	}
	err = t.again(ctx, func() error {
		return t.gwrite.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			if err := tx.Where("kind = ? AND hash <> ?", tombKey, want).Delete(&tombRow{}).Error; err != nil {
				return err
			}
			return tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&tombRow{Kind: tombKey, Hash: want}).Error
		})
	})
	if err != nil {
		return "", fmt.Errorf("mark key %s: %w", name, err)
	}
	return value, nil
}
