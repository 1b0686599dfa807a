package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"leadsync/internal/store"
)

// template is a migrated SQLite file without a row, made once in a test binary: migrating takes longer than most tests.
var template = sync.OnceValues(func() (_ []byte, err error) {
	dir, err := os.MkdirTemp("", "leadsync-template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	db, err := store.Open(context.Background(), "sqlite://"+path, store.Options{CreateSQLite: true})
	if err != nil {
		return nil, err
	}
	if _, _, err := db.Migrate(context.Background()); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil { // the last connection moves the journal into the file
		return nil, err
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		return nil, fmt.Errorf("the template has a journal beside it")
	}
	return os.ReadFile(path)
})

// Migrated makes a migrated SQLite file; there is none at path, or an empty one.
func Migrated(t testing.TB, path string) {
	t.Helper()
	bytes, err := template()
	if err != nil {
		t.Fatalf("make a migrated file: %v", err)
	}
	if err := os.WriteFile(path, bytes, 0o660); err != nil {
		t.Fatal(err)
	}
}

// fresh is the path of a SQLite file that has nothing in it.
func fresh(url string) (path string, ok bool) {
	path, ok = strings.CutPrefix(url, "sqlite://")
	if !ok {
		return "", false
	}
	st, err := os.Stat(path)
	return path, err == nil && st.Size() == 0
}
