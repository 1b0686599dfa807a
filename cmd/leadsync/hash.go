package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newHashCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "hash TEXT",
		Short: "Print the lead_hash of a lead id or an address",
		Long: "Logs name a person by a keyed hash. This prints the one of a lead id or an address, so that its lines can be found.\n" +
			"It needs the configuration, the token key and the database, where the key of the hashes is kept.",
		Example: "  journalctl -u leadsync | grep $(leadsync hash ada@example.com)",
		Args:    wantArgs("TEXT"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if strings.TrimSpace(args[0]) == "" {
				return &exitError{exitUsage, errors.New("TEXT is empty")}
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
			hash := hasher.Hash(args[0])
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
