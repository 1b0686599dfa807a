package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
)

// InboxRow is a row of lead_inbox. Times are unix ms; nil pointers are NULL.
type InboxRow struct {
	ID         int64 // the database's; 0 when it is to be added
	Portal     string
	LeadID     *string
	ContactID  *string
	Email      *string
	ChangeType string
	Properties string // JSON
	ChangedAt  *int64
	PulledAt   int64 // 0 = the settlement's Now
	AckedAt    *int64
	AboveID    *int64 // see inbox.Row
}

// TableName is for gorm.
func (InboxRow) TableName() string { return "lead_inbox" }

// addInbox adds rows inside a settlement.
func (db *DB) addInbox(ctx context.Context, tx *sql.Tx, portal string, rows []InboxRow, now int64) error {
	if len(rows) == 0 {
		return nil
	}
	add := make([]InboxRow, len(rows))
	for i, r := range rows {
		if r.Portal == "" {
			r.Portal = portal
		}
		if r.PulledAt == 0 {
			r.PulledAt = now
		}
		r.LeadID, r.ContactID, r.Email = cleaned(r.LeadID), cleaned(r.ContactID), cleaned(r.Email)
		r.Properties = cleanText(r.Properties)
		add[i] = r
	}
	if err := db.joined(ctx, tx).CreateInBatches(add, 200).Error; err != nil {
		return err
	}
	return db.dialect.announce(ctx, db, tx)
}

func cleaned(s *string) *string {
	if s == nil {
		return nil
	}
	c := cleanText(*s)
	return &c
}

// joined is gorm inside a transaction that database/sql began.
func (db *DB) joined(ctx context.Context, tx *sql.Tx) *gorm.DB {
	g := db.gwrite.Session(&gorm.Session{Context: ctx, NewDB: true, SkipDefaultTransaction: true})
	g.Statement.ConnPool = tx
	return g
}
