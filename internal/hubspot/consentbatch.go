package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// OptOutInput is one row of BatchOptOut.
type OptOutInput struct {
	Address        string
	SubscriptionID int64
}

// ConsentBatch is a 2xx answer to a batch of opt-outs. An input that is neither in Results nor in Errors is not
// settled: it must be read back, or sent singly. IDs of Errors are addresses, as they were sent.
type ConsentBatch struct {
	Results       []SubscriptionStatus // in no particular order
	Errors        []BatchError
	CorrelationID string
}

// OptedOut says whether the answer proves that an address is out of a subscription type, or, for 0, that it was opted
// out of all: it shows UNSUBSCRIBED and nothing against it.
func (b *ConsentBatch) OptedOut(address string, subscription int64) bool {
	return shows(b.Results, address, subscription, StatusUnsubscribed)
}

// BatchOptOutOfAll opts up to MaxBatch addresses out of all e-mail. It needs a scope that only Marketing Hub Enterprise
// can give: see NoBatchConsent.
func (c *Client) BatchOptOutOfAll(ctx context.Context, addresses []string, unit int64) (*ConsentBatch, error) {
	const op = OpBatchOptOutOfAll
	for _, a := range addresses {
		if !isAddress(a) {
			return nil, misuse(op, "an address that is none")
		}
	}
	if err := checkIDs(op, addresses); err != nil {
		return nil, err
	}
	got, err := c.do(ctx, op, http.MethodPost, fmt.Sprintf(pathStatuses, c.version)+"/batch/unsubscribe-all?"+channelQuery(unit, true),
		encode(inputsOf[string]{addresses}))
	if err != nil {
		return nil, err
	}
	return consentBatch(op, got, addresses)
}

// BatchOptOut opts addresses out of single subscription types, up to MaxBatch rows. It needs the same scope.
func (c *Client) BatchOptOut(ctx context.Context, in []OptOutInput, b Basis) (*ConsentBatch, error) {
	const op = OpBatchOptOut
	if err := checkCount(op, len(in)); err != nil {
		return nil, err
	}
	seen := make(map[OptOutInput]struct{}, len(in))
	addresses := make([]string, len(in))
	rows := make([]statusInput, len(in))
	for i, one := range in {
		switch {
		case !isAddress(one.Address):
			return nil, misuse(op, "an address that is none")
		case one.SubscriptionID <= 0:
			return nil, misuse(op, "no subscription id")
		}
		addresses[i] = one.Address
		seen[OptOutInput{strings.ToLower(one.Address), one.SubscriptionID}] = struct{}{}
		rows[i] = newStatusInput(one.SubscriptionID, StatusUnsubscribed, b)
		rows[i].Address = one.Address
	}
	if len(seen) != len(in) {
		return nil, misuse(op, "an address twice for one subscription")
	}
	got, err := c.do(ctx, op, http.MethodPost, fmt.Sprintf(pathStatuses, c.version)+"/batch/write", encode(inputsOf[statusInput]{rows}))
	if err != nil {
		return nil, err
	}
	return consentBatch(op, got, addresses)
}

func consentBatch(op string, got *answer, addresses []string) (*ConsentBatch, error) {
	batch, err := got.filter.consentBatch(got.body, addresses)
	if err != nil {
		return nil, garbled(op, got, err)
	}
	batch.CorrelationID = got.correlationID
	return batch, nil
}

// NoBatchConsent says that err is HubSpot's refusal of the batch operations to this token or account: a scope that was
// not granted, or a subscription below Marketing Hub Enterprise, which both are 403
// (https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide, read 2026-11-22). Single
// requests do the same.
func NoBatchConsent(err error) bool {
	op := OpOf(err)
	if op != OpBatchOptOut && op != OpBatchOptOutOfAll {
		return false
	}
	class := Classify(err)
	return class == ClassScope || class == ClassForbidden
}
