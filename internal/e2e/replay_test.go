package e2e

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/json"
	"testing"

	"leadsync/internal/replay"
)

// balanced holds the whole outcome against the plain replay: every row in one state that explains itself, every contact
// as the rows say, none too many.
func (s *scene) balanced(t *testing.T) {
	t.Helper()
	rows := s.rows(t)
	var contacts []replay.Contact
	lines := bufio.NewScanner(bytes.NewReader(s.admin("GET", "contacts", "")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c replay.Contact
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		kept := map[string]string{} // what HubSpot sets by itself is none of the events' business
		for _, p := range properties {
			if v, ok := c.Properties[p.Name]; ok {
				kept[p.Name] = v
			}
		}
		contacts = append(contacts, replay.Contact{ID: c.ID, Properties: kept})
	}
	differences := replay.Check(rows, nil, contacts, properties)
	for i, d := range differences {
		if i == 10 {
			t.Errorf("and %d more differences", len(differences)-i)
			break
		}
		t.Errorf("%s (want %q, got %q)", d, d.Want, d.Got)
	}
}

// properties are the definitions the events of these tests use.
var properties = []replay.Property{
	{Name: "email", Type: "string", FieldType: "text"},
	{Name: "firstname", Type: "string", FieldType: "text"},
	{Name: "lastname", Type: "string", FieldType: "text"},
	{Name: "company", Type: "string", FieldType: "text"},
	{Name: "city", Type: "string", FieldType: "text"},
}

func (s *scene) rows(t *testing.T) []replay.Row {
	t.Helper()
	q, err := s.db.Query(`SELECT id, event_id, lead_id, event_type, email, properties, state, coalesce(reason, ''), coalesce(note, ''),
  coalesce(contact_id, ''), coalesce(correlation_id, '') FROM lead_outbox ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var out []replay.Row
	for q.Next() {
		var r replay.Row
		var event, lead, typ, email, props sql.NullString
		if err := q.Scan(&r.ID, &event, &lead, &typ, &email, &props, &r.State, &r.Reason, &r.Note, &r.ContactID, &r.CorrelationID); err != nil {
			t.Fatal(err)
		}
		r.EventID, r.LeadID, r.EventType, r.Email, r.Properties = ptr(event), ptr(lead), ptr(typ), ptr(email), ptr(props)
		out = append(out, r)
	}
	if err := q.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func ptr(s sql.NullString) *string {
	if !s.Valid {
		return nil
	}
	return &s.String
}
