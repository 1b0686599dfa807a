package push

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
)

const (
	// definitionsLife is how long property definitions are believed.
	definitionsLife = 24 * time.Hour
	// definitionsRetry is how soon stale ones are asked for again when HubSpot did not answer.
	definitionsRetry = time.Minute
	// definitionsFresh is how old they may be when a value is refused by them: an option or a property may have been added since.
	definitionsFresh = time.Minute
)

// WrongAccountError stops the lane: the token belongs to another HubSpot account than the one whose contacts the links name.
type WrongAccountError struct{ Want, Have int64 }

func (e *WrongAccountError) Error() string {
	return fmt.Sprintf("the token belongs to HubSpot account %d, this portal to %d: use a token of %d, or another database or portal name for %d",
		e.Have, e.Want, e.Want, e.Have)
}

// Stops gives the state of the lane.
func (e *WrongAccountError) Stops() breaker.State { return breaker.Paused }

// attach learns which account the token belongs to and what its properties are, before anything is planned. Two reads at start,
// one a day after.
func (w *Worker) attach(ctx context.Context) error {
	a := w.attached.Load()
	now := w.now()
	if a != nil && now.Sub(a.readAt) < definitionsLife {
		return nil
	}
	next := &attachment{readAt: now, askedAt: now}
	if a != nil {
		next.account = a.account
	} else {
		account, err := w.hub.Account(ctx)
		if err != nil {
			return err
		}
		if err := w.store.PinHub(ctx, account); err != nil {
			if t := w.store.Trouble(err); t != nil {
				return fmt.Errorf("%w: %w", t, err)
			}
			return err
		}
		next.account = account
	}
	defs, err := w.hub.ContactProperties(ctx)
	if hubspot.Classify(err) == hubspot.ClassScope {
		// Only the checks of values need the definitions: without them every value is sent and HubSpot's word counts.
		next.table, next.lacks = w.cfg.Mapping.With(nil), "property definitions cannot be read, so values are not checked before they are sent: the scopes "+
			strings.Join(hubspot.ScopesOf(err), ", ")+" are missing"
		next.readAt = now.Add(breaker.ScopeRetry - definitionsLife)
		w.cfg.Log.Warn(msgNoDefinitions, observe.Err, err)
		w.attached.Store(next)
		return nil
	}
	if err != nil {
		if a == nil {
			return err
		}
		stale := *a // go on with what is known
		stale.readAt, stale.askedAt = now.Add(definitionsRetry-definitionsLife), now
		w.attached.Store(&stale)
		return nil
	}
	next.table = w.cfg.Mapping.With(defs)
	w.takeDefinitions(ctx, next, nil)
	w.breaker.Succeed()
	return nil
}

// takeDefinitions puts a table that was just read in force and says what is wrong with it, but for what was said before.
func (w *Worker) takeDefinitions(ctx context.Context, next *attachment, before *attachment) {
	next.faults = next.table.Problems()
	if w.cfg.Learnt != nil {
		next.changed = w.cfg.Learnt(ctx, next.account.PortalID, next.table)
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
			w.cfg.Log.Warn(observe.PropertyFault, observe.Property, p.Contact, observe.Code, p.Code, observe.Reason, p.Detail, observe.Hint, p.Cure())
		}
	}
	w.attached.Store(next)
}

// relearn reads the definitions again because a value was refused by them, at most once in definitionsFresh. It reports whether there is
// another table now. What HubSpot does not answer leaves what is known: the value is judged by that.
func (w *Worker) relearn(ctx context.Context) bool {
	w.relearning.Lock() // two lanes may ask at once
	defer w.relearning.Unlock()
	a, now := w.attached.Load(), w.now()
	if a == nil || a.lacks != "" || now.Sub(a.askedAt) < definitionsFresh {
		return false
	}
	next := *a
	next.askedAt = now
	defs, err := w.hub.ContactProperties(ctx)
	if err != nil {
		w.attached.Store(&next)
		return false
	}
	next.table = w.cfg.Mapping.With(defs)
	w.takeDefinitions(ctx, &next, a)
	return true
}
