package observe

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"leadsync/internal/readme"
)

func TestEventsAreTheConstants(t *testing.T) {
	tree, err := parser.ParseFile(token.NewFileSet(), "events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]bool{}
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, value := range spec.Values {
			text, err := strconv.Unquote(value.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants[text] = true
			if !isEvent[text] {
				t.Errorf("%s, %q, is not in Events", spec.Names[i].Name, text)
			}
		}
		return true
	})
	seen := map[string]bool{}
	for _, e := range Events {
		if !constants[e.Message] {
			t.Errorf("%q is no constant of events.go", e.Message)
		}
		if seen[e.Message] || !regexp.MustCompile(`^[a-z]+([ -][a-z]+)+$`).MatchString(e.Message) {
			t.Errorf("%q is twice or not plain words", e.Message)
		}
		if e.Meaning == "" || !strings.HasSuffix(e.Meaning, ".") {
			t.Errorf("%q: its meaning is no sentence: %q", e.Message, e.Meaning)
		}
		for _, a := range e.Attrs {
			if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(a) {
				t.Errorf("%q: attribute %q is not snake_case", e.Message, a)
			}
		}
		seen[e.Message] = true
	}
}

// Message ids are for ever: scripts and alert rules hold them.
func TestMessageIDsStay(t *testing.T) {
	for message, want := range map[string]string{
		DaemonStarted:     "ef65664da81228495c689891a5201ade",
		EntryDeadLettered: "c436ed2cf4b9bfe8c257ff93ea0092e5",
		"no event":        "",
	} {
		if got := MessageID(message); got != want {
			t.Errorf("%q has the id %q, not %q", message, got, want)
		}
	}
}

func TestCatalogIsMadeFromEvents(t *testing.T) {
	const file = "../../systemd/leadsync.catalog"
	if *readme.Update {
		if err := os.WriteFile(file, []byte(Catalog()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != Catalog() {
		t.Errorf("%s is not what Events says (%v); run go test ./internal/observe -update", file, err)
	}
}

func TestReadmeTableIsMadeFromEvents(t *testing.T) {
	readme.Hold(t, "cmd/leadsync/README.md", "events", "internal/observe", Table())
}
