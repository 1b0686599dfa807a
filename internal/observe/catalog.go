package observe

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
)

// Event is one of the constant messages: what an operator is told about it beforehand.
type Event struct {
	Message string
	Level   slog.Level // the usual one
	Attrs   []string
	Meaning string // a sentence
	Cure    string // what to do, a sentence; empty = nothing
}

// MessageID is the event's MESSAGE_ID in the journal, 32 hex digits that follow from the message; empty for a message
// that is no event. `journalctl MESSAGE_ID=...` finds its entries, `journalctl -x` explains them from the catalog.
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
