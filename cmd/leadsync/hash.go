package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newHashCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "hash TEXT",
		Short: "Print the lead_hash of a lead id",
		Long: "Logs name a person by a keyed hash. This prints the one of a lead id, letter by letter as the application writes it, so that its\n" +
			"lines can be found. With - the id is read from standard input: an argument shows in the process list. It needs the\n" +
			"configuration, the token key and the database, where the key of the hashes is kept.",
		Example: "  journalctl -u leadsync | grep $(leadsync hash 42)\n  journalctl -u leadsync | grep $(leadsync hash - < id.txt)",
		Args:    wantArgs("TEXT"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			text, err := env.person(c.Context(), args[0], "TEXT")
			if err != nil {
				return err
			}
			cfg, err := env.load()
			if err != nil {
				return err
			}
			env.warn(cfg)
			db, err := env.openStore(c.Context(), cfg)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			hasher, err := env.hasher(c.Context(), cfg, db)
			if err != nil {
				return err
			}
			hash := hasher.Hash(text)
			if asJSON {
				return env.printJSON(map[string]string{"lead_hash": hash})
			}
			_, err = fmt.Fprintln(env.stdout, hash)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
