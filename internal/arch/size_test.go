package arch

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	mostFiles   = 20  // of a package, tests left out
	mostMethods = 40  // of a type
	mostLines   = 60  // of a function
	mostColumns = 120 // of a line; a tab counts as one

	slack = 3 // how far a number below may lie above the truth before it must be lowered
)

// What is larger, with how large it may be. A number here only goes down, and a row goes when nothing needs it any
// more.
var (
	manyFiles = map[string]int{
		"/cmd/leadsync":   40, // one file a subcommand
		"hubspot":         29,
		"hubspotsim":      46,
		"push":            43,
		"store":           55, // one file a table
		"store/storetest": 26, // one file a part of the contract
	}
	manyMethods = map[string]int{
		"/cmd/leadsync.environment": 50,
		"hubspotsim.Sim":            181, // one mutex, one state
		"push.Worker":               230,
		"push.work":                 55,
	}
	longFunctions = 32 // in the whole tree; the aim is none
	longLines     = 28 // of a thousand; the aim is 10
)

func TestSizes(t *testing.T) {
	pkgs := tree(t)
	report(t, bounded("files", "in a package", mostFiles, countFiles(pkgs), manyFiles))
	report(t, bounded("methods", "on a type", mostMethods, countMethods(pkgs), manyMethods))
}

func TestLongFunctions(t *testing.T) {
	long := longFuncs(tree(t))
	where := fmt.Sprintf("longer than %d lines", mostLines)
	problems := bounded("functions", where, 0, map[string]int{"the tree": len(long)}, map[string]int{"the tree": longFunctions})
	report(t, problems)
	if len(problems) > 0 {
		t.Log(strings.Join(long, "\n"))
	}
}

// bounded holds counts to a limit, and those of the table to their own number, which must stay near the truth.
func bounded(what, where string, most int, counts, exceptions map[string]int) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n, limit := counts[name], most
		if own, listed := exceptions[name]; listed {
			limit = own
		}
		if n > limit {
			out = append(out, fmt.Sprintf("%s has %d %s; at most %d are allowed %s", name, n, what, limit, where))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		switch n, limit := counts[name], exceptions[name]; {
		case n <= most:
			out = append(out, fmt.Sprintf("%s has %d %s and needs no exception any more: take its row out of size_test.go", name, n, what))
		case n < limit-slack:
			out = append(out, fmt.Sprintf("%s has only %d %s: lower its number %d in size_test.go", name, n, what, limit))
		}
	}
	return out
}

func countFiles(pkgs []*pkg) map[string]int {
	counts := map[string]int{}
	for _, p := range pkgs {
		for _, f := range p.files {
			if !f.test {
				counts[p.name()]++
			}
		}
	}
	return counts
}

func countMethods(pkgs []*pkg) map[string]int {
	counts := map[string]int{}
	for _, p := range pkgs {
		for _, f := range p.files {
			for _, d := range f.tree.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && !f.test {
					counts[p.name()+"."+receiver(fn.Recv.List[0].Type)]++
				}
			}
		}
	}
	return counts
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return fmt.Sprintf("%T", e)
}

// longFuncs names the product's functions that are too long, from the first line to the last.
func longFuncs(pkgs []*pkg) []string {
	var out []string
	for _, p := range pkgs {
		for _, f := range p.files {
			for _, d := range f.tree.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || f.test || p.forTests() {
					continue
				}
				if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > mostLines {
					out = append(out, fmt.Sprintf("%s: %s has %d lines", f.name, fn.Name.Name, n))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// forTests says whether the package exists for tests: its product code imports testing.
func (p *pkg) forTests() bool {
	return slices.ContainsFunc(p.files, func(f file) bool { return !f.test && f.imports["testing"] == "testing" })
}

func TestLongLines(t *testing.T) {
	all, long := 0, 0
	for _, p := range tree(t) {
		for _, f := range p.files {
			text, err := os.ReadFile(root + "/" + f.name)
			if err != nil {
				t.Fatal(err)
			}
			a, l := countLines(string(text))
			all, long = all+a, long+l
		}
	}
	t.Logf("%d of %d lines have more than %d columns", long, all, mostColumns)
	where := fmt.Sprintf("longer than %d columns", mostColumns)
	report(t, bounded("lines of a thousand", where, 10, map[string]int{"the tree": long * 1000 / all}, map[string]int{"the tree": longLines}))
}

func countLines(text string) (all, long int) {
	for line := range strings.Lines(text) {
		all++
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > mostColumns {
			long++
		}
	}
	return all, long
}
