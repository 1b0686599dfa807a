package store

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"leadsync/internal/settlement"
)

const (
	// Patience is how long the database may take for one call of a Portal. A server that went without a word (a machine
	// that lost its power, a firewall that forgot the connection) answers a read never; what is behind it would wait as
	// long as the kernel, a quarter of an hour. It is longer than SQLite's busy timeout, and shorter than the unit's
	// WatchdogSec.
	Patience = 30 * time.Second
	// WipePatience is how long the two at the end of an erase may take: they go through a whole table or file.
	WipePatience = 15 * time.Minute
)

// ErrSilent is why a call of a Portal ended in its time.
var ErrSilent = errors.New("the database is silent")

// View reads one portal: its rows, its links, and what is known of its people. It changes nothing. Everything it
// returns is owned by the caller. It is safe for concurrent use.
type View struct {
	*engine
	portal   string
	patience time.Duration // 0 = the caller's alone
}

// View reads a portal without owning it, and bounds no call: what commands do.
func (db *DB) View(portal string) *View { return &View{engine: db.engine, portal: portal} }

// bound ends a call in time.
func (v *View) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if v.patience == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, v.patience, ErrSilent)
}

// PortalConfig is what a Portal needs beside its lease.
type PortalConfig struct {
	// Request is the longest time that a request to HubSpot may take, see MaySend.
	Request time.Duration
	// Hash makes the keyed hashes of tombstones. One that is nil can erase nobody.
	Hash func(kind, text string) string
	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Portal is what the owner of a portal reads and writes. Each call that writes is one transaction that is fenced by the
// lease: settlement.ErrLeaseLost when another owner has the portal since. Each call ends in Patience. It is safe for
// concurrent use.
type Portal struct {
	*View
	lease *Lease
	cfg   PortalConfig

	erased struct { // whether anybody was ever erased here
		some, asked atomic.Bool
	}
}

// Portal is the portal of a lease.
func (db *DB) Portal(l *Lease, cfg PortalConfig) *Portal {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Portal{View: &View{engine: db.engine, portal: l.portal, patience: Patience}, lease: l, cfg: cfg}
}

// now is settled_at and the like, unix ms.
func (p *Portal) now() int64 { return p.cfg.Now().UnixMilli() }

// longer bounds a call that may take longer than the others.
func (p *Portal) longer(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, WipePatience, ErrSilent)
}

// MaySend reports whether the lease outlives a request of the longest length.
func (p *Portal) MaySend() bool { return p.lease.Outlives(p.cfg.Request) }

// Trouble says what an error of the database means for who works with it: settlement.ErrLeaseLost, a
// *settlement.AwayError, or nil for neither.
func (*Portal) Trouble(err error) error {
	switch {
	case errors.Is(err, settlement.ErrLeaseLost):
		return settlement.ErrLeaseLost
	case IsUnavailable(err), IsFull(err), IsReadOnly(err), IsDenied(err), errors.Is(err, context.DeadlineExceeded):
		return &settlement.AwayError{Cause: Cause(err), Full: IsFull(err)}
	}
	return nil
}

// Operator is what a person does at the command line, and what is counted for one, over all portals. Nothing of it
// needs a lease. It is safe for concurrent use.
type Operator struct{ *engine }

// Operator is the handle of commands.
func (db *DB) Operator() *Operator { return &Operator{db.engine} }

// Owner tells who serves a portal without disturbing it.
func (o *Operator) Owner(ctx context.Context, portal string) (OwnerInfo, error) {
	return o.ownerOf(ctx, portal)
}

// Schema reads the version of the schema in the database (0 = none) and the latest one that this binary has.
func (o *Operator) Schema(ctx context.Context) (current, latest int64, err error) {
	return o.versions(ctx)
}

// Tokens keeps OAuth grants and the sealed keys that the instances of one database share. It is safe for concurrent
// use.
type Tokens struct{ *engine }

// Tokens is the handle of grants and keys.
func (db *DB) Tokens() *Tokens { return &Tokens{db.engine} }
