package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/outbox"
)

const (
	// addChunk and addBytes bound one INSERT of Add: rows, and bytes of their text, since a driver holds a statement in
	// memory whole, and twice while it is escaped.
	addChunk = 500
	addBytes = 1 << 20
)

// Add inserts rows as an application would, in one transaction. Of each entry only Portal (empty = default), EventID,
// LeadID, Type, Email, Properties (nil = {}), Lane (empty = live) and OccurredAt (nil = now) are used. A row whose
// event id is in the portal already, or stands earlier in rows, is not inserted and counts as already there. Text that
// the server refuses (invalid UTF-8, and a NUL on PostgreSQL) fails the whole call, as it would for the application.
func (o *Operator) Add(ctx context.Context, rows []outbox.Entry) (added, already int, err error) {
	err = o.inTx(ctx, func(tx *sql.Tx) error {
		added, already = 0, 0
		there, err := o.eventsThere(ctx, tx, rows)
		if err != nil {
			return err
		}
		var fresh []*outbox.Entry
		var bytes int
		flush := func() error {
			if len(fresh) == 0 {
				return nil
			}
			err := o.insert(ctx, tx, fresh)
			added += len(fresh)
			fresh, bytes = fresh[:0], 0
			return err
		}
		for i := range rows {
			e := &rows[i]
			if e.EventID != nil && *e.EventID != "" {
				k := eventKey{portalOr(e.Portal), *e.EventID}
				if there[k] {
					already++
					continue
				}
				there[k] = true
			}
			size := textBytes(e)
			if len(fresh) == addChunk || bytes+size > addBytes {
				if err := flush(); err != nil {
					return err
				}
			}
			fresh, bytes = append(fresh, e), bytes+size
		}
		return flush()
	})
	if err != nil {
		return 0, 0, fmt.Errorf("add rows: %w", err)
	}
	if added > 0 {
		o.wakeLocal()
	}
	return added, already, nil
}

// textBytes is the length of a row's text.
func textBytes(e *outbox.Entry) (n int) {
	for _, s := range []*string{e.EventID, e.LeadID, e.Type, e.Email, e.Properties} {
		if s != nil {
			n += len(*s)
		}
	}
	return n
}

type eventKey struct{ portal, event string }

func portalOr(portal string) string {
	if portal == "" {
		return "default"
	}
	return portal
}

func (o *Operator) eventsThere(ctx context.Context, tx *sql.Tx, rows []outbox.Entry) (map[eventKey]bool, error) {
	events := map[string][]string{}
	for i := range rows {
		if e := &rows[i]; e.EventID != nil && *e.EventID != "" {
			events[portalOr(e.Portal)] = append(events[portalOr(e.Portal)], *e.EventID)
		}
	}
	there := map[eventKey]bool{}
	for portal, ids := range events {
		for chunk := range slices.Chunk(ids, addChunk) {
			if err := func() error {
				found, err := o.rows(ctx, tx, o.dialect.sql().eventsThere, portal, o.dialect.texts(chunk))
				if err != nil {
					return err
				}
				defer found.Close()
				for found.Next() {
					var id string
					if err := found.Scan(&id); err != nil {
						return err
					}
					there[eventKey{portal, id}] = true
				}
				return found.Err()
			}(); err != nil {
				return nil, err
			}
		}
	}
	return there, nil
}

func (o *Operator) insert(ctx context.Context, tx *sql.Tx, rows []*outbox.Entry) error {
	text, args := o.insertText(rows)
	return o.joined(ctx, tx).Exec(text, args...).Error
}

// insertText is the statement that inserts rows; gorm numbers its arguments where the dialect wants it.
func (o *Operator) insertText(rows []*outbox.Entry) (text string, args []any) {
	args = make([]any, 0, 8*len(rows))
	for _, e := range rows {
		properties, lane := "{}", string(outbox.Live)
		if e.Properties != nil {
			properties = *e.Properties
		}
		if e.Lane != "" {
			lane = string(e.Lane)
		}
		args = append(args, portalOr(e.Portal), e.EventID, e.LeadID, e.Type, e.Email, properties, lane, e.OccurredAt)
	}
	values := o.dialect.sql().insert
	return `INSERT INTO lead_outbox (portal, event_id, lead_id, event_type, email, properties, lane, occurred_at) VALUES ` +
		values + strings.Repeat(","+values, len(rows)-1), args
}
