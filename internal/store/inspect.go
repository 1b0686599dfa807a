package store

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Inspection is what a database says of itself.
type Inspection struct {
	Engine   string // SQLite, PostgreSQL, MariaDB, MySQL
	Version  string // as the engine words it
	Mode     string // SQLite: the journal mode; servers: read-write, read-only, or standby
	ReadOnly bool   // the server takes no writes
	Journal  int64  // SQLite: bytes in the journal beside the file, which a reader that stays open keeps from getting smaller
	Clock    int64  // unix ms of the server; 0 for SQLite, which has this machine's
	Pooler   bool   // something stands in front of PostgreSQL that shares its sessions
	Odd      string // what a session is that we did not ask for, "lock_timeout is 0s"; empty = nothing
}

// The statements of Inspect: version, read-only or not, clock. SQLite tells its mode by a pragma, which stands alone.
const (
	sqliteInspect   = `SELECT sqlite_version(), 'read-write', 0`
	postgresInspect = `SELECT current_setting('server_version'),
  CASE WHEN pg_is_in_recovery() THEN 'standby' WHEN current_setting('default_transaction_read_only') = 'on' THEN 'read-only' ELSE 'read-write' END, `
	mysqlInspect = `SELECT version(), CASE WHEN CAST(@@global.read_only AS CHAR) IN ('0', 'OFF', 'NO') THEN 'read-write' ELSE 'read-only' END, `
)

// Inspect asks the engine what it is and whether it can be written to. It changes nothing.
func (o *Operator) Inspect(ctx context.Context) (Inspection, error) {
	var seen Inspection
	text := sqliteInspect
	switch o.dialect.name() {
	case "postgres":
		seen.Engine, text = "PostgreSQL", postgresInspect+postgresNow
	case "mysql":
		seen.Engine, text = "MySQL", mysqlInspect+mysqlNow
	default:
		seen.Engine = "SQLite"
	}
	err := o.one(ctx, o.read, []any{&seen.Version, &seen.Mode, &seen.Clock}, text)
	if err == nil && seen.Engine == "SQLite" {
		err = o.one(ctx, o.read, []any{&seen.Mode}, `PRAGMA journal_mode`)
		if d, ok := o.dialect.(*sqliteDialect); ok {
			if st, err := os.Stat(d.path + "-wal"); err == nil {
				seen.Journal = st.Size()
			}
		}
	}
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect %s: %w", o.redacted, err)
	}
	if strings.Contains(strings.ToLower(seen.Version), "mariadb") {
		seen.Engine = "MariaDB"
	}
	if seen.Odd, err = o.oddSession(ctx); err != nil {
		return Inspection{}, fmt.Errorf("inspect %s: %w", o.redacted, err)
	}
	if pg, is := o.dialect.(*postgresDialect); is {
		seen.Pooler = pg.pooled
	}
	seen.ReadOnly = seen.Mode == "standby" || seen.Mode == "read-only"
	return seen, nil
}

// oddSession compares a session with what we set in each: what stands in between may have lost it.
func (db *engine) oddSession(ctx context.Context) (string, error) {
	want := map[string]string{}
	text := ""
	switch d := db.dialect.(type) {
	case *postgresDialect:
		if d.pooled {
			return "", nil // nothing is set there
		}
		want, text = postgresSettings, `SELECT setting FROM pg_settings WHERE name = '%s'`
	case *mysqlDialect:
		want = map[string]string{"character_set_client": "utf8mb4", "character_set_results": "utf8mb4", "time_zone": "+00:00",
			"innodb_lock_wait_timeout": seconds(lockWait), "net_read_timeout": seconds(idleInTransaction), "wait_timeout": seconds(peerSilent)}
		text = `SELECT @@SESSION.%s`
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		var is string
		if err := db.one(ctx, db.read, []any{&is}, fmt.Sprintf(text, name)); err != nil {
			return "", err
		}
		if is != want[name] && !strings.HasPrefix(name, "tcp_") { // no TCP, no such limit
			return name + " is " + is + " and not " + want[name], nil
		}
	}
	return "", nil
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
