package openapi

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"leadsync/internal/hubspotsim"
)

// witness is a test that notes what is said of it instead of failing.
type witness struct {
	testing.TB
	errors, logs []string
}

func (w *witness) Helper() {}
func (w *witness) Errorf(format string, a ...any) {
	w.errors = append(w.errors, fmt.Sprintf(format, a...))
}
func (w *witness) Logf(format string, a ...any) { w.logs = append(w.logs, fmt.Sprintf(format, a...)) }

// answering gives one answer to everything.
type answering struct {
	status      int
	contentType string
	body        string
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{"Content-Type": {a.contentType}}, Request: req,
		Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// The exchange that the wrong ones are made from: a read of one contact, and the answer to it.
const (
	readPath = "/crm/objects/2026-09/contacts/batch/read"
	readBody = `{"inputs":[{"id":"51"}],"properties":["email"],"propertiesWithHistory":[]}`
	contact  = `{"id":"51","properties":{"email":"ada@example.com","phone":null},"createdAt":"2026-11-22T10:00:00Z","updatedAt":"2026-11-22T10:00:00.123Z","archived":false}`
	readGood = `{"status":"COMPLETE","results":[` + contact + `],"startedAt":"2026-11-22T10:00:00Z","completedAt":"2026-11-22T10:00:00Z"}`
	problem  = `{"status":"error","message":"m","correlationId":"c033cdaa-2c40-4a64-ae48-b4cec88dad24","category":"VALIDATION_ERROR"}`
	jsonType = "application/json;charset=utf-8"
)

// complaints sends one request through Check and gives what the test would have failed with.
func complaints(t *testing.T, method, path, contentType, body string, answer answering) []string {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, host+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	if !strings.HasPrefix(path, "/oauth/") {
		r.Header.Set("Authorization", "Bearer token")
	}
	w := &witness{TB: t}
	resp, err := Check(w, answer).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != answer.body || resp.StatusCode != answer.status {
		t.Fatalf("the answer did not come through as it was: %d %s, %v", resp.StatusCode, got, err)
	}
	return w.errors
}

func TestWrongRequestsAreCaught(t *testing.T) {
	if documentsOf(t) == nil {
		return
	}
	const form = "application/x-www-form-urlencoded"
	cases := []struct{ name, method, path, contentType, body, want string }{
		{"as it should be", "POST", readPath, jsonType, readBody, ""},
		{"unknown key", "POST", readPath, jsonType, strings.Replace(readBody, `"id"`, `"bogus":"1","id"`, 1), "bogus"},
		{"missing key", "POST", readPath, jsonType, strings.Replace(readBody, `,"propertiesWithHistory":[]`, "", 1), "propertiesWithHistory"},
		{"number for a text", "POST", readPath, jsonType, strings.Replace(readBody, `"51"`, `51`, 1), "must be a string"},
		{"no JSON", "POST", readPath, jsonType, "{", "request"},
		{"no body", "POST", readPath, jsonType, "", "required"},
		{"other content type", "POST", readPath, "text/plain", readBody, "Content-Type"},
		{"query parameter", "POST", readPath + "?archive=true", jsonType, readBody, `"archive"`},
		{"query value", "POST", readPath + "?archived=maybe", jsonType, readBody, "archived"},
		{"method", "PUT", readPath, jsonType, readBody, "method"},
		{"path", "POST", "/crm/objects/2026-09/contacts/batch/reed", jsonType, readBody, "no document"},
		{"undated path", "POST", "/crm/v3/objects/contacts/batch/read", jsonType, readBody, "no document"},
		{"number as a value", "POST", "/crm/objects/2026-09/contacts/batch/update", jsonType, `{"inputs":[{"id":"51","properties":{"age":1}}]}`, "must be a string"},
		{"null as a value", "POST", "/crm/objects/2026-09/contacts/batch/update", jsonType, `{"inputs":[{"id":"51","properties":{"age":null}}]}`, "nullable"},
		{"create without associations", "POST", "/crm/objects/2026-09/contacts/batch/create", jsonType, `{"inputs":[{"properties":{}}]}`, "associations"},
		{"body of a GET", "GET", "/account-info/2026-09/details", jsonType, "{}", "body not allowed"},
		{"form field", "POST", "/oauth/2026-09/token/revoke", form, "token=x&client=y", `"client"`},
		{"grant", "POST", "/oauth/2026-09/token", form, "grant_type=password", "grant_type"},
	}
	for _, c := range cases {
		good := answering{200, jsonType, readGood}
		got := complaints(t, c.method, c.path, c.contentType, c.body, good)
		hold(t, c.name, slices.DeleteFunc(got, func(one string) bool { return strings.Contains(one, ": answer") }), c.want)
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, host+"/account-info/2026-09/details", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{TB: t}
	if _, err := Check(w, answering{401, jsonType, problem}).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	hold(t, "no token", w.errors, "no bearer token")
}

func TestWrongAnswersAreCaught(t *testing.T) {
	if documentsOf(t) == nil {
		return
	}
	swap := func(old, with string) answering {
		return answering{200, jsonType, strings.Replace(readGood, old, with, 1)}
	}
	wrong := func(status int, old, with string) answering {
		return answering{status, jsonType, strings.Replace(problem, old, with, 1)}
	}
	cases := []struct {
		name   string
		answer answering
		want   string
	}{
		{"as it should be", answering{200, jsonType, readGood}, ""},
		{"partly refused", answering{207, jsonType, strings.Replace(readGood, `"startedAt"`,
			`"numErrors":1,"errors":[{"status":"error","category":"C","message":"m","context":{"ids":["9"]},"errors":[],"links":{}}],"startedAt"`, 1)}, ""},
		{"refused", answering{400, jsonType, problem}, ""},
		{"page", answering{502, "text/html; charset=UTF-8", "<html>"}, ""},
		{"no id", swap(`"id":"51",`, ""), `"id" is missing`},
		{"number as id", swap(`"51"`, `51`), "must be a string"},
		{"no created time", swap(`"createdAt":"2026-11-22T10:00:00Z",`, ""), `"createdAt" is missing`},
		{"time", swap(`2026-11-22T10:00:00.123Z`, `2026-11-22 10:00`), "date-time"},
		{"unknown key", swap(`"archived"`, `"achived":false,"archived"`), "achived"},
		{"status word", swap("COMPLETE", "DONE"), "allowed values"},
		{"not JSON", swap("}", ""), "invalid character"},
		{"nothing", answering{200, jsonType, "{}"}, "is missing"},
		{"another success", answering{202, jsonType, readGood}, "is missing"},
		{"page of a refusal", answering{400, "text/html", "<html>"}, "text/html"},
		{"refusal without category", wrong(400, `,"category":"VALIDATION_ERROR"`, ""), "category"},
		{"refusal with another id", wrong(400, "c033cdaa-", ""), "uuid"},
		{"refusal with null", wrong(400, `"m"`, "null"), "nullable"},
		{"429 as another refusal", wrong(429, "", ""), "policyName"},
	}
	for _, c := range cases {
		hold(t, c.name, complaints(t, "POST", readPath, jsonType, readBody, c.answer), c.want)
	}
}

// TestFaultsThatBreakTheShapeAreCaught has the simulator break the documents on purpose, as its faults can, and wants
// to hear of it.
func TestFaultsThatBreakTheShapeAreCaught(t *testing.T) {
	docs := documentsOf(t)
	if docs == nil {
		return
	}
	for _, version := range versions {
		heard := map[string]bool{}
		wrap := func(inner http.RoundTripper) http.RoundTripper {
			return watch(inner, func(x *exchange) {
				for _, one := range docs.problems(x) {
					heard[one] = true
				}
			})
		}
		onStage(t, version, hubspotsim.Config{}, wrap, func(s *stage) {
			ops := dataOps(s.good(), s.ada())
			maps.Copy(ops, oauthOps(s))
			for _, run := range ops {
				s.done("without a fault", run(s.Context()))
			}
			if len(heard) > 0 {
				s.Fatalf("without a fault: %v", heard)
			}
			for _, op := range slices.Sorted(maps.Keys(ops)) {
				for _, kind := range []string{"noids", "empty200"} {
					if !unlike(op, kind) {
						continue
					}
					clear(heard)
					s.done("script", s.sim.SetFaults(op+"="+kind+"x1"))
					_ = ops[op](s.Context())
					if len(heard) == 0 {
						s.Errorf("%s=%s was not noticed", op, kind)
					}
				}
			}
		})
	}
}

// TestNotCheckedIsSaid is the way without documents: the transport stays what it was, and the log has it in capitals.
func TestNotCheckedIsSaid(t *testing.T) {
	t.Setenv(Env, "")
	w, inner := &witness{TB: t}, answering{200, jsonType, "{}"}
	if got := Check(w, inner); got != http.RoundTripper(inner) {
		t.Errorf("the transport was wrapped: %T", got)
	}
	if len(w.logs) != 1 || !strings.Contains(w.logs[0], "NOT CHECKED") || !strings.Contains(w.logs[0], Env) {
		t.Errorf("the log says %q", w.logs)
	}
}

// TestBrokenBodiesPass holds the wrapper to changing nothing: a body that breaks off breaks off for the client too.
func TestBrokenBodiesPass(t *testing.T) {
	for _, kind := range []string{"cut", "lost"} {
		onStage(t, "2026-09", hubspotsim.Config{}, func(inner http.RoundTripper) http.RoundTripper { return watch(inner, func(*exchange) {}) }, func(s *stage) {
			s.done("script", s.sim.SetFaults("account="+kind))
			r, err := http.NewRequestWithContext(s.Context(), http.MethodGet, host+"/account-info/2026-09/details", bytes.NewReader(nil))
			s.done("request", err)
			r.Header.Set("Authorization", "Bearer "+s.sim.Credentials().StaticToken)
			resp, err := s.base.RoundTrip(r)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
			}
			if err == nil {
				s.Errorf("%s: the client noticed nothing", kind)
			}
		})
	}
}

// hold wants a complaint that has the word, or none for "".
func hold(t *testing.T, name string, got []string, want string) {
	t.Helper()
	text := strings.Join(got, "\n")
	if want == "" && text != "" || want != "" && !strings.Contains(text, want) {
		t.Errorf("%s: complaints %q, want %q", name, text, want)
	}
}
