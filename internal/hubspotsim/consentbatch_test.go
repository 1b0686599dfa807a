package hubspotsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// rows are a batch's results by address.
func rows(g got) map[string]map[string]any {
	all := map[string]map[string]any{}
	list, _ := g.body["results"].([]any)
	for _, one := range list {
		m := one.(map[string]any)
		all[fmt.Sprint(m["subscriberIdString"])] = m
	}
	return all
}

// The batch forms of section 4.1.
func TestConsentBatches(t *testing.T) {
	s := newSim(t, Config{})
	id := s.types()[0]
	g := post(t, s, consentPath+"/statuses/batch/write", fmt.Sprintf(`{"inputs":[{"subscriberIdString":"A@example.com","channel":"EMAIL","subscriptionId":%d,"statusState":"UNSUBSCRIBED"},
		{"subscriberIdString":"b@example.com","channel":"EMAIL","subscriptionId":%[1]d,"statusState":"SUBSCRIBED"}]}`, id))
	want(t, "write", []any{g.status, g.body["status"], rows(g)["a@example.com"]["status"], rows(g)["b@example.com"]["status"]}, "[200 COMPLETE UNSUBSCRIBED SUBSCRIBED]")
	g = post(t, s, consentPath+"/statuses/batch/read?channel=EMAIL", `{"inputs":["a@example.com","c@example.com"]}`)
	want(t, "read", []any{rows(g)["a@example.com"]["statuses"].([]any)[0].(map[string]any)["status"], rows(g)["c@example.com"]["statuses"].([]any)[0].(map[string]any)["status"]}, "[UNSUBSCRIBED NOT_SPECIFIED]")
	all := consentPath + "/statuses/batch/unsubscribe-all"
	want(t, "not verbose", len(rows(post(t, s, all+"?channel=EMAIL", `{"inputs":["a@example.com"]}`))), 0)
	want(t, "applied", s.OptedOut("a@example.com"), true)
	g = post(t, s, all+"?channel=EMAIL&verbose=true", `{"inputs":["a@example.com","d@example.com"]}`)
	want(t, "verbose", []any{len(rows(g)["a@example.com"]["statuses"].([]any)), len(rows(g)["d@example.com"]["statuses"].([]any))}, "[3 3]")
	g = post(t, s, all+"/read?channel=EMAIL", `{"inputs":["a@example.com","b@example.com"]}`)
	want(t, "out of all", []any{len(rows(g)["a@example.com"]["wideStatuses"].([]any)), len(rows(g)["b@example.com"]["wideStatuses"].([]any))}, "[1 0]")
	want(t, "no channel", post(t, s, all, `{"inputs":["a@example.com"]}`).status, 400)
	want(t, "no inputs", post(t, s, all+"?channel=EMAIL", `{"inputs":[]}`).status, 200)
	want(t, "too many", post(t, s, all+"?channel=EMAIL", `{"inputs":["`+strings.Repeat(`x@example.com","`, 100)+`x@example.com"]}`).status, 400)
}

// Each address of a batch has its own fate; or, under the switches, all share one, or nobody says whose an error is.
func TestConsentBatchPartlyRefused(t *testing.T) {
	body := `{"inputs":["good@example.com","bad","subfault-refused@example.com"]}`
	path := consentPath + "/statuses/batch/unsubscribe-all?channel=EMAIL&verbose=true"
	s := newSim(t, Config{Quirks: Quirks{Consent207: true}})
	g := post(t, s, path, body)
	want(t, "partly", []any{g.status, g.body["numErrors"], len(rows(g)), s.OptedOut("good@example.com")}, "[207 2 1 true]")
	want(t, "whose", []any{g.errors()[0]["context"], g.errors()[1]["context"]}, "[map[subscriberIdString:[bad]] map[subscriberIdString:[subfault-refused@example.com]]]")
	s = newSim(t, Config{Quirks: Quirks{ConsentErrorsUnnamed: true}})
	g = post(t, s, path, body)
	want(t, "unnamed", []any{g.status, g.errors()[0]["context"]}, "[200 map[]]")
	s = newSim(t, Config{Quirks: Quirks{ConsentWhole400: true}})
	want(t, "whole", []any{post(t, s, path, body).status, s.OptedOut("good@example.com")}, "[400 false]")
}

// Single operations and batches have scopes of their own; section 4.3.
func TestConsentScopes(t *testing.T) {
	s := newSim(t, Config{})
	id := s.types()[0]
	read, write := []string{scopeConsentRead, scopeConsent}, []string{scopeConsentWrite, scopeConsent}
	calls := []struct {
		method, path, body string
		scopes             []string
	}{
		{http.MethodGet, consentPath + "/definitions", "", read},
		{http.MethodGet, statusPath("a@example.com") + "?channel=EMAIL", "", read},
		{http.MethodGet, statusPath("a@example.com") + "/unsubscribe-all?channel=EMAIL", "", read},
		{http.MethodPost, statusPath("a@example.com") + "/unsubscribe-all?channel=EMAIL", "", write},
		{http.MethodPost, statusPath("a@example.com"), fmt.Sprintf(`{"channel":"EMAIL","subscriptionId":%d,"statusState":"UNSUBSCRIBED"}`, id), write},
		{http.MethodPost, consentPath + "/statuses/batch/read?channel=EMAIL", `{"inputs":["a@example.com"]}`, []string{scopeConsentBatchRead}},
		{http.MethodPost, consentPath + "/statuses/batch/unsubscribe-all/read?channel=EMAIL", `{"inputs":["a@example.com"]}`, []string{scopeConsentBatchRead}},
		{http.MethodPost, consentPath + "/statuses/batch/unsubscribe-all?channel=EMAIL", `{"inputs":["a@example.com"]}`, []string{scopeConsentBatchWrite}},
		{http.MethodPost, consentPath + "/statuses/batch/write", `{"inputs":[]}`, []string{scopeConsentBatchWrite}},
	}
	all := []string{scopeConsent, scopeConsentRead, scopeConsentWrite, scopeConsentBatchRead, scopeConsentBatchWrite, scopeRead, scopeWrite}
	for _, one := range all {
		if err := s.SetScopes("", []string{one}); err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			status := 403
			for _, may := range c.scopes {
				if may == one {
					status = 200
				}
			}
			g := ask(t, s, c.method, c.path, c.body)
			if g.status != status || status == 403 && g.body["category"] != categoryScopes {
				t.Errorf("%s %s with %s: got %d, want %d: %s", c.method, c.path, one, g.status, status, g.text)
			}
		}
	}
}

