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
	"leadsync/internal/settlement"
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
func (v *View) Strangers(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	if len(contacts) == 0 {
		return nil, nil
	}
	var rows []strangerRow
	err := v.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND contact_id IN ?", v.portal, hubID, distinct(contacts)).Order("contact_id").Find(&rows).Error
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

func (p *Portal) putStrangers(ctx context.Context, tx *sql.Tx, page *settlement.Page, now int64) error {
	if len(page.Strangers) == 0 {
		return nil
	}
	rows := make([]strangerRow, len(page.Strangers))
	for i := range page.Strangers {
		l := &page.Strangers[i]
		fields, err := encodeFields(l.Fields)
		if err != nil {
			return fmt.Errorf("encode a ledger: %w", err)
		}
		rows[i] = strangerRow{Portal: p.portal, HubID: page.HubID, ContactID: cleanText(string(l.ContactID)), State: string(l.State),
			Address: cleanText(l.Address), Consent: l.Consent, Fields: fields, UpdatedAt: now}
	}
	return p.joined(ctx, tx).Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "contact_id"),
		DoUpdates: clause.AssignmentColumns([]string{"state", "address", "consent", "fields", "updated_at"})}).CreateInBatches(rows, strangerBatch).Error
}

func (db *engine) dropStrangers(ctx context.Context, tx *sql.Tx, portal string, hubID int64, contacts []lead.ContactID) error {
	for chunk := range slices.Chunk(contacts, settleChunk) {
		err := db.joined(ctx, tx).Where("portal = ? AND hub_id = ? AND contact_id IN ?", portal, hubID, distinct(chunk)).Delete(&strangerRow{}).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// dropDeleted removes what was known of contacts before a lead had them that the application has deleted: a new life of
// the lead gives the contact up, and pull must not take its archive for somebody's.
func (db *engine) dropDeleted(ctx context.Context, tx *sql.Tx, portal string, links []ledger.Link) error {
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
func (v *View) LinkedAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.queryLinks(ctx, "read links by contact", v.dialect.sql().linkedAfter, v.portal, hubID, string(after), limit)
}

// GoneAfter reads links of the portal in state gone, with and without a lead, whose contact id as text is greater than
// after, in its order.
func (v *View) GoneAfter(ctx context.Context, hubID int64, after lead.ContactID, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	all, err := v.queryLinks(ctx, "read links that are gone", v.dialect.sql().goneAfter, v.portal, hubID, string(after), limit)
	if err != nil {
		return nil, err
	}
	var rows []strangerRow
	err = v.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND contact_id > ? AND state = ?", v.portal, hubID, string(after), ledger.Gone).
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

// PendingAddresses returns those of the addresses (in the form of lead.LowerKey) that a pending row of the portal
// carries. It finds them by an index, and looks besides at every pending row whose address is not plain ASCII.
func (v *View) PendingAddresses(ctx context.Context, addresses []string) ([]string, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
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
	rows, err := v.rows(ctx, v.read, v.dialect.sql().pendingAddresses, v.portal, v.dialect.texts(distinct(keys)))
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

// addressKey is what the index over pending addresses holds for an address in the form of lead.LowerKey: its first 255
// characters. One with anything but printable ASCII has the key that is empty.
func addressKey(a string) (key string, ok bool) {
	for i := range len(a) {
		if a[i] < ' ' || a[i] > '~' {
			return "", false
		}
	}
	return a[:min(len(a), 255)], true
}
