package app

import (
	"context"
	"io"
	"net"
	"reflect"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/pull"
	"leadsync/internal/push"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// sqlKinds are the ways in which a call of the database fails.
//
//	refused     the database is away: nothing was done
//	lost        done, and the connection broke before the answer
//	hung        nothing is done, and no answer comes until the caller gives up
//	slow        done, seven seconds later
//	lease lost  another daemon had the portal in between
var sqlKinds = []string{"refused", "lost", "hung", "slow", "lease lost"}

// noSQL are the methods of Store that ask the database nothing.
var noSQL = []string{"MaySend", "Trouble"}

// ownTest are those whose faults have a test of their own, because the scene has no row for them: TestG5UntakenFails,
// TestG5ResubscribeAsks, TestDoubtOutlivesAKillAndASkip.
var ownTest = []string{"Untaken", "SpokeOut", "PendingOptOut", "LinksOutAt", "SkippedSince"}

// shaky stands between push and the database: it notes every call, and lets those of one method fail. Safe for
// concurrent use.
type shaky struct {
	Store
	*shakes
}

// shakes is what the stores of one scene share, also over restarts.
type shakes struct {
	portalLost func() // raises the portal's epoch, as another owner does

	mu           sync.Mutex
	seen         map[string]bool
	method, kind string
	met          int
}

func (s *shakes) into(sc *scene) {
	s.seen = map[string]bool{}
	s.portalLost = func() { // on a server a lease also ends; on SQLite another process had the file in between
		_, err := sc.db.Exec(`UPDATE leadsync_portals SET epoch = epoch + 1, lease_until = 0`)
		must(sc.t, err)
	}
	sc.between = func(inner Store) Store { return shaky{inner, s} }
	sc.betweenPull = func(inner pull.Store) pull.Store { return shakyPull{inner, s} }
}

// breaks makes every call of a method fail, until heals.
func (s *shakes) breaks(method, kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.method, s.kind, s.met = method, kind, 0
}

// hasMet tells whether a call met the fault.
func (s *shakes) hasMet() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.met > 0
}

// heals takes the fault away and tells how many calls met it.
func (s *shakes) heals() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.method, s.kind = "", ""
	return s.met
}

// through makes one call. A fault has the time that the store would have taken for it.
func through[T any](ctx context.Context, s *shakes, method string, call func() (T, error)) (T, error) {
	patience := store.Patience
	if method == "Wipe" || method == "Scrub" {
		patience = store.WipePatience
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, store.ErrSilent)
	defer cancel()
	s.mu.Lock()
	s.seen[method] = true
	kind := ""
	if s.method == method {
		kind = s.kind
		s.met++
	}
	first := s.met == 1
	s.mu.Unlock()
	var none T
	switch kind {
	case "refused":
		return none, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "lost":
		if _, err := call(); err != nil {
			return none, err
		}
		return none, io.ErrUnexpectedEOF
	case "hung":
		<-ctx.Done()
		return none, ctx.Err()
	case "slow":
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-time.After(7 * time.Second):
		}
	case "lease lost":
		if first { // the other owner does not come again and again
			s.portalLost()
		}
	}
	return call()
}

func (s shaky) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	return through(ctx, s.shakes, "Ready", func() ([]push.ReadyRow, error) { return s.Store.Ready(ctx, lane, after, limit) })
}

func (s shaky) DueAgain(ctx context.Context, lane outbox.Lane, now int64, limit int) ([]push.ReadyRow, error) {
	return through(ctx, s.shakes, "DueAgain", func() ([]push.ReadyRow, error) { return s.Store.DueAgain(ctx, lane, now, limit) })
}

func (s shaky) ReadyConsent(ctx context.Context, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	return through(ctx, s.shakes, "ReadyConsent", func() ([]push.ReadyRow, error) { return s.Store.ReadyConsent(ctx, after, limit) })
}

func (s shaky) DueConsent(ctx context.Context, now int64, limit int) ([]push.ReadyRow, error) {
	return through(ctx, s.shakes, "DueConsent", func() ([]push.ReadyRow, error) { return s.Store.DueConsent(ctx, now, limit) })
}

func (s shaky) LinksOwing(ctx context.Context, hubID int64, after lead.ID, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksOwing", func() ([]ledger.Link, error) { return s.Store.LinksOwing(ctx, hubID, after, limit) })
}

func (s shaky) LinksOwingOptOut(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksOwingOptOut", func() ([]ledger.Link, error) { return s.Store.LinksOwingOptOut(ctx, hubID, now, limit) })
}

