package app

import (
	"context"

	"leadsync/internal/hubspot"
	"leadsync/internal/push"
	"leadsync/internal/retention"
	"leadsync/internal/store"
)

// within makes one call that ends in time: what is behind a database that went silent would wait for it.
func within[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, store.Patience, store.ErrSilent)
	defer cancel()
	return call(ctx)
}

// pinned is the database as push sees it: it may refuse the account behind the token.
type pinned struct {
	*store.Portal
	pin func(context.Context, hubspot.Account) error
}

// Store is the database as the loops see it that only write outcomes down or remove them; tests put faults between.
type Store interface {
	push.Store
	retention.Entries
}

var _ Store = pinned{}

// PinHub records the account behind the token.
func (p pinned) PinHub(ctx context.Context, a hubspot.Account) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.pin(ctx, a) })
	return err
}
