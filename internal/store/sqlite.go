package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	msqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"leadsync/internal/files"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/migrations"
)

const (
	// busyTimeout is the default of Options.BusyTimeout.
	busyTimeout = 10 * time.Second
	// sqliteReaders is the size of the reading pool.
	sqliteReaders = 4
	// keptJournal is how much of the journal beside the file stays for the next writes, in bytes.
	keptJournal = 16 << 20
	// readable is R_OK of access(2).
	readable = 4
)

// sqliteDialect is the pure-Go engine under gorm's own dialector.
type sqliteDialect struct {
	path string      // as configured; resolved by open
	info os.FileInfo // of the file that was opened
	busy time.Duration
}

func (d *sqliteDialect) name() string { return "sqlite" }

func (*sqliteDialect) guard(context.Context, *engine, querier) error     { return nil }
func (*sqliteDialect) unhurried(context.Context, *engine, querier) error { return nil }

// pureSQLite gives gorm the error codes of modernc's engine, whose error type gorm does not know.
type pureSQLite struct{ *sqlite.Dialector }

// Translate maps unique and foreign key violations to gorm's sentinels.
func (pureSQLite) Translate(err error) error {
	var e *msqlite.Error
	if errors.As(err, &e) {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
			return gorm.ErrDuplicatedKey
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return gorm.ErrForeignKeyViolated
		}
	}
	return err
}

func (d *sqliteDialect) open(ctx context.Context, db *engine, o Options) error {
	d.busy = o.BusyTimeout
	fresh, err := d.file(o)
	if err != nil {
		return err
	}
	if db.read, err = d.pool(ctx, "r", sqliteReaders, o.ReadOnly, fresh); err != nil {
		return err
	}
	db.write = db.read
	if !o.ReadOnly {
		if db.write, err = d.pool(ctx, "w", 1, false, fresh); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		pool *sql.DB
		g    **gorm.DB
	}{{db.write, &db.gwrite}, {db.read, &db.gread}} {
		dial := sqlite.New(sqlite.Config{DriverName: "sqlite", Conn: p.pool}).(*sqlite.Dialector)
		if *p.g, err = gorm.Open(pureSQLite{dial}, gormConfig(db.log)); err != nil {
			return err
		}
	}
	if d.moved() { // between looking at it and opening it
		return ErrMoved
	}
	var encoding string
	if err := db.one(ctx, db.read, []any{&encoding}, `PRAGMA encoding`); err != nil {
		return err
	}
	if encoding != "UTF-8" { // lengths are counted in bytes
		return fmt.Errorf("the file holds its text as %s; leadsync needs UTF-8", encoding)
	}
	return nil
}

// file sees to the file itself and resolves links, so that two names of one file have one lock. It reports whether the
// file is empty.
func (d *sqliteDialect) file(o Options) (fresh bool, err error) {
	path, err := ownName(d.path)
	if err != nil {
		return false, withoutPath(err)
	}
	dir, name, err := files.Open(path)
	if err != nil && errors.Is(err, fs.ErrNotExist) && (!o.CreateSQLite || o.ReadOnly) {
		return false, ErrNoDatabase
	}
	if err != nil {
		return false, withoutPath(err)
	}
	defer dir.Close() //nolint:errcheck // what it opened stays open
	if os.Geteuid() == 0 && dir.Foreign() {
		// The engine opens them by name, and gives -wal and -shm to the owner of the database.
		for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
			if err := dir.CheckRegular(name + suffix); err != nil {
				return false, fmt.Errorf("open %s%s: %w", name, suffix, withoutPath(err))
			}
		}
	}
	st, err := dir.Lstat(name)
	switch {
	case err == nil:
		fresh = st.Size() == 0
	case !errors.Is(err, fs.ErrNotExist):
		return false, withoutPath(err)
	case !o.CreateSQLite || o.ReadOnly:
		return false, ErrNoDatabase
	default:
		// The application is often another user of the same group; the journal files take the mode of this one.
		f, err := dir.Create(name, 0o660)
		if err != nil {
			return false, fmt.Errorf("create the file: %w", withoutPath(err))
		}
		if err := errors.Join(dir.GiveAway(f), f.Close()); err != nil {
			return false, fmt.Errorf("create the file: %w", withoutPath(err))
		}
		fresh = true
	}
	d.path = dir.Path(name)
	if d.info, err = os.Lstat(d.path); err != nil {
		return false, withoutPath(err)
	}
	// The engine says only that it cannot open the file. Opening it here to see would end the process's locks when it is
	// closed.
	if err := syscall.Access(d.path, readable); err != nil {
		return false, err
	}
	return fresh, nil
}

