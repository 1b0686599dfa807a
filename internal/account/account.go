// Package account knows the HubSpot account behind a portal: whose token it is, which properties contacts have there,
// and what changed of them since the look before.
//
// Guarantee: nobody learns an account before it was held against the one that is configured or was pinned before, so no
// update by id lands on a contact of another account. Definitions are at most a day old while HubSpot answers; when it
// does not, those that are known stay in force. Without the scope for them values are sent unchecked, and Problems says
// so.
//
// It decides nothing about a value; package mapping does, with the Table.
//
// Design: two reads at a start and one a day, and one more when a value is refused by the definitions, at most once a
// minute. Asking at every refusal was rejected: a producer of bad values would use up the account's requests.
package account

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
)

const (
	// DefinitionsLife is how long definitions are believed.
	DefinitionsLife = 24 * time.Hour
	// definitionsRetry is how soon stale ones are asked for again when HubSpot did not answer.
	definitionsRetry = time.Minute
	// definitionsFresh is how old they may be when a value is refused by them: an option or a property may have been added
	// since.
	definitionsFresh = time.Minute
)

// msgNoDefinitions: the token lacks the scope for them.
const msgNoDefinitions = "property definitions cannot be read"

// HubSpot is the part of the client that tells of the account.
type HubSpot interface {
	Account(ctx context.Context) (hubspot.Account, error)
	ContactProperties(ctx context.Context) ([]hubspot.Property, error)
}

// Config is what an Account needs.
type Config struct {
	HubSpot HubSpot
	// Pin holds an account against the one that the portal is for, and remembers it; see Check.
	Pin     func(context.Context, hubspot.Account) error
	Mapping *mapping.Table // without definitions
	// OnDefinitions is told of definitions that were just read and returns what is wrong with them beyond Table.Problems;
	// nil = nobody is.
	OnDefinitions func(ctx context.Context, accountID int64, table *mapping.Table) []mapping.Problem
	Breaker       *breaker.Breaker // told when HubSpot has answered
	Log           *slog.Logger
	Now           func() time.Time
}

// Account is what is known of the HubSpot account. Connect is for one goroutine at a time; the rest is safe for
// concurrent use.
type Account struct {
	cfg       Config
	known     atomic.Pointer[state]
	refreshes sync.Mutex // held while a refusal has the definitions read again
}

// state is replaced as a whole and never changed.
type state struct {
	account hubspot.Account
	table   *mapping.Table
	readAt  time.Time // when the definitions were read by plan; those that a refusal asked for do not count
	askedAt time.Time // when they were asked for last, for whatever reason
	faults  []mapping.Problem
	changed []mapping.Problem // of these, what changed since the look before
	lacks   string            // what the token may not read, a sentence; empty = nothing
}

// New returns an Account of which nothing is known.
func New(cfg Config) *Account { return &Account{cfg: cfg} }

// Known reports whether Connect has succeeded.
func (a *Account) Known() bool { return a.known.Load() != nil }

// ID is HubSpot's number of the account; 0 while it is not known.
func (a *Account) ID() int64 {
	if s := a.known.Load(); s != nil {
		return s.account.PortalID
	}
	return 0
}

// TimeZone is the name of the account's time zone; empty while it is not known.
func (a *Account) TimeZone() string {
	if s := a.known.Load(); s != nil {
		return s.account.TimeZone
	}
	return ""
}

// Table is the mapping with the account's definitions; without them while they are not known.
func (a *Account) Table() *mapping.Table {
	if s := a.known.Load(); s != nil {
		return s.table
	}
	return a.cfg.Mapping
}

// Problems are sentences about what the token may not read and about mapped properties at fault.
func (a *Account) Problems() (all []string) {
	s := a.known.Load()
	if s == nil {
		return nil
	}
	if s.lacks != "" {
		all = append(all, s.lacks)
	}
	for _, p := range s.faults {
		all = append(all, p.String())
	}
	return all
}

