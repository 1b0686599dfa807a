package hubspotsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const contactsPath = "/crm/objects/2026-09/contacts"

func newSim(t *testing.T, cfg Config) *Sim {
	t.Helper()
	cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type got struct {
	status int
	body   map[string]any
	text   string
	header http.Header
}

// ask sends one request with the right token and reads the answer.
func ask(t *testing.T, s *Sim, method, path, body string) got {
	t.Helper()
	g, err := try(t, s, s.Credentials().StaticToken, method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return g
}

func try(t *testing.T, s *Sim, token, method, path, body string) (got, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://hubspot.example.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "leadsync/test")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		return got{}, err
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return got{}, err
	}
	g := got{status: resp.StatusCode, header: resp.Header, text: string(b)}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(b, &g.body); err != nil {
			t.Fatalf("answer is no JSON: %v\n%s", err, b)
		}
	}
	return g, nil
}

func post(t *testing.T, s *Sim, path, body string) got {
	t.Helper()
	return ask(t, s, http.MethodPost, path, body)
}

// batch sends a batch; each input is JSON without the trace id, which traced adds.
func batch(t *testing.T, s *Sim, op string, traced bool, inputs ...string) got {
	t.Helper()
	for i := range inputs {
		if traced {
			inputs[i] = strings.TrimSuffix(inputs[i], "}") + fmt.Sprintf(`,"objectWriteTraceId":"row-%d"}`, i)
		}
	}
	return post(t, s, contactsPath+"/batch/"+op, `{"inputs":[`+strings.Join(inputs, ",")+`]}`)
}

func (g got) results() map[string]map[string]any {
	all := map[string]map[string]any{}
	list, _ := g.body["results"].([]any)
	for _, one := range list {
		m := one.(map[string]any)
		id, _ := m["id"].(string)
		all[id] = m
	}
	return all
}

func (g got) errors() []map[string]any {
	var all []map[string]any
	list, _ := g.body["errors"].([]any)
	for _, one := range list {
		all = append(all, one.(map[string]any))
	}
	return all
}

func want(t *testing.T, what string, have, wanted any) {
	t.Helper()
	a, b := fmt.Sprint(have), fmt.Sprint(wanted)
	if a != b {
		t.Errorf("%s: got %s, want %s", what, a, b)
	}
}

// make adds a contact and gives its id.
func (s *Sim) mustCreate(t *testing.T, properties string) string {
	t.Helper()
	g := post(t, s, contactsPath, `{"properties":`+properties+`}`)
	if g.status != http.StatusCreated {
		t.Fatalf("create: %d %s", g.status, g.text)
	}
	return g.body["id"].(string)
}

func (s *Sim) value(t *testing.T, id, name string) string {
	t.Helper()
	for _, c := range s.Contacts() {
		if c.ID == id {
			return c.Properties[name]
		}
	}
	t.Errorf("no live contact %s", id)
	return ""
}

func TestSameSeedSameCredentials(t *testing.T) {
	a, b, other := newSim(t, Config{Seed: 7}), newSim(t, Config{Seed: 7}), newSim(t, Config{Seed: 8})
	want(t, "credentials of one seed", a.Credentials(), b.Credentials())
	if a.Credentials() == other.Credentials() {
		t.Error("another seed gave the same credentials")
	}
	first := a.mustCreate(t, `{"email":"a@example.com"}`)
	if err := a.Reset(); err != nil {
		t.Fatal(err)
	}
	want(t, "credentials after reset", a.Credentials(), b.Credentials())
	want(t, "contacts after reset", len(a.Contacts()), 0)
	want(t, "first id after reset", a.mustCreate(t, `{"email":"a@example.com"}`), first)
}

