package observe

import (
	"fmt"
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
		if err := os.WriteFile(file, []byte(catalog()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != catalog() {
		t.Errorf("%s is not what Events says (%v); run go test ./internal/observe -update", file, err)
	}
}

func TestReadmeTableIsMadeFromEvents(t *testing.T) {
	readme.Hold(t, "cmd/leadsync/README.md", "events", "internal/observe", table())
}

// catalog is the text of systemd/leadsync.catalog, for journalctl --update-catalog:
// https://www.freedesktop.org/wiki/Software/systemd/catalog/ (read 2026-11-24).
func catalog() string {
	var b strings.Builder
	b.WriteString("# What the events of leadsync mean, for journalctl -x. Made from internal/observe/events.go by its tests with -update.\n")
	for _, e := range Events {
		fmt.Fprintf(&b, "\n-- %s\nSubject: leadsync: %s\nDefined-By: leadsync\nSupport: leadsync doctor\n\n%s\n", MessageID(e.Message), e.Message, e.Meaning)
		if e.Cure != "" {
			fmt.Fprintf(&b, "\n%s\n", e.Cure)
		}
		if len(e.Attrs) > 0 {
			fmt.Fprintln(&b)
			for _, a := range e.Attrs {
				fmt.Fprintf(&b, "%s: @%s@\n", a, fieldName(a))
			}
		}
	}
	return b.String()
}

// table is the table of events in cmd/leadsync/README.md.
func table() string {
	var b strings.Builder
	b.WriteString("| event | level | attributes | meaning, and what to do |\n|---|---|---|---|\n")
	for _, e := range Events {
		attrs := make([]string, len(e.Attrs))
		for i, a := range e.Attrs {
			attrs[i] = "`" + a + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Message, strings.ToLower(e.Level.String()), strings.Join(attrs, " "),
			strings.TrimSpace(e.Meaning+" "+e.Cure))
	}
	return b.String()
}
