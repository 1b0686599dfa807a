package settlement

import (
	"strings"
	"unicode/utf8"

	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// ReadyRow is as much of a pending row as the reader needs to know whose turn it is.
type ReadyRow struct {
	ID outbox.EntryID
	// LeadID is cut to 256 bytes (servers: characters), which is enough to see that it is too long.
	LeadID    *string
	NotBefore *int64 // nil = now
	CreatedAt int64  // as the database wrote it, unix ms
}

// IsOrphan reports that the row has no lead id under which rows can be found: missing, empty, too long, or not text (a
// NUL or invalid UTF-8). Such a row is read by its own id and judged alone.
func (r *ReadyRow) IsOrphan() bool { return r.LeadID == nil || !Findable(*r.LeadID) }

// Findable reports that rows can be found under the lead id on every engine.
func Findable(id string) bool {
	return id != "" && len(id) <= lead.MaxIDLength && strings.IndexByte(id, 0) < 0 && utf8.ValidString(id)
}

// Lead returns the lead id, empty for an orphan.
func (r *ReadyRow) Lead() lead.ID {
	if r.IsOrphan() {
		return ""
	}
	return lead.ID(*r.LeadID)
}

// LeadRows are the pending rows of one lead.
type LeadRows struct {
	// Rows stand in id order.
	Rows []outbox.Entry
	// More says that the lead has further pending rows beyond the limits asked for.
	More bool
}
