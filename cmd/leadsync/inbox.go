package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/lead"
	"leadsync/internal/store"
)

func newInboxCommand(env *environment) *cobra.Command {
	return group("inbox", "List and acknowledge rows of lead_inbox", newInboxListCommand(env), newInboxAckCommand(env))
}

func newInboxListCommand(env *environment) *cobra.Command {
	var (
		q                         store.InboxQuery
		leadID, contactID, portal string
		oldest, asJSON            bool
	)
	c := &cobra.Command{
		Use:   "list",
		Short: "List what came from HubSpot, newest first",
		Long: "Lists the rows that match all of the filters. On a terminal it stops after " + fmt.Sprint(screenful) + " rows unless --limit says otherwise; elsewhere,\n" +
			"and with --json, it lists all of them. With --json each row is one object on one line: the keys are the names of the columns,\n" +
			"times are unix milliseconds.",
		Example: "  leadsync inbox list --new\n  leadsync inbox list --lead-id 42 --json\n  leadsync inbox list --new --oldest-first --limit 100 --json",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if q.Limit < 0 {
				return &exitError{exitUsage, fmt.Errorf("--limit %d, want a number of rows, or 0 for all", q.Limit)}
			}
			q.Portal, q.LeadID, q.ContactID, q.Desc = portal, lead.ID(leadID), lead.ContactID(contactID), !oldest
			atMost := 0
			if !c.Flags().Changed("limit") && !asJSON && isTerminal(env.stdout) {
				atMost, q.Limit = screenful, screenful+1 // the last one tells that there are more
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if leadID != "" && portal == "" {
					q.Portal = cfg.Portal
				}
				if asJSON {
					return db.Operator().ListInbox(c.Context(), q, env.printInboxRow)
				}
				return env.printInbox(c, db, q, atMost)
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&q.New, "new", false, "only rows that are not acknowledged")
	f.StringVar(&leadID, "lead-id", "", "only this lead `ID`, in the portal of the configuration unless --portal names another")
	f.StringVar(&contactID, "contact-id", "", "only this HubSpot contact `ID`")
	f.StringVar(&q.ChangeType, "type", "", "only this `TYPE`, e.g. contact.updated")
	f.StringVar(&portal, "portal", "", "only this `PORTAL`; default all")
	f.Int64Var(&q.AfterID, "after", 0, "only rows beyond this `ID`")
	f.IntVar(&q.Limit, "limit", 0, "at most so many rows, 0 for all")
	f.BoolVar(&oldest, "oldest-first", false, "in the order in which they came")
	jsonFlag(c, &asJSON)
	return c
}

// inboxRow is a row as JSON: the keys are the columns in their order, NULL is null.
type inboxRow struct {
	ID         int64           `json:"id"`
	Portal     string          `json:"portal"`
	LeadID     *string         `json:"lead_id"`
	ContactID  *string         `json:"contact_id"`
	Email      *string         `json:"email"`
	ChangeType string          `json:"change_type"`
	Properties json.RawMessage `json:"properties"`
	ChangedAt  *int64          `json:"changed_at"`
	PulledAt   int64           `json:"pulled_at"`
	AckedAt    *int64          `json:"acked_at"`
}

func (e *environment) printInboxRow(r store.InboxRow) error {
	properties, err := propertiesJSON(&r.Properties)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(safeJSON{e.stdout})
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(inboxRow{r.ID, r.Portal, r.LeadID, r.ContactID, r.Email, r.ChangeType, properties, r.ChangedAt, r.PulledAt, r.AckedAt}); err != nil {
		return fmt.Errorf("print row: %w", err)
	}
	return nil
}

// printInbox streams rows as a table, no more than atMost, 0 for all.
func (e *environment) printInbox(c *cobra.Command, db *store.DB, q store.InboxQuery, atMost int) error {
	const block = 200
	table := newTable(e.stdout)
	table.row("ID", "PULLED", "PORTAL", "LEAD", "CONTACT", "TYPE", "ACKED", "PROPERTIES")
	errEnough := errors.New("enough")
	n := 0
	err := db.Operator().ListInbox(c.Context(), q, func(r store.InboxRow) error {
		if n++; atMost > 0 && n > atMost {
			return errEnough
		}
		acked := ""
		if r.AckedAt != nil {
			acked = shortTime(*r.AckedAt)
		}
		table.row(strconv.FormatInt(r.ID, 10), shortTime(r.PulledAt), r.Portal, cut(text(r.LeadID), 32), text(r.ContactID), r.ChangeType, acked, cut(r.Properties, 120))
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
		fmt.Fprintf(e.stderr, "%d rows are shown; --limit 0 shows all\n", atMost)
	}
	return nil
}

func newInboxAckCommand(env *environment) *cobra.Command {
	var (
		upTo   int64
		portal string
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "ack [ID...]",
		Short: "Acknowledge rows, as the application does",
		Long: "Sets acked_at of rows that the application has dealt with, by id, or all up to an id with --up-to. Rows that are acknowledged\n" +
			"already stay as they are. --up-to takes rows too that came below that id a moment ago and that nobody has read: an application\n" +
			"acknowledges by id. Acknowledged rows are deleted after retention.inbox.",
		Example: "  leadsync inbox ack 17 18\n  leadsync inbox ack --up-to 4711",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && (upTo != 0 || portal != ""):
				return &exitError{exitUsage, errors.New("name rows by id, or take all with --up-to, not both")}
			case len(args) == 0 && upTo == 0:
				return &exitError{exitUsage, errors.New("nothing selected: name ids, or take all up to one with --up-to")}
			case upTo < 0:
				return &exitError{exitUsage, fmt.Errorf("--up-to %d, want the id of a row", upTo)}
			}
			var ids []int64
			for _, arg := range args {
				id, err := strconv.ParseInt(arg, 10, 64)
				if err != nil || id < 1 {
					return &exitError{exitUsage, fmt.Errorf("%q is not an inbox id, want a number like 17", arg)}
				}
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if len(ids) == 0 && portal == "" {
					portal = cfg.Portal
				}
				return env.ackInbox(c, db, portal, ids, upTo, asJSON)
			})
		},
	}
	f := c.Flags()
	f.Int64Var(&upTo, "up-to", 0, "all rows up to this `ID`")
	f.StringVar(&portal, "portal", "", "with --up-to: rows of this `PORTAL`; default the one of the configuration")
	jsonFlag(c, &asJSON)
	return c
}

// ackInbox acknowledges and prints how many. With an id that does not exist nothing is changed.
func (e *environment) ackInbox(c *cobra.Command, db *store.DB, portal string, ids []int64, upTo int64, asJSON bool) error {
	if len(ids) > 0 {
		there := map[int64]bool{}
		if err := db.Operator().ListInbox(c.Context(), store.InboxQuery{IDs: ids}, func(r store.InboxRow) error { there[r.ID] = true; return nil }); err != nil {
			return err
		}
		for _, id := range ids {
			if !there[id] {
				return fmt.Errorf("no row %d in lead_inbox; nothing was changed", id)
			}
		}
	}
	n, err := db.Operator().AckInbox(c.Context(), portal, ids, upTo)
	if err != nil {
		return err
	}
	if asJSON {
		return e.printJSON(map[string]int64{"acknowledged": n})
	}
	_, err = fmt.Fprintf(e.stdout, "acknowledged %d\n", n)
	return err
}
