package hubspotsim

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"leadsync/internal/readme"
)

// TestReadmeIsMadeFromTheComments: the lists of the page are the comments that stand beside the code.
func TestReadmeIsMadeFromTheComments(t *testing.T) {
	for part, text := range map[string]string{
		"faults": listed(t, "faults.go", "faultKinds"), "addresses": listed(t, "poison.go", "poison"),
		"admin": listed(t, "adminhttp.go", "admin"), "switches": switches(t),
	} {
		readme.Hold(t, "internal/hubspotsim/README.md", part, "internal/hubspotsim", text)
	}
}

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// docOf finds the comment of a declaration.
func docOf(f *ast.File, name string) string {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.Name == name {
				return d.Doc.Text()
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.Name == name {
						return d.Doc.Text()
					}
				case *ast.ValueSpec:
					if s.Names[0].Name == name {
						return d.Doc.Text()
					}
				}
			}
		}
	}
	return ""
}

// listed is the indented part of a comment, as a block.
func listed(t *testing.T, file, name string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(docOf(parsed(t, file), name)) {
		if text, indented := strings.CutPrefix(line, "\t"); indented {
			b.WriteString(text)
		}
	}
	if b.Len() == 0 {
		t.Fatalf("the comment of %s in %s lists nothing", name, file)
	}
	return "```text\n" + b.String() + "```\n"
}

func switches(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| switch | when it is set |\n|---|---|\n")
	rows := 0
	ast.Inspect(parsed(t, "quirks.go"), func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Quirks" {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			name := f.Names[0].Name
			field, _ := reflect.TypeFor[Quirks]().FieldByName(name)
			what := strings.Join(strings.Fields(strings.TrimPrefix(f.Doc.Text(), name)), " ")
			what = strings.TrimPrefix(strings.TrimPrefix(what, ": "), "is ")
			fmt.Fprintf(&b, "| `%s` | %s |\n", field.Tag.Get("json"), what)
			rows++
		}
		return false
	})
	if rows != reflect.TypeFor[Quirks]().NumField() {
		t.Fatalf("%d switches were found, there are %d", rows, reflect.TypeFor[Quirks]().NumField())
	}
	return b.String()
}
