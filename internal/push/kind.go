package push

import (
	"errors"

	"leadsync/internal/hubspot"
)

// What a trouble of the lane is about: one word for each cause that needs another cure. They appear in status and in metrics.
const (
	KindLogin    = "login"    // HubSpot refuses the token
	KindQuota    = "quota"    // a limit of HubSpot's
	KindNetwork  = "network"  // no answer: HubSpot, or the way to it
	KindHubSpot  = "hubspot"  // HubSpot answers with errors of its own
	KindDatabase = "database" // the database is away, full or read-only
	KindLease    = "lease"    // the portal may be another daemon's
	KindAccess   = "access"   // scopes, permissions, another account
	KindRule     = "rule"     // most rows are refused alike
	KindLocal    = "local"    // this host: memory, disk, file descriptors, ports
	KindDefect   = "defect"   // our own code refused to send a request
)

// kindOf says what the trouble is about.
func kindOf(c Condition, class hubspot.Class, err error) string {
	switch {
	case errors.Is(err, ErrDatabaseAway):
		return KindDatabase
	case c == Down:
		return KindLease
	case c == NeedsLogin:
		return KindLogin
	case c == Limited:
		return KindQuota
	case c == Paused:
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

// cureFull is for a database that has no space left.
const cureFull = "make room where the database is: its disk or quota is full; it goes on by itself within a minute, and nothing is lost"

// cureNetwork is for a HubSpot that gives no answer.
const cureNetwork = "HubSpot gives no answer: check name resolution, proxy, firewall and hubspot.base_url from this host; it is tried again by itself"

// cureLocal is for what this host lacks.
func cureLocal(err error) string {
	return "this host, not HubSpot: " + hubspot.LocalCure(err) + "; it is tried again by itself, and nothing is lost"
}
