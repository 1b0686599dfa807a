package e2e

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/stage"
	"leadsync/internal/testsize"
)

// The database server is restarted in the middle of a push, again and again: as an operator does it, and as a power cut
// does. The daemon stays up, waits, and goes on; no row is lost, none is sent twice and none pays with an attempt (G1,
// G3, G5).
func TestG5ServerRestarts(t *testing.T) {
	t.Parallel()
	if !testsize.Full() {
		t.Skip("NOT CHECKED in a sample: database servers that are restarted in the middle of a push")
	}
	for name, own := range map[string]func(*testing.T) *server{"postgres": ownPostgres, "mariadb": ownMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := own(t)
			s := newScene(t, db.url, "push: {poll_interval: 50ms, linger: 5ms}", "--latency", "15ms", "--limit", "0")
			s.shaky = true
			ctx, stop := context.WithCancel(t.Context())
			var producer sync.WaitGroup
			producer.Go(func() { s.produce(ctx) })
			d := s.daemon()
			for i := range 6 {
				before := s.count(`state = 'delivered'`)
				until(t, time.Minute, "rows delivered since the last restart", func() bool { return s.count(`state = 'delivered'`) > before+20 })
				if i%2 == 0 {
					db.stop(t, db.polite)
				} else {
					db.stop(t, syscall.SIGKILL)
				}
				pause(ctx, time.Duration(i)*300*time.Millisecond)
				db.start(t)
			}
			stop()
			producer.Wait()
			s.settled(2 * time.Minute)
			d.Signal(syscall.SIGTERM)
			if code := d.end(t, 30*time.Second); code != 0 {
				t.Errorf("exit code %d", code)
			}
			if n := strings.Count(d.Log.String(), "daemon started"); n != 1 {
				t.Errorf("the daemon started %d times", n)
			}
			s.balanced(t)
			if n := s.count(`attempts > 0 OR state = 'dead'`); n != 0 {
				t.Errorf("%d rows paid for the restarts", n)
			}
			t.Logf("6 restarts of %s, 3 of them SIGKILL: %d rows, %d contacts, %d rows sent twice", name, s.count("1 = 1"), s.stats().Contacts, s.stats().Unchanged)
		})
	}
}

// server is a database server of the test's own, which may be killed without disturbing anybody.
type server struct {
	url    string
	polite syscall.Signal // ends it as an operator does

	begin func() *exec.Cmd
	ready func(context.Context) error
	cmd   *exec.Cmd
	log   *stage.Buffer
}

// start returns when the server answers.
func (d *server) start(t *testing.T) {
	t.Helper()
	d.cmd, d.log = d.begin(), &stage.Buffer{}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr.Pdeathsig, d.cmd.SysProcAttr.Setpgid = syscall.SIGKILL, true
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if !stage.Until(time.Minute, func() bool {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Second)
		defer cancel()
		return d.ready(ctx) == nil
	}) {
		t.Fatalf("the server does not answer:\n%s", d.log.Tail(20))
	}
}

// stop ends all processes of the server: SIGKILL meets also those that it has forked.
func (d *server) stop(t *testing.T, s syscall.Signal) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	pid := d.cmd.Process.Pid
	if s == syscall.SIGKILL {
		pid = -pid
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Errorf("end the server: %v", err)
	}
	_ = d.cmd.Wait() // of a signal
	d.cmd = nil
}

// run makes the server's folder, prepares it, and starts the server until the test ends.
func (d *server) run(t *testing.T, account string, prepare func(dir string) *exec.Cmd, begin func(dir string) *exec.Cmd) {
	t.Helper()
	dir := openFolder(t)
	attr := func() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
	if os.Getuid() == 0 { // database servers do not run as root
		u, err := user.Lookup(account)
		if err != nil {
			t.Skipf("NOT CHECKED: there is no user %s to run the server as", account)
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
		attr = func() *syscall.SysProcAttr {
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}
	}
	as := func(c *exec.Cmd) *exec.Cmd {
		c.Dir, c.SysProcAttr, c.Env = dir, attr(), []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TMPDIR=" + dir, "HOME=" + dir}
		return c
	}
	if out, err := as(prepare(dir)).CombinedOutput(); err != nil {
		t.Fatalf("prepare the server: %v\n%s", err, out)
	}
	d.begin = func() *exec.Cmd { return as(begin(dir)) }
	d.start(t)
	t.Cleanup(func() { d.stop(t, syscall.SIGKILL) })
}

// ownPostgres starts a PostgreSQL.
func ownPostgres(t *testing.T) *server {
	bin := program(t, "initdb", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")
	port := freePort(t)
	d := &server{url: fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port), polite: syscall.SIGINT, ready: ping("pgx",
		fmt.Sprintf("postgres://postgres@127.0.0.1:%s/postgres?sslmode=disable", port))}
	d.run(t, "postgres", func(dir string) *exec.Cmd {
		return exec.Command(bin, "-D", filepath.Join(dir, "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync")
	}, func(dir string) *exec.Cmd {
		return exec.Command(filepath.Join(filepath.Dir(bin), "postgres"), "-D", filepath.Join(dir, "data"), "-p", port,
			"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	})
	return d
}

// ownMariaDB starts a MariaDB.
func ownMariaDB(t *testing.T) *server {
	install := program(t, "mariadb-install-db", "/usr/bin", "/usr/local/bin")
	daemon := program(t, "mariadbd", "/usr/sbin", "/usr/libexec", "/usr/local/sbin")
	port := freePort(t)
	d := &server{url: fmt.Sprintf("mysql://root@127.0.0.1:%s/leads", port), polite: syscall.SIGTERM,
		ready: ping("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%s)/", port))}
	d.run(t, "mysql", func(dir string) *exec.Cmd {
		return exec.Command(install, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--auth-root-authentication-method=normal", "--skip-test-db")
	}, func(dir string) *exec.Cmd {
		return exec.Command(daemon, "--no-defaults", "--datadir="+filepath.Join(dir, "data"), "--bind-address=127.0.0.1", "--port="+port,
			"--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"), "--skip-networking=0", "--innodb-buffer-pool-size=32M")
	})
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(127.0.0.1:%s)/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE DATABASE leads`); err != nil {
		t.Fatal(err)
	}
	return d
}

func ping(driver, dsn string) func(context.Context) error {
	return func(ctx context.Context) error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		return errors.Join(db.PingContext(ctx), db.Close())
	}
}

// program finds a program that may stand beside PATH; the newest of several. Without it the test is skipped.
func program(t *testing.T, name string, folders ...string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil && filepath.Base(path) == name {
			return path
		}
	}
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, name)) // the pattern is sound
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	t.Skipf("NOT CHECKED: %s is not installed", name)
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// openFolder makes a folder that other users can reach, also where TMPDIR is closed to them. It is gone after the test.
func openFolder(t *testing.T) string {
	t.Helper()
	for _, base := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if !passable(base) {
			continue
		}
		dir, err := os.MkdirTemp(base, "leadsync-e2e-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Skip("NOT CHECKED: there is no folder for temporary files that other users can reach")
	return ""
}

// passable reports whether everybody may pass through a folder and all above it.
func passable(dir string) bool {
	for {
		if st, err := os.Stat(dir); err != nil || st.Mode()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
		dir = filepath.Dir(dir)
	}
}
