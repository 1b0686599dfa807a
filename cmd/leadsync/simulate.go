package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/observe"
)

// What the simulated account has besides the flags: the daily allowance of a Professional account, and the search
// limit. https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines and
// https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, read 2026-11-22
const (
	simulatedDaily  = 625_000
	simulatedSearch = 5
)

func newSimulateCommand(env *environment) *cobra.Command {
	var listen string
	cfg := hubspotsim.Config{}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run a HubSpot simulator on this machine",
		Long: "Serves HubSpot's contacts, properties, subscriptions, account and OAuth paths from memory until it is stopped, on a loopback\n" +
			"address only.\n" +
			"Prints NAME=value lines that a shell can source, then `ready`. The same seed gives the same values.\n\n" +
			"Faults are OP=KIND[:ARG][xN], comma separated; without xN an entry holds until the script is replaced.\n" +
			"OP    " + strings.Join(hubspotsim.FaultOps(), " ") + "\n" +
			"KIND  " + strings.Join(hubspotsim.FaultKinds(), " ") + "\n\n" +
			"On the same listener: POST /_sim/faults (same text), GET /_sim/stats, GET /_sim/contacts, POST /_sim/reset.\n" +
			"What a person does in HubSpot: POST /_sim/create, edit, archive, restore, merge, optout, subscribe or bulk, as JSON, e.g.\n" +
			"{\"email\":\"ada@example.com\",\"properties\":{\"city\":\"Oslo\"}} to edit; GET /_sim/changes lists it, GET /_sim/consent who could be\n" +
			"mailed. POST /_sim/index {\"lag\":\"5s\",\"spread\":\"10m\"} lets search show changes out of order.",
		Example: "  leadsync simulate --listen 127.0.0.1:0 --latency 0 --limit 0\n" +
			"  leadsync simulate --faults 'batch_create=429x3,batch_create=lost,token=500x2'",
		Args: wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkSimulation(cfg); err != nil {
				return &exitError{exitUsage, err}
			}
			if cfg.Limit > 0 {
				cfg.Daily, cfg.SearchLimit = simulatedDaily, simulatedSearch
			}
			log, _, err := observe.New(observe.Options{Out: env.stderr, Format: "auto", Level: "warn"})
			if err != nil {
				return err
			}
			cfg.Log = log
			sim, err := hubspotsim.New(cfg)
			if err != nil {
				return fmt.Errorf("make simulator: %w", err)
			}
			l, err := hubspotsim.Listen(c.Context(), listen)
			switch {
			case errors.Is(err, hubspotsim.ErrNotLoopback):
				return &exitError{exitUsage, fmt.Errorf("--listen %s is refused: the simulator gives its credentials to whoever asks, "+
					"so it listens on 127.0.0.1, [::1] or localhost only, as HOST:PORT", listen)}
			case errors.Is(err, syscall.EADDRINUSE):
				return fmt.Errorf("another program listens on %s; stop it, or choose another port with --listen (port 0 = any free one)", listen)
			case err != nil:
				return err
			}
			url, cred := "http://"+l.Addr().String(), sim.Credentials()
			if _, err := fmt.Fprintf(env.stdout, "SIM_URL=%s\nSIM_STATIC_TOKEN=%s\nSIM_CLIENT_ID=%s\nSIM_CLIENT_SECRET=%s\n"+
				"SIM_REFRESH_TOKEN=%s\nSIM_PORTAL_ID=%d\nSIM_AUTHORIZE_URL=%s\nSIM_ADMIN_URL=%s\nready\n",
				url, cred.StaticToken, cred.ClientID, cred.ClientSecret, cred.RefreshToken, cred.PortalID,
				url+hubspotsim.AuthorizePath, url+hubspotsim.AdminPath); err != nil {
				_ = l.Close()
				return fmt.Errorf("print addresses: %w", err)
			}
			return sim.Serve(c.Context(), l)
		},
	}
	f := c.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:8979", "loopback `ADDRESS` and port; port 0 = any free one")
	f.Uint64Var(&cfg.Seed, "seed", 1, "`NUMBER` that decides credentials, ids and the order of results")
	f.DurationVar(&cfg.Latency, "latency", 150*time.Millisecond, "`TIME` that each request takes")
	f.IntVar(&cfg.Limit, "limit", 190, "`REQUESTS` allowed in a window; 0 = no limit, neither a day's nor on search")
	f.DurationVar(&cfg.Window, "window", 10*time.Second, "`LENGTH` of the window")
	f.DurationVar(&cfg.IndexLag, "index-lag", 5*time.Second, "`TIME` before search shows a change")
	f.DurationVar(&cfg.TokenLife, "token-life", 30*time.Minute, "`LIFE` of an access token")
	f.StringVar(&cfg.Faults, "faults", "", "`SCRIPT` of what goes wrong")
	return c
}

// checkSimulation says what is wrong with the flags.
func checkSimulation(cfg hubspotsim.Config) error {
	switch {
	case cfg.Latency < 0, cfg.IndexLag < 0:
		return errors.New("--latency and --index-lag cannot be negative")
	case cfg.Limit < 0:
		return errors.New("--limit cannot be negative; 0 = no limit")
	case cfg.Window <= 0:
		return errors.New("--window must be longer than 0")
	case cfg.TokenLife < time.Second:
		return errors.New("--token-life must be at least 1s, since HubSpot gives it in whole seconds")
	}
	if err := hubspotsim.CheckFaults(cfg.Faults); err != nil {
		return fmt.Errorf("--faults: %w", err)
	}
	return nil
}
