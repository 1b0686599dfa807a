package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the account's time zone must be known on a bare machine

	"leadsync/internal/hubspot"
)

// account asks HubSpot. What cannot be asked at all ends it; any other refusal is a finding, and the rest goes on.
func (r *Report) account(ctx context.Context, in Input) {
	r.looked()
	who, err := in.Hub.Account(ctx)
	if err != nil {
		what, cure := words(err)
		r.wrong(checkHubSpot, "HubSpot cannot be asked: "+what, "nothing reaches it; rows wait and lose nothing", cure)
		return
	}
	r.fact(checkHubSpot, "account %d, %s, time zone %s", who.PortalID, who.Type, who.TimeZone)
	r.looked()
	if want := in.PinnedID; want != 0 && want != who.PortalID {
		r.wrong(checkHubSpot, fmt.Sprintf("the token belongs to HubSpot account %d, this portal to %d", who.PortalID, want), whyToken["wrong_account"],
			"take a token of that account, or correct hubspot.portal_id")
		return // what another account holds says nothing
	}
	r.looked()
	if _, err := time.LoadLocation(who.TimeZone); err != nil || who.TimeZone == "" {
		r.note(checkHubSpot, "the time zone of the account is not known: "+quoted(who.TimeZone), "the daily limit is reset at midnight of that zone; UTC is taken instead",
			"set the time zone of the account in HubSpot")
	}
	if ok := r.contacts(ctx, in); !ok {
		return
	}
	r.properties(ctx, in)
	r.consent(ctx, in)
	r.limits(in)
	r.facts(ctx, in)
}

// contacts reads one contact: it proves the scope and carries HubSpot's clock. It says whether contacts may be read.
func (r *Report) contacts(ctx context.Context, in Input) bool {
	before := in.Now()
	page, err := in.Hub.List(ctx, hubspot.ListRequest{Limit: 1})
	after := in.Now()
	r.looked()
	if err != nil {
		r.refused(checkHubSpot, "contacts cannot be read", "nothing is pushed without reading: a conflict, an unknown outcome and every pull need it", err)
		return false
	}
	r.looked()
	if !page.Date.IsZero() {
		r.skew(checkHubSpot, "HubSpot", page.Date, before, after, "the life of tokens, the age of rows and the waits that HubSpot asks for are counted by this machine")
	}
	r.looked()
	r.scopes(in)
	return true
}

// needed are the operations that the configuration needs scopes for, and what does not work without.
func needed(in Input) []struct{ op, disables string } {
	return []struct{ op, disables string }{
		{hubspot.OpBatchUpdate, "nothing is pushed"},
		{hubspot.OpBatchRead, "nothing is pushed, since what is not known must be read"},
		{hubspot.OpOptOutOfAll, "lead.unsubscribed rows wait: nobody is unsubscribed"},
		{hubspot.OpOptedOut, "a change of address of a person who said no is held, and lead.resubscribed cannot be checked"},
	}
}

// scopes holds what the token may do against what is needed.
func (r *Report) scopes(in Input) {
	if in.Granted == nil {
		r.fact(checkHubSpot, "HubSpot does not tell the scopes of this kind of token: whether it may write shows with the first row")
		return
	}
	for _, n := range needed(in) {
		any := hubspot.ScopesFor(n.op)
		if slices.ContainsFunc(any, func(s string) bool { return slices.Contains(in.Granted, s) }) {
			continue
		}
		if slices.ContainsFunc(in.Token, func(p Problem) bool {
			return slices.ContainsFunc(any, func(s string) bool { return strings.Contains(p.Text, s) })
		}) {
			continue // told already
		}
		r.wrong(checkHubSpot, "the token lacks the scope "+any[0], n.disables, "add it to the app in HubSpot and to hubspot.auth.scopes, then run `leadsync auth login`")
	}
	if batch := hubspot.ScopesFor(hubspot.OpBatchOptOutOfAll)[0]; !slices.Contains(in.Granted, batch) {
		r.fact(checkConsent, "no scope %s, which Marketing Hub Enterprise alone can grant: people are unsubscribed one request each", batch)
	}
}

// limits compares the configured limits with what HubSpot states.
func (r *Report) limits(in Input) {
	if in.Budget == nil {
		return
	}
	r.looked()
	l := in.Config.HubSpot.Limits
	seen := in.Budget()
	ours := int(float64(l.RequestsPer10s) * l.Share)
	switch {
	case seen.WindowLimit == 0 || l.RequestsPer10s == 0:
	case seen.WindowLimit < ours:
		stated := int(float64(seen.WindowLimit)/l.Share + 0.5)
		r.note(checkLimits, fmt.Sprintf("HubSpot allows %d requests in 10 seconds, hubspot.limits.requests_per_10s is %d", stated, l.RequestsPer10s),
			"the lower one is obeyed, so nothing breaks; figures that are planned from the higher one will not be reached", fmt.Sprintf("set hubspot.limits.requests_per_10s: %d", stated))
	default:
		r.fact(checkLimits, "%d requests in 10 seconds and %d a day, of which leadsync takes %d%%", l.RequestsPer10s, l.Daily, int(l.Share*100+0.5))
	}
}

// refused enters an operation that HubSpot did not take.
func (r *Report) refused(check, what, why string, err error) {
	cause, cure := words(err)
	r.wrong(check, what+": "+cause, why, cure)
}

// words says what an error of HubSpot's is and what cures it.
func words(err error) (what, cure string) {
	what = err.Error()
	switch hubspot.Classify(err) {
	case hubspot.ClassScope:
		return what, "add the scope " + strings.Join(hubspot.ScopesOf(err), ", ") + " to the app in HubSpot, and in mode oauth to hubspot.auth.scopes; then run `leadsync auth login`, or take the app's new token"
	case hubspot.ClassUnauthorized:
		return what, "mode oauth: run `leadsync auth login`; mode static: put a valid token into the file of hubspot.auth.static_token_file, and under systemd then: systemctl restart leadsync"
	case hubspot.ClassForbidden:
		return what, "look whether the account's subscription has this, and whether the token belongs to a user or app that may do it"
	case hubspot.ClassRateLimited, hubspot.ClassDaily, hubspot.ClassMigrating:
		return what, "none needed: it passes by itself; run doctor again then"
	case hubspot.ClassTransient:
		return what, "look at the network from this machine (DNS, proxy, firewall, hubspot.ca_file): curl -sS -o /dev/null -w '%{http_code}\\n' https://api.hubapi.com/ answers 404 or 401 when it is well; HubSpot's own state: https://status.hubspot.com"
	}
	return what, "see the codes of HubSpot in it"
}

// quoted shows a word of the other side.
func quoted(s string) string { return fmt.Sprintf("%+q", s) }
