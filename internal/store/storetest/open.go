// Package storetest is the contract suite that every dialect of internal/store runs, and the throw-away databases that
// other packages' tests open. It guarantees that each database is new, migrated and gone after the test. It is not for
// products.
//
// Design: the suite gets a function that makes a database URL, and not an open store, because half of the contract is
// about what other programs and a second process do to the same database. One suite for all dialects was chosen over a
// test file a dialect: what is not asked of each would drift.
package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the application's driver in tests
	_ "modernc.org/sqlite"

	"leadsync/internal/store"
)

// The variables that name a server for the tests: a PostgreSQL database in which they may make schemas, and a MariaDB
// or MySQL server on which they may make databases (mysql://root@127.0.0.1:3306/test).
const (
	PostgresEnv = "LEADSYNC_TEST_POSTGRES_URL"
	MySQLEnv    = "LEADSYNC_TEST_MYSQL_URL"
)

// HavePostgres reports whether PostgreSQL tests can run.
func HavePostgres() bool { return os.Getenv(PostgresEnv) != "" }

// HaveMySQL reports whether MariaDB or MySQL tests can run.
func HaveMySQL() bool { return os.Getenv(MySQLEnv) != "" }

// SQLite makes the URL of a new SQLite database that has no tables yet.
func SQLite(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leadsync.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite://" + path
}

// Postgres makes the URL of a new schema in the database of PostgresEnv, dropped after the test. Without the variable
// the test is skipped; see Dialects for the line that tells.
func Postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv(PostgresEnv)
	if base == "" {
		t.Skip(PostgresEnv + " not set")
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("parse the PostgreSQL URL")
	}
	const quick = "-csynchronous_commit=off" // a test has no power cut
	schema := "leadsync_test_" + strings.ToLower(rand.Text()[:12])
	admin, err := sql.Open("pgx", withOptions(u, quick))
	if err != nil {
		t.Fatal("open PostgreSQL")
	}
	if _, err := admin.Exec("CREATE SCHEMA " + schema); err != nil {
		t.Fatalf("make a schema: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE"); err != nil {
			t.Errorf("drop the schema: %v", err)
		}
		_ = admin.Close()
	})
	return withOptions(u, quick+" -csearch_path="+schema)
}

// withOptions adds settings of the session to a URL of PostgreSQL.
func withOptions(u *url.URL, options string) string {
	c, q := *u, u.Query()
	q.Set("options", options)
	c.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq does not know +
	return c.String()
}

// MySQL makes the URL of a new database on the server of MySQLEnv, dropped after the test. Its own character set is
// latin1, so that nothing works by luck of the default. Without the variable the test is skipped; see Dialects for the
// line that tells.
func MySQL(t testing.TB) string {
	t.Helper()
	base := os.Getenv(MySQLEnv)
	if base == "" {
		t.Skip(MySQLEnv + " not set")
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal("parse the MySQL URL")
	}
	name := "leadsync_test_" + strings.ToLower(rand.Text()[:12])
	admin, err := sql.Open("mysql", mysqlDSN(u))
	if err != nil {
		t.Fatal("open MySQL")
	}
	if _, err := admin.Exec("CREATE DATABASE " + name + " CHARACTER SET latin1"); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.Exec("DROP DATABASE " + name); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		_ = admin.Close()
	})
	u.Path = "/" + name
	return u.String()
}

// mysqlDSN turns a URL into what the driver reads.
func mysqlDSN(u *url.URL) string {
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr, cfg.DBName = "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	if s := u.Query().Get("socket"); s != "" {
		cfg.Net, cfg.Addr = "unix", s
	}
	cfg.InterpolateParams = true
	return cfg.FormatDSN()
}

// Open opens and migrates a database; it is closed after the test.
func Open(t testing.TB, url string) *store.DB {
	t.Helper()
	if path, ok := fresh(url); ok {
		Migrated(t, path)
	}
	db := OpenRaw(t, url)
	if _, _, err := db.Migrate(t.Context()); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	return db
}

// OpenRaw opens a database without migrating it.
func OpenRaw(t testing.TB, url string) *store.DB {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	db, err := store.Open(t.Context(), url, store.Options{Log: log})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

// App opens the database as an application in another process would: database/sql, nothing of leadsync.
func App(t testing.TB, u string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", u
	if path, ok := strings.CutPrefix(u, "sqlite://"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	if strings.HasPrefix(u, "mysql://") {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal("parse the MySQL URL")
		}
		driver, dsn = "mysql", mysqlDSN(parsed)
	}
	if strings.Contains(u, "/leadsync_test_") && driver == "pgx" { // behind a pooler
		dsn += "&default_query_exec_mode=exec"
	}
	app, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal("open the application's connection")
	}
	t.Cleanup(func() { _ = app.Close() })
	return app
}

// Exec runs a statement as the application.
func Exec(t testing.TB, app *sql.DB, text string, args ...any) {
	t.Helper()
	if _, err := app.ExecContext(context.WithoutCancel(t.Context()), text, args...); err != nil {
		t.Fatalf("application: %s: %v", text, err)
	}
}

// Dialects is the line that a test binary prints last: which dialects ran.
func Dialects() string {
	ran, skipped := []string{"sqlite"}, []string{}
	for _, d := range []struct {
		name, env string
		have      bool
	}{{"postgres", PostgresEnv, HavePostgres()}, {"mysql", MySQLEnv, HaveMySQL()}} {
		if d.have {
			ran = append(ran, d.name)
		} else {
			skipped = append(skipped, d.name+" ("+d.env+" not set)")
		}
	}
	line := "store dialects: ran " + strings.Join(ran, ", ")
	if len(skipped) > 0 {
		line += "; SKIPPED " + strings.Join(skipped, ", ")
	}
	if missingPooler.Load() {
		line += "; NOT TESTED: a pooler in front of PostgreSQL, since there is no pgbouncer"
	}
	missingTools.Range(func(tool, _ any) bool {
		line += fmt.Sprintf("; NOT TESTED: the insert through %v, which is not on PATH", tool)
		return true
	})
	return line
}
