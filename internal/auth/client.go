package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"leadsync/internal/secret"
)

// ClientConfig is the HubSpot app and where HubSpot is.
type ClientConfig struct {
	BaseURL      string // of the API
	AuthorizeURL string // of the consent page
	APIVersion   string // dated, as in "2026-09"
	ClientID     string
	// ClientSecret reads the secret each time it is needed, so that a new one is found without a restart.
	ClientSecret func() (secret.String, error)
	RedirectURL  string
	Scopes       []string
	// HTTP makes the requests; it has a time-out, and never follows a redirect.
	HTTP *http.Client
	// Wall is the wall clock; nil = time.Now.
	Wall func() time.Time
}

// Client speaks with HubSpot's OAuth endpoints for one app. Safe for concurrent use. Its errors are *LoginError (by
// Refresh alone), *FaultError, *WaitError, or the end of the context.
type Client struct{ cfg ClientConfig }

// The dated paths; v1, which puts tokens into addresses, stops on 2027-02-16.
// https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens and
// https://developers.hubspot.com/changelog/v1-oauth-api-deprecation (read 2026-11-22)
const (
	pathToken      = "/oauth/%s/token"
	pathIntrospect = "/oauth/%s/token/introspect"
	pathRevoke     = "/oauth/%s/token/revoke"
)

// maxAnswer bounds an answer; a token is at most some hundred bytes.
const maxAnswer = 1 << 20

// NewClient makes a client. Nothing is read or sent yet.
func NewClient(cfg ClientConfig) *Client {
	if cfg.Wall == nil {
		cfg.Wall = time.Now
	}
	h := *cfg.HTTP
	// A 307 to another host would carry secret and token there.
	h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cfg.HTTP = &h
	return &Client{cfg}
}

// ClientID is the app's.
func (c *Client) ClientID() string { return c.cfg.ClientID }

// Timeout is the longest time that one request takes.
func (c *Client) Timeout() time.Duration { return c.cfg.HTTP.Timeout }

// maxLife bounds what expires_in may say, in seconds: HubSpot's tokens live for half an hour, and a figure that is
// wrong must not keep a token from being renewed
// (https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens, read 2026-11-22).
const maxLife = 86_400

// Pair is what the token endpoint gives.
type Pair struct {
	Access, Refresh secret.String
	// Life is what expires_in said, 0 = nothing usable. At is when the request began, by the wall clock: the token is not
	// older.
	Life time.Duration
	At   time.Time
	// HubID and Scopes are 0 and nil where the answer has none, as it may.
	HubID  int64
	Scopes []string
}

// Exchange trades an authorization code for the first pair of a grant.
func (c *Client) Exchange(ctx context.Context, code, verifier secret.String) (Pair, error) {
	pair, err := c.fetch(ctx, func(ctx context.Context, app *oauth2.Config) (*oauth2.Token, error) {
		return app.Exchange(ctx, code.Reveal(), oauth2.VerifierOption(verifier.Reveal()))
	})
	if login, ok := errors.AsType[*LoginError](err); ok { // said of a code: it is no good, and no grant has ended
		err = &FaultError{Word: login.Word, text: "hubspot token: refused (" + login.Word + ")", cure: cureOf("BAD_AUTH_CODE", "", 0)}
	}
	return pair, err
}

// Refresh gets a new pair. The refresh token in it replaces the one that was sent, be it the same or another one:
// https://developers.hubspot.com/blog/oauth-token-management-hubspot-integrations (read 2026-11-22).
func (c *Client) Refresh(ctx context.Context, refresh secret.String) (Pair, error) {
	return c.fetch(ctx, func(ctx context.Context, app *oauth2.Config) (*oauth2.Token, error) {
		return app.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh.Reveal()}).Token() // a source of its own: it has no memory
	})
}

// app is the client in the library's terms. The credentials go into the form alone, and are sent once: a second try
// with the other style would spend a code twice.
func (c *Client) app() (*oauth2.Config, error) {
	key, err := c.cfg.ClientSecret()
	if err != nil {
		return nil, &FaultError{Word: faultClientSecret, text: "read the client secret: " + err.Error(),
			cure: "put the app's client secret into the file of hubspot.auth.client_secret_file" + handedOver, err: err}
	}
	return &oauth2.Config{ClientID: c.cfg.ClientID, ClientSecret: key.Reveal(), RedirectURL: c.cfg.RedirectURL, Scopes: c.cfg.Scopes,
		Endpoint: oauth2.Endpoint{AuthURL: c.cfg.AuthorizeURL, TokenURL: c.url(pathToken), AuthStyle: oauth2.AuthStyleInParams}}, nil
}

func (c *Client) url(path string) string {
	return strings.TrimRight(c.cfg.BaseURL, "/") + fmt.Sprintf(path, c.cfg.APIVersion)
}

