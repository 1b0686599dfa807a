package intent

import (
	"strings"
	"testing"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

var table = mapping.New([]mapping.Field{{Lead: "first_name", Contact: "firstname"}, {Lead: "plan", Contact: "plan"}}, "")

func entry(typ outbox.Type, email, properties string) *outbox.Entry {
	id, text := "a", string(typ)
	e := &outbox.Entry{ID: 7, LeadID: &id, Type: &text, CreatedAt: 1000, Attempts: 2, PropertiesBytes: int64(len(properties))}
	if email != "" {
		e.Email = &email
	}
	if properties != "" {
		e.Properties = &properties
	}
	return e
}

// Every bad row ends in its own state with its reason, and a good one in none.
func TestNewRow(t *testing.T) {
	leadID := func(id string) func(*outbox.Entry) { return func(e *outbox.Entry) { e.LeadID = &id } }
	for _, c := range []struct {
		name   string
		entry  *outbox.Entry
		change func(*outbox.Entry)
		want   string // state/reason, empty for a row that goes on
	}{
		{"good", entry(outbox.Updated, "Ada@Example.com", `{"plan": "pro"}`), nil, ""},
		{"no properties", entry(outbox.Updated, "ada@example.com", ""), nil, ""},
		{"no lead", entry(outbox.Updated, "", `{}`), func(e *outbox.Entry) { e.LeadID = nil }, "dead/missing_lead_id"},
		{"empty lead", entry(outbox.Updated, "", `{}`), leadID(""), "dead/missing_lead_id"},
		{"long lead", entry(outbox.Updated, "", `{}`), leadID(strings.Repeat("x", lead.MaxIDLength+1)), "dead/lead_id_too_long"},
		{"lead not loaded", entry(outbox.Updated, "", `{}`), func(e *outbox.Entry) { e.Large, e.LeadID = "lead_id", nil }, "dead/lead_id_too_long"},
		{"odd lead", entry(outbox.Updated, "", `{}`), leadID("a\x00"), "dead/invalid_text"},
		{"no type", entry(outbox.Updated, "", `{}`), func(e *outbox.Entry) { e.Type = nil }, "dead/unknown_event_type"},
		{"unknown type", entry("lead.moved", "", `{}`), nil, "dead/unknown_event_type"},
		{"large text", entry(outbox.Updated, "", `{}`), func(e *outbox.Entry) { e.Large = "email" }, "dead/too_large"},
		{"large properties", entry(outbox.Updated, "", ""), func(e *outbox.Entry) { e.PropertiesBytes = outbox.MaxPropertiesBytes + 1 }, "dead/too_large"},
		{"no JSON", entry(outbox.Updated, "", `{"plan`), nil, "dead/invalid_json"},
		{"a list", entry(outbox.Updated, "", `[1]`), nil, "dead/not_an_object"},
		{"nested", entry(outbox.Updated, "", `{"plan": {"name": "pro"}}`), nil, "dead/nested_value"},
		{"no address", entry(outbox.Updated, "ada at home", `{"plan": "pro"}`), nil, "dead/invalid_email"},
		{"a delete with bad fields", entry(outbox.Deleted, "nobody", `{"plan`), nil, ""},
		{"an erase that is large", entry(outbox.Erased, "", ""), func(e *outbox.Entry) { e.Large = "email" }, ""},
	} {
		if c.change != nil {
			c.change(c.entry)
		}
		r, got := NewRow(c.entry, table, false), ""
		if r.End != nil {
			got = string(r.End.State) + "/" + string(r.End.Reason)
			if r.End.ID != 7 || r.End.Attempts != 2 {
				t.Errorf("%s: the outcome is %+v", c.name, r.End)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if r := NewRow(entry(outbox.Updated, "", `{}`), table, true); r.End == nil || r.End.Reason != outbox.Duplicate {
		t.Errorf("a repeated event: %+v", r.End)
	}
}

// A row counts what the mapping knows of it, takes its address from the column before the properties, and names one
// only to be found by where it deletes.
func TestNewRowReadsFields(t *testing.T) {
	r := NewRow(entry(outbox.Registered, " ADA@example.com ", `{"plan": "pro", "email": "other@example.com", "shoe": 9}`), table, false)
	if r.Num() != 7 || r.Event != outbox.Registered || r.Address != "ada@example.com" || len(r.Values) != 1 || r.Mapped != 2 || r.Unmapped != 1 {
		t.Errorf("%+v", r)
	}
	if r := NewRow(entry(outbox.Registered, "", `{"email": "other@example.com"}`), table, false); r.Address != "other@example.com" {
		t.Errorf("address %q", r.Address)
	}
	r = NewRow(entry(outbox.Deleted, "Ada@example.com", `{"plan": "pro"}`), table, false)
	if r.Address != "" || r.LookFor != "ada@example.com" || len(r.Values) != 0 {
		t.Errorf("a delete: %+v", r)
	}
	rows := []*Row{testRow(1, "b"), r, testRow(9, "b"), testRow(10, "c")}
	if got := strings.Join(Addresses(rows), " "); got != "b ada@example.com c" {
		t.Errorf("addresses %s", got)
	}
}

// What HubSpot refused by name is omitted from the row, with its code; a row of which nothing is left says so.
func TestOmit(t *testing.T) {
	r := testRow(1, "", "plan", "pro", "age", "")
	if r.Omit(nil); len(r.Values) != 2 || r.AllOmitted() {
		t.Errorf("nothing was refused: %+v", r)
	}
	r.Omit(map[string]string{"plan": "INVALID_OPTION", "shoe": "X"})
	if len(r.Values) != 1 || len(r.Omitted) != 1 || r.Omitted[0].Code != "INVALID_OPTION" || r.Omitted[0].Raw.Text != "pro" || r.AllOmitted() {
		t.Errorf("%+v", r)
	}
	r.Omit(map[string]string{"age": "X"})
	if !r.AllOmitted() || r.Omitted[1].Raw != (mapping.Raw{}) {
		t.Errorf("%+v", r)
	}
	if r := testRow(1, "a", "plan", "pro"); !r.Carries("plan") || !r.Carries(ledger.AddressField) || r.Carries("age") {
		t.Error("what the row carries")
	}
	if r := testRow(1, "b"); r.EndAs(outbox.Dead, outbox.InvalidProperty, "note").End.Note != "note" || r.AllOmitted() {
		t.Errorf("%+v", r)
	}
}

// A delete counts when nothing newer of the lead was applied, and it was not carried out before.
func TestEffectiveDelete(t *testing.T) {
	for _, c := range []struct {
		typ    outbox.Type
		closed int64
		done   int64
		ended  bool
		want   bool
	}{
		{outbox.Deleted, 0, 6, false, true},
		{outbox.Deleted, 7, 0, false, false},
		{outbox.Deleted, 0, 8, false, false},
		{outbox.Deleted, 0, 6, true, false},
		{outbox.Updated, 0, 6, false, false},
	} {
		r := NewRow(entry(c.typ, "", ""), table, c.ended)
		if got := r.EffectiveDelete(&ledger.Link{ClosedAtID: c.closed, AppliedID: c.done}); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	forever, soon := outbox.Parked, int64(5)
	if (&Row{Entry: &outbox.Entry{}}).Parked() || (&Row{Entry: &outbox.Entry{NotBefore: &soon}}).Parked() ||
		!(&Row{Entry: &outbox.Entry{NotBefore: &forever}}).Parked() {
		t.Error("parked")
	}
}

// An unsubscribe counts and opts its address out however bad its fields are; a resubscribe rests on what it says of the
// person's consent.
func TestConsentOfARow(t *testing.T) {
	at := `"2026-01-02T03:04:05Z"`
	for _, c := range []struct {
		name, email, properties string
		typ                     outbox.Type
		duplicate               bool
		consent                 string
		counts                  bool
		evidence                Evidence
	}{
		{"an unsubscribe", "Ada@example.com", ``, outbox.Unsubscribed, false, ledger.Out, true, Evidence{}},
		{"a bad one", "ada@example.com", `{"plan`, outbox.Unsubscribed, false, ledger.Out, true, Evidence{}},
		{"a repeated one", "ada@example.com", ``, outbox.Unsubscribed, true, ledger.Out, false, Evidence{}},
		{"an update", "ada@example.com", `{}`, outbox.Updated, false, "", false, Evidence{}},
		{"a resubscribe", "", `{"consent": {"at": ` + at + `, "source": " form "}, "plan": "pro"}`, outbox.Resubscribed, false, ledger.In, true, Evidence{1000, "form"}},
		{"in ms", "", `{"consent": {"at": 900, "source": "form"}}`, outbox.Resubscribed, false, ledger.In, true, Evidence{900, "form"}},
		{"without a time", "", `{"consent": {"source": "form"}}`, outbox.Resubscribed, false, ledger.In, true, Evidence{}},
		{"with an odd time", "", `{"consent": {"at": "today", "source": "form"}}`, outbox.Resubscribed, false, ledger.In, true, Evidence{}},
		{"without a source", "", `{"consent": {"at": 900}}`, outbox.Resubscribed, false, ledger.In, true, Evidence{}},
		{"with an odd source", "", `{"consent": {"at": 900, "source": "\u0000"}}`, outbox.Resubscribed, false, ledger.In, true, Evidence{}},
		{"a bad resubscribe", "", `{"consent": 1, "plan": {"a": 1}}`, outbox.Resubscribed, false, ledger.In, false, Evidence{}},
		{"not about us", "", `{"consent": {"at": 900, "source": "form"}}`, outbox.Updated, false, "", false, Evidence{}},
	} {
		r := NewRow(entry(c.typ, c.email, c.properties), table, c.duplicate)
		if r.Consent != c.consent || r.HasConsent() != c.counts || r.Evidence != c.evidence {
			t.Errorf("%s: %q, counts %t, evidence %+v", c.name, r.Consent, r.HasConsent(), r.Evidence)
		}
		if c.typ == outbox.Unsubscribed && r.Address != "ada@example.com" {
			t.Errorf("%s: address %q", c.name, r.Address)
		}
	}
	early, late := int64(900), int64(1100)
	for _, c := range []struct {
		occurred *int64
		want     int64
	}{{nil, 1000}, {&early, 900}, {&late, 1000}} {
		if got := (&Row{Entry: &outbox.Entry{CreatedAt: 1000, OccurredAt: c.occurred}}).SaidAt(); got != c.want {
			t.Errorf("said at %d, want %d", got, c.want)
		}
	}
}
