package arch

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var libcOf = regexp.MustCompile(`(?m)^\s*(?:require\s+)?modernc\.org/libc\s+(\S+)`)

// TestEngineHasItsOwnLibc: the pure-Go SQLite is compiled against one version of modernc.org/libc, and works with that
// one alone (https://pkg.go.dev/modernc.org/sqlite#hdr-Fragile_modernc_org_libc_dependency, read 2026-11-30).
func TestEngineHasItsOwnLibc(t *testing.T) {
	list := func(format, module string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", format, module)
		c.Dir = root
		out, err := c.Output()
		if err != nil {
			t.Fatalf("go list -m %s: %v", module, err)
		}
		return strings.TrimSpace(string(out))
	}
	text, err := os.ReadFile(filepath.Join(list("{{.Dir}}", "modernc.org/sqlite"), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	named := libcOf.FindStringSubmatch(string(text))
	if named == nil {
		t.Fatal("the engine's go.mod names no libc")
	}
	if used := list("{{.Version}}", "modernc.org/libc"); used != named[1] {
		t.Errorf("modernc.org/libc is %s, the engine names %s", used, named[1])
	}
}

// TestOneSQLite: whatever the build says of cgo, no SQLite in C is linked, and nothing of ours needs a C compiler.
func TestOneSQLite(t *testing.T) {
	for _, cgo := range []string{"0", "1"} {
		c := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if .CgoFiles}}{{if not .Standard}}{{.ImportPath}}{{end}}{{end}}", "./cmd/...")
		c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED="+cgo)
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		if found := strings.Fields(string(out)); len(found) > 0 {
			t.Errorf("with CGO_ENABLED=%s a build needs C for %v", cgo, found)
		}
	}
}
