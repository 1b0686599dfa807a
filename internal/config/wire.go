package config

import (
	"net"
	"net/url"
	"strings"
)

// The words of the two drivers for what protects the way to a server: https://www.postgresql.org/docs/15/libpq-ssl.html
// (without sslmode it is prefer, which takes whoever answers, in clear too) and
// https://github.com/go-sql-driver/mysql#tls (without tls it is false).
var (
	inClear    = map[string]bool{"": true, "disable": true, "allow": true, "prefer": true, "false": true, "preferred": true}
	unverified = map[string]bool{"require": true, "skip-verify": true}
)

// wire looks at the way to a database server on another machine. problem: a password would go there in clear, and
// nobody said that it may. warning: it may go in clear, or to a server that only says that it is the right one. Both
// are empty for a file, a socket, this machine, and a verified server.
func wire(text string) (problem, warning string) {
	u, err := url.Parse(text)
	if err != nil || !overNetwork(u) {
		return "", ""
	}
	key, best := "sslmode", "verify-full"
	if u.Scheme == "mysql" {
		key, best = "tls", "true"
	}
	mode, said := u.Query().Get(key), u.Query().Has(key)
	_, password := u.User.Password()
	password = password || u.Query().Has("password")
	switch {
	case inClear[mode] && password && !said:
		return "would hand the password to another machine in clear, or to whoever answers in its place; add " + key + "=" + best +
			" (or say " + key + "=" + map[string]string{"sslmode": "disable", "tls": "false"}[key] + " where the way is safe by other means)", ""
	case inClear[mode]:
		return "", "leads" + plainPassword(password) + " may go to another machine in clear (" + key + "=" + mode + "); " + key + "=" + best + " encrypts them and checks the server"
	case unverified[mode]:
		return "", "the server is not checked (" + key + "=" + mode + "), so another one can answer in its place; want " + key + "=" + best
	}
	return "", ""
}

func plainPassword(has bool) string {
	if has {
		return " and the password"
	}
	return ""
}

// overNetwork reports that one of the hosts is another machine.
func overNetwork(u *url.URL) bool {
	if u.Scheme != "postgres" && u.Scheme != "postgresql" && u.Scheme != "mysql" || u.Query().Has("socket") {
		return false
	}
	hosts := u.Host
	if h := u.Query().Get("host"); h != "" {
		hosts = h
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.Trim(host, "[]")
		if host != "" && !strings.HasPrefix(host, "/") && !isLoopback(host) {
			return true
		}
	}
	return false
}

// DatabaseWarning says what a person should know of the way to the database server; empty = nothing, or the URL cannot
// be read.
func (l *Loaded) DatabaseWarning() string {
	u, err := l.DatabaseURL()
	if err != nil {
		return ""
	}
	_, warning := wire(u.Reveal())
	return warning
}