func TestNewRefusesWhatItCannotUse(t *testing.T) {
	for name, cfg := range map[string]Config{
		"faults":     {Faults: "batch_create=700"},
		"zone":       {TimeZone: "Nowhere/Town"},
		"quirk":      {Quirks: Quirks{Whole400: "sometimes"}},
		"limit":      {Quirks: Quirks{TokenPerSecond: -1}},
		"redirect":   {App: App{RedirectURLs: []string{"http://example.com/cb"}}},
		"property":   {Properties: []Property{{Name: "Bad Name"}}},
		"field type": {Properties: []Property{{Name: "age", Type: "number", FieldType: "text"}}},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

// The bodies of auth-and-limits.md section 1.9.
func TestUnauthorized(t *testing.T) {
	now := time.Date(2026, 11, 24, 8, 0, 0, 7e6, time.UTC)
	s := newSim(t, Config{Limit: 100, Daily: 1000, Clock: func() time.Time { return now }})
	old := s.Credentials().StaticToken
	s.RotateToken(true)
	for _, tc := range []struct{ token, category, message string }{
		{"", "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"},
		{"wrong", "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"},
		{old, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired 0 second(s) ago."},
	} {
		g, err := try(t, s, tc.token, http.MethodPost, contactsPath+"/batch/create", `{"inputs":[{"properties":{"email":"a@example.com"}}]}`)
		if err != nil {
			t.Fatal(err)
		}
		want(t, "status", g.status, 401)
		want(t, "category", g.body["category"], tc.category)
		want(t, "message", g.body["message"], tc.message)
		want(t, "correlation id", g.body["correlationId"], g.header.Get("X-HubSpot-Correlation-Id"))
		want(t, "auth failure header", g.header.Get("x-hubspot-auth-failure"), "401 Unauthorized")
		want(t, "rate header", g.header.Get("X-HubSpot-RateLimit-Remaining"), "")
		if tc.token == old {
			want(t, "expire time", g.body["context"], "map[expire time:[2026-11-24T08:00:00.007Z]]")
		}
	}
	want(t, "contacts", len(s.Contacts()), 0)
	want(t, "unauthorized", s.Stats().Unauthorized, 3)
	want(t, "day used", s.Stats().DayUsed, 0)
}

func TestAccountDetails(t *testing.T) {
	s := newSim(t, Config{TimeZone: "UTC", Daily: 50})
	g := ask(t, s, http.MethodGet, "/account-info/2026-09/details", "")
	want(t, "status", g.status, 200)
	want(t, "portal", int64(g.body["portalId"].(float64)), s.Credentials().PortalID)
	want(t, "zone", g.body["timeZone"], "UTC")
	want(t, "offset", g.body["utcOffset"], "+00:00")
	g = ask(t, s, http.MethodGet, "/account-info/2026-09/api-usage/daily/private-apps", "")
	use := g.body["results"].([]any)[0].(map[string]any)
	want(t, "use", []any{use["usageLimit"], use["currentUsage"]}, []any{50, 2})
}

func TestPaths(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	for _, base := range []string{contactsPath, "/crm/objects/2026-09/0-1", "/crm/objects/2026-03/contacts", "/crm/v3/objects/contacts"} {
		want(t, base, ask(t, s, http.MethodGet, base+"/"+id, "").status, 200)
	}
	want(t, "undated", s.Stats().Undated, 1)
	for path, status := range map[string]int{
		"/crm/objects/2026-09/deals": 404, "/oauth/v2/token": 404, "/oauth/v1/token": 405, "/crm/objects/2025-09/contacts": 404, contactsPath + "/batch/destroy": 404,
	} {
		g := ask(t, s, http.MethodGet, path, "")
		want(t, path, g.status, status)
	}
	want(t, "method", ask(t, s, http.MethodPut, contactsPath+"/"+id, "").status, 405)
	want(t, "method of a batch", ask(t, s, http.MethodGet, contactsPath+"/batch/read", "").status, 405)
}

func TestPropertyDefinitions(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "plan", Type: "enumeration", FieldType: "select", Options: []Option{{Label: "Gold", Value: "gold"}, {Label: "Tin", Value: "tin"}}}}})
	g := ask(t, s, http.MethodGet, "/crm/properties/2026-09/contacts", "")
	byName := map[string]map[string]any{}
	for _, one := range g.body["results"].([]any) {
		m := one.(map[string]any)
		byName[m["name"].(string)] = m
	}
	want(t, "email type", byName["email"]["type"], "string")
	want(t, "datetime has fieldType date", byName["createdate"]["fieldType"], "date")
	for name, readOnly := range map[string]bool{"email": false, "hs_email_optout": true, "hs_object_id": true, "lastmodifieddate": true, "lifecyclestage": false, "plan": false} {
		want(t, name+" read only", byName[name]["modificationMetadata"].(map[string]any)["readOnlyValue"], readOnly)
	}
	want(t, "options", len(byName["plan"]["options"].([]any)), 2)
	// Created by the API, taken, archived, restored; https vendor reference of 2026-09.
	create := `{"groupName":"contactinformation","name":"app_lead_id","label":"App lead id","type":"string","fieldType":"text","hasUniqueValue":true}`
	want(t, "create", post(t, s, "/crm/properties/2026-09/contacts", create).status, 201)
	g = post(t, s, "/crm/properties/2026-09/contacts", create)
	want(t, "taken", []any{g.status, g.body["category"], g.body["subCategory"]}, "[409 OBJECT_ALREADY_EXISTS Properties.PROPERTY_WITH_NAME_EXISTS]")
	one := "/crm/properties/2026-09/0-1/app_lead_id"
	want(t, "unique", ask(t, s, http.MethodGet, one, "").body["hasUniqueValue"], true)
	want(t, "archive", ask(t, s, http.MethodDelete, one, "").status, 204)
	g = ask(t, s, http.MethodGet, one, "")
	want(t, "gone", []any{g.status, g.body["category"]}, "[404 OBJECT_NOT_FOUND]")
	want(t, "write of an archived property", post(t, s, contactsPath, `{"properties":{"email":"a@example.com","app_lead_id":"1"}}`).status, 400)
	want(t, "restored", post(t, s, "/crm/properties/2026-09/contacts", create).status, 201)
	id := s.mustCreate(t, `{"email":"a@example.com","app_lead_id":"1","plan":"tin"}`)
	// An option that is removed stays on the contact and is refused from now on.
	want(t, "patch options", ask(t, s, http.MethodPatch, "/crm/properties/2026-09/contacts/plan", `{"options":[{"label":"Gold","value":"gold"}]}`).status, 200)
	want(t, "kept value", s.value(t, id, "plan"), "tin")
	want(t, "refused option", ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"plan":"tin"}}`).status, 400)
}

func TestDefineProperty(t *testing.T) {
	s := newSim(t, Config{})
	for i := range maxUnique {
		if err := s.DefineProperty(Property{Name: fmt.Sprintf("key_%d", i), HasUniqueValue: true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DefineProperty(Property{Name: "key_more", HasUniqueValue: true}); err == nil {
		t.Error("an eleventh unique property was taken")
	}
	if err := s.DefineProperty(Property{Name: "key_1", Type: "number"}); err == nil {
		t.Error("a type that does not go with the field type was taken")
	}
	if err := s.DefineProperty(Property{Name: "firstname", ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	g := post(t, s, contactsPath, `{"properties":{"email":"a@example.com","firstname":"A"}}`)
	want(t, "read-only by now", g.errors()[0]["code"], codeReadOnly)
}

// EachContact gives all contacts, across chunks, also while others are made.
func TestEachContact(t *testing.T) {
	s := newSim(t, Config{})
	const n = 1100
	for i := range n {
		s.mustCreate(t, fmt.Sprintf(`{"email":"c%d@example.com"}`, i))
	}
	var ids []string
	if err := s.EachContact(func(v ContactView) error { ids = append(ids, v.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	want(t, "contacts", len(ids), n)
	slices.Sort(ids)
	want(t, "different ids", len(slices.Compact(ids)), n)
	stop := errors.New("enough")
	if err := s.EachContact(func(ContactView) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("error of the callback: got %v", err)
	}
}
