package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/observe"
)

// The exit codes. A Go crash is 2 by Go's own choice.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
	exitWrong  = 3  // checked, and something is wrong
	exitConfig = 78 // configuration refused; systemd does not restart on it
)

// exitError gives a command's error its exit code. With a nil err nothing is printed: the command has said it all.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	env := &environment{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, args: args}
	root := newRootCommand(env)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	return env.report(command, err)
}

// newRootCommand builds the tree. Each subcommand has its own file and a constructor newXxxCommand(env); a new one is
// listed here.
func newRootCommand(env *environment) *cobra.Command {
	root := group("leadsync", "Sync leads from an outbox table to HubSpot and back",
		newAuthCommand(env),
		newBackupCommand(env),
		newConfigCommand(env),
		newConsentCommand(env),
		newDemoCommand(env),
		newDoctorCommand(env),
		newEraseCommand(env),
		newExplainCommand(env),
		newHashCommand(env),
		newInboxCommand(env),
		newManCommand(env),
		newMigrateCommand(env),
		newOutboxCommand(env),
		newPauseCommand(env),
		newPullCommand(env),
		newPushCommand(env),
		newResumeCommand(env),
		newRunCommand(env),
		newSimulateCommand(env),
		newStatusCommand(env),
		newVersionCommand(env),
	)
	root.Long = "leadsync pushes lead events from an application's outbox table to HubSpot contacts, and pulls what people change there into its inbox.\n" +
		"The application writes rows in its own transaction; leadsync does the rest, and can prove what became of every row."
	root.Example = "  leadsync demo\n  leadsync config check --config /etc/leadsync/leadsync.yaml\n  leadsync run"
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().StringVar(&env.configFile, "config", "",
		"configuration `FILE` (default $LEADSYNC_CONFIG, then "+config.DefaultFile+")")
	root.SetFlagErrorFunc(env.flagError)
	root.SetHelpCommand(newHelpCommand(root))
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil && completion != root {
		asGroup(completion)
	}
	env.markStarts(root)
	return root
}

// group makes a command that only holds others: alone it prints its help, with a word that is none of them it suggests
// the nearest one and fails. cobra itself would print the help and exit 0.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	c.AddCommand(subs...)
	return asGroup(c)
}

func asGroup(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		return unknownCommand(c, args[0])
	}
	return c
}

func unknownCommand(c *cobra.Command, word string) error {
	text := fmt.Sprintf("unknown command %q for %q", word, c.CommandPath())
	if near := c.SuggestionsFor(word); len(near) > 0 {
		text += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return &exitError{exitUsage, errors.New(text)}
}

// newHelpCommand replaces cobra's, which exits 0 on an unknown topic.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err == nil && len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			if err != nil {
				return &exitError{exitUsage, err}
			}
			return found.Help()
		},
	}
}

// flagError words a bad flag. `leadsync stauts --json` is a typo in the command, not in the flag.
func (e *environment) flagError(c *cobra.Command, err error) error {
	if c.HasSubCommands() {
		path := strings.Fields(c.CommandPath())[1:]
		for _, word := range e.args {
			if len(path) > 0 && word == path[0] {
				path = path[1:]
				continue
			}
			if strings.HasPrefix(word, "-") || word == e.configFile {
				continue
			}
			if len(path) == 0 {
				return unknownCommand(c, word)
			}
		}
	}
	return &exitError{exitUsage, err}
}

// markStarts lets report tell wrong usage (before a command's own code) from failure (inside it).
func (e *environment) markStarts(c *cobra.Command) {
	if body := c.RunE; body != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			e.started = true
			return body(c, args)
		}
	}
	for _, sub := range c.Commands() {
		e.markStarts(sub)
	}
}

// report prints the error and chooses the exit code.
func (e *environment) report(c *cobra.Command, err error) int {
	if err == nil {
		return exitDone
	}
	refused, isConfig := errors.AsType[*config.Error](err)
	exit, isExit := errors.AsType[*exitError](err)
	code := exitFailed
	switch {
	case isExit:
		code = exit.code
	case isConfig:
		code = exitConfig
	case !e.started:
		code = exitUsage
	}
	switch {
	case isExit && exit.err == nil:
	case isConfig:
		for _, p := range refused.Problems {
			fmt.Fprintln(e.stderr, visible(p.String()))
		}
	default:
		fmt.Fprintln(e.stderr, "leadsync: "+visibleLines(observe.Mask(err.Error())))
	}
	if code == exitUsage && c != nil {
		fmt.Fprintf(e.stderr, "Run '%s --help' for usage.\n", c.CommandPath())
	}
	return code
}
