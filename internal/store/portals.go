package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gorm.io/gorm"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
)

// PortalRow is what the database keeps of one portal. Times are unix ms, 0 = never.
type PortalRow struct {
	Portal        string `gorm:"primaryKey"`
	HubID         int64  // the pinned HubSpot account, 0 = not yet
	BaseURL       string // where it was pinned
	Owner         string
	LeaseUntil    int64 // servers alone
	Epoch         int64
	Clean         bool // the last owner released it
	HighID        outbox.EntryID
	HighSeenAt    int64 // created_at of that row, by the database's clock
	DailyDay      string
	DailyReserved int
	Status        string // JSON, as the daemon saved it; empty = never
	StatusAt      int64
	StartedAt     int64 // when the owner took it
}

// TableName is for gorm.
func (PortalRow) TableName() string { return "leadsync_portals" }

// Portals reads all portals that ever had a daemon, by name.
func (o *Operator) Portals(ctx context.Context) ([]PortalRow, error) {
	var rows []PortalRow
	if err := o.gread.WithContext(ctx).Order("portal").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read portals: %w", err)
	}
	return rows, nil
}

// portalRow reads one portal; lead.ErrNotFound when it never had a daemon.
func (db *engine) portalRow(ctx context.Context, name string) (PortalRow, error) {
	var row PortalRow
	if err := db.gread.WithContext(ctx).Where("portal = ?", name).Take(&row).Error; err != nil {
		return row, fmt.Errorf("read portal %s: %w", name, notFound(err))
	}
	return row, nil
}

// Row reads the portal; lead.ErrNotFound when it never had a daemon.
func (v *View) Row(ctx context.Context) (PortalRow, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.portalRow(ctx, v.portal)
}

// HighMark is the highest row that an owner of the portal has settled; zero = none.
func (v *View) HighMark(ctx context.Context) (settlement.HighMark, error) {
	row, err := v.Row(ctx)
	if errors.Is(err, lead.ErrNotFound) {
		return settlement.HighMark{}, nil
	}
	return settlement.HighMark{ID: row.HighID, CreatedAt: row.HighSeenAt}, err
}

// SaveStatus keeps what the daemon wants `status` to show. settlement.ErrLeaseLost when another owner has the portal.
func (p *Portal) SaveStatus(ctx context.Context, status json.RawMessage, now int64) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.updatePortal(ctx, p.lease, "save the status", map[string]any{"status": string(status), "status_at": now})
}

// PinHub remembers the HubSpot account of the portal and the address it was learnt from, replacing what was there;
// whether that is right is the caller's to decide. settlement.ErrLeaseLost when another owner has the portal.
func (p *Portal) PinHub(ctx context.Context, hubID int64, baseURL string) error {
	ctx, cancel := p.bound(ctx)
	defer cancel()
	return p.updatePortal(ctx, p.lease, "pin the account", map[string]any{"hub_id": hubID, "base_url": baseURL})
}

func (db *engine) updatePortal(ctx context.Context, l *Lease, doing string, columns map[string]any) error {
	var met int64
	err := db.again(ctx, func() error {
		res := db.gwrite.WithContext(ctx).Model(&PortalRow{}).Where("portal = ? AND epoch = ?", l.portal, l.epoch).Updates(columns)
		met = res.RowsAffected
		return res.Error
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s of portal %s: %w", doing, l.portal, err)
	case met == 0:
		l.lose()
		return settlement.ErrLeaseLost
	}
	return nil
}

// EndLease ends the lease of an owner that the caller knows to be gone, on a server; the next one need not wait for it
// to run out, and takes its last requests for in doubt. False when another one owns the portal by now.
func (db *DB) EndLease(ctx context.Context, portal, owner string) (bool, error) {
	res := db.gwrite.WithContext(ctx).Model(&PortalRow{}).Where("portal = ? AND owner = ? AND lease_until > 0", portal, owner).
		Updates(map[string]any{"lease_until": 0, "epoch": gorm.Expr("epoch + 1")})
	if res.Error != nil {
		return false, fmt.Errorf("end the lease of portal %s: %w", portal, res.Error)
	}
	return res.RowsAffected > 0, nil
}

// ReserveDaily takes block requests from the count of day (the account's own calendar day, as the caller writes it) and
// returns the count before. Another day starts at 0. Two callers never get the same block.
func (db *DB) ReserveDaily(ctx context.Context, portal, day string, block int) (before int, err error) {
	after, err := db.dialect.reserveDaily(ctx, db.engine, portal, day, block)
	if err != nil {
		return 0, fmt.Errorf("reserve requests of the day for portal %s: %w", portal, err)
	}
	return after - block, nil
}

// reserveReturning is for the engines that know RETURNING.
func reserveReturning(ctx context.Context, db *engine, portal, day string, block int) (after int, err error) {
	err = db.again(ctx, func() error {
		return db.one(ctx, db.write, []any{&after}, `INSERT INTO leadsync_portals (portal, daily_day, daily_reserved) VALUES (?1, ?2, ?3)
  ON CONFLICT (portal) DO UPDATE SET daily_reserved = CASE WHEN leadsync_portals.daily_day = excluded.daily_day THEN leadsync_portals.daily_reserved ELSE 0 END
    + excluded.daily_reserved, daily_day = excluded.daily_day RETURNING daily_reserved`, portal, day, block)
	})
	return after, err
}
