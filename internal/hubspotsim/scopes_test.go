package hubspotsim

import (
	"net/http"
	"testing"
)

// A token of the second account works, on that account: the first one's contacts are not touched, and it is counted.
func TestSecondAccount(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "plan"}}})
	cred := s.Credentials()
	id := s.mustCreate(t, `{"email":"a@example.com","firstname":"First"}`)
	oauthToken := refresh(t, s, cred.OtherRefreshToken).body["access_token"].(string)
	for _, token := range []string{cred.OtherStaticToken, oauthToken} {
		g := call200(t, s, token, http.MethodGet, "/account-info/2026-09/details", "")
		want(t, "portal", int64(g.body["portalId"].(float64)), cred.OtherPortalID)
		want(t, "counted", s.Stats().OtherAccount, 0)
	}
	g := call200(t, s, oauthToken, http.MethodPost, contactsPath, `{"properties":{"email":"a@example.com","firstname":"Second","plan":"x"}}`)
	want(t, "same address there", g.status, 201)
	other := g.body["id"].(string)
	g = call200(t, s, cred.OtherStaticToken, http.MethodGet, contactsPath+"/"+other, "")
	want(t, "both tokens mean it", g.body["properties"].(map[string]any)["firstname"], "Second")
	want(t, "first account", []any{len(s.Contacts()), s.value(t, id, "firstname")}, "[1 First]")
	want(t, "read with a first token", ask(t, s, http.MethodGet, contactsPath+"/"+id, "").body["properties"].(map[string]any)["firstname"], "First")
	st := s.Stats()
	want(t, "counted", []int{st.OtherAccount, st.Contacts}, "[2 1]")
	// An address that chooses a fault is looked up in the account of the token.
	call200(t, s, oauthToken, http.MethodPost, contactsPath, `{"properties":{"email":"fault-dropapplied@example.com"}}`)
	g = call200(t, s, oauthToken, http.MethodGet, contactsPath+"/fault-dropapplied%40example.com?idProperty=email", "")
	g = call200(t, s, oauthToken, http.MethodPatch, contactsPath+"/"+g.body["id"].(string), `{"properties":{"city":"Ulm"}}`)
	want(t, "hidden", []any{g.status, g.text}, "[200 {}]")
}

// A data call without its scope: the exact body of section 1.9, and nothing else stops.
func TestScopes(t *testing.T) {
	s := newSim(t, Config{})
	token := access(t, s)
	if err := s.SetScopes(token, []string{"oauth", "crm.objects.contacts.read"}); err != nil {
		t.Fatal(err)
	}
	g := call200(t, s, token, http.MethodPost, contactsPath+"/batch/create", `{"inputs":[{"properties":{"email":"a@example.com"}}]}`)
	want(t, "status", g.status, 403)
	delete(g.body, "correlationId")
	want(t, "body", g.body, "map[category:MISSING_SCOPES errors:[map[context:map[requiredGranularScopes:[crm.objects.contacts.write]] message:All of the following scopes are required.]] "+
		"links:map[scopes:https://developers.hubspot.com/scopes] message:This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes. status:error]")
	want(t, "contacts", len(s.Contacts()), 0)
	want(t, "reading", listWith(t, s, token).status, 200)
	want(t, "definitions", call200(t, s, token, http.MethodGet, "/crm/properties/2026-09/contacts", "").status, 200)
	want(t, "new definition", call200(t, s, token, http.MethodPost, "/crm/properties/2026-09/contacts", "{}").status, 403)
	want(t, "a later token of the login", call200(t, s, access(t, s), http.MethodPost, contactsPath, "{}").status, 403)
	want(t, "static token", post(t, s, contactsPath, `{"properties":{"email":"a@example.com"}}`).status, 201)

	if err := s.SetScopes("", []string{"oauth"}); err != nil {
		t.Fatal(err)
	}
	g = ask(t, s, http.MethodGet, "/crm/properties/2026-09/contacts", "")
	want(t, "one of several", []any{g.status, g.errors()[0]["message"], g.errors()[0]["context"]}, "[403 One or more of the following scopes are required. "+
		"map[requiredGranularScopes:[crm.schemas.contacts.read crm.objects.contacts.read crm.objects.contacts.write]]]")
	want(t, "account details", ask(t, s, http.MethodGet, "/account-info/2026-09/details", "").status, 200)
	want(t, "scopes in the answer", refresh(t, s, s.Credentials().RefreshToken).body["scopes"], "[oauth]")
	if err := s.SetScopes("", nil); err != nil {
		t.Fatal(err)
	}
	want(t, "all again", listWith(t, s, token).status, 200)
	if err := s.SetScopes("nobody", nil); err == nil {
		t.Error("scopes of an unknown token were set")
	}
	if err := s.SetScopes("", []string{"oauth crm"}); err == nil {
		t.Error("two scopes in one word were set")
	}
}
