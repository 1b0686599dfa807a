package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Pooler starts a PgBouncer in transaction mode in front of the server of PostgresEnv and returns what makes the URL of
// a new database behind it: nothing of a session outlives a transaction there, as at many hosters. Without the program,
// or the server, the test is skipped; see Dialects for the line that tells.
func Pooler(t testing.TB) func(testing.TB) string {
	t.Helper()
	if !HavePostgres() {
		t.Skip(PostgresEnv + " not set")
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // not on the PATH of everybody
		if _, err := os.Stat(program); err != nil {
			missingPooler.Store(true)
			t.Skip("pgbouncer is not installed")
		}
	}
	server, err := url.Parse(os.Getenv(PostgresEnv))
	if err != nil {
		t.Fatal("parse the PostgreSQL URL")
	}
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	password, _ := server.User.Password()
	serverPort := server.Port()
	if serverPort == "" {
		serverPort = "5432"
	}
	dir, err := os.MkdirTemp("", "pooler") // readable for the user it runs as
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	login := "user=" + server.User.Username()
	if password != "" {
		login += " password=" + password
	}
	config := fmt.Sprintf("[databases]\n* = host=%s port=%s %s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 500\nserver_idle_timeout = 2\n",
		server.Hostname(), serverPort, login, port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", file}
	if os.Getuid() == 0 { // it refuses to be root
		args = []string{"-q", "-u", "nobody", file}
	}
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGQUIT)
		_ = c.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("pgbouncer does not listen")
		}
		<-time.After(50 * time.Millisecond)
	}
	return func(t testing.TB) string { return pooled(t, addr) }
}

// pooled makes a database, not a schema: a pooler takes no search_path.
func pooled(t testing.TB, addr string) string {
	t.Helper()
	name := "leadsync_test_" + strings.ToLower(rand.Text()[:12])
	admin, err := sql.Open("pgx", os.Getenv(PostgresEnv))
	if err != nil {
		t.Fatal("open PostgreSQL")
	}
	if _, err := admin.Exec("CREATE DATABASE " + name + " TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if _, err := admin.ExecContext(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the database: %v", err)
		}
		_ = admin.Close()
	})
	return "postgres://postgres@" + addr + "/" + name + "?sslmode=disable"
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
