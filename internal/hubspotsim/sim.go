// Package hubspotsim is a stand-in for HubSpot that keeps state: contacts, properties, account details, the OAuth token
// endpoint and its authorize page, static tokens, scopes, rate limits, merges, and faults on demand. Tests, the demo
// and the simulate command run against it.
//
// Guarantee: what HubSpot documents, or was seen to do, is enforced, whatever the caller would like: a batch with a bad
// row and no trace ids writes nothing, a merged-away id is silently missing from a batch update, results come in random
// order, addresses come back in lower case, a code is good for one exchange. Each rule carries the page or the issue it
// follows. Where no source says what HubSpot does, the answer is a switch in Quirks, so that a test can run under both.
// The same seed gives the same credentials, and the same requests one after another give the same answers. Time is read
// through Config.Clock and timers of package time only, so a Sim lives inside a testing/synctest bubble when it is
// reached through Transport.
//
// It does not keep anything on disk and does not check associations. Search is simple: it looks at every contact.
// Subscriptions are served in the dated form and v4's, which is the same; another path answers 404 as an unknown page
// would. The client_credentials grant and per-account rate limits are left out: the two accounts of a Sim share one app
// and its window.
//
// Design: one mutex around everything. A request is decoded outside of it, runs inside, and leaves with its whole
// answer as bytes, so no contact is ever read while it changes. Locks per contact were rejected: a batch touches a
// hundred contacts and three indexes, and one core spends far more time in JSON than in the lock. JSON answers are
// appended by hand, since reflection over a hundred contacts of a dozen values each was most of the cost of a request.
// The package imports none of ours: it and the client are both written from HubSpot's published description, so they
// cannot share a mistake.
package hubspotsim

