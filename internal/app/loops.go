package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/push"
	"leadsync/internal/store"
)

// loops knows by when each loop of the daemon turns again. A loop says so whenever it turns, with how long it knowingly
// waits; one that is late and has not said why stands still. Safe for concurrent use; the zero value is ready.
type loops struct {
	mu  sync.Mutex
	due map[string]time.Time
}

// turn notes that the loop turns and will turn again after wait; a negative wait that it has ended.
func (l *loops) turn(name string, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait < 0 {
		delete(l.due, name)
		return
	}
	if l.due == nil {
		l.due = map[string]time.Time{}
	}
	l.due[name] = time.Now().Add(wait)
}

// stalled names the loops that are late by more than patience, in alphabetic order.
func (l *loops) stalled(now time.Time, patience time.Duration) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.due)), func(name string) bool { return now.Sub(l.due[name]) <= patience })
}

// The loops that are not push's own.
const (
	loopStart       = "start"       // opening the database, waiting for the portal
	loopStop        = "stop"        // letting requests under way end
	loopReport      = "report"      // saving how the lane stands
	loopToken       = "token"       // renewing the token
	loopUnsubscribe = "unsubscribe" // the unsubscribe lane
	loopPull        = "pull"        // firing the streams
	loopRetention   = "retention"   // removing settled rows
	loopInbox       = "inbox"       // removing acknowledged inbox rows
	loopMemory      = "memory"      // keeping what was asked about each lead
	loopHealth      = "health"      // seeing whether the work moves
)

// part runs one of the loops of an ownership; when it returns it is no longer missed.
func (o *ownership) part(parts *sync.WaitGroup, name string, run func()) {
	parts.Go(func() {
		defer o.app.loops.turn(name, -1)
		run()
	})
}

// drain tells the watchdog and systemd how long a stop may take from here.
func (o *ownership) drain() {
	longest := o.app.cfg.StopTimeout + closeTimeout + releaseTimeout + saveTimeout
	o.app.loops.turn(loopStop, longest)
	o.app.loops.turn(push.LoopPush, longest)
	if o.app.stopping.Load() {
		_ = o.app.notify.ExtendTimeout(longest) // without systemd's ear its own TimeoutStopSec counts
	}
}

// patience is how late a loop may be before the watchdog counts: one step may hold a request or two and calls of the
// database.
func (a *App) patience() time.Duration {
	return min(a.notify.WatchdogInterval(), store.Patience) + 2*time.Duration(a.requestTimeout.Load())
}

// held is until when HubSpot lets no request pass; whoever waits for that waits knowingly.
func (a *App) held() time.Time {
	if o := a.serving.Load(); o != nil {
		return o.hub.limiter.Budget().HeldUntil
	}
	return time.Time{}
}

// keepAlive sends the status line, at most once a second, and the watchdog's beat while every loop turns. The returned
// function ends it and waits.
func (a *App) keepAlive(ctx context.Context) (stop func()) {
	if !a.notify.Enabled() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // also while the daemon stops
	var done sync.WaitGroup
	done.Go(func() {
		every := a.notify.WatchdogInterval() / 3
		tick := time.Second
		if every > 0 {
			tick = min(tick, every)
		}
		t := time.NewTicker(tick)
		defer t.Stop()
		var beaten, free time.Time
		told := ""
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-t.C:
				if text, fresh := a.status.take(); fresh {
					_ = a.notify.Status(text) // told again with the next change
				}
				if a.held().After(now) {
					free = now
				}
				late := strings.Join(a.loops.stalled(now, a.patience()), ", ")
				if now.Sub(free) <= a.patience() { // the requests that waited for HubSpot's limit start now
					late = ""
				}
				switch {
				case late != "" && late != told:
					a.log.Error(observe.LoopStalled, observe.Item, late, observe.Hint, "systemd's watchdog ends the process, its goroutines are "+
						"printed, and the unit starts again; nothing is lost")
				case late == "" && every > 0 && now.Sub(beaten) >= every:
					if err := a.notify.Watchdog(); err != nil {
						a.log.Warn(msgNotify, observe.Err, err)
					}
					beaten = now
				}
				told = late
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// long does something that may take minutes at the start, such as a migration, and asks systemd for the time meanwhile.
func (a *App) long(what string, do func() error) error {
	var ticking sync.WaitGroup
	ended := make(chan struct{})
	ticking.Go(func() {
		t := time.NewTicker(longEvery)
		defer t.Stop()
		for {
			a.loops.turn(loopStart, longEvery)
			select {
			case <-ended:
				return
			case <-t.C:
				a.status.show(what)
				_ = a.notify.ExtendTimeout(startPatience)
			}
		}
	})
	err := do()
	close(ended)
	ticking.Wait()
	return err
}

const longEvery = 5 * time.Second

var (
	errStopTimeout = errors.New("stop_timeout is over")
	errHurried     = errors.New("a second signal cut the requests short")
	errReloaded    = errors.New("the configuration was reloaded")
)
