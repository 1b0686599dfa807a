package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/pull"
)

func newPullCommand(env *environment) *cobra.Command {
	var (
		once, asJSON  bool
		stream, since string
	)
	c := &cobra.Command{
		Use:   "pull --once",
		Short: "Bring what changed in HubSpot into lead_inbox, once, and exit",
		Long: "Runs each stream once as the daemon would and exits. It refuses while a daemon serves the portal. --since reads changes from\n" +
			"then on, also what was read before: what the application was told already is not told again. A run that is broken off goes\n" +
			"on where it was when it is started again, without --since.\n\n" +
			"The streams: changes, lagged (the same an hour behind), optout, archived, mapping (once after the mapping came to tell a field).",
		Example: "  leadsync pull --once\n  leadsync pull --once --stream changes --since 2026-01-01",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			what, err := pullWhat(once, stream, since)
			if err != nil {
				return err
			}
			daemon, err := env.newApp(nil)
			if err != nil {
				return err
			}
			var bar *progress
			what.Progress = func(stream string, done pull.Result) {
				if bar == nil || bar.name != stream {
					if bar != nil {
						bar.end()
					}
					bar = newProgress(env.stderr, stream, 0)
				}
				bar.show(int64(done.Seen), 0)
			}
			pulled, err := daemon.PullOnce(c.Context(), what)
			if bar != nil {
				bar.end()
			}
			for _, p := range pulled {
				if e := env.printPulled(p, asJSON); e != nil {
					return e
				}
			}
			return configExit(err)
		},
	}
	f := c.Flags()
	f.BoolVar(&once, "once", false, "run the streams once and exit")
	f.StringVar(&stream, "stream", "", "only this `STREAM`: changes, lagged, optout, archived or mapping")
	f.StringVar(&since, "since", "", "read changes from this `TIME` on: 2026-01-31, or 2026-01-31T08:00:00Z")
	jsonFlag(c, &asJSON)
	return c
}

// pullWhat reads the flags.
func pullWhat(once bool, stream, since string) (pull.Once, error) {
	what := pull.Once{Stream: stream}
	wrong := func(format string, args ...any) (pull.Once, error) {
		return what, &exitError{exitUsage, fmt.Errorf(format, args...)}
	}
	if !once {
		return what, &exitError{exitUsage, errors.New("pull needs --once; the daemon is `leadsync run`")}
	}
	if stream != "" && !slices.Contains(pull.Streams(), pull.Stream(stream)) {
		var names []string
		for _, s := range pull.Streams() {
			names = append(names, string(s))
		}
		return wrong("--stream %q, want one of %s", stream, strings.Join(names, ", "))
	}
	if since == "" {
		return what, nil
	}
	if stream != "" && stream != string(pull.Changes) && stream != string(pull.Lagged) {
		return wrong("--since goes with changes and lagged; %s always looks at all of it", stream)
	}
	at, ok := config.PullStart(since).Time()
	if !ok || at.After(time.Now()) {
		return wrong("--since %q, want a time that has passed, such as 2026-01-31 or 2026-01-31T08:00:00Z", since)
	}
	what.Since = at
	return what, nil
}

func (e *environment) printPulled(p pull.Done, asJSON bool) error {
	if asJSON {
		return e.printJSON(struct {
			Stream string `json:"stream"`
			pull.Result
		}{p.Stream, p.Result})
	}
	_, err := fmt.Fprintf(e.stdout, "%s pages %d, seen %d, applied %d, echoes %d, conflicts %d\n", p.Stream, p.Pages, p.Seen, p.Applied, p.Echoes, p.Conflicts)
	return err
}
