// Package demo runs the main job once, for a person who wants to see it: an application inserts leads into lead_outbox
// with plain SQL, the real daemon pushes them, people change contacts and the application reads of it in lead_inbox,
// and a simulated HubSpot misbehaves in every way an evening can bring.
//
// Guarantee: the account it ends with is not the daemon's word. Rows are counted by the application's own journal,
// contacts are read from the simulator over HTTP, what people changed is the simulator's log, and package replay, which
// shares nothing with the code under test, says what contacts and inbox must be. A demo in which a fault did not
// happen, or a row ended otherwise than the story says, is broken as well. Nothing is left behind: the daemon dies with
// the demo, and the folder is removed unless it is to be kept.
//
// It does not test: one run of one story proves little, that is what the tests are for. It needs no network and no
// configuration, and touches no database but its own.
//
// Design: the daemon is a child process, this same binary started again, so what is shown is what runs in production:
// its own configuration file, its own connection to a real SQLite file, and a SIGKILL that is one. Running the daemon
// inside the demo's process was rejected, since nothing in one process can be killed in the middle of a request. The
// daemon has no limit of its own here (requests_per_10s: 0): after a kill it would rightly count HubSpot's window as
// full and wait ten seconds.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Options are what a demo is made from.
type Options struct {
	// Leads is how many are generated; 0 = 1000. Ignored with File.
	Leads int
	// File is a CSV or JSONL file of leads to insert instead.
	File string
	// Seed decides the generated leads and the simulator's credentials.
	Seed uint64
	// Keep is a folder for the database, the configuration and the daemon's log, made when missing; "" = a temporary one
	// that is removed at the end.
	Keep string
	// Binary is the leadsync to start as the daemon; "" = this process's own.
	Binary string
	// Environ is the environment the daemon is given, less what belongs to a service and what would change its
	// configuration.
	Environ []string
	// Out gets the progress; Live says that it is a terminal, where one line is redrawn.
	Out  io.Writer
	Live bool
	// Limit is how long the demo may take; 0 = a minute.
	Limit time.Duration
}

// Result is how a demo ended.
type Result struct {
	Account Account
	// Broken says line by line what is not as it must be; empty when the demo balances.
	Broken []string
	// Folder is where the files are kept; "" when they are removed.
	Folder string
}

// errLimit ends a demo that takes too long.
var errLimit = errors.New("the time is over")

// Run plays the demo. The error is about a demo that could not be played to its end: interrupted, out of time, the
// daemon died; then there is no result. A demo that was played and does not balance is no error.
func Run(ctx context.Context, o Options) (result *Result, err error) {
	if o.Leads <= 0 {
		o.Leads = 1000
	}
	if o.Limit <= 0 {
		o.Limit = time.Minute
	}
	if o.Binary == "" {
		if o.Binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this binary to start it again: %w", err)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Limit, errLimit)
	defer cancel()
	source, err := readSource(ctx, o)
	if err != nil {
		return nil, err
	}
	f, err := makeFolder(o.Keep)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.remove()) }()
	f.both = source.own
	hub, err := openHubSpot(o.Seed)
	if err != nil {
		return nil, err
	}
	defer hub.close()
	cred := hub.sim.Credentials()
	if err := f.write(hub.url, cred.ClientID, cred.ClientSecret); err != nil {
		return nil, err
	}
	d := &daemon{binary: o.Binary, config: f.config(), environ: childEnviron(o.Environ), log: f.path("daemon.log")}
	defer d.kill()
	s := &story{o: o, source: source, folder: f, hub: hub, daemon: d, out: &progress{w: o.Out, live: o.Live}}
	err = s.play(ctx)
	s.out.clear()
	if err != nil {
		return nil, s.blame(ctx, err)
	}
	result, err = s.account(ctx)
	if err != nil {
		return nil, s.blame(ctx, err)
	}
	result.Folder = f.kept
	return result, nil
}

// blame words the end of a demo that could not be played, and adds what the daemon said last where that may help.
func (s *story) blame(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errLimit):
		err = fmt.Errorf("the demo did not end within %s: in the part %q %d of %d rows are not settled", s.o.Limit, s.part, s.last.due, s.last.rows)
	case cause != nil:
		return errors.New("interrupted; the daemon is gone, and so is its folder unless it was to be kept")
	}
	if last := s.daemon.tail.last(); last != "" {
		return fmt.Errorf("%w; the daemon's last lines:\n%s", err, last)
	}
	return err
}
