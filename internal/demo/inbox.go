package demo

import (
	"context"
	"database/sql"
	"fmt"

	"leadsync/internal/replay"
)

// hear reads the new rows of lead_inbox in id order and acknowledges them, in one transaction, as an application that
// takes over what it is told would.
func (a *application) hear(ctx context.Context) error {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin the application's transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after its end it says so and does nothing
	heard, err := unheard(ctx, tx)
	if err != nil {
		return fmt.Errorf("read the inbox: %w", err)
	}
	for _, t := range heard {
		const acknowledge = `UPDATE lead_inbox SET acked_at = CAST(strftime('%s','now') AS INTEGER) * 1000 WHERE id = ?`
		if _, err := tx.ExecContext(ctx, acknowledge, t.ID); err != nil {
			return fmt.Errorf("acknowledge an inbox row: %w", err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("end the application's transaction: %w", err)
	}
	a.told = append(a.told, heard...)
	return nil
}

func unheard(ctx context.Context, tx *sql.Tx) ([]replay.Told, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, lead_id, contact_id, change_type, properties, changed_at FROM lead_inbox WHERE acked_at IS NULL ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var all []replay.Told
	for rows.Next() {
		var t replay.Told
		var leadID, contactID, changeType, properties sql.NullString
		var changedAt sql.NullInt64
		if err := rows.Scan(&t.ID, &leadID, &contactID, &changeType, &properties, &changedAt); err != nil {
			return nil, err
		}
		t.LeadID, t.ContactID, t.ChangeType, t.Properties, t.ChangedAt = leadID.String, contactID.String, changeType.String, properties.String, changedAt.Int64
		all = append(all, t)
	}
	return all, rows.Err()
}
