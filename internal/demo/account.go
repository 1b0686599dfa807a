package demo

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"

	"leadsync/internal/replay"
)

// Account is what a demo ends with.
type Account struct {
	// Inserted is by the application's journal; the other four are rows of lead_outbox.
	Inserted, Delivered, Pending int
	Skipped, Dead                map[string]int // by reason
	// ChangedThere is by HubSpot's own log of what people changed; Inbox are the rows of lead_inbox by change type, and
	// Conflicts the fields that both sides changed, as the daemon's log names them.
	ChangedThere, Conflicts int
	Inbox                   map[string]int
	// UnsubscribeMs is from the return of the application's commit of the unsubscribe behind the backlog to settled_at, in
	// ms, -1 = there is none; Overtook are the rows before it that were settled after it.
	UnsubscribeMs int64
	Overtook      int
	// Deleted and Erased are people whose contact was archived, and erased, at the application's word.
	Deleted, Erased int
	// Contacts are the live ones that HubSpot shows at the end. Requests and WriteRequests are HubSpot's count.
	Contacts, Requests, WriteRequests int
	// LatencyP50 and LatencyP99 are in ms, from the return of the application's commit to settled_at, over the delivered
	// rows of the live lane that were committed while nothing was made to go wrong; -1 when there are none.
	LatencyP50, LatencyP99 int64
	Restarts               int
	Balanced               bool
}

// Line is one line of the account.
type Line struct {
	Name  string
	Value any // int, int64, float64 or string
}

// Lines are the account in its fixed order.
func (a Account) Lines() []Line {
	lines := []Line{{"inserted", a.Inserted}, {"delivered", a.Delivered}}
	for _, reason := range slices.Sorted(maps.Keys(a.Skipped)) {
		lines = append(lines, Line{"skipped." + reason, a.Skipped[reason]})
	}
	for _, reason := range slices.Sorted(maps.Keys(a.Dead)) {
		lines = append(lines, Line{"dead." + reason, a.Dead[reason]})
	}
	balance := "broken"
	if a.Balanced {
		balance = "ok"
	}
	perThousand := 0.0
	if a.Inserted > 0 {
		perThousand = math.Round(10*1000*float64(a.WriteRequests)/float64(a.Inserted)) / 10
	}
	lines = append(lines, Line{"pending", a.Pending}, Line{"changed_there", a.ChangedThere})
	for _, changeType := range slices.Sorted(maps.Keys(a.Inbox)) {
		lines = append(lines, Line{"inbox." + changeType, a.Inbox[changeType]})
	}
	return append(lines, Line{"conflicts", a.Conflicts}, Line{"unsubscribe_ms", a.UnsubscribeMs}, Line{"unsubscribe_overtook", a.Overtook},
		Line{"deleted", a.Deleted}, Line{"erased", a.Erased}, Line{"contacts", a.Contacts}, Line{"requests", a.Requests},
		Line{"write_requests_per_1000", perThousand}, Line{"latency_p50_ms", a.LatencyP50}, Line{"latency_p99_ms", a.LatencyP99},
		Line{"restarts", a.Restarts}, Line{"balance", balance})
}

