package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/pressly/goose/v3"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

const (
	mysqlConns = 8
	// mysqlMaxIdle is when a connection that nobody used is given back: before the server does, see mysqlSettings.
	mysqlMaxIdle = 10 * time.Second
)

// The oldest servers that know what the statements use: JSON_TABLE, defaults that are expressions, and columns that are
// hidden (MySQL: since 8.0.23, https://dev.mysql.com/doc/refman/8.0/en/invisible-columns.html).
const (
	oldestMariaDB = "10.6"
	oldestMySQL   = "8.0.23"
)

// mysqlDialect is MariaDB, and MySQL 8 as far as its documents go.
type mysqlDialect struct {
	cfg        *mysql.Config
	readOnly   bool
	collation  string // set by open; binary, and does not pad
	statements *statements
}

func (d *mysqlDialect) name() string { return "mysql" }

func (*mysqlDialect) guard(context.Context, *engine, querier) error     { return nil }
func (*mysqlDialect) unhurried(context.Context, *engine, querier) error { return nil }

// mysqlConfig reads mysql://user:password@host:port/db, with socket=/path instead of a host, and tls=true, skip-verify
// or preferred. Its errors never repeat the URL.
func mysqlConfig(raw string) (*mysql.Config, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: the mysql url cannot be read; special characters of a password need their %%XX form", ErrURL)
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.DBName = u.User.Username(), strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	if cfg.DBName == "" || strings.Contains(cfg.DBName, "/") {
		return nil, fmt.Errorf("%w: the mysql url names no database (mysql://user:password@host:3306/database)", ErrURL)
	}
	options := u.Query()
	for key, values := range options {
		switch key {
		case "socket":
			cfg.Net, cfg.Addr = "unix", values[0]
		case "tls":
			switch values[0] {
			case "true", "skip-verify", "preferred", "false":
				cfg.TLSConfig = values[0]
			default:
				return nil, fmt.Errorf("%w: tls of a mysql url is true, skip-verify, preferred or false", ErrURL)
			}
		default:
			return nil, fmt.Errorf("%w: a mysql url takes socket and tls, and no other option", ErrURL)
		}
	}
	if cfg.Net == "" || cfg.Net == "tcp" {
		port := u.Port()
		if port == "" {
			port = "3306"
		}
		if u.Hostname() == "" {
			return nil, fmt.Errorf("%w: the mysql url names neither host nor socket", ErrURL)
		}
		cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	}
	cfg.Timeout = connectTimeout // of the dial; the rest is bounded by the pool
	cfg.ClientFoundRows = true   // an UPDATE that changes nothing has met its row all the same
	cfg.InterpolateParams = true // one round trip a statement
	cfg.MaxAllowedPacket = 0     // as the server says
	cfg.Logger = &mysql.NopLogger{}
	return cfg, nil
}

func (d *mysqlDialect) open(ctx context.Context, db *engine, o Options) error {
	d.readOnly = o.ReadOnly
	if o.Fresh != nil {
		if err := d.cfg.Apply(mysql.BeforeConnect(func(_ context.Context, cfg *mysql.Config) error {
			if url, err := o.Fresh(); err == nil { // a file that is being written: the one before may still do
				if now, err := mysqlConfig(url); err == nil {
					cfg.User, cfg.Passwd = now.User, now.Passwd
				}
			}
			return nil
		})); err != nil {
			return err
		}
	}
	d.cfg.ConnectionAttributes = "program_name:" + o.AppName
	pool, err := d.pool(mysqlConns, o.Patience)
	if err != nil {
		return err
	}
	db.write, db.read = pool, pool
	var version string
	if err := pool.QueryRowContext(ctx, `SELECT VERSION()`).Scan(&version); err != nil {
		return &awayError{err}
	}
	if d.collation, err = binaryCollation(version); err != nil {
		return err
	}
	d.statements = mysqlStatements(d.collation)
	dial := gormmysql.New(gormmysql.Config{Conn: pool, SkipInitializeWithVersion: true, DisableWithReturning: true})
	g, err := gorm.Open(mysqlGorm{dial.(*gormmysql.Dialector), d}, gormConfig(db.log))
	if err != nil {
		return err
	}
	db.gwrite, db.gread = g, g
	return nil
}

