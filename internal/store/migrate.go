package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"

	"leadsync/internal/observe"
	"leadsync/migrations"
)

// versionTable is goose's table under a name of ours: the application may use goose in the same database.
const versionTable = "leadsync_schema"

// Migrate brings the schema to the version of this binary, under a lock that other instances wait for, and returns the
// versions before and after (equal when there was nothing to do). A newer schema is left alone: ErrSchemaNewer. A file
// that fails leaves the version before it: each is one transaction, on MariaDB, where DDL cannot be undone, one
// statement that may be repeated. While an application has a transaction open it waits, without keeping anybody else
// waiting, until ctx ends.
func (db *DB) Migrate(ctx context.Context) (from, to int64, err error) {
	from, latest, err := db.versions(ctx)
	if err != nil {
		return 0, 0, err
	}
	switch {
	case from > latest:
		return from, from, newer(db.redacted, from, latest)
	case from == latest:
		return from, from, nil
	}
	return db.migrateTo(ctx, latest)
}

func (db *DB) migrateTo(ctx context.Context, version int64) (from, to int64, err error) {
	m, err := db.dialect.migration(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	defer m.pool.Close()
	unlock, err := m.lock(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("migrate: %w", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	// Read again under the lock: another instance may have been faster.
	if from, _, err = db.versions(ctx); err != nil {
		return 0, 0, err
	}
	if err := mendVersions(ctx, db.engine, m); err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	files, err := db.dialect.schema(ctx, m.pool)
	if err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	p, err := goose.NewProvider(m.dialect, m.pool, files, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true),
		goose.WithSlog(slog.New(slog.DiscardHandler)))
	if err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	if err := db.patiently(ctx, m, func() error { _, err := p.UpTo(ctx, version); return err }); err != nil {
		return from, from, fmt.Errorf("migrate: %w", err)
	}
	if from < version {
		db.log.InfoContext(ctx, observe.MigrationsApplied, observe.From, from, observe.To, version)
	}
	return from, version, nil
}

// mendVersions gives the table of versions its first row. On MariaDB goose makes the table and the row one after the
// other, and refuses for ever a table that a connection which broke in between left empty.
func mendVersions(ctx context.Context, db *engine, m migration) error {
	var there int
	if err := m.pool.QueryRowContext(ctx, db.dialect.sql().schemaTable).Scan(&there); err != nil || there == 0 {
		return err
	}
	if err := m.pool.QueryRowContext(ctx, `SELECT count(*) FROM `+versionTable+` WHERE version_id = 0`).Scan(&there); err != nil || there > 0 {
		return err
	}
	_, err := m.pool.ExecContext(ctx, `INSERT INTO `+versionTable+` (version_id, is_applied) VALUES (0, TRUE)`)
	return err
}

// Schema reads the version of the schema in the database (0 = none) and the latest one that this binary has.
func (db *DB) Schema(ctx context.Context) (current, latest int64, err error) { return db.versions(ctx) }

func (db *engine) versions(ctx context.Context) (current, latest int64, err error) {
	numbers, err := db.numbers()
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	for _, n := range numbers {
		latest = max(latest, n)
	}
	var there int
	if err := db.one(ctx, db.read, []any{&there}, db.dialect.sql().schemaTable); err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	if there == 0 {
		return 0, latest, nil
	}
	err = db.one(ctx, db.read, []any{&current}, `SELECT coalesce(max(version_id), 0) FROM `+versionTable+` WHERE is_applied`)
	if err != nil {
		return 0, 0, fmt.Errorf("read the schema version: %w", err)
	}
	return current, latest, nil
}

// Missing counts the migrations above a version; the numbers have gaps.
func (db *DB) Missing(version int64) int {
	numbers, _ := db.numbers() // the files are part of the binary
	n := 0
	for _, v := range numbers {
		if v > version {
			n++
		}
	}
	return n
}

// numbers are those of this binary's migrations.
func (db *engine) numbers() ([]int64, error) {
	files, err := fs.Glob(migrations.FS, db.dialect.name()+"/*.sql")
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, f := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(f, db.dialect.name()+"/"), "_")
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			all = append(all, n)
		}
	}
	return all, nil
}

// CheckSchema is nil when the schema is the one of this binary, else it wraps ErrSchemaNewer or ErrSchemaOlder and
// names both versions.
func (db *DB) CheckSchema(ctx context.Context) error {
	current, latest, err := db.Schema(ctx)
	switch {
	case err != nil:
		return err
	case current > latest:
		return newer(db.redacted, current, latest)
	case current < latest:
		return fmt.Errorf("database %s has schema version %d, this leadsync needs %d: %w; run leadsync migrate up", db.redacted, current,
			latest, ErrSchemaOlder)
	}
	return nil
}

func newer(name string, current, latest int64) error {
	return fmt.Errorf("database %s has schema version %d, this leadsync knows up to %d: %w; install the version that made it", name,
		current, latest, ErrSchemaNewer)
}
