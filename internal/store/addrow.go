package store

import (
	"context"
	"database/sql"
	"fmt"

	"leadsync/internal/outbox"
)

// AddRow inserts one row as Add does, but without looking for its event id, and returns the id that the database gave it.
func (db *DB) AddRow(ctx context.Context, e outbox.Entry) (id outbox.EntryID, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		text, args := db.insertText([]*outbox.Entry{&e})
		returning := db.dialect.sql().returning
		if returning != "" {
			return db.joined(ctx, tx).Raw(text+returning, args...).Row().Scan(&id)
		}
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return db.dialect.scrub(err)
		}
		last, err := res.LastInsertId()
		id = outbox.EntryID(last)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add a row: %w", err)
	}
	db.wakeLocal()
	return id, nil
}
