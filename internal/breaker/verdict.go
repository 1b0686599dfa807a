package breaker

import (
	"errors"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/settlement"
)

// ErrLeaseEnding: nothing is sent, because the lease would not outlive the request.
var ErrLeaseEnding = errors.New("the portal lease does not outlive a request")

// Stopper is an error that stops a lane because of what it found, not of what HubSpot or the database said. It has a
// Cure() too when it knows what would help.
type Stopper interface {
	error
	// Stops gives the state of the lane: Paused until a person acts, and then the error's own text is the cause; or
	// Degraded.
	Stops() State
}

// Verdict is what an error says about the lane. It is made from types and never from texts.
type Verdict struct {
	State State
	Kind  string
	Cause string // a machine word, with details behind a colon; or a sentence
	Cure  string // a sentence
	Token bool   // no request was sent: there is no token
	// Wait is the least time until it is tried again. Exact: it is that long, else as long as the backoff says when that
	// is more.
	Wait  time.Duration
	Exact bool
}

// ScopeRetry is how long after a 403 MISSING_SCOPES it is tried again by itself; a login tries at once.
const ScopeRetry = time.Hour

// Judge says what err means for the lane. What it does not know is an outage, which costs time and nothing else.
func Judge(err error) Verdict {
	v, class := Verdict{State: Degraded, Wait: hubspot.RetryAfter(err)}, hubspot.Classify(err)
	v.Cause = string(class)
	stop, stops := errors.AsType[Stopper](err)
	token, isToken := errors.AsType[*hubspot.TokenError](err)
	v.Token = isToken
	switch {
	case errors.Is(err, settlement.ErrDatabaseAway):
		v.State, v.Cause = Down, KindDatabase
		if away, ok := errors.AsType[*settlement.AwayError](err); ok {
			v.Cause += ": " + away.Cause
		}
	case errors.Is(err, settlement.ErrLeaseLost), errors.Is(err, ErrLeaseEnding):
		v.State, v.Cause = Down, KindLease
	case stops && stop.Stops() != Degraded:
		v.State, v.Cause = stop.Stops(), stop.Error()
	case class == hubspot.ClassRateLimited:
		v.State, v.Wait, v.Exact = Limited, max(v.Wait, time.Second), true
	case class == hubspot.ClassDaily, class == hubspot.ClassMigrating:
		v.State, v.Wait, v.Exact = Limited, max(v.Wait, time.Minute), true
	case class == hubspot.ClassLocal:
		v.Cause += ": " + hubspot.LocalCause(err)
	case class == hubspot.ClassUnauthorized:
		v.State = NeedsLogin
	case class == hubspot.ClassForbidden && isToken:
		v.State, v.Cause = Paused, token.Err.Error()
	case class == hubspot.ClassScope:
		v.State, v.Wait, v.Exact = Paused, ScopeRetry, true
		if scopes := hubspot.ScopesOf(err); len(scopes) > 0 {
			v.Cause += ": " + strings.Join(scopes, ", ")
		}
	case class == hubspot.ClassForbidden:
		v.State = Paused
	}
	v.Kind = kindOf(v.State, class, err)
	v.Cure = cureOf(v, class, err)
	return v
}

// ForAll reports trouble that whoever is asked for next would meet too, whatever the request was about.
func ForAll(err error) bool {
	switch hubspot.OpOf(err) {
	case hubspot.OpAccount, hubspot.OpProperties, hubspot.OpDefinitions: // about no lead
		return true
	}
	return AnyRequest(err)
}

// AnyRequest reports trouble that every request would meet, whatever it asks for.
func AnyRequest(err error) bool {
	if _, token := errors.AsType[*hubspot.TokenError](err); token {
		return true
	}
	if _, stops := errors.AsType[Stopper](err); stops {
		return true
	}
	if errors.Is(err, settlement.ErrDatabaseAway) || errors.Is(err, settlement.ErrLeaseLost) || errors.Is(err, ErrLeaseEnding) {
		return true
	}
	switch hubspot.Classify(err) {
	case hubspot.ClassRateLimited, hubspot.ClassDaily, hubspot.ClassMigrating, hubspot.ClassUnauthorized, hubspot.ClassLocal,
		hubspot.ClassStopped:
		return true
	}
	return false
}

