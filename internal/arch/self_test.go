package arch

import (
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// The checks are checked: each rule is broken once here, so a rule that silently stopped to bite fails.

func made(t *testing.T, importPath, doc, name, text string, deps ...string) *pkg {
	t.Helper()
	f, err := parseFile(name, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &pkg{ImportPath: importPath, Name: f.tree.Name.Name, Doc: doc, Deps: deps, files: []file{f}}
}

func TestEachRuleBites(t *testing.T) {
	const lead, push = module + "/internal/lead", module + "/internal/push"
	cases := []struct {
		name string
		got  []string
		want string // "" = no problem
	}{
		{"unknown package", fenceProblems([]*pkg{made(t, module+"/internal/utils", "", "internal/utils/a.go", "package utils")}), "add its row"},
		{"import against the arrow", fenceProblems([]*pkg{made(t, lead, "", "internal/lead/a.go", `package lead; import "leadsync/internal/push"`)}), "lead may not import"},
		{"import along the arrow", fenceProblems([]*pkg{made(t, push, "", "internal/push/a.go", `package push; import "leadsync/internal/ledger"`)}), ""},
		{"open to all", fenceProblems([]*pkg{made(t, push, "", "internal/push/a.go", `package push; import "leadsync/internal/secret"`)}), ""},
		{"observe imports secret alone", fenceProblems([]*pkg{made(t, module+"/internal/observe", "", "a.go", `package observe; import "leadsync/internal/lead"`)}), "may not import"},
		{"a test may", fenceProblems([]*pkg{made(t, lead, "", "internal/lead/a_test.go", `package lead; import "leadsync/internal/push"`)}), ""},
		{"simulator in the product", fenceProblems([]*pkg{made(t, module+"/internal/app", "", "internal/app/a.go", `package app; import "leadsync/internal/hubspotsim"`)}), "app may not import"},
		{"a helper of tests in the product", fenceProblems([]*pkg{made(t, module+"/internal/app", "", "internal/app/a.go", `package app; import "leadsync/internal/openapi"`)}), "app may not import"},
		{"simulator imports the client", fenceProblems([]*pkg{made(t, module+"/internal/hubspotsim", "", "a.go", `package hubspotsim; import "leadsync/internal/hubspot"`)}), "hubspotsim may not import"},
		{"push imports replay", fenceProblems([]*pkg{made(t, push, "", "a.go", `package push; import "leadsync/internal/replay"`)}), "push may not import"},
		{"replay imports ledger", fenceProblems([]*pkg{made(t, module+"/internal/replay", "", "a.go", `package replay; import "leadsync/internal/ledger"`)}), "replay may not import"},
		{"SQL outside the store", fenceProblems([]*pkg{made(t, push, "", "a.go", `package push; import "gorm.io/gorm/clause"`)}), "only store may"},
		{"a pure package reaches out", fenceProblems([]*pkg{made(t, lead, "", "a.go", `package lead; import "net/http"`)}), "is pure"},
		{"no comment", commentProblems([]*pkg{made(t, lead, "", "a.go", "package lead")}), "wants a package comment"},
		{"comment", commentProblems([]*pkg{made(t, lead, "Package lead holds words.", "a.go", "package lead")}), ""},
		{"command's comment", commentProblems([]*pkg{made(t, module+"/cmd/leadsync", "Command leadsync runs.", "a.go", "package main")}), ""},
		{"replay through others", apartProblems([]*pkg{made(t, module+"/internal/replay", "", "a.go", "package replay", module+"/internal/mapping")}), "stay apart"},
		{"simulator's test", apartProblems([]*pkg{made(t, module+"/internal/hubspotsim", "", "a_test.go", `package hubspotsim; import "leadsync/internal/hubspot"`)}), "not our client"},
		{"tests that could reach HubSpot", networkProblems([]*pkg{made(t, push, "", "a_test.go", `package push; import "net/http"`)}), "must import _"},
		{"tests that cannot", networkProblems([]*pkg{made(t, push, "", "a_test.go", `package push; import ("net/http"; _ "leadsync/internal/testnet")`)}), ""},
		{"stray folder", topProblems([]string{"docs"}, "/leadsync\n"), "docs does not belong"},
		{"ignored binary", topProblems([]string{"leadsync", "x.test", "dist"}, "/leadsync\n/dist/\n*.test\n"), ""},
	}
	for _, c := range cases {
		check(t, c.name, c.got, c.want)
	}
}

func TestEachSizeBites(t *testing.T) {
	long := "package a\n\nfunc f() {\n" + strings.Repeat("\tf()\n", mostLines) + "}\n"
	p := made(t, module+"/internal/a", "", "internal/a/a.go", "package a; type t[P any] int; func (t[P]) m() {}; func (*t[P]) n() {}")
	counts := map[string]int{"a": 5}
	cases := []struct {
		name string
		got  []string
		want string
	}{
		{"too many", bounded("files", "in a package", 4, counts, nil), "a has 5 files; at most 4"},
		{"enough", bounded("files", "in a package", 5, counts, nil), ""},
		{"more than its own number", bounded("files", "in a package", 2, counts, map[string]int{"a": 4}), "at most 4"},
		{"its own number", bounded("files", "in a package", 2, counts, map[string]int{"a": 5}), ""},
		{"near its own number", bounded("files", "in a package", 2, counts, map[string]int{"a": 5 + slack}), ""},
		{"far below its own number", bounded("files", "in a package", 2, counts, map[string]int{"a": 6 + slack}), "lower its number"},
		{"exception in vain", bounded("files", "in a package", 5, counts, map[string]int{"a": 6}), "needs no exception"},
		{"exception for nothing", bounded("files", "in a package", 5, nil, map[string]int{"a": 6}), "needs no exception"},
		{"long function", longFuncs([]*pkg{made(t, module+"/internal/a", "", "a.go", long)}), "f has 62 lines"},
		{"long test", longFuncs([]*pkg{made(t, module+"/internal/a", "", "a_test.go", long)}), ""},
	}
	for _, c := range cases {
		check(t, c.name, c.got, c.want)
	}
	if got := countMethods([]*pkg{p}); got["a.t"] != 2 {
		t.Errorf("a.t has two methods, counted %v", got)
	}
	if got := countFiles([]*pkg{p, made(t, module+"/internal/b", "", "b_test.go", "package b")}); got["a"] != 1 || got["b"] != 0 {
		t.Errorf("a has one file and b none, counted %v", got)
	}
	if all, long := countLines(strings.Repeat("ö", mostColumns) + "\n" + strings.Repeat("ö", mostColumns+1) + "\n\n"); all != 3 || long != 1 {
		t.Errorf("one of three lines is long, counted %d of %d", long, all)
	}
}

func TestEachRuleOfPagesBites(t *testing.T) {
	text := map[string]string{
		"README.md":   "# A\n\n[b](b/README.md#what-a-row-is) [c](b/README.md#two) [d](#nowhere) [e](gone.md) `[f](gone.md)`\n\n```\n# two\n[g](gone)\n```\n",
		"b/README.md": "# What a `row` is\n\n## Same\n\n## Same\n\n[a](../README.md#a) [same](#same-1) [x](https://example.com)\n",
	}
	tree, all := fstest.MapFS{}, map[string]page{}
	for name, text := range text {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
		all[name] = readPage(text)
	}
	got := linkProblems(tree, all)
	want := []string{"leads to b/README.md#two", "leads to #nowhere", "leads to gone.md"}
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		check(t, want[i], got[i:i+1], want[i])
	}
	funcs, tests := declared([]*pkg{made(t, module+"/internal/a", "", "internal/a/a_test.go", "package a; func TestOne() {}")})
	for name, want := range map[string]string{
		"`a/a_test.go TestOne` `a/a_test.go` `TestOne` `TestO*`": "", "`a/a_test.go run`": "say where", "`a/b.go`": "say where", "`TestTwo`": "not there",
		"`TestT*`": "not there",
	} {
		check(t, name, namedProblems("p.md", name, funcs, tests), want)
	}
	for hint, want := range map[string]string{
		"see b/README.md":                     "",
		"see b/README.md, Same":               "",
		"see b/README.md, Same; or ask":       "",
		"see b/README.md, Other":              "no such section",
		"see the README":                      "sends to",
		"see README.md; Other has it as well": "",
	} {
		f, err := parseFile("a.go", []byte("package a; var x = "+strconv.Quote(hint)))
		if err != nil {
			t.Fatal(err)
		}
		check(t, hint, hintProblems(f, all), want)
	}
}

func TestEachForbiddenCallBites(t *testing.T) {
	cases := []struct{ file, text, want string }{
		{"internal/a/a.go", `package a; import "time"; func f() { time.Sleep(1) }`, "time.Sleep is not used"},
		{"internal/a/a.go", `package a; import clock "time"; func f() { clock.Sleep(1) }`, "clock.Sleep is not used"},
		{"internal/a/a.go", `package a; import "time"; var f = time.Sleep`, "time.Sleep is not used"},
		{"internal/a/a_test.go", `package a; import "time"; func f() { time.Sleep(1) }`, "without testing/synctest"},
		{"internal/a/a_test.go", `package a; import ("time"; "testing/synctest"); func f() { time.Sleep(1); synctest.Wait() }`, ""},
		{"internal/a/a.go", `package a; import "net/http"; var c = http.DefaultClient`, "http.DefaultClient"},
		{"internal/a/a_test.go", `package a; import "net/http"; func f() { http.Get("") }`, "http.Get"},
		{"internal/a/a.go", `package a; import "net/http"; func f() { http.NewRequest("", "", nil) }`, ""},
		{"internal/a/a.go", `package a; import "os"; func f() { os.Exit(1) }`, "os.Exit"},
		{"cmd/leadsync/run.go", `package main; import "os"; func f() { os.Exit(1) }`, "os.Exit"},
		{"cmd/leadsync/main.go", `package main; import "os"; func f() { os.Exit(1) }`, ""},
		{"internal/a/a_test.go", `package a; import "os"; func f() { os.Exit(1) }`, ""},
		{"internal/a/a.go", `package a; import "log"; func f() { log.Fatalf("") }`, "log.Fatalf"},
		{"internal/a/a.go", `package a; import "fmt"; func f() { fmt.Println() }`, "fmt.Println"},
		{"cmd/leadsync/a.go", `package main; import "fmt"; func f() { fmt.Println() }`, ""},
		{"internal/a/a.go", `package a; import ("fmt"; "os"); func f() { fmt.Fprintln(os.Stdout) }`, "os.Stdout"},
		{"internal/a/a.go", `package a; func f() { println() }`, "builtin println"},
		{"internal/a/a.go", `package a; import . "fmt"; func f() { Println() }`, "dot import"},
	}
	for _, c := range cases {
		f, err := parseFile(c.file, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		p := &pkg{files: []file{f}}
		check(t, c.file+": "+c.text, callProblems(f, p.fakesClock()), c.want)
	}
}

func check(t *testing.T, name string, got []string, want string) {
	t.Helper()
	text := strings.Join(got, "\n")
	if want == "" && text != "" || !strings.Contains(text, want) {
		t.Errorf("%s: got %q, want %q", name, text, want)
	}
}
