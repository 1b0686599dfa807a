package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

func newEraseCommand(env *environment) *cobra.Command {
	var shared, forget, asJSON bool
	var words contactFlags
	c := &cobra.Command{
		Use:   "erase LEAD",
		Short: "Erase a person for good, here and in HubSpot",
		Long: "Puts a lead.erased row into the outbox, as the application can; the daemon carries it out. HubSpot erases every contact of the\n" +
			"lead (by its link, by mapping.id_property, and those that the lead had here and that still have an address of then), it is looked at\n" +
			"again two minutes later, and then everything that names the person is overwritten in the database: rows in every state, the inbox, the link. The row\n" +
			"ends delivered and says when and what was done, without the person. What is left is a keyed hash that keeps the lead from being\n" +
			"made again by a late event.\n\n" +
			"Where nothing shows that a contact is the lead's, or another lead has it too, the row ends dead as shared_contact, names the\n" +
			"contact, and nothing was erased. Look at the contact in HubSpot; --also takes it along, --leave leaves it alone.\n\n" +
			"It prints the id of the row: `leadsync outbox show ID` tells how far it is. Backups and the logs of a database server are not\n" +
			"touched; migrations/README.md says what that means. LEAD - is read from standard input: an argument shows in the process list.",
		Example: "  leadsync erase 42\n" +
			"  leadsync erase 42 --also 901 --leave 902 # contact 901 is the person's too, 902 is somebody else's\n" +
			"  leadsync erase 42 --with-shared          # after a merge another lead has the contact: erase it for both\n" +
			"  leadsync erase 42 --forget-tombstone     # the person has come back by own wish: the lead may be registered again",
		Args: wantArgs("LEAD"),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := env.person(c.Context(), args[0], "LEAD")
			if err != nil {
				return err
			}
			id := lead.ID(text)
			switch {
			case len(id) > lead.MaxIDLength:
				return &exitError{exitUsage, fmt.Errorf("LEAD is longer than %d bytes; such a lead is never sent", lead.MaxIDLength)}
			case forget && (shared || words.given()):
				return &exitError{exitUsage, errors.New("--with-shared, --also and --leave erase and --forget-tombstone does not; give one")}
			}
			said, err := words.said()
			if err != nil {
				return err
			}
			if shared {
				said = append(said, store.ContactWord{Contact: store.AnyShared, Also: true})
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if forget {
					return env.forgetTombstone(c.Context(), cfg, db, id, asJSON)
				}
				return env.erase(c.Context(), cfg, db, id, said, asJSON)
			})
		},
	}
	c.Flags().BoolVar(&shared, "with-shared", false, "erase a contact also when another lead has it since a merge")
	words.flags(c)
	c.Flags().BoolVar(&forget, "forget-tombstone", false, "erase nothing, and let the lead be registered again")
	jsonFlag(c, &asJSON)
	return c
}

// erase adds the row that asks for it.
func (e *environment) erase(ctx context.Context, cfg *config.Loaded, db *store.DB, id lead.ID, said []store.ContactWord, asJSON bool) error {
	text, typ, properties := string(id), string(outbox.Erased), "{}"
	row, err := db.Operator().AddRow(ctx, outbox.Entry{Portal: cfg.Portal, LeadID: &text, Type: &typ, Properties: &properties}, said...)
	if err != nil {
		return err
	}
	if asJSON {
		return e.printJSON(map[string]int64{"outbox_id": int64(row)})
	}
	_, err = fmt.Fprintf(e.stdout, "row %d asks for the erase; `leadsync outbox show %d` tells how far it is\n", row, row)
	return err
}

// forgetTombstone lets a person come back.
func (e *environment) forgetTombstone(ctx context.Context, cfg *config.Loaded, db *store.DB, id lead.ID, asJSON bool) error {
	hasher, err := e.hasher(ctx, cfg, db)
	if err != nil {
		return err
	}
	hash := store.LeadTombstone(hasher.Tombstone, cfg.Portal, id)
	pending := 0
	for _, under := range []lead.ID{id, lead.ID(store.ErasedMarker + hash)} {
		err := db.Operator().List(ctx, store.ListQuery{Portal: cfg.Portal, LeadID: under, State: outbox.Pending}, func(r outbox.Entry) error {
			if r.Type != nil && *r.Type == string(outbox.Erased) {
				pending++
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if pending > 0 {
		return errors.New("an erase of the lead is under way; when its row is delivered, the tombstone can be forgotten")
	}
	n, err := db.Operator().ForgetTombstones(ctx, cfg.Portal, hash)
	if err != nil {
		return err
	}
	if asJSON {
		err = e.printJSON(map[string]bool{"forgotten": n > 0})
	} else if n > 0 {
		_, err = fmt.Fprintln(e.stdout, "forgotten; an event of the lead makes a contact again")
	}
	if err == nil && n == 0 {
		err = errors.New("the lead has no tombstone in this portal")
	}
	return err
}
