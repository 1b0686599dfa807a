package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

func (v *validator) database(d *Database) {
	const key = "database.url"
	if d.URLFile != "" {
		v.file("database.url_file", d.URLFile, true)
		// By environment and by file is an override (Load); twice in one of them is a mistake.
		url, both := v.places[key]
		both = both && byVariable(url) == byVariable(v.places["database.url_file"])
		v.check(key, !both, "is set, and database.url_file too (%s); keep one", v.places["database.url_file"])
		return
	}
	if problem := databaseProblem(d.URL.Reveal()); problem != "" {
		v.check(key, false, "%s", problem)
	}
	if _, warning := wire(d.URL.Reveal()); warning != "" {
		v.warn(key, warning)
	}
}

// byVariable tells a place in the environment from one in the file.
func byVariable(place string) bool { return strings.HasPrefix(place, Prefix) }

// databaseProblem checks the form of a database URL. It never repeats it, since it may hold a password.
func databaseProblem(text string) string {
	const forms = "want sqlite:///absolute/path, sqlite:relative/path, postgres://user@host/database or mysql://user@host:3306/database"
	scheme, rest, ok := strings.Cut(text, ":")
	switch {
	case text == "":
		return "is empty, " + forms
	case !ok:
		return "has no scheme, " + forms
	case strings.TrimSpace(text) != text:
		return "begins or ends with a space"
	case scheme == "sqlite":
		return sqliteProblem(rest)
	case scheme == "postgres" || scheme == "postgresql" || scheme == "mysql":
		parsed, err := url.Parse(text)
		if err != nil {
			return "is not a URL; percent-encode special characters of the password; " + forms
		}
		if parsed.Opaque != "" || !strings.HasPrefix(rest, "//") {
			return "needs // behind the scheme, " + forms
		}
		if strings.Trim(parsed.Path, "/") == "" && parsed.Query().Get("dbname") == "" {
			return "names no database, " + forms
		}
		problem, _ := wire(text)
		return problem
	}
	return "has an unknown scheme, " + forms
}

func sqliteProblem(rest string) string {
	path, _, _ := strings.Cut(rest, "?")
	switch {
	case strings.Contains(rest, ":memory:") || strings.Contains(rest, "mode=memory"):
		return "is a database in memory, which other processes cannot see; want a file"
	case strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///"):
		return "has two slashes; want three for an absolute path (sqlite:///var/lib/leadsync/leadsync.db) or none for a relative one (sqlite:leadsync.db)"
	case strings.Trim(path, "/.") == "" || strings.HasSuffix(path, "/"):
		return "names no file; want sqlite:///absolute/path or sqlite:relative/path"
	case path != rest:
		return "has parameters; leadsync sets SQLite's own"
	}
	return ""
}

// apiURL checks a URL that carries credentials: https, or http to this machine.
func (v *validator) apiURL(key, text string) {
	u, problem := webURL(text)
	if problem == "" && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		problem = "is http to another machine, which would send the token in clear; want https"
	}
	if problem == "" && (u.RawQuery != "" || u.Fragment != "") {
		problem = "has a query or fragment; want scheme, host and path only"
	}
	v.check(key, problem == "", "%s %s", shown(text), problem)
}

// redirect checks where the browser is sent after the grant. HubSpot takes http for localhost only:
// https://developers.hubspot.com/changelog/2018-03-05-oauth2-redirect-uri-served-over-http-localhost (read 2026-11-22).
func (v *validator) redirect(key, text string) {
	u, problem := webURL(text)
	if problem == "" && u.Scheme == "http" && u.Hostname() != "localhost" {
		problem = "is http, which HubSpot takes for http://localhost:PORT/... only; want that or https"
	}
	if problem == "" && u.Fragment != "" {
		problem = "has a fragment; want none"
	}
	v.check(key, problem == "", "%s %s", shown(text), problem)
}

func webURL(text string) (*url.URL, string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return nil, "is empty, want a URL"
	case err != nil:
		return nil, "is not a URL"
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, "is no web address, want https://..."
	case u.Hostname() == "":
		return nil, "has no host"
	case u.User != nil:
		return nil, "holds a user or password; want none"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, "has an impossible port"
		}
	}
	return u, ""
}

// listen checks an address of this machine alone.
func (v *validator) listen(key, text string) {
	if text == "" {
		return
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		v.check(key, false, "%s, want host:port like 127.0.0.1:8977, or \"\" for none", shown(text))
		return
	}
	n, err := strconv.Atoi(port)
	v.check(key, err == nil && n >= 0 && n <= 65535, "%s, want a port of 0 to 65535", shown(text))
	v.check(key, isLoopback(host), "%s can be reached from other machines; want a loopback address like 127.0.0.1:8977", shown(text))
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// IsLoopbackURL says whether the URL's host is this machine: localhost, 127.0.0.0/8 or ::1. Other names are not looked
// up.
func IsLoopbackURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && isLoopback(u.Hostname())
}

func (v *validator) schedule(key, spec string) {
	if _, err := parseSchedule(spec, time.Now()); err != nil {
		v.check(key, false, "%s %s", shown(spec), err)
	}
}

// parseSchedule guards cron's parser: it panics on some zones (https://github.com/robfig/cron/issues/554), accepts
// dates that never come, and turns @every below a second into a second.
func parseSchedule(spec string, now time.Time) (schedule cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			schedule, err = nil, fmt.Errorf("is not a schedule, %s", scheduleForms)
		}
	}()
	if every, ok := strings.CutPrefix(strings.TrimSpace(spec), "@every "); ok {
		wait, err := time.ParseDuration(strings.TrimSpace(every))
		if err != nil || wait < time.Second {
			return nil, fmt.Errorf("is not a schedule, want @every and a duration of 1s or more")
		}
	}
	if schedule, err = cron.ParseStandard(spec); err != nil {
		return nil, fmt.Errorf("is not a schedule, %s", scheduleForms)
	}
	if schedule.Next(now).IsZero() {
		return nil, fmt.Errorf("never comes; want a date that exists")
	}
	return schedule, nil
}

const scheduleForms = `want five fields (minute hour day month weekday, Sunday is 0), "@every 1m", @hourly or @daily`
