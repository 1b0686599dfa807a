package explain

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
)

// Story is the object of `explain --json`. Times are unix ms, 0 or null where there is none.
type Story struct {
	Portal     string    `json:"portal"`
	PortalID   int64     `json:"portal_id"` // 0 = no account yet
	LeadID     string    `json:"lead_id"`
	LeadHash   string    `json:"lead_hash"`
	Others     []string  `json:"others"` // further leads that go by the same address or contact
	Contact    *Contact  `json:"contact"`
	Events     []Event   `json:"events"` // by id
	MoreEvents bool      `json:"more_events"`
	Requests   []Request `json:"requests"` // the oldest first
	Fields     []Field   `json:"fields"`   // the ledger, by property
	Live       *Live     `json:"live"`     // what HubSpot shows now, when it was asked
	Next       []string  `json:"next"`

	link     *ledger.Link
	known    settlement.Known
	table    *mapping.Table
	previews map[outbox.EntryID]intent.Preview
}

// Contact is the lead's link to HubSpot.
type Contact struct {
	State        ledger.State `json:"state"` // empty = none yet
	ID           string       `json:"contact_id"`
	Address      string       `json:"email"`
	Consent      string       `json:"consent"`
	AppliedID    int64        `json:"applied_id"`
	ClosedAtID   int64        `json:"closed_at_id"`
	SecondLookAt int64        `json:"second_look_at"`
	// Evidence is why the contact is the lead's, of ledger.Whose; empty: nothing shows that it is. Found: it was there
	// before the lead was linked to it. Had are contacts that the lead had in this account before.
	Evidence ledger.Evidence  `json:"evidence"`
	Found    bool             `json:"found"`
	Had      []lead.ContactID `json:"had"`
}

// Event is one row of lead_outbox and what became of it.
type Event struct {
	ID            outbox.EntryID   `json:"id"`
	Type          string           `json:"event_type"`
	Lane          outbox.Lane      `json:"lane"`
	CreatedAt     int64            `json:"created_at"`
	Carries       []string         `json:"carries"` // lead fields, email among them
	State         outbox.State     `json:"state"`
	Reason        string           `json:"reason"`
	Note          string           `json:"note"`
	Attempts      int              `json:"attempts"`
	NotBefore     *int64           `json:"not_before"`
	SettledAt     *int64           `json:"settled_at"`
	CorrelationID string           `json:"correlation_id"`
	FoldedWith    []outbox.EntryID `json:"folded_with"` // rows that the same settlement ended alike
	Rule          string           `json:"rule"`        // why it is so, in words
}

// Request is one request that was about the lead.
type Request struct {
	StartedAt     int64  `json:"started_at"`
	Op            string `json:"op"`
	Status        int    `json:"status"` // 0 = a reading, or no answer
	Answer        string `json:"answer"`
	CorrelationID string `json:"correlation_id"`
	ElapsedMS     int64  `json:"elapsed_ms"`
}

// Field is one property of the ledger.
type Field struct {
	Property string  `json:"property"`
	Sent     string  `json:"sent"`
	Seen     string  `json:"seen"`
	SetBy    int64   `json:"set_by"` // the event whose word it is
	Refused  string  `json:"refused"`
	Rule     string  `json:"rule"`    // direction and winner
	Live     *string `json:"live"`    // what HubSpot shows now
	Verdict  string  `json:"verdict"` // how the two stand
	Owed     *string `json:"owed"`    // what was left out and goes out when HubSpot's definition takes it
	OwedBy   int64   `json:"owed_by"` // the event that said it
}

// Live says how asking HubSpot went.
type Live struct {
	At      int64  `json:"at"`
	Found   bool   `json:"found"`
	Trouble string `json:"trouble"`
	Updated int64  `json:"updated_at"` // when the contact was last changed there
}

// What of a contact is evidence besides the mapped properties.
const (
	moreAddresses = "hs_additional_emails"
	mergedIDs     = "hs_merged_object_ids"
)

// Properties are those that should be asked for with the contact.
func (s *Story) Properties() []string {
	props := append(s.table.Properties(), moreAddresses, mergedIDs)
	for p := range s.fields() {
		props = append(props, p)
	}
	slices.Sort(props)
	return slices.Compact(props)
}

// ContactID is the contact to ask for; empty = there is none.
func (s *Story) ContactID() string {
	if s.link == nil || s.link.State == ledger.None || s.link.State == ledger.Purged {
		return ""
	}
	return string(s.link.ContactID)
}

func (s *Story) fields() map[string]ledger.Field {
	if s.link == nil {
		return nil
	}
	return s.link.Fields
}

