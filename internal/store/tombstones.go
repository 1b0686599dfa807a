package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// TombKind is what a tombstone stands for.
type TombKind string

// The kinds of tombstones.
const (
	TombLead    TombKind = "lead"
	TombContact TombKind = "contact"
	TombAddress TombKind = "address"
)

// Tomb is one keyed hash of something that belonged to an erased person. The caller hashes; nothing here could be turned back.
type Tomb struct {
	Kind TombKind
	Hash string // at most 64 characters
}

// ErasedMarker begins the lead id of a row whose person was wiped; the hash of the lead's tombstone stands behind it. The text alone proves
// nothing, since an application chooses its ids: the tombstone does.
const ErasedMarker = "erased:"

// LeadTombstone hashes a lead id for its tombstone. The portal is part of it: leads of two applications may have one id.
func LeadTombstone(hash func(kind, text string) string, portal string, id lead.ID) string {
	return hash(string(TombLead), portal+"\x00"+string(id))
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

// Entombment is the first phase of an erase, or what was found of the person since.
type Entombment struct {
	Lease    *Lease
	HubID    int64
	LeadID   lead.ID
	LeadHash string
	// Tombs are the hashes of contacts and addresses; that of the lead itself is added.
	Tombs []Tomb
	// Row is the one that asks for the erase. It stays pending; all other pending and dead rows of the lead are skipped.
	Row outbox.EntryID
	Now int64
	// PurgedAt is when HubSpot last had something to erase of the lead, unix ms; 0 leaves what is known.
	PurgedAt int64
}

// Entomb writes the tombstones of a person, skips all other rows of the lead as erased and takes the link out of every lane, in one
// transaction under the lease: from here on nothing acts for the lead but its erase. It may be repeated. ErrLeaseLost when another
// owner has the portal.
func (db *DB) Entomb(ctx context.Context, e Entombment) error {
	rows := []tombRow{{Kind: string(TombLead), Hash: e.LeadHash}}
	for _, t := range e.Tombs {
		rows = append(rows, tombRow{Kind: string(t.Kind), Hash: t.Hash})
	}
	for i := range rows {
		rows[i].Portal, rows[i].HubID, rows[i].LeadHash, rows[i].ErasedAt = e.Lease.portal, e.HubID, e.LeadHash, e.Now
	}
	return db.fenced(ctx, "write tombstones", e.Lease, e.Now, func(tx *sql.Tx) error {
		g := db.joined(ctx, tx)
		if err := g.Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(rows, 200).Error; err != nil {
			return err
		}
		if e.PurgedAt != 0 {
			err := g.Model(&tombRow{}).Where("portal = ? AND hub_id = ? AND kind = ? AND hash = ? AND lead_hash = ?", e.Lease.portal, e.HubID, TombLead,
				e.LeadHash, e.LeadHash).Update("purged_at", e.PurgedAt).Error
			if err != nil {
				return err
			}
		}
		if err := db.skipErased(ctx, tx, e.Lease.portal, e.LeadID, e.Row, e.Now); err != nil {
			return err
		}
		return g.Table("leadsync_links").Where("portal = ? AND hub_id = ? AND lead_id = ?", e.Lease.portal, e.HubID, cleanText(string(e.LeadID))).
			Updates(map[string]any{"consent": "", "opt_out": "", "opt_out_due": nil, "second_look_at": nil, "owed": nil, "updated_at": e.Now}).Error
	})
}

// skipErased ends the other rows of a lead that is erased.
func (db *DB) skipErased(ctx context.Context, tx *sql.Tx, portal string, id lead.ID, but outbox.EntryID, now int64) error {
	g := db.narrow(db.joined(ctx, tx).Table("lead_outbox AS o"), portal, "", "", id, 0)
	return g.Where("o.state IN ? AND o.id <> ?", []outbox.State{outbox.Pending, outbox.Dead}, but).Updates(map[string]any{
		"state": outbox.Skipped, "reason": outbox.ErasedPerson, "note": nil, "not_before": nil, "settled_at": now}).Error
}

// fenced runs f in one transaction under the lease.
func (db *DB) fenced(ctx context.Context, doing string, l *Lease, now int64, f func(*sql.Tx) error) error {
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		if err := db.fence(ctx, tx, l, 0, now); err != nil {
			return err
		}
		return f(tx)
	})
	if err != nil {
		if err == ErrLeaseLost {
			l.lose()
			return err
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// tombChunk bounds the hashes of one question.
const tombChunk = 500

// TombInfo is what is known of a tombstone. Times are unix ms.
type TombInfo struct {
	ErasedAt int64 // when the erase began
	PurgedAt int64 // of a lead: when HubSpot last had something to erase of it; 0 = not yet
	Lead     bool  // the hash is that of a lead
}

// Tombstoned tells which of the hashes have a tombstone in one HubSpot account. The caller makes each hash of the kind and the text together, so that one list may hold all kinds.
//
// What the answer means: a lead with a tombstone is never written again, in either direction. A contact with one is never told to the
// application nor linked. An address with one stops only a lead that has no contact, else erasing one person would silence another,
// living one, that has the address now.
func (db *DB) Tombstoned(ctx context.Context, portal string, hubID int64, hashes []string) (map[string]TombInfo, error) {
	found := map[string]TombInfo{}
	for part := range slices.Chunk(hashes, tombChunk) {
		var rows []tombRow
		err := db.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND kind IN ? AND hash IN ?", portal, hubID,
			[]TombKind{TombLead, TombContact, TombAddress}, part).Find(&rows).Error
		if err != nil {
			return nil, fmt.Errorf("read tombstones: %w", err)
		}
		for _, r := range rows {
			was := found[r.Hash]
			found[r.Hash] = TombInfo{max(was.ErasedAt, r.ErasedAt), max(was.PurgedAt, r.PurgedAt), was.Lead || r.Kind == string(TombLead)}
		}
	}
	return found, nil
}

// HasTombstones reports whether anybody was ever erased in the account: where nobody was, nobody need be asked about.
func (db *DB) HasTombstones(ctx context.Context, portal string, hubID int64) (bool, error) {
	var n int64
	err := db.gread.WithContext(ctx).Model(&tombRow{}).Where("portal = ? AND hub_id = ?", portal, hubID).Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("read tombstones: %w", err)
	}
	return n > 0, nil
}

// ForgetTombstones removes the tombstones of one lead, with those of its contacts and addresses, in every account of the portal, and
// returns how many there were: the person has come back by own wish.
func (db *DB) ForgetTombstones(ctx context.Context, portal, leadHash string) (int64, error) {
	var n int64
	err := db.again(ctx, func() error {
		res := db.gwrite.WithContext(ctx).Where("portal = ? AND lead_hash = ?", portal, leadHash).Delete(&tombRow{})
		n = res.RowsAffected
		return res.Error
	})
	if err != nil {
		return 0, fmt.Errorf("forget tombstones: %w", err)
	}
	return n, nil
}
