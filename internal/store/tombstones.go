package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// The kinds of tombstones.
const (
	tombLead    = "lead"
	tombContact = "contact"
	tombAddress = "address"
)

// ErasedMarker begins the lead id of a row whose person was wiped; the hash of the lead's tombstone stands behind it.
// The text alone proves nothing, since an application chooses its ids: the tombstone does.
const ErasedMarker = "erased:"

// LeadTombstone hashes a lead id for its tombstone. The portal is part of it: leads of two applications may have one
// id.
func LeadTombstone(hash func(kind, text string) string, portal string, id lead.ID) string {
	return hash(tombLead, portal+"\x00"+string(id))
}

// tombRow is a row of leadsync_tombstones. Times are unix ms.
type tombRow struct {
	Portal   string `gorm:"primaryKey"`
	HubID    int64  `gorm:"primaryKey"`
	Kind     string `gorm:"primaryKey"`
	Hash     string `gorm:"primaryKey"`
	LeadHash string `gorm:"primaryKey"`
	ErasedAt int64
	PurgedAt int64
}

func (tombRow) TableName() string { return "leadsync_tombstones" }

// Entomb writes the tombstones of a person, skips all other rows of the lead as erased and takes the link out of every
// lane, in one transaction: from here on nothing acts for the lead but its erase, and the unsubscribes that are
// pending. What is known of its consent stays on the link until the end, since HubSpot may refuse to erase. It may be
// repeated.
func (p *Portal) Entomb(ctx context.Context, hubID int64, person settlement.Person) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	now, leadHash := p.now(), p.leadHash(person.Lead)
	rows := []tombRow{{Kind: tombLead, Hash: leadHash}}
	for _, id := range person.Contacts {
		rows = append(rows, tombRow{Kind: tombContact, Hash: p.contactHash(id)})
	}
	for _, a := range person.Addresses {
		rows = append(rows, tombRow{Kind: tombAddress, Hash: p.addressHash(a)})
	}
	for i := range rows {
		rows[i].Portal, rows[i].HubID, rows[i].LeadHash, rows[i].ErasedAt = p.portal, hubID, leadHash, now
	}
	p.erased.some.Store(true)
	return p.fenced(ctx, "write tombstones", p.lease, now, func(tx *sql.Tx) error {
		g := p.joined(ctx, tx)
		if err := g.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 200).Error; err != nil {
			return err
		}
		if person.PurgedAt != 0 {
			err := g.Model(&tombRow{}).Where("portal = ? AND hub_id = ? AND kind = ? AND hash = ? AND lead_hash = ?", p.portal, hubID, tombLead,
				leadHash, leadHash).Update("purged_at", person.PurgedAt).Error
			if err != nil {
				return err
			}
		}
		if err := p.skipErased(ctx, tx, p.portal, person.Lead, person.Row, now); err != nil {
			return err
		}
		return g.Table("leadsync_links").Where("portal = ? AND hub_id = ? AND lead_id = ?", p.portal, hubID, cleanText(string(person.Lead))).
			Updates(map[string]any{"opt_out_due": nil, "second_look_at": nil, "owed": nil, "updated_at": now}).Error
	})
}

// How a tombstone is hashed is known here alone; who asks names leads, contacts and addresses.

func (p *Portal) leadHash(id lead.ID) string           { return LeadTombstone(p.cfg.Hash, p.portal, id) }
func (p *Portal) contactHash(id lead.ContactID) string { return p.cfg.Hash(tombContact, string(id)) }
func (p *Portal) addressHash(address string) string    { return p.cfg.Hash(tombAddress, address) }

// skipErased ends the other rows of a lead that is erased. An unsubscribe that is pending is left to its lane, which
// opts out what it names before it ends: it may have come after the erase read the rows. One that waits for an address
// will never have any.
func (db *engine) skipErased(ctx context.Context, tx *sql.Tx, portal string, id lead.ID, but outbox.EntryID, now int64) error {
	g := db.narrow(db.joined(ctx, tx).Table("lead_outbox AS o"), portal, "", "", id, 0)
	return g.Where("o.state IN ? AND o.id <> ?", []outbox.State{outbox.Pending, outbox.Dead}, but).
		Where("NOT (o.state = ? AND coalesce(o.event_type, '') = ? AND coalesce(o.not_before, 0) <> ?)", outbox.Pending, outbox.Unsubscribed, outbox.Parked).
		Updates(map[string]any{
			"state": outbox.Skipped, "reason": outbox.ErasedPerson, "note": nil, "not_before": nil, "settled_at": now}).Error
}

