package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadsync/internal/pull"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// PullOnce says what a single pass of pull does.
type PullOnce struct {
	// Stream is the only one to run; empty = all of them.
	Stream string
	// Since makes changes (or lagged, when it is the only stream) begin there instead of where it stands; zero = not.
	Since time.Time
	// Progress is told of each page that was committed; may be nil.
	Progress func(stream string, done pull.Result)
}

// onceBlock is how much of the day a single pass reserves at once: one that a timer starts each minute must not use the day up.
const onceBlock = 10

// Pulled is what a run of one stream did.
type Pulled struct {
	Stream string
	pull.Result
}

// PullOnce runs the streams once, one after the other, and returns what each did; with an error, what was done before it. It refuses
// while another process serves the portal.
func (a *App) PullOnce(ctx context.Context, once PullOnce) ([]Pulled, error) {
	defer a.close()
	a.block = onceBlock
	if err := a.openOnce(ctx); err != nil {
		return nil, err
	}
	if err := a.pullPaused(ctx); err != nil {
		return nil, err
	}
	lease, err := a.db.AcquireFor(ctx, a.cfg.Portal, a.owner, a.cfg.HubSpot.Timeout)
	var held *store.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("%w; it pulls by itself, `leadsync status` shows how its streams stand", held)
	}
	if err != nil {
		return nil, err
	}
	return a.pullOnce(ctx, lease, once)
}

// pullPaused is an error while somebody has paused pull by hand: a pass by hand would read what was not to be read.
func (a *App) pullPaused(ctx context.Context) error {
	all, err := a.db.View(a.cfg.Portal).Pauses(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Lane == status.LanePull {
			return errors.New("pull was paused by hand; let it go on: leadsync resume pull")
		}
	}
	return nil
}

func (a *App) pullOnce(ctx context.Context, lease *store.Lease, once PullOnce) ([]Pulled, error) {
	o, err := a.own(lease)
	if err != nil {
		return nil, errors.Join(err, release(lease, true))
	}
	work, cut := context.WithCancelCause(ctx)
	defer cut(nil)
	hold, letGo := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	parts.Go(func() {
		if errors.Is(lease.Run(hold), settlement.ErrLeaseLost) {
			cut(settlement.ErrLeaseLost)
		}
	})
	done, err := o.pullStreams(work, once)
	o.save(hold)
	cut(nil)
	letGo()
	parts.Wait()
	o.hub.tokens.close()
	return done, errors.Join(err, release(lease, false)) // it wrote nothing to HubSpot
}

func (o *ownership) pullStreams(ctx context.Context, once PullOnce) ([]Pulled, error) {
	if err := o.worker.Account().Connect(ctx); err != nil {
		return nil, err
	}
	hubID := o.worker.Account().ID()
	var done []Pulled
	for _, s := range pull.Streams() { // what status shows of the others
		if _, ok := o.pulls.startAt(ctx, hubID, s); !ok {
			return nil, ctx.Err()
		}
	}
	for _, s := range pull.Streams() {
		if once.Stream != "" && once.Stream != string(s) {
			continue
		}
		options := pull.RunOptions{}
		if s == pull.Changes || once.Stream != "" {
			options.Since = once.Since
		}
		var before pull.Result
		if once.Progress != nil {
			options.Progress = func(at pull.Position) {
				if at.Scan != nil {
					before = at.Scan.Result
				} else if at.Last != nil {
					before = *at.Last
				}
				once.Progress(string(s), before)
			}
		}
		result, err := o.pulls.runStream(ctx, s, options)
		done = append(done, Pulled{string(s), result})
		if err != nil {
			if errors.Is(context.Cause(ctx), settlement.ErrLeaseLost) || errors.Is(err, settlement.ErrLeaseLost) {
				err = errors.New("another process took the portal; what was committed stays")
			}
			return done, fmt.Errorf("stream %s: %w", s, err)
		}
	}
	return done, nil
}
