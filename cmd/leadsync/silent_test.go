package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// silentServer accepts every connection and never says a word.
func silentServer(t *testing.T) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var all []net.Conn
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range all {
			_ = c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
		}
	}()
	return l.Addr().String()
}

// said collects what a command prints, safe for several goroutines.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestASilentDatabaseIsSaid: a server that accepts and says nothing is named by every command, within seconds.
func TestASilentDatabaseIsSaid(t *testing.T) {
	var all sync.WaitGroup // they wait, and do nothing else
	for _, scheme := range []string{"postgres", "mysql"} {
		for _, args := range [][]string{{"status"}, {"doctor"}, {"migrate", "up"}, {"migrate", "status"}, {"outbox", "list"}, {"inbox", "list"},
			{"explain", "42"}, {"pause", "--all"}, {"push", "--once"}, {"run"}} {
			dir := t.TempDir()
			for _, name := range []string{"token-key", "hubspot-token"} {
				text := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			option := map[string]string{"postgres": "?sslmode=disable"}[scheme]
			environ := []string{"LEADSYNC_DATABASE_URL=" + scheme + "://u:p@" + silentServer(t) + "/db" + option, "CREDENTIALS_DIRECTORY=" + dir,
				"LEADSYNC_HUBSPOT_AUTH_MODE=static", "LEADSYNC_HUBSPOT_BASE_URL=http://127.0.0.1:1", "LEADSYNC_STATUS_LISTEN=127.0.0.1:0"}
			all.Go(func() {
				var out said
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // the daemon waits, in words, until it is told to stop
				defer cancel()
				begun := time.Now()
				code := run(ctx, args, strings.NewReader(""), &out, &out, environ)
				daemon := args[0] == "run"
				if took := time.Since(begun); took > 15*time.Second && !daemon {
					t.Errorf("%s %q took %s", scheme, args, took.Round(time.Second))
				}
				if (code == exitDone) != daemon || code == exitConfig || !strings.Contains(out.String(), "no answer in time") {
					t.Errorf("%s %q: exit code %d:\n%s", scheme, args, code, out.String())
				}
			})
		}
	}
	all.Wait()
}
