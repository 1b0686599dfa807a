package app

import (
	"context"
	"errors"
	"net/http"
	"time"
	_ "time/tzdata" // the account's time zone must be known on a bare machine

	"leadsync/internal/account"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
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

// pin holds the account behind the token against the one that is configured or was pinned before, and remembers it; from then on the
// tokens and the day of the limiter are those of that account.
func (a *App) pin(pins account.Pins, h *hub) func(context.Context, hubspot.Account) error {
	return func(ctx context.Context, have hubspot.Account) error {
		changed, err := account.Check(ctx, pins, a.cfg.HubSpot.PortalID, account.Pin{AccountID: have.PortalID, BaseURL: a.cfg.HubSpot.BaseURL})
		if err != nil {
			return err
		}
		if changed {
			a.log.Info(msgPinned, observe.Portal, a.cfg.Portal, observe.PortalID, have.PortalID)
		}
		h.tokens.expect(have.PortalID)
		zone, err := time.LoadLocation(have.TimeZone)
		if err != nil {
			zone = time.UTC
			a.log.Warn(msgZone, "zone", have.TimeZone)
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

// accountStore remembers the account of a portal and its definitions, under the lease.
type accountStore struct {
	db     *store.DB
	lease  *store.Lease
	portal string
}

// Pinned is the account that the portal was connected to.
func (s accountStore) Pinned(ctx context.Context) (account.Pin, error) {
	row, err := s.db.Portal(ctx, s.portal)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return account.Pin{}, err
	}
	return account.Pin{AccountID: row.HubID, BaseURL: row.BaseURL}, nil
}

// SavePin replaces it.
func (s accountStore) SavePin(ctx context.Context, p account.Pin) error {
	return s.db.PinHub(ctx, s.lease, p.AccountID, p.BaseURL)
}

// Shapes are the definitions of the look before.
func (s accountStore) Shapes(ctx context.Context, accountID int64) (string, error) {
	row, err := within(ctx, func(ctx context.Context) (store.StreamRow, error) {
		return s.db.Stream(ctx, s.portal, accountID, schemaStream)
	})
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return "", err
	}
	return row.Position, nil
}

// SaveShapes replaces them.
func (s accountStore) SaveShapes(ctx context.Context, accountID int64, text string) error {
	_, err := within(ctx, func(ctx context.Context) (store.SettleResult, error) {
		return s.db.Settle(ctx, store.Settlement{Lease: s.lease, Now: outbox.Millis(time.Now()),
			Stream: &store.StreamRow{HubID: accountID, Stream: schemaStream, Position: text}})
	})
	return err
}
