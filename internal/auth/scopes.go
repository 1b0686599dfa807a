package auth

import (
	"regexp"
	"slices"
	"strings"
)

var scopeWord = regexp.MustCompile(`^[a-z0-9._-]{1,100}$`)

// Scopes that HubSpot adds to every app, and that leadsync cannot work without.
// https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/scopes and
// https://github.com/HubSpot/HubSpot-public-api-spec-collection, security of each operation (read 2026-11-22)
const (
	ScopeOAuth         = "oauth"
	ScopeContactsRead  = "crm.objects.contacts.read"
	ScopeContactsWrite = "crm.objects.contacts.write"
	scopeSchemasRead   = "crm.schemas.contacts.read"
	scopeSubscriptions = "communication_preferences.read_write"
)

// features says what each scope is for.
var features = map[string]string{
	ScopeOAuth:                                       "logging in",
	ScopeContactsRead:                                "reading contacts: nothing is pushed without it",
	ScopeContactsWrite:                               "writing contacts: nothing is pushed without it",
	scopeSchemasRead:                                 "reading the definitions of contact properties, where contacts may not be read",
	scopeSubscriptions:                               "unsubscribing and resubscribing people",
	"communication_preferences.read":                 "reading what people are subscribed to",
	"communication_preferences.write":                "unsubscribing and resubscribing people",
	"communication_preferences.statuses.batch.read":  "reading many subscriptions at once",
	"communication_preferences.statuses.batch.write": "unsubscribing many people at once",
	"crm.schemas.contacts.write":                     "making contact properties",
}

// Missing is a scope that is configured and was not granted.
type Missing struct {
	Scope string `json:"scope"`
	// Disables is what does not work without it.
	Disables string `json:"disables"`
}

// MissingScopes lists what is wanted and not granted, in the order of wanted.
func MissingScopes(wanted, granted []string) []Missing {
	out := []Missing{}
	for _, scope := range wanted {
		if !slices.Contains(granted, scope) {
			feature := features[scope]
			if feature == "" {
				feature = "what you added it to hubspot.auth.scopes for"
			}
			out = append(out, Missing{scope, feature})
		}
	}
	return out
}

// JoinScopes and SplitScopes are the form in which a Grant holds them.
func JoinScopes(scopes []string) string { return strings.Join(scopes, " ") }

// SplitScopes undoes JoinScopes.
func SplitScopes(text string) []string { return strings.Fields(text) }
