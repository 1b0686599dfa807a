package hubspot

import (
	"errors"
	"io"
	"net/http"
	"testing"

	"leadsync/internal/hubspotsim"
)

func TestCreateContactProperty(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	if err := sim.SetScopes("", []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.schemas.contacts.write"}); err != nil {
		t.Fatal(err)
	}
	c := clientFor(t, sim, nil, nil)
	want := NewProperty{Name: "app_lead_id", Label: "Lead id", Description: "d", Unique: true}
	made, err := c.CreateContactProperty(t.Context(), want)
	if err != nil || made.Name != want.Name || made.Label != want.Label || !made.HasUniqueValue || made.Type != "string" || made.ReadOnlyValue {
		t.Fatalf("%+v, %v", made, err)
	}
	if _, err := c.BatchUpsert(t.Context(), "app_lead_id", []Input{row("r", "42", "app_lead_id", "42", "email", "ada@example.com")}); err != nil {
		t.Errorf("upsert by it: %v", err)
	}
	if _, err := c.CreateContactProperty(t.Context(), want); Classify(err) != ClassConflict || OutcomeUnknown(err) {
		t.Errorf("a second time: %v", err)
	}
	for _, p := range []NewProperty{{}, {Name: "x"}, {Label: "x"}} {
		if _, err := c.CreateContactProperty(t.Context(), p); !errors.Is(err, ErrMisuse) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	var body string
	c = clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(req.Body)
		body = string(raw)
		return reply(req, 201, `{"name":"other","label":"x"}`), nil
	}))
	if _, err := c.CreateContactProperty(t.Context(), want); err == nil || !OutcomeUnknown(err) {
		t.Errorf("an answer about another property: %v", err)
	}
	if body != `{"groupName":"contactinformation","name":"app_lead_id","label":"Lead id","description":"d","type":"string","fieldType":"text","formField":false,"hasUniqueValue":true}` {
		t.Errorf("sent %s", body)
	}
	for _, text := range []string{`{}`, `[]`, ``, `{"name":"app_lead_id"}]},{"x":[{`} {
		if got, err := answering(t, 201, text).CreateContactProperty(t.Context(), want); err == nil || !OutcomeUnknown(err) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
