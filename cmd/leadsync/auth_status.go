package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/auth"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

// authReport is the object of `auth status --json`. Times are unix ms; null where not known.
type authReport struct {
	OK       bool             `json:"ok"` // false: exit code 3
	Problems []status.Problem `json:"problems"`
	Mode     string           `json:"mode"`
	Portal   string           `json:"portal"`
	// PortalID is the account of the token, PinnedID the one that the portal belongs to.
	PortalID *int64  `json:"portal_id"`
	PinnedID *int64  `json:"pinned_portal_id"`
	Domain   *string `json:"domain"`
	User     *string `json:"user"`
	AppID    *int64  `json:"app_id"`
	// Scopes are those that HubSpot names now; Missing are configured and not granted.
	Scopes  []string       `json:"scopes"`
	Missing []auth.Missing `json:"missing"`
	// LeftMS is the remaining life of the access token by HubSpot's own word.
	LeftMS      *int64  `json:"left_ms"`
	ExpiresAt   *int64  `json:"expires_at"` // as stored
	RefreshedAt *int64  `json:"refreshed_at"`
	GrantedAt   *int64  `json:"granted_at"`
	KeyID       *string `json:"key_id"` // of the key that seals the tokens
	oldKey      bool    // it is not the first line of the key file
}

// Codes of the problems of the report.
const (
	codeNotConnected  = "not_connected"
	codeNeedsLogin    = "needs_login"
	codeGrantDead     = "grant_dead"
	codeFault         = "config_fault"
	codeAway          = "hubspot_away"
	codeWrongAccount  = "wrong_account"
	codeMissingScopes = "missing_scopes"
	codeTokenRefused  = "token_refused"
)

func newAuthStatusCommand(env *environment) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how the connection to HubSpot stands; exit code 3 when something is wrong",
		Long: "Asks HubSpot what the stored tokens are (mode static: whose the token of the file is), and tells account, scopes, the remaining\n" +
			"life of the access token, when it was last renewed, and how old the login is. It renews nothing.\n\n" +
			"Exit code 3: there is no login, HubSpot does not take it any more, a configured scope was not granted, the account is not the\n" +
			"portal's, or HubSpot cannot be asked. The cure stands beside each.",
		Example: "  leadsync auth status\n  leadsync auth status --json | jq .missing",
		Args:    wantArgs(),
		RunE: func(c *cobra.Command, _ []string) error {
			return env.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
				r := &authReport{OK: true, Problems: []status.Problem{}, Mode: string(cfg.HubSpot.Auth.Mode), Portal: cfg.Portal,
					Scopes: []string{}, Missing: []auth.Missing{}}
				row, err := db.View(cfg.Portal).Row(c.Context())
				if err != nil && !errors.Is(err, lead.ErrNotFound) {
					return err
				}
				r.PinnedID = known(cmp.Or(cfg.HubSpot.PortalID, row.HubID))
				if cfg.HubSpot.Auth.Mode == config.AuthStatic {
					err = env.staticStatus(c.Context(), cfg, db, r)
				} else {
					err = env.grantStatus(c.Context(), cfg, db, r)
				}
				if err != nil {
					return err
				}
				if err := env.printAuthReport(r, asJSON); err != nil {
					return err
				}
				if !r.OK {
					return &exitError{code: exitWrong} // the report says why
				}
				return nil
			})
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// wrong enters a problem.
func (r *authReport) wrong(code, text, cure string) {
	r.OK = false
	r.Problems = append(r.Problems, status.Problem{Code: code, Text: text, Cure: cure})
}

// trouble enters what went wrong while HubSpot was asked; it reports whether that was anything.
func (r *authReport) trouble(err error) bool {
	if err == nil {
		return false
	}
	if fault, ok := errors.AsType[*auth.FaultError](err); ok {
		r.wrong(codeFault, fault.Error(), fault.Cure())
	} else {
		r.wrong(codeAway, "HubSpot cannot be asked: "+err.Error(), "none while HubSpot or the network is away; what is stored stays")
	}
	return true
}

// account holds the account of the token against the portal's.
func (r *authReport) account(id int64) {
	r.PortalID = known(id)
	if r.PinnedID != nil && id != 0 && id != *r.PinnedID {
		r.wrong(codeWrongAccount, fmt.Sprintf("the token belongs to HubSpot account %d, this portal to %d; nothing is sent", id, *r.PinnedID),
			fmt.Sprintf("connect account %d; or correct hubspot.portal_id, or move the portal with `leadsync auth login --repin`", *r.PinnedID))
	}
}

