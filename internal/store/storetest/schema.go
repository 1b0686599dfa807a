package storetest

import (
	"errors"
	"fmt"
	"sync"

	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// migrateTogether starts four instances at once on a database without tables, several times over.
func migrateTogether(e *env) {
	for range 2 {
		e.dropAll()
		var wg sync.WaitGroup
		for range 4 {
			db := OpenRaw(e, e.url)
			wg.Go(func() {
				if _, _, err := db.Migrate(e.Context()); err != nil {
					e.Errorf("migrate together: %v", err)
					return
				}
				if err := db.CheckSchema(e.Context()); err != nil {
					e.Error(err)
				}
			})
		}
		wg.Wait()
	}
	e.insert("a", `{}`)
}

func (e *env) dropAll() {
	e.Helper()
	rows, err := e.app.QueryContext(e.Context(), map[string]string{
		"sqlite":   `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'lead%'`,
		"postgres": `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
		"mysql":    `SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()`,
	}[e.db.Dialect()])
	e.must(err)
	var tables []string
	for rows.Next() {
		var name string
		e.must(rows.Scan(&name))
		tables = append(tables, name)
	}
	e.must(errors.Join(rows.Err(), rows.Close()))
	for _, name := range tables {
		Exec(e, e.app, "DROP TABLE "+name)
	}
}

func schemaVersions(e *env) {
	current, latest, err := e.db.Schema(e.Context())
	e.must(err)
	if current != latest || latest < 1 {
		e.Errorf("schema %d of %d", current, latest)
	}
	if from, to, err := e.db.Migrate(e.Context()); err != nil || from != latest || to != latest {
		e.Errorf("migrate again: %d to %d, %v", from, to, err)
	}
	e.must(e.db.CheckSchema(e.Context()))
	Exec(e, e.app, fmt.Sprintf(`INSERT INTO leadsync_schema (version_id, is_applied) VALUES (%d, TRUE)`, latest+1))
	e.wants(e.db.CheckSchema(e.Context()), store.ErrSchemaNewer)
	_, _, err = e.db.Migrate(e.Context())
	e.wants(err, store.ErrSchemaNewer)
	e.dropAll()
	e.wants(e.db.CheckSchema(e.Context()), store.ErrSchemaOlder)
	if from, to, err := e.db.Migrate(e.Context()); err != nil || from != 0 || to != latest {
		e.Errorf("first migration: %d to %d, %v", from, to, err)
	}
}

func readOnly(e *env) {
	e.insert("a", `{}`)
	db, err := store.Open(e.Context(), e.url, store.Options{ReadOnly: true})
	e.must(err)
	defer db.Close()
	if rows, err := db.View(portal).Ready(e.Context(), outbox.Live, 0, 10); err != nil || len(rows) != 1 {
		e.Errorf("read: %d rows, %v", len(rows), err)
	}
	_, _, err = db.Operator().Add(e.Context(), []outbox.Entry{{LeadID: ptr("b")}})
	if !store.IsReadOnly(err) || store.IsUnavailable(err) || store.IsFull(err) {
		e.Errorf("a write: %v, want a read-only error", err)
	}
}
