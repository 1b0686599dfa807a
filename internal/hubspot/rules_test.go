package hubspot

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// What breaks a rule of design section 1.4 is never sent.
func TestBatchRules(t *testing.T) {
	c := answering(t, 200, done)
	hundred := inputs(MaxBatch)
	over := append(inputs(MaxBatch), row("one more", "5"))
	for _, tc := range []struct {
		name string
		send func() error
	}{
		{"no inputs", func() error { _, err := c.BatchCreate(t.Context(), nil); return err }},
		{"101 inputs", func() error { _, err := c.BatchUpdate(t.Context(), over); return err }},
		{"101 ids", func() error { _, err := c.BatchRead(t.Context(), ReadRequest{IDs: make([]string, 101)}); return err }},
		{"no trace id", func() error { _, err := c.BatchCreate(t.Context(), []Input{{}}); return err }},
		{"a trace id twice", func() error { _, err := c.BatchUpdate(t.Context(), []Input{row("r", "1"), row("r", "2")}); return err }},
		{"an id twice", func() error { _, err := c.BatchUpdate(t.Context(), []Input{row("r", "1"), row("s", "1")}); return err }},
		{"an id twice in other letters", func() error {
			_, err := c.BatchUpsert(t.Context(), "email", []Input{row("r", "ada@example.com"), row("s", "ADA@example.com")})
			return err
		}},
		{"an id twice in a read", func() error {
			_, err := c.BatchRead(t.Context(), ReadRequest{IDProperty: "email", IDs: []string{"Ada@example.com", "ada@Example.com"}})
			return err
		}},
		{"an empty id", func() error { _, err := c.BatchUpdate(t.Context(), []Input{row("r", "")}); return err }},
		{"no id property", func() error { _, err := c.BatchUpsert(t.Context(), "", inputs(1)); return err }},
	} {
		err := tc.send()
		if !errors.Is(err, ErrMisuse) || Classify(err) != ClassInvalid || OutcomeUnknown(err) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if strings.Contains(fmt.Sprint(err), "example") {
			t.Errorf("%s: the text names a person: %v", tc.name, err)
		}
	}
	if _, err := c.BatchUpdate(t.Context(), hundred); err != nil {
		t.Errorf("a full batch: %v", err)
	}
	// A create has no ids: equal ones are no rule of it.
	if _, err := c.BatchCreate(t.Context(), []Input{row("r", ""), row("s", "")}); err != nil {
		t.Errorf("create without ids: %v", err)
	}
}

func TestRequestTooLarge(t *testing.T) {
	s := answers(status(200, done))
	c := clientOf(t, s)
	in := inputs(5)
	for i := range in {
		in[i].Properties["message"] = strings.Repeat("x", 1<<20)
	}
	_, err := c.BatchCreate(t.Context(), in)
	if !errors.Is(err, ErrTooLarge) || Classify(err) != ClassInvalid || OutcomeUnknown(err) || len(s.times) != 0 {
		t.Errorf("five rows of 1 MiB: %v after %d requests", err, len(s.times))
	}
	if _, err = c.BatchCreate(t.Context(), in[:1]); err != nil || len(s.times) != 1 {
		t.Errorf("one row of 1 MiB: %v", err)
	}
}

// What every request carries, and where it goes.
func TestRequestShape(t *testing.T) {
	var got []*http.Request
	rt := roundTrip(func(req *http.Request) (*http.Response, error) {
		got = append(got, req)
		return reply(req, 200, `{"results":[],"portalId":7,"id":"5"}`), nil
	})
	c := clientOf(t, NewTransport(TransportConfig{Base: rt, Tokens: held("s3cret-token")}))
	_, _ = c.Account(t.Context())
	_, _ = c.ContactProperties(t.Context())
	_, _ = c.BatchCreate(t.Context(), inputs(1))
	_, _ = c.BatchUpdate(t.Context(), inputs(1))
	_, _ = c.BatchUpsert(t.Context(), "app_lead_id", inputs(1))
	_, _ = c.BatchRead(t.Context(), ReadRequest{IDProperty: "email", IDs: []string{"ada@example.com"}})
	_, _ = c.Contact(t.Context(), "5", []string{"email", "a&b=c"}, false)
	want := []string{
		"GET /account-info/2026-09/details",
		"GET /crm/properties/2026-09/contacts",
		"POST /crm/objects/2026-09/contacts/batch/create",
		"POST /crm/objects/2026-09/contacts/batch/update",
		"POST /crm/objects/2026-09/contacts/batch/upsert",
		"POST /crm/objects/2026-09/contacts/batch/read?archived=false",
		"GET /crm/objects/2026-09/contacts/5?archived=false&properties=email%2Ca%26b%3Dc",
	}
	if len(got) != len(want) {
		t.Fatalf("%d requests", len(got))
	}
	for i, req := range got {
		if line := req.Method + " " + req.URL.RequestURI(); line != want[i] {
			t.Errorf("request %d: %s, want %s", i, line, want[i])
		}
		if strings.Contains(req.URL.String(), "s3cret") || strings.Contains(req.URL.String(), "ada") {
			t.Errorf("request %d: the URL is %s", i, req.URL)
		}
		if req.Header.Get("User-Agent") != "leadsync/test" || req.Header.Get("Authorization") != "Bearer s3cret-token" || req.Header.Get("Accept") != "application/json" {
			t.Errorf("request %d: header %v", i, req.Header)
		}
		if (req.Header.Get("Content-Type") == "application/json") != (req.Method == http.MethodPost) {
			t.Errorf("request %d: content type %q", i, req.Header.Get("Content-Type"))
		}
	}
}
