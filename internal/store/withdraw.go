package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
)

// withdraw takes fields out of the rows of leads that the application has not acknowledged yet. A row of which nothing
// is left stays, with empty properties, so that whoever reads it has nothing to do.
func (db *engine) withdraw(ctx context.Context, tx *sql.Tx, portal string, all []inbox.Withdrawal) error {
	for _, w := range all {
		left, err := db.unread(ctx, tx, portal, w)
		if err != nil {
			return err
		}
		for id, properties := range left {
			if _, err := db.exec(ctx, tx, `UPDATE lead_inbox SET properties = ?1 WHERE id = ?2 AND acked_at IS NULL`, properties, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// unread reads the rows that carry one of the fields, and what is left of them.
func (db *engine) unread(ctx context.Context, tx *sql.Tx, portal string, w inbox.Withdrawal) (map[int64]string, error) {
	rows, err := db.rows(ctx, tx, db.dialect.sql().unread, portal, cleanText(string(w.LeadID)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	left := map[int64]string{}
	for rows.Next() {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, err
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &fields) != nil {
			continue // somebody else's: no change of ours
		}
		n := len(fields)
		for _, f := range w.Fields {
			delete(fields, f)
		}
		if len(fields) < n {
			b, err := json.Marshal(fields)
			if err != nil {
				return nil, err
			}
			left[id] = string(b)
		}
	}
	return left, rows.Err()
}

// Untaken tells until when the fields that inbox rows told of a lead were not acknowledged, by lead field name, unix
// ms: the newest row that tells a field counts, math.MaxInt64 while it is not acknowledged. Fields whose rows are gone
// are not in the map.
func (v *View) Untaken(ctx context.Context, id lead.ID) (map[string]int64, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	rows, err := v.rows(ctx, v.read, v.dialect.sql().told, v.portal, cleanText(string(id)))
	if err != nil {
		return nil, fmt.Errorf("read what a lead's application was told: %w", err)
	}
	defer rows.Close()
	until := map[string]int64{}
	for rows.Next() {
		var text string
		var acked *int64
		if err := rows.Scan(&text, &acked); err != nil {
			return nil, fmt.Errorf("read what a lead's application was told: %w", err)
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &fields) != nil {
			continue
		}
		for f := range fields {
			if _, known := until[f]; known {
				continue
			}
			if until[f] = math.MaxInt64; acked != nil {
				until[f] = *acked
			}
		}
	}
	return until, rows.Err()
}