// Connect learns which account the token belongs to and what its properties are, and does nothing while that is fresh.
// Nothing may be planned before it has returned nil once.
func (a *Account) Connect(ctx context.Context) error {
	s, now := a.known.Load(), a.cfg.Now()
	if s != nil && now.Sub(s.readAt) < DefinitionsLife {
		return nil
	}
	next := &state{readAt: now, askedAt: now}
	if s != nil {
		next.account = s.account
	} else {
		account, err := a.cfg.HubSpot.Account(ctx)
		if err != nil {
			return err
		}
		if err := a.cfg.Pin(ctx, account); err != nil {
			return err
		}
		next.account = account
	}
	defs, err := a.cfg.HubSpot.ContactProperties(ctx)
	if hubspot.Classify(err) == hubspot.ClassScope {
		// Only the checks of values need the definitions: without them every value is sent and HubSpot's word counts.
		next.table, next.lacks = a.cfg.Mapping.With(nil), "property definitions cannot be read, so values are not checked before they are sent: the scopes "+
			strings.Join(hubspot.ScopesOf(err), ", ")+" are missing"
		next.readAt = now.Add(breaker.ScopeRetry - DefinitionsLife)
		a.cfg.Log.Warn(msgNoDefinitions, observe.Err, err)
		a.known.Store(next)
		return nil
	}
	if err != nil {
		if s == nil {
			return err
		}
		stale := *s // go on with what is known
		stale.readAt, stale.askedAt = now.Add(definitionsRetry-DefinitionsLife), now
		a.known.Store(&stale)
		return nil
	}
	next.table = a.cfg.Mapping.With(defs)
	a.learn(ctx, next, nil)
	a.cfg.Breaker.Succeed()
	return nil
}

// learn puts a table that was just read in force and says what is wrong with it, but for what was said before.
func (a *Account) learn(ctx context.Context, next, before *state) {
	next.faults = next.table.Problems()
	if a.cfg.OnDefinitions != nil {
		next.changed = a.cfg.OnDefinitions(ctx, next.account.PortalID, next.table)
	}
	var said []mapping.Problem
	if before != nil {
		said = before.faults
		for _, p := range before.changed { // compared with the look before last
			if !slices.Contains(next.changed, p) {
				next.changed = append(next.changed, p)
			}
		}
	}
	next.faults = append(next.faults, next.changed...)
	for _, p := range next.faults {
		if !slices.Contains(said, p) {
			a.cfg.Log.Warn(observe.PropertyFault, observe.Property, p.Contact, observe.Code, p.Code, observe.Reason, p.Detail, observe.Hint, p.Cure())
		}
	}
	a.known.Store(next)
}

// Refresh reads the definitions again because a value was refused by them, at most once a minute. It reports whether
// there is another table now. What HubSpot does not answer leaves what is known: the value is judged by that.
func (a *Account) Refresh(ctx context.Context) bool {
	a.refreshes.Lock() // two lanes may ask at once
	defer a.refreshes.Unlock()
	s, now := a.known.Load(), a.cfg.Now()
	if s == nil || s.lacks != "" || now.Sub(s.askedAt) < definitionsFresh {
		return false
	}
	next := *s
	next.askedAt = now
	defs, err := a.cfg.HubSpot.ContactProperties(ctx)
	if err != nil {
		a.known.Store(&next)
		return false
	}
	next.table = a.cfg.Mapping.With(defs)
	a.learn(ctx, &next, s)
	return true
}

// TokenRenewed says that there is a token again, which may read what the one before could not: the next Connect asks.
func (a *Account) TokenRenewed() {
	if s := a.known.Load(); s != nil && s.lacks != "" {
		again := *s
		again.readAt = time.Time{}
		a.known.Store(&again)
	}
}

// WrongError stops a lane: the token belongs to another HubSpot account than the one whose contacts the links name.
type WrongError struct{ Want, Have int64 }

func (e *WrongError) Error() string {
	return fmt.Sprintf("the token belongs to HubSpot account %d, this portal to %d: use a token of %d, or another database or portal name for %d",
		e.Have, e.Want, e.Want, e.Have)
}

// Stops gives the state of the lane.
func (e *WrongError) Stops() breaker.State { return breaker.Paused }
