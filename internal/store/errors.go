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
	"syscall"

	"gorm.io/gorm"

	"leadsync/internal/lead"
)

var (
	// ErrNoDatabase says that the SQLite file does not exist; `leadsync migrate up` makes it.
	ErrNoDatabase = errors.New("the database file does not exist")
	// ErrMoved says that the SQLite file was moved, removed or replaced since it was opened; opening it again cures that.
	ErrMoved = errors.New("the database file was moved or replaced")
	// ErrSchemaNewer says that the schema was made by a later version of leadsync.
	ErrSchemaNewer = errors.New("the schema is newer than this leadsync")
	// ErrSchemaOlder says that migrations are pending.
	ErrSchemaOlder = errors.New("the schema is older than this leadsync")
	// ErrServerTooOld says that the server lacks what the statements need.
	ErrServerTooOld = errors.New("the database server is too old")
	// ErrUnfit says that a server, or what stands in front of it, cannot be used as it is set up; the text names the cure.
	ErrUnfit = errors.New("the database cannot be used as it is")
	// ErrNothingSelected refuses an operator's change that names no rows at all.
	ErrNothingSelected = errors.New("nothing selected: name ids, a state, a reason or a lead")
)

// HeldError says that another process owns the portal.
type HeldError struct {
	Portal string
	Owner  string
	// Since is when it took the portal. Until is when its lease ends unless renewed, 0 on SQLite, where it ends with the
	// process. Both unix ms.
	Since, Until int64
	// Locked says that its lease is over, and the server still keeps the row for a session of it.
	Locked bool
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("portal %s is served by another process (%s)", e.Portal, e.Owner)
}

// trouble is what kind of engine error it is.
type trouble int

const (
	otherTrouble trouble = iota
	awayTrouble
	fullTrouble
	readOnlyTrouble
	duplicateTrouble
	deniedTrouble
	// collidedTrouble is a transaction that the server ended in favour of another; see again.
	collidedTrouble
)

// classify asks every dialect; an error belongs to one of them.
func classify(err error) trouble {
	if err == nil {
		return otherTrouble
	}
	if isSilent(err) {
		return awayTrouble
	}
	if t := (&sqliteDialect{}).class(err); t != otherTrouble {
		return t
	}
	if t := (&postgresDialect{}).class(err); t != otherTrouble {
		return t
	}
	if t := (&mysqlDialect{}).class(err); t != otherTrouble {
		return t
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fullTrouble
	case errors.Is(err, syscall.EROFS):
		return readOnlyTrouble
	case errors.Is(err, fs.ErrPermission):
		return deniedTrouble
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return otherTrouble
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrDeadlineExceeded), ofNetwork(err):
		return awayTrouble
	}
	return otherTrouble
}

// ofNetwork reports an error of the network. A bare errno has the methods of a net.Error too, also that of a file.
func ofNetwork(err error) bool {
	var ne net.Error
	if !errors.As(err, &ne) {
		return false
	}
	_, errno := ne.(syscall.Errno)
	return !errno
}

// IsUnavailable reports that the database is away for a while: refused, restarting, unreachable, or locked by somebody
// for longer than the busy timeout. Trying again later is right.
func IsUnavailable(err error) bool {
	t := classify(err)
	return t == awayTrouble || t == collidedTrouble
}

// IsFull reports that the disk or the database's quota is full.
func IsFull(err error) bool { return classify(err) == fullTrouble }

// IsReadOnly reports that the database takes no writes: file permissions, a read-only file system, a standby server.
func IsReadOnly(err error) bool { return classify(err) == readOnlyTrouble }

// IsDenied reports a refused login, or missing permission: a person must act.
func IsDenied(err error) bool { return classify(err) == deniedTrouble }

// Cause is one short phrase for the operator ("connection refused"). It holds no value of a row, no user and no
// password.
func Cause(err error) string {
	var dns *net.DNSError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns):
		return "no such host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), isSilent(err):
		return "no answer in time"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied"
	case errors.Is(err, ErrNoDatabase):
		return "the file does not exist"
	case errors.Is(err, ErrMoved):
		return "the file was moved or replaced"
	case errors.Is(err, ErrSchemaNewer), errors.Is(err, ErrSchemaOlder):
		return "its schema has another version"
	case errors.Is(err, ErrServerTooOld):
		return "the server is too old"
	case errors.Is(err, ErrUnfit):
		return "it cannot be used as it is set up"
	}
	if c := sqliteCause(err); c != "" {
		return c
	}
	if c := postgresCause(err); c != "" {
		return c
	}
	if c := mysqlCause(err); c != "" {
		return c
	}
	switch classify(err) {
	case awayTrouble:
		return "connection lost"
	case fullTrouble:
		return "no space left"
	case readOnlyTrouble:
		return "it is read-only"
	}
	return "database error"
}

// duplicate reports a violated unique index, from literal SQL or through gorm's translation.
func duplicate(err error) bool {
	return errors.Is(err, gorm.ErrDuplicatedKey) || classify(err) == duplicateTrouble
}

// notFound maps gorm's and database/sql's "no row" to lead.ErrNotFound.
func notFound(err error) error {
	if errors.Is(err, gorm.ErrRecordNotFound) || errors.Is(err, sql.ErrNoRows) {
		return lead.ErrNotFound
	}
	return err
}
