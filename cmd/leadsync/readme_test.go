package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"leadsync/internal/outbox"
	"leadsync/internal/readme"
)

// The READMEs' tables hold every reason and exit code, and no reason that does not exist.
func TestReadmeTables(t *testing.T) {
	page := readme.Text(t, "cmd/leadsync/README.md")
	reasons := constants(t, "../../internal/outbox/entry.go", "Reason")
	for name, reason := range reasons {
		if !strings.Contains(page, "| `"+reason+"` |") {
			t.Errorf("cmd/leadsync/README.md does not explain the reason %s (%s)", reason, name)
		}
	}
	for name, reason := range reasons {
		if !outbox.Reason(reason).Known() {
			t.Errorf("outbox.Reason.Known does not know %s (%s)", reason, name)
		}
	}
	known := map[string]bool{}
	for _, r := range reasons {
		known[r] = true
	}
	table := page[strings.Index(page, "| reason |"):]
	table = table[:strings.Index(table, "\n\n")]
	for line := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(line, "`"); len(cells) > 1 && !known[cells[1]] {
			t.Errorf("cmd/leadsync/README.md explains %s, which is no reason", cells[1])
		}
	}
	for _, code := range []int{exitDone, exitFailed, exitUsage, exitWrong, exitConfig} {
		if !strings.Contains(page, "| "+strconv.Itoa(code)+" |") {
			t.Errorf("cmd/leadsync/README.md does not explain the exit code %d", code)
		}
	}
}

// constants reads the string constants of a type (empty = untyped) from a Go file.
func constants(t *testing.T, file, typ string) map[string]string {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, d := range tree.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v := spec.(*ast.ValueSpec)
			name := ""
			if id, ok := v.Type.(*ast.Ident); ok {
				name = id.Name
			}
			if name != typ {
				continue
			}
			for i, id := range v.Names {
				if lit, ok := v.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					out[id.Name] = text
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("no constants of type %q in %s", typ, file)
	}
	return out
}
