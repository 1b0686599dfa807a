package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
	_ "time/tzdata" // the account's time zone must be known on a bare machine

	"leadsync/internal/account"
	"leadsync/internal/auth"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/observe"
	"leadsync/internal/settlement"
	"leadsync/internal/store"
)

// Dialer makes all clients of HubSpot, for the daemon and for the commands: its clients share one connection and one
// limiter, so that none of them is outside the budget (G10). Another process of the same account is to it what any
// other app of the account is: the limiter sees its requests in the headers of the answers, and makes room.
type Dialer struct {
	Limiter *hubspot.Limiter

	cfg     *config.Loaded
	base    http.RoundTripper
	agent   string
	log     *slog.Logger
	observe func(op string, class hubspot.Class, elapsed time.Duration)
	days    hubspot.DailyStore
}

// DialOptions are what differs between those who dial. The zero value is right for a command without a database.
type DialOptions struct {
	Version string
	Base    http.RoundTripper // nil = the connection that the configuration asks for
	Log     *slog.Logger      // nil = none
	Observe func(op string, class hubspot.Class, elapsed time.Duration)
	// Database keeps the count of the day, in the row of the portal; nil = nobody does.
	Database *store.DB
	// Block is how many requests of the day are reserved at once; 0 = as many as a daemon wants.
	Block int
}

// Dial prepares what all clients share. Its error is a *ConfigError, or the database's.
func Dial(ctx context.Context, cfg *config.Loaded, o DialOptions) (*Dialer, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Dialer{cfg: cfg, base: o.Base, agent: "leadsync/" + o.Version, log: o.Log, observe: o.Observe}
	if d.base == nil {
		var err error
		if d.base, err = hubspot.NewBase(hubspot.BaseConfig{CAFile: cfg.HubSpot.CAFile, ReadFile: cfg.Credentials.ReadFile}); err != nil {
			return nil, &ConfigError{fmt.Errorf("hubspot.ca_file: %w", err)}
		}
	}
	limits := cfg.HubSpot.Limits
	d.Limiter = hubspot.NewLimiter(hubspot.LimiterConfig{PerWindow: limits.RequestsPer10s, Share: limits.Share,
		SearchPerSecond: limits.SearchPerSecond, Daily: limits.Daily, DailyBlock: o.Block, Log: o.Log})
	if o.Database == nil {
		return d, nil
	}
	row, err := o.Database.View(cfg.Portal).Row(ctx)
	switch {
	case errors.Is(err, lead.ErrNotFound):
		return d, nil // no daemon ever had it, and a command does not make its row
	case err != nil:
		return nil, err
	}
	d.days = dailyStore{o.Database, cfg.Portal}
	d.Limiter.SetDaily(d.days, zoneOf(row.DailyDay, time.Now()), limits.Daily)
	return d, nil
}

// Client makes a client that takes its token from there.
func (d *Dialer) Client(tokens hubspot.TokenSource) *hubspot.Client {
	h := d.cfg.HubSpot
	transport := hubspot.NewTransport(hubspot.TransportConfig{Base: d.base, Tokens: tokens, Limiter: d.Limiter, UserAgent: d.agent})
	return hubspot.New(hubspot.Config{BaseURL: h.BaseURL, APIVersion: h.APIVersion, HTTP: &http.Client{Transport: transport},
		Timeout: h.Timeout, UserAgent: d.agent, Log: d.log, Observe: d.observe})
}

// OAuth speaks with HubSpot's OAuth endpoints for the app of the configuration. The token endpoint counts against none
// of the limits of the API, so no limiter stands before it.
func (d *Dialer) OAuth() *auth.Client {
	h := d.cfg.HubSpot
	return auth.NewClient(auth.ClientConfig{BaseURL: h.BaseURL, AuthorizeURL: h.AuthorizeURL, APIVersion: h.APIVersion, ClientID: h.Auth.ClientID,
		ClientSecret: d.cfg.ClientSecret, RedirectURL: h.Auth.RedirectURL, Scopes: h.Auth.Scopes, HTTP: &http.Client{Timeout: h.Timeout,
			Transport: hubspot.NewTransport(hubspot.TransportConfig{Base: d.base, UserAgent: d.agent})}})
}

