package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// ErrStillRead says that what was overwritten still stands in the journal of the SQLite file, because another program has been reading
// the database since before. It passes when that program ends its transaction.
var ErrStillRead = errors.New("another program still reads the database as it was before")

// Wiping is the last phase of an erase: everything that names the person is overwritten here.
type Wiping struct {
	Lease  *Lease
	LeadID lead.ID
	// Contacts and Addresses (normalised) find inbox rows that name no lead.
	Contacts  []lead.ContactID
	Addresses []string
	// Row is the one that asks for the erase. It stays pending, under Marker as its lead id and with the note that Note makes, until Scrub is done.
	Row    outbox.EntryID
	Marker string
	Note   func(Wiped) string
	Now    int64
}

// Wiped counts what was overwritten.
type Wiped struct{ Rows, Inbox int64 }

// Wipe overwrites the payloads of a lead in one transaction under the lease: outbox rows in every state, inbox rows (which count as
// acknowledged then), and the links with their ledgers, which are deleted. Rows keep their id, type, state and times, so that the
// account of rows still adds up. It may be repeated. ErrLeaseLost when another owner has the portal.
func (db *DB) Wipe(ctx context.Context, w Wiping) error {
	portal, id := w.Lease.portal, cleanText(string(w.LeadID))
	return db.fenced(ctx, "wipe a person", w.Lease, w.Now, func(tx *sql.Tx) error {
		var n Wiped
		if err := db.dialect.unhurried(ctx, db, tx); err != nil {
			return err
		}
		if err := db.skipErased(ctx, tx, portal, w.LeadID, w.Row, w.Now); err != nil {
			return err
		}
		bare := bareColumns()
		g := db.narrow(db.joined(ctx, tx).Table("lead_outbox AS o"), portal, "", "", w.LeadID, 0)
		res := g.Where("o.id <> ?", w.Row).Updates(bare)
		if res.Error != nil {
			return res.Error
		}
		n.Rows = res.RowsAffected
		var err error
		if n.Inbox, err = db.wipeInbox(ctx, tx, portal, id, w); err != nil {
			return err
		}
		bare["lead_id"], bare["note"], bare["not_before"] = w.Marker, w.Note(n), nil
		if err := db.joined(ctx, tx).Table("lead_outbox AS o").Where("o.id = ? AND o.portal = ? AND o.state = ?", w.Row, portal, outbox.Pending).
			Updates(bare).Error; err != nil {
			return err
		}
		// What was known of the contacts before they were a lead's.
		if len(w.Contacts) > 0 {
			if err := db.joined(ctx, tx).Where("portal = ? AND contact_id IN ?", portal, distinct(w.Contacts)).Delete(&strangerRow{}).Error; err != nil {
				return err
			}
		}
		if err := db.wipeContacts(ctx, tx, portal, id, w.Row); err != nil {
			return err
		}
		// Links of an account that the portal had before name the person too.
		return db.joined(ctx, tx).Exec("DELETE FROM leadsync_links WHERE portal = ? AND lead_id = ?", portal, id).Error
	})
}

// bareColumns overwrite what a row says of a person.
func bareColumns() map[string]any {
	return map[string]any{"event_id": nil, "lead_id": nil, "email": nil, "properties": "{}", "note": nil, "contact_id": nil, "correlation_id": nil,
		"event_type": gorm.Expr("CASE WHEN event_type IN ? THEN event_type ELSE 'erased' END", knownTypes)}
}

// bareErased overwrites rows that a settlement ends as erased: late and replayed ones name a person who is gone.
func (db *DB) bareErased(ctx context.Context, tx *sql.Tx, outcomes []outbox.Outcome) error {
	var ids []outbox.EntryID
	for i := range outcomes {
		if outcomes[i].State == outbox.Skipped && outcomes[i].Reason == outbox.ErasedPerson {
			ids = append(ids, outcomes[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return db.joined(ctx, tx).Table("lead_outbox AS o").Where("o.id IN ? AND o.state = ? AND o.reason = ?", ids, outbox.Skipped, outbox.ErasedPerson).
		Updates(bareColumns()).Error
}

// knownTypes are the event types whose name says nothing of a person.
var knownTypes = []outbox.Type{outbox.Registered, outbox.Updated, outbox.Unsubscribed, outbox.Resubscribed, outbox.Deleted, outbox.Erased}

// wipeInbox overwrites the lead's rows, and those about its contacts and addresses that name no lead.
func (db *DB) wipeInbox(ctx context.Context, tx *sql.Tx, portal, id string, w Wiping) (int64, error) {
	contacts, addresses := distinct(w.Contacts), distinct(w.Addresses)
	if len(contacts) == 0 {
		contacts = []string{""} // an empty list is no SQL
	}
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	bare := map[string]any{"lead_id": nil, "contact_id": nil, "email": nil, "properties": "{}", "acked_at": gorm.Expr("coalesce(acked_at, ?)", w.Now)}
	res := db.joined(ctx, tx).Model(&InboxRow{}).Where("portal = ?", portal).
		Where("lead_id = ? OR lead_id IS NULL AND (contact_id IN ? OR lower(email) IN ?)", id, contacts, addresses).Updates(bare)
	return res.RowsAffected, res.Error
}

// InboxOf reads the inbox rows of a lead, acknowledged or not. The inbox has no index over leads: it is read whole.
func (db *DB) InboxOf(ctx context.Context, portal string, id lead.ID) ([]InboxRow, error) {
	var rows []InboxRow
	if err := db.gread.WithContext(ctx).Where("portal = ? AND lead_id = ?", portal, cleanText(string(id))).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read inbox rows of a lead: %w", err)
	}
	return rows, nil
}

// Scrub takes what was overwritten out of the files: on SQLite the journal is emptied, and the file is written anew when it may still
// hold one of the needles in a place that no row has any more (a small file, or no needles: always). On a server it does nothing: what
// dead tuples, logs, replicas and backups hold is the server's. ErrStillRead when another program keeps the old pages alive.
func (db *DB) Scrub(ctx context.Context, needles []string) error {
	if err := db.dialect.cleanse(ctx, db, needles); err != nil {
		return fmt.Errorf("scrub the database: %w", err)
	}
	return nil
}
