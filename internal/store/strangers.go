package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// strangerRow is a link without a lead.
type strangerRow struct {
	Portal    string `gorm:"primaryKey"`
	HubID     int64  `gorm:"primaryKey"`
	ContactID string `gorm:"primaryKey"`
	State     string
	Address   string
	Consent   string
	Fields    string
	UpdatedAt int64 `gorm:"autoUpdateTime:false"`
}

// TableName is for gorm.
func (strangerRow) TableName() string { return "leadsync_strangers" }

// strangerBatch keeps a statement with large ledgers below what a server takes.
const strangerBatch = 20

// Strangers reads what is known of contacts without a lead. LeadID of the links is empty.
func (db *DB) Strangers(ctx context.Context, portal string, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	if len(contacts) == 0 {
		return nil, nil
	}
	var rows []strangerRow
	err := db.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND contact_id IN ?", portal, hubID, distinct(contacts)).Order("contact_id").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read strangers: %w", err)
	}
	return strangers(rows)
}

func strangers(rows []strangerRow) ([]ledger.Link, error) {
	all := make([]ledger.Link, len(rows))
	for i, r := range rows {
		fields, err := decodeFields([]byte(r.Fields))
		if err != nil {
			return nil, fmt.Errorf("read strangers: %w", err)
		}
		all[i] = ledger.Link{Portal: r.Portal, HubID: r.HubID, State: ledger.State(r.State), ContactID: lead.ContactID(r.ContactID), Address: r.Address,
			Consent: r.Consent, Fields: fields}
	}
	return all, nil
}

func (db *DB) putStrangers(ctx context.Context, tx *sql.Tx, s *Settlement) error {
	if len(s.Strangers) == 0 {
		return nil
	}
	rows := make([]strangerRow, len(s.Strangers))
	for i := range s.Strangers {
		l := &s.Strangers[i]
		fields, err := encodeFields(l.Fields)
		if err != nil {
			return fmt.Errorf("encode a ledger: %w", err)
		}
		rows[i] = strangerRow{Portal: s.Lease.portal, HubID: s.Stream.HubID, ContactID: cleanText(string(l.ContactID)), State: string(l.State),
			Address: cleanText(l.Address), Consent: l.Consent, Fields: fields, UpdatedAt: s.Now}
	}
	return db.joined(ctx, tx).Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "contact_id"),
		DoUpdates: clause.AssignmentColumns([]string{"state", "address", "consent", "fields", "updated_at"})}).CreateInBatches(rows, strangerBatch).Error
}

func (db *DB) dropStrangers(ctx context.Context, tx *sql.Tx, portal string, hubID int64, contacts []lead.ContactID) error {
	for chunk := range slices.Chunk(contacts, settleChunk) {
		err := db.joined(ctx, tx).Where("portal = ? AND hub_id = ? AND contact_id IN ?", portal, hubID, distinct(chunk)).Delete(&strangerRow{}).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// dropDeleted removes what was known of contacts before a lead had them that the application has deleted: a new life of the lead gives the
// contact up, and pull must not take its archive for somebody's.
func (db *DB) dropDeleted(ctx context.Context, tx *sql.Tx, portal string, links []ledger.Link) error {
	for i := range links {
		if l := &links[i]; l.State == ledger.Deleted && l.ContactID != "" {
			if err := db.dropStrangers(ctx, tx, portal, l.HubID, []lead.ContactID{l.ContactID}); err != nil {
				return err
			}
		}
	}
	return nil
}

// LinkedAfter reads links of the portal in state linked whose contact id as text is greater than after, in its order.
func (db *DB) LinkedAfter(ctx context.Context, portal string, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	return db.queryLinks(ctx, "read links by contact", db.dialect.sql().linkedAfter, portal, hubID, string(after), limit)
}

// GoneAfter reads links of the portal in state gone, with and without a lead, whose contact id as text is greater than after, in its
// order.
func (db *DB) GoneAfter(ctx context.Context, portal string, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	all, err := db.queryLinks(ctx, "read links that are gone", db.dialect.sql().goneAfter, portal, hubID, string(after), limit)
	if err != nil {
		return nil, err
	}
	var rows []strangerRow
	err = db.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND contact_id > ? AND state = ?", portal, hubID, string(after), ledger.Gone).
		Order("contact_id").Limit(limit).Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read strangers that are gone: %w", err)
	}
	more, err := strangers(rows)
	if err != nil {
		return nil, err
	}
	all = append(all, more...)
	slices.SortStableFunc(all, func(a, b ledger.Link) int { return cmp.Compare(a.ContactID, b.ContactID) })
	return all[:min(limit, len(all))], nil
}

// PendingAddresses returns those of the addresses (in the form of lead.LowerKey) that a pending row of the portal carries. It finds them
// by an index, and looks besides at every pending row whose address is not plain ASCII.
func (db *DB) PendingAddresses(ctx context.Context, portal string, addresses []string) ([]string, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	asked := make(map[string]bool, len(addresses))
	keys := []string{""}
	for _, a := range addresses {
		asked[a] = true
		if key, ok := addressKey(a); ok {
			keys = append(keys, key)
		}
	}
	rows, err := db.rows(ctx, db.read, db.dialect.sql().pendingAddresses, portal, db.dialect.texts(distinct(keys)))
	if err != nil {
		return nil, fmt.Errorf("look for pending addresses: %w", err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var email string
		if err := rows.Scan(&email); err != nil {
			return nil, fmt.Errorf("look for pending addresses: %w", err)
		}
		if key := lead.LowerKey(email); asked[key] {
			found = append(found, key)
			asked[key] = false
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look for pending addresses: %w", err)
	}
	return found, nil
}

// addressKey is what the index over pending addresses holds for an address in the form of lead.LowerKey: its first 255 characters. One
// with anything but printable ASCII has the key that is empty.
func addressKey(a string) (key string, ok bool) {
	for i := range len(a) {
		if a[i] < ' ' || a[i] > '~' {
			return "", false
		}
	}
	return a[:min(len(a), 255)], true
}
