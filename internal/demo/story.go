package demo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/replay"
)

// story is what happens in a demo, in order. One goroutine plays it.
type story struct {
	o      Options
	source *source
	folder *folder
	hub    *hubSpot
	daemon *daemon
	app    *application
	out    *progress

	part     string
	last     counts   // the last look at the outbox
	steady   []string // leads that HubSpot has, to go on with
	restarts int
	broken   []string // what did not happen though the story says so

	edits     []replay.Edit  // what people typed in HubSpot
	lost      replay.Edit    // the one of them that the application's value overtook
	expected  map[string]int // inbox rows by change type
	patience  time.Duration  // of hears; 0 = hearPatience
	conflicts int            // named in the daemon's log
}

// play runs the story until every row is settled, or waits for something that is not near, and the daemon has stopped.
func (s *story) play(ctx context.Context) (err error) {
	s.begin("a database, and the daemon on it")
	if err := s.daemon.prepare(ctx, s.hub.sim.Credentials().RefreshToken); err != nil {
		return err
	}
	if s.app, err = openApplication(ctx, s.folder.database()); err != nil {
		return err
	}
	if err := s.daemon.start(ctx); err != nil {
		return err
	}
	parts := s.source.share(10, 30, 10, 10, 20, 10, 10)
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return s.single(ctx, parts[0]) },
		func(ctx context.Context) error { return s.bulk(ctx, parts[1]) },
		s.changes,
		func(ctx context.Context) error { return s.poison(ctx, parts[2]) },
		func(ctx context.Context) error { return s.staleToken(ctx, parts[3]) },
		func(ctx context.Context) error { return s.storm(ctx, parts[4]) },
		func(ctx context.Context) error { return s.badAnswers(ctx, parts[5]) },
		s.overtaking,
		s.leaving,
		s.salesDay,
		func(ctx context.Context) error { return s.killed(ctx, parts[6]) },
		s.decided,
		s.afterwards,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	// One refresh to take the grant over, one for the tokens that HubSpot ended, and those of their age.
	if n := s.hub.sim.Stats().Refreshes; n < 2 {
		s.happened("a token refresh", n, 2)
	}
	s.begin("the daemon is asked to stop")
	return s.daemon.stop(ctx)
}

func (s *story) begin(part string) {
	s.part = part
	s.out.begin(part)
}

// pollEvery is how often the story looks at the outbox.
const pollEvery = 25 * time.Millisecond

// settled waits until no row is due any more.
func (s *story) settled(ctx context.Context) error {
	for {
		c, err := s.look(ctx)
		if err != nil {
			return err
		}
		if c.due == 0 {
			s.out.done(c)
			return nil
		}
		if err := backoff.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// look counts and shows, and is where a dead daemon is noticed.
func (s *story) look(ctx context.Context) (counts, error) {
	if err := s.daemon.died(); err != nil {
		return counts{}, err
	}
	c, err := s.app.count(ctx)
	if err == nil {
		s.last = c
		s.out.show(c)
	}
	return c, err
}

// singleGap is the time between two commits of the first part.
const singleGap = 10 * time.Millisecond

// single: one lead a transaction, as people sign up.
func (s *story) single(ctx context.Context, events []event) error {
	s.begin("people sign up one by one")
	for i := range events {
		if err := s.app.commit(ctx, events[i:i+1], true); err != nil {
			return err
		}
		if i < 100 { // a large file is not made to wait
			if err := backoff.Sleep(ctx, singleGap); err != nil {
				return err
			}
			if _, err := s.look(ctx); err != nil {
				return err
			}
		}
	}
	err := s.settled(ctx)
	if err == nil {
		s.steady, err = s.app.delivered(ctx)
	}
	return err
}

// perTransaction is how many leads the application takes into one transaction.
const perTransaction = 50

// bulk: many leads in few transactions, and one transaction that is rolled back.
func (s *story) bulk(ctx context.Context, events []event) error {
	s.begin("a crowd arrives")
	ghost := s.source.gen.Lead(ghostLead)
	err := s.app.rollBack(ctx, []event{{leadID: ownLead("rolled-back"), kind: registered, email: &ghost.Email, properties: ghost.JSON()}})
	if err != nil {
		return err
	}
	if err := s.insert(ctx, events, true); err != nil {
		return err
	}
	return s.settled(ctx)
}

// insert commits the events in transactions of perTransaction.
func (s *story) insert(ctx context.Context, events []event, calm bool) error {
	for len(events) > 0 {
		n := min(perTransaction, len(events))
		if err := s.app.commit(ctx, events[:n], calm); err != nil {
			return err
		}
		events = events[n:]
		if _, err := s.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// staleToken: HubSpot ends all access tokens before their time, while the daemon holds one.
func (s *story) staleToken(ctx context.Context, events []event) error {
	s.begin("the daemon holds a stale token")
	before := s.hub.sim.Stats().Unauthorized
	s.hub.sim.EndTokens(true)
	if err := s.insert(ctx, s.company(events, "token", 11), false); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	s.happened("401", s.hub.sim.Stats().Unauthorized-before, 1)
	return nil
}

// storm: HubSpot answers one request after the other with 429.
func (s *story) storm(ctx context.Context, events []event) error {
	s.begin("HubSpot answers 429, again and again")
	events = append(s.company(events, "storm", 12), s.piled()...)
	n := min(max(2, 2*(len(events)/100)), 6)
	return s.withFaults(ctx, events, fault{"any", "429", n})
}

// badAnswers: an error page of the edge, then answers that are lost after HubSpot has applied the request.
func (s *story) badAnswers(ctx context.Context, events []event) error {
	s.begin("502 with an HTML page")
	half := len(events) / 2
	if err := s.withFaults(ctx, s.company(events[:half], "502", 13), fault{"any", "502html", 2}); err != nil {
		return err
	}
	s.begin("answers lost after HubSpot applied them")
	faults := []fault{{"batch_create", "lost", 1}}
	if len(s.steady) > 0 {
		faults = append(faults, fault{"batch_update", "lost", 1})
	}
	return s.withFaults(ctx, s.company(events[half:], "lost", 14), faults...)
}

// fault is one entry of the simulator's script.
type fault struct {
	op, kind string
	times    int
}

func (f fault) String() string { return f.op + "=" + f.kind + "x" + strconv.Itoa(f.times) }

// withFaults inserts the events while HubSpot misbehaves, and wants every fault to have happened when they are settled.
func (s *story) withFaults(ctx context.Context, events []event, faults ...fault) error {
	before := s.hub.sim.Stats().Faults
	for _, f := range faults {
		if err := s.hub.sim.Inject(f.String()); err != nil {
			return fmt.Errorf("make the simulated HubSpot misbehave: %w", err)
		}
	}
	if err := s.insert(ctx, events, false); err != nil {
		return err
	}
	if err := s.settled(ctx); err != nil {
		return err
	}
	after, want := s.hub.sim.Stats().Faults, map[string]int{}
	for _, f := range faults {
		want[f.kind] += f.times
	}
	for kind, times := range want {
		s.happened(kind, after[kind]-before[kind], times)
	}
	if err := s.hub.sim.SetFaults(""); err != nil {
		return fmt.Errorf("make the simulated HubSpot behave: %w", err)
	}
	return nil
}

// happened notes a fault that the story tells of and that did not take place.
func (s *story) happened(what string, times, want int) {
	if times < want {
		s.broken = append(s.broken, fmt.Sprintf("part %q: %s happened %d times, the story has %d", s.part, what, times, want))
	}
}
