package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestErrorsAreSorted is the table of what each kind of error means to the caller.
func TestErrorsAreSorted(t *testing.T) {
	t.Parallel()
	my := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "x"} }
	pg := func(code string) error { return &pgconn.PgError{Code: code} }
	for _, tc := range []struct {
		err                          error
		away, full, readOnly, denied bool
		cause                        string
	}{
		{err: nil},
		{err: errors.New("x"), cause: "database error"},
		{err: lostErr(context.Canceled), cause: "database error"},
		{err: context.DeadlineExceeded, cause: "no answer in time"},
		{err: driver.ErrBadConn, away: true, cause: "connection lost"},
		{err: sql.ErrConnDone, away: true, cause: "connection lost"},
		{err: io.ErrUnexpectedEOF, away: true, cause: "connection lost"},
		{err: &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, away: true, cause: "connection refused"},
		{err: &net.DNSError{Name: "h"}, away: true, cause: "no such host"},
		{err: &fs.PathError{Op: "open", Err: syscall.ENOSPC}, full: true, cause: "no space left"},
		{err: syscall.EDQUOT, full: true, cause: "no space left"},
		{err: syscall.EROFS, readOnly: true, cause: "it is read-only"},
		{err: syscall.EACCES, denied: true, cause: "permission denied"},
		{err: syscall.ENOTDIR, cause: "database error"},
		{err: ErrNoDatabase, cause: "the file does not exist"},
		{err: ErrSchemaNewer, cause: "its schema has another version"},
		{err: ErrServerTooOld, cause: "the server is too old"},

		{err: pgconn.ErrConnClosed, away: true, cause: "connection lost"},
		{err: pg("57P03"), away: true, cause: "the server is starting or stopping"},
		{err: pg("57P01"), away: true, cause: "the server closed the connection"},
		{err: pg("53300"), away: true, cause: "too many connections"},
		{err: pg("57014"), away: true, cause: "the server ended a statement that took too long"},
		{err: errors.Join(pg("57014"), context.Canceled), cause: "the server ended a statement that took too long"},
		{err: pg("58030"), away: true, cause: "input/output error"},
		{err: pg("40P01"), away: true, cause: "locked by another program"},
		{err: pg("53100"), full: true, cause: "no space left"},
		{err: pg("25006"), readOnly: true, cause: "it is read-only"},
		{err: pg("28P01"), denied: true, cause: "login refused"},
		{err: pg("42501"), denied: true, cause: "permission denied"},
		{err: pg("3D000"), denied: true, cause: "no such database"},
		{err: pg("42P01"), cause: "database error"},

		{err: mysql.ErrInvalidConn, away: true, cause: "connection lost"},
		{err: my(1040), away: true, cause: "too many connections"},
		{err: my(1053), away: true, cause: "the server is starting or stopping"},
		{err: my(1927), away: true, cause: "the server closed the connection"},
		{err: my(1969), away: true, cause: "the server ended a statement that took too long"},
		{err: my(1205), away: true, cause: "locked by another program"},
		{err: my(1213), away: true, cause: "locked by another program"},
		{err: my(1021), full: true, cause: "no space left"},
		{err: my(1114), full: true, cause: "no space left"},
		{err: &mysql.MySQLError{Number: 1030, Message: `Got error 28 "No space left on device" from storage engine InnoDB`}, full: true, cause: "no space left"},
		{err: &mysql.MySQLError{Number: 1026, Message: `Error writing file '/tmp/x' (Errcode: 28 "No space left on device")`}, full: true, cause: "no space left"},
		{err: my(1290), readOnly: true, cause: "it is read-only"},
		{err: my(1792), readOnly: true, cause: "it is read-only"},
		{err: my(1045), denied: true, cause: "login refused"},
		{err: my(1142), denied: true, cause: "permission denied"},
		{err: my(1049), denied: true, cause: "no such database"},
		{err: my(1054), cause: "database error"},
	} {
		for _, err := range []error{tc.err, wrapped(tc.err)} {
			if IsUnavailable(err) != tc.away || IsFull(err) != tc.full || IsReadOnly(err) != tc.readOnly || IsDenied(err) != tc.denied || Cause(err) != tc.cause {
				t.Errorf("%v: away %t, full %t, read-only %t, denied %t, cause %q; want %t, %t, %t, %t, %q", err, IsUnavailable(err), IsFull(err),
					IsReadOnly(err), IsDenied(err), Cause(err), tc.away, tc.full, tc.readOnly, tc.denied, tc.cause)
			}
		}
	}
	for _, err := range []error{pg("23505"), my(1062), my(1242)} {
		if !duplicate(wrapped(err)) {
			t.Errorf("%v is no duplicate", err)
		}
	}
}

func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("settle: %w", err)
}

// lostErr is what a statement returns that our own context ended.
func lostErr(cause error) error { return &net.OpError{Op: "read", Err: cause} }

func TestMySQLMessagesAreHidden(t *testing.T) {
	t.Parallel()
	d := &mysqlDialect{}
	err := d.scrub(&mysql.MySQLError{Number: 1062, Message: "Duplicate entry 'ada@example.com' for key 'x'"})
	if strings.Contains(err.Error(), "ada") || !duplicate(err) {
		t.Errorf("%v", err)
	}
	if again := d.scrub(wrapped(err)); again.Error() != wrapped(err).Error() {
		t.Errorf("hidden twice: %v", again)
	}
	if err := d.scrub(&mysql.MySQLError{Number: 1054, Message: "Unknown column 'x' in 'field list'"}); !strings.Contains(err.Error(), "Unknown column") {
		t.Errorf("%v: the message that helps is gone", err)
	}
}

// TestCollisionsAreRepeated: a transaction that the server ended in favour of another is begun again, a few times, and
// nothing else is.
func TestCollisionsAreRepeated(t *testing.T) {
	t.Parallel()
	db := &DB{&engine{dialect: &mysqlDialect{}}}
	for _, tc := range []struct {
		name  string
		fails int
		err   error
		calls int
	}{
		{"once", 1, &mysql.MySQLError{Number: 1213}, 2},
		{"lock wait", 2, &mysql.MySQLError{Number: 1205}, 3},
		{"PostgreSQL", 3, &pgconn.PgError{Code: "40P01"}, 4},
		{"too often", 99, &mysql.MySQLError{Number: 1213}, collisions.Tries},
		{"another error", 99, &mysql.MySQLError{Number: 1062}, 1},
		{"a broken connection", 99, driver.ErrBadConn, 1},
		{"a context that ended", 99, context.Canceled, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			err := db.again(t.Context(), func() error {
				if calls++; calls <= tc.fails {
					return tc.err
				}
				return nil
			})
			if calls != tc.calls || (err == nil) != (tc.fails < tc.calls) {
				t.Errorf("%s: %d calls, %v; want %d calls", tc.name, calls, err, tc.calls)
			}
		})
	}
}

func TestMySQLVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"10.11.19-MariaDB-0+deb12u1": "utf8mb4_nopad_bin", "5.5.5-10.6.4-MariaDB": "utf8mb4_nopad_bin", "11.4.2-MariaDB": "utf8mb4_nopad_bin",
		"8.0.46": "utf8mb4_0900_bin", "9.1.0": "utf8mb4_0900_bin", "10.5.9-MariaDB": "", "5.7.44-log": "", "8.4": "utf8mb4_0900_bin",
	} {
		got, err := binaryCollation(version)
		if got != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrServerTooOld) {
			t.Errorf("%s: %q, %v, want %q", version, got, err, want)
		}
	}
}
