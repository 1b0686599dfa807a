package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"leadsync/internal/app"
	"leadsync/internal/config"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// previewer tells what rows would come to if they were pending.
type previewer struct {
	db    *store.DB
	table *mapping.Table
	hubs  map[string]int64 // by portal
}

func newPreviewer(cfg *config.Loaded, db *store.DB) *previewer {
	return &previewer{db: db, table: app.Table(cfg), hubs: map[string]int64{}}
}

func (p *previewer) hub(ctx context.Context, portal string) (int64, error) {
	if id, known := p.hubs[portal]; known {
		return id, nil
	}
	row, err := p.db.View(portal).Row(ctx)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return 0, err
	}
	p.hubs[portal] = row.HubID
	return row.HubID, nil
}

// row tells it of one row.
func (p *previewer) row(ctx context.Context, e outbox.Entry) (intent.Preview, error) {
	var pending []outbox.Entry
	var link *ledger.Link
	repeated, err := p.db.View(e.Portal).EarlierEvents(ctx, []outbox.Entry{e})
	if err != nil {
		return intent.Preview{}, err
	}
	if id := e.Lead(); id != "" {
		hub, err := p.hub(ctx, e.Portal)
		if err != nil {
			return intent.Preview{}, err
		}
		rows, err := p.db.View(e.Portal).PendingOf(ctx, []lead.ID{id}, 200, 4<<20)
		if err != nil {
			return intent.Preview{}, err
		}
		links, err := p.db.View(e.Portal).Links(ctx, hub, []lead.ID{id})
		if err != nil {
			return intent.Preview{}, err
		}
		pending, link = rows[id].Rows, links[id]
	}
	return intent.PreviewRow(e, pending, link, p.table, repeated[e.ID]), nil
}

// previewRow is a line of `outbox retry --preview --json`.
type previewRow struct {
	ID        outbox.EntryID            `json:"id"`
	LeadID    *string                   `json:"lead_id"`
	Outcome   string                    `json:"outcome"`
	Send      []string                  `json:"send"`
	Unchanged []string                  `json:"unchanged"`
	Overtaken map[string]outbox.EntryID `json:"overtaken"`
	LeftOut   string                    `json:"left_out"`
}

// previewRetry prints what a retry of the selected rows would come to.
func (e *environment) previewRetry(ctx context.Context, cfg *config.Loaded, db *store.DB, s store.Selection, asJSON bool) error {
	p, n := newPreviewer(cfg, db), 0
	table := newTable(e.stdout)
	if !asJSON {
		table.row("ID", "LEAD", "WOULD", "SEND", "UNCHANGED", "OVERTAKEN", "LEFT OUT")
	}
	one := func(row outbox.Entry) error {
		if row.State != outbox.Dead && (len(s.IDs) == 0 || row.State != outbox.Skipped || text(row.Reason) != string(outbox.ByOperator)) {
			if len(s.IDs) > 0 {
				fmt.Fprintf(e.stderr, "leadsync: row %d is %s; only dead rows, and rows that an operator skipped, can be retried\n", row.ID, row.State)
			}
			return nil
		}
		would, err := p.row(ctx, row)
		if err != nil {
			return err
		}
		n++
		if asJSON {
			inner := *e
			inner.stdout = safeJSON{e.stdout}
			return inner.printJSON(previewRow{row.ID, row.LeadID, would.Outcome, list(would.Send), list(would.Unchanged), would.Overtaken, would.LeftOut})
		}
		table.row(fmt.Sprint(row.ID), cut(text(row.LeadID), 32), would.Outcome, strings.Join(would.Send, " "), strings.Join(would.Unchanged, " "),
			would.OvertakenWords(), would.LeftOut)
		if n%200 == 0 {
			return table.Flush()
		}
		return nil
	}
	if len(s.IDs) > 0 {
		rows, err := db.Operator().Entries(ctx, s.IDs)
		if err != nil {
			return err
		}
		if len(rows) < len(s.IDs) {
			return fmt.Errorf("%d of the %d rows do not exist", len(s.IDs)-len(rows), len(s.IDs))
		}
		for _, row := range rows {
			if err := one(row); err != nil {
				return err
			}
		}
	} else if err := db.Operator().List(ctx, store.ListQuery{Portal: s.Portal, State: outbox.Dead, Reason: s.Reason, LeadID: s.LeadID, Since: s.Since}, one); err != nil {
		return err
	}
	if asJSON {
		return nil
	}
	if err := errors.Join(table.Flush(), table.err); err != nil {
		return fmt.Errorf("print preview: %w", err)
	}
	_, err := fmt.Fprintf(e.stderr, "%d rows would be retried; nothing was changed\n", n)
	return err
}

// list makes an empty list of none.
func list(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}
