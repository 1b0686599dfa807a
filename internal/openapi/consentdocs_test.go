package openapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"leadsync/internal/hubspot"
)

// The bodies of the subscription endpoints, as the documents describe them.
const (
	oneStatus = `{"businessUnitId":0,"channel":"EMAIL","subscriberIdString":"ada+news@example.com","subscriptionId":7,"subscriptionName":"News","status":"STATUS",` +
		`"source":"Public status API","setStatusSuccessReason":"REQUESTED_CHANGE_OCCURRED","timestamp":"2026-11-22T08:00:00.123Z"}`
	wideStatus = `{"businessUnitId":0,"wideStatusType":"PORTAL_WIDE","subscriberIdString":"ada+news@example.com","status":"UNSUBSCRIBED","channel":"EMAIL","timestamp":"2026-11-22T08:00:00Z"}`
	definition = `{"id":"7","name":"News","description":"d","purpose":"Marketing","communicationMethod":"Email","isActive":true,"isDefault":false,"isInternal":false,` +
		`"businessUnitId":0,"createdAt":"2026-11-22T08:00:00Z","updatedAt":"2026-11-22T08:00:00Z"}`
	ofAddress = `{"subscriberIdString":"ada+news@example.com","statuses":[` + oneStatus + `]}`
)

// consentAnswers answers each subscription endpoint with success.
type consentAnswers struct{}

func (consentAnswers) RoundTrip(req *http.Request) (*http.Response, error) {
	result := strings.Replace(oneStatus, "STATUS", "UNSUBSCRIBED", 1)
	switch path := req.URL.Path; {
	case strings.HasSuffix(path, "/definitions"):
		result = definition
	case strings.HasSuffix(path, "/batch/unsubscribe-all"):
		result = strings.Replace(ofAddress, "STATUS", "UNSUBSCRIBED", 1)
	case strings.HasSuffix(path, "/unsubscribe-all") && req.Method == http.MethodGet:
		result = wideStatus
	case req.Header.Get("X-Wanted") != "":
		result = strings.Replace(oneStatus, "STATUS", req.Header.Get("X-Wanted"), 1)
	}
	body := `{"status":"COMPLETE","results":[` + result + `],"startedAt":"2026-11-22T08:00:00Z","completedAt":"2026-11-22T08:00:00Z"}`
	return answering{200, jsonType, body}.RoundTrip(req)
}

// wanting has the answer show one status.
type wanting struct {
	status string
	inner  http.RoundTripper
}

func (w wanting) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Wanted", w.status)
	return w.inner.RoundTrip(req)
}

// TestConsentFitsHubSpotsDocuments sends every subscription request of the client, with and without what may be left
// out, and answers it as the documents say.
func TestConsentFitsHubSpotsDocuments(t *testing.T) {
	documentsOf(t)
	const ada = "ada+news@example.com"
	for _, version := range versions {
		client := func(base http.RoundTripper) *hubspot.Client {
			return hubspot.New(hubspot.Config{BaseURL: host, APIVersion: version, UserAgent: "leadsync/test", Timeout: timeout,
				HTTP: &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{Base: base, Tokens: held("token")})}})
		}
		checked := Check(t, consentAnswers{})
		c, in := client(checked), client(wanting{"SUBSCRIBED", checked})
		ctx := t.Context()
		want := func(what string, n int, err error) {
			t.Helper()
			if err != nil || n != 1 {
				t.Errorf("%s %s: %d results, %v", version, what, n, err)
			}
		}
		defs, err := c.SubscriptionDefinitions(ctx)
		want("definitions", len(defs), err)
		for _, unit := range []int64{0, 5} {
			list, err := c.Statuses(ctx, ada, unit)
			want("statuses", len(list), err)
			list, err = c.OptedOutOfAll(ctx, ada, unit)
			want("opted out of all", len(list), err)
			list, err = c.OptOutOfAll(ctx, ada, unit)
			want("opt out of all", len(list), err)
			batch, err := c.BatchOptOutOfAll(ctx, []string{ada, "grace@example.org"}, unit)
			want("batch of all", len(batch.Results), err)
		}
		for _, legal := range append(slices.Clone(hubspot.LegalBases), "") {
			b := hubspot.Basis{LegalBasis: legal, Explanation: legal}
			_, err := c.OptOut(ctx, ada, 7, b)
			want("opt out", 1, err)
			_, err = in.OptIn(ctx, ada, 7, hubspot.Evidence{At: time.Unix(1, 0), Source: "checkout", Basis: b})
			want("opt in", 1, err)
			batch, err := c.BatchOptOut(ctx, []hubspot.OptOutInput{{Address: ada, SubscriptionID: 7}, {Address: ada, SubscriptionID: 8}}, b)
			want("batch", len(batch.Results), err)
		}
	}
}

