package app

import (
	"context"
	"errors"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/pull"
	"leadsync/internal/push"
)

// patience is how long the database may take for one call. A server that went without a word (a machine that lost its power, a
// firewall that forgot the connection) answers a read never; what is behind it would wait as long as the kernel, a quarter of an
// hour. It is longer than SQLite's busy timeout, and shorter than the unit's WatchdogSec.
const patience = 30 * time.Second

var errSilent = errors.New("the database is silent")

// bounded ends calls of push that the database does not answer; they are tried again like any other of a database that is away.
type bounded struct{ push.Store }

// within makes one call that ends in time.
func within[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	return call(ctx)
}

func (b bounded) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	return within(ctx, func(ctx context.Context) ([]push.ReadyRow, error) { return b.Store.Ready(ctx, lane, after, limit) })
}

func (b bounded) DueAgain(ctx context.Context, now int64, limit int) ([]push.ReadyRow, error) {
	return within(ctx, func(ctx context.Context) ([]push.ReadyRow, error) { return b.Store.DueAgain(ctx, now, limit) })
}

func (b bounded) ReadyConsent(ctx context.Context, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	return within(ctx, func(ctx context.Context) ([]push.ReadyRow, error) { return b.Store.ReadyConsent(ctx, after, limit) })
}

func (b bounded) DueConsent(ctx context.Context, now int64, limit int) ([]push.ReadyRow, error) {
	return within(ctx, func(ctx context.Context) ([]push.ReadyRow, error) { return b.Store.DueConsent(ctx, now, limit) })
}

func (b bounded) PendingOf(ctx context.Context, leads []lead.ID, maxRows, maxBytes int) (map[lead.ID]push.LeadRows, error) {
	return within(ctx, func(ctx context.Context) (map[lead.ID]push.LeadRows, error) {
		return b.Store.PendingOf(ctx, leads, maxRows, maxBytes)
	})
}

func (b bounded) Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	return within(ctx, func(ctx context.Context) ([]outbox.Entry, error) { return b.Store.Entries(ctx, ids) })
}

func (b bounded) EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error) {
	return within(ctx, func(ctx context.Context) (map[outbox.EntryID]bool, error) { return b.Store.EarlierEvents(ctx, rows) })
}

// Untaken tells until when what the application was told was not acknowledged.
func (b bounded) Untaken(ctx context.Context, id lead.ID) (map[string]int64, error) {
	return within(ctx, func(ctx context.Context) (map[string]int64, error) { return b.Store.Untaken(ctx, id) })
}

func (b bounded) RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error) {
	return within(ctx, func(ctx context.Context) ([]outbox.Entry, error) { return b.Store.RowsOf(ctx, id, limit) })
}

func (b bounded) Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	return within(ctx, func(ctx context.Context) (map[lead.ID]*ledger.Link, error) { return b.Store.Links(ctx, hubID, leads) })
}

func (b bounded) LinksByAddress(ctx context.Context, hubID int64, addresses []string) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinksByAddress(ctx, hubID, addresses) })
}

func (b bounded) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinksByContact(ctx, hubID, contacts) })
}

func (b bounded) LinksToLookAt(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinksToLookAt(ctx, hubID, now, limit) })
}

func (b bounded) LinksOwing(ctx context.Context, hubID int64, after lead.ID, limit int) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinksOwing(ctx, hubID, after, limit) })
}

func (b bounded) LinksOwingOptOut(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) {
		return b.Store.LinksOwingOptOut(ctx, hubID, now, limit)
	})
}

func (b bounded) Settle(ctx context.Context, in push.Settlement) (int, error) {
	return within(ctx, func(ctx context.Context) (int, error) { return b.Store.Settle(ctx, in) })
}

func (b bounded) PinHub(ctx context.Context, a hubspot.Account) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.Store.PinHub(ctx, a) })
	return err
}

func (b bounded) Purge(ctx context.Context, states []outbox.State, before int64, limit int) (int64, error) {
	return within(ctx, func(ctx context.Context) (int64, error) { return b.Store.Purge(ctx, states, before, limit) })
}

func (b bounded) HighMark(ctx context.Context) (push.HighMark, error) {
	return within(ctx, b.Store.HighMark)
}

func (b bounded) AllowDeletes(ctx context.Context, asks []push.DeleteAsk, most int, now int64) (allowed []outbox.EntryID, paused int64, err error) {
	_, err = within(ctx, func(ctx context.Context) (struct{}, error) {
		allowed, paused, err = b.Store.AllowDeletes(ctx, asks, most, now)
		return struct{}{}, err
	})
	return allowed, paused, err
}

func (b bounded) KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (push.Known, error) {
	return within(ctx, func(ctx context.Context) (push.Known, error) {
		return b.Store.KnownContacts(ctx, hubID, id, rows)
	})
}

func (b bounded) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (push.Tombstoned, error) {
	return within(ctx, func(ctx context.Context) (push.Tombstoned, error) {
		return b.Store.Tombstoned(ctx, hubID, leads, contacts, addresses)
	})
}

func (b bounded) Entomb(ctx context.Context, hubID int64, p push.Person) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.Store.Entomb(ctx, hubID, p) })
	return err
}

func (b bounded) InboxOf(ctx context.Context, id lead.ID) ([]push.InboxRow, error) {
	return within(ctx, func(ctx context.Context) ([]push.InboxRow, error) { return b.Store.InboxOf(ctx, id) })
}

func (b bounded) EachRow(ctx context.Context, id lead.ID, each func(outbox.Entry) error) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.Store.EachRow(ctx, id, each) })
	return err
}

// The two at the end of an erase go through a whole table or file, which may take long.
const wipePatience = 15 * time.Minute

func (b bounded) Wipe(ctx context.Context, p push.Person, note func(push.Wiped) string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wipePatience, errSilent)
	defer cancel()
	return b.Store.Wipe(ctx, p, note)
}

func (b bounded) Scrub(ctx context.Context, needles []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, wipePatience, errSilent)
	defer cancel()
	return b.Store.Scrub(ctx, needles)
}

// boundedPull does the same for pull.
type boundedPull struct{ pull.Store }

func (b boundedPull) Position(ctx context.Context, hubID int64, stream pull.Stream) (pull.Position, error) {
	return within(ctx, func(ctx context.Context) (pull.Position, error) { return b.Store.Position(ctx, hubID, stream) })
}

func (b boundedPull) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinksByContact(ctx, hubID, contacts) })
}

func (b boundedPull) Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.Strangers(ctx, hubID, contacts) })
}

func (b boundedPull) LinkedAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.LinkedAfter(ctx, hubID, after, limit) })
}

func (b boundedPull) GoneAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return within(ctx, func(ctx context.Context) ([]ledger.Link, error) { return b.Store.GoneAfter(ctx, hubID, after, limit) })
}

func (b boundedPull) PendingAddresses(ctx context.Context, addresses []string) ([]string, error) {
	return within(ctx, func(ctx context.Context) ([]string, error) { return b.Store.PendingAddresses(ctx, addresses) })
}

func (b boundedPull) Erased(ctx context.Context, hubID int64, contacts []lead.ContactID, addresses []string) (pull.Erased, error) {
	return within(ctx, func(ctx context.Context) (pull.Erased, error) { return b.Store.Erased(ctx, hubID, contacts, addresses) })
}

func (b boundedPull) Commit(ctx context.Context, p pull.Page) error {
	_, err := within(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, b.Store.Commit(ctx, p) })
	return err
}
