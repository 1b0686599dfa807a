package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/observe"
)

// Validate checks a configuration that was made by code. Its problems have keys but no places. The error is an *Error.
func (c Config) Validate() error {
	problems, _ := validate(&c, nil)
	if len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

// validator collects what is wrong; places may be nil.
type validator struct {
	places   map[string]string
	problems []Problem
	warnings []string
}

// validate applies every rule, so that one run reports all problems.
func validate(c *Config, places map[string]string) ([]Problem, []string) {
	v := &validator{places: places}
	v.check("portal", portalName.MatchString(c.Portal), "%s, want 1 to 64 of a-z, A-Z, 0-9, dot, dash and underscore", shown(c.Portal))
	v.database(&c.Database)
	v.hubspot(&c.HubSpot)
	v.push(&c.Push, IsLoopbackURL(c.HubSpot.BaseURL))
	v.pull(&c.Pull)
	v.mapping(&c.Mapping)
	v.consent(&c.Consent)
	v.choice("erase.adopted", c.Erase.Adopted, string(c.Erase.Adopted))
	v.retention("retention.settled", c.Retention.Settled)
	v.retention("retention.dead", c.Retention.Dead)
	v.retention("retention.inbox", c.Retention.Inbox)
	v.duration("stop_timeout", c.StopTimeout, time.Second, 10*time.Minute)
	v.choice("log.format", c.Log.Format, string(c.Log.Format))
	v.choice("log.level", c.Log.Level, string(c.Log.Level))
	v.choice("log.people", c.Log.People, string(c.Log.People))
	v.listen("status.listen", c.Status.Listen)
	v.duration("status.alert_after", c.Status.AlertAfter, time.Second, 30*24*time.Hour)
	if c.StopTimeout < c.HubSpot.Timeout {
		v.warn("stop_timeout", "is shorter than hubspot.timeout, so a slow request is cut off at every stop and read back after the next start")
	}
	if c.Push.Notify && strings.HasPrefix(c.Database.URL.Reveal(), "sqlite:") && c.Database.URLFile == "" {
		v.warn("push.notify", "has no effect on SQLite")
	}
	return v.problems, v.warnings
}

var (
	portalName   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	apiVersion   = regexp.MustCompile(`^20[0-9]{2}-(0[1-9]|1[0-2])$`)
	propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)
	scopeName    = regexp.MustCompile(`^[a-z0-9._-]+$`)
)

