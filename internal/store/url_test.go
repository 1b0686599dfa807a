package store

import (
	"errors"
	"strings"
	"testing"
)

func TestMySQLURL(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ url, want string }{
		{"mysql://u:p%40ss@db.example.com:3307/leads", "u p@ss tcp db.example.com:3307 leads"},
		{"mysql://root@127.0.0.1/test", "root  tcp 127.0.0.1:3306 test"},
		{"mysql://u@[::1]:3306/test", "u  tcp [::1]:3306 test"},
		{"mysql://u@localhost/test?socket=/run/mysqld/mysqld.sock", "u  unix /run/mysqld/mysqld.sock test"},
		{"mysql://u@/test?socket=/run/mysqld/mysqld.sock&tls=preferred", "u  unix /run/mysqld/mysqld.sock test"},
		{"mysql://u@h/test?tls=true", "u  tcp h:3306 test"},
	} {
		cfg, err := mysqlConfig(tc.url)
		if err != nil {
			t.Errorf("%s: %v", tc.url, err)
			continue
		}
		if got := strings.Join([]string{cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName}, " "); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.url, got, tc.want)
		}
		if !cfg.ClientFoundRows || !cfg.InterpolateParams || cfg.ParseTime {
			t.Errorf("%s: rows met %t, one round trip %t, times %t", tc.url, cfg.ClientFoundRows, cfg.InterpolateParams, cfg.ParseTime)
		}
	}
	for _, url := range []string{"mysql://u:secret@h", "mysql://u:secret@h/a/b", "mysql://u:secret@/x", "mysql://u:se%zzcret@h/x", "mysql://u:secret@h/x?tls=maybe",
		"mysql://u:secret@h/x?parseTime=true", "mysql://u:secret@h:port/x"} {
		_, err := mysqlConfig(url)
		if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "ecret") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mysql://u:secret@h:3306/x":                        "mysql://h/x",
		"mysql://u:secret@h:3307/x?tls=true":               "mysql://h:3307/x",
		"mysql://u:secret@localhost/x?socket=/run/my.sock": "mysql:///run/my.sock/x",
		"postgres://u:secret@h:5432/x?sslmode=disable":     "postgres://h/x",
		"postgres://u:secret@/x?host=/run/postgresql":      "postgres:///run/postgresql/x",
		"sqlite:///a/b.db":                                 "sqlite:///a/b.db",
		"mysql://u:se%zzcret@h/x":                          "mysql://",
		"something else with a secret":                     "database",
	} {
		if got := Redact(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
