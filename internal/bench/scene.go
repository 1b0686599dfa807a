package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"leadsync/internal/backoff"
	"leadsync/internal/stage"
)

// bench is what all figures share.
type bench struct {
	ctx    context.Context
	dir    string
	binary string
}

func newBench(ctx context.Context) (*bench, error) {
	dir, err := os.MkdirTemp("", "leadsync-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, dir: dir}
	if b.binary, err = stage.Build(dir); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// dialects are the databases that can be reached.
func dialects() []string {
	out := []string{"sqlite"}
	if os.Getenv(postgresEnv) != "" {
		out = append(out, "postgres")
	} else {
		fmt.Fprintf(os.Stderr, "bench: NOT MEASURED on PostgreSQL: %s is not set\n", postgresEnv)
	}
	if os.Getenv(mysqlEnv) != "" {
		out = append(out, "mysql")
	} else {
		fmt.Fprintf(os.Stderr, "bench: NOT MEASURED on MariaDB: %s is not set\n", mysqlEnv)
	}
	return out
}

const (
	postgresEnv = "LEADSYNC_TEST_POSTGRES_URL"
	mysqlEnv    = "LEADSYNC_TEST_MYSQL_URL"
)

// scene is one simulator and one empty database.
type scene struct {
	*bench
	sim     *stage.Simulator
	dir     string
	environ []string
	db      *sql.DB
	dialect string
	undo    []func()
}

// scene makes one. requests is the daemon's limit of 10 seconds; more is YAML.
func (b *bench) scene(dialect string, requests int, more string, simulate ...string) (*scene, error) {
	s := &scene{bench: b, dialect: dialect}
	err := s.build(requests, more, simulate)
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) build(requests int, more string, simulate []string) error {
	var err error
	if s.dir, err = os.MkdirTemp(s.bench.dir, "scene-"); err != nil {
		return err
	}
	databaseURL, err := s.open()
	if err != nil {
		return err
	}
	if s.sim, err = stage.Simulate(s.binary, simulate...); err != nil {
		return err
	}
	s.undo = append(s.undo, s.sim.Kill)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails since Go 1.24
	if s.environ, err = s.sim.Configure(s.dir, databaseURL, base64.StdEncoding.EncodeToString(key), requests, more); err != nil {
		return err
	}
	p, err := stage.Spawn(s.binary, s.environ, "migrate", "up")
	if err != nil {
		return err
	}
	if code, err := p.End(time.Minute); err != nil || code != 0 {
		return fmt.Errorf("migrate up: exit code %d, %w\n%s", code, err, p.Log.Tail(5))
	}
	return nil
}

// open makes the database and the application's connection to it.
func (s *scene) open() (string, error) {
	if s.dialect == "sqlite" {
		path := filepath.Join(s.dir, "leads.db")
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate")
		if err != nil {
			return "", err
		}
		s.db = db
		s.undo = append(s.undo, func() { _ = db.Close() })
		return "sqlite://" + path, nil
	}
	if s.dialect == "mysql" {
		return s.openMySQL()
	}
	base := os.Getenv(postgresEnv)
	admin, err := sql.Open("pgx", base)
	if err != nil {
		return "", errors.New("open PostgreSQL")
	}
	schema := "leadsync_bench_" + strings.ToLower(rand.Text()[:10])
	if _, err := admin.ExecContext(s.ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", err
	}
	s.undo = append(s.undo, func() {
		_, _ = admin.ExecContext(context.WithoutCancel(s.ctx), "DROP SCHEMA "+schema+" CASCADE")
		_ = admin.Close()
	})
	u, err := url.Parse(base)
	if err != nil {
		return "", errors.New("read the PostgreSQL URL")
	}
	q := u.Query()
	q.Set("options", "-csearch_path="+schema)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	if s.db, err = sql.Open("pgx", u.String()); err != nil {
		return "", errors.New("open PostgreSQL")
	}
	s.undo = append(s.undo, func() { _ = s.db.Close() })
	return u.String(), nil
}

// openMySQL makes a database of its own.
func (s *scene) openMySQL() (string, error) {
	u, err := url.Parse(os.Getenv(mysqlEnv))
	if err != nil {
		return "", errors.New("read the MySQL URL")
	}
	cfg := mysql.NewConfig()
	cfg.User = u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	cfg.Net, cfg.Addr = "tcp", u.Host
	admin, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		return "", errors.New("open MariaDB")
	}
	name := "leadsync_bench_" + strings.ToLower(rand.Text()[:10])
	if _, err := admin.ExecContext(s.ctx, "CREATE DATABASE "+name); err != nil {
		return "", err
	}
	s.undo = append(s.undo, func() {
		_, _ = admin.ExecContext(context.WithoutCancel(s.ctx), "DROP DATABASE "+name)
		_ = admin.Close()
	})
	cfg.DBName = name
	cfg.Params = map[string]string{"sql_mode": "'ANSI,PIPES_AS_CONCAT'"}
	if s.db, err = sql.Open("mysql", cfg.FormatDSN()); err != nil {
		return "", errors.New("open MariaDB")
	}
	s.undo = append(s.undo, func() { _ = s.db.Close() })
	u.Path = "/" + name
	return u.String(), nil
}

func (s *scene) close() {
	for i := len(s.undo) - 1; i >= 0; i-- {
		s.undo[i]()
	}
	s.undo = nil
}

// daemon starts leadsync run.
func (s *scene) daemon(environ ...string) (*stage.Process, error) {
	p, err := stage.Spawn(s.binary, append(append([]string{}, s.environ...), environ...), "run")
	if err == nil {
		s.undo = append(s.undo, p.Kill)
	}
	return p, err
}

// leads inserts n rows with ids prefix0 ... in one statement.
func (s *scene) leads(prefix, lane, state string, n int) error {
	with := map[string]string{
		"sqlite":   "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM c WHERE i < %d-1)",
		"postgres": "WITH c AS (SELECT generate_series(0, %d-1) AS i)",
		"mysql":    "", // its INSERT has the WITH behind it
	}[s.dialect]
	from := "c"
	if s.dialect == "mysql" {
		from = fmt.Sprintf("(SELECT seq - 1 AS i FROM seq_1_to_%d) AS c", n)
	} else {
		with = fmt.Sprintf(with, n)
	}
	settled := "NULL"
	if state != "pending" {
		settled = fmt.Sprint(time.Now().UnixMilli())
	}
	_, err := s.db.ExecContext(s.ctx, fmt.Sprintf(`%s INSERT INTO lead_outbox (lead_id, event_type, email, properties, lane, state, settled_at)
  SELECT '%s' || i, 'lead.registered', '%s' || i || '@example.com', '{"firstname":"First' || i || '","lastname":"Last","company":"Company"}', '%s', '%s', %s FROM %s`,
		with, prefix, prefix, lane, state, settled, from))
	return err
}

// one inserts a row as an application does, and returns its id.
func (s *scene) one(lead, properties string) (id int64, err error) {
	text := `INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES (?, 'lead.registered', ?, ?) RETURNING id`
	if s.dialect == "postgres" {
		text = `INSERT INTO lead_outbox (lead_id, event_type, email, properties) VALUES ($1, 'lead.registered', $2, $3) RETURNING id`
	}
	err = s.db.QueryRowContext(s.ctx, text, lead, lead+"@example.com", properties).Scan(&id)
	return id, err
}

// delivered waits until the row is settled; it asks by id, which costs the daemon nothing.
func (s *scene) delivered(id int64) error {
	text := strings.ReplaceAll(`SELECT state FROM lead_outbox WHERE id = $1`, "$1", map[bool]string{true: "$1", false: "?"}[s.dialect == "postgres"])
	for began := time.Now(); ; {
		var state string
		if err := s.db.QueryRowContext(s.ctx, text, id).Scan(&state); err != nil {
			return err
		}
		if state != "pending" {
			return nil
		}
		if time.Since(began) > 30*time.Second {
			return fmt.Errorf("row %d is still pending after 30s", id)
		}
		if err := backoff.Sleep(s.ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

// pending counts rows that wait.
func (s *scene) pending(where string) (int, error) {
	var n int
	err := s.db.QueryRowContext(s.ctx, `SELECT count(*) FROM lead_outbox WHERE state = 'pending' `+where).Scan(&n)
	return n, err
}

// settled waits until no row is pending.
func (s *scene) settled(within time.Duration, where string) error {
	var failed error
	ok := stage.Until(within, func() bool {
		n, err := s.pending(where)
		failed = err
		return err != nil || n == 0 || s.ctx.Err() != nil
	})
	switch {
	case failed != nil:
		return failed
	case !ok:
		return fmt.Errorf("rows are still pending after %s", within)
	}
	return s.ctx.Err()
}