func (s *Story) tellEvents(rows []outbox.Entry, repeated map[outbox.EntryID]bool) {
	s.previews = s.foresee(rows, repeated)
	together := map[string][]outbox.EntryID{}
	for i := range rows {
		if key := foldKey(&rows[i]); key != "" {
			together[key] = append(together[key], rows[i].ID)
		}
	}
	for i := range rows {
		r := &rows[i]
		e := Event{ID: r.ID, Type: deref(r.Type), Lane: r.Lane, CreatedAt: r.CreatedAt, Carries: carries(r), State: r.State, Reason: deref(r.Reason), Note: deref(r.Note),
			Attempts: r.Attempts, NotBefore: r.NotBefore, SettledAt: r.SettledAt, CorrelationID: deref(r.CorrelationID), FoldedWith: []outbox.EntryID{}}
		for _, id := range together[foldKey(r)] {
			if id != r.ID {
				e.FoldedWith = append(e.FoldedWith, id)
			}
		}
		e.Rule = rule(r)
		s.Events = append(s.Events, e)
	}
}

// foldKey is the same for rows that one settlement ended alike; empty for those that it does not tell of.
func foldKey(r *outbox.Entry) string {
	if r.SettledAt == nil || r.State != outbox.Delivered && r.State != outbox.Skipped {
		return ""
	}
	return fmt.Sprint(*r.SettledAt, r.State, deref(r.ContactID))
}

// carries lists the fields of a row.
func carries(r *outbox.Entry) []string {
	names := []string{}
	if r.Email != nil {
		names = append(names, "email")
	}
	var fields map[string]json.RawMessage
	if r.Properties != nil && json.Unmarshal([]byte(*r.Properties), &fields) == nil {
		names = append(names, slices.Sorted(maps.Keys(fields))...)
	}
	return names
}

// whose asks the one place that decides whose a contact is.
func (s *Story) whose(c ledger.Shown) ledger.Evidence {
	return ledger.Whose(lead.ID(s.LeadID), s.link, s.known.Had, c)
}

// asShown is what HubSpot shows of the lead's contact, as evidence. It may answer with the record into which that was
// merged.
func (s *Story) asShown(id lead.ContactID, values map[string]string) ledger.Shown {
	c := ledger.Shown{ID: id, Mark: values[s.table.IDProperty()]}
	for _, text := range append(strings.Split(values[moreAddresses], ";"), values[ledger.AddressField]) {
		if a := lead.LowerKey(text); a != "" {
			c.Addresses = append(c.Addresses, a)
		}
	}
	merged := strings.Split(values[mergedIDs], ";")
	c.Merged = func(other lead.ContactID) bool {
		return other != id && (other == s.link.ContactID || slices.Contains(merged, string(other)))
	}
	return c
}

func (s *Story) tellLink() {
	if s.link == nil {
		return
	}
	l := s.link
	s.Contact = &Contact{State: l.State, ID: string(l.ContactID), Address: l.Address, Consent: l.Consent, AppliedID: l.AppliedID, ClosedAtID: l.ClosedAtID,
		SecondLookAt: l.SecondLookAt, Found: s.known.Found[l.ContactID], Had: []lead.ContactID{}}
	s.Contact.Evidence = s.whose(ledger.Shown{ID: l.ContactID, Addresses: []string{l.Address}})
	for id := range s.known.Had {
		if id != l.ContactID {
			s.Contact.Had = append(s.Contact.Had, id)
		}
	}
	slices.Sort(s.Contact.Had)
	for _, p := range slices.Sorted(maps.Keys(l.Fields)) {
		f := l.Fields[p]
		direction, winner := s.table.Rule(p)
		words := "not mapped"
		if direction != "" {
			words = string(direction) + ", " + string(winner) + " wins"
		}
		one := Field{Property: p, Sent: f.Sent, Seen: f.Seen, SetBy: f.Set, Refused: f.Refused, Rule: words}
		if f.Left != nil && l.State == ledger.Linked {
			one.Owed, one.OwedBy = &f.Left.Text, f.Left.ID
		}
		switch {
		case one.Owed != nil:
			one.Verdict = fmt.Sprintf("left out: %s; the value of event %d is owed", f.Refused, f.Left.ID)
		case f.Refused != "":
			one.Verdict = "left out: " + f.Refused
		case len(f.Maybe) > 0:
			one.Verdict = "in doubt: a request that carried it ended without an answer; the contact is read again"
		case !f.Shown && f.Sent != "":
			one.Verdict = "sent, not shown by HubSpot yet"
		case f.Untold && (direction == mapping.Both || direction == mapping.Pull):
			one.Verdict = "a person changed it in HubSpot before the mapping told it; stream mapping of pull tells it"
		case f.Untold:
			one.Verdict = "a person changed it in HubSpot; the application is not told, by the direction of the field"
		case f.Owed:
			one.Verdict = "HubSpot's value lost to an event of ours and is owed to the inbox"
		case f.Sent != f.Seen:
			one.Verdict = "HubSpot keeps it in another form, or a person changed it there"
		default:
			one.Verdict = "as sent"
		}
		s.Fields = append(s.Fields, one)
	}
}

