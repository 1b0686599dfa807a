package hubspot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"leadsync/internal/lead"
)

const ada = "ada+news@example.com"

// status is one result as HubSpot answers it.
func statusOf(address string, id int64, status, reason string) string {
	return fmt.Sprintf(`{"businessUnitId":0,"channel":"EMAIL","subscriberIdString":%q,"subscriptionId":%d,"subscriptionName":"News","status":%q,
		"source":"Public status API","legalBasis":null,"setStatusSuccessReason":%q,"timestamp":"2026-11-22T08:00:00.123Z"}`, address, id, status, reason)
}

func envelope(results string, more ...string) string {
	return `{"status":"SUCCESS","results":[` + results + `],"startedAt":"x","completedAt":"x"` + strings.Join(more, "") + `}`
}

// What the three single writes take for success: the status they asked for, shown for that address and that
// subscription.
func TestSingleConsentEvidence(t *testing.T) {
	all := func(c *Client) error { _, err := c.OptOutOfAll(t.Context(), ada, 0); return err }
	out := func(c *Client) error { _, err := c.OptOut(t.Context(), ada, 7, Basis{}); return err }
	in := func(c *Client) error {
		_, err := c.OptIn(t.Context(), ada, 7, Evidence{At: time.Unix(1, 0), Source: "checkout"})
		return err
	}
	un, sub, none := StatusUnsubscribed, StatusSubscribed, StatusNotSpecified
	for _, tc := range []struct {
		name string
		call func(*Client) error
		body string
		done bool
	}{
		{"out of all", all, envelope(statusOf(ada, 7, un, "UNSUBSCRIBE_FROM_ALL_OCCURRED") + "," + statusOf(ada, 8, un, "UNSUBSCRIBE_FROM_ALL_OCCURRED")), true},
		{"out of all, was out", all, envelope(statusOf(ada, 7, un, ReasonNoChange)), true},
		{"out of all, lower case and spaces", all, envelope(statusOf(" ADA+News@example.com", 7, un, ReasonNoChange)), true},
		{"out of all, one never asked", all, envelope(statusOf(ada, 7, un, "X") + "," + statusOf(ada, 8, none, "X")), true},
		{"out of all, not verbose", all, envelope(""), false},
		{"out of all, somebody else", all, envelope(statusOf("grace@example.org", 7, un, "X")), false},
		{"out of all, one still in", all, envelope(statusOf(ada, 7, un, "X") + "," + statusOf(ada, 8, sub, "X")), false},
		{"out of all, no status", all, envelope(statusOf(ada, 7, "", "X")), false},
		{"out of all, unknown status", all, envelope(statusOf(ada, 7, "PENDING", "X")), false},
		{"out of all, {}", all, `{}`, false},
		{"out of all, no list", all, `{"results":"x"}`, false},
		{"out of all, cut", all, `{"results":[`, false},
		{"out", out, envelope(statusOf(ada, 7, un, "REQUESTED_CHANGE_OCCURRED")), true},
		{"out, was out", out, envelope(statusOf(ada, 7, un, ReasonNoChange)), true},
		{"out, id as text", out, envelope(strings.Replace(statusOf(ada, 7, un, ""), `:7,`, `:"7",`, 1)), true},
		{"out, another subscription", out, envelope(statusOf(ada, 8, un, "X")), false},
		{"out, still in", out, envelope(statusOf(ada, 7, sub, ReasonNoChange)), false},
		{"out, still unspecified", out, envelope(statusOf(ada, 7, none, ReasonNoChange)), false},
		{"out, in and out", out, envelope(statusOf(ada, 7, un, "X") + "," + statusOf(ada, 7, sub, "X")), false},
		{"out, somebody else", out, envelope(statusOf("x"+ada, 7, un, "X")), false},
		{"out, empty", out, envelope(""), false},
		{"in", in, envelope(statusOf(ada, 7, sub, "RESUBSCRIBE_OCCURRED")), true},
		{"in, was in", in, envelope(statusOf(ada, 7, sub, ReasonNoChange)), true},
		{"in, still out", in, envelope(statusOf(ada, 7, un, ReasonNoChange)), false},
		{"in, empty", in, envelope(""), false},
	} {
		err := tc.call(answering(t, 200, tc.body))
		if tc.done != (err == nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err != nil && (!OutcomeUnknown(err) || Classify(err) != ClassTransient || strings.Contains(err.Error(), "ada")) {
			t.Errorf("%s: class %q, unknown %t: %v", tc.name, Classify(err), OutcomeUnknown(err), err)
		}
	}
	// Errors inside an answer of success keep their codes.
	err := out(answering(t, 200, envelope("", `,"numErrors":1,"errors":[{"category":"VALIDATION_ERROR","message":"ada","errors":[{"code":"INVALID_EMAIL","message":"ada"}]}]`)))
	if e, ok := errors.AsType[*Error](err); !ok || e.Category != "VALIDATION_ERROR" || len(e.Details) != 1 || e.Details[0].Code != "INVALID_EMAIL" || !OutcomeUnknown(err) {
		t.Errorf("errors of the envelope: %v", err)
	}
}

// What is sent: the address escaped in the path, every query parameter, and the body.
func TestConsentRequests(t *testing.T) {
	var line, body string
	answer := envelope(statusOf(ada, 7, StatusUnsubscribed, ReasonNoChange))
	c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		line, body = req.Method+" "+req.URL.RequestURI(), ""
		if req.Body != nil {
			raw, _ := io.ReadAll(req.Body)
			body = string(raw)
		}
		return reply(req, 200, answer), nil
	}))
	const at, base = "ada%2Bnews%40example.com", "/communication-preferences/2026-09"
	basis := Basis{LegalBasis: "LEGITIMATE_INTEREST_OTHER", Explanation: `said "no"`}
	for _, tc := range []struct {
		call       func() error
		line, body string
	}{
		{func() error { _, err := c.Statuses(t.Context(), ada, 0); return err }, "GET " + base + "/statuses/" + at + "?channel=EMAIL", ""},
		{func() error { _, err := c.Statuses(t.Context(), ada, 5); return err }, "GET " + base + "/statuses/" + at + "?channel=EMAIL&businessUnitId=5", ""},
		{func() error { _, err := c.OptedOutOfAll(t.Context(), ada, 5); return err }, "GET " + base + "/statuses/" + at + "/unsubscribe-all?channel=EMAIL&businessUnitId=5", ""},
		{func() error { _, err := c.OptOutOfAll(t.Context(), ada, 0); return err }, "POST " + base + "/statuses/" + at + "/unsubscribe-all?channel=EMAIL&verbose=true", ""},
		{func() error { _, err := c.OptOutOfAll(t.Context(), ada, 5); return err }, "POST " + base + "/statuses/" + at + "/unsubscribe-all?channel=EMAIL&businessUnitId=5&verbose=true", ""},
		{func() error { _, err := c.OptOut(t.Context(), ada, 7, Basis{}); return err }, "POST " + base + "/statuses/" + at, `{"channel":"EMAIL","subscriptionId":7,"statusState":"UNSUBSCRIBED"}`},
		{func() error { _, err := c.OptOut(t.Context(), ada, 7, basis); return err }, "POST " + base + "/statuses/" + at,
			`{"channel":"EMAIL","subscriptionId":7,"statusState":"UNSUBSCRIBED","legalBasis":"LEGITIMATE_INTEREST_OTHER","legalBasisExplanation":"said \"no\""}`},
		{func() error { _, err := c.BatchOptOutOfAll(t.Context(), []string{ada, "b@example.com"}, 5); return err }, "POST " + base + "/statuses/batch/unsubscribe-all?channel=EMAIL&businessUnitId=5&verbose=true",
			`{"inputs":["ada+news@example.com","b@example.com"]}`},
		{func() error {
			_, err := c.BatchOptOut(t.Context(), []OptOutInput{{ada, 7}, {ada, 8}}, Basis{LegalBasis: "NON_GDPR"})
			return err
		}, "POST " + base + "/statuses/batch/write",
			`{"inputs":[{"subscriberIdString":"ada+news@example.com","channel":"EMAIL","subscriptionId":7,"statusState":"UNSUBSCRIBED","legalBasis":"NON_GDPR"},` +
				`{"subscriberIdString":"ada+news@example.com","channel":"EMAIL","subscriptionId":8,"statusState":"UNSUBSCRIBED","legalBasis":"NON_GDPR"}]}`},
	} {
		if err := tc.call(); err != nil || line != tc.line || body != tc.body {
			t.Errorf("%v\n got %s %s\nwant %s %s", err, line, body, tc.line, tc.body)
		}
	}
	// Whatever an address holds stays one segment of the path and reaches the other side as it was.
	for _, odd := range []string{"a/../b@example.com", "a?channel=x@example.com", "a#b@example.com", "a b@example.com", "a%2Fb@example.com", "å@exämple.com", "a;b&c=d@example.com/search"} {
		var path string
		_, _ = clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
			path = strings.TrimPrefix(req.URL.Path, base+"/statuses/")
			if kindOf(req) != KindGeneral || req.URL.RawQuery != "channel=EMAIL" {
				t.Errorf("%s: kind %d, query %s", odd, kindOf(req), req.URL.RawQuery)
			}
			return reply(req, 200, `{}`), nil
		})).Statuses(t.Context(), odd, 0)
		if path != odd {
			t.Errorf("%q arrived as %q", odd, path)
		}
	}
}