// Faults reach subscriptions as they reach everything else, by script and by address; and their requests count in the
// window.
func TestConsentFaultsAndLimits(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Limit: 13})
	path := statusPath("a@example.com") + "/unsubscribe-all?channel=EMAIL&verbose=true"
	if err := s.SetFaults("subscriptions=500x1,sub_all=409x1,subscriptions=empty200x1,subscriptions=drop:1x1,sub_all_read=502htmlx1,subscriptions=lostx1"); err != nil {
		t.Fatal(err)
	}
	want(t, "500", post(t, s, path, "").status, 500)
	want(t, "contacts have none", ask(t, s, http.MethodGet, contactsPath, "").status, 200)
	want(t, "409", post(t, s, path, "").status, 409)
	want(t, "empty200", []any{states(post(t, s, path, "")), s.OptedOut("a@example.com")}, "[[] false]")
	want(t, "drop: applied, not shown", []any{states(post(t, s, path, "")), s.OptedOut("a@example.com")}, "[[] true]")
	want(t, "of one operation", ask(t, s, http.MethodGet, path, "").status, 502)
	_, err := try(t, s, s.Credentials().StaticToken, http.MethodPost, statusPath("b@example.com")+"/unsubscribe-all?channel=EMAIL", "")
	want(t, "lost: applied, no answer", []any{err != nil, s.OptedOut("b@example.com")}, "[true true]")
	want(t, "by address", post(t, s, statusPath("subfault1-500-x@example.com")+"/unsubscribe-all?channel=EMAIL", "").status, 500)
	want(t, "once", post(t, s, statusPath("subfault1-500-x@example.com")+"/unsubscribe-all?channel=EMAIL", "").status, 200)
	want(t, "not of contacts", post(t, s, contactsPath, `{"properties":{"email":"subfault-500@example.com"}}`).status, 201)
	want(t, "nor the other way", post(t, s, statusPath("fault-500@example.com")+"/unsubscribe-all?channel=EMAIL", "").status, 200)
	want(t, "without names", strings.Contains(post(t, s, statusPath("subfault-noid@example.com")+"/unsubscribe-all?channel=EMAIL&verbose=true", "").text, "subscriberIdString"), false)
	want(t, "window", post(t, s, path, "").status, 200)
	want(t, "window is full", post(t, s, path, "").status, 429)
	want(t, "counted", []any{s.Stats().ConsentWrites, s.Stats().Ops["sub_all"]}, "[10 11]")
}

// Over the admin paths; and the blocklist, where an address that nobody has is named by whoever asks to delete it.
func TestAdminConsent(t *testing.T) {
	s := newSim(t, Config{})
	s.mustCreate(t, `{"email":"a@example.com"}`)
	id := s.types()[0]
	want(t, "set", post(t, s, AdminPath+"/subscribe", fmt.Sprintf(`{"email":"a@example.com","id":%d,"status":"UNSUBSCRIBED"}`, id)).status, 200)
	want(t, "unknown", post(t, s, AdminPath+"/subscribe", `{"email":"a@example.com","id":1,"status":"UNSUBSCRIBED"}`).status, 400)
	want(t, "status", []any{s.Status("a@example.com", id), s.Status("a@example.com", 1)}, "[UNSUBSCRIBED NOT_SPECIFIED]")
	want(t, "change", strings.Contains(ask(t, s, http.MethodGet, AdminPath+"/changes", "").text, `"property":"`+optoutProperty(id)+`","value":"true"`), true)
	want(t, "log", strings.Count(ask(t, s, http.MethodGet, AdminPath+"/consent?email=A@example.com", "").text, "\n"), 2)
	want(t, "log of nobody", ask(t, s, http.MethodGet, AdminPath+"/consent?email=b@example.com", "").text, "")
	want(t, "types", strings.Contains(ask(t, s, http.MethodGet, AdminPath+"/subscriptions", "").text, fmt.Sprint(id)), true)
	post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"a@example.com","idProperty":"email"}`)
	post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"unknown@example.com","idProperty":"email"}`)
	gone := `{"objectId":"999999"}`
	want(t, "of nobody", post(t, s, contactsPath+"/gdpr-delete", gone).status, 204)
	if err := s.SetQuirks(Quirks{PurgeMissing404: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "of nobody, under the switch", post(t, s, contactsPath+"/gdpr-delete", gone).status, 404)
	want(t, "blocklist", s.Blocklist(), "[a@example.com unknown@example.com]")
	want(t, "over HTTP", strings.TrimSpace(ask(t, s, http.MethodGet, AdminPath+"/blocklist", "").text), "\"a@example.com\"\n\"unknown@example.com\"")
}
