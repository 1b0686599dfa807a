package main

import (
	"context"
	"errors"
	"sync"

	"github.com/spf13/cobra"

	"leadsync/internal/app"
	"leadsync/internal/sdnotify"
)

func newRunCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon",
		Long: "Pushes pending rows of lead_outbox to HubSpot until it is told to stop (SIGTERM or SIGINT): it then reads nothing new, lets\n" +
			"the requests under way end for up to stop_timeout, and exits with 0; a second signal cuts them short. A database or HubSpot\n" +
			"that is away is waited for. SIGHUP reads the configuration again; one that is refused changes nothing and is named in the log.\n" +
			"Exit code 78: the configuration, a credential or the schema must be corrected first.",
		Example: "  leadsync run --config /etc/leadsync/leadsync.yaml",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			hurry, reload, stop := daemonSignals(isTerminal(env.stderr))
			defer stop()
			daemon, err := env.newApp(hurry)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancel(c.Context())
			var reloading sync.WaitGroup
			reloading.Go(func() {
				for {
					select {
					case <-ctx.Done():
						return
					case <-reload:
						daemon.Reload(ctx)
					}
				}
			})
			defer func() { cancel(); reloading.Wait() }()
			return configExit(daemon.Run(c.Context()))
		},
	}
}

// newApp builds the daemon of the configuration; hurry may be nil.
func (e *environment) newApp(hurry <-chan struct{}) (*app.App, error) {
	cfg, err := e.load()
	if err != nil {
		return nil, err
	}
	log, level, err := e.logger(cfg)
	if err != nil {
		return nil, err
	}
	daemon, err := app.New(app.Options{Config: cfg, Log: log, Version: readVersion().Version, Notify: sdnotify.New(), Load: e.load, Level: level, Hurry: hurry})
	return daemon, configExit(err)
}

// configExit gives what a person must correct first its exit code.
func configExit(err error) error {
	if _, ok := errors.AsType[*app.ConfigError](err); ok {
		return &exitError{exitConfig, err}
	}
	return err
}
