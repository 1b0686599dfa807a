package arch

import (
	"strings"
	"testing"
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
