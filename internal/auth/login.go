package auth

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"leadsync/internal/secret"
)

// Attempt is one run of the authorization code flow: a URL for the browser of a person, and the answer that only this
// run can use. HubSpot takes the PKCE challenge beside the client secret: https://github.com/NangoHQ/nango,
// providers.yaml (read 2026-11-22).
type Attempt struct {
	URL string // to open; it holds no secret

	state    string
	verifier secret.String
}

// Begin makes an Attempt. The error is a *FaultError.
func (c *Client) Begin() (*Attempt, error) {
	app, err := c.app()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(app.Scopes, ScopeOAuth) {
		app.Scopes = append([]string{ScopeOAuth}, app.Scopes...) // every app has it, and the URL must name it
	}
	a := &Attempt{state: rand.Text(), verifier: secret.New(oauth2.GenerateVerifier())}
	// The library writes + for a space; HubSpot's own examples write %20.
	// https://github.com/HubSpot/hubspot-api-nodejs, src/discovery/oauth (read 2026-11-22)
	a.URL = strings.ReplaceAll(app.AuthCodeURL(a.state, oauth2.S256ChallengeOption(a.verifier.Reveal())), "+", "%20")
	return a, nil
}

// owns says that an answer carries the state of this attempt.
func (a *Attempt) owns(query url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(a.state)) == 1
}

// Verifier proves to the token endpoint that the code was asked for by this attempt.
func (a *Attempt) Verifier() secret.String { return a.verifier }

// CallbackError says what is wrong with the answer that came back from the browser.
type CallbackError struct {
	text, cure string
	denied     bool
}

func (e *CallbackError) Error() string { return e.text }

// Cure is the one thing to do.
func (e *CallbackError) Cure() string { return e.cure }

// ErrDenied matches a *CallbackError of a person who said no.
var ErrDenied = errors.New("access was denied")

// Is matches ErrDenied.
func (e *CallbackError) Is(target error) bool { return target == ErrDenied && e.denied }

const again = "run `leadsync auth login` again and use the URL it prints"

// Code takes the code out of what the redirect carried. The error is a *CallbackError.
// A denial is told as RFC 6749 section 4.1.2.1 has it; what HubSpot sends is not documented.
func (a *Attempt) Code(query url.Values) (secret.String, error) {
	code := query.Get("error")
	switch state := query.Get("state"); {
	case state == "" && code != "": // whether a denial carries it is not documented
	case state == "":
		return secret.String{}, &CallbackError{text: "the answer carries no state, so it cannot be told whether it belongs to this login", cure: again}
	case subtle.ConstantTimeCompare([]byte(state), []byte(a.state)) != 1:
		return secret.String{}, &CallbackError{text: "the answer carries the state of another login: an older browser page, or somebody who wants to connect an account of theirs", cure: again}
	}
	if code != "" {
		if !errorWord.MatchString(code) {
			code = "an unknown error"
		}
		switch code {
		case "access_denied":
			return secret.String{}, &CallbackError{text: "access was denied on HubSpot's page", denied: true,
				cure: "run `leadsync auth login` again as a Super Admin, or as a user with the permission HubSpot Marketplace Access, and press Connect app"}
		case "invalid_scope":
			return secret.String{}, &CallbackError{text: "HubSpot refuses the scopes (invalid_scope)", cure: scopesCure}
		}
		return secret.String{}, &CallbackError{text: "HubSpot's page answered " + code, cure: again}
	}
	if code = query.Get("code"); code == "" {
		return secret.String{}, &CallbackError{text: "the answer carries no code", cure: again}
	}
	return secret.New(code), nil
}

const scopesCure = "hubspot.auth.scopes must hold every required scope of the app and none that the app does not declare; correct one of the two, upload the app anew if it was the app, and run `leadsync auth login` again"

// Pasted takes the code out of what a person copied: the whole address that the browser was sent to, or the code alone.
// A bare code has no state; the verifier still ties it to this attempt. The error is a *CallbackError.
func (a *Attempt) Pasted(text string) (secret.String, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return secret.String{}, &CallbackError{text: "nothing was pasted", cure: again + ", then paste the address that the browser ends at"}
	case len(text) > 16<<10, strings.ContainsFunc(text, notInHeader):
		return secret.String{}, &CallbackError{text: "what was pasted is neither an address nor a code", cure: "paste the whole address of the page that the browser ends at, in one line"}
	}
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return secret.String{}, &CallbackError{text: "what was pasted is not an address", cure: "paste the whole address of the page that the browser ends at, in one line"}
		}
		query := u.Query()
		if query.Has("code_challenge") {
			return secret.String{}, &CallbackError{text: "what was pasted is the address that leadsync printed", cure: "open it in a browser, press Connect app, and paste the address that the browser ends at"}
		}
		return a.Code(query)
	}
	if strings.Contains(text, "code=") { // the address without its beginning
		query, err := url.ParseQuery(text[strings.IndexByte(text, '?')+1:])
		if err == nil && query.Has("code") {
			return a.Code(query)
		}
	}
	return secret.New(text), nil
}

// WrongAccountError refuses a login to another account than the one that the portal is pinned to.
type WrongAccountError struct {
	Want, Have int64
	ByConfig   bool // Want stands in the configuration
}

func (e *WrongAccountError) Error() string {
	return fmt.Sprintf("the login is for HubSpot account %d, and this portal belongs to account %d; nothing was stored", e.Have, e.Want)
}

// Cure is the one thing to do.
func (e *WrongAccountError) Cure() string {
	if e.ByConfig {
		return fmt.Sprintf("log in to account %d; or, if %d is right, correct hubspot.portal_id", e.Want, e.Have)
	}
	return fmt.Sprintf("log in to account %d; or, if the portal is to move to %d for good, run it again with --repin: its leads then start there without links", e.Want, e.Have)
}

// CheckAccount holds the account of a login against the configured one and the pinned one; 0 = none. repin lets it
// replace the pinned one, never the configured one.
func CheckAccount(have, configured, pinned int64, repin bool) error {
	switch {
	case configured != 0 && configured != have:
		return &WrongAccountError{Want: configured, Have: have, ByConfig: true}
	case pinned != 0 && pinned != have && !repin && configured == 0:
		return &WrongAccountError{Want: pinned, Have: have}
	}
	return nil
}
