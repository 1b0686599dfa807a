package hubspot

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"leadsync/internal/lead"
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
		{"51 ids with history", func() error {
			_, err := c.BatchRead(t.Context(), ReadRequest{IDs: numbers(MaxBatchHistory + 1), History: []string{"phone"}})
			return err
		}},
		{"nothing to archive", func() error { return c.BatchArchive(t.Context(), nil) }},
		{"101 to archive", func() error { return c.BatchArchive(t.Context(), make([]lead.ContactID, 101)) }},
		{"an id twice in an archive", func() error { return c.BatchArchive(t.Context(), []lead.ContactID{"1", "1"}) }},
		{"an archive by address", func() error { return c.BatchArchive(t.Context(), []lead.ContactID{"ada@example.com"}) }},
		{"an erase by address", func() error { return c.GDPRDelete(t.Context(), "ada@example.com") }},
		{"a search for everybody", func() error { _, err := c.Search(t.Context(), SearchRequest{}); return err }},
		{"seven filters", func() error { _, err := c.Search(t.Context(), SearchRequest{Filters: filters(7)}); return err }},
		{"a filter of nothing", func() error {
			_, err := c.Search(t.Context(), SearchRequest{Filters: []Filter{{Operator: "HAS_PROPERTY"}}})
			return err
		}},
		{"a page of 201", func() error {
			_, err := c.Search(t.Context(), SearchRequest{Filters: filters(1), Limit: MaxSearchPage + 1})
			return err
		}},
		{"a page of 101", func() error { _, err := c.List(t.Context(), ListRequest{Limit: MaxListPage + 1}); return err }},
		{"a page below 0", func() error { _, err := c.List(t.Context(), ListRequest{Limit: -1}); return err }},
		{"no address", func() error { _, err := c.OptOutOfAll(t.Context(), "", 0); return err }},
		{"half an address", func() error { _, err := c.OptOut(t.Context(), "ada.example", 7, Basis{}); return err }},
		{"an address with spaces around", func() error { _, err := c.Statuses(t.Context(), " ada@example.com", 0); return err }},
		{"a path as address", func() error { _, err := c.OptedOutOfAll(t.Context(), "..", 0); return err }},
		{"no subscription", func() error { _, err := c.OptOut(t.Context(), "ada@example.com", 0, Basis{}); return err }},
		{"no evidence", func() error { _, err := c.OptIn(t.Context(), "ada@example.com", 7, Evidence{}); return err }},
		{"nobody to opt out", func() error { _, err := c.BatchOptOutOfAll(t.Context(), nil, 0); return err }},
		{"101 to opt out", func() error { _, err := c.BatchOptOutOfAll(t.Context(), addresses(101), 0); return err }},
		{"an address twice", func() error {
			_, err := c.BatchOptOutOfAll(t.Context(), []string{"ada@example.com", "Ada@Example.com"}, 0)
			return err
		}},
		{"101 rows to opt out", func() error { _, err := c.BatchOptOut(t.Context(), make([]OptOutInput, 101), Basis{}); return err }},
		{"an address twice for one subscription", func() error {
			_, err := c.BatchOptOut(t.Context(), []OptOutInput{{"ada@example.com", 7}, {"ADA@example.com", 7}}, Basis{})
			return err
		}},
		{"a row without subscription", func() error {
			_, err := c.BatchOptOut(t.Context(), []OptOutInput{{"ada@example.com", 0}}, Basis{})
			return err
		}},
		{"a row without address", func() error { _, err := c.BatchOptOut(t.Context(), []OptOutInput{{"", 7}}, Basis{}); return err }},
	} {
		err := tc.send()
		if !errors.Is(err, ErrMisuse) || Classify(err) != ClassDefect || OutcomeUnknown(err) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if strings.Contains(fmt.Sprint(err), "example") {
			t.Errorf("%s: the text names a person: %v", tc.name, err)
		}
	}
	if _, err := c.BatchUpdate(t.Context(), hundred); err != nil {
		t.Errorf("a full batch: %v", err)
	}
	if _, err := c.BatchOptOutOfAll(t.Context(), addresses(MaxBatch), 0); err != nil {
		t.Errorf("a full batch of addresses: %v", err)
	}
	if _, err := c.BatchRead(t.Context(), ReadRequest{IDs: numbers(MaxBatchHistory), History: []string{"phone"}}); err != nil {
		t.Errorf("a full batch with history: %v", err)
	}
	// A create has no ids: equal ones are no rule of it.
	if _, err := c.BatchCreate(t.Context(), []Input{row("r", ""), row("s", "")}); err != nil {
		t.Errorf("create without ids: %v", err)
	}
}

func numbers(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint(1000 + i)
	}
	return list
}

func addresses(n int) []string {
	list := numbers(n)
	for i := range list {
		list[i] += "@example.com"
	}
	return list
}

func filters(n int) []Filter {
	list := make([]Filter, n)
	for i := range list {
		list[i] = Filter{Property: "phone", Operator: "HAS_PROPERTY"}
	}
	return list
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
	_, _ = c.Search(t.Context(), window("0"))
	_, _ = c.List(t.Context(), ListRequest{After: "a&b", Archived: true, Properties: []string{"email", "phone"}})
	_ = c.BatchArchive(t.Context(), []lead.ContactID{"5"})
	_ = c.GDPRDelete(t.Context(), "5")
	_, _ = c.SubscriptionDefinitions(t.Context())
	want := []string{
		"GET /account-info/2026-09/details",
		"GET /crm/properties/2026-09/contacts",
		"POST /crm/objects/2026-09/contacts/batch/create",
		"POST /crm/objects/2026-09/contacts/batch/update",
		"POST /crm/objects/2026-09/contacts/batch/upsert",
		"POST /crm/objects/2026-09/contacts/batch/read?archived=false",
		"GET /crm/objects/2026-09/contacts/5?archived=false&properties=email%2Ca%26b%3Dc",
		"POST /crm/objects/2026-09/contacts/search",
		"GET /crm/objects/2026-09/contacts?after=a%26b&archived=true&limit=100&properties=email%2Cphone",
		"POST /crm/objects/2026-09/contacts/batch/archive",
		"POST /crm/objects/2026-09/contacts/gdpr-delete",
		"GET /communication-preferences/2026-09/definitions",
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
