package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Error numbers of https://mariadb.com/docs/server/reference/error-codes and
// https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html.
const (
	// myHeld is "Subquery returns more than 1 row", see mysqlUpsertTail.
	myDuplicate, myHeld = 1062, 1242
	// Collisions: lock wait timeout, deadlock, and a row that changed since the transaction's snapshot.
	myLockWait, myDeadlock, myChanged = 1205, 1213, 1020
	// myNoWait is MySQL's word for a row that is locked; that of MariaDB is myLockWait.
	myNoWait = 3572
	// A full disk, table or undo log; 1026 and 1030 pass an error of the storage engine on.
	myDiskFull, myTableFull, myUndoFull, myWriteFile, myEngine = 1021, 1114, 1713, 1026, 1030
	// Read-only by option (--read-only, a replica), by transaction, by mode, by table.
	myOption, myReadOnlyTx, myReadOnlyMode, myReadOnlyTable, myReadOnlyEngine = 1290, 1792, 1836, 1036, 1874
	// Access.
	myNoDatabase = 1049
	// Connections.
	myTooMany, myTooManyOfUser, myUserLimit               = 1040, 1203, 1226
	myShutdown, myNormalShutdown, myShutdownDone          = 1053, 1077, 1079
	myInterrupted, myKilled, myStatementTime, myQueryTime = 1317, 1927, 1969, 3024
	myIdle                                                = 4031
	myNetBroken, myNetWrite                               = 1158, 1161
)

// class sorts the errors of MariaDB and MySQL.
func (d *mysqlDialect) class(err error) trouble {
	e, ok := isMySQL(err)
	if !ok {
		if errors.Is(err, mysql.ErrInvalidConn) {
			return awayTrouble // the connection broke after the statement was sent
		}
		return otherTrouble
	}
	switch e.Number {
	case myDuplicate, myHeld:
		return duplicateTrouble
	case myLockWait, myDeadlock, myChanged:
		return collidedTrouble
	case myDiskFull, myTableFull, myUndoFull:
		return fullTrouble
	case myWriteFile, myEngine:
		// Got error 28 "No space left on device" from storage engine InnoDB; Error writing file '...' (Errcode: 28 ...)
		if strings.Contains(e.Message, "error 28 ") || strings.Contains(e.Message, "rrcode: 28 ") {
			return fullTrouble
		}
		return awayTrouble
	case myOption, myReadOnlyTx, myReadOnlyMode, myReadOnlyTable, myReadOnlyEngine:
		return readOnlyTrouble
	case myTooMany, myTooManyOfUser, myUserLimit, myShutdown, myNormalShutdown, myShutdownDone, myInterrupted, myKilled, myStatementTime,
		myQueryTime, myIdle:
		return awayTrouble
	}
	switch {
	case mysqlDenied(e.Number), e.Number == myNoDatabase:
		return deniedTrouble
	case e.Number >= myNetBroken && e.Number <= myNetWrite:
		return awayTrouble
	}
	return otherTrouble
}

// mysqlDenied reports a refused login: wrong user or password, host not allowed, no access to the database, no such
// plugin.
func mysqlDenied(number uint16) bool {
	switch number {
	case 1044, 1045, 1129, 1130, 1227, 1251, 1524, 1698:
		return true
	}
	return number == 1142 || number == 1143 || number == 1370
}

// mysqlCause names the common ones; empty for an error of something else.
func mysqlCause(err error) string {
	e, ok := isMySQL(err)
	if !ok {
		return ""
	}
	switch e.Number {
	case 1142, 1143, 1227, 1370:
		return "permission denied"
	case myNoDatabase:
		return "no such database"
	case myTooMany, myTooManyOfUser, myUserLimit:
		return "too many connections"
	case myShutdown, myNormalShutdown, myShutdownDone:
		return "the server is starting or stopping"
	case myInterrupted, myKilled, myIdle:
		return "the server closed the connection"
	case myStatementTime, myQueryTime:
		return "the server ended a statement that took too long"
	case myLockWait, myDeadlock, myChanged:
		return "locked by another program"
	}
	if mysqlDenied(e.Number) {
		return "login refused"
	}
	return ""
}

// mysqlError hides the server's message, which repeats values ("Duplicate entry 'ada@...'") and pieces of the
// statement.
type mysqlError struct{ err *mysql.MySQLError }

func (e *mysqlError) Error() string {
	if c := Cause(e.err); c != "database error" {
		return fmt.Sprintf("%s (error %d)", c, e.err.Number)
	}
	return fmt.Sprintf("database error %d", e.err.Number)
}

func (e *mysqlError) Unwrap() error { return e.err }

// scrub keeps the messages that name tables, columns and settings alone.
func (d *mysqlDialect) scrub(err error) error {
	var hidden *mysqlError
	e, ok := isMySQL(err)
	if !ok || errors.As(err, &hidden) {
		return err
	}
	switch e.Number {
	case 1050, 1054, 1091, 1146, 1153, 1176, 1273, 1364, 1406, 1665, myTableFull, myEngine, myOption, myReadOnlyTx:
		return err
	}
	return &mysqlError{e}
}
