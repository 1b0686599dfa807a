package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// fence is the import table: each package, and what of this module its product code may import besides observe and
// secret, which are open to all. Names are folders below internal/, or from the top with a leading slash; * is
// everything but what exists for tests and for the demo. Tests may import what they like, but for hubspotsim's. One
// line a row.
var fence = map[string]string{
	"lead":            "",                                                                      // the words all share; pure
	"outbox":          "lead",                                                                  // rows, states, outcomes; pure
	"ledger":          "lead",                                                                  // what HubSpot is known to hold; pure
	"inbox":           "lead",                                                                  // what the application is told; pure
	"settlement":      "lead outbox ledger inbox",                                              // what the loops and the database hand each other; types
	"mapping":         "lead hubspot",                                                          // lead fields <-> contact properties; pure
	"backoff":         "",                                                                      // when to try again; pure
	"secret":          "",                                                                      // text that must never be printed
	"observe":         "",                                                                      // log, event names, metrics, health
	"people":          "",                                                                      // how a person may appear outside the tables
	"hubspot":         "lead",                                                                  // HubSpot's API in its own terms
	"auth":            "backoff",                                                               // token source, RoundTripper
	"breaker":         "lead outbox hubspot backoff settlement",                                // may the portal send; if not, why and until when
	"account":         "hubspot mapping breaker",                                               // whose token it is, and its property definitions
	"batch":           "lead hubspot",                                                          // one batch write: an answer for each input
	"contact":         "lead ledger mapping hubspot",                                           // what HubSpot shows of a contact
	"intent":          "lead outbox ledger mapping",                                            // rows of a lead -> one intent; pure
	"workqueue":       "lead",                                                                  // one lead, one hand; when again
	"sequence":        "outbox breaker settlement",                                             // ids that go backwards
	"push":            "outbox inbox lead ledger mapping hubspot backoff " + parts,             // outbox -> HubSpot
	"pull":            "inbox lead ledger mapping hubspot contact settlement schedule backoff", // HubSpot -> inbox
	"retention":       "outbox",                                                                // old rows go away
	"files":           "",                                                                      // files where others can change the names
	"schedule":        "backoff",                                                               // cron
	"store":           "lead outbox ledger inbox settlement auth files backoff /migrations",    // the only one that knows SQL
	"store/storetest": "lead outbox ledger inbox settlement auth store",                        // contract suite of the dialects
	"config":          "files",                                                                 // file and environment -> Config
	"sdnotify":        "",                                                                      // systemd's datagrams
	"importer":        "lead outbox mapping",                                                   // CSV, JSONL -> outbox
	"leadgen":         "lead",                                                                  // invented leads
	"status":          "lead outbox breaker store",                                             // what `leadsync status` says
	"metrics":         "",                                                                      // numbers for Prometheus
	"listen":          "metrics status",                                                        // health, metrics and the page on loopback
	"explain":         "outbox lead ledger mapping intent breaker settlement store status",     // why a lead stands as it does
	"doctor":          "config status store lead hubspot mapping breaker",                      // examines an installation
	"app":             "*",                                                                     // builds all of it
	"hubspotsim":      "",                                                                      // stand-in for HubSpot; shares no code with hubspot
	"replay":          "lead leadgen outbox",                                                   // what the contacts must be, told without push
	"demo":            "hubspotsim replay leadgen lead outbox importer people files backoff",   // the main job against the simulator
	"bench":           "stage leadgen lead outbox backoff",                                     // figures
	"stage":           "",                                                                      // leadsync and its simulator as processes
	"e2e":             "",                                                                      // the binary, from outside
	"arch":            "",                                                                      // this
	"testnet":         "",                                                                      // keeps tests on this machine
	"testsize":        "",                                                                      // a sample or all of it, for tests
	"readme":          "",                                                                      // pages and code held together, for tests
	"openapi":         "",                                                                      // HubSpot's OpenAPI documents, for tests
	"/cmd/leadsync":   "* hubspotsim demo",                                                     // commands
	"/config":         "",                                                                      // the example file, embedded
	"/migrations":     "",                                                                      // schema, embedded
}

// parts are what the push loop is made of.
const parts = "contact intent workqueue sequence breaker account batch settlement"

// open is what every package may import.
var open = []string{"observe", "secret"}

// foreign says which packages may import a module or a part of the standard library that has its one place here. A name
// ending in / stands for itself and everything below it.
var foreign = map[string]string{
	"database/sql/":                   "store store/storetest demo bench",
	"gorm.io/":                        "store",
	"github.com/pressly/goose/":       "store",
	"github.com/jackc/pgx/":           "store store/storetest demo bench",
	"modernc.org/sqlite/":             "store store/storetest demo bench",
	"github.com/go-sql-driver/mysql/": "store store/storetest demo bench",
	"github.com/spf13/":               "/cmd/leadsync",
	"github.com/robfig/cron/":         "config schedule", // config refuses a schedule that cannot be read
	"github.com/sethvargo/go-retry/":  "backoff",
	"golang.org/x/oauth2/":            "auth",
	"github.com/goccy/go-yaml/":       "config",
	"os/signal":                       "/cmd/leadsync bench",
	"os/exec":                         "demo stage store/storetest /cmd/leadsync", // auth login --browser
	"github.com/getkin/kin-openapi/":  "openapi",
	"github.com/prometheus/":          "metrics listen app",
	"github.com/coreos/go-systemd/":   "observe sdnotify",
	"testing":                         "store/storetest openapi readme testsize",
}

