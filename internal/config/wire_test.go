package config

import (
	"strings"
	"testing"
)

// TestDatabaseOverTheNetwork: a password goes to another machine in clear only where somebody said so, and that is
// warned of.
func TestDatabaseOverTheNetwork(t *testing.T) {
	const none, warned, refused = "", "warned", "refused"
	for url, want := range map[string]string{
		"sqlite:///var/lib/leads.db":                               none,
		"postgres://u:p@localhost/db":                              none,
		"postgres://u:p@127.0.0.1:5432/db":                         none,
		"postgres://u:p@[::1]/db":                                  none,
		"postgres://u:p@/db?host=/run/postgresql":                  none,
		"mysql://u:p@localhost/db?socket=/run/mysqld/mysqld.sock":  none,
		"mysql://u:p@127.1.2.3/db":                                 none,
		"postgres://u:p@db.example/db":                             refused,
		"postgresql://u:p@db.example/db":                           refused,
		"postgres://u@db.example/db?password=p":                    refused,
		"postgres://u:p@/db?host=db.example":                       refused,
		"postgres://u:p@127.0.0.1,10.0.0.7/db":                     refused,
		"mysql://u:p@10.0.0.7:3306/db":                             refused,
		"postgres://u@db.example/db":                               warned,
		"mysql://u@db.example/db":                                  warned,
		"postgres://u:p@db.example/db?sslmode=disable":             warned,
		"postgres://u:p@db.example/db?sslmode=prefer":              warned,
		"postgres://u:p@db.example/db?sslmode=require":             warned,
		"mysql://u:p@db.example/db?tls=false":                      warned,
		"mysql://u:p@db.example/db?tls=preferred":                  warned,
		"mysql://u:p@db.example/db?tls=skip-verify":                warned,
		"postgres://u:p@db.example/db?sslmode=verify-full":         none,
		"postgres://u:p@db.example/db?sslmode=verify-ca":           none,
		"mysql://u:p@db.example/db?tls=true":                       none,
		"postgres://u:p@db.example:6432/db?sslmode=verify-full&x=": none,
	} {
		problem, warning := wire(url)
		got := none
		switch {
		case problem != "":
			got = refused
		case warning != "":
			got = warned
		}
		if got != want || strings.Contains(problem+warning, "u:p") || strings.Contains(problem+warning, "example") {
			t.Errorf("%s: %q %q, want it %s", url, problem, warning, want)
		}
		if (databaseProblem(url) != "") != (want == refused) {
			t.Errorf("%s: %q", url, databaseProblem(url))
		}
	}
}
