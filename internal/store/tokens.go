package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"gorm.io/gorm"

	"leadsync/internal/auth"
)

// The statements on leadsync_tokens are the same on every engine: an UPDATE whose condition holds what was read, and
// the number of rows that it changed. No row is locked while HubSpot is asked. Only the clock differs.

const tokenColumns = `portal, generation, client_id, hub_id, access_token, refresh_token, expires_at, life, scopes, granted_at, refreshed_at,
  forced_at, lease_owner, lease_until, needs_login, tried_at`

// clock is the database's own, unix ms, as an expression. That of SQLite is this machine's, which all of its processes
// share.
func (db *engine) clock() string {
	switch db.dialect.name() {
	case "postgres":
		return postgresNow
	case "mysql":
		return mysqlNow
	}
	return strconv.FormatInt(now(), 10)
}

// Grant reads the OAuth grant of a portal; Generation is 0 when there never was one.
func (t *Tokens) Grant(ctx context.Context, portal string) (auth.Grant, error) {
	g := auth.Grant{Portal: portal}
	err := t.gread.WithContext(ctx).Raw(`SELECT `+tokenColumns+`, `+t.clock()+` FROM leadsync_tokens WHERE portal = ?`, portal).Row().Scan(
		&g.Portal, &g.Generation, &g.ClientID, &g.HubID, &g.AccessToken, &g.RefreshToken, &g.ExpiresAt, &g.Life, &g.Scopes, &g.GrantedAt,
		&g.RefreshedAt, &g.ForcedAt, &g.LeaseOwner, &g.LeaseUntil, &g.NeedsLogin, &g.TriedAt, &g.Now)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return g, fmt.Errorf("read the grant of portal %s: %w", portal, err)
	}
	return g, nil
}

// LeaseGrant takes the right to refresh, if the row is still as it was seen.
func (t *Tokens) LeaseGrant(ctx context.Context, seen auth.Grant, owner string, until int64) (bool, error) {
	res := t.gwrite.WithContext(ctx).Exec(`UPDATE leadsync_tokens SET lease_owner = ?, lease_until = ?
  WHERE portal = ? AND generation = ? AND lease_owner = ? AND lease_until = ?`,
		owner, until, seen.Portal, seen.Generation, seen.LeaseOwner, seen.LeaseUntil)
	return changed(res, "lease the grant of portal "+seen.Portal)
}

// FreeGrant gives the lease of the owner back, if it still has it. In doubt the name stays.
func (t *Tokens) FreeGrant(ctx context.Context, seen auth.Grant, owner string, doubt bool) error {
	left := ""
	if doubt {
		left = owner
	}
	res := t.gwrite.WithContext(ctx).Exec(`UPDATE leadsync_tokens SET lease_owner = ?, lease_until = 0
  WHERE portal = ? AND generation = ? AND lease_owner = ?`, left, seen.Portal, seen.Generation, owner)
	_, err := changed(res, "give back the grant of portal "+seen.Portal)
	return err
}

// RefuseGrant notes that the refresh token of this generation is dead. A doubt from before stays.
func (t *Tokens) RefuseGrant(ctx context.Context, seen auth.Grant, reason string) (bool, error) {
	res := t.gwrite.WithContext(ctx).Exec(`UPDATE leadsync_tokens SET needs_login = ?, tried_at = `+t.clock()+`, lease_owner = ?, lease_until = 0
  WHERE portal = ? AND generation = ?`, reason, seen.LeaseOwner, seen.Portal, seen.Generation)
	return changed(res, "note the end of the grant of portal "+seen.Portal)
}

