package hubspotsim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// scopes are those of which any one admits the call; nil = every token may.
//
// Contacts and properties: https://github.com/HubSpot/HubSpot-public-api-spec-collection, security of each operation,
// read 2026-11-22. Account details ask for oauth there, and answered a key that held crm.schemas scopes only
// (https://github.com/scopiousdigital/kalup, docs/hubspot.md), so nothing is asked here.
func (c *call) scopes() []string {
	switch {
	case consentScopes[c.op] != nil:
		return consentScopes[c.op]
	case c.op == "properties" && c.method != http.MethodGet:
		return []string{scopeSchemaWrite}
	case c.op == "properties":
		return []string{scopeSchemaRead, scopeRead, scopeWrite}
	case writes[c.op]:
		return []string{scopeWrite}
	case c.op == "account", c.op == "unknown", tokenOps[c.op]:
		return nil
	}
	return []string{scopeRead}
}

// allowed says whether a grant's scopes admit the call.
func (c *call) allowed(g *grant) bool {
	wanted := c.scopes()
	return wanted == nil || slices.ContainsFunc(wanted, func(one string) bool { return slices.Contains(g.scopes, one) })
}

// missingScopes is the 403 of https://developers.hubspot.com/docs/guides/crm/using-object-apis. With one scope to
// choose from the word is "All", with several "One or more" (https://github.com/hubspotdev/devslackarchive,
// 2023-09-27).
func (c *call) missingScopes() reply {
	wanted := c.scopes()
	text := "One or more of the following scopes are required."
	if len(wanted) == 1 {
		text = "All of the following scopes are required."
	}
	if wanted == nil {
		wanted = []string{} // the list can be empty: devslackarchive, 2023-03-28
	}
	return c.refuse(http.StatusForbidden, problem{
		Message: "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: " +
			"https://developers.hubspot.com/scopes.",
		Errors:   []detail{{Message: text, Context: map[string][]string{"requiredGranularScopes": wanted}}},
		Links:    map[string]string{"scopes": "https://developers.hubspot.com/scopes"},
		Category: categoryScopes,
	})
}

var errNoToken = errors.New("no such token")

// SetScopes changes what a token may do, while it stays the same, as a downgraded account does to its tokens: token is
// an access token, a refresh token or a static one, and all of one login have the same scopes; "" = every login and
// static token. nil scopes = all of the app's.
func (s *Sim) SetScopes(token string, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if scopes == nil {
		scopes = slices.Concat(s.app.RequiredScopes, s.app.OptionalScopes)
	}
	for _, one := range scopes {
		if strings.ContainsAny(one, " ,") || one == "" {
			return fmt.Errorf("set scopes: %q is not one scope", one)
		}
	}
	if token != "" {
		g := s.grants[token]
		if b := s.bearers[token]; b != nil {
			g = b.grant
		}
		if g == nil {
			return fmt.Errorf("set scopes: %w", errNoToken)
		}
		g.scopes = slices.Clone(scopes)
		return nil
	}
	for _, g := range s.grants {
		g.scopes = slices.Clone(scopes)
	}
	for _, b := range s.bearers {
		b.scopes = slices.Clone(scopes)
	}
	return nil
}
