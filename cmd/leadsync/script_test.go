package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"leadsync/internal/store"
	"leadsync/internal/store/storetest"
)

// TestMain makes this test binary answer to the name leadsync too, so that scripts run whole commands with their exit
// codes.
func TestMain(m *testing.M) {
	testscript.Main(loud{m}, map[string]func(){"leadsync": main})
}

// loud ends a run of the tests with what they could not check on this machine.
type loud struct{ m *testing.M }

func (l loud) Run() int {
	code := l.m.Run()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		fmt.Println("NOT CHECKED: the insert of another program through sqlite3: there is no such tool here (package sqlite3)")
	}
	if _, err := exec.LookPath("psql"); err != nil || !storetest.HavePostgres() {
		fmt.Printf("NOT CHECKED: the insert of another program through psql: it needs the tool and %s\n", storetest.PostgresEnv)
	}
	return code
}

// TestScript runs the scripts of testdata/script, each in an empty folder with an environment of its own: no LEADSYNC_
// variable of the outside reaches it, but LEADSYNC_CONFIG names the file leadsync.yaml of the script's folder.
//
// Beside the commands of package testscript a script has:
//
//	exits CODE COMMAND ARG...   run COMMAND and want that exit code
//	sql STATEMENT               run STATEMENT as another program would, on $DATABASE (default: SQLite file leads.db)
//	postgres                    make $DATABASE a new PostgreSQL schema; see the condition [postgres]
//	serve PORTAL FILE           be the daemon of a portal on $DATABASE, with the status that FILE holds
//	release PORTAL              end that daemon cleanly
//	simulator, sim, login       see auth_script_test.go
//
// and the condition [postgres]: LEADSYNC_TEST_POSTGRES_URL is set.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("LEADSYNC_CONFIG", "leadsync.yaml")
			e.Setenv("DATABASE", "sqlite://"+filepath.Join(e.WorkDir, "leads.db"))
			e.Values[leasesKey{}] = &leases{held: map[string]*lease{}}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "counted": counted, "sql": runSQL, "postgres": usePostgres, "serve": serve, "release": release,
			"simulator": simulator, "sim": simAdmin, "waitport": waitPort, "login": playLogin,
		},
		Condition: func(name string) (bool, error) {
			if name == "postgres" {
				return storetest.HavePostgres(), nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		RequireUniqueNames: true,
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("run %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// counted runs a command and holds what the day's count of the portal rose by against N; its exit code does not matter.
func counted(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: counted N COMMAND ARG...")
	}
	day := func() (n int) {
		db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(ts.Getenv("DATABASE"), "sqlite://")+"?_pragma=busy_timeout(10000)")
		ts.Check(err)
		defer db.Close()
		ts.Check(db.QueryRow("SELECT daily_reserved FROM leadsync_portals WHERE portal = 'default'").Scan(&n))
		return n
	}
	before := day()
	_ = ts.Exec(args[1], args[2:]...)
	if got := fmt.Sprint(day() - before); got != args[0] {
		ts.Fatalf("%s counted %s requests, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sql STATEMENT")
	}
	database := ts.Getenv("DATABASE")
	driver, dsn := "pgx", database
	if path, ok := strings.CutPrefix(database, "sqlite://"); ok {
		driver, dsn = "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, dsn)
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec(args[0])
	ts.Check(err)
}

func usePostgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: postgres")
	}
	base := os.Getenv(storetest.PostgresEnv)
	schema := "leadsync_script_" + strings.ToLower(rand.Text()[:12])
	admin, err := sql.Open("pgx", base)
	ts.Check(err)
	_, err = admin.Exec("CREATE SCHEMA " + schema)
	ts.Check(err)
	ts.Defer(func() {
		_, err := admin.Exec("DROP SCHEMA " + schema + " CASCADE")
		ts.Check(errors.Join(err, admin.Close()))
	})
	u, err := url.Parse(base)
	ts.Check(err)
	q := u.Query()
	q.Set("options", "-csearch_path="+schema)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20") // libpq does not know +
	ts.Setenv("DATABASE", u.String())
	ts.Setenv("LEADSYNC_DATABASE_URL", u.String())
}

// leases are the portals that a script serves, kept among the script's values.
type leases struct {
	mu   sync.Mutex
	held map[string]*lease
}

type leasesKey struct{}

type lease struct {
	db *store.DB
	l  *store.Lease
}

func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve PORTAL FILE")
	}
	ctx := context.Background()
	db, err := store.Open(ctx, ts.Getenv("DATABASE"), store.Options{})
	ts.Check(err)
	ts.Defer(func() { _ = db.Close() })
	l, err := db.Acquire(ctx, args[0], "host-1")
	ts.Check(err)
	ts.Check(db.Portal(l, store.PortalConfig{}).SaveStatus(ctx, []byte(ts.ReadFile(args[1])), time.Now().UnixMilli()))
	all := ts.Value(leasesKey{}).(*leases)
	all.mu.Lock()
	defer all.mu.Unlock()
	all.held[args[0]] = &lease{db, l}
}

func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: release PORTAL")
	}
	all := ts.Value(leasesKey{}).(*leases)
	all.mu.Lock()
	defer all.mu.Unlock()
	ts.Check(all.held[args[0]].l.Release(context.Background()))
}
