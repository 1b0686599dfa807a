package store_test

import (
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// TestPostgresSession: no statement is compiled, which would take longer than the statement.
func TestPostgresSession(t *testing.T) {
	t.Parallel()
	db := storetest.OpenRaw(t, storetest.Postgres(t))
	var jit string
	if err := db.Writer().QueryRowContext(t.Context(), `SHOW jit`).Scan(&jit); err != nil || jit != "off" {
		t.Errorf("jit is %s, %v", jit, err)
	}
}

// postgresDatabase makes a database of its own, as somebody else set it up.
func postgresDatabase(t *testing.T, options string, settings ...string) string {
	t.Helper()
	app := storetest.App(t, storetest.Postgres(t))
	name := "leadsync_test_" + strings.ToLower(rand.Text()[:12])
	storetest.Exec(t, app, `CREATE DATABASE `+name+` TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' `+options)
	t.Cleanup(func() { storetest.Exec(t, app, `DROP DATABASE `+name+` WITH (FORCE)`) })
	for _, s := range settings {
		storetest.Exec(t, app, `ALTER DATABASE `+name+` SET `+s)
	}
	u, err := url.Parse(os.Getenv(storetest.PostgresEnv))
	if err != nil {
		t.Fatal("parse the URL")
	}
	u.Path = "/" + name
	return u.String()
}

// TestPostgresSessionWhateverTheServerSays: what we need of a session does not depend on how the database is set up.
func TestPostgresSessionWhateverTheServerSays(t *testing.T) {
	t.Parallel()
	url := postgresDatabase(t, `ENCODING 'UTF8'`, `client_encoding = 'latin1'`, `timezone = 'Asia/Tokyo'`, `statement_timeout = '1ms'`, `lock_timeout = '1ms'`,
		`default_transaction_isolation = 'serializable'`, `standard_conforming_strings = off`, `idle_in_transaction_session_timeout = 0`)
	db := storetest.Open(t, url)
	if seen, err := db.Operator().Inspect(t.Context()); err != nil || seen.Odd != "" || seen.Pooler {
		t.Errorf("%+v, %v", seen, err)
	}
}

// TestPostgresEncodings: a database that cannot hold every name is refused by name, with the cure.
func TestPostgresEncodings(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "WIN1252"} {
		_, err := store.Open(t.Context(), postgresDatabase(t, `ENCODING '`+encoding+`'`), store.Options{})
		if !errors.Is(err, store.ErrUnfit) || store.IsUnavailable(err) || !strings.Contains(err.Error(), encoding) || !strings.Contains(err.Error(), "ENCODING 'UTF8'") {
			t.Errorf("%s: %v", encoding, err)
		}
	}
}
