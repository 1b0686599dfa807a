package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

func (d *mysqlDialect) acquire(ctx context.Context, db *DB, portal, owner string) (*Lease, error) {
	l := &Lease{db: db, portal: portal, owner: owner}
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		held, free := HeldError{Portal: portal}, false
		lock := func() error {
			// Waits for a settlement of the owner that is being replaced; the clock is read by the next statement, after that.
			return db.one(ctx, tx, []any{&held.Owner, &held.Since, &l.clean, &l.epoch, &held.Until},
				`SELECT owner, started_at, clean, epoch, lease_until FROM leadsync_portals WHERE portal = ?1 FOR UPDATE`, portal)
		}
		err := lock()
		if errors.Is(err, sql.ErrNoRows) {
			if _, err := db.exec(ctx, tx, `INSERT IGNORE INTO leadsync_portals (portal) VALUES (?1)`, portal); err != nil {
				return err
			}
			err = lock()
		}
		if err != nil {
			return err
		}
		l.taken = time.Now()
		if err := db.one(ctx, tx, []any{&free}, `SELECT ?1 <= `+mysqlNow, held.Until); err != nil {
			return err
		}
		if !free {
			return &held
		}
		l.epoch++
		_, err = db.exec(ctx, tx, `UPDATE leadsync_portals SET owner = ?2, epoch = ?3, clean = FALSE, started_at = `+mysqlNow+`,
  lease_until = `+mysqlNow+` + ?4 WHERE portal = ?1`, portal, owner, l.epoch, leaseLength.Milliseconds())
		return err
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// renew reckons from the beginning of the statement, also when it has to wait for a settlement: the lease is rather too short.
func (d *mysqlDialect) renew(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = `+mysqlNow+` + ?3 WHERE portal = ?1 AND epoch = ?2 AND NOT clean`,
		l.portal, l.epoch, leaseLength.Milliseconds()))
}

func (d *mysqlDialect) release(ctx context.Context, l *Lease) error {
	return lostIfNone(l.db.execAgain(ctx, `UPDATE leadsync_portals SET lease_until = 0, clean = TRUE WHERE portal = ?1 AND epoch = ?2`, l.portal, l.epoch))
}

func (d *mysqlDialect) owner(ctx context.Context, db *DB, portal string) (OwnerInfo, error) {
	var alive bool
	err := db.one(ctx, db.read, []any{&alive}, `SELECT lease_until > `+mysqlNow+` FROM leadsync_portals WHERE portal = ?1`, portal)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return OwnerInfo{}, err
	}
	return lastOwner(ctx, db, portal, alive)
}
