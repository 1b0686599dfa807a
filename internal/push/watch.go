package push

import (
	"errors"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/outbox"
)

// Watch is told what happened, for metrics and for `leadsync explain`. Its methods are called from several goroutines
// and must not block.
type Watch interface {
	// Settled: rows that a settlement wrote, also those that were put off (state pending).
	Settled(rows []SettledRow)
	// Asked: a request about leads was answered, or not.
	Asked(Asked)
}

// SettledRow is one row of a settlement.
type SettledRow struct {
	State    outbox.State
	Reason   outbox.Reason
	Attempts int
	// Waited is from the insert of the row to now, by the clocks of the database and of this machine.
	Waited time.Duration
}

// Asked is one request about leads.
type Asked struct {
	Op            string // of package hubspot
	StartedAt     time.Time
	Elapsed       time.Duration
	Status        int // HTTP status of a write, 0 = no answer, or a read
	CorrelationID string
	Leads         []AskedLead
}

// AskedLead is what the answer said about one lead: accepted, refused and the like, or the class of the trouble.
type AskedLead struct {
	ID     lead.ID
	Answer string
}

// tellSettled passes on what the settlement of the works wrote.
func (w *Worker) tellSettled(works []*work) {
	if w.cfg.Watch == nil {
		return
	}
	var rows []SettledRow
	now := outbox.Millis(w.now())
	for _, k := range works {
		for _, o := range k.ended {
			rows = append(rows, SettledRow{o.State, o.Reason, o.Attempts, time.Duration(now-k.createdAt(o.ID)) * time.Millisecond})
		}
	}
	if len(rows) > 0 {
		w.cfg.Watch.Settled(rows)
	}
}

// tellOrphans passes on rows that belong to no lead.
func (w *Worker) tellOrphans(entries []outbox.Entry, out []outbox.Outcome) {
	if w.cfg.Watch == nil {
		return
	}
	created := map[outbox.EntryID]int64{}
	for i := range entries {
		created[entries[i].ID] = entries[i].CreatedAt
	}
	rows := make([]SettledRow, len(out))
	for i, o := range out {
		rows[i] = SettledRow{o.State, o.Reason, o.Attempts, time.Duration(outbox.Millis(w.now())-created[o.ID]) * time.Millisecond}
	}
	w.cfg.Watch.Settled(rows)
}

// createdAt is when a row of the work was inserted.
func (k *work) createdAt(id outbox.EntryID) int64 {
	for _, rows := range [][]*intent.Row{k.plan.all.Rows, k.rows} {
		for _, r := range rows {
			if r.ID == id {
				return r.CreatedAt
			}
		}
	}
	return k.oldest
}

// tellAsked passes on a request about the works. answer says what it brought for one of them; with an error it is not
// asked.
func (w *Worker) tellAsked(op string, begun time.Time, status int, correlationID string, err error, works []*work, answer func(*work) string) {
	if w.cfg.Watch == nil {
		return
	}
	a := Asked{Op: op, StartedAt: begun, Elapsed: w.now().Sub(begun), Status: status, CorrelationID: correlationID, Leads: make([]AskedLead, len(works))}
	if refused, ok := errors.AsType[*hubspot.Error](err); ok {
		a.Status, a.CorrelationID = refused.Status, refused.CorrelationID
	}
	class := string(hubspot.Classify(err))
	for i, k := range works {
		a.Leads[i] = AskedLead{k.id, class}
		if err == nil {
			a.Leads[i].Answer = answer(k)
		}
	}
	w.cfg.Watch.Asked(a)
}

// word is the answer for a person.
func (a answer) word() string {
	switch a.kind {
	case accepted:
		return "accepted"
	case refused:
		return "refused: " + rule(a.refusal).String()
	case conflict:
		return "conflict"
	case missingContact:
		return "contact not there"
	case unnamed:
		return "not named"
	}
	return ""
}

// opNames are the words of package hubspot for the batch writes.
var opNames = map[op]string{opCreate: hubspot.OpBatchCreate, opUpdate: hubspot.OpBatchUpdate, opUpsert: hubspot.OpBatchUpsert}

// foundWord is what a reading of contacts brought for a lead.
func foundWord(there bool) string {
	if there {
		return "found"
	}
	return "not found"
}
