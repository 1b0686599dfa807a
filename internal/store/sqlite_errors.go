package store

import (
	"errors"

	msqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// class sorts the result codes of https://www.sqlite.org/rescode.html.
func (d *sqliteDialect) class(err error) trouble {
	var e *msqlite.Error
	if !errors.As(err, &e) {
		return otherTrouble
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return duplicateTrouble
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR:
		return awayTrouble
	case sqlite3.SQLITE_FULL:
		return fullTrouble
	case sqlite3.SQLITE_READONLY:
		return readOnlyTrouble
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return deniedTrouble
	}
	return otherTrouble
}

// sqliteCause names the common ones; empty for an error of something else.
func sqliteCause(err error) string {
	var e *msqlite.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "locked by another program"
	case sqlite3.SQLITE_CANTOPEN:
		return "the file cannot be opened"
	case sqlite3.SQLITE_IOERR:
		return "input/output error"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return "the file is not a sound database"
	}
	return ""
}
