package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// PendingOf reads the pending rows of each lead, whatever their lane and not_before, in id order. Of one lead it takes
// at most maxRows rows and rows of maxBytes of properties and long texts together, but always the first one; More says
// that some were left. A lead without pending rows is not in the map. Ids of orphans (settlement.ReadyRow) match
// nothing. Properties over outbox.MaxPropertiesBytes are not loaded. The caller owns the result.
func (v *View) PendingOf(ctx context.Context, leads []lead.ID, maxRows, maxBytes int) (map[lead.ID]settlement.LeadRows, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	all := make(map[lead.ID]settlement.LeadRows, len(leads))
	leads = slices.DeleteFunc(slices.Clone(leads), func(id lead.ID) bool { return !settlement.Findable(string(id)) })
	if len(leads) == 0 || maxRows < 1 {
		return all, nil
	}
	rows, err := v.rows(ctx, v.read, v.dialect.sql().pendingOf, v.portal, v.dialect.texts(distinct(leads)), maxRows+1)
	if err != nil {
		return nil, fmt.Errorf("read pending rows: %w", err)
	}
	var large []int64
	var id lead.ID
	var one settlement.LeadRows
	var bytes int64
	flush := func() {
		if len(one.Rows) > 0 {
			all[id] = one
		}
	}
	err = scanEntries(rows, func(e *outbox.Entry) error {
		if l := e.Lead(); l != id {
			flush()
			id, one, bytes = l, settlement.LeadRows{}, 0
		}
		if one.More {
			return nil
		}
		loaded := e.PropertiesBytes
		if loaded > maxProperties {
			loaded = 0
		}
		if len(one.Rows) == maxRows || len(one.Rows) > 0 && bytes+loaded+longTexts(e) > int64(maxBytes) {
			one.More = true
			return nil
		}
		bytes += loaded + longTexts(e)
		if e.Properties == nil && loaded > inlineBytes {
			large = append(large, int64(e.ID))
		}
		one.Rows = append(one.Rows, *e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read pending rows: %w", err)
	}
	flush()
	if len(large) > 0 {
		if err := v.loadProperties(ctx, all, large); err != nil {
			return nil, fmt.Errorf("read large properties: %w", err)
		}
	}
	return all, nil
}

// longTexts is what texts that may be long take beside properties; ordinary ones count as nothing.
func longTexts(e *outbox.Entry) (n int64) {
	for _, s := range []*string{e.EventID, e.Email, e.Type, e.Note} {
		if s != nil && len(*s) > 1<<10 {
			n += int64(len(*s))
		}
	}
	return n
}

// loadProperties fills in the properties that were too large to come along.
func (v *View) loadProperties(ctx context.Context, all map[lead.ID]settlement.LeadRows, ids []int64) error {
	texts := make(map[outbox.EntryID]*string, len(ids))
	rows, err := v.rows(ctx, v.read, v.dialect.sql().properties, v.dialect.ids(ids))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id outbox.EntryID
		var text *string
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		texts[id] = text
	}
	for _, l := range all {
		for i := range l.Rows {
			if text, ok := texts[l.Rows[i].ID]; ok {
				l.Rows[i].Properties = text
			}
		}
	}
	return rows.Err()
}

// Entries reads rows of any portal by id, in id order; ids that do not exist are left out.
func (v *View) Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.entries(ctx, ids)
}

// Entries reads rows by id, in id order; ids that do not exist are left out.
func (o *Operator) Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	return o.entries(ctx, ids)
}

func (db *engine) entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := db.rows(ctx, db.read, db.dialect.sql().entries, db.dialect.ids(numbers(ids)))
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return collect(rows, "read entries")
}

// RowsOf reads the newest rows of a lead in any state, newest first.
func (v *View) RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	if limit < 1 {
		return nil, nil
	}
	rows, err := v.rows(ctx, v.read, v.dialect.sql().rowsOf, v.portal, cleanText(string(id)), limit)
	if err != nil {
		return nil, fmt.Errorf("read rows of a lead: %w", err)
	}
	return collect(rows, "read rows of a lead")
}

// EachRow reads all rows of a lead, in any state and in id order, until each returns an error, which is returned.
func (v *View) EachRow(ctx context.Context, id lead.ID, each func(outbox.Entry) error) error {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.list(ctx, ListQuery{Portal: v.portal, LeadID: id}, each)
}

// EarlierEvents finds the rows that repeat an event: another row of the portal with the same event_id has a lower id,
// or was already delivered or skipped (unless skipped as the duplicate itself). Only such rows are in the map, with
// true. A missing or empty event_id repeats nothing. It looks at the table, so rows given need no more than an ID and
// an EventID.
func (v *View) EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	ids := make([]int64, 0, len(rows))
	for i := range rows {
		if rows[i].EventID != nil && *rows[i].EventID != "" {
			ids = append(ids, int64(rows[i].ID))
		}
	}
	found := map[outbox.EntryID]bool{}
	if len(ids) == 0 {
		return found, nil
	}
	res, err := v.rows(ctx, v.read, v.dialect.sql().earlier, v.portal, v.dialect.ids(ids))
	if err != nil {
		return nil, fmt.Errorf("look for repeated events: %w", err)
	}
	defer res.Close()
	for res.Next() {
		var id outbox.EntryID
		if err := res.Scan(&id); err != nil {
			return nil, fmt.Errorf("look for repeated events: %w", err)
		}
		found[id] = true
	}
	if err := res.Err(); err != nil {
		return nil, fmt.Errorf("look for repeated events: %w", err)
	}
	return found, nil
}

// scanEntries reads entryColumns row by row and closes rows. The entry is only good during the call.
func scanEntries(rows *sql.Rows, each func(*outbox.Entry) error) error {
	defer rows.Close()
	for rows.Next() {
		var e outbox.Entry
		if err := rows.Scan(&e.ID, &e.Portal, &e.EventID, &e.LeadID, &e.Type, &e.Email, &e.Large, &e.Properties, &e.PropertiesBytes, &e.Lane,
			&e.OccurredAt, &e.CreatedAt, &e.State, &e.Reason, &e.Note, &e.Attempts, &e.NotBefore, &e.ContactID, &e.CorrelationID,
			&e.SettledAt); err != nil {
			return err
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	return rows.Err()
}

func collect(rows *sql.Rows, doing string) ([]outbox.Entry, error) {
	var all []outbox.Entry
	if err := scanEntries(rows, func(e *outbox.Entry) error { all = append(all, *e); return nil }); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// distinct gives each id once, in order, as text.
func distinct[T ~string](ids []T) []string {
	texts := make([]string, 0, len(ids))
	seen := make(map[T]bool, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			texts = append(texts, string(id))
		}
	}
	return slices.Clip(texts)
}

func numbers[T ~int64](ids []T) []int64 {
	n := make([]int64, len(ids))
	for i, id := range ids {
		n[i] = int64(id)
	}
	return n
}
