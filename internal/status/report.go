package status

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// Report is the object of `status --json`. Its keys, their order and their nulls are the public contract. Times are
// unix ms.
type Report struct {
	Version  string    `json:"version"` // of the binary that made the report
	Now      int64     `json:"now"`
	OK       bool      `json:"ok"` // false: exit code 3
	Problems []Problem `json:"problems"`
	Daemon   Daemon    `json:"daemon"`  // of the portal of the configuration
	Portals  []Portal  `json:"portals"` // the portal of the configuration first, the others by name
}

// Problem is something a person should know. Not every one makes the report not OK.
type Problem struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Cure string `json:"cure"`
}

// Daemon says who serves a portal; when nobody does, who did last.
type Daemon struct {
	Alive bool    `json:"alive"`
	Owner *string `json:"owner"`
	Since *int64  `json:"since"` // when it took the portal
}

// Queue counts the rows of a portal by state.
type Queue struct {
	Pending   int64 `json:"pending"`
	Delivered int64 `json:"delivered"`
	Skipped   int64 `json:"skipped"`
	Dead      int64 `json:"dead"`
}

// Owed counts values of the application that were left out and go out when HubSpot's definitions take them, and their
// leads: up to store.MostOwed of those.
type Owed struct {
	Leads  int64 `json:"leads"`
	Fields int64 `json:"fields"`
}

// Portal is one portal of the database.
type Portal struct {
	Portal          string                  `json:"portal"`
	PortalID        *int64                  `json:"portal_id"` // HubSpot's number of the account
	State           *breaker.State          `json:"state"`
	Cause           *string                 `json:"cause"`
	Since           *int64                  `json:"since"`
	Queue           Queue                   `json:"queue"`
	OldestPendingAt *int64                  `json:"oldest_pending_at"`
	DeadReasons     map[outbox.Reason]int64 `json:"dead_reasons"`
	LastSuccessAt   *int64                  `json:"last_success_at"`
	Budget          Budget                  `json:"budget"`
	Token           Token                   `json:"token"`
	Streams         []Stream                `json:"streams"`
	Owed            Owed                    `json:"owed"`

	// What the text form and the problems need beyond the contract.

	// Served says whether a daemon is alive for this portal.
	Served bool `json:"-"`
	// Until is when the lane tries again, 0 = not known.
	Until int64 `json:"-"`
	// Waiting counts the pending rows that a daemon of this version would act on, and OldestWaitingAt is the oldest of
	// them.
	Waiting         int64 `json:"-"`
	OldestWaitingAt int64 `json:"-"`
	// PausedByHand lists the lanes that an operator paused.
	PausedByHand []string `json:"-"`
	// Unsupported counts the pending rows of event types that this version does not act on.
	Unsupported map[outbox.Type]int64 `json:"-"`
	// Strays counts the rows that no daemon looks at, by what is wrong with them.
	Strays map[string]int64 `json:"-"`

	snapshot Snapshot
	row      store.PortalRow
	broken   bool // the saved snapshot cannot be read
	fresh    bool // what the snapshot says of the lane is of now
	silent   bool // a daemon holds the portal and has said nothing for too long
}

// Input is what a report is made of.
type Input struct {
	Version    string // of this binary
	Now        time.Time
	Portal     string        // of the configuration
	AlertAfter time.Duration // how long a row may wait before that is a problem; 0 = for ever
	// Full is the folder of a SQLite file in whose file system nothing is free, "" otherwise. The daemon cannot save there
	// that it waits.
	Full    string
	Portals []store.PortalRow
	Counts  []store.CountRow
	Strays  []store.StrayRow
	Owed    map[string]store.Owed // by portal
	Pauses  []store.Pause         // lanes that operators paused by hand
	// Owners has the owner of every portal in Portals, and of Portal.
	Owners map[string]store.OwnerInfo
}

// Database is where Collect reads.
type Database interface {
	Portals(ctx context.Context) ([]store.PortalRow, error)
	Counts(ctx context.Context) ([]store.CountRow, error)
	Strays(ctx context.Context) ([]store.StrayRow, error)
	Owed(ctx context.Context, portal string, hubID int64) (store.Owed, error)
	Pauses(ctx context.Context) ([]store.Pause, error)
	Owner(ctx context.Context, portal string) (store.OwnerInfo, error)
}

// Collect reads what in still lacks from the database. It asks for the owner of portals that have a row alone: a portal
// that only rows name never had one, and its name may be anything an application wrote.
func Collect(ctx context.Context, db Database, in Input) (Input, error) {
	var err error
	if in.Portals, err = db.Portals(ctx); err != nil {
		return in, err
	}
	if in.Counts, err = db.Counts(ctx); err != nil {
		return in, err
	}
	if in.Strays, err = db.Strays(ctx); err != nil {
		return in, err
	}
	if in.Pauses, err = db.Pauses(ctx); err != nil {
		return in, err
	}
	in.Owners, in.Owed = map[string]store.OwnerInfo{}, map[string]store.Owed{}
	names := []string{in.Portal}
	for _, row := range in.Portals {
		names = append(names, row.Portal)
		if in.Owed[row.Portal], err = db.Owed(ctx, row.Portal, row.HubID); err != nil {
			return in, err
		}
	}
	for _, name := range names {
		if in.Owners[name], err = db.Owner(ctx, name); err != nil {
			return in, err
		}
	}
	return in, nil
}

