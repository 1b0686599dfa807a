package push

import (
	"context"
	"fmt"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
)

const (
	// definitionsLife is how long property definitions are believed.
	definitionsLife = 24 * time.Hour
	// definitionsRetry is how soon stale ones are asked for again when HubSpot did not answer.
	definitionsRetry = time.Minute
)

// attach learns which account the token belongs to and what its properties are, before anything is planned. Two reads at start,
// one a day after.
func (w *Worker) attach(ctx context.Context) error {
	a := w.attached.Load()
	now := w.now()
	if a != nil && now.Sub(a.readAt) < definitionsLife {
		return nil
	}
	next := &attachment{readAt: now}
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
		next.readAt = now.Add(scopeRetry - definitionsLife)
		w.cfg.Log.Warn(msgNoDefinitions, observe.Err, err)
		w.attached.Store(next)
		return nil
	}
	if err != nil {
		if a == nil {
			return err
		}
		stale := *a // go on with what is known
		stale.readAt = now.Add(definitionsRetry - definitionsLife)
		w.attached.Store(&stale)
		return nil
	}
	next.table = w.cfg.Mapping.With(defs)
	next.faults = next.table.Problems()
	if w.cfg.Learnt != nil {
		next.faults = append(next.faults, w.cfg.Learnt(ctx, next.account.PortalID, next.table)...)
	}
	for _, p := range next.faults {
		w.cfg.Log.Warn(observe.PropertyFault, observe.Property, p.Contact, observe.Code, p.Code, observe.Reason, p.Detail, observe.Hint, p.Cure())
	}
	w.attached.Store(next)
	w.gate.good(w.now())
	return nil
}
