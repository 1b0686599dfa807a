package main

import (
	"errors"

	"github.com/spf13/cobra"

	"leadsync/internal/app"
)

func newRunCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "Pushes pending rows of lead_outbox to HubSpot until it is told to stop (SIGTERM or SIGINT): it then reads nothing new, lets\n" +
			"the requests under way end for up to stop_timeout, and exits with 0. A database or HubSpot that is away is waited for.\n" +
			"Exit code 78: the configuration, a credential or the schema must be corrected first.",
		Example: "  leadsync run --config /etc/leadsync/leadsync.yaml",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			daemon, err := env.newApp()
			if err != nil {
				return err
			}
			return configExit(daemon.Run(c.Context()))
		},
	}
}

// newApp builds the daemon of the configuration.
func (e *environment) newApp() (*app.App, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	log, _, err := e.logger(cfg)
	if err != nil {
		return nil, err
	}
	daemon, err := app.New(app.Options{Config: cfg, Log: log, Version: readVersion().Version, Getenv: e.getenv})
	return daemon, configExit(err)
}

// configExit gives what a person must correct first its exit code.
func configExit(err error) error {
	if _, ok := errors.AsType[*app.ConfigError](err); ok {
		return &exitError{exitConfig, err}
	}
	return err
}
