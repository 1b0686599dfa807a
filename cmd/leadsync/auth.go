package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/people"
)

func newAuthCommand(env *environment) *cobra.Command {
	return group("auth", "Connect to HubSpot",
		newAuthLoginCommand(env),
		newAuthStatusCommand(env),
		newAuthLogoutCommand(env),
		newAuthImportCommand(env),
		newAuthKeyCommand(env),
	)
}

func newAuthKeyCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "key",
		Short: "Print a new line for the token key file",
		Long: "Prints 32 random bytes in base64. The token key file (hubspot.auth.token_key_file) holds one such key a line: the first\n" +
			"seals what is secret in the database, all of them open it. To rotate, put the new key above the old one.\n" +
			"Keep a copy: without it the account must be connected anew and hashes of people can no longer be compared.",
		Example: "  (umask 077; leadsync auth key > /etc/leadsync/token-key)",
		Args:    wantArgs(),
		RunE: func(*cobra.Command, []string) error {
			key := people.NewKey()
			if asJSON {
				return env.printJSON(map[string]string{"key": key})
			}
			_, err := fmt.Fprintln(env.stdout, key)
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
