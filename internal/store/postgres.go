package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

const (
	postgresConns = 8
	// connMaxIdle is when a connection to a server that nobody used is given back.
	connMaxIdle = 5 * time.Minute
	// migrationLockID is the advisory lock of leadsync's migrations; any number that goose's other users do not take.
	migrationLockID = 7_305_808_869_229_538_913
)

type postgresDialect struct {
	url    string
	cfg    *pgx.ConnConfig
	fresh  func() (string, error)
	pooled bool // a pooler stands in between: nothing may be left in a session
}

func (d *postgresDialect) name() string { return "postgres" }

func (d *postgresDialect) open(ctx context.Context, db *engine, o Options) error {
	cfg, err := pgx.ParseConfig(d.url)
	if err != nil {
		return fmt.Errorf("%w: postgres options cannot be read", ErrURL) // pgx repeats the URL
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = connectTimeout
	}
	cfg.RuntimeParams["application_name"] = o.AppName
	d.fresh = o.Fresh
	if d.cfg, d.pooled, err = postgresSession(ctx, cfg, o.ReadOnly); err != nil {
		return err
	}
	pool := d.pool(postgresConns, o.Patience)
	db.write, db.read = pool, pool
	if err := pool.PingContext(ctx); err != nil {
		return &awayError{err}
	}
	g, err := gorm.Open(postgres.New(postgres.Config{Conn: pool}), gormConfig(db.log))
	if err != nil {
		return err
	}
	db.gwrite, db.gread = g, g
	return nil
}

// pool opens connections whose every answer has a time.
func (d *postgresDialect) pool(size int, statement time.Duration) *sql.DB {
	pool := sql.OpenDB(punctual{stdlib.GetConnector(*d.cfg, stdlib.OptionBeforeConnect(d.login)), d.cfg.ConnectTimeout, statement})
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size / 2)
	pool.SetConnMaxIdleTime(connMaxIdle)
	return pool
}

// login gives a new session the user and the password of now.
func (d *postgresDialect) login(_ context.Context, cfg *pgx.ConnConfig) error {
	if d.fresh == nil {
		return nil
	}
	if url, err := d.fresh(); err == nil { // a file that is being written: the one before may still do
		if now, err := pgx.ParseConfig(url); err == nil {
			cfg.User, cfg.Password = now.User, now.Password
		}
	}
	return nil
}

// awayError keeps pgx's connection error, whose text names user and host, out of sight and inside the chain.
type awayError struct{ err error }

func (e *awayError) Error() string { return Cause(e.err) }
func (e *awayError) Unwrap() error { return e.err }

// migration runs statements that take as long as a table is large. Behind a pooler the server's own limits count.
func (d *postgresDialect) migration(context.Context) (migration, error) {
	cfg := d.cfg.Copy()
	cfg.RuntimeParams["application_name"] = "leadsync migrate"
	if !d.pooled {
		cfg.RuntimeParams["statement_timeout"], cfg.RuntimeParams["lock_timeout"] = "0", "0"
	}
	pool := sql.OpenDB(punctual{stdlib.GetConnector(*cfg), cfg.ConnectTimeout, migrationPatience})
	pool.SetMaxOpenConns(2)
	return migration{pool: pool, dialect: goose.DialectPostgres, blocker: postgresBlocker,
		lock: lockSession(pool, `BEGIN`, `SELECT pg_try_advisory_xact_lock($1)`, int64(migrationLockID))}, nil
}

// postgresBlocker is the session with the oldest transaction that uses one of our tables. The age of another role's is
// hidden from most.
const postgresBlocker = `SELECT l.pid, coalesce(floor(extract(epoch FROM clock_timestamp() - a.xact_start)), 0)::bigint
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.granted AND c.relname LIKE 'lead%' AND c.relnamespace = current_schema()::regnamespace AND l.pid <> pg_backend_pid()
    AND a.application_name <> 'leadsync migrate' ORDER BY a.xact_start NULLS LAST LIMIT 1`

// largeTable is the size of lead_outbox, in bytes, from which an index is made while inserts go on. That waits for
// every transaction in the database, a dump of hours too; making a small one keeps inserts waiting for some tenths of a
// second, and ends.
var largeTable = int64(64 << 20)

// schema has a short wait for tables in front of each file, see patiently. A setting of the session would not do behind
// a pooler, and a file without a transaction takes no lock that an insert minds.
func (d *postgresDialect) schema(ctx context.Context, pool *sql.DB) (fs.FS, error) {
	var size int64
	if err := pool.QueryRowContext(ctx, `SELECT coalesce(pg_relation_size(to_regclass('lead_outbox')), 0)`).Scan(&size); err != nil {
		return nil, d.scrub(err)
	}
	brief := fmt.Sprintf("-- +goose Up\nSET LOCAL lock_timeout = %d;\n", schemaLockWait.Milliseconds())
	return migrationFiles("postgres", func(text string) string {
		if strings.Contains(text, noTransaction) {
			if size >= largeTable {
				return text
			}
			text = strings.ReplaceAll(strings.Replace(text, noTransaction, "", 1), " CONCURRENTLY", "")
		}
		return strings.Replace(text, "-- +goose Up\n", brief, 1)
	})
}

