package store_test

import (
	"strings"
	"testing"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// TestMySQLSession: what the store relies on does not depend on how the server is set up.
func TestMySQLSession(t *testing.T) {
	t.Parallel()
	url := storetest.MySQL(t)
	db := storetest.OpenRaw(t, url)
	var isolation, mode, client, results string
	var wait int
	// MySQL 8 calls the first one transaction_isolation.
	row := db.Writer().QueryRowContext(t.Context(), `SELECT @@tx_isolation, @@sql_mode, @@character_set_client, @@character_set_results, @@innodb_lock_wait_timeout`)
	if err := row.Scan(&isolation, &mode, &client, &results, &wait); err != nil {
		t.Fatal(err)
	}
	if isolation != "READ-COMMITTED" || !strings.Contains(mode, "STRICT_TRANS_TABLES") || strings.Contains(mode, "ANSI_QUOTES") || client != "utf8mb4" ||
		results != "utf8mb4" || wait > 10 {
		t.Errorf("isolation %s, sql_mode %s, character sets %s and %s, lock wait %d s", isolation, mode, client, results, wait)
	}
	if seen, err := db.Operator().Inspect(t.Context()); err != nil || seen.Odd != "" {
		t.Errorf("%+v, %v", seen, err)
	}
}

// TestMySQLMigrationThatBroke: DDL cannot be undone, so a migration that died between a table and its line in the list
// of versions is repeated.
func TestMySQLMigrationThatBroke(t *testing.T) {
	t.Parallel()
	url := storetest.MySQL(t)
	db := storetest.Open(t, url)
	app := storetest.App(t, url)
	storetest.Exec(t, app, `INSERT INTO lead_outbox (lead_id) VALUES ('a')`)
	storetest.Exec(t, app, `DROP TABLE leadsync_keys`)
	storetest.Exec(t, app, `DELETE FROM leadsync_schema WHERE version_id > 2`)
	if from, to, err := db.Migrate(t.Context()); err != nil || from != 2 || to < 5 {
		t.Errorf("from %d to %d, %v", from, to, err)
	}
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	if counts, err := db.Operator().Counts(t.Context()); err != nil || len(counts) != 1 || counts[0].Count != 1 {
		t.Errorf("%v, %v", counts, err)
	}
}

// TestMySQLRefusesAWrongLogin: a person must act, and the answer names neither user nor password.
func TestMySQLRefusesAWrongLogin(t *testing.T) {
	t.Parallel()
	url := storetest.MySQL(t)
	scheme, rest, _ := strings.Cut(url, "://")
	_, host, _ := strings.Cut(rest, "@")
	_, err := store.Open(t.Context(), scheme+"://nobody-here:secret@"+host, store.Options{})
	if !store.IsDenied(err) || store.IsUnavailable(err) || strings.Contains(err.Error(), "nobody-here") || strings.Contains(err.Error(), "secret") {
		t.Errorf("a wrong login: %v (%s)", err, store.Cause(err))
	}
	_, err = store.Open(t.Context(), url+"_none", store.Options{})
	if !store.IsDenied(err) {
		t.Errorf("a database that is not there: %v (%s)", err, store.Cause(err))
	}
}