// G7: SUBSCRIBED leaves the package in one way only, with the evidence in it.
func TestG7OnlyOptInSubscribes(t *testing.T) {
	var bodies []string
	c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		if req.Body != nil {
			raw, _ := io.ReadAll(req.Body)
			bodies = append(bodies, string(raw))
		}
		return reply(req, 200, envelope(statusOf(ada, 7, StatusSubscribed, ReasonNoChange))), nil
	}))
	for op, call := range everyOp(c, ada, StatusSubscribed) {
		bodies = nil
		_ = call(t.Context())
		for _, body := range bodies {
			if strings.Contains(body, `"statusState":"SUBSCRIBED"`) != (op == OpOptIn) {
				t.Errorf("%s sent %s", op, body)
			}
		}
	}
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.FixedZone("", 3600))
	for _, tc := range []struct {
		e    Evidence
		want string
	}{
		{Evidence{At: at, Source: " checkout "}, `{"channel":"EMAIL","subscriptionId":7,"statusState":"SUBSCRIBED","legalBasisExplanation":"consent given at 2026-11-22T08:00:00Z: checkout"}`},
		{Evidence{At: at, Source: "form", Basis: Basis{"CONSENT_WITH_NOTICE", "Newsletter"}},
			`{"channel":"EMAIL","subscriptionId":7,"statusState":"SUBSCRIBED","legalBasis":"CONSENT_WITH_NOTICE","legalBasisExplanation":"Newsletter (consent given at 2026-11-22T08:00:00Z: form)"}`},
	} {
		bodies = nil
		if _, err := c.OptIn(t.Context(), ada, 7, tc.e); err != nil || len(bodies) != 1 || bodies[0] != tc.want {
			t.Errorf("%v, sent %s\nwant %s", err, bodies, tc.want)
		}
	}
	bodies = nil
	for _, e := range []Evidence{{}, {At: at}, {At: at, Source: " "}, {Source: "form"}} {
		if _, err := c.OptIn(t.Context(), ada, 7, e); !errors.Is(err, ErrMisuse) || bodies != nil {
			t.Errorf("%+v: %v, sent %s", e, err, bodies)
		}
	}
	if _, err := c.setStatus(t.Context(), OpOptOut, ada, 7, StatusSubscribed, Basis{}); !errors.Is(err, ErrMisuse) {
		t.Errorf("by another way: %v", err)
	}
}