// pure packages decide and remember; they reach nothing.
var (
	pure     = []string{"lead", "outbox", "ledger", "mapping", "intent", "backoff", "secret", "replay"}
	reaching = []string{"net/http", "net", "os", "database/sql", "log/slog"}
)

func TestImportsStayInsideTheFence(t *testing.T) { report(t, fenceProblems(tree(t))) }

func TestPackagesHaveComments(t *testing.T) { report(t, commentProblems(tree(t))) }

func TestTestsReachNoOtherMachine(t *testing.T) { report(t, networkProblems(tree(t))) }

func TestSimulatorAndReplayShareNothingWithThePushPath(t *testing.T) {
	report(t, apartProblems(tree(t)))
}

func fenceProblems(pkgs []*pkg) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, p := range pkgs {
		name := p.name()
		if p.Error != nil {
			say("%s: go list: %s", p.ImportPath, p.Error.Err)
		}
		row, known := fence[name]
		if !known {
			say("%s is not in the table: add its row to fence in internal/arch/fence_test.go", p.ImportPath)
			continue
		}
		allowed := strings.Fields(row)
		for _, f := range p.files {
			for _, target := range f.imports {
				if strings.HasPrefix(target, module+"/") {
					if !f.test && !mayImport(name, allowed, rowName(target)) {
						say("%s: %s may not import %s (its row: %q)", f.name, name, target, row)
					}
					continue
				}
				if where, ok := foreignPlace(target); ok && !f.test && !slices.Contains(strings.Fields(where), name) {
					say("%s: %s may not import %s, only %s may", f.name, name, target, where)
				}
				if !f.test && slices.Contains(pure, name) && slices.Contains(reaching, target) && !(name == "secret" && target == "log/slog") {
					say("%s: %s is pure and may not import %s", f.name, name, target)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func mayImport(from string, allowed []string, target string) bool {
	switch {
	case target == from, slices.Contains(allowed, target):
		return true
	case from == "observe":
		return target == "secret"
	case from != "secret" && slices.Contains(open, target):
		return true
	case slices.Contains(allowed, "*"):
		return !slices.Contains([]string{"hubspotsim", "demo", "bench", "e2e", "replay", "stage", "testnet", "testsize", "openapi", "store/storetest"}, target) &&
			!strings.HasPrefix(target, "/cmd/")
	}
	return false
}

func foreignPlace(target string) (string, bool) {
	for prefix, where := range foreign {
		if target == strings.TrimSuffix(prefix, "/") || strings.HasSuffix(prefix, "/") && strings.HasPrefix(target, prefix) {
			return where, true
		}
	}
	return "", false
}

func commentProblems(pkgs []*pkg) []string {
	var out []string
	for _, p := range pkgs {
		start := "Package " + path.Base(p.ImportPath) + " "
		if p.Name == "main" {
			start = "Command " + path.Base(p.ImportPath) + " "
		}
		if !strings.HasPrefix(p.Doc, start) {
			out = append(out, fmt.Sprintf("%s: wants a package comment that begins %q, has %q", p.ImportPath, start, p.Doc))
		}
	}
	return out
}

// apartProblems holds two promises that the table alone does not: the simulator knows nothing of our client, and the
// replay that judges the demo knows nothing of the code it judges, not even through others.
func apartProblems(pkgs []*pkg) []string {
	apart := map[string][]string{
		"hubspotsim": {"hubspot", "mapping", "push", "pull", "ledger", "auth", "store"},
		"replay":     {"push", "pull", "ledger", "mapping", "store", "demo"},
		"push":       {"replay", "demo", "hubspotsim"},
		"ledger":     {"replay", "demo", "hubspotsim"},
		"mapping":    {"replay", "demo", "hubspotsim"},
		"app":        {"replay", "demo", "hubspotsim"},
	}
	var out []string
	for _, p := range pkgs {
		for _, banned := range apart[p.name()] {
			if slices.Contains(p.Deps, module+"/internal/"+banned) {
				out = append(out, fmt.Sprintf("%s depends on internal/%s, from which it must stay apart", p.ImportPath, banned))
			}
		}
		if p.name() == "hubspotsim" && p.imports(module+"/internal/hubspot", true) {
			out = append(out, p.ImportPath+": the simulator's tests follow HubSpot's documents, not our client; test both together elsewhere")
		}
	}
	slices.Sort(out)
	return out
}

// networkProblems wants the guard of testnet in the tests of every package that can make a request.
func networkProblems(pkgs []*pkg) []string {
	var out []string
	for _, p := range pkgs {
		dials := p.imports("net/http", false) || p.imports(module+"/internal/app", false)
		if dials && p.hasTests() && p.name() != "testnet" && !p.imports(module+"/internal/testnet", true) {
			out = append(out, fmt.Sprintf("%s: one of its test files must import _ %q, which keeps tests on this machine", p.ImportPath, module+"/internal/testnet"))
		}
	}
	return out
}
