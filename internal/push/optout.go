package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
)

// optOutAnswer is what HubSpot said about the opt-out of one address. No answer at all leaves it out of the map.
type optOutAnswer struct {
	ok      bool // HubSpot shows the address as opted out
	refusal batch.Refusal
	err     error // ended without an answer, while others of the same job succeeded
}

func (s *optOutAnswer) invalidAddress() bool {
	return slices.ContainsFunc(s.refusal.Details, func(d hubspot.Detail) bool { return d.Code == "INVALID_EMAIL" })
}

// noBatchFor is how long a refusal of the batch endpoints is remembered. They need a scope that only Marketing Hub
// Enterprise can give. https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide (read
// 2026-11-22)
const noBatchFor = 24 * time.Hour

// optOut opts addresses out as the configuration says, in as few requests as the account allows. An answer that proves
// nothing is read back. The error is trouble that is no address's own; the addresses without an answer were not reached
// then. Each address is given once.
func (w *Worker) optOut(ctx context.Context, addresses []string) (map[string]*optOutAnswer, error) {
	said := make(map[string]*optOutAnswer, len(addresses))
	if len(addresses) == 0 {
		return said, nil
	}
	if err := w.checkSubscriptions(ctx); err != nil {
		return said, err
	}
	size := max(1, BatchSize/max(1, len(w.cfg.Consent.Subscriptions)))
	for part := range slices.Chunk(addresses, size) {
		if len(part) > 1 && w.consent.mayBatch(w.now()) {
			if err := w.optOutBatch(ctx, part, said); err != nil {
				return said, err
			}
		}
		rest := slices.DeleteFunc(slices.Clone(part), func(a string) bool { return said[a] != nil })
		if err := w.optOutSingly(ctx, rest, said); err != nil {
			return said, err
		}
	}
	return said, nil
}

// optOutBatch sends one batch, halving it when it is refused whole. What the answer does not name stays without an
// answer: it is asked for singly.
func (w *Worker) optOutBatch(ctx context.Context, part []string, said map[string]*optOutAnswer) error {
	ids := w.cfg.Consent.Subscriptions
	var b *hubspot.ConsentBatch
	var err error
	if len(ids) == 0 {
		b, err = w.hub.BatchOptOutOfAll(ctx, part, w.cfg.Consent.BusinessUnit)
	} else {
		in := make([]hubspot.OptOutInput, 0, len(part)*len(ids))
		for _, a := range part {
			for _, id := range ids {
				in = append(in, hubspot.OptOutInput{Address: a, SubscriptionID: id})
			}
		}
		b, err = w.hub.BatchOptOut(ctx, in, w.cfg.Consent.Basis)
	}
	switch {
	case err == nil:
	case hubspot.NoBatchConsent(err):
		w.consent.noBatch(w.now().Add(noBatchFor))
		w.cfg.Log.Info(observe.NoBatches, observe.Cause, "no scope for batches, or an account below Marketing Hub Enterprise", observe.RetryIn, noBatchFor)
		return nil
	case hubspot.Classify(err) == hubspot.ClassInvalid:
		if len(part) < 4 {
			return nil // one by one, each has its own fate
		}
		for half := range slices.Chunk(part, (len(part)+1)/2) {
			if err := w.optOutBatch(ctx, half, said); err != nil {
				return err
			}
		}
		return nil
	case hubspot.OutcomeUnknown(err): // one address may be the cause: the second time they go out one by one
		w.consent.mu.Lock()
		w.consent.batchFails++
		w.consent.mu.Unlock()
		return err
	default:
		return err
	}
	out := func(a string) bool {
		if len(ids) == 0 {
			return b.OptedOut(a, 0)
		}
		return !slices.ContainsFunc(ids, func(id int64) bool { return !b.OptedOut(a, id) })
	}
	for _, a := range part {
		if out(a) {
			said[a] = &optOutAnswer{ok: true}
		}
	}
	for _, e := range b.Errors {
		for _, id := range e.IDs {
			if a := strings.ToLower(id); slices.Contains(part, a) && said[a] == nil && len(e.Details) > 0 {
				said[a] = &optOutAnswer{refusal: batch.Refusal{Category: e.Category, CorrelationID: b.CorrelationID, Details: e.Details}}
			}
		}
	}
	if len(said) > 0 {
		w.wroteOptOut()
	}
	return nil
}

