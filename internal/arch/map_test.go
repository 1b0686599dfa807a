package arch

import (
	"fmt"
	"go/ast"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"leadsync/internal/readme"
)

// TestMapIsMadeFromTheTable: internal/README.md has the import table as a person reads it, each package above what it
// imports.
func TestMapIsMadeFromTheTable(t *testing.T) {
	readme.Hold(t, "internal/README.md", "packages", "internal/arch", packageTable(tree(t)))
}

func packageTable(pkgs []*pkg) string {
	var b strings.Builder
	b.WriteString("| package | job | may import |\n|---|---|---|\n")
	levels := map[string]int{}
	slices.SortFunc(pkgs, func(a, b *pkg) int {
		if d := level(b.name(), levels) - level(a.name(), levels); d != 0 {
			return d
		}
		return strings.Compare(a.name(), b.name())
	})
	for _, p := range pkgs {
		name := p.name()
		link := strings.TrimPrefix(name, "/")
		if strings.HasPrefix(name, "/") {
			link = "../" + link
		}
		_, job, _ := strings.Cut(p.Doc, path.Base(p.ImportPath)+" ")
		job, _, _ = strings.Cut(job, ": ")
		row := strings.Join(strings.Fields(fence[name]), ", ")
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s |\n", name, link, strings.TrimSuffix(job, "."), strings.ReplaceAll(row, "*", "all of it"))
	}
	return b.String()
}

// level is how far a package stands above those that import nothing.
func level(name string, known map[string]int) int {
	if n, ok := known[name]; ok {
		return n
	}
	known[name] = 0 // a circle would be a compile error
	for target := range strings.FieldsSeq(fence[name]) {
		if target != "*" {
			known[name] = max(known[name], level(target, known)+1)
			continue
		}
		for other := range fence {
			if other != name && !strings.Contains(fence[other], "*") && mayImport(name, []string{"*"}, other) {
				known[name] = max(known[name], level(other, known)+1)
			}
		}
	}
	return known[name]
}

// What the pages about the code name in it: `push/job.go runRounds`, `push/job.go`, `TestG2Order`, `TestG2*`.
var (
	namedFunc = regexp.MustCompile("`([\\w/]+\\.go)(?: (\\w+))?`")
	namedTest = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)\\w+)(\\*?)`")
)

// TestPagesNameCodeThatIsThere: a function that moved takes its name on the pages along.
func TestPagesNameCodeThatIsThere(t *testing.T) {
	funcs, tests := declared(tree(t))
	files := os.DirFS(root)
	for name := range pages(t, files) {
		if !strings.HasPrefix(name, "internal/") && !strings.HasPrefix(name, ".github/") {
			continue
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		report(t, namedProblems(name, string(text), funcs, tests))
	}
}

// declared is every function as "push/job.go runRounds", every file as "push/job.go ", and every test. Folders are
// below internal/, or from the top.
func declared(pkgs []*pkg) (funcs, tests map[string]bool) {
	funcs, tests = map[string]bool{}, map[string]bool{}
	for _, p := range pkgs {
		for _, f := range p.files {
			file := strings.TrimPrefix(f.name, "internal/")
			funcs[file+" "] = true
			for _, d := range f.tree.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					funcs[file+" "+fn.Name.Name] = true
					tests[fn.Name.Name] = f.test
				}
			}
		}
	}
	return funcs, tests
}

func namedProblems(page, text string, funcs, tests map[string]bool) []string {
	var out []string
	for _, m := range namedFunc.FindAllStringSubmatch(text, -1) {
		if !funcs[m[1]+" "+m[2]] {
			out = append(out, fmt.Sprintf("%s names `%s %s`, which is not there: say where it is now", page, m[1], m[2]))
		}
	}
	for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
		known := tests[m[1]]
		if m[2] != "" {
			for name := range tests {
				known = known || strings.HasPrefix(name, m[1])
			}
		}
		if !known {
			out = append(out, fmt.Sprintf("%s names the test %s, which is not there", page, m[1]+m[2]))
		}
	}
	return out
}
