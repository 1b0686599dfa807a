package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// screenful is how many rows a list on a terminal has when nobody asks for more.
const screenful = 50

func newOutboxListCommand(env *environment) *cobra.Command {
	var (
		state, reason, leadID, portal, lane, since string
		limit                                      int
		asJSON                                     bool
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List rows, newest first",
		Long: "Lists the rows that match all of the filters, newest first. On a terminal it stops after " + fmt.Sprint(screenful) + " rows unless --limit says\n" +
			"otherwise; elsewhere, and with --json, it lists all of them.\n\n" +
			"With --json each row is one object on one line: the keys are the names of the columns, times are unix milliseconds.\n" +
			"properties is an object; where the row holds something else it is the text as it stands, and null above 1 MiB.",
		Example: "  leadsync outbox list --state dead --since 2h\n  leadsync outbox list --lead-id 42 --json\n  leadsync outbox list --state dead --reason invalid_email --limit 0",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 {
				return &exitError{exitUsage, fmt.Errorf("--limit %d, want a number of rows, or 0 for all", limit)}
			}
			q := store.ListQuery{Portal: portal, Reason: outbox.Reason(reason), LeadID: lead.ID(leadID), Lane: outbox.Lane(lane), Limit: limit, Desc: true}
			var err error
			if q.State, err = parseState(state, outbox.Pending, outbox.Delivered, outbox.Skipped, outbox.Dead); err != nil {
				return err
			}
			if lane != "" && q.Lane != outbox.Live && q.Lane != outbox.Backfill {
				return &exitError{exitUsage, fmt.Errorf("--lane %q, want live or backfill", lane)}
			}
			if q.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			atMost := 0
			if !c.Flags().Changed("limit") && !asJSON && isTerminal(env.stdout) {
				atMost, q.Limit = screenful, screenful+1 // the last one tells that there are more
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if leadID != "" && portal == "" {
					q.Portal = cfg.Portal
				}
				if asJSON {
					return db.Operator().List(c.Context(), q, func(e outbox.Entry) error { return env.printRow(&e) })
				}
				return env.printTable(c, db, q, atMost)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&state, "state", "", "only this `STATE`: pending, delivered, skipped or dead")
	f.StringVar(&reason, "reason", "", "only this `REASON`, e.g. invalid_email")
	f.StringVar(&leadID, "lead-id", "", "only this lead `ID`, in the portal of the configuration unless --portal names another")
	f.StringVar(&portal, "portal", "", "only this `PORTAL`; default all")
	f.StringVar(&lane, "lane", "", "only this `LANE`: live or backfill")
	f.StringVar(&since, "since", "", sinceHelp)
	f.IntVar(&limit, "limit", 0, "at most so many rows, 0 for all")
	jsonFlag(c, &asJSON)
	return c
}

// printTable streams rows as a table, no more than atMost, 0 for all. The widths are set anew every few hundred rows,
// so that memory stays flat.
func (e *environment) printTable(c *cobra.Command, db *store.DB, q store.ListQuery, atMost int) error {
	const block = 200
	table := newTable(e.stdout)
	table.row("ID", "CREATED", "PORTAL", "LEAD", "TYPE", "LANE", "STATE", "REASON", "ATTEMPTS", "NOTE")
	errEnough := errors.New("enough")
	n := 0
	err := db.Operator().List(c.Context(), q, func(r outbox.Entry) error {
		if n++; atMost > 0 && n > atMost {
			return errEnough
		}
		table.row(fmt.Sprint(r.ID), shortTime(r.CreatedAt), r.Portal, cut(text(r.LeadID), 32), text(r.Type), string(r.Lane), string(r.State),
			text(r.Reason), fmt.Sprint(r.Attempts), text(r.Note))
		if n%block == 0 {
			return table.Flush()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	if n == 0 {
		_, err := fmt.Fprintln(e.stderr, "no rows match")
		return err
	}
	if err := errors.Join(table.Flush(), table.err); err != nil {
		return fmt.Errorf("print table: %w", err)
	}
	if errors.Is(err, errEnough) {
		fmt.Fprintf(e.stderr, "the newest %d rows are shown; --limit 0 shows all\n", atMost)
	}
	return nil
}

// table is a tabwriter whose cells are safe for a terminal.
type table struct {
	*tabwriter.Writer
	err error // the first
}

func newTable(out io.Writer) *table { return &table{Writer: tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)} }

// maxCell is the most characters of a cell: an application may write anything of any length into a column. `outbox
// show` and --json give all.
const maxCell = 240

// row adds a line; an empty cell is shown as a dash, so that columns can be counted, but for the last.
func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cell = observe.Plain(cell, maxCell); cell == "" && i < len(cells)-1 {
			cell = "-"
		}
		cells[i] = cell
	}
	if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil && t.err == nil {
		t.err = err
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
