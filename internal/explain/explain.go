// Package explain tells why a lead stands as it does: its events and what became of each, which were folded into one
// write, the rule behind every decision, the requests that were about it, what HubSpot is known to hold beside what it
// holds now, and what happens next.
//
// Guarantee: it changes nothing and decides nothing; what it says of the future comes from the same code that will act
// (package push), as far as that can be known without asking HubSpot. A lead is found by its id, its address, its
// contact or one of its rows.
//
// It prints nothing. What it returns holds a person's values: it is for an operator's terminal, never for a log.
//
// Design: everything is read from the tables when it is asked for. A journal of decisions written along with the work
// was rejected: the rows, the ledger and the last requests hold the facts already, and a second account of them could
// disagree.
package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
	"leadsync/internal/settlement"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// Bounds of one story. The newest are told.
const (
	mostEvents   = 100
	mostRequests = 20
)

// Database is where Tell reads.
type Database struct {
	Operator status.Database
	View     func(portal string) View
}

// View reads one portal: *store.View.
type View interface {
	Row(ctx context.Context) (store.PortalRow, error)
	Entries(ctx context.Context, ids []outbox.EntryID) ([]outbox.Entry, error)
	RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error)
	EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error)
	Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error)
	LinksByAddress(ctx context.Context, hubID int64, addresses []string) ([]ledger.Link, error)
	LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error)
	KnownContacts(ctx context.Context, hubID int64, id lead.ID, rows []outbox.EntryID) (settlement.Known, error)
	RequestsOf(ctx context.Context, leadHash string, limit int) ([]store.RequestRow, error)
}

// Query says whose story is wanted.
type Query struct {
	Subject    string // lead id, address, contact id, or outbox:ID
	Portal     string
	Version    string
	Now        time.Time
	AlertAfter time.Duration
	Table      *mapping.Table
	Hash       func(string) string // the keyed hash of a lead id
}

// ErrUnknown: no lead goes by that name.
var ErrUnknown = errors.New("no lead, address, contact or row goes by that name")

// Tell gathers the story of one lead. ErrUnknown when there is none.
func Tell(ctx context.Context, db Database, q Query) (*Story, error) {
	s := &Story{Portal: q.Portal, Others: []string{}, Events: []Event{}, Fields: []Field{}, Requests: []Request{}, Next: []string{}, table: q.Table}
	if err := s.find(ctx, db, q); err != nil {
		return nil, err
	}
	rows, err := db.View(s.Portal).RowsOf(ctx, lead.ID(s.LeadID), mostEvents)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 && s.link == nil {
		return nil, ErrUnknown
	}
	slices.SortFunc(rows, func(a, b outbox.Entry) int { return cmp.Compare(a.ID, b.ID) })
	s.MoreEvents = len(rows) == mostEvents
	s.LeadHash = q.Hash(s.LeadID)
	requests, err := db.View(s.Portal).RequestsOf(ctx, s.LeadHash, mostRequests)
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		s.Requests = append(s.Requests, Request{r.StartedAt, r.Op, r.Status, r.Answer, r.CorrelationID, r.Elapsed})
	}
	slices.Reverse(s.Requests)
	repeated, err := db.View(s.Portal).EarlierEvents(ctx, rows)
	if err != nil {
		return nil, err
	}
	if s.known, err = db.View(s.Portal).KnownContacts(ctx, s.PortalID, lead.ID(s.LeadID), nil); err != nil {
		return nil, err
	}
	s.tellEvents(rows, repeated)
	s.tellLink()
	in, err := status.Collect(ctx, db.Operator, status.Input{Version: q.Version, Portal: s.Portal, AlertAfter: q.AlertAfter})
	if err != nil {
		return nil, err
	}
	in.Now = q.Now
	s.tellNext(rows, status.Build(in).Portals[0], q.Now)
	return s, nil
}

