package openapi

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"leadsync/internal/testsize"
)

var versions = []string{"2026-09", "2026-03"}

// TestExchangesFitHubSpotsDocuments is the whole of our client against the whole of the simulator, and both against
// HubSpot's own description, in good cases and bad.
func TestExchangesFitHubSpotsDocuments(t *testing.T) {
	documentsOf(t)
	for _, version := range versions {
		for _, one := range scenes() {
			t.Run(version+" "+one.name, func(t *testing.T) {
				onStage(t, version, one.cfg, func(inner http.RoundTripper) http.RoundTripper { return Check(t, inner) }, one.play)
			})
		}
	}
}

// recorded is every exchange of every scene.
func recorded(t *testing.T) []*exchange {
	t.Helper()
	var mu sync.Mutex
	var all []*exchange
	record := func(inner http.RoundTripper) http.RoundTripper {
		return watch(inner, func(x *exchange) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, x)
		})
	}
	for _, version := range versions {
		for _, one := range scenes() {
			onStage(t, version, one.cfg, record, one.play)
		}
	}
	return all
}

// TestScenesMeetEveryStatus keeps the scenes from growing narrow: each operation of the client meets each answer there
// is for it.
func TestScenesMeetEveryStatus(t *testing.T) {
	met := map[string]map[int]int{}
	all := recorded(t)
	for _, x := range all {
		path := x.request.URL.Path
		for _, version := range versions {
			path = strings.ReplaceAll(path, "/"+version, "")
		}
		if id, ok := strings.CutPrefix(path, "/crm/objects/contacts/"); ok && strings.Trim(id, "0123456789") == "" {
			path = "/crm/objects/contacts/ID"
		}
		if seg := strings.Split(path, "/"); len(seg) > 3 && strings.Contains(seg[3], "@") {
			seg[3] = "ADDRESS"
			path = strings.Join(seg, "/")
		}
		op := x.request.Method + " " + path
		if met[op] == nil {
			met[op] = map[int]int{}
		}
		met[op][x.status]++
	}
	for _, op := range slices.Sorted(maps.Keys(met)) {
		t.Logf("%s: %v", op, met[op])
	}
	t.Logf("%d exchanges", len(all))
	always := []int{0, 400, 401, 403, 409, 423, 429, 477, 500, 502, 524}
	for op, good := range map[string][]int{
		"GET /account-info/details": {200}, "GET /crm/properties/contacts": {200}, "GET /crm/objects/contacts/ID": {200, 404},
		"POST /crm/objects/contacts/batch/create": {200, 201, 207}, "POST /crm/objects/contacts/batch/update": {200, 207},
		"POST /crm/objects/contacts/batch/upsert": {200, 207}, "POST /crm/objects/contacts/batch/read": {200, 207},
		"GET /communication-preferences/definitions":      {200},
		"GET /communication-preferences/statuses/ADDRESS": {200}, "GET /communication-preferences/statuses/ADDRESS/unsubscribe-all": {200},
		"POST /communication-preferences/statuses/ADDRESS": {200}, "POST /communication-preferences/statuses/ADDRESS/unsubscribe-all": {200},
		"POST /communication-preferences/statuses/batch/write": {200, 207}, "POST /communication-preferences/statuses/batch/unsubscribe-all": {200, 207},
		"POST /crm/objects/contacts/search": {200}, "GET /crm/objects/contacts": {200}, "POST /crm/objects/contacts/batch/archive": {204},
		"POST /crm/objects/contacts/gdpr-delete": {204},
		"POST /oauth/token":                      {200}, "POST /oauth/token/introspect": {200}, "POST /oauth/token/revoke": {200},
	} {
		for _, status := range slices.Concat(good, always) {
			if met[op][status] == 0 {
				t.Errorf("%s never answered %d", op, status)
			}
		}
	}
}

// TestEachDeviationIsNeeded leaves each out and wants a complaint: what HubSpot's documents came to say is no deviation
// any more.
func TestEachDeviationIsNeeded(t *testing.T) {
	if documentsOf(t) == nil {
		return
	}
	all := recorded(t)
	for _, d := range testsize.Some(t, deviations, 1) { // each loads the documents again
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			docs, err := load(os.Getenv(Env), d.name)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range all {
				if problems := docs.problems(x); problems != nil {
					t.Logf("%s: %s", x, problems[0])
					return
				}
			}
			t.Error("without it everything fits as well: take it out of the table")
		})
	}
}
