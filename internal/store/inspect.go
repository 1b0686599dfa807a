package store

import (
	"context"
	"fmt"
	"strings"
)

// Inspection is what a database says of itself.
type Inspection struct {
	Engine   string // SQLite, PostgreSQL, MariaDB, MySQL
	Version  string // as the engine words it
	Mode     string // SQLite: the journal mode; servers: read-write, read-only, or standby
	ReadOnly bool   // the server takes no writes
	Clock    int64  // unix ms of the server; 0 for SQLite, which has this machine's
}

// The statements of Inspect: version, read-only or not, clock. SQLite tells its mode by a pragma, which stands alone.
const (
	sqliteInspect   = `SELECT sqlite_version(), 'read-write', 0`
	postgresInspect = `SELECT current_setting('server_version'),
  CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN current_setting('default_transaction_read_only') = 'on' THEN 'read-only' ELSE 'read-write' END, `
	mysqlInspect = `SELECT version(), CASE WHEN CAST(@@global.read_only AS CHAR) IN ('0', 'OFF', 'NO') THEN 'read-write' ELSE 'read-only' END, `
)

// Inspect asks the engine what it is and whether it can be written to. It changes nothing.
func (db *DB) Inspect(ctx context.Context) (Inspection, error) {
	var seen Inspection
	text := sqliteInspect
	switch db.Dialect() {
	case "postgres":
		seen.Engine, text = "PostgreSQL", postgresInspect+postgresNow
	case "mysql":
		seen.Engine, text = "MySQL", mysqlInspect+mysqlNow
	default:
		seen.Engine = "SQLite"
	}
	err := db.one(ctx, db.read, []any{&seen.Version, &seen.Mode, &seen.Clock}, text)
	if err == nil && seen.Engine == "SQLite" {
		err = db.one(ctx, db.read, []any{&seen.Mode}, `PRAGMA journal_mode`)
	}
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect %s: %w", db.redacted, err)
	}
	if strings.Contains(strings.ToLower(seen.Version), "mariadb") {
		seen.Engine = "MariaDB"
	}
	seen.ReadOnly = seen.Mode == "standby" || seen.Mode == "read-only"
	return seen, nil
}
