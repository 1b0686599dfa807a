package store_test

import (
	"testing"

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
