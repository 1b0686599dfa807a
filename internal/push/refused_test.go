package push

import (
	"io"
	"log/slog"
	"testing"

	"leadsync/internal/batch"
	"leadsync/internal/hubspot"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// What a row is told of another contact is its id, and nothing else of it.
func TestNotes(t *testing.T) {
	if got := heldBy("ada@example.com"); got != "another contact has the address" {
		t.Errorf("note %q", got)
	}
	if got := heldBy("42"); got != "held by contact 42" {
		t.Errorf("note %q", got)
	}
}

// What a refusal may be about decides whether the address is looked up.
func TestMaybeTaken(t *testing.T) {
	for _, c := range []struct {
		details []hubspot.Detail
		want    bool
	}{
		{nil, true},
		{[]hubspot.Detail{{Code: "INVALID_EMAIL"}}, false},
		{[]hubspot.Detail{{Code: "INVALID_EMAIL", Properties: []string{"email"}}}, false},
		{[]hubspot.Detail{{Code: "CONFLICTING_UNIQUE_VALUE", Properties: []string{"email"}}}, true},
		{[]hubspot.Detail{{Code: "INVALID_OPTION", Properties: []string{"plan"}}}, false},
	} {
		if got := maybeTaken(batch.Refusal{Details: c.details}); got != c.want {
			t.Errorf("%v: %t", c.details, got)
		}
	}
}
