package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/store"
)

func newMigrateCommand(env *environment) *cobra.Command {
	return group("migrate", "Create and update the tables", newMigrateUpCommand(env), newMigrateStatusCommand(env))
}

func newMigrateUpCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "up",
		Short: "Bring the tables to this version, and create a missing SQLite file",
		Long: "Runs the migrations that are missing, under a lock, so that several may start it at once. The daemon does the same at its\n" +
			"start, except that it does not create a SQLite file: a wrong path must not become an empty database.",
		Example: "  leadsync migrate up --config /etc/leadsync/leadsync.yaml",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			cfg, err := env.load()
			if err != nil {
				return err
			}
			env.warn(cfg)
			db, err := env.openUnchecked(c.Context(), cfg, store.Options{CreateSQLite: true})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			from, to, err := db.Migrate(c.Context())
			if errors.Is(err, store.ErrSchemaNewer) {
				return &exitError{exitConfig, fmt.Errorf("database %s: %w; install a newer leadsync", db, err)}
			}
			if err != nil {
				return fmt.Errorf("migrate %s: %w", db, err)
			}
			if asJSON {
				return env.printJSON(map[string]int64{"from": from, "to": to})
			}
			if from == to {
				_, err = fmt.Fprintf(env.stdout, "schema %d is up to date\n", to)
			} else {
				_, err = fmt.Fprintf(env.stdout, "schema %d -> %d\n", from, to)
			}
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func newMigrateStatusCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Say whether migrations are missing; exit code 3 when some are",
		Example: "  leadsync migrate status || leadsync migrate up",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) (err error) {
			cfg, err := env.load()
			if err != nil {
				return err
			}
			env.warn(cfg)
			db, err := env.openUnchecked(c.Context(), cfg, store.Options{ReadOnly: true})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			current, latest, err := db.Schema(c.Context())
			if err != nil && !errors.Is(err, store.ErrSchemaNewer) {
				return fmt.Errorf("read schema of %s: %w", db, err)
			}
			if asJSON {
				err = env.printJSON(map[string]int64{"current": current, "latest": latest})
			} else {
				_, err = fmt.Fprintf(env.stdout, "schema %d of %d\n", current, latest)
			}
			switch {
			case err != nil:
				return err
			case current > latest:
				return &exitError{exitConfig, fmt.Errorf("database %s: %w; install a newer leadsync", db, store.ErrSchemaNewer)}
			case current < latest:
				return &exitError{exitWrong, fmt.Errorf("%d migrations are missing; run `leadsync migrate up`", db.Missing(current))}
			}
			return nil
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
