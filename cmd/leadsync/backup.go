package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"leadsync/internal/store"
)

func newBackupCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the SQLite database into a file, also while the daemon runs",
		Long: "Writes one moment of the database into FILE, checks the copy, and gives it the mode 0600; a file of that name is replaced. The\n" +
			"daemon and the application go on meanwhile. Copying the database file itself misses what stands in its journal. Keep the token\n" +
			"key with it, in another place: without the key the tokens in the copy cannot be opened. A server's database is backed up with\n" +
			"the server's own tools.",
		Example: "  leadsync backup /var/backups/leadsync.db",
		Args:    wantArgs("FILE"),
		RunE: func(c *cobra.Command, args []string) (err error) {
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
			err = db.Backup(c.Context(), args[0])
			if errors.Is(err, store.ErrNotAFile) {
				return &exitError{exitUsage, fmt.Errorf("%s is a server's database: back it up with pg_dump or mariadb-dump --single-transaction", db)}
			}
			if err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			schema, _, err := db.Schema(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return env.printJSON(map[string]any{"file": args[0], "bytes": info.Size(), "schema": schema})
			}
			_, err = fmt.Fprintf(env.stdout, "%s: %d bytes, schema %d, sound\n", args[0], info.Size(), schema)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