const noTransaction = "-- +goose NO TRANSACTION\n"

// bind numbers arguments the way of the server: ?1 is $1.
func (d *postgresDialect) bind(text string, args []any) (string, []any) {
	return strings.ReplaceAll(text, "?", "$"), args
}

// scrub hides user and host of a lost connection. The server's own messages name columns and constraints; values stand
// in the detail, which is not printed.
func (d *postgresDialect) scrub(err error) error {
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return &awayError{err}
	}
	return err
}

func (d *postgresDialect) reserveDaily(ctx context.Context, db *engine, portal, day string, block int) (int, error) {
	return reserveReturning(ctx, db, portal, day, block)
}

func (d *postgresDialect) ids(v []int64) any { return v }

func (d *postgresDialect) texts(v []string) any {
	for i, s := range v { // the server refuses the whole statement for one bad value; a changed one matches nothing, as it should
		if c := cleanText(s); c != s {
			v = append([]string(nil), v...)
			v[i] = c
		}
	}
	return v
}

func (d *postgresDialect) settle(portal string, outcomes []outbox.Outcome, settledAt int64) query {
	n := len(outcomes)
	ids, states, attempts := make([]int64, n), make([]string, n), make([]int64, n)
	reasons, notes, contacts, correlations := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	befores, settled := make([]*int64, n), make([]*int64, n)
	for i := range outcomes {
		c := settleColumns(&outcomes[i], settledAt)
		ids[i], states[i], attempts[i], befores[i], settled[i] = c.id, c.state, c.attempts, c.notBefore, c.settledAt
		reasons[i], notes[i], contacts[i], correlations[i] = c.reason, c.note, c.contact, c.correlation
	}
	return query{postgresSettle, []any{ids, states, reasons, notes, attempts, befores, contacts, correlations, settled, portal}}
}

func (d *postgresDialect) upsert(links []ledger.Link, fields []string, updatedAt int64) query {
	n := len(links)
	portals, leads, states, contacts := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	addresses, consents := make([]string, n), make([]string, n)
	hubs, consentIDs, applied, closed := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	looks, outs, dues, owed := make([]*int64, n), make([]string, n), make([]*int64, n), make([]*int64, n)
	for i := range links {
		l := &links[i]
		portals[i], leads[i], states[i], contacts[i] = l.Portal, string(l.LeadID), string(l.State), cleanText(string(l.ContactID))
		addresses[i], consents[i] = cleanText(l.Address), l.Consent
		hubs[i], consentIDs[i], applied[i], closed[i] = l.HubID, l.ConsentID, l.AppliedID, l.ClosedAtID
		looks[i], outs[i], dues[i], owed[i] = nullable(l.SecondLookAt), encodeOptOut(l.OptOut), nullable(l.OptOutDue()), nullable(l.OwedFields())
	}
	return query{postgresUpsert, []any{portals, hubs, leads, states, contacts, addresses, consents, consentIDs, fields, applied, closed, looks, outs, dues, owed, updatedAt}}
}

// class sorts the codes of https://www.postgresql.org/docs/15/errcodes-appendix.html.
func (d *postgresDialect) class(err error) trouble {
	var ce *pgconn.ConnectError
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		// A connection that broke is "conn closed" for the statement after it, also when that is the commit.
		if errors.As(err, &ce) || errors.Is(err, pgconn.ErrConnClosed) || pgconn.SafeToRetry(err) {
			return awayTrouble
		}
		return otherTrouble
	}
	switch {
	case pe.Code == "23505":
		return duplicateTrouble
	case pe.Code == "25006":
		return readOnlyTrouble
	case pe.Code == "53100", pe.Code == "53400":
		return fullTrouble
	case strings.HasPrefix(pe.Code, "28"), pe.Code == "42501", pe.Code == "3D000":
		return deniedTrouble
	case pe.Code == "40001", pe.Code == "40P01":
		return collidedTrouble
	case strings.HasPrefix(pe.Code, "08"), strings.HasPrefix(pe.Code, "57P"), strings.HasPrefix(pe.Code, "53"), pe.Code == "58030",
		pe.Code == "55P03", pe.Code == "57014" && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return awayTrouble
	}
	return otherTrouble
}

// postgresCause names the common ones; empty for an error of something else.
func postgresCause(err error) string {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return ""
	}
	switch {
	case strings.HasPrefix(pe.Code, "28"):
		return "login refused"
	case pe.Code == "42501":
		return "permission denied"
	case pe.Code == "3D000":
		return "no such database"
	case pe.Code == "57P03":
		return "the server is starting or stopping"
	case strings.HasPrefix(pe.Code, "57P"):
		return "the server closed the connection"
	case pe.Code == "57014":
		return "the server ended a statement that took too long"
	case pe.Code == "58030":
		return "input/output error"
	case pe.Code == "53300":
		return "too many connections"
	case pe.Code == "55P03", pe.Code == "40001", pe.Code == "40P01":
		return "locked by another program"
	}
	return ""
}

// cleanse has nothing to do: what the server's own logs and files keep is not ours to change.
func (d *postgresDialect) cleanse(context.Context, *engine, []string) error { return nil }
