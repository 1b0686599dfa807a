package app

import (
	"context"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/store/storetest"
)

// TestStandbyWaitsForAServerThatRefuses: a daemon that ran once never ends with what systemd does not start again,
// whatever the server says for a while, and a password that was changed in its file counts from then on.
func TestStandbyWaitsForAServerThatRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dialect      string
		have         bool
		make         func(testing.TB) string
		user, refuse string
		allow        string
	}{
		{"postgres", storetest.HavePostgres(), storetest.Postgres, `CREATE ROLE %u SUPERUSER LOGIN`, `ALTER ROLE %u NOLOGIN`, `ALTER ROLE %u LOGIN`},
		{"mysql", storetest.HaveMySQL(), storetest.MySQL, `CREATE USER %u IDENTIFIED BY 'old'`, `ALTER USER %u IDENTIFIED BY 'new'`, `SELECT 1`},
	} {
		if !c.have {
			t.Logf("NOT TESTED on %s: no server", c.dialect)
			continue
		}
		t.Run(c.dialect, func(t *testing.T) {
			admin := c.make(t)
			app := storetest.App(t, admin)
			user := "leadsync_" + strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:]) + time.Now().Format("150405")
			sql := func(text string) { t.Helper(); storetest.Exec(t, app, strings.ReplaceAll(text, "%u", user)) }
			sql(c.user)
			t.Cleanup(func() {
				sql(map[string]string{"postgres": "DROP OWNED BY %u; DROP ROLE %u", "mysql": "DROP USER %u"}[c.dialect])
			})
			if c.dialect == "mysql" {
				sql("GRANT ALL ON *.* TO %u")
			}
			with := func(password string) string {
				u, err := url.Parse(admin)
				if err != nil {
					t.Fatal("parse the URL")
				}
				u.User = url.UserPassword(user, password)
				return u.String()
			}
			proxy, through := storetest.NewProxy(t, with("old"))
			swap := func(password string) string {
				u, _ := url.Parse(with(password))
				p, _ := url.Parse(through)
				u.Host = p.Host
				return u.String()
			}
			holder := storetest.Open(t, admin)
			lease, err := holder.Acquire(t.Context(), "default", "holder")
			must(t, err)
			r := newRig(t, hubspotsim.Config{Seed: 77}, "database: {url_file: url}\n")
			defer r.close()
			r.write("url", swap("old"))
			r.url = ""
			cfg, err := loadWithURLFile(r)
			must(t, err)
			var ready atomic.Bool
			a, err := New(Options{Config: cfg, Log: r.log, Version: "test", Base: r.sim.Transport(), Ready: func() { ready.Store(true) }})
			must(t, err)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- a.Run(ctx) }()
			wait := func(what string, done func() bool) {
				t.Helper()
				for !done() {
					select {
					case err := <-ended:
						t.Fatalf("%s: the daemon ended: %v", what, err)
					case <-ctx.Done():
						t.Fatalf("%s: not in time", what)
					case <-time.After(100 * time.Millisecond):
					}
				}
			}
			wait("stand by", ready.Load)
			sql(c.refuse)
			proxy.Cut()
			proxy.Heal()
			begun := time.Now()
			wait("while it is refused", func() bool { return time.Since(begun) > 6*time.Second })
			sql(c.allow)
			r.write("url", swap("new"))
			must(t, lease.Release(t.Context()))
			wait("take over", func() bool {
				o, err := holder.Operator().Owner(ctx, "default")
				return err == nil && o.Alive
			})
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

func loadWithURLFile(r *rig) (*config.Loaded, error) {
	r.write("leadsync.yaml", r.yaml)
	return config.Load(config.Source{File: r.dir + "/leadsync.yaml", Environ: []string{"LEADSYNC_HUBSPOT_BASE_URL=http://127.0.0.1:9",
		"LEADSYNC_HUBSPOT_AUTH_MODE=static", "LEADSYNC_STATUS_LISTEN="}})
}
