package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"leadsync/internal/replay"
)

// application is a program that knows nothing of HubSpot: it changes a table of its own and inserts events beside, in
// one transaction. It keeps a journal of what it committed.
type application struct {
	db      *sql.DB
	journal []inserted
	told    []replay.Told // what the inbox said, in its order
}

// inserted is an event that was committed.
type inserted struct {
	event
	id          int64
	committedAt time.Time
	calm        bool // committed while nothing was made to go wrong
}

// openApplication opens the database that `leadsync migrate up` made and adds the application's own table.
// synchronous=FULL: the application's commit is the promise.
func openApplication(ctx context.Context, path string) (*application, error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(wal)", "synchronous(full)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the application's database: %w", err)
	}
	db.SetMaxOpenConns(2) // the story writes, the progress reads
	const table = `CREATE TABLE customers (id TEXT PRIMARY KEY, revision INTEGER NOT NULL DEFAULT 1)`
	if _, err := db.ExecContext(ctx, table); err != nil {
		return nil, errors.Join(fmt.Errorf("make the application's own table: %w", err), db.Close())
	}
	return &application{db: db}, nil
}

// commit changes the customers of the events and inserts the events, all in one transaction.
func (a *application) commit(ctx context.Context, events []event, calm bool) error {
	done, err := a.transaction(ctx, events, func(tx *sql.Tx) error { return tx.Commit() })
	if err != nil {
		return err
	}
	now := time.Now()
	for i := range done {
		done[i].committedAt, done[i].calm = now, calm
	}
	a.journal = append(a.journal, done...)
	return nil
}

// rollBack does the same and changes its mind: nothing of it may ever be seen.
func (a *application) rollBack(ctx context.Context, events []event) error {
	_, err := a.transaction(ctx, events, func(tx *sql.Tx) error { return tx.Rollback() })
	return err
}

func (a *application) transaction(ctx context.Context, events []event, end func(*sql.Tx) error) ([]inserted, error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("begin the application's transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after its end it says so and does nothing
	done := make([]inserted, 0, len(events))
	for _, e := range events {
		const customer = `INSERT INTO customers (id) VALUES (?) ON CONFLICT (id) DO UPDATE SET revision = revision + 1`
		if _, err := tx.ExecContext(ctx, customer, e.leadID); err != nil {
			return nil, fmt.Errorf("change a customer: %w", err)
		}
		insert, args := e.insert()
		result, err := tx.ExecContext(ctx, insert, args...)
		if err != nil {
			return nil, fmt.Errorf("insert an event: %w", err)
		}
		id, err := result.LastInsertId()
		if err != nil {
			return nil, fmt.Errorf("insert an event: %w", err)
		}
		done = append(done, inserted{event: e, id: id})
	}
	if err := end(tx); err != nil {
		return nil, fmt.Errorf("end the application's transaction: %w", err)
	}
	return done, nil
}

// insert is the statement of the contract: four columns, and the optional ones an application may add.
func (e *event) insert() (statement string, args []any) {
	columns, args := "lead_id, event_type, email, properties", []any{e.leadID, e.kind, e.email, e.properties}
	if e.eventID != "" {
		columns, args = columns+", event_id", append(args, e.eventID)
	}
	if e.lane != "" {
		columns, args = columns+", lane", append(args, e.lane)
	}
	if e.occurredAt != nil {
		columns, args = columns+", occurred_at", append(args, *e.occurredAt)
	}
	return "INSERT INTO lead_outbox (" + columns + ") VALUES (?" + strings.Repeat(", ?", len(args)-1) + ")", args
}

// delivered are the leads of the journal that HubSpot has taken, in the order they came.
func (a *application) delivered(ctx context.Context) ([]string, error) {
	endings, err := a.endings(ctx)
	if err != nil {
		return nil, err
	}
	var leads []string
	seen := map[string]bool{}
	for _, i := range a.journal {
		if endings[i.id].state == "delivered" && !seen[i.leadID] {
			seen[i.leadID] = true
			leads = append(leads, i.leadID)
		}
	}
	return leads, nil
}

// counts is how the outbox stands.
type counts struct {
	rows, delivered, skipped, dead int
	due                            int // pending and to be tried now
	waiting                        int // pending for something other than the next moment
}

func (c counts) settled() int { return c.delivered + c.skipped + c.dead }

// soon is how near the next try of a pending row must be for the story to wait for it. The waits of a row double and
// quadruple.
const soon = 5 * time.Second

// count reads the contract's columns, as an operator could.
func (a *application) count(ctx context.Context) (counts, error) {
	const query = `SELECT state, state = 'pending' AND not_before > ?, COUNT(*) FROM lead_outbox GROUP BY 1, 2`
	rows, err := a.db.QueryContext(ctx, query, time.Now().Add(soon).UnixMilli())
	if err != nil {
		return counts{}, fmt.Errorf("count the outbox: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var c counts
	for rows.Next() {
		var state string
		var later sql.NullBool
		var n int
		if err := rows.Scan(&state, &later, &n); err != nil {
			return counts{}, fmt.Errorf("count the outbox: %w", err)
		}
		c.rows += n
		switch {
		case state == "delivered":
			c.delivered += n
		case state == "skipped":
			c.skipped += n
		case state == "dead":
			c.dead += n
		case later.Bool:
			c.waiting += n
		default:
			c.due += n
		}
	}
	if err := rows.Err(); err != nil {
		return counts{}, fmt.Errorf("count the outbox: %w", err)
	}
	return c, nil
}
