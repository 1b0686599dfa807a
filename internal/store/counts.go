package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"leadsync/internal/outbox"
)

// CountRow counts rows of one portal, state and reason. Type is empty: types are told apart by nobody while this
// version acts on all that it knows, and would have each row read where an index is enough. OldestCreatedAt (unix ms)
// is the one of the pending row with the lowest id.
type CountRow struct {
	Portal          string
	State           outbox.State
	Reason          outbox.Reason
	Type            outbox.Type
	Count           int64
	OldestCreatedAt int64
}

// Why no daemon looks at a pending row.
const (
	StrayID   = "an id below 1"
	StrayTime = "text in not_before"
)

// StrayRow counts pending rows of one portal that no daemon looks at, and that the other counts leave out.
type StrayRow struct {
	Portal string
	Why    string
	Count  int64
}

// Strays counts them for all portals. Rows whose state is no known word are in Counts.
func (o *Operator) Strays(ctx context.Context) ([]StrayRow, error) {
	var all []StrayRow
	err := o.each(ctx, func(rows *sql.Rows) error {
		var s StrayRow
		err := rows.Scan(&s.Portal, &s.Why, &s.Count)
		all = append(all, s)
		return err
	}, o.dialect.sql().strays)
	if err != nil {
		return nil, fmt.Errorf("count rows that nobody looks at: %w", err)
	}
	return all, nil
}

// CountPending counts the pending rows alone, without strays: an entry of an index a row.
func (o *Operator) CountPending(ctx context.Context) ([]CountRow, error) {
	var all []CountRow
	err := o.count(ctx, o.dialect.sql().countPending, func(rows *sql.Rows) error {
		c := CountRow{State: outbox.Pending}
		var first int64
		if err := rows.Scan(&c.Portal, &c.Count, &first); err != nil {
			return err
		}
		c.OldestCreatedAt = first // its id, until the rows are closed
		all = append(all, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	for i := range all {
		id := all[i].OldestCreatedAt
		err := o.one(ctx, o.read, []any{&all[i].OldestCreatedAt}, o.dialect.sql().createdAt, id)
		if errors.Is(err, sql.ErrNoRows) {
			all[i].OldestCreatedAt = 0 // it was removed since
		} else if err != nil {
			return nil, fmt.Errorf("count rows: %w", err)
		}
	}
	return all, nil
}

// Counts counts lead_outbox for all portals.
func (o *Operator) Counts(ctx context.Context) ([]CountRow, error) {
	all, err := o.CountPending(ctx)
	if err != nil {
		return nil, err
	}
	err = o.count(ctx, o.dialect.sql().countSettled, func(rows *sql.Rows) error {
		var c CountRow
		if err := rows.Scan(&c.Portal, &c.State, &c.Reason, &c.Count); err != nil {
			return err
		}
		all = append(all, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count rows: %w", err)
	}
	return all, nil
}

// count runs a statement that counts, once for all portals or, where its index begins with the portal, once for each.
func (o *Operator) count(ctx context.Context, text string, each func(*sql.Rows) error) error {
	portals := o.dialect.sql().portals
	if portals == "" {
		return o.each(ctx, each, text)
	}
	var all []string
	err := o.each(ctx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		all = append(all, name)
		return err
	}, portals)
	for _, name := range all {
		if err == nil {
			err = o.each(ctx, each, text, name)
		}
	}
	return err
}

// each runs a literal statement and gives its rows to f.
func (o *Operator) each(ctx context.Context, f func(*sql.Rows) error, text string, args ...any) error {
	rows, err := o.rows(ctx, o.read, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
