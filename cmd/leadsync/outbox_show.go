package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

func newOutboxShowCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "show ID",
		Short:   "Show all columns of a row",
		Long:    "Prints every column of one row of lead_outbox; times are in UTC. With --json: one object as in `outbox list --json`.",
		Example: "  leadsync outbox show 17\n  leadsync outbox show 17 --json | jq .properties",
		Args:    wantArgs("ID"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			return env.onDatabase(c, func(_ *config.Loaded, db *store.DB) error {
				rows, err := db.Operator().Entries(c.Context(), []outbox.EntryID{id})
				if err != nil {
					return err
				}
				if len(rows) == 0 {
					return fmt.Errorf("no row %d in lead_outbox", id)
				}
				if asJSON {
					return env.printRow(&rows[0])
				}
				return env.printColumns(&rows[0])
			})
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

// outboxRow is a row as JSON: the keys are the columns in their order, NULL is null.
type outboxRow struct {
	ID            outbox.EntryID  `json:"id"`
	Portal        string          `json:"portal"`
	EventID       *string         `json:"event_id"`
	LeadID        *string         `json:"lead_id"`
	EventType     *string         `json:"event_type"`
	Email         *string         `json:"email"`
	Properties    json.RawMessage `json:"properties"`
	Lane          outbox.Lane     `json:"lane"`
	OccurredAt    *int64          `json:"occurred_at"`
	CreatedAt     int64           `json:"created_at"`
	State         outbox.State    `json:"state"`
	Reason        *string         `json:"reason"`
	Note          *string         `json:"note"`
	Attempts      int             `json:"attempts"`
	NotBefore     *int64          `json:"not_before"`
	ContactID     *string         `json:"contact_id"`
	CorrelationID *string         `json:"correlation_id"`
	SettledAt     *int64          `json:"settled_at"`
}

// printRow writes a row as one object on one line.
func (e *environment) printRow(r *outbox.Entry) error {
	properties, err := propertiesJSON(r.Properties)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(safeJSON{e.stdout})
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(outboxRow{r.ID, r.Portal, r.EventID, r.LeadID, r.Type, r.Email, properties, r.Lane, r.OccurredAt, r.CreatedAt,
		r.State, r.Reason, r.Note, r.Attempts, r.NotBefore, r.ContactID, r.CorrelationID, r.SettledAt}); err != nil {
		return fmt.Errorf("print row: %w", err)
	}
	return nil
}

// propertiesJSON passes an object on as it is, so that a list can be imported again; anything else becomes a text.
func propertiesJSON(text *string) (json.RawMessage, error) {
	if text == nil {
		return nil, nil
	}
	raw := []byte(*text)
	if utf8.Valid(raw) && bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) && json.Valid(raw) {
		return raw, nil
	}
	quoted, err := json.Marshal(*text)
	if err != nil {
		return nil, fmt.Errorf("print properties: %w", err)
	}
	return quoted, nil
}

// printColumns writes a row for a person, a line a column.
func (e *environment) printColumns(r *outbox.Entry) error {
	t := newTable(e.stdout)
	t.row("id", strconv.FormatInt(int64(r.ID), 10))
	t.row("portal", r.Portal)
	t.row("event_id", column(r.EventID))
	t.row("lead_id", column(r.LeadID))
	t.row("event_type", column(r.Type))
	t.row("email", column(r.Email))
	properties := column(r.Properties)
	if r.Properties == nil && r.PropertiesBytes > 0 {
		properties = fmt.Sprintf("(%d bytes, not shown)", r.PropertiesBytes)
	}
	t.row("properties", properties)
	t.row("lane", string(r.Lane))
	t.row("occurred_at", longTime(r.OccurredAt))
	t.row("created_at", longTime(&r.CreatedAt))
	t.row("state", string(r.State))
	t.row("reason", column(r.Reason))
	t.row("note", column(r.Note))
	t.row("attempts", strconv.Itoa(r.Attempts))
	notBefore := longTime(r.NotBefore)
	if r.NotBefore != nil && *r.NotBefore == outbox.Parked {
		notBefore = "waits for something other than time"
	}
	t.row("not_before", notBefore)
	t.row("contact_id", column(r.ContactID))
	t.row("correlation_id", column(r.CorrelationID))
	t.row("settled_at", longTime(r.SettledAt))
	if err := errors.Join(t.Flush(), t.err); err != nil {
		return fmt.Errorf("print row: %w", err)
	}
	return nil
}

// column is a text of a column; an empty one is told from NULL.
func column(s *string) string {
	if s != nil && *s == "" {
		return `""`
	}
	return text(s)
}

// longTime is a moment to the millisecond in UTC, "" for none.
func longTime(ms *int64) string {
	if ms == nil {
		return ""
	}
	if out := outOfRange(*ms); out != "" {
		return out
	}
	return time.UnixMilli(*ms).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

// shortTime is a moment in a table.
func shortTime(ms int64) string {
	if out := outOfRange(ms); out != "" {
		return out
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05")
}

// outOfRange is the bare number where an application wrote what is no time in milliseconds of four-digit years.
func outOfRange(ms int64) string {
	if ms < -62135596800000 || ms > 253402300799999 {
		return strconv.FormatInt(ms, 10)
	}
	return ""
}
