package arch

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// call is something of the standard library that is not used here, or in one place only.
type call struct {
	path, name string
	inTests    bool     // forbidden in tests too
	except     []string // files, or folders ending in /, where it belongs
	instead    string
}

// dials is where clients of HubSpot are made.
var dials = []string{"internal/app/hub.go"}

var calls = []call{
	{"time", "Sleep", false, nil, "select on a timer and the context"},
	{"net/http", "DefaultClient", true, nil, "take an *http.Client with a time-out"},
	{"net/http", "Get", true, nil, "take an *http.Client with a time-out"},
	{"net/http", "Post", true, nil, "take an *http.Client with a time-out"},
	{"net/http", "PostForm", true, nil, "take an *http.Client with a time-out"},
	{"net/http", "Head", true, nil, "take an *http.Client with a time-out"},
	{"os", "Exit", false, []string{"cmd/leadsync/main.go", "internal/bench/main.go"}, "return an error"},
	{"leadsync/internal/hubspot", "New", false, dials, "make clients with app.Dial, or they are outside the budget"},
	{"leadsync/internal/hubspot", "NewTransport", false, dials, "make clients with app.Dial, or they are outside the budget"},
	{"leadsync/internal/hubspot", "NewLimiter", false, dials, "make clients with app.Dial: one budget is for all of a process"},
	{"leadsync/internal/auth", "NewSource", false, dials, "take the token source of app.Dial"},
	{"leadsync/internal/auth", "NewStatic", false, dials, "take the token source of app.Dial"},
	{"log", "Fatal", true, nil, "return an error"},
	{"log", "Fatalf", true, nil, "return an error"},
	{"log", "Fatalln", true, nil, "return an error"},
	{"fmt", "Print", false, []string{"cmd/", "internal/bench/"}, "write to an io.Writer that the caller gives"},
	{"fmt", "Printf", false, []string{"cmd/", "internal/bench/"}, "write to an io.Writer that the caller gives"},
	{"fmt", "Println", false, []string{"cmd/", "internal/bench/"}, "write to an io.Writer that the caller gives"},
	{"os", "Stdout", false, []string{"cmd/", "internal/bench/"}, "write to an io.Writer that the caller gives"},
}

func TestForbiddenCalls(t *testing.T) {
	var problems []string
	for _, p := range tree(t) {
		for _, f := range p.files {
			problems = append(problems, callProblems(f, p.fakesClock())...)
		}
	}
	report(t, problems)
}

// fakesClock says whether the package's tests run in bubbles, perhaps through a helper of theirs.
func (p *pkg) fakesClock() bool { return p.imports("testing/synctest", true) }

func callProblems(f file, bubbles bool) []string {
	var out []string
	say := func(node ast.Node, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s:%d: %s", f.name, f.set.Position(node.Pos()).Line, fmt.Sprintf(format, args...)))
	}
	for local, target := range f.imports {
		if strings.HasPrefix(local, ".") {
			out = append(out, fmt.Sprintf("%s: dot import of %s hides where names come from", f.name, target))
		}
	}
	ast.Inspect(f.tree, func(node ast.Node) bool {
		if c, ok := node.(*ast.CallExpr); ok {
			if id, ok := c.Fun.(*ast.Ident); ok && (id.Name == "println" || id.Name == "print") {
				say(node, "builtin %s writes to standard error past the logger", id.Name)
			}
		}
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		left, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		target := f.imports[left.Name]
		if target == "time" && selector.Sel.Name == "Sleep" && f.test && !bubbles {
			say(node, "time.Sleep in tests without testing/synctest: fake the clock, or wait for what you wait for")
		}
		for _, c := range calls {
			if c.path != target || c.name != selector.Sel.Name || f.test && !c.inTests || excepted(c.except, f.name) {
				continue
			}
			say(node, "%s.%s is not used here: %s", left.Name, c.name, c.instead)
		}
		return true
	})
	return out
}

func excepted(places []string, name string) bool {
	return slices.ContainsFunc(places, func(place string) bool {
		return place == name || strings.HasSuffix(place, "/") && strings.HasPrefix(name, place)
	})
}
