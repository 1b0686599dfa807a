// Command leadsync pushes the lead events of an application's outbox table to HubSpot contacts, and answers its
// operator.
//
// Guarantee: every command ends with one of the exit codes of this file, says on standard error why it was not 0, and
// prints results on standard output alone. It does no work itself: each file beside this one is one subcommand that
// reads flags, calls the packages below internal/, and prints.
//
// Design: main is one screen; os.Exit, signals and the process environment appear here and nowhere else, so tests run
// whole commands in their own process. A control socket for the commands was rejected: they talk to the database, which
// has access rules already and answers when the daemon is down.
package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

// mainCode gives the first SIGINT or SIGTERM to the command as the end of its context; a second one kills, but for the
// daemon, see daemonSignals. The daemon outlives whoever read its log; any other command ends when nobody reads what it
// prints.
func mainCode() int {
	if slices.Contains(os.Args[1:], "run") {
		signal.Ignore(syscall.SIGPIPE)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
}

// daemonSignals are those that only the daemon knows: hurry is closed by the second SIGINT or SIGTERM (a third one
// kills), reload gets a word for each SIGHUP. On a terminal SIGHUP says that it was closed, and ends the daemon as any
// other program.
func daemonSignals(terminal bool) (hurry, reload <-chan struct{}, stop func()) {
	hurried, again := make(chan struct{}), make(chan struct{}, 1)
	ends, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(ends, os.Interrupt, syscall.SIGTERM)
	if !terminal {
		signal.Notify(hangups, syscall.SIGHUP)
	}
	done := make(chan struct{})
	var listening sync.WaitGroup
	listening.Go(func() {
		for got := 0; ; {
			select {
			case <-done:
				return
			case <-hangups:
				select {
				case again <- struct{}{}:
				default: // one that has not begun sees this file too
				}
			case <-ends:
				if got++; got == 2 {
					signal.Stop(ends)
					close(hurried)
				}
			}
		}
	})
	return hurried, again, func() {
		signal.Stop(ends)
		signal.Stop(hangups)
		close(done)
		listening.Wait()
	}
}
