package demo

import (
	"context"
	"fmt"
	"time"

	"leadsync/internal/backoff"
)

// lateBy is how long after its arrival HubSpot applies the request whose sender is killed meanwhile.
const lateBy = 150 * time.Millisecond

// killed: SIGKILL while a request is on its way. HubSpot applies it when its sender is dead, so nobody ever hears the
// answer.
func (s *story) killed(ctx context.Context, events []event) error {
	s.begin("SIGKILL in the middle of a request")
	before := s.hub.sim.Stats().Faults["late"]
	if err := s.hub.sim.SetFaults("batch_create=late:" + lateBy.String() + "x1"); err != nil {
		return fmt.Errorf("make the simulated HubSpot misbehave: %w", err)
	}
	if err := s.insert(ctx, s.company(events, "killed", 15), false); err != nil {
		return err
	}
	for wait := 0; s.hub.sim.Stats().Faults["late"] == before; wait++ {
		if _, err := s.look(ctx); err != nil {
			return err
		}
		if wait == 400 {
			s.happened("a request to be killed in", 0, 1)
			break
		}
		if err := backoff.Sleep(ctx, pollEvery); err != nil {
			return err
		}
	}
	s.daemon.kill()
	if err := backoff.Sleep(ctx, lateBy+pollEvery); err != nil {
		return err
	}
	if err := s.hub.sim.SetFaults(""); err != nil {
		return fmt.Errorf("make the simulated HubSpot behave: %w", err)
	}
	if err := s.bothSides(ctx); err != nil {
		return err
	}
	s.begin("the daemon is started again")
	s.restarts++
	if err := s.daemon.start(ctx); err != nil {
		return err
	}
	return s.settled(ctx)
}
