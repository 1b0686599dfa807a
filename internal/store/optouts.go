package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"gorm.io/gorm/clause"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// optOutRow is a row of leadsync_opt_outs, see the migration.
type optOutRow struct {
	HubID   int64  `gorm:"primaryKey;autoIncrement:false"`
	Address string `gorm:"primaryKey"`
	Portal  string `gorm:"primaryKey"`
	LeadID  string `gorm:"primaryKey"`
}

func (optOutRow) TableName() string { return "leadsync_opt_outs" }

// optOutMax is the longest address that is kept there; none that mail can reach is longer.
const optOutMax = 255

// noteOptOuts keeps by address what the links say of addresses besides their own.
func (p *Portal) noteOptOuts(ctx context.Context, tx *sql.Tx, portal string, links []ledger.Link) error {
	var add []optOutRow
	for i := range links {
		l := &links[i]
		row := optOutRow{HubID: l.HubID, Portal: portal, LeadID: cleanText(string(l.LeadID))}
		want := l.OutElsewhere()
		for _, a := range want {
			if row.Address = cleanText(a); len(a) <= optOutMax && !slices.Contains(l.Stored.Out, a) {
				add = append(add, row)
			}
		}
		var gone []string
		for _, a := range l.Stored.Out {
			if !slices.Contains(want, a) {
				gone = append(gone, cleanText(a))
			}
		}
		for part := range slices.Chunk(gone, tombChunk) {
			err := p.joined(ctx, tx).Where("hub_id = ? AND address IN ? AND portal = ? AND lead_id = ?", l.HubID, part, portal, row.LeadID).
				Delete(&optOutRow{}).Error
			if err != nil {
				return err
			}
		}
	}
	if len(add) == 0 {
		return nil
	}
	return p.joined(ctx, tx).Clauses(clause.OnConflict{DoNothing: true}).CreateInBatches(add, 200).Error
}

// LinksOutAt reads the links of an account, of any portal name and in any state, that say of a normalised address which
// is not their own that it is out, or said so: ledger.Link.OutAt decides.
func (v *View) LinksOutAt(ctx context.Context, hubID int64, address string) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var rows []optOutRow
	if err := v.gread.WithContext(ctx).Where("hub_id = ? AND address = ?", hubID, cleanText(address)).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read opt-outs of an address: %w", err)
	}
	leads := map[string][]lead.ID{}
	for _, r := range rows {
		leads[r.Portal] = append(leads[r.Portal], lead.ID(r.LeadID))
	}
	var all []ledger.Link
	for portal, ids := range leads {
		links, err := (&View{engine: v.engine, portal: portal}).Links(ctx, hubID, ids)
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			all = append(all, *l)
		}
	}
	return all, nil
}

// SpokeOut reports whether the lead has an unsubscribe that was spoken at the time (unix ms) or later and was not
// skipped, however many rows it has.
func (v *View) SpokeOut(ctx context.Context, id lead.ID, since int64) (bool, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	var n int64
	err := v.narrow(v.gread.WithContext(ctx).Table("lead_outbox AS o"), v.portal, "", "", id, 0).
		Where("o.event_type = ? AND o.state <> ?", outbox.Unsubscribed, outbox.Skipped).
		Where("CASE WHEN o.occurred_at < o.created_at THEN o.occurred_at ELSE o.created_at END >= ?", since).Limit(1).Count(&n).Error
	if err != nil {
		return false, fmt.Errorf("look for unsubscribes of a lead: %w", err)
	}
	return n > 0, nil
}

// PendingOptOut reports whether an unsubscribe is pending that names a normalised address, or that is of one of the
// leads; but is a lead whose own rows do not count.
func (v *View) PendingOptOut(ctx context.Context, leads []lead.ID, address string, but lead.ID) (bool, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	for _, id := range leads {
		var n int64
		err := v.narrow(v.gread.WithContext(ctx).Table("lead_outbox AS o"), v.portal, outbox.Pending, "", id, 0).
			Where("o.event_type = ?", outbox.Unsubscribed).Limit(1).Count(&n).Error
		if err != nil {
			return false, fmt.Errorf("look for pending unsubscribes: %w", err)
		}
		if n > 0 {
			return true, nil
		}
	}
	keys := []string{""}
	if key, ok := addressKey(address); ok {
		keys = append(keys, key)
	}
	rows, err := v.rows(ctx, v.read, v.dialect.sql().pendingOptOuts, v.portal, v.dialect.texts(keys))
	if err != nil {
		return false, fmt.Errorf("look for pending unsubscribes: %w", err)
	}
	defer rows.Close()
	found := false
	for rows.Next() {
		var email string
		var id *string
		if err := rows.Scan(&email, &id); err != nil {
			return false, fmt.Errorf("look for pending unsubscribes: %w", err)
		}
		found = found || lead.LowerKey(email) == address && (id == nil || lead.ID(*id) != but)
	}
	return found, rows.Err()
}