func (s shaky) PendingOf(ctx context.Context, leads []lead.ID, maxRows, maxBytes int) (map[lead.ID]push.LeadRows, error) {
	return through(ctx, s.shakes, "PendingOf", func() (map[lead.ID]push.LeadRows, error) { return s.Store.PendingOf(ctx, leads, maxRows, maxBytes) })
}

func (s shaky) Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error) {
	return through(ctx, s.shakes, "Entries", func() ([]outbox.Entry, error) { return s.Store.Entries(ctx, ids) })
}

func (s shaky) EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error) {
	return through(ctx, s.shakes, "EarlierEvents", func() (map[outbox.EntryID]bool, error) { return s.Store.EarlierEvents(ctx, rows) })
}

func (s shaky) Untaken(ctx context.Context, id lead.ID) (map[string]int64, error) {
	return through(ctx, s.shakes, "Untaken", func() (map[string]int64, error) { return s.Store.Untaken(ctx, id) })
}

func (s shaky) RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error) {
	return through(ctx, s.shakes, "RowsOf", func() ([]outbox.Entry, error) { return s.Store.RowsOf(ctx, id, limit) })
}

func (s shaky) Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	return through(ctx, s.shakes, "Links", func() (map[lead.ID]*ledger.Link, error) { return s.Store.Links(ctx, hubID, leads) })
}

func (s shaky) LinksByAddress(ctx context.Context, hubID int64, addresses []string) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksByAddress", func() ([]ledger.Link, error) { return s.Store.LinksByAddress(ctx, hubID, addresses) })
}

func (s shaky) LinksOutAt(ctx context.Context, hubID int64, address string) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksOutAt", func() ([]ledger.Link, error) { return s.Store.LinksOutAt(ctx, hubID, address) })
}

func (s shaky) SpokeOut(ctx context.Context, id lead.ID, since int64) (bool, error) {
	return through(ctx, s.shakes, "SpokeOut", func() (bool, error) { return s.Store.SpokeOut(ctx, id, since) })
}

func (s shaky) SkippedSince(ctx context.Context, since int64) ([]outbox.EntryID, error) {
	return through(ctx, s.shakes, "SkippedSince", func() ([]outbox.EntryID, error) { return s.Store.SkippedSince(ctx, since) })
}

func (s shaky) PendingOptOut(ctx context.Context, leads []lead.ID, address string, but lead.ID) (bool, error) {
	return through(ctx, s.shakes, "PendingOptOut", func() (bool, error) { return s.Store.PendingOptOut(ctx, leads, address, but) })
}

func (s shaky) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksByContact", func() ([]ledger.Link, error) { return s.Store.LinksByContact(ctx, hubID, contacts) })
}

func (s shaky) LinksToLookAt(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksToLookAt", func() ([]ledger.Link, error) { return s.Store.LinksToLookAt(ctx, hubID, now, limit) })
}

func (s shaky) LinksWaiting(ctx context.Context, hubID, look, optOut int64, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, "LinksWaiting", func() ([]ledger.Link, error) { return s.Store.LinksWaiting(ctx, hubID, look, optOut, limit) })
}

func (s shaky) CutRowWaits(ctx context.Context, latest int64) (int64, error) {
	return through(ctx, s.shakes, "CutRowWaits", func() (int64, error) { return s.Store.CutRowWaits(ctx, latest) })
}

func (s shaky) Settle(ctx context.Context, in push.Settlement) (int, error) {
	return through(ctx, s.shakes, "Settle", func() (int, error) { return s.Store.Settle(ctx, in) })
}

func (s shaky) PinHub(ctx context.Context, a hubspot.Account) error {
	_, err := through(ctx, s.shakes, "PinHub", func() (struct{}, error) { return struct{}{}, s.Store.PinHub(ctx, a) })
	return err
}

func (s shaky) Purge(ctx context.Context, states []outbox.State, before int64, limit int) (int64, error) {
	return through(ctx, s.shakes, "Purge", func() (int64, error) { return s.Store.Purge(ctx, states, before, limit) })
}

func (s shaky) HighMark(ctx context.Context) (push.HighMark, error) {
	return through(ctx, s.shakes, "HighMark", func() (push.HighMark, error) { return s.Store.HighMark(ctx) })
}

func (s shaky) AllowDeletes(ctx context.Context, asks []push.DeleteAsk, most int, now int64) (allowed []outbox.EntryID, paused int64, err error) {
	allowed, err = through(ctx, s.shakes, "AllowDeletes", func() (_ []outbox.EntryID, err error) {
		allowed, paused, err = s.Store.AllowDeletes(ctx, asks, most, now)
		return allowed, err
	})
	return allowed, paused, err
}

func (s shaky) KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (push.Known, error) {
	return through(ctx, s.shakes, "KnownContacts", func() (push.Known, error) { return s.Store.KnownContacts(ctx, hubID, id, rows) })
}

