package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"leadsync/internal/app"
	"leadsync/internal/auth"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/store"
)

// liveClient is a client to read with, of the account that the portal is pinned to and no other. In mode oauth it renews a token that
// has run out, as the daemon would. end frees what it took.
func (e *environment) liveClient(ctx context.Context, cfg *config.Loaded, db *store.DB, portal string) (_ *hubspot.Client, end func(), err error) {
	end = func() {}
	if missing := cfg.Missing(); len(missing) > 0 {
		return nil, end, &config.Error{Problems: missing}
	}
	base, err := app.NewBase(cfg)
	if err != nil {
		return nil, end, configExit(err)
	}
	var tokens hubspot.TokenSource = auth.NewStatic(cfg.HubSpot.Auth.StaticTokenFile, cfg.Credentials.ReadFile)
	if cfg.HubSpot.Auth.Mode != config.AuthStatic {
		work, err := e.grantWork(cfg, db)
		if err != nil {
			return nil, end, err
		}
		source := auth.NewSource(auth.Config{Portal: cfg.Portal, Owner: fmt.Sprintf("command:%d", os.Getpid()), Grants: db, Keys: work.keys, Client: work.client,
			Waits: func(int) time.Duration { return time.Second }, Log: slog.New(slog.DiscardHandler)})
		end = func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.HubSpot.Timeout+time.Second)
			defer cancel()
			source.Close(ctx)
		}
		tokens = source
	}
	h, agent := cfg.HubSpot, "leadsync/"+readVersion().Version
	client := hubspot.New(hubspot.Config{BaseURL: h.BaseURL, APIVersion: h.APIVersion, Timeout: h.Timeout, UserAgent: agent,
		HTTP: &http.Client{Transport: hubspot.NewTransport(hubspot.TransportConfig{Base: base, Tokens: tokens, UserAgent: agent})}})
	row, err := db.Portal(ctx, portal)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return nil, end, err
	}
	who, err := client.Account(ctx)
	if err != nil {
		return nil, end, err
	}
	if want := cmp.Or(row.HubID, cfg.HubSpot.PortalID); want != 0 && want != who.PortalID {
		return nil, end, fmt.Errorf("the token belongs to HubSpot account %d, the portal to %d: its contacts are others", who.PortalID, want)
	}
	return client, end, nil
}
