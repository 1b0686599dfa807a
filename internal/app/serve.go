package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
	"leadsync/internal/pull"
	"leadsync/internal/push"
	"leadsync/internal/retention"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// between is set by a build for tests alone, see stall.go.
var between func(Store) Store

// releaseTimeout bounds giving the portal back, so that a stop ends also while the database is away.
const releaseTimeout = 5 * time.Second

// ownership is one time of owning the portal.
type ownership struct {
	app     *App
	cfg     *config.Loaded // of this time; a reload ends it
	lease   *store.Lease
	portal  *store.Portal
	entries retention.Entries // the outbox in it
	hub     *hub
	worker  *push.Worker
	pauses  *pauses
	memory  *memory
	leave   context.CancelCauseFunc // ends the ownership while it is served
	pulls   *pull.Loop
	began   time.Time
}

func (a *App) own(lease *store.Lease) (*ownership, error) {
	h, err := a.newHub(lease)
	if err != nil {
		return nil, err
	}
	portal := a.db.Portal(lease, store.PortalConfig{Request: a.cfg.HubSpot.Timeout, Hash: a.hasher.Tombstone})
	memory := a.newMemory(portal)
	paused := &pauses{portal: portal}
	remembered := accountStore{portal}
	var s Store = pinned{portal, a.pin(remembered, h)}
	if between != nil {
		s = between(s)
	}
	if a.between != nil {
		s = a.between(s)
	}
	cfg := push.Config{
		Portal: a.cfg.Portal, PollInterval: a.cfg.Push.PollInterval, Linger: a.cfg.Push.Linger, Concurrency: a.cfg.Push.Concurrency,
		MaxAttempts: a.cfg.Push.MaxAttempts, OnInvalid: push.Mode(a.cfg.Push.OnInvalidField), Retry: rowWaits, Outage: outageWaits,
		SecondLook: a.cfg.Push.SecondLook,
		Paused:     paused.lanes, Watch: watch{a.meters, memory}, Consent: consent(a.cfg.Consent), MaxDeletes: a.cfg.Push.MaxDeletesPerHour,
		AskAdopted: a.cfg.Erase.Adopted == config.AskAdopted,
		Mapping:    table(a.cfg.Mapping), OnDefinitions: account.CompareWith(remembered, a.log), Log: a.log, Person: a.person, Turn: a.loops.turn,
	}
	if !lease.CleanBefore() { // requests of the owner before may still be executed
		cfg.Doubt, cfg.LastSeen = a.cfg.HubSpot.Timeout, a.lastSeen(portal)
	}
	o := &ownership{app: a, cfg: a.cfg, lease: lease, hub: h, worker: push.New(cfg, h, s), portal: portal, entries: s, pauses: paused, memory: memory,
		began: time.Now()}
	o.remember()
	o.pulls = o.newPulls()
	return o, nil
}

// lastSeen is when the owner before was alive for certain: its requests began at the earliest a time-out before.
func (a *App) lastSeen(portal *store.Portal) time.Time {
	row, err := portal.Row(context.Background())
	if err != nil || row.StatusAt == 0 {
		return time.Now().Add(-a.cfg.HubSpot.Timeout)
	}
	return time.UnixMilli(min(row.StatusAt, time.Now().UnixMilli())).Add(-a.cfg.HubSpot.Timeout) // the clock may have been set back
}

func table(m config.Mapping) *mapping.Table {
	fields := make([]mapping.Field, len(m.Fields))
	for i, f := range m.Fields {
		fields[i] = mapping.Field{Lead: f.Lead, Contact: f.Contact, Direction: mapping.Direction(f.Direction), Winner: mapping.Winner(f.Winner)}
	}
	return mapping.New(fields, m.IDProperty)
}

func consent(c config.Consent) push.Consent {
	out := push.Consent{Resubscribe: c.Resubscribe == config.AllowResubscribe, BusinessUnit: c.BusinessUnitID,
		Basis: hubspot.Basis{LegalBasis: c.LegalBasis, Explanation: c.Explanation}}
	if !c.Unsubscribe.All {
		out.Subscriptions = c.Unsubscribe.IDs
	}
	return out
}

// person names a lead in a log line.
func (a *App) person(id lead.ID) slog.Attr {
	if a.cfg.Log.People == config.PeoplePlain {
		return slog.String(observe.LeadID, string(id))
	}
	return slog.String(observe.LeadHash, a.hasher.Hash(string(id)))
}