func (s shaky) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (push.Tombstoned, error) {
	return through(ctx, s.shakes, "Tombstoned", func() (push.Tombstoned, error) {
		return s.Store.Tombstoned(ctx, hubID, leads, contacts, addresses)
	})
}

func (s shaky) Entomb(ctx context.Context, hubID int64, p push.Person) error {
	_, err := through(ctx, s.shakes, "Entomb", func() (struct{}, error) { return struct{}{}, s.Store.Entomb(ctx, hubID, p) })
	return err
}

func (s shaky) EachRow(ctx context.Context, id lead.ID, each func(outbox.Entry) error) error {
	_, err := through(ctx, s.shakes, "EachRow", func() (struct{}, error) { return struct{}{}, s.Store.EachRow(ctx, id, each) })
	return err
}

func (s shaky) InboxOf(ctx context.Context, id lead.ID) ([]push.InboxRow, error) {
	return through(ctx, s.shakes, "InboxOf", func() ([]push.InboxRow, error) { return s.Store.InboxOf(ctx, id) })
}

func (s shaky) Wipe(ctx context.Context, p push.Person, note func(push.Wiped) string) error {
	_, err := through(ctx, s.shakes, "Wipe", func() (struct{}, error) { return struct{}{}, s.Store.Wipe(ctx, p, note) })
	return err
}

func (s shaky) Scrub(ctx context.Context, needles []string) error {
	_, err := through(ctx, s.shakes, "Scrub", func() (struct{}, error) { return struct{}{}, s.Store.Scrub(ctx, needles) })
	return err
}

// shakyPull is shaky between pull and the database.
type shakyPull struct {
	pull.Store
	*shakes
}

// pullName tells the methods of pull.Store from those of Store.
func pullName(method string) string { return "pull " + method }

func (s shakyPull) Position(ctx context.Context, hubID int64, stream string) (string, error) {
	return through(ctx, s.shakes, pullName("Position"), func() (string, error) { return s.Store.Position(ctx, hubID, stream) })
}

func (s shakyPull) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return through(ctx, s.shakes, pullName("LinksByContact"), func() ([]ledger.Link, error) { return s.Store.LinksByContact(ctx, hubID, contacts) })
}

func (s shakyPull) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (push.Tombstoned, error) {
	return through(ctx, s.shakes, pullName("Tombstoned"), func() (push.Tombstoned, error) {
		return s.Store.Tombstoned(ctx, hubID, leads, contacts, addresses)
	})
}

func (s shakyPull) Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	return through(ctx, s.shakes, pullName("Strangers"), func() ([]ledger.Link, error) { return s.Store.Strangers(ctx, hubID, contacts) })
}

func (s shakyPull) LinkedAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, pullName("LinkedAfter"), func() ([]ledger.Link, error) { return s.Store.LinkedAfter(ctx, hubID, after, limit) })
}

func (s shakyPull) GoneAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return through(ctx, s.shakes, pullName("GoneAfter"), func() ([]ledger.Link, error) { return s.Store.GoneAfter(ctx, hubID, after, limit) })
}

func (s shakyPull) PendingAddresses(ctx context.Context, addresses []string) ([]string, error) {
	return through(ctx, s.shakes, pullName("PendingAddresses"), func() ([]string, error) { return s.Store.PendingAddresses(ctx, addresses) })
}

func (s shakyPull) Commit(ctx context.Context, p settlement.Page) error {
	_, err := through(ctx, s.shakes, pullName("Commit"), func() (struct{}, error) { return struct{}{}, s.Store.Commit(ctx, p) })
	return err
}

// pullEffects are the methods of pull.Store, as sqlEffects are those of Store.
func pullEffects(t *testing.T, seen map[string]bool) []string {
	t.Helper()
	var all []string
	for m := range reflect.TypeFor[pull.Store]().Methods() {
		all = append(all, pullName(m.Name))
		if !seen[pullName(m.Name)] {
			t.Errorf("the scene never calls %s, or shakyPull does not pass it on: the fault table would leave it out", m.Name)
		}
	}
	return all
}

// sqlEffects are the methods of Store that ask the database. One that push has and shaky does not pass on, or that the
// scene never calls, fails the test.
func sqlEffects(t *testing.T, seen map[string]bool) []string {
	t.Helper()
	var all []string
	for m := range reflect.TypeFor[Store]().Methods() {
		if slices.Contains(noSQL, m.Name) || slices.Contains(ownTest, m.Name) {
			continue
		}
		all = append(all, m.Name)
		if !seen[m.Name] {
			t.Errorf("the scene never calls %s, or shaky does not pass it on: the fault table would leave it out", m.Name)
		}
	}
	return all
}
