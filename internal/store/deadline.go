package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// connectTimeout bounds one try to reach a server, from the dial to a session that is set up.
	connectTimeout = 5 * time.Second
	// statementPatience bounds a statement of a caller that named no time.
	statementPatience = 30 * time.Second
	// migrationPatience bounds a statement of a migration, which may write a large table anew.
	migrationPatience = time.Hour
)

// silentError says that the server took a connection or a statement and then said nothing.
type silentError struct{ err error }

func (e *silentError) Error() string { return "no answer in time" }
func (e *silentError) Unwrap() error { return e.err }

func isSilent(err error) bool {
	_, ok := errors.AsType[*silentError](err)
	return ok
}

// punctual is a connector of a server whose every dial, handshake, statement and commit ends in time: a server that
// accepts and says nothing is an error like one that refuses. What the caller's context says counts first. Without this
// each driver has holes of its own: that of MariaDB waits for a handshake and for the answer of a commit without end,
// whatever the context.
type punctual struct {
	driver.Connector
	connect, statement time.Duration
}

// Connect is driver.Connector's.
func (p punctual) Connect(ctx context.Context) (driver.Conn, error) {
	own, cancel := context.WithTimeout(ctx, p.connect)
	defer cancel()
	conn, err := p.Connector.Connect(own)
	if err != nil {
		return nil, anonymous(silent(ctx, own, err))
	}
	return &punctualConn{conn.(serverConn), p.statement}, nil
}

// anonymous hides what both servers and both drivers say when they refuse a session: user and host. Every session is
// made here, so no caller of the pool, gorm or goose among them, can log it.
func anonymous(err error) error {
	if e, ok := isMySQL(err); ok {
		return &mysqlError{e}
	}
	return &awayError{err}
}

// serverConn is what the drivers of both servers can do.
type serverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.NamedValueChecker
}

type punctualConn struct {
	serverConn
	statement time.Duration
}

// bound gives a context without a deadline one.
func (c *punctualConn) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.statement)
}

// silent tells the end of our own time from the end of the caller's.
func silent(caller, own context.Context, err error) error {
	if err != nil && caller.Err() == nil && errors.Is(own.Err(), context.DeadlineExceeded) {
		return &silentError{err}
	}
	return err
}

// ExecContext is driver.ExecerContext's.
func (c *punctualConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	own, cancel := c.bound(ctx)
	defer cancel()
	res, err := c.serverConn.ExecContext(own, query, args)
	return res, silent(ctx, own, err)
}

// QueryContext is driver.QueryerContext's. The time runs until the rows are closed.
func (c *punctualConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	own, cancel := c.bound(ctx)
	rows, err := c.serverConn.QueryContext(own, query, args)
	if err != nil {
		cancel()
		return nil, silent(ctx, own, err)
	}
	return &punctualRows{rows, ctx, own, cancel}, nil
}

// PrepareContext is driver.ConnPrepareContext's. What is prepared is run under the caller's context alone: nothing here
// prepares, but for database/sql when a driver asks it to.
func (c *punctualConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	own, cancel := c.bound(ctx)
	defer cancel()
	stmt, err := c.serverConn.PrepareContext(own, query)
	return stmt, silent(ctx, own, err)
}

// Ping is driver.Pinger's.
func (c *punctualConn) Ping(ctx context.Context) error {
	own, cancel := c.bound(ctx)
	defer cancel()
	return silent(ctx, own, c.serverConn.Ping(own))
}

// ResetSession is driver.SessionResetter's. A connection that has gone silent is thrown away, and the statement gets
// another one.
func (c *punctualConn) ResetSession(ctx context.Context) error {
	own, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	return c.serverConn.ResetSession(own)
}

// IsValid is driver.Validator's, where the driver has it.
func (c *punctualConn) IsValid() bool {
	v, has := c.serverConn.(driver.Validator)
	return !has || v.IsValid()
}

// BeginTx is driver.ConnBeginTx's. Begin and commit are statements like any other, since not every driver bounds its
// own.
func (c *punctualConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.ReadOnly || o.Isolation != 0 {
		return nil, errors.New("transactions of a kind of their own are not supported")
	}
	if _, err := c.ExecContext(ctx, "BEGIN", nil); err != nil {
		return nil, err
	}
	return &punctualTx{c, ctx}, nil
}

type punctualTx struct {
	conn *punctualConn
	ctx  context.Context //nolint:containedctx // driver.Tx has no other way to be told
}

// Commit is driver.Tx's.
func (t *punctualTx) Commit() error {
	if pg, is := t.conn.serverConn.(*stdlib.Conn); is && pg.Conn().PgConn().TxStatus() == 'E' {
		return errors.Join(pgx.ErrTxCommitRollback, t.Rollback()) // the server would call that a success
	}
	_, err := t.conn.ExecContext(t.ctx, "COMMIT", nil)
	return err
}

// Rollback is driver.Tx's. It goes on when the caller has given up: the connection is used again.
func (t *punctualTx) Rollback() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), connectTimeout)
	defer cancel()
	_, err := t.conn.ExecContext(ctx, "ROLLBACK", nil)
	return err
}

type punctualRows struct {
	driver.Rows
	caller, own context.Context //nolint:containedctx // the rows of one statement
	cancel      context.CancelFunc
}

// Next is driver.Rows's.
func (r *punctualRows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return silent(r.caller, r.own, err)
}

// Close is driver.Rows's.
func (r *punctualRows) Close() error {
	defer r.cancel()
	return r.Rows.Close()
}

// ColumnTypeDatabaseTypeName is driver.RowsColumnTypeDatabaseTypeName's.
func (r *punctualRows) ColumnTypeDatabaseTypeName(i int) string {
	if t, has := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); has {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeScanType is driver.RowsColumnTypeScanType's.
func (r *punctualRows) ColumnTypeScanType(i int) reflect.Type {
	if t, has := r.Rows.(driver.RowsColumnTypeScanType); has {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}