// serve owns the portal until ctx ends or the lease is lost; both are nil.
func (a *App) serve(ctx context.Context, lease *store.Lease) error {
	o, err := a.own(lease)
	if err != nil {
		return errors.Join(err, release(lease, true))
	}
	if _, err := o.portal.Unpark(ctx); err != nil && ctx.Err() == nil {
		a.log.Warn(msgUnpark, observe.Err, err) // parked rows are read at the next start, or with a new row of their lead
	}
	o.recallPulls(ctx)
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	own, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	var parts sync.WaitGroup
	hold, letGo := context.WithCancel(context.WithoutCancel(ctx)) // the lease is renewed while requests under way end
	parts.Go(func() {
		if errors.Is(lease.Run(hold), settlement.ErrLeaseLost) {
			leave(settlement.ErrLeaseLost)
			cut(settlement.ErrLeaseLost)
		}
	})
	parts.Go(func() { o.wake(own) })
	o.part(&parts, loopUnsubscribe, func() {
		if errors.Is(o.worker.Unsubscribe(own, work), settlement.ErrLeaseLost) {
			leave(settlement.ErrLeaseLost)
		}
	})
	o.part(&parts, push.LoopSecondLook, func() { o.worker.LookAgain(own) })
	o.part(&parts, loopRetention, func() {
		c := retention.Config{Log: a.log, Turn: func(wait time.Duration) { a.loops.turn(loopRetention, wait) }}
		retention.KeepEntries(own, c, o.entries, o.cfg.Retention.Settled, o.cfg.Retention.Dead)
	})
	if keep := o.cfg.Retention.Inbox; keep > 0 {
		o.part(&parts, loopInbox, func() { retention.KeepInbox(own, retention.Config{Log: a.log}, o.portal, keep) })
	}
	if !a.noPull {
		o.part(&parts, loopPull, func() { o.pulls.Run(own, leave) })
	}
	o.part(&parts, push.LoopSummary, func() { o.worker.Summarise(own) })
	o.part(&parts, loopMemory, func() { o.memory.keep(own) })
	o.part(&parts, loopHealth, func() { o.watchHealth(own) })
	o.part(&parts, loopReport, func() { o.report(own, hold) })
	o.part(&parts, loopToken, func() { o.keepToken(own, hold, leave) })
	o.part(&parts, loopStop, func() {
		<-own.Done()
		reloaded := errors.Is(context.Cause(own), errReloaded)
		if ctx.Err() == nil && !reloaded {
			return
		}
		if ctx.Err() != nil {
			a.stopping.Store(true)
			a.log.Info(observe.DaemonStopping, observe.Cause, context.Cause(ctx))
			_ = a.notify.Stopping() // systemd sees the process end all the same
			a.status.show("stopping: requests under way may end")
		}
		o.drain()
		t := time.NewTimer(a.cfg.StopTimeout)
		defer t.Stop()
		select {
		case <-t.C:
			cut(errStopTimeout)
		case <-a.hurry:
			cut(errHurried)
		case <-work.Done():
		}
	})
	o.leave = leave
	a.loops.turn(push.LoopPush, 0)
	a.loops.turn(loopStart, -1)
	a.serving.Store(o)
	if a.next.Load() != nil { // a reload came in between
		leave(errReloaded)
	}
	a.becomeReady()
	err = o.worker.Run(own, work)
	a.serving.Store(nil)
	leave(nil)
	doubt := context.Cause(work) != nil || o.worker.InDoubt()
	cut(nil)
	letGo()
	parts.Wait()
	for _, name := range []string{push.LoopPush, push.LoopRequests} {
		a.loops.turn(name, -1)
	}
	a.loops.turn(loopStart, 0)
	if errors.Is(err, settlement.ErrLeaseLost) || errors.Is(context.Cause(own), settlement.ErrLeaseLost) {
		a.log.Warn(observe.PortalLeaseLost, observe.Portal, a.cfg.Portal, observe.Owner, a.owner, observe.Epoch, lease.Epoch())
		err = nil
	}
	return errors.Join(err, release(lease, doubt))
}

const msgUnpark = "rows that wait could not be read again"

// serveOnce makes one pass.
func (a *App) serveOnce(ctx context.Context, lease *store.Lease) error {
	o, err := a.own(lease)
	if err != nil {
		return errors.Join(err, release(lease, true))
	}
	if _, err := a.db.Operator().Unpark(ctx, a.cfg.Portal); err != nil {
		return errors.Join(err, release(lease, false))
	}
	o.recallPulls(ctx)
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)
	hold, letGo := context.WithCancel(context.WithoutCancel(ctx))
	var parts sync.WaitGroup
	parts.Go(func() {
		if errors.Is(lease.Run(hold), settlement.ErrLeaseLost) {
			cut(settlement.ErrLeaseLost)
		}
	})
	stopTimer := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(a.cfg.StopTimeout, func() { cut(errStopTimeout) })
		context.AfterFunc(work, func() { t.Stop() })
	})
	defer stopTimer()
	err = o.worker.Once(ctx, work)
	doubt := context.Cause(work) != nil || o.worker.InDoubt()
	o.memory.flush(hold)
	o.save(hold)
	cut(nil)
	letGo()
	parts.Wait()
	o.hub.tokens.close()
	return errors.Join(err, release(lease, doubt))
}

// release gives the portal back. In doubt (a request was cut off, or ended without a clear answer) the next owner must
// know that HubSpot may still execute it.
func release(lease *store.Lease, doubt bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseTimeout)
	defer cancel()
	if doubt {
		return lease.Abandon(ctx)
	}
	return lease.Release(ctx)
}

// wake passes the database's hints on.
func (o *ownership) wake(ctx context.Context) {
	hints := o.app.db.Wakes(ctx, o.app.cfg.Push.Notify)
	if hints == nil {
		return
	}
	o.worker.Hinted()
	for range hints {
		o.worker.Wake()
	}
}

// Table is the mapping of a configuration, without the definitions of an account.
func Table(cfg *config.Loaded) *mapping.Table { return table(cfg.Mapping) }
