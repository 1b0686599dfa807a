// Package sqlite3 stands in the place of the SQLite written in C, which gorm's dialector imports for its driver alone:
// leadsync gives it the pure-Go engine. Without this a build with cgo on would link a second SQLite and need a C
// compiler, and two of them in one process break each other's locks
// (https://www.sqlite.org/howtocorrupt.html#_multiple_copies_of_sqlite_linked_into_the_same_application).
package sqlite3
