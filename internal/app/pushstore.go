package app

import (
	"context"
	"errors"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/hubspot"
	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
	"leadsync/internal/push"
	"leadsync/internal/store"
)

// pushStore shows the database to push as its Store, under one lease.
type pushStore struct {
	*store.DB
	lease   *store.Lease
	portal  string
	timeout time.Duration // of the longest request
	pauses  *pauses
	tombs   *tombstones
	pin     func(ctx context.Context, a hubspot.Account) error
}

// Ready returns pending rows of a lane that wait for nothing.
func (s *pushStore) Ready(ctx context.Context, lane outbox.Lane, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	rows, err := s.DB.Ready(ctx, s.portal, lane, after, limit)
	return readyRows(rows), err
}

// DueAgain returns pending rows whose not_before has passed.
func (s *pushStore) DueAgain(ctx context.Context, now int64, limit int) ([]push.ReadyRow, error) {
	var rows []store.ReadyRow
	var err error
	if lane := s.pauses.running(); lane != "" { // rows of the other lane would fill the list
		rows, err = s.DB.DueAgainIn(ctx, s.portal, lane, now, limit)
	} else {
		rows, err = s.DB.DueAgain(ctx, s.portal, now, limit)
	}
	return readyRows(rows), err
}

// ReadyConsent returns pending rows that speak of consent and wait for nothing.
func (s *pushStore) ReadyConsent(ctx context.Context, after outbox.EntryID, limit int) ([]push.ReadyRow, error) {
	rows, err := s.DB.ReadyConsent(ctx, s.portal, after, limit)
	return readyRows(rows), err
}

// DueConsent returns those whose not_before has passed.
func (s *pushStore) DueConsent(ctx context.Context, now int64, limit int) ([]push.ReadyRow, error) {
	rows, err := s.DB.DueConsent(ctx, s.portal, now, limit)
	return readyRows(rows), err
}

func readyRows(rows []store.ReadyRow) []push.ReadyRow {
	out := make([]push.ReadyRow, len(rows))
	for i := range rows {
		out[i] = push.ReadyRow{ID: rows[i].ID, CreatedAt: rows[i].CreatedAt}
		if !rows[i].IsOrphan() {
			out[i].LeadID = rows[i].LeadID
		}
	}
	return out
}

// PendingOf returns all pending rows of the leads.
func (s *pushStore) PendingOf(ctx context.Context, leads []lead.ID, maxRows, maxBytes int) (map[lead.ID]push.LeadRows, error) {
	rows, err := s.DB.PendingOf(ctx, s.portal, leads, maxRows, maxBytes)
	if err != nil {
		return nil, err
	}
	out := make(map[lead.ID]push.LeadRows, len(rows))
	for id, lr := range rows {
		out[id] = push.LeadRows{Rows: lr.Rows, More: lr.More}
	}
	return out, nil
}

// EarlierEvents tells which of the rows repeat an event_id.
func (s *pushStore) EarlierEvents(ctx context.Context, rows []outbox.Entry) (map[outbox.EntryID]bool, error) {
	return s.DB.EarlierEvents(ctx, s.portal, rows)
}

// Untaken tells until when what the application was told was not acknowledged.
func (s *pushStore) Untaken(ctx context.Context, id lead.ID) (map[string]int64, error) {
	return s.DB.Untaken(ctx, s.portal, id)
}

// RowsOf returns the newest rows of a lead in any state.
func (s *pushStore) RowsOf(ctx context.Context, id lead.ID, limit int) ([]outbox.Entry, error) {
	return s.DB.RowsOf(ctx, s.portal, id, limit)
}

// Links reads the links of leads.
func (s *pushStore) Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	return s.DB.Links(ctx, s.portal, hubID, leads)
}

// LinksToLookAt reads links whose second look is due.
func (s *pushStore) LinksToLookAt(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return s.DB.LinksToLookAt(ctx, s.portal, hubID, now, limit)
}

// LinksOwing reads links that owe HubSpot a value.
func (s *pushStore) LinksOwing(ctx context.Context, hubID int64, after lead.ID, limit int) ([]ledger.Link, error) {
	return s.DB.LinksOwing(ctx, s.portal, hubID, after, limit)
}

// LinksOwingOptOut reads links for which the unsubscribe lane has work without a row.
func (s *pushStore) LinksOwingOptOut(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	return s.DB.LinksOwingOptOut(ctx, s.portal, hubID, now, limit)
}

// Settle writes a settlement under the lease.
func (s *pushStore) Settle(ctx context.Context, in push.Settlement) (int, error) {
	rows := inboxRows(s.portal, in.Inbox)
	asked := make([]store.Asked, len(in.Asked))
	for i, a := range in.Asked {
		asked[i] = store.Asked(a)
	}
	res, err := s.DB.Settle(ctx, store.Settlement{Lease: s.lease, Now: outbox.Millis(time.Now()), Outcomes: in.Outcomes, Links: in.Links,
		Inbox: rows, Asked: asked, Withdraw: append(in.Withdraw, replaced(in.Inbox)...), HighID: in.High.ID, HighAt: in.High.CreatedAt})
	var taken *store.ContactTakenError
	if errors.As(err, &taken) {
		err = &push.TakenError{ContactID: taken.ContactID, Holder: taken.Holder}
	}
	return res.Settled, err
}

// inboxRows are rows for lead_inbox as the database takes them.
func inboxRows(portal string, in []inbox.Row) []store.InboxRow {
	rows := make([]store.InboxRow, len(in))
	for i, r := range in {
		rows[i] = store.InboxRow{Portal: portal, LeadID: text(string(r.LeadID)), ContactID: text(string(r.ContactID)), Email: text(r.Email),
			ChangeType: r.ChangeType, Properties: r.Properties, ChangedAt: &in[i].ChangedAt}
		if r.Above != 0 {
			rows[i].AboveID = &in[i].Above
		}
	}
	return rows
}

// replaced is what rows take the place of.
func replaced(rows []inbox.Row) (out []inbox.Withdrawal) {
	for _, r := range rows {
		if r.Replaces {
			out = append(out, inbox.Withdrawal{LeadID: r.LeadID, Fields: inbox.Fields(r.Properties)})
		}
	}
	return out
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// PinHub records the account behind the token.
func (s *pushStore) PinHub(ctx context.Context, a hubspot.Account) error { return s.pin(ctx, a) }

// Purge deletes old settled rows.
func (s *pushStore) Purge(ctx context.Context, states []outbox.State, before int64, limit int) (int64, error) {
	return s.DB.PurgeSettled(ctx, s.portal, states, before, limit)
}

// MaySend reports whether the lease outlives a request.
func (s *pushStore) MaySend() bool { return s.lease.Outlives(s.timeout) }

// Trouble classifies a database error in push's words.
func (s *pushStore) Trouble(err error) error {
	switch {
	case errors.Is(err, store.ErrLeaseLost):
		return breaker.ErrLeaseLost
	case store.IsUnavailable(err), store.IsFull(err), store.IsReadOnly(err), store.IsDenied(err), errors.Is(err, context.DeadlineExceeded):
		return &breaker.AwayError{Cause: store.Cause(err), Full: store.IsFull(err)}
	}
	return nil
}

// HighMark is the highest row that an owner of the portal has settled.
func (s *pushStore) HighMark(ctx context.Context) (push.HighMark, error) {
	row, err := s.DB.Portal(ctx, s.portal)
	if errors.Is(err, lead.ErrNotFound) {
		return push.HighMark{}, nil
	}
	return push.HighMark{ID: row.HighID, CreatedAt: row.HighSeenAt}, err
}
