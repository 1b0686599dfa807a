package store

import (
	"context"
	"database/sql"
	"fmt"

	"leadsync/internal/outbox"
)

// AddRow inserts one row as Add does, but without looking for its event id, and returns the id that the database gave
// it. said are an operator's words about contacts for it.
func (o *Operator) AddRow(ctx context.Context, e outbox.Entry, said ...ContactWord) (id outbox.EntryID, err error) {
	err = o.inTx(ctx, func(tx *sql.Tx) error {
		text, args := o.insertText([]*outbox.Entry{&e})
		returning := o.dialect.sql().returning
		if returning != "" {
			if err := o.joined(ctx, tx).Raw(text+returning, args...).Row().Scan(&id); err != nil {
				return err
			}
			return o.say(ctx, tx, portalOr(e.Portal), id, said)
		}
		res, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return o.dialect.scrub(err)
		}
		last, err := res.LastInsertId()
		if id = outbox.EntryID(last); err != nil {
			return err
		}
		return o.say(ctx, tx, portalOr(e.Portal), id, said)
	})
	if err != nil {
		return 0, fmt.Errorf("add a row: %w", err)
	}
	o.wakeLocal()
	return id, nil
}
