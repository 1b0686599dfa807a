package metrics

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of cmd/leadsync/README.md")

func TestReadmeTableIsMadeFromAll(t *testing.T) {
	const file, begin, end = "../../cmd/leadsync/README.md", "<!-- metrics: go test ./internal/metrics -update -->\n", "<!-- /metrics -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(b), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("cmd/leadsync/README.md has no %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+Table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != Table() {
		t.Error("cmd/leadsync/README.md's table of metrics is not what All says; run go test ./internal/metrics -update")
	}
}
