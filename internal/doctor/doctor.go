// Package doctor examines an installation: configuration, database, host, HubSpot account, mapped properties, ability
// to unsubscribe, limits. It is the work behind `leadsync doctor`.
//
// Guarantees. Each Finding says what is so, why it matters and what cures it, and holds no token, address or value of a
// lead. It changes nothing, in the database nor in HubSpot, but for the one property that Input.CreateIDProperty asks
// for. A check that cannot be made is a finding, never silence: what is not reported as wrong was looked at, or is
// named as not looked at. HubSpot is asked at most a dozen times, and not at all while the daemon's report says that a
// limit lasts.
//
// It does not open the database, build the client nor read the configuration: the command does, and hands over what it
// got, errors included. It does not watch; package status says how the work goes, and its problems are part of the
// findings.
//
// Design: one function a subject, each a list of findings from what it was given, so that every finding has a test
// without a network. A framework of registered checks was rejected: the order matters (without a token nothing of
// HubSpot can be asked) and reads best as one function (Examine).
package doctor

import (
	"context"
	"fmt"
	"time"

	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// Level says how grave a finding is.
type Level string

// The levels.
const (
	Wrong Level = "wrong" // something does not work, or will not: exit code 3
	Note  Level = "note"  // worth knowing; nothing is wrong
	Fact  Level = "fact"  // what this account was seen to do where HubSpot's documents say nothing, or how things are
)

// Finding is one line of the doctor's report. Its keys are what `doctor --json` prints.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // the subject: config, database, host, hubspot, token, properties, consent, limits, status
	What  string `json:"what"`
	Why   string `json:"why,omitempty"`
	Cure  string `json:"cure,omitempty"` // empty for a fact
}

// The subjects.
const (
	checkConfig     = "config"
	checkDatabase   = "database"
	checkHost       = "host"
	checkStatus     = "status"
	checkToken      = "token"
	checkHubSpot    = "hubspot"
	checkProperties = "properties"
	checkConsent    = "consent"
	checkLimits     = "limits"
)

// Hub is what the doctor asks of HubSpot.
type Hub interface {
	Account(ctx context.Context) (hubspot.Account, error)
	ContactProperties(ctx context.Context) ([]hubspot.Property, error)
	List(ctx context.Context, r hubspot.ListRequest) (*hubspot.Page, error)
	Search(ctx context.Context, r hubspot.SearchRequest) (*hubspot.Page, error)
	BatchRead(ctx context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error)
	SubscriptionDefinitions(ctx context.Context) ([]hubspot.SubscriptionDefinition, error)
	CreateContactProperty(ctx context.Context, p hubspot.NewProperty) (hubspot.Property, error)
}

// Database is what the doctor reads of it.
type Database interface {
	status.Database
	Schema(ctx context.Context) (current, latest int64, err error)
	Inspect(ctx context.Context) (store.Inspection, error)
}

// Problem is trouble that another part of the program worded, with a cure.
type Problem = status.Problem

// Input is all that is examined.
type Input struct {
	Config  *config.Loaded
	Version string           // of this binary
	Now     func() time.Time // nil = time.Now
	Host    Host             // the zero value looks at nothing

	// Database is nil when it could not be opened, and OpenError says why, with its cure in it.
	Database  Database
	OpenError error
	// KeyError is why the key of people's hashes cannot be used.
	KeyError error

	// Hub is nil when there is no token to ask HubSpot with. Token is what is wrong with the token; Unasked is why nobody
	// could tell.
	Hub     Hub
	Token   []Problem
	Unasked error
	Granted []string // scopes of the token; nil = HubSpot does not tell
	// PinnedID is the account that the portal belongs to, 0 = none yet.
	PinnedID int64
	Budget   func() hubspot.Budget // of the client behind Hub; may be nil

	CreateIDProperty bool
}

// Report is what was found, in the order of the examination.
type Report struct {
	Findings []Finding
	Checks   int // how many things were looked at
}

// OK says that nothing is wrong.
func (r *Report) OK() bool { return r.Count(Wrong) == 0 }

// Count is the number of findings of a level.
func (r *Report) Count(l Level) (n int) {
	for _, f := range r.Findings {
		if f.Level == l {
			n++
		}
	}
	return n
}

func (r *Report) add(level Level, check, what, why, cure string) {
	r.Findings = append(r.Findings, Finding{level, check, what, why, cure})
}

func (r *Report) wrong(check, what, why, cure string) { r.add(Wrong, check, what, why, cure) }
func (r *Report) note(check, what, why, cure string)  { r.add(Note, check, what, why, cure) }
func (r *Report) fact(check, format string, args ...any) {
	r.add(Fact, check, fmt.Sprintf(format, args...), "", "")
}

// looked counts a check.
func (r *Report) looked() { r.Checks++ }

// Examine looks at everything that can be looked at.
func Examine(ctx context.Context, in Input) *Report {
	if in.Now == nil {
		in.Now = time.Now
	}
	r := &Report{}
	r.configuration(in)
	r.host(in)
	held := r.database(ctx, in)
	r.token(in)
	switch {
	case in.Hub == nil:
		if len(in.Token) == 0 && in.Unasked == nil {
			r.note(checkHubSpot, "HubSpot was not asked", "there is no token to ask with", "mend what is named above, then run doctor again")
		}
	case held != "":
		r.note(checkHubSpot, "HubSpot was not asked: "+held, "a request before that time would prolong the wait", "run doctor again then")
	default:
		r.account(ctx, in)
	}
	return r
}