import (
	"cmp"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Sim is made from. The zero value is a portal without latency, limits or faults.
type Config struct {
	// Seed decides the credentials, the portal id, the first contact id and the order of results.
	Seed uint64
	// Latency is how long each API request takes; half of it passes before the request acts and half after.
	Latency time.Duration
	// Limit is the number of requests allowed in any Window; 0 = no limit and no rate headers.
	Limit int
	// Window is the length of the rolling window; 0 = 10 s.
	Window time.Duration
	// Daily is the number of requests allowed between two midnights of TimeZone; 0 = no limit and no daily headers.
	Daily int
	// SearchLimit is the number of search requests allowed a second; 0 = no limit.
	SearchLimit int
	// IndexLag is how old a change must be before search shows it. IndexSpread is added in part: each change of each
	// contact waits its own share of it besides, so that changes appear in another order than they were made. The seed
	// decides the shares.
	IndexLag    time.Duration
	IndexSpread time.Duration
	// Skew is how far HubSpot's clock is ahead of Clock; negative = behind.
	Skew time.Duration
	// TimeZone of the account, an IANA name; "" = UTC.
	TimeZone string
	// TokenLife is how long an access token lives; 0 = 30 min. HubSpot says it in whole seconds, rounded down here.
	TokenLife time.Duration
	// CodeLife is how long an authorization code waits for its exchange; 0 = 5 min. HubSpot's own figure is not
	// documented.
	CodeLife time.Duration
	// App is the app that asks for access.
	App App
	// Lacks are scopes that the account's products do not include.
	Lacks []string
	// Faults is a script as SetFaults takes it.
	Faults string
	// Quirks are the answers to what nobody has documented.
	Quirks Quirks
	// Properties are defined at the start and again at each Reset, besides the default ones.
	Properties []Property
	// Subscriptions are the types people can subscribe to; nil = three usual ones. Brands are the business units of the
	// Brands add-on besides 0, the account's own; nil = the account has no such add-on.
	Subscriptions []Subscription
	Brands        []int64
	// Clock is the wall clock; nil = time.Now.
	Clock func() time.Time
	// Log gets one debug line a request, without addresses or values, and a warning when serving one broke; nil = none.
	Log *slog.Logger
}

// Credentials are what a client needs to reach a Sim. They are made up and worth nothing elsewhere.
type Credentials struct {
	StaticToken  string `json:"static_token"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	// RefreshToken belongs to a login that was made before the Sim began, with every scope of the app. It is always the
	// newest of that login, and works until Revoke.
	RefreshToken string `json:"refresh_token"`
	PortalID     int64  `json:"portal_id"`
	// The Other ones belong to a second account, with contacts of its own, for whoever logs in to the wrong one.
	OtherStaticToken  string `json:"other_static_token"`
	OtherRefreshToken string `json:"other_refresh_token"`
	OtherPortalID     int64  `json:"other_portal_id"`
}

// Sim is one simulated app with two accounts. All methods are safe for concurrent use; those that read or change
// contacts mean the first account.
type Sim struct {
	cfg  Config
	zone *time.Location
	skew atomic.Int64 // of HubSpot's clock, ns

	mu                    sync.Mutex // guards everything below
	cred                  Credentials
	appID                 int64 // what history names as the source of API writes
	quirks                Quirks
	indexLag, indexSpread time.Duration
	rng                   *rand.Rand
	faults                []*fault
	spent                 map[string]bool // addresses of the fault1- kind that had their fault
	books
	oauth
	portal        // the account of the request under way, and the first one between requests
	other  portal // the second account
	byAPI  *source
}

// New makes a Sim. It fails when Faults, TimeZone, App, Quirks or Properties cannot be used.
func New(cfg Config) (*Sim, error) {
	cfg.Window = cmp.Or(cfg.Window, 10*time.Second)
	cfg.TokenLife, cfg.CodeLife = cmp.Or(cfg.TokenLife, tokenLife), cmp.Or(cfg.CodeLife, codeLife)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.IndexLag < 0 || cfg.IndexSpread < 0 {
		return nil, fmt.Errorf("index lag is %v with a spread of %v, want 0 or more", cfg.IndexLag, cfg.IndexSpread)
	}
	zone, err := time.LoadLocation(cmp.Or(cfg.TimeZone, "UTC"))
	if err != nil {
		return nil, fmt.Errorf("load time zone of the simulated account: %w", err)
	}
	s := &Sim{cfg: cfg, zone: zone}
	if err := s.Reset(); err != nil {
		return nil, err
	}
	return s, nil
}

// Reset brings the Sim back to what New made: no contacts, the default properties, no rules, the faults and quirks of
// the Config, all counters zero, the first credentials and logins. It fails only on what New would refuse.
func (s *Sim) Reset() error {
	faults, err := parseFaults(s.cfg.Faults)
	if err != nil {
		return err
	}
	if err := s.cfg.Quirks.validate(); err != nil {
		return err
	}
	app, err := s.cfg.App.complete()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew.Store(int64(s.cfg.Skew))
	s.indexLag, s.indexSpread = s.cfg.IndexLag, s.cfg.IndexSpread
	rng := rand.New(rand.NewPCG(s.cfg.Seed, 0x68756273696d))
	now := s.now().UnixMilli()
	s.cred = Credentials{
		ClientID:     uuid(rng),
		ClientSecret: uuid(rng),
		PortalID:     10_000_000 + rng.Int64N(20_000_000),
	}
	s.cred.OtherPortalID = s.cred.PortalID + 1 + rng.Int64N(10_000_000)
	s.appID = 1_000_000 + rng.Int64N(8_000_000)
	s.rng = rng
	if s.other, err = s.newAccount(s.cred.OtherPortalID, now); err != nil {
		return err
	}
	if s.portal, err = s.newAccount(s.cred.PortalID, now); err != nil {
		return err
	}
	s.books = newBooks(s.cfg)
	s.faults, s.quirks, s.spent = faults, s.cfg.Quirks, map[string]bool{}
	s.oauth = newOAuth(app, 100_000+rng.Int64N(900_000))
	s.firstLogins(now)
	return nil
}

// newAccount makes the data of an account with the Config's properties; s.rng is set.
func (s *Sim) newAccount(id, now int64) (portal, error) {
	p := newPortal(id, 101+s.rng.Int64N(900), now)
	types := s.cfg.Subscriptions
	if types == nil {
		types = defaultSubscriptions()
	}
	if err := p.subscribeTo(types, s.cfg.Brands, 30_000_000+int64(mix(s.cfg.Seed^uint64(id))%60_000_000), now); err != nil {
		return portal{}, err
	}
	for _, def := range s.cfg.Properties {
		if _, err := p.createProperty(def, now); err != nil {
			return portal{}, err
		}
	}
	return p, nil
}

// enter makes an account the one that s.portal means until leave is called. Any other id than the second account's is
// the first one.
func (s *Sim) enter(id int64) (leave func()) {
	if id != s.cred.OtherPortalID {
		return func() {}
	}
	first := s.portal
	s.portal = s.other
	return func() { s.other, s.portal = s.portal, first }
}

// Credentials are the present ones: RotateToken, RotateClient, Revoke and a rotation of the refresh token change them.
func (s *Sim) Credentials() Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cred
	c.RefreshToken, c.OtherRefreshToken = s.logins[0].refresh, s.logins[1].refresh
	return c
}

// uuid is a random identifier in the usual text form.
func uuid(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, 0x8000|lo>>48&0x3fff, lo&0xffffffffffff)
}
