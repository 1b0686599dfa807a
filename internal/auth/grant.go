package auth

import (
	"context"
	"errors"
	"fmt"

	"leadsync/internal/secret"
)

// Grant is what the database keeps of the OAuth grant of one portal: a row of leadsync_tokens. All times are unix ms, 0
// = never. It holds no secret in clear.
type Grant struct {
	Portal string
	// Generation rises by one with every new pair; 0 = there is no row. It is the fence: a write that was decided on an
	// older one changes nothing.
	Generation int64
	ClientID   string // of the app it was given to
	HubID      int64  // the account that gave it
	// AccessToken and RefreshToken are sealed; both are "" after a logout.
	AccessToken, RefreshToken string
	// ExpiresAt is when the access token ends, by the clock of the machine that got it; Life is how long it was to live,
	// in ms, 0 = HubSpot did not say.
	ExpiresAt, Life int64
	Scopes          string // separated by spaces, as HubSpot granted them
	GrantedAt       int64  // when a person logged in
	RefreshedAt     int64
	// ForcedAt is when the last refresh began that a 401 asked for, by the database's clock.
	ForcedAt int64
	// LeaseOwner refreshes until LeaseUntil, by the database's clock. An owner whose time is over is one that never said
	// how its refresh ended.
	LeaseOwner string
	LeaseUntil int64
	// NeedsLogin is HubSpot's word when it refused the refresh token, "" while all is well. TriedAt is when, by the
	// database's clock.
	NeedsLogin string
	TriedAt    int64

	// Now is the database's clock when the row was read. It is no column.
	Now int64
}

// Connected reports whether there is a refresh token at all.
func (g Grant) Connected() bool { return g.Generation != 0 && g.RefreshToken != "" }

// Grants is where grants are kept. Each method is one statement or one transaction, safe across processes; the booleans
// are false when another process was faster, and then nothing was changed.
type Grants interface {
	// Grant reads the row of a portal; Generation 0 when there is none.
	Grant(ctx context.Context, portal string) (Grant, error)
	// LeaseGrant takes the right to refresh what was seen, until so many ms of the database's clock.
	LeaseGrant(ctx context.Context, seen Grant, owner string, until int64) (bool, error)
	// FreeGrant gives the lease of the owner back. In doubt it leaves the owner's name, for whoever comes next.
	FreeGrant(ctx context.Context, seen Grant, owner string, doubt bool) error
	// RenewGrant puts a new pair in the place of generation next.Generation-1, clears NeedsLogin and the lease, and is
	// durable when it returns, power cuts included.
	RenewGrant(ctx context.Context, next Grant) (bool, error)
	// RefuseGrant notes that the refresh token of what was seen is dead, and gives the lease back.
	RefuseGrant(ctx context.Context, seen Grant, reason string) (bool, error)
}

// Sealer encrypts for one place; people.Keyring is one.
type Sealer interface {
	Seal(place string, plain []byte) (string, error)
	Open(place, sealed string) ([]byte, error)
	// KeyID names the key that a text was sealed with, and whether that key is at hand.
	KeyID(sealed string) (id string, known bool)
}

// The purposes that a token is sealed for. A sealed text opens for its own portal and purpose only.
const (
	purposeAccess  = "access_token"
	purposeRefresh = "refresh_token"
)

func placeOf(portal, purpose string) string { return "portal/" + portal + "/" + purpose }

// Seal puts a pair into a grant, sealed.
func (g *Grant) Seal(keys Sealer, access, refresh secret.String) error {
	for _, one := range []struct {
		to      *string
		purpose string
		token   secret.String
	}{{&g.AccessToken, purposeAccess, access}, {&g.RefreshToken, purposeRefresh, refresh}} {
		sealed, err := keys.Seal(placeOf(g.Portal, one.purpose), []byte(one.token.Reveal()))
		if err != nil {
			return fmt.Errorf("seal the token: %w", err)
		}
		*one.to = sealed
	}
	return nil
}

// OpenAccess opens the access token. The error is a *FaultError.
func (g Grant) OpenAccess(keys Sealer) (secret.String, error) {
	return g.open(keys, purposeAccess, g.AccessToken)
}

// OpenRefresh opens the refresh token. The error is a *FaultError.
func (g Grant) OpenRefresh(keys Sealer) (secret.String, error) {
	return g.open(keys, purposeRefresh, g.RefreshToken)
}

// ErrSealed is under the fault of a token that cannot be opened.
var ErrSealed = errors.New("the token in the database cannot be opened")

func (g Grant) open(keys Sealer, purpose, sealed string) (secret.String, error) {
	plain, err := keys.Open(placeOf(g.Portal, purpose), sealed)
	if err != nil {
		return secret.String{}, &FaultError{Word: faultTokenKey, text: "the token in the database cannot be opened: " + err.Error(),
			cure: "put the key that sealed it back as a further line of hubspot.auth.token_key_file and restart, or run `leadsync auth login`", err: ErrSealed}
	}
	return secret.New(string(plain)), nil
}