// ownName follows the links at the name of the file itself, those that whoever calls could have made.
func ownName(path string) (string, error) {
	if os.Geteuid() == 0 {
		return files.Follow(path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if resolved, err := filepath.EvalSymlinks(abs); !errors.Is(err, fs.ErrNotExist) {
		return resolved, err
	}
	return abs, nil
}

// moved reports that another file, or none, has the name of the one that is open. The application then writes where we
// do not read.
func (d *sqliteDialect) moved() bool {
	st, err := os.Lstat(d.path)
	return err != nil || !os.SameFile(st, d.info)
}

// withoutPath keeps the cause alone: the URL is in front of it already.
func withoutPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// pragmas are set on every connection and read back on the first one of a pool, since the engine ignores what it does
// not know.
func pragmas(busy time.Duration, readOnly, readers, fresh bool) [][2]string {
	p := [][2]string{{"busy_timeout", strconv.FormatInt(busy.Milliseconds(), 10)}}
	if !readOnly {
		if fresh { // can only be chosen before the first table
			p = append(p, [2]string{"auto_vacuum", "2"})
		}
		// NORMAL: a power cut may lose the last settles, which are then repeated and change nothing. The application's own
		// connection decides about its inserts.
		p = append(p, [2]string{"journal_mode", "wal"}, [2]string{"synchronous", "1"})
		if !readers { // what we free is zeroed: an erase leaves no byte behind; and a journal that a long reader made large gets small again
			p = append(p, [2]string{"secure_delete", "1"}, [2]string{"journal_size_limit", strconv.Itoa(keptJournal)})
		}
	}
	if readers {
		p = append(p, [2]string{"query_only", "1"})
	}
	return p
}

func (d *sqliteDialect) dsn(mode string, immediate bool, p [][2]string) string {
	q := url.Values{"mode": {mode}}
	for _, kv := range p {
		key := "_pragma"
		q.Add(key, kv[0]+"("+kv[1]+")")
	}
	if immediate {
		q.Set("_txlock", "immediate")
	}
	u := url.URL{Scheme: "file", Path: d.path, RawQuery: q.Encode()}
	return u.String()
}

// pool opens one pool; kind "r" or "w". The file exists, so rw never creates.
func (d *sqliteDialect) pool(ctx context.Context, kind string, size int, readOnly, fresh bool) (*sql.DB, error) {
	mode := "rw"
	if readOnly {
		mode = "ro"
	}
	want := pragmas(d.busy, readOnly, kind == "r", fresh)
	connector, err := newKeepingSQLite(d.dsn(mode, kind == "w", want))
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	for _, kv := range want {
		if kv[0] == "auto_vacuum" {
			continue // takes effect with the first table
		}
		var got string
		if err := pool.QueryRowContext(ctx, "PRAGMA "+kv[0]).Scan(&got); err != nil {
			_ = pool.Close()
			return nil, err
		}
		if !strings.EqualFold(got, kv[1]) {
			_ = pool.Close()
			return nil, fmt.Errorf("pragma %s is %s and should be %s; is the file on a network file system?", kv[0], got, kv[1])
		}
	}
	return pool, nil
}

func (d *sqliteDialect) migration(ctx context.Context) (migration, error) {
	pool, err := d.pool(ctx, "w", 2, false, false)
	return migration{pool: pool, dialect: goose.DialectSQLite3, lock: lockMigration(d.path + ".leadsync.migrate.lock")}, err
}

func (d *sqliteDialect) schema(context.Context, *sql.DB) (fs.FS, error) {
	return fs.Sub(migrations.FS, "sqlite")
}

func (d *sqliteDialect) bind(text string, args []any) (string, []any) { return text, args }

// scrub has nothing to do: the engine's messages hold no values.
func (d *sqliteDialect) scrub(err error) error { return err }

func (d *sqliteDialect) reserveDaily(ctx context.Context, db *engine, portal, day string, block int) (int, error) {
	return reserveReturning(ctx, db, portal, day, block)
}

func (d *sqliteDialect) ids(v []int64) any { return asJSON(v) }

func (d *sqliteDialect) texts(v []string) any { return asJSON(v) }

// asJSON makes the argument of json_each. Lists of numbers and of strings always marshal.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func (d *sqliteDialect) settle(portal string, outcomes []outbox.Outcome, settledAt int64) query {
	args := make([]any, 0, 9*len(outcomes)+1)
	for i := range outcomes {
		c := settleColumns(&outcomes[i], settledAt)
		args = append(args, c.id, c.state, c.reason, c.note, c.attempts, c.notBefore, c.contact, c.correlation, c.settledAt)
	}
	return query{sqliteSettleHead + rowsOfValues(len(outcomes), 9) + sqliteSettleTail, append(args, portal)}
}

func (d *sqliteDialect) upsert(links []ledger.Link, fields []string, updatedAt int64) query {
	return query{sqliteUpsertHead + rowsOfValues(len(links), 16) + upsertTail, linkArgs(links, fields, updatedAt)}
}

// linkArgs are the values of linkColumns and updated_at, link by link.
func linkArgs(links []ledger.Link, fields []string, updatedAt int64) []any {
	args := make([]any, 0, 16*len(links))
	for i := range links {
		l := &links[i]
		args = append(args, l.Portal, l.HubID, string(l.LeadID), string(l.State), cleanText(string(l.ContactID)), cleanText(l.Address), l.Consent,
			l.ConsentID, fields[i], l.AppliedID, l.ClosedAtID, nullable(l.SecondLookAt), encodeOptOut(l.OptOut), nullable(l.OptOutDue()),
			nullable(l.OwedFields()), updatedAt)
	}
	return args
}

// rowsOfValues is (?,?),(?,?) for n rows of width columns.
func rowsOfValues(n, width int) string {
	row := "(?" + strings.Repeat(",?", width-1) + ")"
	return row + strings.Repeat(","+row, n-1)
}
