package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"leadsync/internal/app"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/store"
)

// dial prepares what all requests of a command to HubSpot share. It takes from the day what it uses and no more, since
// a command asks a few times; db may be nil.
func (e *environment) dial(ctx context.Context, cfg *config.Loaded, db *store.DB) (*app.Dialer, error) {
	d, err := app.Dial(ctx, cfg, app.DialOptions{Version: readVersion().Version, Database: db, Block: 1})
	return d, configExit(err)
}

// tokens is where a command's token comes from. In mode oauth it renews one that has run out, as the daemon would. end
// frees what it took.
func (e *environment) tokens(ctx context.Context, cfg *config.Loaded, db *store.DB, dial *app.Dialer) (_ hubspot.TokenSource, end func(), err error) {
	if cfg.HubSpot.Auth.Mode == config.AuthStatic {
		return dial.Static(), func() {}, nil
	}
	keys, err := e.keyring(cfg)
	if err != nil {
		return nil, func() {}, err
	}
	source := dial.Grant(db, keys, fmt.Sprintf("command:%d", os.Getpid()), func(int) time.Duration { return time.Second })
	return source, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.HubSpot.Timeout+time.Second)
		defer cancel()
		source.Close(ctx)
	}, nil
}

// liveClient is a client to read with, of the account that the portal is pinned to and no other. end frees what it
// took.
func (e *environment) liveClient(ctx context.Context, cfg *config.Loaded, db *store.DB, portal string) (_ *hubspot.Client, end func(), err error) {
	if missing := cfg.Missing(); len(missing) > 0 {
		return nil, func() {}, &config.Error{Problems: missing}
	}
	dial, err := e.dial(ctx, cfg, db)
	if err != nil {
		return nil, func() {}, err
	}
	tokens, end, err := e.tokens(ctx, cfg, db, dial)
	if err != nil {
		return nil, end, err
	}
	client := dial.Client(tokens)
	row, err := db.View(portal).Row(ctx)
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
	dial.Learn(who)
	return client, end, nil
}
