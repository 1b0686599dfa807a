// Package app builds the daemon out of its parts and runs it: database, keys, portal lease, HubSpot client, push, pull,
// and the reports to the operator and to systemd. It is the only package that sees everything.
//
// Guarantees. Whatever is away when the daemon starts (database, HubSpot, another owner of the portal) is waited for,
// in clear words, and nothing is lost meanwhile; only what a person must correct ends it, as a *ConfigError. A stop
// reads nothing new, lets the requests under way end and settle within stop_timeout, releases the portal and returns
// nil.
//
// It decides nothing about a lead, knows no SQL and no HTTP.
//
// Design: one ownership of the portal is one run of one function (serve). Everything that depends on owning it (client,
// limiter, worker) is made anew each time and ends with it, so a standby that takes over starts from what the database
// says and nothing else. A daemon that keeps its parts and swaps the lease under them was rejected: what it remembers
// may be another owner's past.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/config"
	"leadsync/internal/observe"
	"leadsync/internal/people"
	"leadsync/internal/pull"
	"leadsync/internal/sdnotify"
	"leadsync/internal/store"
)

// ConfigError is what a person must correct before the daemon can run; the commands exit with 78 on it.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// Options are what the daemon is built from.
type Options struct {
	Config  *config.Loaded
	Log     *slog.Logger
	Version string
	// Notify speaks with systemd; nil = no systemd.
	Notify *sdnotify.Notifier
	// Base replaces the network in tests; nil = the real one.
	Base http.RoundTripper
	// Load reads the configuration again for a reload; nil = there is none.
	Load func() (*config.Loaded, error)
	// Level is the logger's, which a reload may change; may be nil.
	Level *slog.LevelVar
	// Hurry cuts the requests under way short when it is closed while the daemon stops; may be nil.
	Hurry <-chan struct{}
	// Ready is called once when the daemon is ready, for tests and for callers that wait. May be nil.
	Ready func()
}

// App is one daemon. Run or Once it, once.
type App struct {
	cfg     *config.Loaded // changed by adopt alone, while nothing reads it
	log     *slog.Logger
	version string
	owner   string // unique to the process, host and pid for a person
	notify  *sdnotify.Notifier
	base    http.RoundTripper
	block   int // requests of the day that are reserved at once; 0 = as many as a daemon wants
	ready   func()
	load    func() (*config.Loaded, error)
	level   *slog.LevelVar
	hurry   <-chan struct{}
	noise   *observe.Limiter
	began   time.Time

	db        *store.DB
	hasher    *people.Hasher
	keys      *people.Keyring
	wakeEvery time.Duration     // 0 = the store's own; tests that fake hours ask less often
	between   func(Store) Store // tests put faults between push and the database; nil = nothing

	betweenPull func(pull.Store) pull.Store // the same for pull
	noPull      bool                        // tests that are about push alone
	exact       bool                        // streams are fired on the second

	accepted *config.Loaded // Reload's: the last one that was not refused
	next     atomic.Pointer[config.Loaded]
	serving  atomic.Pointer[ownership] // while it serves

	ran            bool // the database was open and in order once
	readied        atomic.Bool
	stopping       atomic.Bool
	requestTimeout atomic.Int64 // hubspot.timeout, ns
	status         statusLine
	meters         *meters
	health         health
	loops          loops
}

