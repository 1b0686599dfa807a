package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
	_ "time/tzdata" // the account's time zone must be known on a bare machine

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/push"
	"leadsync/internal/secret"
	"leadsync/internal/store"
)

// hub is the way to one HubSpot account during one ownership of the portal.
type hub struct {
	*hubspot.Client
	limiter *hubspot.Limiter
	tokens  tokens
}

// quietEnough is longer than HubSpot's window with all that may make a request late: an owner whose lease ran out that long after its last
// request has left nothing in it, and its successor serves at once.
const quietEnough = 12 * time.Second

// newHub builds the client: user agent, bearer, limiter, connection.
func (a *App) newHub(lease *store.Lease) (*hub, error) {
	cfg := a.cfg.HubSpot
	base := a.base
	if base == nil {
		var err error
		if base, err = NewBase(a.cfg); err != nil {
			return nil, err
		}
	}
	limiter := hubspot.NewLimiter(hubspot.LimiterConfig{PerWindow: cfg.Limits.RequestsPer10s, Share: cfg.Limits.Share,
		SearchPerSecond: cfg.Limits.SearchPerSecond, Daily: cfg.Limits.Daily, Log: a.log})
	limiter.SetDaily(dailyStore{a.db, a.cfg.Portal}, nil, cfg.Limits.Daily)
	if !lease.CleanBefore() && lease.Quiet(cfg.Timeout) <= quietEnough {
		limiter.AssumeFull()
	}
	client := func(source hubspot.TokenSource) *hubspot.Client {
		agent := userAgent(a.version)
		transport := hubspot.NewTransport(hubspot.TransportConfig{Base: base, Tokens: source, Limiter: limiter, UserAgent: agent})
		return hubspot.New(hubspot.Config{BaseURL: cfg.BaseURL, APIVersion: cfg.APIVersion, HTTP: &http.Client{Transport: transport},
			Timeout: cfg.Timeout, UserAgent: agent, Log: a.log, Observe: a.meters.request})
	}
	tokens, err := a.tokens(lease, base, func(value secret.String) *hubspot.Client { return client(fixedToken{value}) })
	if err != nil {
		return nil, err
	}
	return &hub{Client: client(tokens.source()), limiter: limiter, tokens: tokens}, nil
}

// dailyStore keeps the count of the day in the portal's row.
type dailyStore struct {
	db     *store.DB
	portal string
}

// ReserveDaily takes a block of requests from the day.
func (d dailyStore) ReserveDaily(ctx context.Context, day string, block int) (int, error) {
	return d.db.ReserveDaily(ctx, d.portal, day, block)
}

// pin holds the account behind the token against the one that is configured or was pinned before, and remembers it. Links belong to
// the account: with another one every update by id would land on a stranger.
func (a *App) pin(lease *store.Lease, h *hub) func(context.Context, hubspot.Account) error {
	return func(ctx context.Context, account hubspot.Account) error {
		row, err := a.db.Portal(ctx, a.cfg.Portal)
		if err != nil && !errors.Is(err, lead.ErrNotFound) {
			return err
		}
		want := a.cfg.HubSpot.PortalID
		if want == 0 {
			want = row.HubID
		}
		if want != 0 && want != account.PortalID {
			return &push.WrongAccountError{Want: want, Have: account.PortalID}
		}
		if row.HubID != account.PortalID || row.BaseURL != a.cfg.HubSpot.BaseURL {
			if err := a.db.PinHub(ctx, lease, account.PortalID, a.cfg.HubSpot.BaseURL); err != nil {
				return err
			}
			a.log.Info(msgPinned, observe.Portal, a.cfg.Portal, observe.PortalID, account.PortalID)
		}
		h.tokens.expect(account.PortalID)
		zone, err := time.LoadLocation(account.TimeZone)
		if err != nil {
			zone = time.UTC
			a.log.Warn(msgZone, "zone", account.TimeZone)
		}
		h.limiter.SetDaily(dailyStore{a.db, a.cfg.Portal}, zone, a.cfg.HubSpot.Limits.Daily)
		return nil
	}
}

// Rare lines of the account.
const (
	msgPinned = "hubspot account pinned"
	msgZone   = "time zone of the account is not known, the day ends at midnight UTC"
)

// schemaStream is the row of leadsync_streams that remembers what the definitions of the mapped properties were: it moves on with each
// look, as the position of a stream does.
const schemaStream = "schema"

// learnt compares the definitions with those of the look before and remembers them. Without the database nothing can be compared, and the
// next look tries again.
func (a *App) learnt(lease *store.Lease) func(ctx context.Context, hubID int64, table *mapping.Table) []mapping.Problem {
	return func(ctx context.Context, hubID int64, table *mapping.Table) []mapping.Problem {
		now := table.Shapes()
		if len(now) == 0 {
			return nil
		}
		row, err := within(ctx, func(ctx context.Context) (store.StreamRow, error) {
			return a.db.Stream(ctx, a.cfg.Portal, hubID, schemaStream)
		})
		if err != nil && !errors.Is(err, lead.ErrNotFound) {
			a.log.Debug(observe.PropertyFault, observe.Err, err)
			return nil
		}
		was := map[string]mapping.Shape{}
		if row.Position != "" {
			if err := json.Unmarshal([]byte(row.Position), &was); err != nil {
				a.log.Debug(observe.PropertyFault, observe.Err, err) // written by a later version: begin anew
			}
		}
		for property, shape := range was { // one that is away for a day is compared when it comes back
			if _, there := now[property]; !there {
				now[property] = shape
			}
		}
		text, err := json.Marshal(now)
		if err != nil || string(text) == row.Position {
			return nil
		}
		found := table.ChangedSince(was)
		_, err = within(ctx, func(ctx context.Context) (store.SettleResult, error) {
			return a.db.Settle(ctx, store.Settlement{Lease: lease, Now: outbox.Millis(time.Now()), Stream: &store.StreamRow{HubID: hubID, Stream: schemaStream, Position: string(text)}})
		})
		if err != nil {
			a.log.Debug(observe.PropertyFault, observe.Err, err) // told again at the next look
		}
		return found
	}
}
