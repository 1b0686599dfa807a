package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"leadsync/internal/demo"
)

func newDemoCommand(env *environment) *cobra.Command {
	var o demo.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See leads go to a simulated HubSpot, and what people change there come back",
		Long: "Starts a simulated HubSpot and, as a process of its own, the daemon on a new SQLite file, and plays an application that inserts\n" +
			"leads with plain SQL: 1,000 generated ones, or those of a CSV or JSONL file. They are mixed with updates, repetitions and poison,\n" +
			"while tokens live three seconds or less, HubSpot answers 429 and 502 and loses answers, and the daemon is killed once and started\n" +
			"again. A backlog is overtaken by an unsubscribe, one lead is deleted, and one is erased for good. With generated leads, people edit contacts, opt one out, throw one away and take it back, and twice change what the\n" +
			"application changes too.\n" +
			"Needs no configuration (--config is not read), no network and no service; takes about fifteen seconds, and a minute at most.\n\n" +
			"Ends with an account on standard output, one `name value` a line (--json: one object with the same names):\n" +
			"  inserted                 rows that the application committed, by its own journal\n" +
			"  delivered, skipped.REASON, dead.REASON, pending\n" +
			"                           how they stand in lead_outbox\n" +
			"  changed_there            what people changed in HubSpot, by its own log\n" +
			"  inbox.TYPE               rows of lead_inbox that the application was told\n" +
			"  conflicts                fields that both sides changed, each decided and named in the daemon's log\n" +
			"  unsubscribe_ms           from the commit of an unsubscribe behind a backlog to settled_at\n" +
			"  unsubscribe_overtook     rows of the backlog that were settled after it\n" +
			"  deleted, erased          people whose contact was archived, and erased, at the application's word\n" +
			"  contacts                 what HubSpot holds at the end\n" +
			"  requests                 all requests that HubSpot counted\n" +
			"  write_requests_per_1000  those that write, for 1,000 rows inserted; repetitions after faults are in it\n" +
			"  latency_p50_ms, latency_p99_ms\n" +
			"                           from the return of the application's commit to settled_at, over the delivered rows of the live lane\n" +
			"                           that were committed while nothing was made to go wrong; -1 when there are none\n" +
			"  restarts                 of the daemon\n" +
			"  balance                  ok, or broken: then standard error says which leads differ, and in what\n\n" +
			"Exit code 0 only when every row is accounted for, every contact is what a plain replay of its events gives, and the application\n" +
			"was told every change of people that it is to be told, once.",
		Example: "  leadsync demo\n  leadsync demo --leads leads.csv --keep /tmp/leadsync-demo --json",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			o.Environ, o.Out, o.Live = env.environ, env.stderr, isTerminal(env.stderr)
			result, err := demo.Run(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = env.printJSON(result.Account)
			} else if err = result.Account.WriteText(env.stdout); err != nil {
				err = fmt.Errorf("print result: %w", err)
			}
			for i, line := range result.Broken {
				if i == maxBroken {
					fmt.Fprintf(env.stderr, "broken: and %d more\n", len(result.Broken)-maxBroken)
					break
				}
				fmt.Fprintln(env.stderr, "broken: "+line)
			}
			if result.Folder != "" {
				fmt.Fprintln(env.stderr, "kept in "+result.Folder)
			}
			if err == nil && len(result.Broken) > 0 {
				err = errors.New("the demo does not balance")
			}
			return err
		},
	}
	c.Flags().StringVar(&o.File, "leads", "", "CSV or JSONL `FILE` of leads, as `outbox add --file` reads it, instead of generated ones")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "seed `N` of the generated leads: the same seed, the same leads")
	c.Flags().StringVar(&o.Keep, "keep", "", "keep database, configuration and the daemon's log in `DIR`")
	jsonFlag(c, &asJSON)
	return c
}

// maxBroken is how many differences are printed.
const maxBroken = 50
