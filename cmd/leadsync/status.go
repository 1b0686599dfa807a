package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/doctor"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// watchEvery is the time between two drawings of `status --watch`.
const watchEvery = 2 * time.Second

func newStatusCommand(env *environment) *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the lane stands and what waits; exit code 3 when something is wrong",
		Long: "Tells who serves the portals of this database, how their lanes stand, how many rows there are in each state, and what is wrong\n" +
			"with a cure for it. It reads the database and asks for the space of its disk, no more, so it answers also when the daemon is gone.\n\n" +
			"Exit code 3: a lane is neither running nor limited, or rows wait and no daemon is alive. Dead rows, and rows of event types\n" +
			"that this version does not act on, are named as problems, but they are not 3. Exit code 1: the database is away.\n\n" +
			"--watch draws anew every two seconds until it is interrupted, and then exits with 0.",
		Example: "  leadsync status\n  leadsync status --json | jq '.portals[0].queue'\n  leadsync status --watch",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			if watch {
				return env.watchStatus(c, asJSON)
			}
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				report, err := makeReport(c.Context(), cfg, db)
				if err != nil {
					return err
				}
				if err := env.printReport(env.stdout, report, asJSON); err != nil {
					return err
				}
				if !report.OK {
					return &exitError{code: exitWrong} // the report says why
				}
				return nil
			})
		},
	}
	jsonFlag(c, &asJSON)
	c.Flags().BoolVar(&watch, "watch", false, "draw anew every two seconds until interrupted")
	return c
}

func makeReport(ctx context.Context, cfg *config.Loaded, db *store.DB) (status.Report, error) {
	in, err := status.Collect(ctx, db.Operator(), status.Input{Version: readVersion().Version, Portal: cfg.Portal, AlertAfter: cfg.Status.AlertAfter})
	if err != nil {
		return status.Report{}, err
	}
	in.Now, in.Full = time.Now(), doctor.ThisHost(cfg.Credentials.Instance).FullFolder(cfg)
	return status.Build(in), nil
}

func (e *environment) printReport(out io.Writer, report status.Report, asJSON bool) error {
	var b bytes.Buffer
	if asJSON {
		inner := *e
		inner.stdout = safeJSON{&b}
		if err := inner.printJSON(report); err != nil {
			return err
		}
	} else {
		writeReport(&b, report)
	}
	if _, err := out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	return nil
}

// The sequences of a terminal: https://invisible-island.net/xterm/ctlseqs/ctlseqs.html (read 2026-11-22).
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l" // the alternate screen, without a cursor
	screenClose = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// watchStatus repeats the report until the command is interrupted. A database that goes away in between is told and
// waited for; one that is away at the start is an error, as without --watch.
func (e *environment) watchStatus(c *cobra.Command, asJSON bool) error {
	return e.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
		report, err := makeReport(c.Context(), cfg, db)
		if err != nil {
			return err
		}
		screen := isTerminal(e.stdout) && !asJSON
		if screen {
			if _, err := io.WriteString(e.stdout, screenOpen); err != nil {
				return fmt.Errorf("print status: %w", err)
			}
			defer io.WriteString(e.stdout, screenClose) //nolint:errcheck // nothing more can be done
		}
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		var away error
		for first := true; ; first = false {
			if err := e.draw(report, away, screen, asJSON, first); err != nil {
				return err
			}
			select {
			case <-c.Context().Done():
				return nil
			case <-tick.C:
			}
			report, err = makeReport(c.Context(), cfg, db)
			switch {
			case err == nil:
				away = nil
			case c.Context().Err() != nil:
				return nil
			case !store.IsUnavailable(err):
				return err
			default:
				away = fmt.Errorf("database %s: %s", db, store.Cause(err))
			}
		}
	})
}

// draw shows one report, or that the database is away.
func (e *environment) draw(report status.Report, away error, screen, asJSON, first bool) error {
	if away != nil && !screen {
		_, err := fmt.Fprintln(e.stderr, "leadsync: "+away.Error())
		return err
	}
	if asJSON {
		return e.printReport(e.stdout, report, true)
	}
	var b bytes.Buffer
	if away != nil {
		fmt.Fprintf(&b, "%s\n%s\n", status.Clock(time.Now().UnixMilli()), away)
	} else {
		writeReport(&b, report)
	}
	text := b.String()
	switch {
	case screen:
		text = onScreen(text, e.stdout)
	case !first:
		text = "\n" + text
	}
	if _, err := io.WriteString(e.stdout, text); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	return nil
}

// onScreen fits a text into the terminal: what is too wide or too long is left out, since it would scroll.
func onScreen(text string, terminal any) string {
	width, height := terminalSize(terminal)
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) > height {
		more := len(lines) - height + 1
		lines = append(lines[:height-1], fmt.Sprintf("(%d more lines)", more))
	}
	var b strings.Builder
	b.WriteString(screenHome)
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(clearLine) // before the text: behind a full line it would take the last character
		b.WriteString(cut(line, width))
	}
	b.WriteString(clearBelow)
	return b.String()
}
