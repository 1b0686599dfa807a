package observe

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
)

// Event is one of the constant messages: what an operator is told about it beforehand.
type Event struct {
	Message string
	Level   slog.Level // the usual one
	Attrs   []string
	Meaning string // a sentence
	Cure    string // what to do, a sentence; empty = nothing
}

// MessageID is the event's MESSAGE_ID in the journal, 32 hex digits that follow from the message; empty for a message that is no
// event. `journalctl MESSAGE_ID=...` finds its entries, `journalctl -x` explains them from the catalog.
func MessageID(message string) string {
	if !isEvent[message] {
		return ""
	}
	sum := sha256.Sum256([]byte("leadsync event: " + message))
	return hex.EncodeToString(sum[:16])
}

var isEvent = func() map[string]bool {
	out := map[string]bool{}
	for _, e := range Events {
		out[e.Message] = true
	}
	return out
}()

// Catalog is the text of systemd/leadsync.catalog, for journalctl --update-catalog:
// https://www.freedesktop.org/wiki/Software/systemd/catalog/ (read 2026-11-24).
func Catalog() string {
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

// Table is the table of events in cmd/leadsync/README.md.
func Table() string {
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
