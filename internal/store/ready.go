package store

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// ReadyRow is as much of a pending row as the reader needs to know whose turn it is.
type ReadyRow struct {
	ID outbox.EntryID
	// LeadID is cut to 256 bytes (servers: characters), which is enough to see that it is too long.
	LeadID    *string
	NotBefore *int64 // nil = now
	CreatedAt int64  // as the database wrote it, unix ms
}

// IsOrphan reports that the row has no lead id under which rows can be found: missing, empty, too long, or not text (a NUL or
// invalid UTF-8). Such a row is read by its own id (Entries) and judged alone.
func (r *ReadyRow) IsOrphan() bool {
	return r.LeadID == nil || !findable(*r.LeadID)
}

// findable reports that rows can be found under the lead id on every engine.
func findable(id string) bool {
	return id != "" && len(id) <= lead.MaxIDLength && strings.IndexByte(id, 0) < 0 && utf8.ValidString(id)
}

// Lead returns the lead id, empty for an orphan.
func (r *ReadyRow) Lead() lead.ID {
	if r.IsOrphan() {
		return ""
	}
	return lead.ID(*r.LeadID)
}

// Ready reads pending rows of a lane, but those that speak of consent, that wait for nothing (not_before null), with an id above after, in id order. Any lane that
// is not backfill is live. A row that commits late has a low id: start again from 0 often enough to meet it.
func (db *DB) Ready(ctx context.Context, portal string, lane outbox.Lane, after outbox.EntryID, limit int) ([]ReadyRow, error) {
	text := db.dialect.sql().readyLive
	if lane == outbox.Backfill {
		text = db.dialect.sql().readyBackfill
	}
	return db.readyRows(ctx, "read ready rows", text, portal, int64(after), limit)
}

// DueAgain reads pending rows of both lanes whose not_before has come, the longest due first.
func (db *DB) DueAgain(ctx context.Context, portal string, now int64, limit int) ([]ReadyRow, error) {
	return db.readyRows(ctx, "read due rows", db.dialect.sql().dueAgain, portal, now, limit)
}

// DueAgainIn is DueAgain for one lane, for the time the other one is paused.
func (db *DB) DueAgainIn(ctx context.Context, portal string, lane outbox.Lane, now int64, limit int) ([]ReadyRow, error) {
	text := db.dialect.sql().dueLive
	if lane == outbox.Backfill {
		text = db.dialect.sql().dueBackfill
	}
	return db.readyRows(ctx, "read due rows of a lane", text, portal, now, limit)
}

// OldestWaiting is the least created_at of the next pending rows of the lanes that could be sent now, unix ms; 0 = none waits. Rows
// that are put off or parked do not count. It reads two rows a lane, whatever waits.
func (db *DB) OldestWaiting(ctx context.Context, portal string, now int64, lanes ...outbox.Lane) (int64, error) {
	var oldest int64
	look := func(rows []ReadyRow, err error) error {
		if err != nil {
			return err
		}
		for _, r := range rows {
			if oldest == 0 || r.CreatedAt < oldest {
				oldest = r.CreatedAt
			}
		}
		return nil
	}
	for _, lane := range lanes {
		if err := look(db.Ready(ctx, portal, lane, 0, 1)); err != nil {
			return 0, err
		}
		if err := look(db.DueAgainIn(ctx, portal, lane, now, 1)); err != nil {
			return 0, err
		}
	}
	return oldest, nil
}

// ReadyConsent and DueConsent are Ready and DueAgain of the rows that speak of consent; those two leave them out.
func (db *DB) ReadyConsent(ctx context.Context, portal string, after outbox.EntryID, limit int) ([]ReadyRow, error) {
	return db.readyRows(ctx, "read ready consent rows", db.dialect.sql().readyConsent, portal, int64(after), limit)
}

// DueConsent reads rows that speak of consent and whose not_before has come, the longest due first.
func (db *DB) DueConsent(ctx context.Context, portal string, now int64, limit int) ([]ReadyRow, error) {
	return db.readyRows(ctx, "read due consent rows", db.dialect.sql().dueConsent, portal, now, limit)
}

func (db *DB) readyRows(ctx context.Context, doing, text string, args ...any) ([]ReadyRow, error) {
	rows, err := db.rows(ctx, db.read, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	var all []ReadyRow
	for rows.Next() {
		var r ReadyRow
		if err := rows.Scan(&r.ID, &r.LeadID, &r.NotBefore, &r.CreatedAt); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// NextDue is the least not_before of the portal's pending rows that are not parked, unix ms; it may have passed. 0 = none.
func (db *DB) NextDue(ctx context.Context, portal string) (int64, error) {
	var due int64
	if err := db.one(ctx, db.read, []any{&due}, db.dialect.sql().nextDue, portal, outbox.Parked); err != nil {
		return 0, fmt.Errorf("read the next due time: %w", err)
	}
	return due, nil
}

// HighID is the highest id in lead_outbox, of any portal; 0 when it is empty.
func (db *DB) HighID(ctx context.Context) (outbox.EntryID, error) {
	var id outbox.EntryID
	if err := db.one(ctx, db.read, []any{&id}, `SELECT coalesce(max(id), 0) FROM lead_outbox`); err != nil {
		return 0, fmt.Errorf("read the highest id: %w", err)
	}
	return id, nil
}

// unparkChunk keeps the transactions of Unpark short.
const unparkChunk = 10_000

// Unpark lets the parked rows of a portal be read again and returns how many there were.
func (db *DB) Unpark(ctx context.Context, portal string) (int64, error) {
	var total int64
	for {
		n, err := db.execAgain(ctx, db.dialect.sql().unpark, portal, outbox.Parked, unparkChunk)
		if err != nil {
			return total, fmt.Errorf("unpark rows: %w", err)
		}
		total += n
		if n == 0 { // a chunk may hold as many again of the other lane's
			return total, nil
		}
	}
}
