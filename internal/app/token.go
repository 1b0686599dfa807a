package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"leadsync/internal/account"
	"leadsync/internal/auth"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/observe"
	"leadsync/internal/secret"
	"leadsync/internal/store"
)

// tokens is where the bearer token comes from; one of its two is nil.
type tokens struct {
	grant   *auth.Source  // mode oauth
	checked *checkedToken // mode static
}

func (t tokens) source() hubspot.TokenSource {
	if t.grant != nil {
		return t.grant
	}
	return t.checked
}

// tokens is the source of the bearer token under a lease.
func (a *App) tokens(lease *store.Lease, dial *Dialer) tokens {
	if a.cfg.HubSpot.Auth.Mode == config.AuthStatic {
		ask := func(value secret.String) *hubspot.Client { return dial.Client(fixedToken{value}) }
		return tokens{checked: &checkedToken{inner: dial.Static(), ask: ask}}
	}
	if a.db.Dialect() == "sqlite" && !lease.CleanBefore() {
		// Whoever had the portal is dead, or its lock on the file would stand: its refresh will not end any more. Elsewhere a
		// lease on the grant is shorter than the one on the portal that was waited for.
		ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
		defer cancel()
		if err := a.db.Tokens().OrphanGrant(ctx, a.cfg.Portal); err != nil {
			a.log.Debug(observe.TokenRefreshFailed, observe.Err, err) // it runs out by itself
		}
	}
	return tokens{grant: dial.Grant(a.db, a.keys, a.owner, outageWaits.Delay)}
}

// expect makes the account that the lane was attached to the only one whose token is sent. A grant knows its own.
func (t tokens) expect(portalID int64) {
	if t.checked != nil {
		t.checked.expect(portalID)
	}
}

// close ends a refresh that is under way, in its time.
func (t tokens) close() {
	if t.grant == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	t.grant.Close(ctx)
}

// expiresAt is nil where it is not known.
func (t tokens) expiresAt() *int64 {
	if t.grant == nil {
		return nil
	}
	if at := t.grant.ExpiresAt(); at != 0 {
		return &at
	}
	return nil
}

// checkedToken asks HubSpot whose a token is before it hands out another one than the lane was attached with: a token
// file that is replaced while the daemon runs may hold a token of another account, where every update by id would land
// on a stranger.
type checkedToken struct {
	inner hubspot.TokenSource
	ask   func(secret.String) *hubspot.Client // a client with that token

	asking sync.Mutex // one question at a time

	mu    sync.Mutex
	want  int64 // the account; 0 = not attached yet: whoever attaches asks by itself
	known int64 // the generation that is known to be of it
}

func (c *checkedToken) expect(portalID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want = portalID
}

// Token gives the inner token, or a *account.WrongError.
func (c *checkedToken) Token(ctx context.Context) (secret.String, int64, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	value, generation, err := c.inner.Token(ctx)
	if err != nil {
		return secret.String{}, 0, err
	}
	c.mu.Lock()
	if c.want == 0 {
		c.known = generation
	}
	want, asked := c.want, c.known == generation
	c.mu.Unlock()
	if asked {
		return value, generation, nil
	}
	have, err := c.ask(value).Account(ctx)
	switch {
	case hubspot.Classify(err) == hubspot.ClassUnauthorized: // it can do nothing, and the request finds that out as well
		return value, generation, nil
	case err != nil:
		return secret.String{}, 0, err
	case have.PortalID != want:
		_ = c.inner.Reject(ctx, generation) // look into the file again next time
		return secret.String{}, 0, &account.WrongError{Want: want, Have: have.PortalID}
	}
	c.mu.Lock()
	c.known = generation
	c.mu.Unlock()
	return value, generation, nil
}

// Reject passes the word on.
func (c *checkedToken) Reject(ctx context.Context, generation int64) error {
	return c.inner.Reject(ctx, generation)
}

// fixedToken is a source of one token.
type fixedToken struct{ value secret.String }

func (f fixedToken) Token(context.Context) (secret.String, int64, error) { return f.value, 1, nil }
func (f fixedToken) Reject(context.Context, int64) error                 { return nil }

const (
	// grantEvery is how often the grant's row is looked at while all is well: a login of another process gives new scopes.
	grantEvery = time.Second
	// grantLeast is the least time between two looks.
	grantLeast = 10 * time.Millisecond
	// troubleEvery is how often the lane is told again that there is no token, so that its line in the log comes again in
	// time.
	troubleEvery = time.Minute
	// closeTimeout bounds the wait for a refresh that is under way at the end.
	closeTimeout = 3 * time.Second
)

// errAccountChanged ends an ownership: the portal was moved to another HubSpot account, whose links are others.
var errAccountChanged = errors.New("the portal was connected to another HubSpot account")

// keepToken renews the token before it ends, finds out when another process logs in or out, and tells the lane. It ends
// with ctx and closes the source when hold ends too, since requests under way may still need a token.
func (o *ownership) keepToken(ctx, hold context.Context, leave context.CancelCauseFunc) {
	if grant := o.hub.tokens.grant; grant != nil {
		o.watchGrant(ctx, grant, leave)
	}
	o.app.loops.turn(loopToken, -1)
	<-hold.Done()
	o.hub.tokens.close()
}

func (o *ownership) watchGrant(ctx context.Context, grant *auth.Source, leave context.CancelCauseFunc) {
	var told time.Time // zero = the lane knows of no trouble
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		o.app.loops.turn(loopToken, 0)
		connected, err := within(ctx, grant.Look)
		if _, other := errors.AsType[*auth.AccountError](err); other {
			o.app.log.Warn(msgAccountChanged, observe.Portal, o.app.cfg.Portal, observe.Err, err)
			leave(errAccountChanged)
			return
		}
		grant.Keep()
		trouble := grant.Failing()
		if _, refused := errors.AsType[*auth.RefusedError](trouble); refused {
			trouble = nil // the lane was told by HubSpot itself
		}
		switch {
		case connected, trouble == nil && !told.IsZero():
			o.worker.TokenRenewed()
			told = time.Time{}
		case trouble != nil && time.Since(told) >= troubleEvery:
			o.worker.TokenTrouble(trouble)
			told = time.Now()
		}
		every := grantEvery
		if !o.worker.Status().State.Well() {
			every = min(every, o.app.cfg.Push.PollInterval)
		}
		next := max(min(every, grant.KeepIn()), grantLeast)
		o.app.loops.turn(loopToken, next)
		t.Reset(next)
	}
}

const msgAccountChanged = "hubspot account changed"
