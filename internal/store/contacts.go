package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// contactRow is a row of leadsync_contacts, see the migration.
type contactRow struct {
	Portal    string `gorm:"primaryKey"`
	HubID     int64  `gorm:"primaryKey;autoIncrement:false"`
	Kind      string `gorm:"primaryKey"`
	Owner     string `gorm:"primaryKey"`
	ContactID string `gorm:"primaryKey"`
	Addresses string
	N         int64
	At        int64
}

func (contactRow) TableName() string { return "leadsync_contacts" }

// The kinds of contactRow.
const (
	kindHad   = "had"
	kindFound = "found"
	kindAsked = "asked"
	kindAlso  = "also"
	kindLeave = "leave"
	kindTouch = "touch"
)

const (
	// contactMax is the longest contact id that is kept.
	contactMax = 64
	// hadAddresses bounds the addresses that are kept of one contact of a lead; the oldest go.
	hadAddresses = 50
	// hadContacts bounds the contacts of one lead that are read back, the newest first.
	hadContacts = 2000
)

// noteContacts keeps what links give up, a contact or its address, and which contacts were there before their lead: it
// is evidence of whose contact something is, and the link alone would lose it.
func (db *engine) noteContacts(ctx context.Context, tx *sql.Tx, portal string, links []ledger.Link, now int64) error {
	var rows []contactRow
	for i := range links {
		l := &links[i]
		row := contactRow{Portal: portal, HubID: l.HubID, Owner: cleanText(string(l.LeadID)), At: now}
		if had, ok := l.Had(); ok && len(had.ContactID) <= contactMax {
			was, err := db.hadOf(ctx, tx, portal, l.HubID, row.Owner, string(had.ContactID))
			if err != nil {
				return err
			}
			row.Kind, row.ContactID = kindHad, string(had.ContactID)
			if row.Addresses = addAddress(addAddress(was, had.Address), had.Last); row.Addresses != was {
				rows = append(rows, row)
			}
		}
		if l.Found && l.ContactID != "" && len(l.ContactID) <= contactMax {
			row.Kind, row.ContactID, row.Addresses = kindFound, string(l.ContactID), ""
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return db.joined(ctx, tx).Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "kind", "owner", "contact_id"),
		DoUpdates: clause.AssignmentColumns([]string{"addresses", "at"})}).CreateInBatches(rows, 200).Error
}

func (db *engine) hadOf(ctx context.Context, tx *sql.Tx, portal string, hubID int64, owner, contact string) (string, error) {
	var rows []contactRow
	err := db.joined(ctx, tx).Where("portal = ? AND hub_id = ? AND kind = ? AND owner = ? AND contact_id = ?", portal, hubID, kindHad, owner, contact).
		Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].Addresses, nil
}

// addAddress adds one to a list in JSON.
func addAddress(list, address string) string {
	var all []string
	_ = json.Unmarshal([]byte(list), &all) // empty at first
	if address = cleanText(address); address != "" && !slices.Contains(all, address) {
		all = append(all, address)
	}
	all = all[max(0, len(all)-hadAddresses):]
	b, _ := json.Marshal(all) // texts cannot fail
	return string(b)
}

// KnownContacts reads what is known of the contacts of a lead besides its link, and an operator's words for the rows.
func (v *View) KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (settlement.Known, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	k := settlement.Known{Had: map[lead.ContactID][]string{}, Found: map[lead.ContactID]bool{}, Asked: map[string]int64{},
		Also: map[lead.ContactID]bool{}, Leave: map[lead.ContactID]bool{}}
	var all []contactRow
	err := v.gread.WithContext(ctx).Where("portal = ? AND hub_id = ? AND kind IN ? AND owner = ?", v.portal, hubID, []string{kindHad, kindFound, kindAsked},
		cleanText(string(id))).Order("at DESC").Limit(hadContacts).Find(&all).Error
	if err != nil {
		return k, fmt.Errorf("read the contacts of a lead: %w", err)
	}
	for _, r := range all {
		if r.Kind == kindFound {
			k.Found[lead.ContactID(r.ContactID)] = true
			continue
		}
		var addresses []string
		if json.Unmarshal([]byte(r.Addresses), &addresses) != nil {
			return k, fmt.Errorf("the addresses of a contact are not the JSON that was written (%d bytes)", len(r.Addresses))
		}
		if r.Kind == kindHad {
			k.Had[lead.ContactID(r.ContactID)] = addresses
			continue
		}
		for _, a := range addresses {
			k.Asked[a] = r.At
		}
	}
	said, err := v.saidOfContacts(ctx, rows)
	for _, word := range said {
		switch {
		case word.Contact == AnyShared:
			k.Shared = word.Also
		case word.Also:
			k.Also[word.Contact] = true
		default:
			k.Leave[word.Contact] = true
		}
	}
	return k, err
}