func (e *environment) grantStatus(ctx context.Context, cfg *config.Loaded, db *store.DB, r *authReport) error {
	if missing := cfg.Missing(); len(missing) > 0 {
		return &config.Error{Problems: missing}
	}
	w, err := e.grantWork(ctx, cfg, db)
	if err != nil {
		return err
	}
	g, err := db.Tokens().Grant(ctx, cfg.Portal)
	if err != nil {
		return err
	}
	if !g.Connected() {
		r.wrong(codeNotConnected, "no HubSpot account is connected", "run `leadsync auth login`")
		return nil
	}
	r.Scopes = auth.SplitScopes(g.Scopes)
	r.ExpiresAt, r.RefreshedAt, r.GrantedAt = known(g.ExpiresAt), known(g.RefreshedAt), known(g.GrantedAt)
	if id, _ := w.keys.KeyID(g.RefreshToken); id != "" {
		r.KeyID, r.oldKey = &id, w.keys.Stale(g.RefreshToken)
	}
	if g.NeedsLogin != "" {
		dead := &auth.LoginError{Word: g.NeedsLogin, Doubt: g.LeaseOwner != ""}
		r.wrong(codeNeedsLogin, dead.Error(), dead.Cure())
	}
	if err := w.live(ctx, g, r); err != nil {
		return err
	}
	r.Missing = auth.MissingScopes(cfg.HubSpot.Auth.Scopes, r.Scopes)
	for _, m := range r.Missing {
		r.wrong(codeMissingScopes, "the scope "+m.Scope+" was not granted, which disables: "+m.Disables,
			"add it to the app in HubSpot and run `leadsync auth login`, or take it out of hubspot.auth.scopes")
	}
	return nil
}

// live asks HubSpot about both tokens.
func (w *grantWork) live(ctx context.Context, g auth.Grant, r *authReport) error {
	r.account(g.HubID)
	refresh, err := g.OpenRefresh(w.keys)
	if err != nil {
		return cured(err)
	}
	access, err := g.OpenAccess(w.keys)
	if err != nil {
		return cured(err)
	}
	grant, err := w.client.Introspect(ctx, refresh, auth.RefreshToken)
	if r.trouble(err) {
		return nil
	}
	if !grant.Active && g.NeedsLogin == "" {
		r.wrong(codeGrantDead, "HubSpot does not know the refresh token any more: the app was uninstalled, or its access was revoked", "run `leadsync auth login`")
	}
	token, err := w.client.Introspect(ctx, access, auth.AccessToken)
	if r.trouble(err) {
		return nil
	}
	who := grant
	if !who.Active {
		who = token
	}
	r.LeftMS = new(token.Left.Milliseconds())
	if who.Active {
		r.Domain, r.User, r.AppID, r.Scopes = known(who.Domain), known(who.User), known(who.AppID), who.Scopes
		if who.HubID != 0 && who.HubID != g.HubID {
			r.account(who.HubID)
		}
	}
	return nil
}

// staticStatus asks whose the token of the file is. HubSpot tells neither scopes nor life of every kind of static
// token.
func (e *environment) staticStatus(ctx context.Context, cfg *config.Loaded, db *store.DB, r *authReport) error {
	if _, err := cfg.StaticToken(); err != nil {
		return err
	}
	dial, err := e.dial(ctx, cfg, db)
	if err != nil {
		return err
	}
	who, err := dial.Client(dial.Static()).Account(ctx)
	switch {
	case hubspot.Classify(err) == hubspot.ClassUnauthorized:
		r.wrong(codeTokenRefused, "HubSpot refuses the token of hubspot.auth.static_token_file", "put a valid one there; a daemon that runs reads it again by itself")
		return nil
	case r.trouble(err):
		return nil
	}
	r.account(who.PortalID)
	r.Domain = known(who.UIDomain)
	return nil
}

// age words a time of the past.
func age(ms *int64) string {
	if ms == nil {
		return "not known"
	}
	return status.Clock(*ms) + ", " + status.Elapsed(time.Since(time.UnixMilli(*ms))) + " ago"
}
