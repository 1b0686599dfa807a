package metrics

import (
	"testing"

	"leadsync/internal/readme"
)

func TestReadmeTableIsMadeFromAll(t *testing.T) {
	readme.Hold(t, "cmd/leadsync/README.md", "metrics", "internal/metrics", Table())
}
