package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/people"
	"leadsync/internal/push"
	"leadsync/internal/store"
)

// tombstones asks who was erased. It is the one place that knows how a tombstone is hashed; push and pull ask in plain words. Safe for
// concurrent use.
type tombstones struct {
	db     *store.DB
	hasher *people.Hasher
	portal string
	some   atomic.Bool // somebody was erased: seen, or done here
	asked  atomic.Bool
}

// leadHash is the tombstone of a lead id.
func (t *tombstones) leadHash(id lead.ID) string {
	return store.LeadTombstone(t.hasher.Tombstone, t.portal, id)
}

func (t *tombstones) contactHash(id lead.ContactID) string {
	return t.hasher.Tombstone(string(store.TombContact), string(id))
}

func (t *tombstones) addressHash(address string) string {
	return t.hasher.Tombstone(string(store.TombAddress), address)
}

// Tombstoned tells which leads, contacts and addresses (normalised) belong to somebody who was erased in the HubSpot account. What
// follows from each stands at store.Tombstoned. Where nobody ever was it costs nothing.
func (t *tombstones) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (push.Tombstoned, error) {
	out := push.Tombstoned{Leads: map[lead.ID]push.Tomb{}, Contacts: map[lead.ContactID]bool{}, Addresses: map[string]bool{}}
	if !t.some.Load() {
		if t.asked.Load() {
			return out, nil // only the owner of the portal erases
		}
		some, err := t.db.HasTombstones(ctx, t.portal, hubID)
		if err != nil {
			return out, err
		}
		t.some.Store(some)
		if t.asked.Store(true); !some {
			return out, nil
		}
	}
	var hashes []string
	for _, id := range leads {
		hashes = append(hashes, t.leadHash(id))
	}
	// A row that was wiped stands under a marker in the place of its lead id. An application may begin its ids in the same way: a marker is
	// what holds the keyed hash of a tombstone that is there, which nobody can make up.
	marked := map[string]lead.ID{}
	for _, id := range leads {
		if hash, ok := strings.CutPrefix(string(id), store.ErasedMarker); ok && len(hash) == 64 {
			marked[hash] = id
		}
	}
	for _, id := range contacts {
		hashes = append(hashes, t.contactHash(id))
	}
	for _, a := range addresses {
		hashes = append(hashes, t.addressHash(a))
	}
	there, err := t.db.Tombstoned(ctx, t.portal, hubID, append(slices.Clone(hashes), slices.Collect(maps.Keys(marked))...))
	if err != nil {
		return out, err
	}
	for hash, id := range marked {
		if tomb, ok := there[hash]; ok && tomb.Lead {
			out.Leads[id] = push.Tomb{ErasedAt: tomb.ErasedAt, PurgedAt: tomb.PurgedAt, Marker: true}
		}
	}
	for i, h := range hashes {
		tomb, ok := there[h]
		switch {
		case !ok:
		case i < len(leads):
			if out.Leads[leads[i]].Marker {
				continue
			}
			out.Leads[leads[i]] = push.Tomb{ErasedAt: tomb.ErasedAt, PurgedAt: tomb.PurgedAt}
		case i < len(leads)+len(contacts):
			out.Contacts[contacts[i-len(leads)]] = true
		default:
			out.Addresses[addresses[i-len(leads)-len(contacts)]] = true
		}
	}
	return out, nil
}

// AllowDeletes asks the brake.
func (s *pushStore) AllowDeletes(ctx context.Context, asks []push.DeleteAsk, most int, now int64) ([]outbox.EntryID, int64, error) {
	all := make([]store.DeleteAsk, len(asks))
	for i, a := range asks {
		all[i] = store.DeleteAsk(a)
	}
	return s.DB.AllowDeletes(ctx, s.lease, all, most, now)
}

// KnownContacts is what is known of a lead's contacts besides its link, and what operators said of contacts for the rows.
func (s *pushStore) KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (push.Known, error) {
	known, err := s.DB.ContactsOf(ctx, s.portal, hubID, id)
	out := push.Known{Had: known.Had, Found: known.Found, Asked: known.Asked, Also: map[lead.ContactID]bool{}, Leave: map[lead.ContactID]bool{}}
	if err != nil {
		return out, err
	}
	said, err := s.DB.SaidOfContacts(ctx, s.portal, rows)
	for _, word := range said {
		switch {
		case word.Contact == store.AnyShared:
			out.Shared = word.Also
		case word.Also:
			out.Also[word.Contact] = true
		default:
			out.Leave[word.Contact] = true
		}
	}
	return out, err
}

// Tombstoned tells who was erased.
func (s *pushStore) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (push.Tombstoned, error) {
	return s.tombs.Tombstoned(ctx, hubID, leads, contacts, addresses)
}

// Entomb writes tombstones under the lease.
func (s *pushStore) Entomb(ctx context.Context, hubID int64, p push.Person) error {
	var tombs []store.Tomb
	for _, id := range p.Contacts {
		tombs = append(tombs, store.Tomb{Kind: store.TombContact, Hash: s.tombs.contactHash(id)})
	}
	for _, a := range p.Addresses {
		tombs = append(tombs, store.Tomb{Kind: store.TombAddress, Hash: s.tombs.addressHash(a)})
	}
	s.tombs.some.Store(true)
	return s.DB.Entomb(ctx, store.Entombment{Lease: s.lease, HubID: hubID, LeadID: p.Lead, LeadHash: s.tombs.leadHash(p.Lead), Tombs: tombs,
		Row: p.Row, Now: outbox.Millis(time.Now()), PurgedAt: p.PurgedAt})
}

// EachRow reads all rows of a lead.
func (s *pushStore) EachRow(ctx context.Context, id lead.ID, each func(outbox.Entry) error) error {
	return s.DB.List(ctx, store.ListQuery{Portal: s.portal, LeadID: id}, each)
}

// InboxOf reads what the application was told about a lead.
func (s *pushStore) InboxOf(ctx context.Context, id lead.ID) ([]push.InboxRow, error) {
	rows, err := s.DB.InboxOf(ctx, s.portal, id)
	out := make([]push.InboxRow, len(rows))
	for i, r := range rows {
		out[i] = push.InboxRow{LeadID: id, ContactID: lead.ContactID(plain(r.ContactID)), Email: plain(r.Email), ChangeType: r.ChangeType, Properties: r.Properties}
	}
	return out, err
}

func plain(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Wipe overwrites a person under the lease.
func (s *pushStore) Wipe(ctx context.Context, p push.Person, note func(push.Wiped) string) error {
	return s.DB.Wipe(ctx, store.Wiping{Lease: s.lease, LeadID: p.Lead, Contacts: p.Contacts, Addresses: p.Addresses, Row: p.Row,
		Marker: store.ErasedMarker + s.tombs.leadHash(p.Lead), Now: outbox.Millis(time.Now()),
		Note: func(n store.Wiped) string { return note(push.Wiped(n)) }})
}

// Scrub takes what was overwritten out of the files.
func (s *pushStore) Scrub(ctx context.Context, needles []string) error {
	err := s.DB.Scrub(ctx, needles)
	if errors.Is(err, store.ErrStillRead) {
		return push.ErrStillRead
	}
	return err
}