// kindOf says what the trouble is about.
func kindOf(s State, class hubspot.Class, err error) string {
	switch {
	case errors.Is(err, settlement.ErrDatabaseAway):
		return KindDatabase
	case s == Down:
		return KindLease
	case s == NeedsLogin:
		return KindLogin
	case s == Limited:
		return KindQuota
	case s == Paused:
		return KindAccess
	case class == hubspot.ClassLocal:
		return KindLocal
	case class == hubspot.ClassDefect:
		return KindDefect
	}
	if answered, ok := errors.AsType[*hubspot.Error](err); ok && answered.Status != 0 && answered.Err == nil {
		return KindHubSpot
	}
	if _, token := errors.AsType[*hubspot.TokenError](err); token {
		return KindHubSpot // the token endpoint; its own words are in the log
	}
	return KindNetwork
}

// cureOf is the one thing that would help.
func cureOf(v Verdict, class hubspot.Class, err error) string {
	if says, ok := errors.AsType[interface {
		error
		Cure() string
	}](err); ok {
		return says.Cure()
	}
	if away, ok := errors.AsType[*settlement.AwayError](err); ok && away.Full {
		return cureFull
	}
	switch {
	case v.Kind == KindNetwork:
		return cureNetwork
	case v.Kind == KindLocal:
		return "this host, not HubSpot: " + hubspot.LocalCure(err) + "; it is tried again by itself, and nothing is lost"
	case v.Kind == KindDefect:
		return CureDefect
	case v.Kind == KindLogin:
		return cureLogin
	case v.Kind == KindLease:
		return cureLease
	case v.Kind == KindDatabase:
		return cureDatabase
	case class == hubspot.ClassScope:
		return cureScope
	case v.Kind == KindAccess && class == hubspot.ClassForbidden && !v.Token:
		return cureForbidden
	case v.Kind == KindAccess:
		return cureCause
	case class == hubspot.ClassDaily:
		return cureDaily
	case class == hubspot.ClassMigrating:
		return cureMigrating
	case v.Kind == KindQuota, class == hubspot.ClassLocked:
		return cureLimit
	}
	return cureHubSpot
}

// The cures.
const (
	cureLogin = "HubSpot refuses the token: run `leadsync auth login`, and it goes on by itself; in auth.mode static put a valid one into the token file, " +
		"and under systemd then: systemctl restart leadsync"
	cureScope     = "grant the missing scopes to the app in HubSpot; it is tried again by itself"
	cureForbidden = "check hubspot.base_url, the app's permissions in HubSpot, and proxies on the way"
	cureCause     = "do what the cause says; it is tried again by itself"
	cureDaily     = "the account's requests of the day are used up; it goes on after midnight of the account's time zone"
	cureMigrating = "HubSpot moves the account to another data centre; it goes on by itself"
	cureLimit     = "wait: HubSpot's limit passes by itself; when it lasts, other apps of the account use it up: see its API usage in HubSpot, " +
		"lower the load or hubspot.limits, or take a larger plan"
	cureLease = "nothing: another daemon serves the portal, or this one could not renew its lease in time, because the database was slow or this " +
		"machine was suspended; it goes on by itself"
	cureDatabase = "start or repair the database; it goes on by itself"
	cureFull     = "make room where the database is: its disk or quota is full; it goes on by itself within a minute, and nothing is lost"
	cureHubSpot  = "HubSpot or the way to it is away; it is tried again by itself"
	cureNetwork  = "HubSpot gives no answer: check name resolution, proxy, firewall and hubspot.base_url from this host; it is tried again by itself"
	cureRule     = "mend what the cause names, in HubSpot or in the mapping; the lane probes with one row a minute and goes on by itself"
	// CureDefect is for a request that our own checks refused.
	CureDefect = "a defect of leadsync, not of HubSpot or of this host: please report this line; the rows it names use up their attempts, all others go on"
)
