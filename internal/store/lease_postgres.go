package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/settlement"
)

// postgresNow is the database's own clock, unix ms, moving inside a transaction.
const postgresNow = `floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint`

func (d *postgresDialect) acquire(ctx context.Context, db *engine, l *Lease) error {
	err := leaseOver(ctx, db, l, postgresNow)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = db.exec(ctx, db.write, `INSERT INTO leadsync_portals (portal) VALUES (?1) ON CONFLICT (portal) DO NOTHING`, l.portal)
	}
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(tx *sql.Tx) error {
		l.taken = time.Now()
		var until, now int64
		err := db.one(ctx, tx, []any{&l.clean, &until, &now}, `SELECT clean, lease_until, `+postgresNow+` FROM leadsync_portals WHERE portal = ?1 FOR UPDATE NOWAIT`, l.portal)
		if err != nil {
			return lockedRow(err)
		}
		l.over = since(now, until)
		err = db.one(ctx, tx, []any{&l.epoch}, `UPDATE leadsync_portals SET owner = ?2, epoch = epoch + 1, clean = FALSE, started_at = `+postgresNow+`,
  lease_until = `+postgresNow+` + ?3 WHERE portal = ?1 AND lease_until <= `+postgresNow+` RETURNING epoch`,
			l.portal, l.owner, l.length.Milliseconds())
		if errors.Is(err, sql.ErrNoRows) { // somebody was faster
			return errLockedRow
		}
		return err
	})
}

// evict ends the session that holds the portal's row although the lease of its owner is over, where our rights allow:
// ours may always end those of the same user. The row says which transaction has it.
func (d *postgresDialect) evict(ctx context.Context, db *engine, portal string) error {
	var ended int
	return db.one(ctx, db.write, []any{&ended}, `SELECT count(pg_terminate_backend(a.pid)) FROM leadsync_portals p
  JOIN pg_locks k ON k.locktype = 'transactionid' AND k.mode = 'ExclusiveLock' AND k.granted AND k.transactionid = p.xmax
  JOIN pg_stat_activity a ON a.pid = k.pid AND a.usename = current_user AND a.pid <> pg_backend_pid()
  WHERE p.portal = ?1 AND p.lease_until <= `+postgresNow, portal)
}

func (d *postgresDialect) renew(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = `+postgresNow+` + ?3 WHERE portal = ?1 AND epoch = ?2 AND NOT clean`,
		l.portal, l.epoch, l.length.Milliseconds()))
}

func (d *postgresDialect) release(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = 0, clean = TRUE WHERE portal = ?1 AND epoch = ?2`, l.portal, l.epoch))
}

func (d *postgresDialect) owner(ctx context.Context, db *engine, portal string) (OwnerInfo, error) {
	var alive bool
	err := db.read.QueryRowContext(ctx, `SELECT lease_until > `+postgresNow+` FROM leadsync_portals WHERE portal = $1`, portal).Scan(&alive)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return OwnerInfo{}, err
	}
	return lastOwner(ctx, db, portal, alive)
}

// lostIfNone makes settlement.ErrLeaseLost of a fenced update that found no row.
func lostIfNone(n int64, err error) error {
	if err == nil && n == 0 {
		return settlement.ErrLeaseLost
	}
	return err
}

// lastOwner adds the name that stands in the row.
func lastOwner(ctx context.Context, db *engine, portal string, alive bool) (OwnerInfo, error) {
	row, err := db.portalRow(ctx, portal)
	if errors.Is(err, lead.ErrNotFound) {
		return OwnerInfo{Alive: alive}, nil
	}
	if err != nil {
		return OwnerInfo{}, err
	}
	return OwnerInfo{Alive: alive, Owner: row.Owner, Since: row.StartedAt}, nil
}
