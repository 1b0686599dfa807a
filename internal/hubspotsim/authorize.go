package hubspotsim

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AuthorizePath is where the authorize page is. On HubSpot it has another host, app.hubspot.com.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/oauth/working-with-oauth, read
// 2026-11-22
const AuthorizePath = "/oauth/authorize"

// Authorize is what the person at the authorize page does. The zero value approves, for the first account.
type Authorize struct {
	// Answer is one of
	//
	//	"", approve     to the redirect URL with a code and the state
	//	deny            to the redirect URL with error=access_denied, as RFC 6749 has it; what HubSpot sends is not documented
	//	wrong_state     approved, with another state than the one sent
	//	no_state        approved, without a state
	//	used_code       approved, with a code that was exchanged already: BAD_AUTH_CODE
	//	expired_code    approved, with a code whose time is over: EXPIRED_AUTH_CODE
	//	other_redirect  approved, with a code for another redirect URL: MISMATCH_REDIRECT_URI_AUTH_CODE
	Answer string `json:"answer"`
	// PortalID is the account that is chosen; 0 = the first. A page that names its account is not asked.
	PortalID int64 `json:"portal_id"`
}

var errNoAccount = errors.New("no such account")

var authorizeAnswers = []string{"", "approve", "deny", "wrong_state", "no_state", "used_code", "expired_code", "other_redirect"}

func checkAnswer(answer string) error {
	if !slices.Contains(authorizeAnswers, answer) {
		return fmt.Errorf("unknown answer %q of the authorize page; want one of %s", answer, strings.Join(authorizeAnswers[1:], " "))
	}
	return nil
}

// SetAuthorize decides all visits to the authorize page from now on. A visit with the query parameter _sim=ANSWER
// decides for itself. It fails on an unknown answer or account.
func (s *Sim) SetAuthorize(a Authorize) error {
	if err := checkAnswer(a.Answer); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.PortalID != 0 && a.PortalID != s.cred.PortalID && a.PortalID != s.cred.OtherPortalID {
		return fmt.Errorf("choose account %d: %w", a.PortalID, errNoAccount)
	}
	s.choice = a
	return nil
}

// authorizeOf recognises the page: /oauth/authorize, or /oauth/{accountId}/authorize, which chooses the account.
func authorizeOf(path string) (account string, ok bool) {
	seg := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(seg) == 2 && seg[0] == "oauth" && seg[1] == "authorize":
		return "", true
	case len(seg) == 3 && seg[0] == "oauth" && seg[2] == "authorize":
		return seg[1], true
	}
	return "", false
}

// authorize is a visit to the page. It redirects at once, as if the person had clicked. What is wrong with the request
// itself is shown on the page and never reaches the redirect URL (https://github.com/n8n-io/n8n/issues/23204): the
// answer is then 400 with a page of text, where HubSpot's page is a script that is always 200.
func (s *Sim) authorize(r *http.Request, account string) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Ops["authorize"]++
	q := r.URL.Query()
	choice := s.choice
	if own := q.Get("_sim"); own != "" {
		choice.Answer = own
	}
	code := &authCode{client: s.cred.ClientID, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), hub: s.cred.PortalID}
	var wrong string
	if account != "" {
		choice.PortalID, _ = strconv.ParseInt(account, 10, 64)
	}
	if choice.PortalID != 0 || account != "" {
		code.hub = choice.PortalID
	}
	switch {
	case r.Method != http.MethodGet:
		return reply{status: http.StatusMethodNotAllowed, header: http.Header{"Content-Type": {"text/plain"}}, body: []byte("GET only\n")}
	case checkAnswer(choice.Answer) != nil:
		wrong = checkAnswer(choice.Answer).Error()
	case q.Get("client_id") != s.cred.ClientID:
		wrong = "The client ID is missing or unknown."
	case !s.app.registered(code.redirect):
		wrong = "The redirect URL does not match one of the app's registered redirect URLs: " + code.redirect
	case code.hub != s.cred.PortalID && code.hub != s.cred.OtherPortalID:
		wrong = "You have no access to this account."
	case code.challenge != "" && q.Get("code_challenge_method") != "S256":
		// Only S256 is advertised: https://github.com/bagofwords1/bagofwords, hubspot-mcp-preset.md
		wrong = "The code challenge method must be S256."
	default:
		code.scopes, wrong = s.grantable(strings.Fields(q.Get("scope")), strings.Fields(q.Get("optional_scope")))
	}
	if wrong != "" {
		return consentError(wrong)
	}
	return s.leave(code, choice.Answer, q)
}

// grantable says which scopes a login gets. scope must hold every required one and nothing that the app does not
// declare (https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes, and what
// happens otherwise: https://github.com/n8n-io/n8n/issues/23204,
// https://github.com/veryfront/veryfront-code/pull/2135); one that the account's products lack ends the install
// (https://github.com/PipedreamHQ/pipedream/issues/20618), but is dropped silently from optional_scope
// (https://github.com/HubSpot/hubspot-api-nodejs).
func (s *Sim) grantable(scope, optional []string) (granted []string, wrong string) {
	for _, one := range s.app.RequiredScopes {
		if !slices.Contains(scope, one) {
			return nil, "The scopes in the URL do not match the app's settings. Missing: " + one
		}
	}
	declared := func(one string) bool {
		return slices.Contains(s.app.RequiredScopes, one) || slices.Contains(s.app.OptionalScopes, one)
	}
	for _, one := range scope {
		switch {
		case !declared(one):
			return nil, "The scopes in the URL do not match the app's settings. Unknown: " + one
		case slices.Contains(s.cfg.Lacks, one):
			return nil, "This account does not include a product that the app needs. Scope: " + one
		case !slices.Contains(granted, one):
			granted = append(granted, one)
		}
	}
	for _, one := range optional {
		switch {
		case !declared(one):
			// https://github.com/PipedreamHQ/pipedream/issues/15124
			return nil, "The scopes in the URL do not match the app's settings. Unknown: " + one
		case !slices.Contains(s.cfg.Lacks, one) && !slices.Contains(granted, one):
			granted = append(granted, one)
		}
	}
	return granted, ""
}

// leave sends the browser back to the app.
func (s *Sim) leave(code *authCode, answer string, q url.Values) reply {
	code.expiresAt = s.now().Add(s.cfg.CodeLife).UnixMilli()
	to, _ := url.Parse(code.redirect) // registered has parsed it, or it is one of the app's
	back := to.Query()
	if q.Has("state") {
		back.Set("state", q.Get("state"))
	}
	text := uuid(s.rng)
	switch answer {
	case "deny":
		back.Set("error", "access_denied")
		back.Set("error_description", "the user denied access")
		text = ""
	case "wrong_state":
		back.Set("state", uuid(s.rng))
	case "no_state":
		back.Del("state")
	case "used_code":
		code.used = true
	case "expired_code":
		code.expiresAt = s.now().UnixMilli()
	case "other_redirect":
		code.redirect += "-other"
	}
	if text != "" {
		s.codes[text] = code
		back.Set("code", text)
	}
	to.RawQuery = back.Encode()
	return reply{status: http.StatusFound, header: http.Header{"Location": {to.String()}, "Cache-Control": {"no-store"}}}
}

func consentError(text string) reply {
	page := "<!DOCTYPE html>\n<html><head><title>Authorization failed</title></head>\n<body><h1>Authorization failed</h1><p>" +
		html.EscapeString(text) + "</p></body></html>\n"
	return reply{status: http.StatusBadRequest, header: http.Header{"Content-Type": {"text/html; charset=UTF-8"}}, body: []byte(page)}
}
