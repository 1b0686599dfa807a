package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/auth"
	"leadsync/internal/backoff"
	"leadsync/internal/config"
	"leadsync/internal/files"
	"leadsync/internal/lead"
	"leadsync/internal/people"
	"leadsync/internal/secret"
	"leadsync/internal/store"
)

// grantWork is what the auth commands of mode oauth work with.
type grantWork struct {
	env    *environment
	cfg    *config.Loaded
	db     *store.DB
	keys   *people.Keyring
	client *auth.Client
}

// onGrant runs the body of a command that changes the grant. What is missing for mode oauth ends with exit code 78.
func (e *environment) onGrant(c *cobra.Command, do func(*grantWork) error) error {
	return e.onDatabase(c, func(cfg *config.Loaded, db *store.DB) error {
		if cfg.HubSpot.Auth.Mode != config.AuthOAuth {
			return &exitError{exitConfig, fmt.Errorf("hubspot.auth.mode is %s, which has no login: put the token into the file of hubspot.auth.static_token_file, "+
				"or set the mode to oauth", cfg.HubSpot.Auth.Mode)}
		}
		if missing := cfg.Missing(); len(missing) > 0 {
			return &config.Error{Problems: missing}
		}
		work, err := e.grantWork(c.Context(), cfg, db)
		if err != nil {
			return err
		}
		return cured(do(work))
	})
}

func (e *environment) grantWork(ctx context.Context, cfg *config.Loaded, db *store.DB) (*grantWork, error) {
	keys, err := e.keyring(cfg)
	if err != nil {
		return nil, err
	}
	dial, err := e.dial(ctx, cfg, nil) // the token endpoint counts against nothing
	if err != nil {
		return nil, err
	}
	return &grantWork{e, cfg, db, keys, dial.OAuth()}, nil
}

// cured adds the cure that an error knows to its text, and gives faults of local files their exit code.
func cured(err error) error {
	says, ok := errors.AsType[interface {
		error
		Cure() string
	}](err)
	if !ok {
		return err
	}
	err = fmt.Errorf("%w; %s", err, says.Cure())
	if fault, ok := errors.AsType[*auth.FaultError](err); ok && fault.Local() {
		return &exitError{exitConfig, err}
	}
	return err
}

// connection is who a new grant belongs to.
type connection struct {
	auth.Identity
	moved int64 // the account that the portal had before, 0 = none or the same
}

// connect finds out whose a new pair is, holds that against the portal, and stores it. Nothing is stored for a wrong
// account, and its grant is left alone: another installation may live on it.
func (w *grantWork) connect(ctx context.Context, pair auth.Pair, repin bool) (connection, error) {
	who, err := w.identify(ctx, pair)
	if err != nil {
		return connection{}, err
	}
	row, err := w.db.View(w.cfg.Portal).Row(ctx)
	if err != nil && !errors.Is(err, lead.ErrNotFound) {
		return connection{}, err
	}
	if err := auth.CheckAccount(who.HubID, w.cfg.HubSpot.PortalID, row.HubID, repin); err != nil {
		return connection{}, err
	}
	now := time.Now().UnixMilli()
	g := auth.Grant{Portal: w.cfg.Portal, ClientID: w.client.ClientID(), HubID: who.HubID, ExpiresAt: pair.At.Add(pair.Life).UnixMilli(),
		Life: pair.Life.Milliseconds(), Scopes: auth.JoinScopes(who.Scopes), GrantedAt: now, RefreshedAt: now}
	if err := g.Seal(w.keys, pair.Access, pair.Refresh); err != nil {
		return connection{}, err
	}
	if _, err := w.db.Tokens().Connect(ctx, g, w.cfg.HubSpot.BaseURL); err != nil {
		return connection{}, err
	}
	if row.HubID == who.HubID {
		row.HubID = 0
	}
	return connection{who, row.HubID}, nil
}

// introspection is how often a new token is asked for its account: a code that was spent cannot be spent again.
var introspection = backoff.Policy{Schedule: backoff.Schedule{Base: time.Second, Cap: 2 * time.Second, Factor: 2}, Tries: 3, MaxWait: 30 * time.Second}

func (w *grantWork) identify(ctx context.Context, pair auth.Pair) (auth.Identity, error) {
	var who auth.Identity
	busy := func(err error) bool {
		_, busy := errors.AsType[*auth.WaitError](err)
		return busy
	}
	err := introspection.Do(ctx, busy, func(ctx context.Context) (err error) {
		who, err = w.client.Introspect(ctx, pair.Access, auth.AccessToken)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return who, context.Cause(ctx)
	}
	switch {
	case err == nil && who.Active && who.HubID != 0:
		return who, nil
	case pair.HubID != 0: // the answer with the token told the account
		return auth.Identity{HubID: pair.HubID, Scopes: pair.Scopes}, nil
	case err != nil:
		return who, err
	}
	return who, errors.New("HubSpot gave a token and does not say of which account; nothing was stored, try again")
}

// tell prints what a login brought.
func (w *grantWork) tell(a connection) error {
	var b strings.Builder
	fmt.Fprintf(&b, "connected to HubSpot account %d\n", a.HubID)
	for _, line := range []struct{ name, value string }{{"domain", a.Domain}, {"user", a.User}, {"app", idText(a.AppID)}, {"scopes", strings.Join(a.Scopes, " ")}} {
		if line.value != "" {
			fmt.Fprintf(&b, "  %-8s %s\n", line.name, visible(line.value))
		}
	}
	for _, m := range auth.MissingScopes(w.cfg.HubSpot.Auth.Scopes, a.Scopes) {
		fmt.Fprintf(&b, "  %-8s %s: %s\n", "missing", m.Scope, m.Disables)
	}
	if a.moved != 0 {
		fmt.Fprintf(&b, "the portal was moved here from account %d; its leads start without links\n", a.moved)
	}
	fmt.Fprintln(&b, "a daemon that runs goes on by itself")
	if _, err := io.WriteString(w.env.stdout, b.String()); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

func idText(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprint(id)
}

// errInterrupted is the end of a wait for a person.
var errInterrupted = errors.New("interrupted; nothing was changed")

// maxLine is far above any address or token.
const maxLine = 64 << 10

// person is the lead or address that an argument names; - reads it from standard input, one line, since arguments show
// in the process list and in the history of the shell. what is the argument's name in the usage.
func (e *environment) person(ctx context.Context, arg, what string) (string, error) {
	if arg == "-" {
		text, err := bufio.NewReader(io.LimitReader(files.Patient(ctx, e.stdin), maxLine)).ReadString('\n')
		switch {
		case ctx.Err() != nil:
			return "", errInterrupted
		case err != nil && !errors.Is(err, io.EOF):
			return "", fmt.Errorf("read standard input: %w", err)
		}
		arg = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		what += " on standard input"
	}
	if arg == "" {
		return "", &exitError{exitUsage, errors.New(what + " is empty")}
	}
	return arg, nil
}

// readLine reads one line of a secret from standard input, and does not keep a signal waiting.
func (e *environment) readLine(ctx context.Context) (secret.String, error) {
	text, err := bufio.NewReader(io.LimitReader(files.Patient(ctx, e.stdin), maxLine)).ReadString('\n')
	switch {
	case ctx.Err() != nil:
		return secret.String{}, errInterrupted
	case err != nil && !errors.Is(err, io.EOF):
		return secret.String{}, fmt.Errorf("read standard input: %w", err)
	}
	return secret.New(strings.TrimSpace(text)), nil
}
