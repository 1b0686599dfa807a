package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"

	"leadsync/internal/observe"
	"leadsync/internal/settlement"
)

const (
	// leaseLength is how long a lease lasts by the server's clock unless renewed, so that a standby has the portal within
	// half a minute of its owner's last sign of life: the rest is for asking (every two seconds) and for what the owner
	// may have locked (rowGrace).
	leaseLength = 25 * time.Second
	// leaseMargin is how much longer a lease is than the longest request, or no request could ever start.
	leaseMargin = 10 * time.Second
	// renewEvery is how often Run renews it.
	renewEvery = 5 * time.Second
	// rowGrace is how long a settlement under way may still hold the portal's row when the lease is over; then its session
	// is ended, where that is ours to do.
	rowGrace = 1500 * time.Millisecond
	// rowAgain is how often the row is asked for meanwhile.
	rowAgain = 100 * time.Millisecond
)

// Lease is the right to push and pull a portal, fenced by its epoch: whatever is written under an older epoch is
// refused. It is safe for concurrent use.
type Lease struct {
	db     *engine
	portal string
	owner  string
	epoch  int64
	clean  bool
	length time.Duration // servers alone
	over   time.Duration // how long the lease before was over when this one was taken, by the server's clock; servers alone

	mu    sync.Mutex
	taken time.Time // when the last successful acquire or renew was begun; both of its clocks are used
	lost  bool
	file  *fileLock // SQLite
}

// Acquire takes the portal for owner, a name that is unique to the process. *HeldError when another process has it. On
// SQLite ownership is an OS lock on a file beside the database and ends with the process; on a server it is a row that
// lasts 25 seconds of the server's clock, see Run. It never waits for a lock that somebody keeps: the row is looked at
// without one, and asked for only when the lease in it is over. The caller releases it.
func (db *DB) Acquire(ctx context.Context, portal, owner string) (*Lease, error) {
	return db.AcquireFor(ctx, portal, owner, 0)
}

