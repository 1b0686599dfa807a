package doctor

import (
	"fmt"
	"slices"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/status"
)

// versions are the dated versions of HubSpot's API and when they became current; each is supported for 18 months.
// https://developers.hubspot.com/docs/developer-tooling/platform/versioning (read 2026-11-22).
var versions = map[string]time.Time{
	"2026-03": time.Date(2026, 3, 30, 0, 0, 0, 0, time.UTC),
	"2026-09": time.Date(2026, 9, 8, 0, 0, 0, 0, time.UTC),
}

const (
	supportMonths = 18
	endIsNear     = 120 * 24 * time.Hour
)

// configuration looks at what was accepted and is worth a word all the same.
func (r *Report) configuration(in Input) {
	cfg := in.Config
	r.looked()
	for _, w := range cfg.Warnings {
		r.note(checkConfig, w, "it may not do what was meant", "correct it in "+fileName(cfg))
	}
	r.looked()
	for _, p := range cfg.Missing() {
		r.wrong(checkConfig, p.Key+" "+p.Text, "the daemon refuses to start without it (exit code 78)",
			"put it there; where it is there and this user may not read it, run doctor as root")
	}
	r.looked()
	r.apiVersion(cfg.HubSpot.APIVersion, in.Now())
	r.looked()
	if b := cfg.Consent; b.LegalBasis != "" && !slices.Contains(hubspot.LegalBases, b.LegalBasis) {
		r.wrong(checkConsent, fmt.Sprintf("consent.legal_basis %q is none that HubSpot knows", b.LegalBasis), "every unsubscribe would be refused",
			"use one of "+fmt.Sprint(hubspot.LegalBases))
	}
}

func (r *Report) apiVersion(version string, now time.Time) {
	began, known := versions[version]
	end := began.AddDate(0, supportMonths, 0)
	switch {
	case !known && version != hubspot.DefaultAPIVersion:
		r.note(checkHubSpot, "hubspot.api_version "+version+" is not one that this version of leadsync was written for", "paths and shapes may differ",
			"take it out of the configuration: the default is "+hubspot.DefaultAPIVersion)
	case !known:
	case now.After(end):
		r.wrong(checkHubSpot, "HubSpot's support for API version "+version+" ended on "+end.Format(time.DateOnly), "requests may be refused any day",
			"install a newer leadsync, and take hubspot.api_version out of the configuration")
	case end.Sub(now) < endIsNear:
		r.note(checkHubSpot, "HubSpot's support for API version "+version+" ends on "+end.Format(time.DateOnly), "requests may be refused from then on",
			"install a newer leadsync before, and take hubspot.api_version out of the configuration")
	default:
		r.fact(checkHubSpot, "API version %s is supported until %s", version, end.Format(time.DateOnly))
	}
}

// token passes on what is wrong with the login or the token file.
func (r *Report) token(in Input) {
	r.looked()
	for _, p := range in.Token {
		r.wrong(checkToken, p.Text, whyToken[p.Code], p.Cure)
	}
	if in.Unasked != nil {
		r.wrong(checkToken, "the token could not be looked at: "+in.Unasked.Error(), "without a token nothing reaches HubSpot", "see the cause; `leadsync auth status` asks again")
	}
}

// whyToken is by the codes of `auth status`.
var whyToken = map[string]string{
	"not_connected":  "without a login nothing reaches HubSpot; rows wait and lose nothing",
	"needs_login":    "HubSpot takes the login no longer; rows wait and lose nothing",
	"grant_dead":     "the next renewal of the token will be refused",
	"config_fault":   "HubSpot refuses how it is asked for a token",
	"hubspot_away":   "a token that cannot be renewed runs out within half an hour",
	"wrong_account":  "nothing is sent to an account that the leads do not belong to",
	"missing_scopes": "what the scope allows will be refused",
	"token_refused":  "nothing reaches HubSpot; rows wait and lose nothing",
}

// noteworthy are the problems of status that do not stop the work.
var noteworthy = []string{status.CodeOldRows, status.CodePausedByHand, status.CodeDeadRows, status.CodeUnsupported, status.CodeStrays, status.CodeProperty, status.CodeClock,
	status.CodeOtherVersion, status.CodeStatusUnreadable}

// work passes on what status finds. It returns why HubSpot must not be asked now, or "".
func (r *Report) work(report status.Report, in Input) (held string) {
	r.looked()
	for _, p := range report.Problems {
		if slices.Contains(noteworthy, p.Code) {
			r.note(checkStatus, p.Text, "the work goes on beside it", p.Cure)
		} else {
			r.wrong(checkStatus, p.Text, "rows wait meanwhile; none is lost", p.Cure)
		}
	}
	for _, p := range report.Portals {
		if p.Portal != in.Config.Portal {
			continue
		}
		if n := p.DeadReasons["portal_rule"]; n > 0 {
			r.note(checkProperties, fmt.Sprintf("rules of the account refused %d rows: a property that a contact must have was not in them", n),
				"HubSpot enforces required and conditional properties on every write of API version 2026-09, and no interface lists the rules",
				"see which property each row lacks: leadsync outbox list --state dead --reason portal_rule; send it, or relax the rule in HubSpot")
		}
		if p.State != nil && *p.State == breaker.Limited && p.Until > in.Now().UnixMilli() {
			held = "a limit lasts until " + status.Clock(p.Until)
		}
	}
	return held
}

func fileName(cfg *config.Loaded) string {
	if cfg.File == "" {
		return "the environment"
	}
	return cfg.File
}
