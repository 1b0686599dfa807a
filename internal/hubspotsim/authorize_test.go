package hubspotsim

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const (
	redirectURL = "http://localhost:8976/callback"
	// The verifier and its challenge are those of https://www.rfc-editor.org/rfc/rfc7636 appendix B.
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	minScopes = "oauth crm.objects.contacts.read crm.objects.contacts.write"
)

// visit goes to the authorize page as leadsync would send a browser there; an empty field leaves it out. It gives the
// status, where the browser is sent to, and the page.
func visit(t *testing.T, s *Sim, path string, fields ...string) (int, *url.URL, string) {
	t.Helper()
	v := url.Values{"client_id": {s.Credentials().ClientID}, "redirect_uri": {redirectURL}, "scope": {minScopes}, "state": {"s-1"},
		"response_type": {"code"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(fields); i += 2 {
		if v.Set(fields[i], fields[i+1]); fields[i+1] == "" {
			v.Del(fields[i])
		}
	}
	// Spaces are %20, as HubSpot's SDK has them.
	query := strings.ReplaceAll(v.Encode(), "+", "%20")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hubspot.example.com"+path+"?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, to, string(b)
}

// codeOf is the code of an approved visit.
func codeOf(t *testing.T, s *Sim, answer string) string {
	t.Helper()
	status, to, page := visit(t, s, AuthorizePath, "_sim", answer)
	if code := to.Query().Get("code"); status == http.StatusFound && code != "" {
		return code
	}
	t.Fatalf("authorize: %d %s %s", status, to, page)
	return ""
}

func exchange(t *testing.T, s *Sim, code string) got {
	t.Helper()
	return form(t, s, tokenPath, "grant_type", "authorization_code", "code", code, "redirect_uri", redirectURL, "code_verifier", verifier)
}

func TestAuthorize(t *testing.T) {
	s := newSim(t, Config{})
	cred := s.Credentials()
	status, to, _ := visit(t, s, AuthorizePath)
	want(t, "redirect", []any{status, to.Scheme, to.Host, to.Path, to.Query().Get("state")}, "[302 http localhost:8976 /callback s-1]")
	g := exchange(t, s, to.Query().Get("code"))
	want(t, "exchange", g.status, 200)
	want(t, "scopes", g.body["scopes"], "["+minScopes+"]")
	want(t, "account", int64(g.body["hub_id"].(float64)), cred.PortalID)
	want(t, "own refresh token", g.body["refresh_token"] != cred.RefreshToken, true)
	want(t, "call", listWith(t, s, g.body["access_token"].(string)).status, 200)

	// A redirect URL keeps what it has, and without a state none comes back.
	_, to, _ = visit(t, s, AuthorizePath, "redirect_uri", "https://example.com/cb?x=1", "state", "")
	want(t, "kept", []any{to.Host, to.Query().Get("x"), to.Query().Has("state")}, "[example.com 1 false]")
	// The account in the path.
	_, to, _ = visit(t, s, fmt.Sprintf("/oauth/%d/authorize", cred.OtherPortalID))
	g = exchange(t, s, to.Query().Get("code"))
	want(t, "chosen account", int64(g.body["hub_id"].(float64)), cred.OtherPortalID)
	// Without PKCE it works too: nobody says that HubSpot asks for it.
	_, to, _ = visit(t, s, AuthorizePath, "code_challenge", "", "code_challenge_method", "")
	g = form(t, s, tokenPath, "grant_type", "authorization_code", "code", to.Query().Get("code"), "redirect_uri", redirectURL)
	want(t, "without PKCE", g.status, 200)
	want(t, "no API requests", []int{s.Stats().Ops["authorize"], s.Stats().Nameless}, "[4 0]")
}

// What is wrong with the request is shown on the page and never reaches the redirect URL; section 1.3.
func TestAuthorizeErrorsStayOnThePage(t *testing.T) {
	s := newSim(t, Config{
		App:   App{RedirectURLs: []string{redirectURL}, OptionalScopes: []string{"crm.schemas.contacts.read", "communication_preferences.statuses.batch.read"}},
		Lacks: []string{"communication_preferences.statuses.batch.read"},
	})
	for name, tc := range map[string]struct {
		path   string
		fields []string
		says   string
	}{
		"client":            {AuthorizePath, []string{"client_id", "x"}, "client ID"},
		"unregistered port": {AuthorizePath, []string{"redirect_uri", "http://localhost:8977/callback"}, "redirect URL"},
		"unregistered path": {AuthorizePath, []string{"redirect_uri", redirectURL + "/"}, "redirect URL"},
		"no redirect":       {AuthorizePath, []string{"redirect_uri", ""}, "redirect URL"},
		"no scopes":         {AuthorizePath, []string{"scope", ""}, "Missing: oauth"},
		"required scope":    {AuthorizePath, []string{"scope", "oauth crm.objects.contacts.read"}, "Missing: crm.objects.contacts.write"},
		"undeclared scope":  {AuthorizePath, []string{"scope", minScopes + " crm.objects.deals.read"}, "Unknown: crm.objects.deals.read"},
		"undeclared option": {AuthorizePath, []string{"optional_scope", "crm.objects.deals.read"}, "Unknown: crm.objects.deals.read"},
		"product":           {AuthorizePath, []string{"scope", minScopes + " communication_preferences.statuses.batch.read"}, "does not include"},
		"challenge method":  {AuthorizePath, []string{"code_challenge_method", "plain"}, "S256"},
		"no method":         {AuthorizePath, []string{"code_challenge_method", ""}, "S256"},
		"account":           {"/oauth/77/authorize", nil, "no access"},
		"word for account":  {"/oauth/mine/authorize", nil, "no access"},
		"answer":            {AuthorizePath, []string{"_sim", "perhaps"}, "unknown answer"},
	} {
		status, to, page := visit(t, s, tc.path, tc.fields...)
		want(t, name+": status and redirect", []any{status, to}, "[400 ]")
		if !strings.Contains(page, tc.says) {
			t.Errorf("%s: page does not say %q:\n%s", name, tc.says, page)
		}
	}
	// In optional_scope what the account lacks is dropped silently.
	_, to, _ := visit(t, s, AuthorizePath, "optional_scope", "crm.schemas.contacts.read communication_preferences.statuses.batch.read")
	want(t, "granted", exchange(t, s, to.Query().Get("code")).body["scopes"], "["+minScopes+" crm.schemas.contacts.read]")
}

// Which redirect URLs HubSpot registers; https is required, but for localhost.
func TestRegistrableRedirects(t *testing.T) {
	open := newSim(t, Config{})
	for redirect, ok := range map[string]bool{
		"http://localhost:1/x": true, "https://example.com/cb": true, "http://127.0.0.1:8976/callback": false, "http://[::1]:8976/callback": false,
		"http://example.com/cb": false, "ftp://localhost/": false, "localhost:8976": false, "https://example.com/cb#x": false,
	} {
		status, _, _ := visit(t, open, AuthorizePath, "redirect_uri", redirect)
		want(t, redirect, status == http.StatusFound, ok)
		_, err := New(Config{App: App{RedirectURLs: []string{redirect}}})
		want(t, redirect+" registered", err == nil, ok)
	}
}

func TestAuthorizeAnswers(t *testing.T) {
	s := newSim(t, Config{})
	for answer, check := range map[string]func(url.Values){
		"approve": func(q url.Values) { want(t, "approve", exchange(t, s, q.Get("code")).status, 200) },
		"deny": func(q url.Values) {
			want(t, "deny", []any{q.Get("error"), q.Get("state"), q.Has("code")}, "[access_denied s-1 false]")
		},
		"wrong_state": func(q url.Values) { want(t, "state", q.Get("state") != "s-1" && q.Get("state") != "", true) },
		"no_state":    func(q url.Values) { want(t, "state", []bool{q.Has("state"), q.Has("code")}, "[false true]") },
		"used_code":   func(q url.Values) { want(t, "used", exchange(t, s, q.Get("code")).body["status"], "BAD_AUTH_CODE") },
		"expired_code": func(q url.Values) {
			want(t, "expired", exchange(t, s, q.Get("code")).body["status"], "EXPIRED_AUTH_CODE")
		},
		"other_redirect": func(q url.Values) {
			want(t, "other", exchange(t, s, q.Get("code")).body["status"], "MISMATCH_REDIRECT_URI_AUTH_CODE")
		},
	} {
		status, to, page := visit(t, s, AuthorizePath, "_sim", answer)
		if status != http.StatusFound {
			t.Fatalf("%s: %d %s", answer, status, page)
		}
		check(to.Query())
		// The same, decided beforehand.
		if err := s.SetAuthorize(Authorize{Answer: answer}); err != nil {
			t.Fatal(err)
		}
		_, to, _ = visit(t, s, AuthorizePath)
		check(to.Query())
	}
	other := s.Credentials().OtherPortalID
	if err := s.SetAuthorize(Authorize{PortalID: other}); err != nil {
		t.Fatal(err)
	}
	g := exchange(t, s, codeOf(t, s, ""))
	want(t, "chosen account", int64(g.body["hub_id"].(float64)), other)
	for _, bad := range []Authorize{{Answer: "maybe"}, {PortalID: 7}} {
		if err := s.SetAuthorize(bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// An app that needs a new scope: the login asks for it or is refused; logins of before keep what they had.
func TestSetApp(t *testing.T) {
	s := newSim(t, Config{})
	a := s.App()
	a.RequiredScopes = append(a.RequiredScopes, "crm.schemas.contacts.read")
	if err := s.SetApp(a); err != nil {
		t.Fatal(err)
	}
	status, _, page := visit(t, s, AuthorizePath)
	want(t, "without it", status, 400)
	if !strings.Contains(page, "Missing: crm.schemas.contacts.read") {
		t.Errorf("page: %s", page)
	}
	status, _, _ = visit(t, s, AuthorizePath, "scope", minScopes+" crm.schemas.contacts.read")
	want(t, "with it", status, 302)
	want(t, "older login", refresh(t, s, s.Credentials().RefreshToken).status, 200)
	if err := s.SetApp(App{RequiredScopes: []string{"crm.objects.contacts.read"}}); err != nil {
		t.Fatal(err)
	}
	want(t, "oauth is always one", s.App().RequiredScopes, "[oauth crm.objects.contacts.read]")
	// The lists are the caller's, before and after.
	mine := App{RedirectURLs: []string{redirectURL}, OptionalScopes: []string{"oauth", "crm.schemas.contacts.read"}}
	if err := s.SetApp(mine); err != nil {
		t.Fatal(err)
	}
	want(t, "untouched", mine.OptionalScopes, "[oauth crm.schemas.contacts.read]")
	mine.RedirectURLs[0], s.App().RedirectURLs[0] = "https://example.com/a", "https://example.com/b"
	want(t, "kept", s.App().RedirectURLs, "["+redirectURL+"]")
}