// RenewGrant stores a new pair on the generation before it. It is on the disk when it returns.
func (t *Tokens) RenewGrant(ctx context.Context, next auth.Grant) (bool, error) {
	done := false
	err := t.durably(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE leadsync_tokens SET generation = ?, hub_id = ?, access_token = ?, refresh_token = ?, expires_at = ?, life = ?, scopes = ?,
  refreshed_at = ?, forced_at = ?, needs_login = '', lease_owner = '', lease_until = 0 WHERE portal = ? AND generation = ?`,
			next.Generation, next.HubID, next.AccessToken, next.RefreshToken, next.ExpiresAt, next.Life, next.Scopes,
			next.RefreshedAt, next.ForcedAt, next.Portal, next.Generation-1)
		var err error
		done, err = changed(res, "store the new pair of portal "+next.Portal)
		return err
	})
	return done && err == nil, err
}

// Connect stores the grant of a login in the place of whatever is there, and pins the portal to its account; Generation
// of g is not looked at. It returns the new generation. It is on the disk when it returns. Whether the account may
// change is the caller's to decide: a daemon that serves the portal starts over with the links of the new one.
func (t *Tokens) Connect(ctx context.Context, g auth.Grant, baseURL string) (generation int64, err error) {
	for try := 0; ; try++ {
		err = t.durably(ctx, func(tx *gorm.DB) error { return connect(tx, g, baseURL, &generation) })
		if !duplicate(err) || try == 3 { // two first logins at once: the second finds the row
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("store the login of portal %s: %w", g.Portal, err)
	}
	return generation, nil
}

func connect(tx *gorm.DB, g auth.Grant, baseURL string, generation *int64) error {
	res := tx.Exec(`UPDATE leadsync_tokens SET generation = generation + 1, client_id = ?, hub_id = ?, access_token = ?, refresh_token = ?, expires_at = ?,
  life = ?, scopes = ?, granted_at = ?, refreshed_at = ?, forced_at = 0, lease_owner = '', lease_until = 0, needs_login = '', tried_at = 0
  WHERE portal = ?`, g.ClientID, g.HubID, g.AccessToken, g.RefreshToken, g.ExpiresAt, g.Life, g.Scopes, g.GrantedAt, g.RefreshedAt, g.Portal)
	if res.Error == nil && res.RowsAffected == 0 {
		res = tx.Exec(`INSERT INTO leadsync_tokens (portal, generation, client_id, hub_id, access_token, refresh_token, expires_at, life, scopes,
  granted_at, refreshed_at) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			g.Portal, g.ClientID, g.HubID, g.AccessToken, g.RefreshToken, g.ExpiresAt, g.Life, g.Scopes, g.GrantedAt, g.RefreshedAt)
	}
	if res.Error != nil {
		return res.Error
	}
	if err := tx.Raw(`SELECT generation FROM leadsync_tokens WHERE portal = ?`, g.Portal).Row().Scan(generation); err != nil {
		return err
	}
	var there int
	if err := tx.Raw(`SELECT count(*) FROM leadsync_portals WHERE portal = ?`, g.Portal).Row().Scan(&there); err != nil {
		return err
	}
	pin := `UPDATE leadsync_portals SET hub_id = ?, base_url = ? WHERE portal = ?`
	if there == 0 {
		pin = `INSERT INTO leadsync_portals (hub_id, base_url, portal) VALUES (?, ?, ?)`
	}
	return tx.Exec(pin, g.HubID, baseURL, g.Portal).Error
}

// Disconnect forgets both tokens of what was seen; false when they were renewed meanwhile.
func (t *Tokens) Disconnect(ctx context.Context, seen auth.Grant) (bool, error) {
	done := false
	err := t.durably(ctx, func(tx *gorm.DB) error {
		res := tx.Exec(`UPDATE leadsync_tokens SET generation = generation + 1, access_token = '', refresh_token = '', expires_at = 0, life = 0,
  scopes = '', lease_owner = '', lease_until = 0, needs_login = '', tried_at = 0 WHERE portal = ? AND generation = ?`, seen.Portal, seen.Generation)
		var err error
		done, err = changed(res, "forget the grant of portal "+seen.Portal)
		return err
	})
	return done && err == nil, err
}

// OrphanGrant ends the lease of a process that is known to be gone, and leaves its name: how its refresh ended is not
// known.
func (t *Tokens) OrphanGrant(ctx context.Context, portal string) error {
	res := t.gwrite.WithContext(ctx).Exec(`UPDATE leadsync_tokens SET lease_until = 0 WHERE portal = ? AND lease_until <> 0`, portal)
	_, err := changed(res, "end the lease on the grant of portal "+portal)
	return err
}

// durably runs f in a transaction that is on the disk when it has committed, whatever the connection does otherwise: a
// power cut may take back a settle, which is then repeated, but not a refresh token that HubSpot has replaced.
func (db *engine) durably(ctx context.Context, f func(*gorm.DB) error) error {
	g := db.gwrite.WithContext(ctx)
	switch db.dialect.name() {
	case "sqlite":
		return g.Connection(func(conn *gorm.DB) (err error) {
			if err := conn.Exec(`PRAGMA synchronous = FULL`).Error; err != nil { // has no effect inside a transaction
				return err
			}
			defer func() {
				after := conn.WithContext(context.WithoutCancel(ctx))
				err = errors.Join(err, after.Exec(`PRAGMA synchronous = NORMAL`).Error)
			}()
			return conn.Transaction(f)
		})
	case "postgres":
		return g.Transaction(func(tx *gorm.DB) error {
			if err := tx.Exec(`SET LOCAL synchronous_commit = on`).Error; err != nil {
				return err
			}
			if err := db.dialect.guard(ctx, db, tx.Statement.ConnPool); err != nil {
				return err
			}
			return f(tx)
		})
	}
	return g.Transaction(f)
}

func changed(res *gorm.DB, doing string) (bool, error) {
	if res.Error != nil {
		return false, fmt.Errorf("%s: %w", doing, res.Error)
	}
	return res.RowsAffected > 0, nil
}

// ReplaceKey puts a key that was sealed anew in the place of the old text; false when another process did so first.
func (t *Tokens) ReplaceKey(ctx context.Context, name, old, sealed string) (bool, error) {
	res := t.gwrite.WithContext(ctx).Exec(`UPDATE leadsync_keys SET value = ? WHERE name = ? AND value = ?`, sealed, name, old)
	return changed(res, "replace key "+name)
}
