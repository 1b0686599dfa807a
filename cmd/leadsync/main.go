// Command leadsync pushes the lead events of an application's outbox table to HubSpot contacts, and answers its operator.
//
// Guarantee: every command ends with one of the exit codes of this file, says on standard error why it was not 0, and prints
// results on standard output alone. It does no work itself: each file beside this one is one subcommand that reads flags, calls
// the packages below internal/, and prints.
//
// Design: main is one screen; os.Exit, signals and the process environment appear here and nowhere else, so tests run whole
// commands in their own process. A control socket for the commands was rejected: they talk to the database, which has access
// rules already and answers when the daemon is down.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

// mainCode gives the first SIGINT or SIGTERM to the command as the end of its context; a second one kills. The daemon outlives whoever
// read its log; any other command ends when nobody reads what it prints.
func mainCode() int {
	if slices.Contains(os.Args[1:], "run") {
		signal.Ignore(syscall.SIGPIPE)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
}
