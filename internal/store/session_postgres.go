package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What no client that is gone or frozen keeps for longer, whatever it was doing: the next owner of a portal takes the
// row that the last settlement of the one before may hold.
const (
	// idleInTransaction is how long a transaction may wait for our next statement.
	idleInTransaction = 8 * time.Second
	// lockWait is how long a statement waits for a row that another transaction holds.
	lockWait = 5 * time.Second
	// peerSilent is after how long the server gives up a client machine that does not answer any more.
	peerSilent = 15 * time.Second
	// oldestPostgres knows all settings of postgresSettings.
	oldestPostgres = "12"
)

// postgresSettings are what we need of a session, see https://www.postgresql.org/docs/15/runtime-config-client.html:
// text is UTF-8, a reader sees what is committed now, statements of a millisecond are not compiled (a quarter of a
// second each), and what a lost client holds comes free.
var postgresSettings = map[string]string{
	"client_encoding":                     "UTF8",
	"default_transaction_isolation":       "read committed",
	"idle_in_transaction_session_timeout": millis(idleInTransaction),
	"jit":                                 "off",
	"lock_timeout":                        millis(lockWait),
	"standard_conforming_strings":         "on",
	"statement_timeout":                   millis(statementPatience), // also bounds a statement of which we sent half
	"tcp_keepalives_count":                "3",
	"tcp_keepalives_idle":                 "6",
	"tcp_keepalives_interval":             "3",
	"tcp_user_timeout":                    millis(peerSilent),
	"TimeZone":                            "UTC",
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// postgresSession returns how sessions are made. The settings travel with the start of each session; there is no moment
// without them. A pooler (PgBouncer) refuses those it does not know, or forgets them, and in its transaction mode hands
// a session on to other clients after each transaction: behind one nothing is set, no statement is prepared under a
// name, and each transaction begins with what it needs (guard). Whether one stands in between shows in the number of
// the session, which a pooler makes up.
func postgresSession(ctx context.Context, cfg *pgx.ConnConfig, readOnly bool) (_ *pgx.ConnConfig, pooled bool, err error) {
	direct := cfg.Copy()
	maps.Copy(direct.RuntimeParams, postgresSettings)
	if readOnly {
		direct.RuntimeParams["default_transaction_read_only"] = "on"
	}
	there, err := lookAtSession(ctx, direct)
	if !errors.Is(err, errPooler) && !there {
		return direct, false, err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	if _, err := lookAtSession(ctx, cfg); err != nil {
		return nil, true, err
	}
	return cfg, true, nil
}

// lookAtSession makes one session and tells whether a pooler made it; errPooler when a pooler refused the settings.
func lookAtSession(caller context.Context, cfg *pgx.ConnConfig) (pooled bool, err error) {
	ctx, cancel := context.WithTimeout(caller, max(cfg.ConnectTimeout, connectTimeout))
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false, refusedSession(silent(caller, ctx, err))
	}
	defer func() { _ = conn.Close(ctx) }()
	if encoding := conn.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		return false, fmt.Errorf("%w: the PostgreSQL database has the encoding %s, which cannot hold every name; make one with ENCODING 'UTF8' "+
			"(TEMPLATE template0), and move the tables there", ErrUnfit, strings.ToValidUTF8(encoding, "?"))
	}
	if !atLeast(conn.PgConn().ParameterStatus("server_version"), oldestPostgres+".0") {
		return false, fmt.Errorf("%w: PostgreSQL is older than %s", ErrServerTooOld, oldestPostgres)
	}
	var pid uint32
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeSimpleProtocol).Scan(&pid); err != nil {
		return false, &awayError{silent(caller, ctx, err)}
	}
	return pid != conn.PgConn().PID(), nil
}

var errPooler = fmt.Errorf("%w: the pooler in front of PostgreSQL takes no settings; leave options and settings such as search_path out of the URL, "+
	"and give them to the user with ALTER ROLE ... SET", ErrUnfit)

// refusedSession reads why no session was made.
func refusedSession(err error) error {
	var pe *pgconn.PgError
	switch {
	case errors.As(err, &pe) && pe.Code == "08P01" && strings.Contains(pe.Message, "startup parameter"):
		return errPooler
	case errors.As(err, &pe) && pe.Code == "42704":
		return fmt.Errorf("%w: PostgreSQL is older than %s", ErrServerTooOld, oldestPostgres)
	}
	return &awayError{err}
}

// guard begins a transaction behind a pooler: its session is nobody's, and may be another one each time.
func (d *postgresDialect) guard(ctx context.Context, db *engine, on querier) error {
	if !d.pooled {
		return nil
	}
	_, err := db.exec(ctx, on, postgresGuard)
	return err
}

var postgresGuard = `SELECT set_config('idle_in_transaction_session_timeout', '` + millis(idleInTransaction) + `', true), set_config('lock_timeout', '` +
	millis(lockWait) + `', true), set_config('statement_timeout', '` + millis(statementPatience) + `', true), set_config('jit', 'off', true)`

func (d *postgresDialect) unhurried(ctx context.Context, db *engine, on querier) error {
	_, err := db.exec(ctx, on, `SELECT set_config('statement_timeout', '0', true)`)
	return err
}
