package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/pull"
	"leadsync/internal/store"
)

// pullStore shows the database to pull as its Store, under one lease.
type pullStore struct {
	db     *store.DB
	lease  *store.Lease
	portal string
	tombs  *tombstones
}

// Erased tells which contacts and addresses belonged to somebody who was erased.
func (s *pullStore) Erased(ctx context.Context, hubID int64, contacts []lead.ContactID, addresses []string) (pull.Erased, error) {
	t, err := s.tombs.Tombstoned(ctx, hubID, nil, contacts, addresses)
	return pull.Erased{Contacts: t.Contacts, Addresses: t.Addresses}, err
}

// Position reads how far a stream has come.
func (s *pullStore) Position(ctx context.Context, hubID int64, stream pull.Stream) (pull.Position, error) {
	row, err := s.db.Stream(ctx, s.portal, hubID, string(stream))
	if errors.Is(err, lead.ErrNotFound) {
		return pull.Position{}, nil
	}
	if err != nil {
		return pull.Position{}, err
	}
	var p pull.Position
	if err := json.Unmarshal([]byte(row.Position), &p); err != nil {
		return p, fmt.Errorf("the position of stream %s is not the JSON that was written: %w", stream, err)
	}
	return p, nil
}

// LinksByContact reads links by the contacts they name.
func (s *pullStore) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return s.db.LinksByContact(ctx, hubID, contacts)
}

// Strangers reads what is known of contacts without a lead.
func (s *pullStore) Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return s.db.Strangers(ctx, s.portal, hubID, contacts)
}

// LinkedAfter reads links of leads that have a contact.
func (s *pullStore) LinkedAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return s.db.LinkedAfter(ctx, s.portal, hubID, after, limit)
}

// GoneAfter reads links in state gone.
func (s *pullStore) GoneAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return s.db.GoneAfter(ctx, s.portal, hubID, after, limit)
}

// PendingAddresses says which addresses a pending row carries.
func (s *pullStore) PendingAddresses(ctx context.Context, addresses []string) ([]string, error) {
	return s.db.PendingAddresses(ctx, s.portal, addresses)
}

// Commit writes a page: links, contacts without a lead, inbox rows and the position of the stream, all of it or nothing.
func (s *pullStore) Commit(ctx context.Context, p pull.Page) error {
	position, err := json.Marshal(p.Position)
	if err != nil {
		return fmt.Errorf("encode the position of stream %s: %w", p.Stream, err)
	}
	_, err = s.db.Settle(ctx, store.Settlement{Lease: s.lease, Now: outbox.Millis(time.Now()), Links: p.Links, Inbox: inboxRows(s.portal, p.Inbox),
		Withdraw: replaced(p.Inbox),
		Stream:   &store.StreamRow{HubID: p.HubID, Stream: string(p.Stream), Position: string(position)}, Strangers: p.Strangers, Drop: p.Drop})
	if errors.Is(err, store.ErrLeaseLost) {
		return pull.ErrLeaseLost
	}
	return err
}
