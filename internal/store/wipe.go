package store

import (
	"context"
	"database/sql"
	"fmt"

	"gorm.io/gorm"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// Wipe is the last phase of an erase: it overwrites the payloads of a lead in one transaction: outbox rows in every
// state, inbox rows (which count as acknowledged then), also those that name no lead and are found by the person's
// contacts and addresses, and the links with their ledgers, which are deleted. Rows keep their id, type, state and
// times, so that the account of rows still adds up. The row that asks for the erase stays pending until Scrub is done,
// under a lead id that Tombstoned knows as a marker and with the note that is made of what was overwritten. An
// unsubscribe that is pending still is overwritten when it ends. It may be repeated.
func (p *Portal) Wipe(ctx context.Context, person settlement.Person, note func(settlement.Wiped) string) error {
	ctx, cancel := p.longer(ctx)
	defer cancel()
	now, id := p.now(), cleanText(string(person.Lead))
	return p.fenced(ctx, "wipe a person", p.lease, now, func(tx *sql.Tx) error {
		var n settlement.Wiped
		if err := p.dialect.unhurried(ctx, p.engine, tx); err != nil {
			return err
		}
		if err := p.skipErased(ctx, tx, p.portal, person.Lead, person.Row, now); err != nil {
			return err
		}
		bare := bareColumns()
		g := p.narrow(p.joined(ctx, tx).Table("lead_outbox AS o"), p.portal, "", "", person.Lead, 0)
		res := g.Where("o.id <> ? AND o.state <> ?", person.Row, outbox.Pending).Updates(bare)
		if res.Error != nil {
			return res.Error
		}
		n.Rows = res.RowsAffected
		var err error
		if n.Inbox, err = p.wipeInbox(ctx, tx, id, person, now); err != nil {
			return err
		}
		bare["lead_id"], bare["note"], bare["not_before"] = ErasedMarker+p.leadHash(person.Lead), note(n), nil
		if err := p.joined(ctx, tx).Table("lead_outbox AS o").Where("o.id = ? AND o.portal = ? AND o.state = ?", person.Row, p.portal, outbox.Pending).
			Updates(bare).Error; err != nil {
			return err
		}
		// What was known of the contacts before they were a lead's.
		if len(person.Contacts) > 0 {
			if err := p.joined(ctx, tx).Where("portal = ? AND contact_id IN ?", p.portal, distinct(person.Contacts)).Delete(&strangerRow{}).Error; err != nil {
				return err
			}
		}
		if err := p.wipeContacts(ctx, tx, p.portal, id, person.Row); err != nil {
			return err
		}
		if err := p.joined(ctx, tx).Where("portal = ? AND lead_id = ?", p.portal, id).Delete(&optOutRow{}).Error; err != nil {
			return err
		}
		// Links of an account that the portal had before name the person too.
		return p.joined(ctx, tx).Exec("DELETE FROM leadsync_links WHERE portal = ? AND lead_id = ?", p.portal, id).Error
	})
}

// bareColumns overwrite what a row says of a person.
func bareColumns() map[string]any {
	return map[string]any{"event_id": nil, "lead_id": nil, "email": nil, "properties": "{}", "note": nil, "contact_id": nil, "correlation_id": nil,
		"event_type": gorm.Expr("CASE WHEN event_type IN ? THEN event_type ELSE 'erased' END", knownTypes)}
}

// bareErased overwrites rows that a settlement ends as erased: late and replayed ones name a person who is gone.
func (db *engine) bareErased(ctx context.Context, tx *sql.Tx, outcomes []outbox.Outcome) error {
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
func (p *Portal) wipeInbox(ctx context.Context, tx *sql.Tx, id string, person settlement.Person, now int64) (int64, error) {
	contacts, addresses := distinct(person.Contacts), distinct(person.Addresses)
	if len(contacts) == 0 {
		contacts = []string{""} // an empty list is no SQL
	}
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	bare := map[string]any{"lead_id": nil, "contact_id": nil, "email": nil, "properties": "{}", "acked_at": gorm.Expr("coalesce(acked_at, ?)", now)}
	res := p.joined(ctx, tx).Model(&InboxRow{}).Where("portal = ?", p.portal).
		Where("lead_id = ? OR lead_id IS NULL AND (contact_id IN ? OR lower(email) IN ?)", id, contacts, addresses).Updates(bare)
	return res.RowsAffected, res.Error
}

// InboxOf reads what the application was told about a lead, acknowledged or not. The inbox has no index over leads: it
// is read whole.
func (v *View) InboxOf(ctx context.Context, id lead.ID) ([]inbox.Row, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	rows, err := v.inboxOf(ctx, v.portal, id)
	out := make([]inbox.Row, len(rows))
	for i, r := range rows {
		out[i] = inbox.Row{LeadID: id, ContactID: lead.ContactID(textOf(r.ContactID)), Email: textOf(r.Email), ChangeType: r.ChangeType, Properties: r.Properties}
	}
	return out, err
}

// InboxOf reads the inbox rows of a lead as they stand in the table.
func (o *Operator) InboxOf(ctx context.Context, portal string, id lead.ID) ([]InboxRow, error) {
	return o.inboxOf(ctx, portal, id)
}

func (db *engine) inboxOf(ctx context.Context, portal string, id lead.ID) ([]InboxRow, error) {
	var rows []InboxRow
	if err := db.gread.WithContext(ctx).Where("portal = ? AND lead_id = ?", portal, cleanText(string(id))).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read inbox rows of a lead: %w", err)
	}
	return rows, nil
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Scrub takes what was overwritten out of the files: on SQLite the journal is emptied, and the file is written anew
// when it may still hold one of the needles in a place that no row has any more (a small file, or no needles: always).
// On a server it does nothing: what dead tuples, logs, replicas and backups hold is the server's.
// settlement.ErrStillRead when another program keeps the old pages alive.
func (p *Portal) Scrub(ctx context.Context, needles []string) error {
	ctx, cancel := p.longer(ctx)
	defer cancel()
	if err := p.dialect.cleanse(ctx, p.engine, needles); err != nil {
		return fmt.Errorf("scrub the database: %w", err)
	}
	return nil
}
