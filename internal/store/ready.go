package store

import (
	"context"
	"fmt"
	"strings"

	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// Ready reads pending rows of a lane, but those that speak of consent, that wait for nothing (not_before null), with an
// id above after, in id order. Any lane that is not backfill is live. A row that commits late has a low id: start again
// from 0 often enough to meet it.
func (v *View) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]settlement.ReadyRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	text := v.dialect.sql().readyLive
	if lane == outbox.Backfill {
		text = v.dialect.sql().readyBackfill
	}
	return v.readyRows(ctx, "read ready rows", text, v.portal, int64(after), limit)
}

// DueAgain reads pending rows whose not_before has come, the longest due first, but those that speak of consent: of one
// lane, for the time the other one is paused, or of both when lane is empty.
func (v *View) DueAgain(ctx context.Context, lane outbox.Lane, now int64, limit int) ([]settlement.ReadyRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	switch lane {
	case "":
		return v.readyRows(ctx, "read due rows", v.dialect.sql().dueAgain, v.portal, now, limit)
	case outbox.Backfill:
		return v.readyRows(ctx, "read due rows of a lane", v.dialect.sql().dueBackfill, v.portal, now, limit)
	}
	return v.readyRows(ctx, "read due rows of a lane", v.dialect.sql().dueLive, v.portal, now, limit)
}

// OldestWaiting is the least created_at of the next pending rows of the lanes that could be sent now, unix ms; 0 = none
// waits. Rows that are put off or parked do not count. It reads two rows a lane, whatever waits.
func (v *View) OldestWaiting(ctx context.Context, now int64, lanes ...outbox.Lane) (int64, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var oldest int64
	look := func(rows []settlement.ReadyRow, err error) error {
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
		if err := look(v.Ready(ctx, lane, 0, 1)); err != nil {
			return 0, err
		}
		if err := look(v.DueAgain(ctx, lane, now, 1)); err != nil {
			return 0, err
		}
	}
	return oldest, nil
}

// ReadyConsent and DueConsent are Ready and DueAgain of the rows that speak of consent; those two leave them out.
func (v *View) ReadyConsent(ctx context.Context, after outbox.EntryID, limit int) ([]settlement.ReadyRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.readyRows(ctx, "read ready consent rows", v.dialect.sql().readyConsent, v.portal, int64(after), limit)
}

// DueConsent reads rows that speak of consent and whose not_before has come, the longest due first.
func (v *View) DueConsent(ctx context.Context, now int64, limit int) ([]settlement.ReadyRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.readyRows(ctx, "read due consent rows", v.dialect.sql().dueConsent, v.portal, now, limit)
}

func (v *View) readyRows(ctx context.Context, doing, text string, args ...any) ([]settlement.ReadyRow, error) {
	rows, err := v.rows(ctx, v.read, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	var all []settlement.ReadyRow
	for rows.Next() {
		var r settlement.ReadyRow
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

// highID is the highest id in lead_outbox, of any portal; 0 when it is empty.
func (db *engine) highID(ctx context.Context) (outbox.EntryID, error) {
	var id outbox.EntryID
	if err := db.one(ctx, db.read, []any{&id}, `SELECT coalesce(max(id), 0) FROM lead_outbox`); err != nil {
		return 0, fmt.Errorf("read the highest id: %w", err)
	}
	return id, nil
}

// unparkChunk keeps the transactions of Unpark short.
const unparkChunk = 10_000

// Unpark lets the parked rows of the portal be read again and returns how many there were.
func (p *Portal) Unpark(ctx context.Context) (int64, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.unpark(ctx, p.portal)
}

// Unpark lets the parked rows of a portal be read again and returns how many there were.
func (o *Operator) Unpark(ctx context.Context, portal string) (int64, error) {
	return o.unpark(ctx, portal)
}

func (db *engine) unpark(ctx context.Context, portal string) (int64, error) {
	return db.makeReady(ctx, "unpark rows", db.dialect.sql().unpark, portal, outbox.Parked)
}

// CutRowWaits makes rows of the portal ready that wait for a time beyond latest (unix ms), but those that are parked,
// and returns how many there were.
func (p *Portal) CutRowWaits(ctx context.Context, latest int64) (int64, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.makeReady(ctx, "cut waits of rows", beyond(p.dialect.sql().unpark), p.portal, latest)
}

// beyond makes a statement about what stands at a time, or up to it, one about what stands behind it.
func beyond(text string) string {
	rows := fmt.Sprintf("not_before < %d AND not_before > ?2", outbox.Parked) // text in a column of SQLite's is above each number
	return strings.NewReplacer("not_before = ?2", rows, "_at <= ?", "_at > ?", "_due <= ?", "_due > ?").Replace(text)
}

// makeReady takes the time off rows, a chunk a transaction.
func (db *engine) makeReady(ctx context.Context, doing, text, portal string, at int64) (int64, error) {
	var total int64
	for {
		n, err := db.execAgain(ctx, text, portal, at, unparkChunk)
		if err != nil {
			return total, fmt.Errorf("%s: %w", doing, err)
		}
		total += n
		if n == 0 { // a chunk may hold as many again of the other lane's
			return total, nil
		}
	}
}