func TestReadConsent(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 123e6, time.UTC)
	got, err := answering(t, 200, envelope(statusOf("ADA+news@example.com", 7, StatusUnsubscribed, "X")+","+
		`{"subscriberIdString":"ada+news@example.com","subscriptionId":"8","status":"NOT_SPECIFIED","businessUnitId":"5","timestamp":1763798400123}`)).Statuses(t.Context(), ada, 0)
	want := []SubscriptionStatus{
		{Address: "ADA+news@example.com", SubscriptionID: 7, Status: StatusUnsubscribed, At: at, Reason: "X", Source: "Public status API"},
		{Address: "ada+news@example.com", SubscriptionID: 8, Status: StatusNotSpecified, BusinessUnitID: 5, At: time.UnixMilli(1763798400123).UTC()},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("statuses %+v, %v", got, err)
	}
	wide := func(status string) string {
		return envelope(`{"businessUnitId":0,"wideStatusType":"PORTAL_WIDE","subscriberIdString":"ada+news@example.com","status":"` + status + `","channel":"EMAIL","timestamp":"2026-11-22T08:00:00.123Z"}`)
	}
	for body, n := range map[string]int{wide("UNSUBSCRIBED"): 1, wide("SUBSCRIBED"): 0, wide("NOT_SPECIFIED"): 0, envelope(""): 0, wide("SOMETHING_NEW"): 1} {
		got, err := answering(t, 200, body).OptedOutOfAll(t.Context(), ada, 0)
		if err != nil || len(got) != n || n == 1 && got[0].Wide != WidePortal {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	// What cannot be read, or is about somebody else, must not read as "not opted out".
	for _, body := range []string{`{}`, `{"results":null}`, `{"results":{}}`, `{"results":["x"]}`, envelope(statusOf("grace@example.org", 7, StatusSubscribed, "")), envelope(statusOf("", 7, StatusSubscribed, ""))} {
		for op, call := range map[string]func(*Client) error{
			OpStatuses: func(c *Client) error { _, err := c.Statuses(t.Context(), ada, 0); return err },
			OpOptedOut: func(c *Client) error { _, err := c.OptedOutOfAll(t.Context(), ada, 0); return err },
		} {
			if err := call(answering(t, 200, body)); Classify(err) != ClassTransient || OutcomeUnknown(err) {
				t.Errorf("%s, %s: %v", op, body, err)
			}
		}
	}
}

func TestSubscriptionDefinitions(t *testing.T) {
	got, err := answering(t, 200, envelope(`{"id":"39644612","name":"News","description":"d","purpose":"Marketing","communicationMethod":"Email","isActive":true,"isDefault":false,"isInternal":true,"businessUnitId":5},
		{"id":7,"name":"One to one","isActive":"false"}`)).SubscriptionDefinitions(t.Context())
	want := []SubscriptionDefinition{{ID: 39644612, Name: "News", Active: true, Internal: true, BusinessUnitID: 5}, {ID: 7, Name: "One to one"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, body := range []string{`{}`, `{"results":{}}`, envelope(`{"name":"x"}`), envelope(`{"id":"x"}`)} {
		if got, err := answering(t, 200, body).SubscriptionDefinitions(t.Context()); Classify(err) != ClassTransient || got != nil {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// Each row of a batch has its own fate: shown as out, named as refused, or neither.
func TestBatchConsent(t *testing.T) {
	const grace, joan = "Grace@example.org", "joan@example.net"
	refused := `,"errors":[{"status":"error","category":"VALIDATION_ERROR","message":"grace@example.org","context":{"whatever":["grace@example.org","x"]},"errors":[{"code":"INVALID_EMAIL"}]},7]`
	for name, tc := range map[string]struct {
		call    func(*Client) (*ConsentBatch, error)
		results string
	}{
		"of all": {func(c *Client) (*ConsentBatch, error) {
			return c.BatchOptOutOfAll(t.Context(), []string{ada, grace, joan}, 0)
		},
			`{"subscriberIdString":"ada+news@example.com","statuses":[` + strings.Replace(statusOf("", 7, StatusUnsubscribed, ReasonNoChange), `"subscriberIdString":"",`, "", 1) + `]},
			{"subscriberIdString":"joan@example.net","statuses":[` + statusOf(joan, 7, StatusUnsubscribed, "X") + `,` + statusOf(joan, 8, StatusSubscribed, "X") + `]}, 5, {"subscriberIdString":"grace@example.org"}`},
		"of one": {func(c *Client) (*ConsentBatch, error) {
			return c.BatchOptOut(t.Context(), []OptOutInput{{ada, 7}, {grace, 7}, {joan, 7}}, Basis{})
		},
			statusOf(ada, 7, StatusUnsubscribed, "X") + `,` + statusOf(joan, 8, StatusUnsubscribed, "X")},
	} {
		got, err := tc.call(answering(t, 207, envelope(tc.results, refused), headerCorrelation, "c-1"))
		if err != nil || got.CorrelationID != "c-1" {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		id := int64(7)
		if name == "of all" {
			id = 0
		}
		for address, out := range map[string]bool{ada: true, strings.ToUpper(ada): true, grace: false, joan: false} {
			if got.OptedOut(address, id) != out {
				t.Errorf("%s: %s out: %t", name, address, !out)
			}
		}
		want := []BatchError{{Category: "VALIDATION_ERROR", IDs: []string{grace}, Details: []Detail{{Code: "INVALID_EMAIL"}}}}
		if !reflect.DeepEqual(got.Errors, want) {
			t.Errorf("%s: errors %+v", name, got.Errors)
		}
	}
	for _, body := range []string{`{}`, `{"results":"x","errors":"y"}`} {
		got, err := answering(t, 200, body).BatchOptOutOfAll(t.Context(), []string{ada}, 0)
		if err != nil || got.OptedOut(ada, 0) || len(got.Errors) != 0 {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// A 403 says that batches are not for this account, whatever it names; nothing else does.
func TestNoBatchConsent(t *testing.T) {
	batch := func(c *Client) error { _, err := c.BatchOptOutOfAll(t.Context(), []string{ada}, 0); return err }
	rows := func(c *Client) error {
		_, err := c.BatchOptOut(t.Context(), []OptOutInput{{ada, 7}}, Basis{})
		return err
	}
	single := func(c *Client) error { _, err := c.OptOutOfAll(t.Context(), ada, 0); return err }
	for _, tc := range []struct {
		call   func(*Client) error
		status int
		body   string
		want   bool
	}{
		{batch, 403, `{"category":"MISSING_SCOPES"}`, true}, {rows, 403, `{"category":"MISSING_SCOPES"}`, true}, {batch, 403, `{"message":"tier"}`, true},
		{single, 403, `{"category":"MISSING_SCOPES"}`, false}, {batch, 403, `<html>`, false}, {batch, 401, `{}`, false}, {batch, 429, `{}`, false},
		{batch, 400, `{"category":"VALIDATION_ERROR"}`, false}, {batch, 500, `{}`, false}, {batch, 200, `{}`, false},
	} {
		if got := NoBatchConsent(tc.call(answering(t, tc.status, tc.body))); got != tc.want {
			t.Errorf("%d %s: %t", tc.status, tc.body, got)
		}
	}
	if NoBatchConsent(nil) || NoBatchConsent(errors.New("x")) {
		t.Error("of no error of ours")
	}
}

// everyOp is one call of each operation of the client. text stands wherever a person's value may.
func everyOp(c *Client, address, text string) map[string]func(context.Context) error {
	in := []Input{{ID: "51", TraceID: "r", Properties: map[string]string{"email": address, "firstname": text}}}
	evidence := Evidence{At: time.Unix(1, 0), Source: text, Basis: Basis{Explanation: text}}
	return map[string]func(context.Context) error{
		OpAccount:     func(ctx context.Context) error { _, err := c.Account(ctx); return err },
		OpProperties:  func(ctx context.Context) error { _, err := c.ContactProperties(ctx); return err },
		OpContact:     func(ctx context.Context) error { _, err := c.Contact(ctx, "51", nil, false); return err },
		OpBatchCreate: func(ctx context.Context) error { _, err := c.BatchCreate(ctx, in); return err },
		OpBatchUpdate: func(ctx context.Context) error { _, err := c.BatchUpdate(ctx, in); return err },
		OpBatchUpsert: func(ctx context.Context) error {
			_, err := c.BatchUpsert(ctx, "email", []Input{{ID: address, TraceID: "r"}})
			return err
		},
		OpBatchRead: func(ctx context.Context) error {
			_, err := c.BatchRead(ctx, ReadRequest{IDProperty: "email", IDs: []string{address}, History: []string{"email"}})
			return err
		},
		OpSearch: func(ctx context.Context) error {
			_, err := c.Search(ctx, SearchRequest{Filters: []Filter{{Property: "email", Operator: "EQ", Value: address}, {Property: "firstname", Operator: "IN", Values: []string{text}}}})
			return err
		},
		OpList:         func(ctx context.Context) error { _, err := c.List(ctx, ListRequest{After: "51"}); return err },
		OpBatchArchive: func(ctx context.Context) error { return c.BatchArchive(ctx, []lead.ContactID{"51"}) },
		OpGDPRDelete:   func(ctx context.Context) error { return c.GDPRDelete(ctx, "51") },
		OpCreateProperty: func(ctx context.Context) error {
			_, err := c.CreateContactProperty(ctx, NewProperty{Name: "app_lead_id", Label: text, Description: text, Unique: true})
			return err
		},
		OpDefinitions: func(ctx context.Context) error { _, err := c.SubscriptionDefinitions(ctx); return err },
		OpStatuses:    func(ctx context.Context) error { _, err := c.Statuses(ctx, address, 1); return err },
		OpOptedOut:    func(ctx context.Context) error { _, err := c.OptedOutOfAll(ctx, address, 1); return err },
		OpOptOutOfAll: func(ctx context.Context) error { _, err := c.OptOutOfAll(ctx, address, 1); return err },
		OpOptOut: func(ctx context.Context) error {
			_, err := c.OptOut(ctx, address, 7, Basis{Explanation: text})
			return err
		},
		OpOptIn:            func(ctx context.Context) error { _, err := c.OptIn(ctx, address, 7, evidence); return err },
		OpBatchOptOutOfAll: func(ctx context.Context) error { _, err := c.BatchOptOutOfAll(ctx, []string{address}, 1); return err },
		OpBatchOptOut: func(ctx context.Context) error {
			_, err := c.BatchOptOut(ctx, []OptOutInput{{address, 7}}, Basis{Explanation: text})
			return err
		},
	}
}