// binaryCollation is the collation of the server that compares byte by byte and does not pad, or ErrServerTooOld.
func binaryCollation(version string) (string, error) {
	name, oldest, collation := "MySQL", oldestMySQL, "utf8mb4_0900_bin"
	number := strings.TrimPrefix(version, "5.5.5-") // what MariaDB puts in front for old clients
	if strings.Contains(version, "MariaDB") {
		name, oldest, collation = "MariaDB", oldestMariaDB, "utf8mb4_nopad_bin"
	}
	if !atLeast(number, oldest) {
		return "", fmt.Errorf("%w: %s is older than %s", ErrServerTooOld, name, oldest)
	}
	return collation, nil
}

// atLeast compares versions by their numbers; one that cannot be read is new enough.
func atLeast(version, oldest string) bool {
	var have, want [3]int
	if n, _ := fmt.Sscanf(version, "%d.%d.%d", &have[0], &have[1], &have[2]); n < 2 {
		return true
	}
	_, _ = fmt.Sscanf(oldest, "%d.%d.%d", &want[0], &want[1], &want[2])
	return slices.Compare(have[:], want[:]) >= 0
}

// pool opens connections that do not depend on how the server is set up.
func (d *mysqlDialect) pool(size int, statement time.Duration) (*sql.DB, error) {
	c, err := mysql.NewConnector(d.cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: the mysql url cannot be used", ErrURL)
	}
	pool := sql.OpenDB(punctual{mysqlSession{c, d.readOnly, statement == migrationPatience}, connectTimeout, statement})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size / 2)
	pool.SetConnMaxIdleTime(mysqlMaxIdle)
	return pool, nil
}

// mysqlSettings are what we need of a session. Strict mode: text that does not fit is refused, never cut. The time-outs
// are the server's own, in seconds, and end what a client that is gone or frozen keeps: a transaction that waits for
// our next statement (MariaDB has a limit for that,
// https://mariadb.com/docs/server/server-management/variables-and-modes/server-system-variables; on MySQL it is that of
// any idle session), a statement of which half was sent, an answer that nobody reads, and the wait for a row or a
// table.
var mysqlSettings = fmt.Sprintf(`SET NAMES utf8mb4, SESSION time_zone = '+00:00',
  SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
  SESSION innodb_lock_wait_timeout = %[1]d, SESSION lock_wait_timeout = %[1]d, SESSION net_read_timeout = %[2]d, SESSION net_write_timeout = %[2]d,
  SESSION wait_timeout = %[3]d /*M!100300 , SESSION idle_transaction_timeout = %[2]d */`,
	int(lockWait.Seconds()), int(idleInTransaction.Seconds()), int(peerSilent.Seconds()))

// mysqlSession sets up each new connection. READ COMMITTED: a reader sees what is committed now, and a writer locks the
// rows it writes and no gaps between them.
type mysqlSession struct {
	driver.Connector
	readOnly, migrates bool
}

// Connect is driver.Connector's.
func (s mysqlSession) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := s.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	isolation := `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`
	if s.readOnly {
		isolation += `, READ ONLY`
	}
	texts := []string{isolation, mysqlSettings}
	if s.migrates { // waits for the tables as long as it takes
		texts = append(texts, `SET SESSION lock_wait_timeout = 86400`)
	}
	for _, text := range texts {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, text, nil); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}

// mysqlGorm scrubs the errors that gorm meets.
type mysqlGorm struct {
	*gormmysql.Dialector
	d *mysqlDialect
}

// Translate maps unique violations to gorm's sentinel.
func (g mysqlGorm) Translate(err error) error {
	if g.d.class(err) == duplicateTrouble {
		return gorm.ErrDuplicatedKey
	}
	return g.d.scrub(err)
}

