package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// change is one of the two commands that change rows by hand.
type change struct {
	verb, done string         // retry, retried
	key        string         // in JSON
	states     []outbox.State // that --state may name
	may        func(*outbox.Entry) bool
	only       string // why a row named by id is not changed
	apply      func(context.Context, *store.DB, store.Selection) (int64, error)
	// preview says that the command can show what it would do, and take an operator's words about contacts.
	preview bool
}

func newOutboxRetryCommand(env *environment) *cobra.Command {
	c := newChangeCommand(env, change{
		verb: "retry", done: "retried", key: "retried", states: []outbox.State{outbox.Dead},
		may: func(e *outbox.Entry) bool {
			return e.State == outbox.Dead || e.State == outbox.Skipped && text(e.Reason) == string(outbox.ByOperator)
		},
		only:    "only dead rows, and rows that an operator skipped, can be retried",
		preview: true,
		apply: func(ctx context.Context, db *store.DB, s store.Selection) (int64, error) {
			return db.Operator().Requeue(ctx, s)
		},
	})
	c.Short = "Put dead rows back to pending"
	c.Long = "Makes dead rows pending again, as if they were new: reason, note and attempts are cleared. A row that an operator skipped\n" +
		"comes back when its id is named. Name ids, or select by --state, --reason, --since and --lead-id. What a later event of the lead\n" +
		"has set since is not set back: rows take effect in the order of their ids. --preview shows, row by row, what would be sent and\n" +
		"what later events overtook, and changes nothing; what HubSpot would refuse again it cannot know.\n\n" +
		"A lead.deleted that is dead as shared_contact names a contact of which nothing shows that it is the lead's: --also takes it along,\n" +
		"--leave leaves it alone."
	c.Example = "  leadsync outbox retry 17 18\n  leadsync outbox retry --state dead --reason invalid_property --since 2026-11-20 --preview\n  leadsync outbox retry --state dead --reason invalid_property\n" +
		"  leadsync outbox retry 17 --also 901"
	return c
}

func newOutboxSkipCommand(env *environment) *cobra.Command {
	c := newChangeCommand(env, change{
		verb: "skip", done: "skipped", key: "skipped", states: []outbox.State{outbox.Pending, outbox.Dead},
		may:  func(e *outbox.Entry) bool { return e.State == outbox.Pending || e.State == outbox.Dead },
		only: "only pending and dead rows can be skipped",
		apply: func(ctx context.Context, db *store.DB, s store.Selection) (int64, error) {
			return db.Operator().SkipRows(ctx, s)
		},
	})
	c.Short = "Settle pending or dead rows without sending them"
	c.Long = "Makes pending and dead rows skipped, with the reason by_operator: they are not sent, and `outbox retry ID` brings them back.\n" +
		"Name ids, or select by --state, --reason, --since and --lead-id. A row that a request carries at this moment may reach HubSpot all\n" +
		"the same."
	c.Example = "  leadsync outbox skip 17\n  leadsync outbox skip --state dead --reason invalid_email"
	return c
}

func newChangeCommand(env *environment, ch change) *cobra.Command {
	var (
		state, reason, leadID, portal, since string
		asJSON, preview                      bool
		words                                contactFlags
	)
	c := &cobra.Command{
		Use: ch.verb + " [ID...]",
		RunE: func(c *cobra.Command, args []string) error {
			s := store.Selection{Reason: outbox.Reason(reason), LeadID: lead.ID(leadID), Portal: portal}
			var err error
			if s.State, err = parseState(state, ch.states...); err != nil {
				return err
			}
			if s.Since, err = parseSince(since, time.Now()); err != nil {
				return err
			}
			bySelection := state != "" || reason != "" || leadID != "" || since != ""
			switch {
			case len(args) > 0 && (bySelection || portal != ""):
				return &exitError{exitUsage, errors.New("name rows by id, or select them by --state, --reason, --since, --lead-id and --portal, not both")}
			case len(args) == 0 && !bySelection:
				return &exitError{exitUsage, errors.New("nothing selected: name ids, or select by --state, --reason, --since or --lead-id")}
			}
			said, err := words.said()
			switch {
			case err != nil:
				return err
			case len(said) > 0 && (len(args) != 1 || preview):
				return &exitError{exitUsage, errors.New("--also and --leave are for one row: name its id, without --preview")}
			}
			for _, arg := range args {
				id, err := parseID(arg)
				if err != nil {
					return err
				}
				if !slices.Contains(s.IDs, id) {
					s.IDs = append(s.IDs, id)
				}
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if len(s.IDs) == 0 && s.Portal == "" {
					s.Portal = cfg.Portal
				}
				if preview {
					return env.previewRetry(c.Context(), cfg, db, s, asJSON)
				}
				if len(said) > 0 {
					if err := db.Operator().SayOfContacts(c.Context(), s.IDs[0], said); err != nil {
						return err
					}
				}
				return env.change(c.Context(), db, ch, s, asJSON)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&state, "state", "", "rows of this `STATE`: "+stateWords(ch.states))
	f.StringVar(&reason, "reason", "", "rows with this `REASON`")
	f.StringVar(&leadID, "lead-id", "", "rows of this lead `ID`")
	f.StringVar(&portal, "portal", "", "rows of this `PORTAL`; default the one of the configuration")
	f.StringVar(&since, "since", "", sinceHelp)
	if ch.preview {
		f.BoolVar(&preview, "preview", false, "change nothing; show what each row would come to")
		words.flags(c)
	}
	jsonFlag(c, &asJSON)
	return c
}

func stateWords(states []outbox.State) string {
	words := string(states[0])
	for _, s := range states[1:] {
		words += " or " + string(s)
	}
	return words
}

// change applies ch and prints how many rows changed. With an id that does not exist nothing is changed; rows that are
// named and stay as they are make it fail after the others were changed.
func (e *environment) change(ctx context.Context, db *store.DB, ch change, s store.Selection, asJSON bool) error {
	var left []error
	if len(s.IDs) > 0 {
		rows, err := db.Operator().Entries(ctx, s.IDs)
		if err != nil {
			return err
		}
		there := map[outbox.EntryID]bool{}
		for i := range rows {
			there[rows[i].ID] = true
			if !ch.may(&rows[i]) {
				left = append(left, fmt.Errorf("row %d is %s; %s", rows[i].ID, rows[i].State, ch.only))
			}
		}
		for _, id := range s.IDs {
			if !there[id] {
				return fmt.Errorf("no row %d in lead_outbox; nothing was changed", id)
			}
		}
	}
	n, err := ch.apply(ctx, db, s)
	if err != nil {
		return err
	}
	if asJSON {
		err = e.printJSON(map[string]int64{ch.key: n})
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s %d\n", ch.done, n)
	}
	if err != nil {
		return err
	}
	for _, err := range left {
		fmt.Fprintln(e.stderr, "leadsync: "+err.Error())
	}
	if len(left) > 0 {
		return &exitError{code: exitFailed}
	}
	return nil
}
