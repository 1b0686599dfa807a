package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

func (d *mysqlDialect) acquire(ctx context.Context, db *engine, l *Lease) error {
	err := leaseOver(ctx, db, l, mysqlNow)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = db.exec(ctx, db.write, `INSERT IGNORE INTO leadsync_portals (portal) VALUES (?1)`, l.portal)
	}
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(tx *sql.Tx) error {
		l.taken = time.Now()
		var until, now int64
		err := db.one(ctx, tx, []any{&l.clean, &l.epoch, &until, &now}, `SELECT clean, epoch, lease_until, `+mysqlNow+`
  FROM leadsync_portals WHERE portal = ?1 FOR UPDATE NOWAIT`, l.portal)
		switch {
		case err != nil:
			return lockedRow(err)
		case until > now: // somebody was faster
			return errLockedRow
		}
		l.over = since(now, until)
		l.epoch++
		_, err = db.exec(ctx, tx, `UPDATE leadsync_portals SET owner = ?2, epoch = ?3, clean = FALSE, started_at = `+mysqlNow+`,
  lease_until = `+mysqlNow+` + ?4 WHERE portal = ?1`, l.portal, l.owner, l.epoch, l.length.Milliseconds())
		return err
	})
}

// evict has nothing to do: who holds a row is shown to administrators alone. The server ends such a session in time,
// see mysqlSession.
func (d *mysqlDialect) evict(context.Context, *engine, string) error { return nil }

// renew reckons from the beginning of the statement, also when it has to wait for a settlement: the lease is rather too
// short.
func (d *mysqlDialect) renew(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = `+mysqlNow+` + ?3 WHERE portal = ?1 AND epoch = ?2 AND NOT clean`,
		l.portal, l.epoch, l.length.Milliseconds()))
}

func (d *mysqlDialect) release(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = 0, clean = TRUE WHERE portal = ?1 AND epoch = ?2`, l.portal, l.epoch))
}

func (d *mysqlDialect) owner(ctx context.Context, db *engine, portal string) (OwnerInfo, error) {
	var alive bool
	err := db.one(ctx, db.read, []any{&alive}, `SELECT lease_until > `+mysqlNow+` FROM leadsync_portals WHERE portal = ?1`, portal)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return OwnerInfo{}, err
	}
	return lastOwner(ctx, db, portal, alive)
}