func (c *consentLane) noBatch(until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noBatchUntil = until
}

func (w *Worker) wroteOptOut() {
	w.consent.breaker.WriteSucceeded("")
	w.consent.took(w.now())
}

// optOutSingly sends one request an address (and subscription). Two without an answer are an outage, unless others
// succeed.
func (w *Worker) optOutSingly(ctx context.Context, part []string, said map[string]*optOutAnswer) error {
	unclear := map[string]error{}
	var first error
	took := 0
	for _, a := range part {
		err := w.optOutOne(ctx, a)
		switch class := hubspot.Classify(err); {
		case err == nil:
			took++
			said[a] = &optOutAnswer{ok: true}
			w.wroteOptOut()
		case class == hubspot.ClassInvalid, class == hubspot.ClassConflict, class == hubspot.ClassNotFound:
			said[a] = &optOutAnswer{refusal: batch.RefusalOf(err)}
		case breaker.ForAll(err):
			return errors.Join(err, first)
		default:
			if unclear[a], first = err, cmp.Or(first, err); len(unclear) == 2 && took == 0 {
				return first
			}
		}
	}
	if took == 0 {
		return first
	}
	for a, err := range unclear {
		said[a] = &optOutAnswer{err: err, refusal: batch.RefusalOf(err)}
	}
	return nil
}

// optOutOne opts one address out. A success that shows nothing is read back.
func (w *Worker) optOutOne(ctx context.Context, address string) error {
	c := &w.cfg.Consent
	var err error
	if len(c.Subscriptions) == 0 {
		_, err = w.hub.OptOutOfAll(ctx, address, c.BusinessUnit)
	}
	for _, id := range c.Subscriptions {
		if _, err = w.hub.OptOut(ctx, address, id, c.Basis); err != nil {
			break
		}
	}
	if batch.RefusalOf(err).Status/100 != 2 {
		return err
	}
	holds, readErr := w.isOptedOut(ctx, address)
	if readErr == nil && !holds {
		return err
	}
	return readErr
}

// isOptedOut asks HubSpot whether an address is out of all that the configuration names.
func (w *Worker) isOptedOut(ctx context.Context, address string) (bool, error) {
	c := &w.cfg.Consent
	all, err := w.hub.OptedOutOfAll(ctx, address, c.BusinessUnit)
	if err != nil || len(all) > 0 || len(c.Subscriptions) == 0 {
		return len(all) > 0, err
	}
	single, err := w.hub.Statuses(ctx, address, c.BusinessUnit)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(c.Subscriptions, func(id int64) bool {
		return !slices.ContainsFunc(single, func(s hubspot.SubscriptionStatus) bool {
			return s.SubscriptionID == id && s.Status == hubspot.StatusUnsubscribed
		})
	}), nil
}

// UnknownSubscriptionError stops the lane: the account has no such subscription type, so that nobody could be opted out
// of it.
type UnknownSubscriptionError struct{ ID int64 }

func (e *UnknownSubscriptionError) Error() string {
	return fmt.Sprintf("consent.unsubscribe names %d, which is no subscription type of the HubSpot account", e.ID)
}

// Stops gives the state of the lane.
func (e *UnknownSubscriptionError) Stops() breaker.State { return breaker.Degraded }

// Cure says what would help.
func (e *UnknownSubscriptionError) Cure() string {
	return "correct consent.unsubscribe and restart, or add the subscription type in HubSpot; it is tried again by itself"
}

// checkSubscriptions holds the configured types against the account, once a day.
func (w *Worker) checkSubscriptions(ctx context.Context) error {
	c := w.consent
	ids := w.cfg.Consent.Subscriptions
	c.mu.Lock()
	known := len(ids) == 0 || !c.checkedAt.IsZero() && w.now().Sub(c.checkedAt) < account.DefinitionsLife
	c.mu.Unlock()
	if known {
		return nil
	}
	defs, err := w.hub.SubscriptionDefinitions(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.ContainsFunc(defs, func(d hubspot.SubscriptionDefinition) bool { return d.ID == id }) {
			return &UnknownSubscriptionError{id}
		}
	}
	w.knowTypes(defs, account.DefinitionsLife)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checkedAt = w.now()
	return nil
}
