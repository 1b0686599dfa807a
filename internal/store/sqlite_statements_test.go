package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// keeping opens a file with one connection, which keep reads in passing.
func keeping(t *testing.T) (pool *sql.DB, keep func() *keepingConn) {
	t.Helper()
	c, err := newKeepingSQLite("file:" + filepath.Join(t.TempDir(), "kept.db"))
	if err != nil {
		t.Fatal(err)
	}
	pool = sql.OpenDB(c)
	pool.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = pool.Close() })
	return pool, func() (k *keepingConn) {
		conn, err := pool.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.Raw(func(c any) error { k = c.(*keepingConn); return nil })
		return k
	}
}

func mustExec(t *testing.T, pool *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := pool.ExecContext(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// TestKeptStatementsSeeANewSchema uses a kept statement again after the table was changed under it.
func TestKeptStatementsSeeANewSchema(t *testing.T) {
	pool, _ := keeping(t)
	mustExec(t, pool, `CREATE TABLE a (x)`)
	const all = `SELECT * FROM a WHERE x = ?`
	for round := range 3 {
		mustExec(t, pool, fmt.Sprintf(`ALTER TABLE a ADD COLUMN c%d DEFAULT 7`, round))
		mustExec(t, pool, `INSERT INTO a (x) VALUES (?)`, round)
		rows, err := pool.QueryContext(t.Context(), all, round)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		n := 0
		for rows.Next() {
			n++
		}
		if rows.Err() != nil || n != 1 || len(columns) != round+2 {
			t.Errorf("round %d: %d rows of %v (%v)", round, n, columns, rows.Err())
		}
		_ = rows.Close()
	}
}

// TestKeptStatementsAreNotShared reads rows of a text while rows of the same text are open in the same transaction, and
// after a statement that failed half way.
func TestKeptStatementsAreNotShared(t *testing.T) {
	pool, _ := keeping(t)
	mustExec(t, pool, `CREATE TABLE a (x UNIQUE)`)
	const insert, numbers = `INSERT INTO a VALUES (?), (?)`, `SELECT x FROM a ORDER BY x`
	mustExec(t, pool, insert, 1, 2)
	for range 2 {
		if _, err := pool.ExecContext(t.Context(), insert, 3, 1); err == nil {
			t.Fatal("a number twice was taken")
		}
	}
	mustExec(t, pool, insert, 3, 4)
	tx, err := pool.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // read only
	outer, err := tx.QueryContext(t.Context(), numbers)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	seen := 0
	for outer.Next() {
		var x, y int
		if err := outer.Scan(&x); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRowContext(t.Context(), numbers).Scan(&y); err != nil {
			t.Fatal(err)
		}
		if seen++; x != seen || y != 1 {
			t.Errorf("row %d is %d, and the first one %d", seen, x, y)
		}
	}
	if outer.Err() != nil || seen != 4 {
		t.Errorf("%d rows of 4 (%v)", seen, outer.Err())
	}
}

// TestKeptStatementsAreBounded uses more texts than are kept.
func TestKeptStatementsAreBounded(t *testing.T) {
	pool, keep := keeping(t)
	for i := range 3 * keptStatements {
		var n int
		if err := pool.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT %d`, i)).Scan(&n); err != nil || n != i {
			t.Fatalf("%d: %d (%v)", i, n, err)
		}
	}
	if k := keep(); len(k.kept) != keptStatements || k.used.Len() != keptStatements {
		t.Errorf("%d and %d statements are kept", len(k.kept), k.used.Len())
	}
}

// TestKeptStatementsAreNotCompiledAgain holds the texts that are used all the time to one compilation: the engine
// compiles a text again at each use when it plans by the value of an argument, and a bare LIMIT ? is one.
func TestKeptStatementsAreNotCompiledAgain(t *testing.T) {
	s := sqliteStatements
	for _, text := range []string{s.readyLive, s.readyBackfill, s.readyConsent, s.dueAgain, s.dueLive, s.dueBackfill, s.dueConsent,
		s.unpark, s.pendingOf, s.lookAt, s.optOutDue} {
		if strings.Contains(text, "LIMIT ?") || !keepable(text) || len(text) > keptText {
			t.Errorf("compiled again and again:\n%s", text)
		}
	}
}
