package store_test

import (
	"errors"
	"testing"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// TestPooler: the whole contract behind a PgBouncer in transaction mode, where nothing of a session outlives a
// transaction.
func TestPooler(t *testing.T) {
	make := storetest.Pooler(t)
	t.Run("SettingsOfTheURL", func(t *testing.T) {
		_, err := store.Open(t.Context(), make(t)+"&search_path=app", store.Options{})
		if !errors.Is(err, store.ErrUnfit) {
			t.Errorf("a setting that the pooler does not take: %v, want it named with its cure", err)
		}
	})
	t.Run("ReadOnly", func(t *testing.T) {
		db, err := store.Open(t.Context(), make(t)+"&default_query_exec_mode=exec", store.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, _, err := db.Schema(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("NoHintsAndNoListener", func(t *testing.T) {
		db := storetest.Open(t, make(t))
		if c := db.Wakes(t.Context(), true); c != nil {
			t.Error("hints are promised where nobody can listen")
		}
		if seen, err := db.Operator().Inspect(t.Context()); err != nil || !seen.Pooler {
			t.Errorf("%+v, %v: doctor is not told of the pooler", seen, err)
		}
	})
	t.Run("NothingIsLeftInASession", func(t *testing.T) {
		url := make(t)
		storetest.Open(t, url)
		app := storetest.App(t, url)
		for range 20 { // each may be another session of the server
			var jit, idle string
			var locks int
			if err := app.QueryRow(`SELECT current_setting('jit'), current_setting('idle_in_transaction_session_timeout'),
  (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).
				Scan(&jit, &idle, &locks); err != nil {
				t.Fatal(err)
			}
			if jit != "on" || idle != "0" || locks != 0 {
				t.Fatalf("another client's session has jit %s, idle time-out %s, and %d advisory locks are left", jit, idle, locks)
			}
		}
	})
	t.Run("Contract", func(t *testing.T) { storetest.RunPooled(t, make) })
}