// fenced runs f in one transaction under the lease.
func (db *engine) fenced(ctx context.Context, doing string, l *Lease, now int64, f func(*sql.Tx) error) error {
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		if err := db.fence(ctx, tx, l, 0, now); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		if err == settlement.ErrLeaseLost {
			l.lose()
			return err
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// tombChunk bounds the hashes of one question.
const tombChunk = 500

// tombInfo is what is known of a tombstone. Times are unix ms.
type tombInfo struct {
	erasedAt int64 // when the erase began
	purgedAt int64 // of a lead: when HubSpot last had something to erase of it; 0 = not yet
	lead     bool  // the hash is that of a lead
}

// Tombstoned tells which leads, contacts and addresses (normalised) belong to somebody who was erased in the HubSpot
// account. Where nobody ever was it costs nothing.
//
// What the answer means: a lead with a tombstone is never written again, in either direction. A contact with one is
// never told to the application nor linked. An address with one stops only a lead that has no contact, else erasing one
// person would silence another, living one, that has the address now.
func (p *Portal) Tombstoned(ctx context.Context, hubID int64, leads []lead.ID, contacts []lead.ContactID, addresses []string) (settlement.Tombstoned, error) {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	out := settlement.Tombstoned{Leads: map[lead.ID]settlement.Tomb{}, Contacts: map[lead.ContactID]bool{}, Addresses: map[string]bool{}}
	if some, err := p.anybodyErased(ctx, hubID); err != nil || !some {
		return out, err
	}
	var hashes []string
	for _, id := range leads {
		hashes = append(hashes, p.leadHash(id))
	}
	// A row that was wiped stands under a marker in the place of its lead id. An application may begin its ids in the same
	// way: a marker is what holds the keyed hash of a tombstone that is there, which nobody can make up.
	marked := map[string]lead.ID{}
	for _, id := range leads {
		if hash, ok := strings.CutPrefix(string(id), ErasedMarker); ok && len(hash) == 64 {
			marked[hash] = id
		}
	}
	for _, id := range contacts {
		hashes = append(hashes, p.contactHash(id))
	}
	for _, a := range addresses {
		hashes = append(hashes, p.addressHash(a))
	}
	there, err := p.tombsOf(ctx, hubID, append(slices.Clone(hashes), slices.Collect(maps.Keys(marked))...))
	if err != nil {
		return out, err
	}
	for hash, id := range marked {
		if tomb, ok := there[hash]; ok && tomb.lead {
			out.Leads[id] = settlement.Tomb{ErasedAt: tomb.erasedAt, PurgedAt: tomb.purgedAt, Marker: true}
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
			out.Leads[leads[i]] = settlement.Tomb{ErasedAt: tomb.erasedAt, PurgedAt: tomb.purgedAt}
		case i < len(leads)+len(contacts):
			out.Contacts[contacts[i-len(leads)]] = true
		default:
			out.Addresses[addresses[i-len(leads)-len(contacts)]] = true
		}
	}
	return out, nil
}

// anybodyErased reports whether anybody was ever erased in the account: where nobody was, nobody need be asked about.
// Only the owner of the portal erases, so the database is asked once.
func (p *Portal) anybodyErased(ctx context.Context, hubID int64) (bool, error) {
	if p.erased.some.Load() || p.erased.asked.Load() {
		return p.erased.some.Load(), nil
	}
	var n int64
	err := p.gread.WithContext(ctx).Model(&tombRow{}).Where("portal = ? AND hub_id = ?", p.portal, hubID).Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("read tombstones: %w", err)
	}
	if n > 0 {
		p.erased.some.Store(true)
	}
	p.erased.asked.Store(true)
	return p.erased.some.Load(), nil
}

// tombsOf tells which of the hashes have a tombstone. Each is made of the kind and the text together, so that one list
// may hold all kinds.
func (p *Portal) tombsOf(ctx context.Context, hubID int64, hashes []string) (map[string]tombInfo, error) {
	found := map[string]tombInfo{}
	for part := range slices.Chunk(hashes, tombChunk) {
		var rows []tombRow
		err := p.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND kind IN ? AND hash IN ?", p.portal, hubID,
			[]string{tombLead, tombContact, tombAddress}, part).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("read tombstones: %w", err)
		}
		for _, r := range rows {
			was := found[r.Hash]
			found[r.Hash] = tombInfo{max(was.erasedAt, r.ErasedAt), max(was.purgedAt, r.PurgedAt), was.lead || r.Kind == tombLead}
		}
	}
	return found, nil
}

// ForgetTombstones removes the tombstones of one lead, with those of its contacts and addresses, in every account of
// the portal, and returns how many there were: the person has come back by own wish.
func (o *Operator) ForgetTombstones(ctx context.Context, portal, leadHash string) (int64, error) {
	var n int64
	err := o.again(ctx, func() error {
		res := o.gwrite.WithContext(ctx).Where("portal = ? AND lead_hash = ?", portal, leadHash).Delete(&tombRow{})
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("forget tombstones: %w", err)
	}
	return n, nil
}
