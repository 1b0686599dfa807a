package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newPushCommand(env *environment) *cobra.Command {
	var once, asJSON bool
	c := &cobra.Command{
		Use:   "push --once",
		Short: "Push what is pending, once, and exit",
		Long: "Makes one pass as the daemon would and exits: for a cron job instead of the service, or to see what happens. Exit code 1 when\n" +
			"rows are left pending. It refuses while a daemon serves the portal.",
		Example: "  leadsync push --once",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if !once {
				return &exitError{exitUsage, errors.New("push needs --once; the daemon is `leadsync run`")}
			}
			daemon, err := env.newApp(nil)
			if err != nil {
				return err
			}
			result, err := daemon.Once(c.Context())
			if err != nil {
				return configExit(err)
			}
			if asJSON {
				err = env.printJSON(map[string]int64{"pending": result.Pending})
			} else {
				_, err = fmt.Fprintf(env.stdout, "pending %d\n", result.Pending)
			}
			if err == nil && result.Pending > 0 {
				err = fmt.Errorf("%d rows are still pending; `leadsync outbox list --state pending` shows why", result.Pending)
			}
			return err
		},
	}
	c.Flags().BoolVar(&once, "once", false, "make one pass and exit")
	jsonFlag(c, &asJSON)
	return c
}