// AcquireFor is Acquire for requests that may take longer than 15 seconds: the lease outlives one by ten seconds.
func (db *DB) AcquireFor(ctx context.Context, portal, owner string, request time.Duration) (*Lease, error) {
	begun, evicted := time.Now(), false
	for {
		l := &Lease{db: db.engine, portal: portal, owner: owner, length: leaseFor(request)}
		err := db.dialect.acquire(ctx, db.engine, l)
		if err == nil {
			return l, nil
		}
		if held, is := errors.AsType[*HeldError](err); is {
			return nil, held
		}
		if !errors.Is(err, errLockedRow) {
			return nil, fmt.Errorf("acquire portal %s: %w", portal, err)
		}
		switch waited := time.Since(begun); {
		case waited > 2*rowGrace:
			return nil, db.heldByLock(ctx, portal)
		case waited > rowGrace && !evicted:
			evicted = true
			if err := db.dialect.evict(ctx, db.engine, portal); err != nil {
				db.log.LogAttrs(ctx, slog.LevelDebug, msgEvict, slog.String(observe.Cause, Cause(err)))
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("acquire portal %s: %w", portal, context.Cause(ctx))
		case <-time.After(rowAgain):
		}
	}
}

func leaseFor(request time.Duration) time.Duration { return max(leaseLength, request+leaseMargin) }

const msgEvict = "the session that holds the portal could not be ended"

// errLockedRow says that another session has the portal's row at this moment.
var errLockedRow = errors.New("the row of the portal is locked by another session")

// lockedRow makes errLockedRow of a server's refusal to wait.
func lockedRow(err error) error {
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "55P03" {
		return errLockedRow
	}
	if e, ok := isMySQL(err); ok && (e.Number == myLockWait || e.Number == myNoWait) {
		return errLockedRow
	}
	return err
}

// leaseOver looks at the row without a lock: *HeldError while its lease lasts, sql.ErrNoRows when there is none.
func leaseOver(ctx context.Context, db *engine, l *Lease, clock string) error {
	held, over := &HeldError{Portal: l.portal}, false
	err := db.one(ctx, db.write, []any{&held.Owner, &held.Since, &held.Until, &over},
		`SELECT owner, started_at, lease_until, lease_until <= `+clock+` FROM leadsync_portals WHERE portal = ?1`, l.portal)
	if err == nil && !over {
		return held
	}
	return err
}

// since is how long a lease was over when it was taken by the server's clock; an owner that gave it up left 0.
func since(now, until int64) time.Duration {
	if until <= 0 || now < until {
		return 0
	}
	return time.Duration(now-until) * time.Millisecond
}

// heldByLock names the owner whose lease is over and whose session still has the row.
func (db *DB) heldByLock(ctx context.Context, portal string) error {
	row, err := db.portalRow(ctx, portal)
	if err != nil {
		return err
	}
	return &HeldError{Portal: portal, Owner: row.Owner, Since: row.StartedAt, Until: row.LeaseUntil, Locked: true}
}

// Portal names the portal.
func (l *Lease) Portal() string { return l.portal }

// Owner is the name given to Acquire.
func (l *Lease) Owner() string { return l.owner }

// Epoch rises with every take-over.
func (l *Lease) Epoch() int64 { return l.epoch }

// CleanBefore reports that the previous owner released the portal, or that there was none. After any other end its last
// requests are in doubt and its request window counts as full.
func (l *Lease) CleanBefore() bool { return l.clean }

// Quiet is how long the owner before can have begun no request when this lease was taken, given the longest time of
// one: it begins none that its lease does not outlive. 0 when that is not known: it gave the portal up with requests
// under way, or on SQLite died a moment ago.
func (l *Lease) Quiet(request time.Duration) time.Duration {
	if l.over <= 0 {
		return 0
	}
	return l.over + request
}

// Renew prolongs the lease. settlement.ErrLeaseLost when another owner has the portal; any other error leaves the lease
// as it was.
func (l *Lease) Renew(ctx context.Context) error {
	begun := time.Now()
	err := l.db.dialect.renew(ctx, l)
	switch {
	case err == nil:
		l.mu.Lock()
		l.taken = begun
		l.mu.Unlock()
		return nil
	case errors.Is(err, settlement.ErrLeaseLost):
		l.lose()
		return err
	}
	return fmt.Errorf("renew portal %s: %w", l.portal, err)
}

// Release gives the portal back, so that the next owner need not wait and may trust what it finds. A lease that was
// lost is released without an error and without effect.
func (l *Lease) Release(ctx context.Context) error {
	err := l.db.dialect.release(ctx, l)
	l.lose()
	if err != nil && !errors.Is(err, settlement.ErrLeaseLost) {
		return fmt.Errorf("release portal %s: %w", l.portal, err)
	}
	return nil
}

// Outlives reports that the lease will still be ours after d without another renewal: an HTTP write of time-out d may
// start. Elapsed time is the larger of what the monotonic and the wall clock say, since a suspended machine stops the
// first and a clock that is set back the second. On SQLite it is true until the lease is lost or released.
func (l *Lease) Outlives(d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return false
	}
	if l.file != nil {
		return true
	}
	t := time.Now()
	elapsed := max(t.Sub(l.taken), t.Round(0).Sub(l.taken.Round(0)))
	return elapsed+d < l.length
}

// Run renews the lease every five seconds until ctx ends (nil) or the lease is lost (settlement.ErrLeaseLost). While
// the database is away it keeps trying, also past the end of the lease: a lease that nobody took is renewed, and until
// then Outlives says no.
func (l *Lease) Run(ctx context.Context) error {
	t := time.NewTicker(renewEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		try, cancel := context.WithTimeoutCause(ctx, renewEvery, errors.New("renewing the portal lease took too long"))
		err := l.Renew(try)
		cancel()
		if errors.Is(err, settlement.ErrLeaseLost) {
			return err
		}
	}
}

func (l *Lease) lose() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = true
}

// OwnerInfo says who serves a portal.
type OwnerInfo struct {
	Alive bool
	Owner string // of the last owner when not alive; empty when there never was one
	Since int64  // when it took the portal, unix ms
}

func (db *engine) ownerOf(ctx context.Context, portal string) (OwnerInfo, error) {
	o, err := db.dialect.owner(ctx, db, portal)
	if err != nil {
		return OwnerInfo{}, fmt.Errorf("look for the owner of portal %s: %w", portal, err)
	}
	return o, nil
}

// Abandon gives the portal back without the word that all is well: requests of this owner may still be executed by
// HubSpot, so the next owner takes the last ones for in doubt (CleanBefore is false). It need not wait for the lease to
// run out.
func (l *Lease) Abandon(ctx context.Context) error {
	// The epoch rises as with a take-over: a renewal that was cut off may still be carried out by the server after this.
	err := l.db.updatePortal(ctx, l, "abandon", map[string]any{"lease_until": 0, "epoch": gorm.Expr("epoch + 1")})
	if errors.Is(err, settlement.ErrLeaseLost) {
		err = nil
	}
	l.lose()
	if l.file != nil {
		err = errors.Join(err, ignoreClosed(l.file.unlock()))
	}
	return err
}
