package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/pull"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// onceBlock is how much of the day a single pass reserves at once: one that a timer starts each minute must not use the
// day up.
const onceBlock = 10

// PullOnce runs the streams once, one after the other, and returns what each did; with an error, what was done before
// it. It refuses while another process serves the portal.
func (a *App) PullOnce(ctx context.Context, once pull.Once) ([]pull.Done, error) {
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

func (a *App) pullOnce(ctx context.Context, lease *store.Lease, once pull.Once) ([]pull.Done, error) {
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

func (o *ownership) pullStreams(ctx context.Context, once pull.Once) ([]pull.Done, error) {
	if err := o.worker.Account().Connect(ctx); err != nil {
		return nil, err
	}
	return o.pulls.Once(ctx, o.worker.Account().ID(), once)
}

// newPulls makes the loop that pulls.
func (o *ownership) newPulls() *pull.Loop {
	cfg := o.cfg
	var s pull.Store = o.portal
	if o.app.betweenPull != nil {
		s = o.app.betweenPull(s)
	}
	turn := func(s pull.Stream, most time.Duration) { o.app.loops.turn(loopPull+" "+string(s), most) }
	return pull.NewLoop(pull.LoopConfig{Schedules: schedules(&cfg.Pull), Log: o.app.log, Breaker: o.worker.Breaker(), Paused: o.pauses.pull,
		Database: ofDatabase, DatabaseWait: databaseWaits.Delay, RunWait: pullWaits.Delay, Turn: turn, NoJitter: o.app.exact},
		pull.Config{Portal: cfg.Portal, Start: pullStart(cfg.Pull.Start), Unknown: pull.Unknown(cfg.Pull.Unknown)}, o.hub, o.worker, s)
}

// beforeHubSpot is earlier than anything that HubSpot holds.
var beforeHubSpot = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// pullStart is pull.start as a time; zero = now.
func pullStart(s config.PullStart) time.Time {
	if s == config.StartAll {
		return beforeHubSpot
	}
	at, _ := s.Time()
	return at
}

// schedules says when each stream runs.
func schedules(p *config.Pull) map[pull.Stream]string {
	return map[pull.Stream]string{pull.Changes: p.Schedule, pull.Lagged: p.LaggedSchedule, pull.OptOut: p.OptoutSchedule,
		pull.Archived: p.ArchivedSchedule, pull.Mapping: p.Schedule}
}

// ofDatabase reports whether an error is the database's.
func ofDatabase(err error) bool {
	return store.IsUnavailable(err) || store.IsFull(err) || store.IsReadOnly(err) || store.IsDenied(err) || errors.Is(err, store.ErrSilent)
}

// recallPulls reads how the streams stood under owners before.
func (o *ownership) recallPulls(ctx context.Context) {
	row, err := o.portal.Row(ctx)
	if err != nil || row.HubID == 0 || o.pulls.Recall(ctx, row.HubID) != nil {
		return
	}
	snap, err := status.Parse(row.Status)
	if err != nil {
		return
	}
	for _, one := range snap.Streams {
		if one.Failing != nil && one.FailingSince != nil {
			o.pulls.RecallFailing(pull.Stream(one.Stream), *one.Failing, *one.FailingSince)
		}
	}
}

// pullStatus is how the streams stand, for `leadsync status`.
func (o *ownership) pullStatus() []status.Stream {
	states := o.pulls.States()
	all := make([]status.Stream, 0, len(states))
	for _, st := range states {
		out := status.Stream{Stream: string(st.Stream), LastRunAt: known(st.Position.RanAt), Watermark: known(st.Position.Watermark),
			Failing: text(st.Failing), SetBackAt: known(st.Position.SetBackAt)}
		if st.Failing != "" {
			out.FailingSince = known(st.FailingSince)
		}
		if last := st.Position.Last; last != nil {
			out.Seen, out.Applied, out.Conflicts = int64(last.Seen), int64(last.Applied), int64(last.Conflicts)
		}
		if st.Scheduled {
			out.NextRunAt, out.Skipped = known(millis(st.Next)), int64(st.Skipped)
			if st.Running > 0 {
				out.RunningSince = known(millis(time.Now().Add(-st.Running)))
			}
		}
		all = append(all, out)
	}
	return all
}

// known is nil for 0.
func known(ms int64) *int64 {
	if ms == 0 {
		return nil
	}
	return &ms
}
