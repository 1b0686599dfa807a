package app

import (
	"context"
	"errors"
	"net/http"
	"time"
	_ "time/tzdata" // the account's time zone must be known on a bare machine

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
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
