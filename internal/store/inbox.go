package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"leadsync/internal/inbox"
)

// InboxRow is a row of lead_inbox. Times are unix ms; nil pointers are NULL.
type InboxRow struct {
	ID         int64
	Portal     string
	LeadID     *string
	ContactID  *string
	Email      *string
	ChangeType string
	Properties string // JSON
	ChangedAt  *int64
	PulledAt   int64
	AckedAt    *int64
	AboveID    *int64 // see inbox.Row
}

// TableName is for gorm.
func (InboxRow) TableName() string { return "lead_inbox" }

// addInbox adds rows inside a settlement.
func (p *Portal) addInbox(ctx context.Context, tx *sql.Tx, rows []inbox.Row, now int64) error {
	if len(rows) == 0 {
		return nil
	}
	add := make([]InboxRow, len(rows))
	for i := range rows {
		r := &rows[i]
		add[i] = InboxRow{Portal: p.portal, LeadID: textOrNull(string(r.LeadID)), ContactID: textOrNull(string(r.ContactID)), Email: textOrNull(r.Email),
			ChangeType: r.ChangeType, Properties: cleanText(r.Properties), ChangedAt: &r.ChangedAt, PulledAt: now}
		if r.Above != 0 {
			add[i].AboveID = &r.Above
		}
	}
	if err := p.joined(ctx, tx).CreateInBatches(add, 200).Error; err != nil {
		return err
	}
	return p.dialect.announce(ctx, p.engine, tx)
}

// replaced is what rows take the place of.
func replaced(rows []inbox.Row) (out []inbox.Withdrawal) {
	for _, r := range rows {
		if r.Replaces {
			out = append(out, inbox.Withdrawal{LeadID: r.LeadID, Fields: inbox.Fields(r.Properties)})
		}
	}
	return out
}

// joined is gorm inside a transaction that database/sql began.
func (db *engine) joined(ctx context.Context, tx *sql.Tx) *gorm.DB {
	g := db.gwrite.Session(&gorm.Session{Context: ctx, NewDB: true, SkipDefaultTransaction: true})
	g.Statement.ConnPool = tx
	return g
}