// isLead reports whether a lead has exactly this id, and loads its link.
func (s *Story) isLead(ctx context.Context, db Database, id string) (bool, error) {
	if id == "" {
		return false, nil
	}
	s.LeadID = id
	if err := s.load(ctx, db); err != nil || s.link != nil {
		return s.link != nil, err
	}
	rows, err := db.View(s.Portal).RowsOf(ctx, lead.ID(id), 1)
	return len(rows) > 0, err
}

// find fills in portal, lead, account and link.
func (s *Story) find(ctx context.Context, db Database, q Query) error {
	portal, err := db.View(s.Portal).Row(ctx)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return err
	}
	s.PortalID = portal.HubID
	// The lead's own id comes first, letter by letter: an application may use addresses, numbers or outbox:17 as ids, and
	// 'Ab ' is another lead than 'Ab'.
	if there, err := s.isLead(ctx, db, q.Subject); err != nil || there {
		return err
	}
	subject := strings.TrimSpace(q.Subject)
	if text, ok := strings.CutPrefix(subject, "outbox:"); ok {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return fmt.Errorf("outbox:%s: want a number like outbox:17", text)
		}
		rows, err := db.View(s.Portal).Entries(ctx, []outbox.EntryID{outbox.EntryID(id)})
		switch {
		case err != nil:
			return err
		case len(rows) == 0:
			return fmt.Errorf("row %d: %w", id, ErrUnknown)
		case rows[0].Lead() == "":
			return fmt.Errorf("row %d has no lead_id; leadsync outbox show %d tells all there is", id, id)
		}
		s.Portal, s.LeadID, subject = rows[0].Portal, string(rows[0].Lead()), ""
	}
	if subject == "" {
		if portal, err = db.View(s.Portal).Row(ctx); err != nil && !errors.Is(err, lead.ErrNotFound) {
			return err
		}
		s.PortalID = portal.HubID
		return s.load(ctx, db)
	}
	if there, err := s.isLead(ctx, db, subject); err != nil || there {
		return err
	}
	var links []ledger.Link
	if address, bad := lead.NormalizeAddress(subject); bad == nil {
		if links, err = db.View(s.Portal).LinksByAddress(ctx, s.PortalID, []string{string(address)}); err != nil {
			return err
		}
	}
	if _, bad := strconv.ParseInt(subject, 10, 64); bad == nil {
		if links, err = db.View(s.Portal).LinksByContact(ctx, s.PortalID, []lead.ContactID{lead.ContactID(subject)}); err != nil {
			return err
		}
	}
	links = slices.DeleteFunc(links, func(l ledger.Link) bool { return l.Portal != s.Portal })
	slices.SortStableFunc(links, func(a, b ledger.Link) int { return cmp.Compare(rank(a.State), rank(b.State)) })
	if len(links) == 0 {
		return ErrUnknown
	}
	s.LeadID, s.link = string(links[0].LeadID), &links[0]
	for _, other := range links[1:] {
		s.Others = append(s.Others, string(other.LeadID))
	}
	return nil
}

// rank puts the lead that holds a contact before those that held it.
func rank(state ledger.State) int {
	return slices.Index([]ledger.State{ledger.Linked, ledger.Gone, ledger.Purged, ledger.Passive, ledger.None}, state)
}

func (s *Story) load(ctx context.Context, db Database) error {
	links, err := db.View(s.Portal).Links(ctx, s.PortalID, []lead.ID{lead.ID(s.LeadID)})
	if err != nil {
		return err
	}
	s.link = links[lead.ID(s.LeadID)]
	return nil
}

// foresee tells what each pending row would come to.
func (s *Story) foresee(rows []outbox.Entry, repeated map[outbox.EntryID]bool) map[outbox.EntryID]intent.Preview {
	var pending []outbox.Entry
	for _, r := range rows {
		if r.State == outbox.Pending {
			pending = append(pending, r)
		}
	}
	out := map[outbox.EntryID]intent.Preview{}
	for _, r := range pending {
		out[r.ID] = intent.PreviewRow(r, pending, s.link, s.table, repeated[r.ID])
	}
	return out
}
