package main

import (
	"errors"

	"github.com/spf13/cobra"

	"leadsync/internal/auth"
)

func newAuthImportCommand(env *environment) *cobra.Command {
	var repin bool
	c := &cobra.Command{
		Use:   "import",
		Short: "Take over a refresh token from standard input",
		Long: "Reads one refresh token from standard input, gets an access token for it, and stores both as `auth login` does. The token must have\n" +
			"been given to the app of hubspot.auth.client_id. HubSpot may replace it at once: whoever else uses it must stop first.",
		Example: "  leadsync auth import < refresh-token",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			return env.onGrant(c, func(w *grantWork) error {
				token, err := env.readLine(c.Context())
				if err != nil {
					return err
				}
				if token.Empty() {
					return errors.New("no refresh token on standard input; give it in one line: leadsync auth import < FILE")
				}
				pair, err := w.client.Refresh(c.Context(), token)
				if _, dead := errors.AsType[*auth.LoginError](err); dead {
					return &importError{err}
				}
				if err != nil {
					return err
				}
				got, err := w.connect(c.Context(), pair, repin)
				if err != nil {
					return err
				}
				return w.tell(got)
			})
		},
	}
	c.Flags().BoolVar(&repin, "repin", false, "let the portal move to another HubSpot account")
	return c
}

// importError is a refresh token that HubSpot does not take.
type importError struct{ err error }

func (e *importError) Error() string { return "the token was not imported: " + e.err.Error() }

// Unwrap gives HubSpot's word.
func (e *importError) Unwrap() error { return e.err }

// Cure is the one thing to do.
func (e *importError) Cure() string {
	return "give the newest refresh token of this app and account, or run `leadsync auth login`"
}