// noteAsked keeps creates without an answer. Of several of one lead the first counts, with the addresses of all.
func (db *engine) noteAsked(ctx context.Context, tx *sql.Tx, portal string, asked []settlement.Unanswered) error {
	for _, a := range asked {
		g := db.joined(ctx, tx)
		row := contactRow{Portal: portal, HubID: a.HubID, Kind: kindAsked, Owner: cleanText(string(a.Lead)), At: a.At}
		var was []contactRow
		if err := g.Where("portal = ? AND hub_id = ? AND kind = ? AND owner = ?", portal, a.HubID, kindAsked, row.Owner).Find(&was).Error; err != nil {
			return err
		}
		if len(was) > 0 {
			row = was[0]
		}
		before := row.Addresses
		if row.Addresses = addAddress(before, a.Address); row.Addresses == before {
			continue
		}
		err := g.Clauses(clause.OnConflict{Columns: columns("portal", "hub_id", "kind", "owner", "contact_id"),
			DoUpdates: clause.AssignmentColumns([]string{"addresses"})}).Create(&row).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// ContactWord is what an operator said of a contact for one delete or erase: that it is meant too, or that it is to be
// left alone.
type ContactWord struct {
	Contact lead.ContactID // AnyShared: every contact of the lead that another lead has too
	Also    bool
}

// AnyShared stands for every contact of the lead that another lead has too since a merge.
const AnyShared lead.ContactID = "shared"

// SayOfContacts notes an operator's words for a row; the last word about a contact counts. lead.ErrNotFound when there
// is no such row.
func (o *Operator) SayOfContacts(ctx context.Context, row outbox.EntryID, said []ContactWord) error {
	rows, err := o.entries(ctx, []outbox.EntryID{row})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("row %d: %w", row, lead.ErrNotFound)
	}
	err = o.inTx(ctx, func(tx *sql.Tx) error { return o.say(ctx, tx, rows[0].Portal, row, said) })
	if err != nil {
		return fmt.Errorf("note what was said of contacts: %w", err)
	}
	return nil
}

// say writes them. A row is in one portal, and its id says all: the account is not part of it.
func (o *Operator) say(ctx context.Context, tx *sql.Tx, portal string, row outbox.EntryID, said []ContactWord) error {
	for _, s := range said {
		if s.Contact == "" || len(s.Contact) > contactMax || s.Contact != AnyShared && strings.Trim(string(s.Contact), "0123456789") != "" {
			return fmt.Errorf("a contact id is a number of at most %d digits", contactMax)
		}
		r := contactRow{Portal: portal, Kind: kindAlso, Owner: strconv.FormatInt(int64(row), 10), ContactID: string(s.Contact), At: now()}
		other := kindLeave
		if !s.Also {
			r.Kind, other = kindLeave, kindAlso
		}
		g := o.joined(ctx, tx)
		if err := g.Where("portal = ? AND hub_id = 0 AND kind = ? AND owner = ? AND contact_id = ?", portal, other, r.Owner, r.ContactID).
			Delete(&contactRow{}).Error; err != nil {
			return err
		}
		if err := g.Clauses(clause.OnConflict{DoNothing: true}).Create(&r).Error; err != nil {
			return err
		}
	}
	return nil
}

// saidOfContacts reads an operator's words for rows.
func (v *View) saidOfContacts(ctx context.Context, rows []outbox.EntryID) ([]ContactWord, error) {
	owners := make([]string, len(rows))
	for i, id := range rows {
		owners[i] = strconv.FormatInt(int64(id), 10)
	}
	var all []contactRow
	err := v.gread.WithContext(ctx).Where("portal = ? AND hub_id = 0 AND kind IN ? AND owner IN ?", v.portal, []string{kindAlso, kindLeave}, owners).
		Order("at").Find(&all).Error
	if err != nil {
		return nil, fmt.Errorf("read what was said of contacts: %w", err)
	}
	said := make([]ContactWord, len(all))
	for i, r := range all {
		said[i] = ContactWord{lead.ContactID(r.ContactID), r.Kind == kindAlso}
	}
	return said, nil
}

// wipeContacts removes what is known of the contacts of a lead, in every account that the portal had, and what was said
// for the row.
func (db *engine) wipeContacts(ctx context.Context, tx *sql.Tx, portal, id string, row outbox.EntryID) error {
	g := db.joined(ctx, tx)
	if err := g.Where("portal = ? AND kind IN ? AND owner = ?", portal, []string{kindHad, kindFound, kindAsked}, id).Delete(&contactRow{}).Error; err != nil {
		return err
	}
	return g.Where("portal = ? AND kind IN ? AND owner = ?", portal, []string{kindAlso, kindLeave}, strconv.FormatInt(int64(row), 10)).
		Delete(&contactRow{}).Error
}
