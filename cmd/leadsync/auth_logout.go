package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/auth"
)

func newAuthLogoutCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Revoke the refresh token and forget both tokens",
		Long: "Revokes the refresh token at HubSpot and forgets both tokens. The access token lives on at HubSpot until it expires, up to 30 minutes\n" +
			"later, but nobody has it any more. The app stays installed: uninstall it in HubSpot, under Connected apps, to end that too.\n" +
			"The portal stays pinned to its account, and rows wait for the next login.\n\n" +
			"If HubSpot cannot be reached nothing is forgotten, so that the command can be run again. Another installation that was given the\n" +
			"same refresh token loses it as well.",
		Args: wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			return env.onGrant(c, func(w *grantWork) error { return w.logout(c.Context()) })
		},
	}
}

// logoutTries bounds a race with a daemon that renews the token at the same moment.
const logoutTries = 5

func (w *grantWork) logout(ctx context.Context) error {
	var refused error
	for range logoutTries {
		g, err := w.db.Tokens().Grant(ctx, w.cfg.Portal)
		if err != nil {
			return err
		}
		if !g.Connected() {
			_, err := fmt.Fprintln(w.env.stdout, "not connected; nothing to forget")
			return err
		}
		refused = nil
		token, err := g.OpenRefresh(w.keys)
		if err == nil {
			err = w.client.Revoke(ctx, token)
		}
		if fault, ok := errors.AsType[*auth.FaultError](err); ok && !fault.Local() {
			refused, err = err, nil // HubSpot will not say otherwise tomorrow: what is here goes all the same
		}
		if _, local := errors.AsType[*auth.FaultError](err); local {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w; nothing was forgotten, run it again", err)
		}
		gone, err := w.db.Tokens().Disconnect(ctx, g)
		if err != nil {
			return err
		}
		if gone {
			return w.loggedOut(refused)
		}
	}
	return errors.New("the daemon renews the token all the time; stop it and run `leadsync auth logout` again")
}

func (w *grantWork) loggedOut(refused error) error {
	text := "logged out: the refresh token is revoked, and both tokens are forgotten\n" +
		"the access token lives on at HubSpot until it expires, up to 30 minutes from now\n"
	if refused != nil {
		text = "both tokens are forgotten, but the refresh token is not revoked: " + refused.Error() + "\n" +
			"uninstall the app in HubSpot, under Connected apps, to end its access\n"
	}
	if _, err := fmt.Fprint(w.env.stdout, text); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	if refused != nil {
		return &exitError{code: exitFailed}
	}
	return nil
}
