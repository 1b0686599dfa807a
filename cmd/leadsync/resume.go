package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/store"
)

func newResumeCommand(env *environment) *cobra.Command {
	var deletes, asJSON bool
	c := &cobra.Command{
		Use:   "resume --deletes",
		Short: "Let deletes and erases go on after the brake has paused them",
		Long: "More lead.deleted and lead.erased in an hour than push.max_deletes_per_hour pause all of them, so that a mistake in the\n" +
			"application cannot empty the CRM. This lets those go that are pending now, however many, and counts anew for the ones behind\n" +
			"them. Look at them first: leadsync outbox list --state pending",
		Example: "  leadsync resume --deletes",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if !deletes {
				return &exitError{exitUsage, errors.New("resume needs --deletes")}
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				n, err := db.ResumeDeletes(c.Context(), cfg.Portal)
				if err != nil {
					return err
				}
				if asJSON {
					return env.printJSON(map[string]int64{"let_go": n})
				}
				_, err = fmt.Fprintf(env.stdout, "let go %d\n", n)
				return err
			})
		},
	}
	c.Flags().BoolVar(&deletes, "deletes", false, "deletes and erases")
	jsonFlag(c, &asJSON)
	return c
}