func (c *Client) fetch(ctx context.Context, ask func(context.Context, *oauth2.Config) (*oauth2.Token, error)) (Pair, error) {
	app, err := c.app()
	if err != nil {
		return Pair{}, err
	}
	at := c.cfg.Wall()
	token, err := ask(context.WithValue(ctx, oauth2.HTTPClient, c.cfg.HTTP), app)
	if err != nil {
		return Pair{}, tokenTrouble(ctx, err)
	}
	if token.RefreshToken == "" {
		return Pair{}, garbledToken()
	}
	return Pair{Access: secret.New(token.AccessToken), Refresh: secret.New(token.RefreshToken),
		Life: time.Duration(min(max(token.ExpiresIn, 0), maxLife)) * time.Second, At: at, HubID: number(token.Extra("hub_id")), Scopes: words(token.Extra("scopes"))}, nil
}

// tokenTrouble sorts an error of the library. Its texts are not repeated: that of a RetrieveError is the whole answer.
func tokenTrouble(ctx context.Context, err error) error {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		a := answer{op: "token", status: refused.Response.StatusCode, header: refused.Response.Header, body: refused.Body}
		if a.status < 300 { // an error with the status of success
			a.status = http.StatusBadRequest
		}
		return a.judge()
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return unreached(ctx, "token", err)
	}
	if context.Cause(ctx) != nil {
		return unreached(ctx, "token", err)
	}
	return garbledToken() // the rest is about the body of a 2xx: cut, not JSON, no token in it
}

func garbledToken() error {
	return &WaitError{text: "hubspot token: the answer is cut or holds no token", Unknown: true}
}

// Identity is what introspection says of a token.
type Identity struct {
	// Active is false for a token that is unknown, expired or revoked; then nothing else is set.
	Active bool
	HubID  int64
	Domain string // the website of the account
	User   string // the address of who logged in: for the operator's eyes, never for a log
	AppID  int64
	Scopes []string
	// Left is how long an access token lives on, 0 for a refresh token.
	Left time.Duration
}

// The kinds of token that Introspect knows.
const (
	AccessToken  = "access_token"
	RefreshToken = "refresh_token"
)

// Introspect asks what a token is; kind is AccessToken or RefreshToken. A token that is not known is no error:
// https://github.com/usertour/usertour/pull/490 (read 2026-11-22).
func (c *Client) Introspect(ctx context.Context, token secret.String, kind string) (Identity, error) {
	body, err := c.post(ctx, "introspect", pathIntrospect, token, kind)
	if err != nil {
		return Identity{}, err
	}
	var wire struct {
		Active bool   `json:"active"`
		HubID  any    `json:"hub_id"`
		AppID  any    `json:"app_id"`
		Domain string `json:"hub_domain"`
		User   string `json:"user"`
		Scopes any    `json:"scopes"`
		Left   any    `json:"expires_in"`
	}
	if json.Unmarshal(body, &wire) != nil {
		return Identity{}, &WaitError{text: "hubspot introspect: the answer is not the expected JSON"}
	}
	if !wire.Active {
		return Identity{}, nil
	}
	return Identity{Active: true, HubID: number(wire.HubID), AppID: number(wire.AppID), Domain: wire.Domain, User: wire.User,
		Scopes: words(wire.Scopes), Left: time.Duration(number(wire.Left)) * time.Second}, nil
}

// Revoke ends a refresh token, also one that is not known. Access tokens that are out live on until they expire, and
// the app stays installed:
// https://developers.hubspot.com/docs/api-reference/legacy/authentication/oauth-tokens/v1/guide (read 2026-11-22).
func (c *Client) Revoke(ctx context.Context, refresh secret.String) error {
	_, err := c.post(ctx, "revoke", pathRevoke, refresh, RefreshToken)
	return err
}

// post sends a token in a form. https://github.com/HubSpot/HubSpot-public-api-spec-collection, Auth, Oauth, 2026-03
// (read 2026-11-22): the four fields of both endpoints.
func (c *Client) post(ctx context.Context, op, path string, token secret.String, kind string) ([]byte, error) {
	app, err := c.app()
	if err != nil {
		return nil, err
	}
	form := url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}, "token": {token.Reveal()}, "token_type_hint": {kind}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(path), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &FaultError{Word: "BASE_URL", text: "hubspot " + op + ": the address cannot be used", cure: "correct hubspot.base_url"}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.cfg.HTTP.Do(r)
	if err != nil {
		return nil, unreached(ctx, op, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, unreached(ctx, op, err)
	}
	if resp.StatusCode >= 300 {
		err := answer{op: op, status: resp.StatusCode, header: resp.Header, body: body}.judge()
		if login, ok := errors.AsType[*LoginError](err); ok {
			err = &FaultError{Word: login.Word, text: "hubspot " + op + ": refused (" + login.Word + ")", cure: login.Cure()}
		}
		return nil, err
	}
	return body, nil
}

// number reads an id or a count: JSON numbers are floats here, exact up to 2^53.
func number(v any) int64 {
	if f, ok := v.(float64); ok && f >= 0 && f < 1<<53 {
		return int64(f)
	}
	return 0
}

// words reads a list of scopes, given as a list or as one text.
func words(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		out = strings.Fields(v)
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok {
				out = append(out, text)
			}
		}
	}
	// What goes into the database and onto a screen must be scopes.
	return slices.DeleteFunc(out, func(s string) bool { return !scopeWord.MatchString(s) })
}
