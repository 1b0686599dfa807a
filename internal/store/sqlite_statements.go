package store

import (
	"container/list"
	"context"
	"database/sql/driver"
	"strings"

	msqlite "modernc.org/sqlite"
)

const (
	// keptStatements is how many compiled statements a connection keeps: more than the worker repeats, and a few MB in
	// all.
	keptStatements = 64
	// keptText is the longest text, in bytes, worth keeping: a batch of a hundred rows has some 4,000.
	keptText = 8 << 10
)

// keepingSQLite opens connections that keep the statements they compiled. Compiling a text costs the pure-Go engine
// more than half of what the whole statement does, and nearly every statement here is one of a few literal texts.
// database/sql's own Stmt would do it too, with a handle for each pool and transaction and no bound. The engine
// compiles a kept statement again by itself when the schema has changed.
type keepingSQLite struct{ driver.Connector }

func newKeepingSQLite(dsn string) (driver.Connector, error) {
	c, err := msqlite.NewConnector(dsn)
	return keepingSQLite{c}, err
}

// Connect is driver.Connector's.
func (k keepingSQLite) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &keepingConn{sqliteConn: conn.(sqliteConn), kept: map[string]*list.Element{}}, nil
}

// sqliteConn is what the engine's connection can do.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
	driver.Pinger
}

// keepingConn is used by one goroutine at a time, as database/sql promises.
type keepingConn struct {
	sqliteConn
	kept map[string]*list.Element // of *keptStatement
	used list.List                // the last one used in front
}

type keptStatement struct {
	driver.Stmt
	text string
	busy bool // its rows are being read
}

// ExecContext is driver.ExecerContext's.
func (c *keepingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.ExecContext(ctx, text, args)
	}
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

// QueryContext is driver.QueryerContext's.
func (c *keepingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, text)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.sqliteConn.QueryContext(ctx, text, args)
	}
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return &keptRows{rows.(sqliteRows), s}, nil
}

// Close is driver.Conn's.
func (c *keepingConn) Close() error {
	for e := c.used.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*keptStatement).Close() // a statement that failed repeats its error here
	}
	c.used.Init()
	clear(c.kept)
	return c.sqliteConn.Close()
}

// statement is the compiled form of the text; nil when it is not kept, or in use.
func (c *keepingConn) statement(ctx context.Context, text string) (*keptStatement, error) {
	if e, ok := c.kept[text]; ok {
		c.used.MoveToFront(e)
		if s := e.Value.(*keptStatement); !s.busy {
			return s, nil
		}
		return nil, nil
	}
	if len(text) > keptText || !keepable(text) {
		return nil, nil
	}
	compiled, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if c.used.Len() >= keptStatements {
		c.forget()
	}
	s := &keptStatement{Stmt: compiled, text: text}
	c.kept[text] = c.used.PushFront(s)
	return s, nil
}

// forget gives up the statement that was not used for longest.
func (c *keepingConn) forget() {
	for e := c.used.Back(); e != nil; e = e.Prev() {
		if s := e.Value.(*keptStatement); !s.busy {
			c.used.Remove(e)
			delete(c.kept, s.text)
			_ = s.Close()
			return
		}
	}
}

// keepable is a statement that does its work when it runs: some pragmas do theirs when they are compiled.
func keepable(text string) bool {
	if text == dataVersion {
		return true
	}
	text = strings.TrimLeft(text, " \n\t(")
	word, _, _ := strings.Cut(text, " ")
	switch strings.ToUpper(word) {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "WITH":
		return true
	}
	return false
}

// sqliteRows is what the engine's rows can do.
type sqliteRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

type keptRows struct {
	sqliteRows
	of *keptStatement
}

// Close is driver.Rows'.
func (r *keptRows) Close() error {
	r.of.busy = false
	return r.sqliteRows.Close()
}
