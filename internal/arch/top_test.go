package arch

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

var atTheTop = strings.Fields("go.mod go.sum cmd internal config migrations systemd README.md LICENSE")

func TestTopLevelHoldsNothingElse(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	ignore, err := os.ReadFile(root + "/.gitignore")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	report(t, topProblems(names, string(ignore)))
}

// topProblems knows of .gitignore what this project uses there: /name, /name/ and patterns without a slash. So a binary
// that somebody built here is no problem, and a git command is not needed.
func topProblems(names []string, ignore string) []string {
	var out []string
	for _, name := range names {
		if strings.HasPrefix(name, ".") || slices.Contains(atTheTop, name) {
			continue
		}
		ignored := false
		for pattern := range strings.Lines(ignore) {
			matched, err := path.Match(strings.Trim(strings.TrimSpace(pattern), "/"), name)
			ignored = ignored || err == nil && matched
		}
		if !ignored {
			out = append(out, fmt.Sprintf("%s does not belong at the top: code goes below internal/ or cmd/, what only CI needs below .ci/", name))
		}
	}
	return out
}
