package metrics

import (
	"fmt"
	"strings"
	"testing"

	"leadsync/internal/readme"
)

func TestReadmeTableIsMadeFromAll(t *testing.T) {
	readme.Hold(t, "cmd/leadsync/README.md", "metrics", "internal/metrics", table())
}

// table is the table of metrics in cmd/leadsync/README.md.
func table() string {
	var b strings.Builder
	b.WriteString("| metric | kind | labels | meaning |\n|---|---|---|---|\n")
	for _, m := range All {
		labels := ""
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "` `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, labels, m.Help)
	}
	return b.String()
}
