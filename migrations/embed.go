// Package migrations holds the schema of every dialect as goose files, embedded so that one binary carries its own
// schema. It guarantees nothing beyond that; internal/store applies the files under a lock and checks the version.
// Nothing else reads it.
//
// Design: one folder a dialect, plain SQL, because column types, identity columns and defaults differ where it matters
// and a reader should see the statement that runs. The rejected way is gorm's AutoMigrate: it cannot be reviewed,
// ordered or refused. A file that was ever released is never edited; a new one follows it.
package migrations

import "embed"

// FS holds one folder for each dialect, named as store.DB.Dialect names it; files are NNNN_name.sql. The files of mysql
// have one statement each and a %COLLATION% that store fills in.
//
//go:embed sqlite/*.sql postgres/*.sql mysql/*.sql
var FS embed.FS
