package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"leadsync/internal/lead"
)

// postgresNow is the database's own clock, unix ms, moving inside a transaction.
const postgresNow = `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

func (d *postgresDialect) acquire(ctx context.Context, db *DB, portal, owner string) (*Lease, error) {
	l := &Lease{db: db, portal: portal, owner: owner, taken: time.Now()}
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO leadsync_portals (portal) VALUES ($1) ON CONFLICT (portal) DO NOTHING`, portal); err != nil {
			return err
		}
		held := HeldError{Portal: portal}
		// Waits for a settlement of the owner that is being replaced; the clock is read after that.
		if err := tx.QueryRowContext(ctx, `SELECT owner, started_at, clean, epoch FROM leadsync_portals WHERE portal = $1 FOR UPDATE`,
			portal).Scan(&held.Owner, &held.Since, &l.clean, &l.epoch); err != nil {
			return err
		}
		err := tx.QueryRowContext(ctx, `UPDATE leadsync_portals SET owner = $2, epoch = epoch + 1, clean = FALSE, started_at = `+postgresNow+`,
  lease_until = `+postgresNow+` + $3 WHERE portal = $1 AND lease_until <= `+postgresNow+` RETURNING epoch`,
			portal, owner, leaseLength.Milliseconds()).Scan(&l.epoch)
		if errors.Is(err, sql.ErrNoRows) {
			if err := tx.QueryRowContext(ctx, `SELECT lease_until FROM leadsync_portals WHERE portal = $1`, portal).Scan(&held.Until); err != nil {
				return err
			}
			return &held
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (d *postgresDialect) renew(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = `+postgresNow+` + ?3 WHERE portal = ?1 AND epoch = ?2 AND NOT clean`,
		l.portal, l.epoch, leaseLength.Milliseconds()))
}

func (d *postgresDialect) release(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = 0, clean = TRUE WHERE portal = ?1 AND epoch = ?2`, l.portal, l.epoch))
}

// lostIfNone makes ErrLeaseLost of a fenced update that found no row.
func lostIfNone(n int64, err error) error {
	if err == nil && n == 0 {
		return ErrLeaseLost
	}
	return err
}

func (d *postgresDialect) owner(ctx context.Context, db *DB, portal string) (OwnerInfo, error) {
	var alive bool
	err := db.read.QueryRowContext(ctx, `SELECT lease_until > `+postgresNow+` FROM leadsync_portals WHERE portal = $1`, portal).Scan(&alive)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return OwnerInfo{}, err
	}
	return lastOwner(ctx, db, portal, alive)
}

// lastOwner adds the name that stands in the row.
func lastOwner(ctx context.Context, db *DB, portal string, alive bool) (OwnerInfo, error) {
	row, err := db.Portal(ctx, portal)
	if errors.Is(err, lead.ErrNotFound) {
		return OwnerInfo{Alive: alive}, nil
	}
	if err != nil {
		return OwnerInfo{}, err
	}
	return OwnerInfo{Alive: alive, Owner: row.Owner, Since: row.StartedAt}, nil
}