// WriteText writes `name value` lines.
func (a Account) WriteText(w io.Writer) error {
	var b bytes.Buffer
	for _, l := range a.Lines() {
		fmt.Fprintf(&b, "%s %v\n", l.Name, l.Value)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// MarshalJSON is one object with the names of the lines, in their order.
func (a Account) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, l := range a.Lines() {
		if i > 0 {
			b = append(b, ',')
		}
		value, err := json.Marshal(l.Value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", l.Name, err)
		}
		b = append(append(append(b, strconv.Quote(l.Name)...), ':'), value...)
	}
	return append(b, '}'), nil
}

// ending is how one row stands.
type ending struct {
	state, reason, note, contactID, correlationID string
	settledAt                                     int64
}

func (e ending) String() string {
	if e.reason == "" {
		return e.state
	}
	return e.state + "/" + e.reason
}

// account closes the books: journal against outbox, endings against the story, contacts against the plain replay, and
// what people changed against the inbox.
func (s *story) account(ctx context.Context) (*Result, error) {
	if err := s.app.hear(ctx); err != nil { // what came after the last look
		return nil, err
	}
	endings, err := s.app.endings(ctx)
	if err != nil {
		return nil, err
	}
	stats := s.hub.sim.Stats()
	contacts, err := s.hub.contacts(ctx)
	if err != nil {
		return nil, err
	}
	properties, err := s.hub.properties(ctx)
	if err != nil {
		return nil, err
	}
	r := &Result{Broken: s.broken}
	r.Account = add(s.app.journal, endings)
	a := &r.Account
	a.Contacts, a.Requests, a.WriteRequests, a.Restarts = len(contacts), stats.Requests, stats.WriteRequests, s.restarts
	r.Broken = append(r.Broken, balance(s.app.journal, endings)...)
	addLeaving(a, s.app.journal, endings)
	changes := s.peoplesChanges()
	a.ChangedThere, a.Conflicts, a.Inbox = len(changes), s.conflicts, s.app.toldTypes()
	rows := replayRows(s.app.journal, endings)
	found := replay.Check(rows, s.edits, contacts, properties)
	for _, d := range append(found, replay.CheckTold(rows, changes, s.app.told, heard)...) {
		line := d.String()
		if s.source.own && d.Want+d.Got != "" { // invented people may be shown
			line += fmt.Sprintf(" (want %q, got %q)", d.Want, d.Got)
		}
		r.Broken = append(r.Broken, line)
	}
	a.Balanced = len(r.Broken) == 0
	return r, nil
}

// add counts the rows of the outbox and measures the latency.
func add(journal []inserted, endings map[int64]ending) Account {
	a := Account{Inserted: len(journal), Skipped: map[string]int{}, Dead: map[string]int{}, LatencyP50: -1, LatencyP99: -1}
	for _, e := range endings {
		switch e.state {
		case "delivered":
			a.Delivered++
		case "skipped":
			a.Skipped[e.reason]++
		case "dead":
			a.Dead[e.reason]++
		case "pending":
			a.Pending++
		}
	}
	var took []int64
	for _, i := range journal {
		if e, ok := endings[i.id]; ok && i.calm && e.state == "delivered" && i.lane != "backfill" {
			took = append(took, max(0, e.settledAt-i.committedAt.UnixMilli()))
		}
	}
	if len(took) > 0 {
		slices.Sort(took)
		a.LatencyP50, a.LatencyP99 = percentile(took, 50), percentile(took, 99)
	}
	return a
}

// percentile is the nearest rank of sorted values.
func percentile(sorted []int64, p int) int64 {
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// balance holds the journal against the outbox: every row that was committed is there and in one of the four states, no
// other row is, and each ended as the story says.
func balance(journal []inserted, endings map[int64]ending) []string {
	var broken []string
	known := make(map[int64]bool, len(journal))
	for _, i := range journal {
		known[i.id] = true
		e, ok := endings[i.id]
		switch {
		case !ok:
			broken = append(broken, fmt.Sprintf("row %d of lead %s is not in the outbox", i.id, i.leadID))
		case !slices.Contains([]string{"pending", "delivered", "skipped", "dead"}, e.state):
			broken = append(broken, fmt.Sprintf("row %d of lead %s has no state of the contract", i.id, i.leadID))
		case i.want != nil && !slices.Contains(i.want, e.String()):
			broken = append(broken, fmt.Sprintf("row %d of lead %s ended %s, the story has %s", i.id, i.leadID, e, i.want[0]))
		}
	}
	for id := range endings {
		if !known[id] {
			broken = append(broken, fmt.Sprintf("row %d is in the outbox, and nobody committed it", id))
		}
	}
	slices.Sort(broken)
	return broken
}

// replayRows are the journal as it was inserted, with how each row ended.
func replayRows(journal []inserted, endings map[int64]ending) []replay.Row {
	rows := make([]replay.Row, 0, len(journal))
	for _, i := range journal {
		e := endings[i.id]
		row := replay.Row{ID: i.id, LeadID: &i.leadID, EventType: &i.kind, Email: i.email, Properties: &i.properties,
			State: e.state, Reason: e.reason, Note: e.note, ContactID: e.contactID, CorrelationID: e.correlationID}
		if i.eventID != "" {
			row.EventID = &i.eventID
		}
		rows = append(rows, row)
	}
	return rows
}

// endings reads the columns that leadsync writes.
func (a *application) endings(ctx context.Context) (map[int64]ending, error) {
	rows, err := a.db.QueryContext(ctx, `SELECT id, state, reason, note, contact_id, correlation_id, settled_at FROM lead_outbox`)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	all := make(map[int64]ending, len(a.journal))
	for rows.Next() {
		var id int64
		var e ending
		var reason, note, contactID, correlationID sql.NullString
		var settledAt sql.NullInt64
		if err := rows.Scan(&id, &e.state, &reason, &note, &contactID, &correlationID, &settledAt); err != nil {
			return nil, fmt.Errorf("read the outbox: %w", err)
		}
		e.reason, e.note, e.contactID, e.correlationID, e.settledAt = reason.String, note.String, contactID.String, correlationID.String, settledAt.Int64
		all[id] = e
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the outbox: %w", err)
	}
	return all, nil
}
