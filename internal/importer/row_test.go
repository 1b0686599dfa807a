package importer

import (
	"strings"
	"testing"

	"leadsync/internal/outbox"
)

func TestRow(t *testing.T) {
	e, err := Row{LeadID: "42", Email: "ada@example.com", Set: []string{"firstname=Ada", "note=a=b \"c\"", `phone=\N`, "plan="}}.Entry(Options{Live: true, Portal: "west"})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"firstname":"Ada","note":"a=b \"c\"","phone":null,"plan":""}`; *e.Properties != want || e.PropertiesBytes != int64(len(want)) {
		t.Errorf("properties %s, want %s", *e.Properties, want)
	}
	if *e.LeadID != "42" || *e.Type != "lead.registered" || *e.Email != "ada@example.com" || e.Portal != "west" || e.Lane != outbox.Live || e.EventID != nil {
		t.Errorf("%+v", e)
	}
	e, err = Row{LeadID: "42", Type: "lead.updated"}.Entry(Options{})
	if err != nil || e.Email != nil || *e.Properties != "{}" || *e.Type != "lead.updated" || e.Lane != outbox.Backfill {
		t.Errorf("bare row: %+v, %v", e, err)
	}
	for want, r := range map[string]Row{
		"no lead_id":               {},
		"unknown event_type":       {LeadID: "1", Type: "lead.gone"},
		"longer than 255":          {LeadID: strings.Repeat("x", 256)},
		"not of the form":          {LeadID: "1", Set: []string{"plan"}},
		"not of the form name":     {LeadID: "1", Set: []string{"=x"}},
		`property "a" is set`:      {LeadID: "1", Set: []string{"a=1", "a=2"}},
		"not UTF-8":                {LeadID: "1", Set: []string{"a=\xff"}},
		"not UTF-8 text":           {LeadID: "\xff"},
		"properties are larger":    {LeadID: "1", Set: []string{"a=" + strings.Repeat("x", outbox.MaxPropertiesBytes)}},
		"not UTF-8 text: save the": {LeadID: "1", Email: "\xff"},
	} {
		if _, err := r.Entry(Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80v: %v, want %q", r, err, want)
		}
	}
}
