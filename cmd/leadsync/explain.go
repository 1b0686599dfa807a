package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/app"
	"leadsync/internal/config"
	"leadsync/internal/explain"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/store"
)

func newExplainCommand(env *environment) *cobra.Command {
	var asJSON, live bool
	var portal string
	c := &cobra.Command{
		Use:   "explain LEAD",
		Short: "Tell why a lead stands as it does, and what happens next",
		Long: "Tells on one screen: the lead's events with their states and the rule behind each, which were folded into one write, the last\n" +
			"requests about it with HubSpot's correlation ids, what HubSpot is known to hold of it, and what happens next. LEAD is a lead\n" +
			"id, an address, the id of a contact, or outbox:ID for the lead of a row; - reads it from standard input, since arguments show\n" +
			"in the process list.\n\n" +
			"--live asks HubSpot for the contact, three requests, and sets its values beside the ledger. Everything else is read from\n" +
			"the database, so it answers also when the daemon is gone. What is printed holds the person's values.",
		Example: "  leadsync explain 42\n  leadsync explain ada@example.com --live\n  leadsync explain outbox:17 --json | jq .next",
		Args:    wantArgs("LEAD"),
		RunE: func(c *cobra.Command, args []string) error {
			subject, err := env.person(c.Context(), args[0], "LEAD")
			if err != nil {
				return err
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				hasher, err := env.hasher(c.Context(), cfg, db)
				if err != nil {
					return err
				}
				if portal == "" {
					portal = cfg.Portal
				}
				story, err := explain.Tell(c.Context(), explain.Database{Operator: db.Operator(), View: func(p string) explain.View { return db.View(p) }}, explain.Query{Subject: subject, Portal: portal, Version: readVersion().Version, Now: time.Now(),
					AlertAfter: cfg.Status.AlertAfter, Table: app.Table(cfg), Hash: hasher.Hash})
				if errors.Is(err, explain.ErrUnknown) {
					return fmt.Errorf("%w in portal %s; its rows may have been removed after retention.settled", err, portal)
				}
				if err != nil {
					return err
				}
				if live {
					env.askLive(c.Context(), cfg, db, story)
				}
				if asJSON {
					inner := *env
					inner.stdout = safeJSON{env.stdout}
					return inner.printJSON(story)
				}
				return env.printStory(story, time.Now())
			})
		},
	}
	c.Flags().BoolVar(&live, "live", false, "ask HubSpot what the contact holds now")
	c.Flags().StringVar(&portal, "portal", "", "a lead of this `PORTAL`; default the one of the configuration")
	jsonFlag(c, &asJSON)
	return c
}

// askLive sets what HubSpot shows beside the ledger. Trouble is told in the story: the rest of it stands.
func (e *environment) askLive(ctx context.Context, cfg *config.Loaded, db *store.DB, story *explain.Story) {
	id := story.ContactID()
	if id == "" {
		story.Beside("", nil, nil, time.Time{}, time.Now(), errors.New("the lead has no contact that could be asked for"))
		return
	}
	client, end, err := e.liveClient(ctx, cfg, db, story.Portal)
	defer end()
	if err != nil {
		story.Beside("", nil, nil, time.Time{}, time.Now(), err)
		return
	}
	found, err := client.Contact(ctx, lead.ContactID(id), story.Properties(), false)
	switch {
	case errors.Is(err, lead.ErrNotFound) || hubspot.Classify(err) == hubspot.ClassNotFound:
		story.Beside("", nil, nil, time.Time{}, time.Now(), nil)
	case err != nil:
		story.Beside("", nil, nil, time.Time{}, time.Now(), err)
	default:
		values := make(map[string]string, len(found.Properties))
		for p, v := range found.Properties {
			values[p] = text(v)
		}
		table := app.Table(cfg)
		if defs, err := client.ContactProperties(ctx); err == nil { // without them a number may look changed that is written otherwise
			table = table.With(defs)
		}
		story.Beside(found.ID, values, table.Canon, found.UpdatedAt, time.Now(), nil)
	}
}