// where is the place of the key, or of the nearest section above it that was set.
func (v *validator) where(key string) string {
	for key != "" {
		if at, ok := v.places[key]; ok {
			return at
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
	return ""
}

func (v *validator) check(key string, ok bool, format string, args ...any) {
	if !ok {
		v.problems = append(v.problems, Problem{Where: v.where(key), Key: key, Text: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) warn(key, text string) {
	v.warnings = append(v.warnings, Problem{Where: v.where(key), Key: key, Text: text}.String())
}

func (v *validator) duration(key string, got, least, most time.Duration) {
	v.check(key, got >= least && got <= most, "%s, want %s to %s", Duration(got), Duration(least), Duration(most))
}

func (v *validator) number(key string, got, least, most int) {
	v.check(key, got >= least && got <= most, "%d, want %d to %d", got, least, most)
}

func (v *validator) choice(key string, c choice, got string) {
	v.check(key, slices.Contains(c.values(), got), "%s, want one of %s", shown(got), oneOf(c.values()))
}

func (v *validator) retention(key string, got time.Duration) {
	v.check(key, got == 0 || got >= time.Minute, "%s, want at least 1m, or 0 to keep rows for ever", Duration(got))
}

func (v *validator) hubspot(h *HubSpot) {
	v.apiURL("hubspot.base_url", h.BaseURL)
	v.apiURL("hubspot.authorize_url", h.AuthorizeURL)
	v.check("hubspot.api_version", apiVersion.MatchString(h.APIVersion), `%s, want a dated version like "2026-09"`, shown(h.APIVersion))
	v.check("hubspot.portal_id", h.PortalID >= 0, "%d, want the number of the account, or 0 to learn it", h.PortalID)
	v.duration("hubspot.timeout", h.Timeout, time.Second, 5*time.Minute)
	v.choice("hubspot.auth.mode", h.Auth.Mode, string(h.Auth.Mode))
	v.redirect("hubspot.auth.redirect_url", h.Auth.RedirectURL)
	v.check("hubspot.auth.scopes", len(h.Auth.Scopes) > 0, "is empty, want at least crm.objects.contacts.read and crm.objects.contacts.write")
	for i, scope := range h.Auth.Scopes {
		key := "hubspot.auth.scopes[" + strconv.Itoa(i) + "]"
		v.check(key, scopeName.MatchString(scope), "%s, want the name of a scope like crm.objects.contacts.read", shown(scope))
		v.check(key, slices.Index(h.Auth.Scopes, scope) == i, "%s is listed twice; keep one", shown(scope))
	}
	v.file("hubspot.ca_file", h.CAFile, true)
	v.file("hubspot.auth.client_secret_file", h.Auth.ClientSecretFile, h.Auth.Mode != AuthOAuth)
	v.file("hubspot.auth.static_token_file", h.Auth.StaticTokenFile, h.Auth.Mode != AuthStatic)
	v.file("hubspot.auth.token_key_file", h.Auth.TokenKeyFile, false)
	l := &h.Limits
	v.number("hubspot.limits.requests_per_10s", l.RequestsPer10s, 0, 10_000)
	v.check("hubspot.limits.requests_per_10s", l.RequestsPer10s != 0 || IsLoopbackURL(h.BaseURL),
		"0, which means no limit and is accepted only when hubspot.base_url is a loopback address; want the limit of the account, 100 or more")
	v.check("hubspot.limits.daily", l.Daily >= 0, "%d, want the account's limit of a day, or 0 for none", l.Daily)
	v.check("hubspot.limits.share", l.Share > 0 && l.Share <= 1, "%v, want above 0 and up to 1", l.Share)
	v.number("hubspot.limits.search_per_second", l.SearchPerSecond, 1, 5)
	if l.RequestsPer10s > 0 {
		v.check("hubspot.limits.share", l.Share <= 0 || float64(l.RequestsPer10s)*l.Share >= 1,
			"%v of %d requests is less than one in 10 seconds; raise one of them", l.Share, l.RequestsPer10s)
	}
}

func (v *validator) push(p *Push, loopback bool) {
	v.duration("push.poll_interval", p.PollInterval, 10*time.Millisecond, time.Hour)
	v.duration("push.linger", p.Linger, 0, 10*time.Second)
	v.number("push.concurrency", p.Concurrency, 1, 64)
	v.number("push.max_attempts", p.MaxAttempts, 1, 100)
	v.choice("push.on_invalid_field", p.OnInvalidField, string(p.OnInvalidField))
	v.number("push.max_deletes_per_hour", p.MaxDeletesPerHour, 0, 1_000_000)
	v.duration("push.second_look", p.SecondLook, time.Second, time.Hour)
	v.check("push.second_look", p.SecondLook >= time.Minute || loopback,
		"%s, and less than 1m is accepted only when hubspot.base_url is a loopback address: HubSpot may still be executing the request", Duration(p.SecondLook))
}

func (v *validator) pull(p *Pull) {
	v.schedule("pull.schedule", p.Schedule)
	v.schedule("pull.lagged_schedule", p.LaggedSchedule)
	v.schedule("pull.optout_schedule", p.OptoutSchedule)
	v.schedule("pull.archived_schedule", p.ArchivedSchedule)
	at, isTime := p.Start.Time()
	v.check("pull.start", isTime || p.Start == StartNow || p.Start == StartAll,
		"%s, want now, all, or a time like 2026-01-31 or 2026-01-31T08:00:00Z", shown(string(p.Start)))
	v.check("pull.start", !isTime || at.Before(time.Now()), "%s is in the future; want a time in the past, or now", shown(string(p.Start)))
	v.choice("pull.unknown", p.Unknown, string(p.Unknown))
}

func (v *validator) mapping(m *Mapping) {
	const property = "want the internal name of a contact property: a-z, 0-9 and underscore, a letter first"
	v.check("mapping.id_property", m.IDProperty == "" || propertyName.MatchString(m.IDProperty), "%s, %s", shown(m.IDProperty), property)
	v.check("mapping.id_property", m.IDProperty != "email", "email is how contacts are found without it; leave it empty")
	leads, contacts := map[string]int{}, map[string]int{}
	for i, f := range m.Fields {
		key := "mapping.fields[" + strconv.Itoa(i) + "]"
		v.check(key+".lead", f.Lead != "", "is missing, want the name of a key in lead_outbox.properties")
		v.check(key+".contact", propertyName.MatchString(f.Contact), "%s, %s", shown(f.Contact), property)
		v.choice(key+".direction", f.Direction, string(f.Direction))
		v.choice(key+".winner", f.Winner, string(f.Winner))
		if first, twice := leads[f.Lead]; twice && f.Lead != "" {
			v.check(key+".lead", false, "%s is mapped already by mapping.fields[%d]; keep one", shown(f.Lead), first)
		} else {
			leads[f.Lead] = i
		}
		if first, twice := contacts[f.Contact]; twice && f.Contact != "" {
			v.check(key+".contact", false, "%s is mapped already by mapping.fields[%d]; keep one", shown(f.Contact), first)
		} else {
			contacts[f.Contact] = i
		}
		v.check(key+".contact", f.Contact == "" || f.Contact != m.IDProperty, "%s is mapping.id_property, which leadsync writes itself", shown(f.Contact))
	}
}

// legalBases are the words HubSpot accepts:
// https://developers.hubspot.com/docs/api-reference/legacy/communication-preferences/guide (read 2026-11-22).
var legalBases = []string{"LEGITIMATE_INTEREST_PQL", "LEGITIMATE_INTEREST_CLIENT", "LEGITIMATE_INTEREST_OTHER",
	"PERFORMANCE_OF_CONTRACT", "CONSENT_WITH_NOTICE", "NON_GDPR", "PROCESS_AND_STORE"}

func (v *validator) consent(c *Consent) {
	const key = "consent.unsubscribe"
	v.check(key, c.Unsubscribe.All || len(c.Unsubscribe.IDs) > 0, "is an empty list, want all, or ids of subscription types")
	for i, id := range c.Unsubscribe.IDs {
		at := key + "[" + strconv.Itoa(i) + "]"
		v.check(at, id > 0, "%d, want the positive id of a subscription type", id)
		v.check(at, slices.Index(c.Unsubscribe.IDs, id) == i, "%d is listed twice; keep one", id)
	}
	v.choice("consent.resubscribe", c.Resubscribe, string(c.Resubscribe))
	v.check("consent.legal_basis", c.LegalBasis == "" || slices.Contains(legalBases, c.LegalBasis),
		"%s, want one of %s", shown(c.LegalBasis), oneOf(legalBases))
	v.check("consent.explanation", c.LegalBasis == "" || strings.TrimSpace(c.Explanation) != "",
		"is empty, but consent.legal_basis is set; say in a sentence why it applies")
	v.check("consent.business_unit_id", c.BusinessUnitID >= 0, "%d, want the id of a brand, or 0 for the account's own", c.BusinessUnitID)
}

// file checks the value of a _file key: a name or an absolute path, and not the secret itself.
func (v *validator) file(key, value string, mayBeEmpty bool) {
	switch {
	case value == "":
		v.check(key, mayBeEmpty, "is empty, want the name of a credential file or an absolute path")
	case observe.Mask(value) != value:
		v.check(key, false, "holds a secret itself, as it seems; put that into a file and name the file here")
	}
}
