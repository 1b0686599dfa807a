package hubspotsim

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
)

// App is the HubSpot app that asks for access, as its project file declares it
// (https://github.com/HubSpot/hubspot-project-components, app-hsmeta.json, read 2026-11-22).
type App struct {
	// RedirectURLs are the registered ones; a redirect must equal one of them, port and path included. nil = whatever the
	// client sends counts as registered, when HubSpot would let it be: https, or http with the host localhost.
	RedirectURLs []string `json:"redirect_urls"`
	// RequiredScopes must all be asked for; oauth is always one of them. nil = oauth and contacts read and write.
	RequiredScopes []string `json:"required_scopes"`
	// OptionalScopes may be asked for too, in scope or in optional_scope. nil = all the others that this package knows. A
	// scope in neither list is unknown.
	OptionalScopes []string `json:"optional_scopes"`
}

// The scopes that the operations here ask for.
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, contacts, properties and communication preferences
const (
	scopeOAuth       = "oauth"
	scopeRead        = "crm.objects.contacts.read"
	scopeWrite       = "crm.objects.contacts.write"
	scopeSchemaRead  = "crm.schemas.contacts.read"
	scopeSchemaWrite = "crm.schemas.contacts.write"
)

// complete fills in what is left out.
func (a App) complete() (App, error) {
	a = a.clone()
	if a.RequiredScopes == nil {
		a.RequiredScopes = []string{scopeOAuth, scopeRead, scopeWrite}
	}
	if !slices.Contains(a.RequiredScopes, scopeOAuth) {
		// HubSpot adds it to every app:
		// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes
		a.RequiredScopes = append([]string{scopeOAuth}, a.RequiredScopes...)
	}
	if a.OptionalScopes == nil {
		a.OptionalScopes = []string{
			scopeRead, scopeWrite, scopeSchemaRead, scopeSchemaWrite,
			scopeConsent, scopeConsentRead, scopeConsentWrite, scopeConsentBatchRead, scopeConsentBatchWrite,
		}
	}
	a.OptionalScopes = slices.DeleteFunc(a.OptionalScopes, func(one string) bool {
		return slices.Contains(a.RequiredScopes, one)
	})
	for _, redirect := range a.RedirectURLs {
		if err := registrable(redirect); err != nil {
			return App{}, fmt.Errorf("register redirect URL %s: %w", redirect, err)
		}
	}
	return a, nil
}

// registrable says why HubSpot would not register a redirect URL: https is required, and http allowed for the host
// localhost alone (https://developers.hubspot.com/changelog/2018-03-05-oauth2-redirect-uri-served-over-http-localhost,
// read 2026-11-22). That it refuses 127.0.0.1 is not documented, but a project had to switch
// (https://github.com/bytechefhq/bytechef/issues/970).
func registrable(redirect string) error {
	u, err := url.Parse(redirect)
	switch {
	case err != nil || u.Host == "" || u.Fragment != "":
		return errors.New("not an absolute URL")
	case u.Scheme == "https" || u.Scheme == "http" && u.Hostname() == "localhost":
		return nil
	}
	return errors.New("https is required, except for http://localhost")
}

// registered says whether a redirect is one of the app's. https://github.com/HubSpot/oauth-quickstart-python/issues/3:
// an unregistered port fails on the consent page.
func (a App) registered(redirect string) bool {
	if a.RedirectURLs == nil {
		return registrable(redirect) == nil
	}
	return slices.Contains(a.RedirectURLs, redirect)
}

// SetApp replaces the app's settings. Changing scopes touches no login that exists: each account must authorize again
// to get them (https://github.com/usertour/usertour/blob/main/docs/adr/0013-crm-sync.md).
func (s *Sim) SetApp(a App) error {
	a, err := a.complete()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.app = a
	return nil
}

// App is the present one, with its defaults filled in. The caller owns the lists.
func (s *Sim) App() App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.app.clone()
}

// clone shares no list with a.
func (a App) clone() App {
	return App{slices.Clone(a.RedirectURLs), slices.Clone(a.RequiredScopes), slices.Clone(a.OptionalScopes)}
}