// New checks what can be checked without the database: a *ConfigError when the configuration cannot work.
func New(o Options) (*App, error) {
	if missing := o.Config.Missing(); len(missing) > 0 {
		return nil, &ConfigError{&config.Error{Problems: missing}}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	a := &App{cfg: o.Config, accepted: o.Config, log: o.Log, version: o.Version, notify: o.Notify, base: o.Base, ready: o.Ready,
		load: o.Load, level: o.Level, hurry: o.Hurry, noise: observe.NewLimiter(o.Log, 0), began: time.Now(),
		meters: newMeters(), owner: ownerName(host, os.Getpid(), rand.Text()[:6])}
	a.requestTimeout.Store(int64(o.Config.HubSpot.Timeout))
	return a, nil
}

// warn says what is accepted and worth a word all the same.
func (a *App) warn(cfg *config.Loaded) {
	for _, w := range cfg.Warnings {
		a.log.Warn(observe.ConfigWarning, observe.Warning, w)
	}
	if w := cfg.DatabaseWarning(); w != "" && cfg.Database.URLFile != "" { // that of database.url is among the others
		a.log.Warn(observe.ConfigWarning, observe.Warning, "database.url_file: "+w)
	}
	for _, e := range cfg.Exposed(nil) {
		if e.All {
			a.log.Warn(observe.ConfigWarning, observe.Warning, e.String())
		}
	}
}

// Run serves the portal until ctx ends, and returns nil then. It waits for a database that is away and for a portal
// that another process serves. The error is a *ConfigError when a person must act before anything ran; what ran once
// waits for whatever the database does later.
func (a *App) Run(ctx context.Context) error {
	a.loops.turn(loopStart, 0)
	a.warn(a.cfg)
	stopBeat := a.keepAlive(ctx)
	defer stopBeat()
	defer a.openWindow(ctx)()
	err := a.open(ctx)
	defer a.close()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	a.log.Info(observe.DaemonStarted, observe.Version, a.version, observe.Dialect, a.db.Dialect(), observe.Database, a.db.String(),
		observe.Portal, a.cfg.Portal, observe.PortalID, a.cfg.HubSpot.PortalID)
	for ctx.Err() == nil {
		a.adopt()
		lease, err := a.acquire(ctx)
		if errors.Is(err, errOpenAgain) {
			if err = a.reopen(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return err
		}
		if err := a.serve(ctx, lease); err != nil {
			return err
		}
	}
	a.log.Info(observe.DaemonStopped, observe.Elapsed, time.Since(a.began).Round(time.Millisecond))
	return nil
}

// OnceResult tells how a single pass ended.
type OnceResult struct {
	Pending int64 // rows of the portal that this version acts on and that still wait
}

// Once pushes what can be sent now and returns. The error says why rows are left when a person or time must help: the
// portal is served by a daemon, the database or HubSpot is away.
func (a *App) Once(ctx context.Context) (OnceResult, error) {
	defer a.close()
	if err := a.openOnce(ctx); err != nil {
		return OnceResult{}, err
	}
	lease, err := a.db.AcquireFor(ctx, a.cfg.Portal, a.owner, a.cfg.HubSpot.Timeout)
	var held *store.HeldError
	if errors.As(err, &held) {
		return OnceResult{}, fmt.Errorf("%w; it pushes by itself, `leadsync status` shows how it stands", held)
	}
	if err != nil {
		return OnceResult{}, err
	}
	err = a.serveOnce(ctx, lease)
	left, countErr := a.pending(context.WithoutCancel(ctx))
	return OnceResult{Pending: left}, errors.Join(err, countErr)
}

// The waits while something is away.
var (
	databaseWaits = backoff.Schedule{Base: 500 * time.Millisecond, Cap: 30 * time.Second, Factor: 2, Jitter: 0.2}
	outageWaits   = backoff.Schedule{Base: time.Second, Cap: time.Minute, Factor: 2, Jitter: 0.2}
	// pullWaits are those of a stream whose run failed: what comes every minute waits for its turn, what comes once a day
	// does not.
	pullWaits = backoff.Schedule{Base: time.Minute, Cap: 5 * time.Minute, Factor: 2, Jitter: 0.2}
	// rowWaits are those of a row that is tried again for a reason of its own: about two hours in eight attempts.
	rowWaits = backoff.Schedule{Base: 2 * time.Second, Cap: time.Hour, Factor: 4, Jitter: 0.2}
)

const (
	// standbyEvery is how often a standby asks whether the portal is free. With the length of the lease and what its owner
	// may have locked it makes the promise of half a minute.
	standbyEvery = 2 * time.Second
	// standbyPatience is how long one question may take, and the most a standby waits while the database is away: it is
	// asked often, since the owner may be gone for the same reason.
	standbyPatience = 5 * time.Second
)

// acquire takes the portal, or waits as a standby until its owner is gone. It ends with errOpenAgain when the database
// must be opened again.
func (a *App) acquire(ctx context.Context) (*store.Lease, error) {
	var waiting string
	for attempt := 1; ; attempt++ {
		a.adopt()
		a.loops.turn(loopStart, 0)
		try, cancel := context.WithTimeoutCause(ctx, standbyPatience, store.ErrSilent)
		lease, err := a.db.AcquireFor(try, a.cfg.Portal, a.owner, a.cfg.HubSpot.Timeout)
		cancel()
		var held *store.HeldError
		var act *ConfigError
		wait := standbyEvery
		switch {
		case err == nil:
			a.noise.Recovered(ctx, troubleDatabase, observe.DatabaseRecovered, slog.String(observe.Database, a.db.String()))
			a.log.Info(observe.PortalLeaseTaken, observe.Portal, a.cfg.Portal, observe.Owner, a.owner, observe.Epoch, lease.Epoch())
			return lease, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &held):
			attempt = 0
			a.noise.Recovered(ctx, troubleDatabase, observe.DatabaseRecovered, slog.String(observe.Database, a.db.String()))
			if a.endsDead(ctx, held) {
				continue
			}
			a.becomeReady()
			a.status.show("standby: portal " + a.cfg.Portal + " is served by " + held.Owner)
			if waiting != held.Owner {
				waiting = held.Owner
				a.log.Info(msgStandby, observe.Portal, a.cfg.Portal, observe.Owner, held.Owner)
			}
		case errors.Is(err, store.ErrMoved):
			return nil, errOpenAgain
		case errors.As(a.refused(err), &act): // a password that is being changed, a server that refuses for a while
			wait = min(a.databaseAway(err, attempt), standbyPatience)
			a.loops.turn(loopStart, wait)
			if backoff.Sleep(ctx, wait) != nil {
				return nil, ctx.Err()
			}
			return nil, errOpenAgain
		default:
			wait = min(a.databaseAway(err, attempt), standbyPatience)
		}
		a.loops.turn(loopStart, wait)
		if backoff.Sleep(ctx, wait) != nil {
			return nil, ctx.Err()
		}
	}
}

var errOpenAgain = errors.New("the database must be opened again")

// msgStandby is the line of a daemon that waits for its turn.
const msgStandby = "standing by for another owner of the portal"

// pending counts rows that still wait and that this version acts on.
func (a *App) pending(ctx context.Context) (int64, error) {
	counts, err := a.db.Operator().Counts(ctx)
	if err != nil {
		return 0, err
	}
	return pendingOf(counts, a.cfg.Portal), nil
}

// becomeReady tells systemd once that the start is done.
func (a *App) becomeReady() {
	if a.readied.Swap(true) {
		return
	}
	if err := a.notify.Ready(a.status.now()); err != nil {
		a.log.Warn(msgNotify, observe.Err, err)
	}
	if a.ready != nil {
		a.ready()
	}
}
