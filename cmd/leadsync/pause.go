package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

func newPauseCommand(env *environment) *cobra.Command {
	c := env.newLaneCommand("pause", "paused", func(ctx context.Context, db *store.DB, portal string, lanes []string) (int64, error) {
		return db.Operator().PauseLanes(ctx, portal, lanes, env.operator())
	})
	c.Short = "Stop lanes by hand until they are resumed"
	c.Long = "Stops lanes of the portal: live and backfill send nothing more to HubSpot, pull reads nothing. Rows wait and lose no attempt. The\n" +
		"daemon obeys within a poll; requests under way end. The pause stands in the database: it survives restarts, works while the\n" +
		"daemon is down, and `leadsync status` tells of it until `leadsync resume`.\n\n" +
		"Unsubscribes go on, since a person who said no must not get mail meanwhile; --all stops them too."
	c.Example = "  leadsync pause live\n  leadsync pause live backfill\n  leadsync pause --all"
	return c
}

func newResumeCommand(env *environment) *cobra.Command {
	c := env.newLaneCommand("resume", "resumed", func(ctx context.Context, db *store.DB, portal string, lanes []string) (int64, error) {
		return db.Operator().ResumeLanes(ctx, portal, lanes)
	})
	c.Use = "resume [LANE...] | --deletes"
	var deletes bool
	c.Flags().BoolVar(&deletes, "deletes", false, "deletes and erases that the brake has paused")
	lanes := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if !deletes {
			return lanes(c, args)
		}
		if len(args) > 0 || c.Flags().Changed("all") {
			return &exitError{exitUsage, errors.New("name lanes or give --deletes, not both")}
		}
		return env.resumeDeletes(c)
	}
	c.Short = "Let paused lanes, or deletes, go on"
	c.Long = "Lets lanes go on that `leadsync pause` stopped; without a lane, or with --all, all of them. A lane that the daemon itself paused, because most rows are\n" +
		"refused, is not meant: it probes and goes on by itself when the cause is mended.\n\n" +
		"lead.deleted and lead.erased of more contacts in an hour than push.max_deletes_per_hour pause all of them, so that a mistake in the\n" +
		"application cannot empty the CRM. --deletes lets those go that are pending now, however many, and counts anew for the ones behind\n" +
		"them. Look at them first: leadsync outbox list --state pending"
	c.Example = "  leadsync resume live\n  leadsync resume --all\n  leadsync resume --deletes"
	return c
}

// resumeDeletes lets the deletes and erases go that the brake has paused.
func (e *environment) resumeDeletes(c *cobra.Command) error {
	return e.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
		portal, _ := c.Flags().GetString("portal")
		if portal == "" {
			portal = cfg.Portal
		}
		n, err := db.Operator().ResumeDeletes(c.Context(), portal)
		if err != nil {
			return err
		}
		if asJSON, _ := c.Flags().GetBool("json"); asJSON {
			return e.printJSON(map[string]int64{"let_go": n})
		}
		_, err = fmt.Fprintf(e.stdout, "let go %d\n", n)
		return err
	})
}

// newLaneCommand is pause or resume. apply returns how many lanes it changed.
func (e *environment) newLaneCommand(verb, done string, apply func(context.Context, *store.DB, string, []string) (int64, error)) *cobra.Command {
	var all, asJSON bool
	var portal string
	c := &cobra.Command{
		Use: verb + " LANE...",
		RunE: func(c *cobra.Command, args []string) error {
			lanes, err := parseLanes(args, all || verb == "resume" && len(args) == 0)
			if err != nil {
				return err
			}
			return e.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				if portal == "" {
					portal = cfg.Portal
				}
				changed, err := apply(c.Context(), db, portal, lanes)
				if err != nil {
					return err
				}
				now, err := db.View(portal).Pauses(c.Context())
				if err != nil {
					return err
				}
				paused := make([]string, len(now))
				for i, p := range now {
					paused[i] = p.Lane
				}
				slices.SortFunc(paused, func(a, b string) int {
					return slices.Index(status.Lanes(), a) - slices.Index(status.Lanes(), b)
				})
				if asJSON {
					return e.printJSON(laneResult{portal, changed, paused})
				}
				words := "nothing is paused"
				if len(paused) > 0 {
					words = "paused now: " + strings.Join(paused, ", ")
				}
				_, err = fmt.Fprintf(e.stdout, "%s %d, %s\n", done, changed, words)
				return err
			})
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all lanes, unsubscribe too")
	c.Flags().StringVar(&portal, "portal", "", "lanes of this `PORTAL`; default the one of the configuration")
	jsonFlag(c, &asJSON)
	return c
}

// laneResult is what pause and resume print.
type laneResult struct {
	Portal  string   `json:"portal"`
	Changed int64    `json:"changed"`
	Paused  []string `json:"paused"` // what is paused now
}

// parseLanes reads lanes of the command line.
func parseLanes(args []string, all bool) ([]string, error) {
	usage := func(format string, args ...any) error { return &exitError{exitUsage, fmt.Errorf(format, args...)} }
	switch {
	case all && len(args) > 0:
		return nil, usage("name lanes or give --all, not both")
	case all:
		return status.Lanes(), nil
	case len(args) == 0:
		return nil, usage("LANE is missing: live, backfill or pull, or --all")
	}
	for _, lane := range args {
		switch {
		case lane == status.LaneUnsubscribe:
			return nil, &exitError{exitUsage, errors.New("unsubscribe stops and goes on together with all others only: --all")}
		case !slices.Contains(status.Lanes(), lane):
			return nil, usage("%q is no lane, want live, backfill or pull", lane)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(args))), nil
}

// operator is who runs the command, as far as the environment tells; a static binary cannot ask the operating system
// for names.
func (e *environment) operator() string {
	for _, name := range []string{"SUDO_USER", "LOGNAME", "USER"} {
		if who := e.getenv(name); who != "" {
			return visible(cut(who, 64))
		}
	}
	return ""
}
