package store

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// ErrURL is wrapped by every error about the form of a database URL.
var ErrURL = errors.New("database url")

// dialectOf picks the dialect from the scheme. Its errors never repeat the URL.
func dialectOf(raw string) (dialect, error) {
	switch scheme, rest, _ := strings.Cut(raw, ":"); scheme {
	case "sqlite":
		path, err := sqlitePath(rest)
		if err != nil {
			return nil, err
		}
		return &sqliteDialect{path: path}, nil
	case "postgres", "postgresql":
		return &postgresDialect{url: raw}, nil
	case "mysql":
		cfg, err := mysqlConfig(raw)
		if err != nil {
			return nil, err
		}
		return &mysqlDialect{cfg: cfg}, nil
	}
	return nil, fmt.Errorf("%w: want sqlite:///path, sqlite:path, postgres://user@host/db or mysql://user@host/db", ErrURL)
}

// sqlitePath turns what follows "sqlite:" into a path: ///abs, or rel without slashes in front. %XX is decoded.
func sqlitePath(rest string) (string, error) {
	if strings.HasPrefix(rest, "//") {
		rest = rest[2:]
		if !strings.HasPrefix(rest, "/") {
			return "", fmt.Errorf("%w: sqlite takes three slashes for an absolute path (sqlite:///var/lib/leadsync/leadsync.db) and none for a relative one", ErrURL)
		}
	}
	path, err := url.PathUnescape(rest)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: bad %% in the path of the sqlite file", ErrURL)
	case path == "" || strings.HasSuffix(path, "/"):
		return "", fmt.Errorf("%w: the sqlite url names no file", ErrURL)
	case path == ":memory:":
		return "", fmt.Errorf("%w: sqlite in memory cannot be shared with the application; name a file", ErrURL)
	}
	return filepath.Clean(path), nil
}

// Redact returns the URL as an operator may see it: postgres://host/db, mysql:///run/mysqld/mysqld.sock/db,
// sqlite:///path. User, password and options are gone; what cannot be parsed becomes the scheme alone.
func Redact(raw string) string {
	scheme, rest, _ := strings.Cut(raw, ":")
	switch scheme {
	case "sqlite":
		path, err := sqlitePath(rest)
		if err != nil {
			return "sqlite:"
		}
		if filepath.IsAbs(path) {
			return "sqlite://" + path
		}
		return "sqlite:" + path
	case "postgres", "postgresql", "mysql":
		u, err := url.Parse(raw)
		if err != nil {
			return scheme + "://"
		}
		host := u.Host
		if h, p, err := net.SplitHostPort(host); err == nil && (p == "5432" || p == "3306") {
			host = h
		}
		for _, option := range []string{"host", "socket"} { // a socket given as an option
			if s := u.Query().Get(option); s != "" && (host == "" || option == "socket") {
				host = s
			}
		}
		return scheme + "://" + host + u.Path
	}
	return "database"
}