// Build makes the report. It is not OK when the lane of a portal that is served, or whose daemon died, is neither
// running nor limited, when rows wait in a portal that no daemon serves, and when rows wait for longer than AlertAfter
// while nothing succeeds. A portal that nobody ever served, or whose daemon ended cleanly, has no state, and is well as
// long as no row waits: `push --once` from a timer leaves it so. Dead rows, rows of event types without support, and
// problems of properties are told, but the report stays OK.
func Build(in Input) Report {
	r := Report{Version: in.Version, Now: in.Now.UnixMilli(), OK: true, Problems: []Problem{}}
	own := in.Owners[in.Portal]
	r.Daemon = Daemon{Alive: own.Alive, Owner: word(own.Owner), Since: moment(own.Since)}
	for _, p := range portals(in) {
		p.judge(in)
		problems, well := p.problems(in)
		r.Problems = append(r.Problems, problems...)
		r.OK = r.OK && well
		r.Portals = append(r.Portals, *p)
	}
	if in.Full != "" && !slices.ContainsFunc(r.Problems, func(p Problem) bool { return p.Code == CodeDatabase }) {
		r.OK = false
		r.Problems = append([]Problem{{Code: CodeDatabase, Text: "no space is left in " + in.Full + ", where the database is; what the daemon saved below may be old",
			Cure: "make room there; the lane goes on by itself within a minute, and nothing is lost"}}, r.Problems...)
	}
	return r
}

// portals gathers every portal that has a row in leadsync_portals or in lead_outbox, and the one of the configuration.
func portals(in Input) []*Portal {
	all := map[string]*Portal{}
	get := func(name string) *Portal {
		if all[name] == nil {
			all[name] = &Portal{Portal: name, DeadReasons: map[outbox.Reason]int64{}, Unsupported: map[outbox.Type]int64{}, Strays: map[string]int64{}}
		}
		return all[name]
	}
	get(in.Portal)
	for _, row := range in.Portals {
		get(row.Portal).row = row
	}
	for _, c := range in.Counts {
		get(c.Portal).count(c)
	}
	for _, s := range in.Strays {
		p := get(s.Portal)
		p.Queue.Pending += s.Count
		p.Strays[s.Why] += s.Count
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *Portal) int {
		if (a.Portal == in.Portal) != (b.Portal == in.Portal) {
			if a.Portal == in.Portal {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Portal, b.Portal)
	})
}

func (p *Portal) count(c store.CountRow) {
	switch c.State {
	case outbox.Delivered:
		p.Queue.Delivered += c.Count
	case outbox.Skipped:
		p.Queue.Skipped += c.Count
	case outbox.Dead:
		p.Queue.Dead += c.Count
		p.DeadReasons[c.Reason] += c.Count
	default:
		p.Queue.Pending += c.Count
		if c.State != outbox.Pending {
			p.Strays["the state "+quoted(string(c.State))] += c.Count // a word that an application wrote: no daemon will see to it
			return
		}
		oldest := c.OldestCreatedAt
		if oldest > 0 && (p.OldestPendingAt == nil || oldest < *p.OldestPendingAt) {
			p.OldestPendingAt = &oldest
		}
		if c.Type.Known() && !c.Type.Supported() {
			p.Unsupported[c.Type] += c.Count
			return
		}
		p.Waiting += c.Count
		if oldest > 0 && (p.OldestWaitingAt == 0 || oldest < p.OldestWaitingAt) {
			p.OldestWaitingAt = oldest
		}
	}
}

// judge decides what is known of the lane.
func (p *Portal) judge(in Input) {
	owner := in.Owners[p.Portal]
	p.Served = owner.Alive
	p.Streams = []Stream{}
	if p.row.HubID != 0 {
		p.PortalID = new(p.row.HubID)
	}
	snapshot, err := Parse(p.row.Status)
	p.broken = err != nil
	p.snapshot, p.Owed = snapshot, Owed(in.Owed[p.Portal])
	// The last success, the token and the streams are facts of the past; they stay true when the daemon has gone.
	p.LastSuccessAt = moment(snapshot.LastSuccessAt)
	p.Token = snapshot.Token
	now := in.Now.UnixMilli()
	for _, s := range snapshot.Streams {
		if s.Lag = nil; s.Watermark != nil {
			s.Lag = new(max(0, now-*s.Watermark))
		}
		if !owner.Alive {
			s.NextRunAt, s.RunningSince = nil, nil
		}
		p.Streams = append(p.Streams, s)
	}
	reported := p.row.StatusAt >= owner.Since && snapshot.State != ""
	switch {
	case owner.Alive && reported && now-p.row.StatusAt <= StaleAfter.Milliseconds():
		p.State, p.Cause, p.Since = new(snapshot.State), word(snapshot.Cause), moment(snapshot.Since)
		p.Budget, p.Until, p.fresh = snapshot.Budget, snapshot.Until, true
	case owner.Alive && now-max(p.row.StatusAt, owner.Since) <= StaleAfter.Milliseconds():
		p.Cause = word("starting")
	case owner.Alive:
		p.silent = true
		p.State, p.Cause, p.Since = new(breaker.Down), word("no report"), moment(max(p.row.StatusAt, owner.Since))
	case owner.Owner == "": // never served
	case p.row.Clean:
		p.Cause = word("stopped")
	default:
		p.State, p.Cause, p.Since = new(breaker.Down), word("daemon died"), moment(max(p.row.StatusAt, owner.Since))
	}
}

func word(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func moment(ms int64) *int64 {
	if ms <= 0 {
		return nil
	}
	return &ms
}