// Static is the source of mode static.
func (d *Dialer) Static() hubspot.TokenSource {
	return auth.NewStatic(d.cfg.HubSpot.Auth.StaticTokenFile, d.cfg.Credentials.ReadFile)
}

// Grant is the source of mode oauth; its owner must close it. The wait after a refresh that failed is that of waits.
func (d *Dialer) Grant(db *store.DB, keys auth.Sealer, owner string, waits func(int) time.Duration) *auth.Source {
	return auth.NewSource(auth.Config{Portal: d.cfg.Portal, Owner: owner, Grants: db.Tokens(), Keys: keys, Client: d.OAuth(), Waits: waits, Log: d.log})
}

// Learn takes in the account's time zone, at whose midnight the day ends. It reports whether the zone is known here.
func (d *Dialer) Learn(account hubspot.Account) bool {
	zone, err := time.LoadLocation(account.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	if d.days != nil {
		d.Limiter.SetDaily(d.days, zone, d.cfg.HubSpot.Limits.Daily)
	}
	return err == nil
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

// zoneOf is a zone in which now is the stored day, until the account says which one is its own: a count under another
// day would begin at 0. Where the day is over everywhere it is UTC.
func zoneOf(day string, now time.Time) *time.Location {
	for _, hours := range []int{0, -12, 14} { // where a day begins last and first
		if zone := time.FixedZone("", hours*3600); now.In(zone).Format(time.DateOnly) == day {
			return zone
		}
	}
	return time.UTC
}

// hub is the way to one HubSpot account during one ownership of the portal.
type hub struct {
	*hubspot.Client
	limiter *hubspot.Limiter
	dial    *Dialer
	tokens  tokens
}

// quietEnough is longer than HubSpot's window with all that may make a request late: an owner whose lease ran out that
// long after its last request has left nothing in it, and its successor serves at once.
const quietEnough = 12 * time.Second

// newHub builds the client: user agent, bearer, limiter, connection.
func (a *App) newHub(lease *store.Lease) (*hub, error) {
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	dial, err := Dial(ctx, a.cfg, DialOptions{Version: a.version, Base: a.base, Log: a.log, Observe: a.meters.request, Database: a.db,
		Block: a.block})
	if err != nil {
		return nil, err
	}
	if !lease.CleanBefore() && lease.Quiet(a.cfg.HubSpot.Timeout) <= quietEnough {
		dial.Limiter.AssumeFull()
	}
	tokens := a.tokens(lease, dial)
	return &hub{Client: dial.Client(tokens.source()), limiter: dial.Limiter, dial: dial, tokens: tokens}, nil
}

// pin holds the account behind the token against the one that is configured or was pinned before, and remembers it;
// from then on the tokens and the day of the limiter are those of that account.
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
		if !h.dial.Learn(have) {
			a.log.Warn(msgZone, "zone", have.TimeZone)
		}
		return nil
	}
}

// Rare lines of the account.
const (
	msgPinned = "hubspot account pinned"
	msgZone   = "time zone of the account is not known, the day ends at midnight UTC"
)

// schemaStream is the row of leadsync_streams that remembers what the definitions of the mapped properties were: it
// moves on with each look, as the position of a stream does.
const schemaStream = "schema"

// accountStore remembers the account of a portal and its definitions, under the lease.
type accountStore struct{ portal *store.Portal }

// Pinned is the account that the portal was connected to.
func (s accountStore) Pinned(ctx context.Context) (account.Pin, error) {
	row, err := s.portal.Row(ctx)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return account.Pin{}, err
	}
	return account.Pin{AccountID: row.HubID, BaseURL: row.BaseURL}, nil
}

// SavePin replaces it.
func (s accountStore) SavePin(ctx context.Context, p account.Pin) error {
	return s.portal.PinHub(ctx, p.AccountID, p.BaseURL)
}

// Shapes are the definitions of the look before.
func (s accountStore) Shapes(ctx context.Context, accountID int64) (string, error) {
	return s.portal.Position(ctx, accountID, schemaStream)
}

// SaveShapes replaces them.
func (s accountStore) SaveShapes(ctx context.Context, accountID int64, text string) error {
	return s.portal.Commit(ctx, settlement.Page{HubID: accountID, Stream: schemaStream, Position: text})
}