// TestWrongConsentIsCaught keeps the test above honest.
func TestWrongConsentIsCaught(t *testing.T) {
	if documentsOf(t) == nil {
		return
	}
	const one, all = "/communication-preferences/2026-09/statuses/ada%40example.com", "/communication-preferences/2026-09/statuses/batch/unsubscribe-all"
	body := `{"channel":"EMAIL","subscriptionId":7,"statusState":"UNSUBSCRIBED"}`
	for _, c := range []struct{ name, method, path, body, want string }{
		{"as it should be", "POST", one, body, ""},
		{"id as a text", "POST", one, strings.Replace(body, "7", `"7"`, 1), "must be an integer"},
		{"no channel", "POST", one, strings.Replace(body, `"channel":"EMAIL",`, "", 1), "channel"},
		{"status of v3", "POST", one, strings.Replace(body, "UNSUBSCRIBED", "NOT_SUBSCRIBED", 1), "statusState"},
		{"legal basis", "POST", one, strings.Replace(body, "}", `,"legalBasis":"BECAUSE"}`, 1), "legalBasis"},
		{"no channel to read", "GET", one, "", "channel"},
		{"no channel in a batch", "POST", all, `{"inputs":["ada@example.com"]}`, "channel"},
		{"inputs as objects", "POST", all + "?channel=EMAIL", `{"inputs":[{"id":"ada@example.com"}]}`, "must be a string"},
	} {
		good := answering{200, jsonType, `{"status":"COMPLETE","results":[],"startedAt":"2026-11-22T08:00:00Z","completedAt":"2026-11-22T08:00:00Z"}`}
		hold(t, c.name, complaints(t, c.method, c.path, jsonType, c.body, good), c.want)
	}
}

// TestScopesAreHubSpots holds the client's table of scopes to what the documents say of each operation.
func TestScopesAreHubSpots(t *testing.T) {
	docs := documentsOf(t)
	if docs == nil {
		return
	}
	paths := map[string]string{
		hubspot.OpAccount: "GET /account-info/%s/details", hubspot.OpProperties: "GET /crm/properties/%s/contacts",
		hubspot.OpContact: "GET /crm/objects/%s/contacts/5", hubspot.OpBatchRead: "POST /crm/objects/%s/contacts/batch/read",
		hubspot.OpSearch: "POST /crm/objects/%s/contacts/search", hubspot.OpList: "GET /crm/objects/%s/contacts",
		hubspot.OpBatchCreate: "POST /crm/objects/%s/contacts/batch/create", hubspot.OpBatchUpdate: "POST /crm/objects/%s/contacts/batch/update",
		hubspot.OpBatchUpsert: "POST /crm/objects/%s/contacts/batch/upsert", hubspot.OpBatchArchive: "POST /crm/objects/%s/contacts/batch/archive",
		hubspot.OpGDPRDelete: "POST /crm/objects/%s/contacts/gdpr-delete", hubspot.OpDefinitions: "GET /communication-preferences/%s/definitions",
		hubspot.OpStatuses: "GET /communication-preferences/%s/statuses/a", hubspot.OpOptedOut: "GET /communication-preferences/%s/statuses/a/unsubscribe-all",
		hubspot.OpOptOutOfAll: "POST /communication-preferences/%s/statuses/a/unsubscribe-all", hubspot.OpOptOut: "POST /communication-preferences/%s/statuses/a",
		hubspot.OpOptIn: "POST /communication-preferences/%s/statuses/a", hubspot.OpBatchOptOutOfAll: "POST /communication-preferences/%s/statuses/batch/unsubscribe-all",
		hubspot.OpBatchOptOut: "POST /communication-preferences/%s/statuses/batch/write",
	}
	for _, version := range versions {
		for op, line := range paths {
			method, path, _ := strings.Cut(fmt.Sprintf(line, version), " ")
			req, err := http.NewRequestWithContext(context.Background(), method, host+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			route, _, err := docs.route(req)
			if err != nil {
				t.Errorf("%s %s: %v", version, op, err)
				continue
			}
			allowed := map[string]bool{}
			for _, one := range *route.Operation.Security {
				if names := openapi3.SecurityRequirement(one)["oauth2"]; len(names) == 1 {
					allowed[names[0]] = true
				}
			}
			// A property may be read with a scope of any kind of object; of the others the table must be whole.
			ours := hubspot.ScopesFor(op)
			if op == hubspot.OpProperties {
				maps.DeleteFunc(allowed, func(one string, _ bool) bool { return !slices.Contains(ours, one) })
			}
			if have := slices.Sorted(maps.Keys(allowed)); !slices.Equal(have, slices.Sorted(slices.Values(ours))) {
				t.Errorf("%s %s: the document has %v, the table %v", version, op, have, ours)
			}
		}
	}
}