func (d *mysqlDialect) migration(context.Context) (migration, error) {
	pool, err := d.pool(2, migrationPatience)
	// The name is one of the whole server, and has at most 64 characters.
	lock := lockSession(pool, ``, `SELECT GET_LOCK(CONCAT('leadsync migrate ', SHA1(DATABASE())), 0) = 1`)
	brief := func(ctx context.Context, try int) error {
		seconds := 0
		if try%mysqlPatientTry == 0 {
			seconds = 1
		}
		_, err := pool.ExecContext(ctx, fmt.Sprintf(`SET SESSION lock_wait_timeout = %d`, seconds)) // MySQL makes a second of 0
		return err
	}
	return migration{pool: pool, dialect: goose.DialectMySQL, lock: lock, brief: brief, blocker: mysqlBlocker}, err
}

// mysqlBlocker is the session with the oldest transaction; it needs the right PROCESS.
const mysqlBlocker = `SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) FROM information_schema.innodb_trx
  WHERE trx_mysql_thread_id <> CONNECTION_ID() ORDER BY trx_started LIMIT 1`

// schema has the collation of the server filled in.
func (d *mysqlDialect) schema(context.Context, *sql.DB) (fs.FS, error) {
	return migrationFiles("mysql", func(text string) string { return withCollation(text, d.collation) })
}

// bind writes each argument out where it is used, since the server knows no numbered ones.
func (d *mysqlDialect) bind(text string, args []any) (string, []any) {
	if !strings.Contains(text, "?1") {
		return text, args
	}
	var b strings.Builder
	var all []any
	for {
		before, after, found := strings.Cut(text, "?")
		b.WriteString(before)
		if !found {
			return b.String(), all
		}
		b.WriteByte('?')
		all = append(all, args[after[0]-'1'])
		text = after[1:]
	}
}

func (d *mysqlDialect) ids(v []int64) any { return asJSON(v) }

func (d *mysqlDialect) texts(v []string) any { return asJSON(v) }

// outcomeJSON is a row of the list that mysqlSettle reads; what is missing is NULL.
type outcomeJSON struct {
	ID          int64   `json:"i"`
	State       string  `json:"s"`
	Reason      *string `json:"r,omitempty"`
	Note        *string `json:"n,omitempty"`
	Attempts    int64   `json:"a"`
	NotBefore   *int64  `json:"b,omitempty"`
	Contact     *string `json:"c,omitempty"`
	Correlation *string `json:"x,omitempty"`
	SettledAt   *int64  `json:"t,omitempty"`
}

func (d *mysqlDialect) settle(portal string, outcomes []outbox.Outcome, settledAt int64) query {
	list := make([]outcomeJSON, len(outcomes))
	for i := range outcomes {
		c := settleColumns(&outcomes[i], settledAt)
		list[i] = outcomeJSON{c.id, c.state, c.reason, c.note, c.attempts, c.notBefore, c.contact, c.correlation, c.settledAt}
	}
	return query{withCollation(mysqlSettle, d.collation), []any{portal, asJSON(list)}}
}

func (d *mysqlDialect) upsert(links []ledger.Link, fields []string, updatedAt int64) query {
	return query{mysqlUpsertHead + rowsOfValues(len(links), 16) + mysqlUpsertTail, linkArgs(links, fields, updatedAt)}
}

func (d *mysqlDialect) reserveDaily(ctx context.Context, db *engine, portal, day string, block int) (after int, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		// Assignments are done from left to right, so the count looks at the day before it changes.
		if _, err := db.exec(ctx, tx, `INSERT INTO leadsync_portals (portal, daily_day, daily_reserved) VALUES (?1, ?2, ?3) ON DUPLICATE KEY UPDATE
  daily_reserved = CASE WHEN daily_day = ?2 THEN daily_reserved ELSE 0 END + ?3, daily_day = ?2`, portal, day, block); err != nil {
			return err
		}
		return db.one(ctx, tx, []any{&after}, `SELECT daily_reserved FROM leadsync_portals WHERE portal = ?1`, portal)
	})
	return after, err
}

// isMySQL finds the server's own error.
func isMySQL(err error) (*mysql.MySQLError, bool) {
	var e *mysql.MySQLError
	ok := errors.As(err, &e)
	return e, ok
}

// cleanse has nothing to do: what the server's own logs and files keep is not ours to change.
func (d *mysqlDialect) cleanse(context.Context, *engine, []string) error { return nil }