// Beside puts what HubSpot shows now beside the ledger; canon brings its values to the ledger's form. values nil: there
// is no such contact, or trouble says why nothing is known.
func (s *Story) Beside(id lead.ContactID, values map[string]string, canon func(property, value string) string, updated, now time.Time, trouble error) {
	s.Live = &Live{At: now.UnixMilli(), Found: values != nil}
	if trouble != nil {
		s.Live.Trouble = trouble.Error()
		return
	}
	if values == nil {
		return
	}
	s.Contact.Evidence = s.whose(s.asShown(id, values))
	if !updated.IsZero() {
		s.Live.Updated = updated.UnixMilli()
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		v, shown := values[f.Property]
		if !shown {
			continue
		}
		now := canon(f.Property, v)
		f.Live = &now
		switch {
		case f.Owed != nil:
		case now == f.Seen:
			f.Verdict = "in step"
		case now == f.Sent:
			f.Verdict = "as sent; what was seen after it has gone"
		case f.Refused != "":
		default:
			f.Verdict = "changed in HubSpot since; " + f.Rule
		}
	}
}

// tellNext says what happens next, and what would help where nothing does.
func (s *Story) tellNext(rows []outbox.Entry, p status.Portal, now time.Time) {
	say := func(format string, args ...any) { s.Next = append(s.Next, fmt.Sprintf(format, args...)) }
	waits, dead := 0, []string{}
	for i := range rows {
		r := &rows[i]
		switch r.State {
		case outbox.Dead:
			dead = append(dead, fmt.Sprint(r.ID))
		case outbox.Pending:
			waits++
			would := s.previews[r.ID]
			switch {
			case r.NotBefore != nil && *r.NotBefore == outbox.Parked:
				say("event %d is parked (%s); it is looked at again with the next event of the lead, or when the daemon starts", r.ID, deref(r.Note))
			case r.NotBefore != nil && *r.NotBefore > now.UnixMilli():
				say("event %d is tried again in %s (%s), then: %s", r.ID, status.Elapsed(time.UnixMilli(*r.NotBefore).Sub(now)), orWord(deref(r.Note), "put off"), would.Outcome)
			case strings.Contains(deref(r.Note), "waits "):
				say("event %d goes on as soon as nothing holds it up: %s", r.ID, deref(r.Note))
			default:
				say("event %d is sent with the next request of its lane: %s%s", r.ID, would.Outcome, details(would))
			}
		}
	}
	if waits > 0 {
		s.tellLane(p, say)
	}
	if len(dead) > 0 {
		say("dead for good unless you act: mend what the note says, see `leadsync outbox retry %s --preview`, then run it without --preview", strings.Join(dead, " "))
	}
	if s.link != nil && s.link.SecondLookAt > 0 {
		say("the contact is read once more at %s, since an outcome was not certain", status.Clock(s.link.SecondLookAt))
	}
	var owed []string
	for _, f := range s.Fields {
		if f.Owed != nil {
			owed = append(owed, f.Property)
		}
	}
	if len(owed) > 0 {
		say("owed: %s; a value that was left out goes out once its definition in HubSpot takes it, which is looked at daily, at the next refusal and at a reload", strings.Join(owed, ", "))
	}
	if len(s.Next) == 0 {
		say("nothing: every event is settled")
	}
}

// tellLane says why nothing is sent, when that is so.
func (s *Story) tellLane(p status.Portal, say func(string, ...any)) {
	for _, lane := range p.PausedByHand {
		say("lane %s is paused by hand: leadsync resume %s", lane, lane)
	}
	switch {
	case !p.Served:
		say("nothing is sent: no daemon serves portal %s; leadsync status says more", status.Name(s.Portal))
	case p.State != nil && !p.State.Well():
		cause := ""
		if p.Cause != nil {
			cause = ": " + *p.Cause
		}
		say("nothing is sent while the lane is %s%s; leadsync status names the cure", *p.State, cause)
	case p.State != nil && *p.State == breaker.Limited:
		say("the lane is limited by HubSpot; it goes on by itself")
	}
}

func details(p intent.Preview) string {
	var parts []string
	if len(p.Send) > 0 {
		parts = append(parts, "sends "+strings.Join(p.Send, " "))
	}
	if len(p.Unchanged) > 0 {
		parts = append(parts, "unchanged "+strings.Join(p.Unchanged, " "))
	}
	if words := p.OvertakenWords(); words != "" {
		parts = append(parts, "overtaken "+words)
	}
	if p.LeftOut != "" {
		parts = append(parts, p.LeftOut)
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
