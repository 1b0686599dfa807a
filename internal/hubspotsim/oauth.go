package hubspotsim

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// tokenLife is what expires_in said in every answer seen:
	// https://developers.hubspot.com/docs/api-reference/latest/authentication/manage-oauth-tokens, read 2026-11-22.
	tokenLife = 30 * time.Minute
	// codeLife: a code has "a short window", nobody says which
	// (https://developers.hubspot.com/docs/api-reference/legacy/authentication/manage-oauth-tokens, read 2026-11-22).
	codeLife = 5 * time.Minute
)

// userMail is who logs in, and userDomain the account's website, which is not the host of its screens.
const (
	userMail        = "admin@example.com"
	userDomain      = "example.com"
	otherUserDomain = "example.org"
)

// oauth is what the app and its accounts know of each other. Sim.mu guards it.
type oauth struct {
	app     App
	choice  Authorize
	userID  int64
	bearers map[string]*bearer   // access tokens and static tokens, expired ones too
	grants  map[string]*grant    // by refresh token that works
	codes   map[string]*authCode // used ones too
	logins  [2]*grant            // the ones of Credentials
	statics [2]*grant
}

func newOAuth(app App, userID int64) oauth {
	return oauth{app: app, userID: userID, bearers: map[string]*bearer{}, grants: map[string]*grant{}, codes: map[string]*authCode{}}
}

// grant is one login: what an account allowed the app to do.
type grant struct {
	hub     int64
	client  string   // the app's client id at that time
	scopes  []string // can shrink while its tokens stay the same: https://developers.hubspot.com/docs/apps/legacy-apps/private-apps/overview
	refresh string   // the newest refresh token; "" = a static token
	gone    bool     // the account disconnected: BAD_HUB
}

// bearer is a token that a data call can carry. Several of one grant may work at once: a refresh does not end the
// earlier ones.
type bearer struct {
	*grant
	expiresAt int64 // unix ms, 0 = never
}

// authCode is what the authorize page hands out.
type authCode struct {
	client, redirect, challenge string
	hub                         int64
	scopes                      []string
	expiresAt                   int64
	used                        bool
}

// firstLogins makes the tokens of Credentials.
func (s *Sim) firstLogins(now int64) {
	all := slices.Concat(s.app.RequiredScopes, s.app.OptionalScopes)
	for i, hub := range []int64{s.cred.PortalID, s.cred.OtherPortalID} {
		s.logins[i] = s.newGrant(hub, all)
		s.statics[i] = &grant{hub: hub, scopes: slices.Clone(all)}
	}
	s.cred.StaticToken, s.cred.OtherStaticToken = s.newStatic(0), s.newStatic(1)
}

// newGrant is a login of an account.
func (s *Sim) newGrant(hub int64, scopes []string) *grant {
	g := &grant{hub: hub, client: s.cred.ClientID, scopes: slices.Clone(scopes)}
	s.rotate(g)
	return g
}

// rotate gives a grant a new refresh token; the old one is dead at once. HubSpot says neither that it rotates them nor
// what becomes of the old one (https://developers.hubspot.com/blog/oauth-token-management-hubspot-integrations, read
// 2026-11-22): the hardest case for a client is the one here.
func (s *Sim) rotate(g *grant) {
	delete(s.grants, g.refresh)
	g.refresh = "na1-" + uuid(s.rng)
	s.grants[g.refresh] = g
}

// newAccess is an access token of a grant. Its length varies and goes beyond 255:
// https://developers.hubspot.com/docs/api-reference/legacy/authentication/oauth-tokens/v1/guide, read 2026-11-22.
func (s *Sim) newAccess(g *grant, now int64) string {
	raw := make([]byte, 150+s.rng.IntN(150))
	for i := range raw {
		raw[i] = byte(s.rng.Uint32())
	}
	token := "C" + base64.RawURLEncoding.EncodeToString(raw)
	s.bearers[token] = &bearer{g, now + s.cfg.TokenLife.Milliseconds()}
	return token
}

// newStatic is a token of an account's private app or service key.
func (s *Sim) newStatic(i int) string {
	token := "pat-na1-" + uuid(s.rng)
	s.bearers[token] = &bearer{grant: s.statics[i]}
	return token
}

// RotateToken replaces the static token and returns the new one. The old one answers 401: as expired, or as unusable.
func (s *Sim) RotateToken(oldExpired bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endToken(s.cred.StaticToken, oldExpired)
	s.cred.StaticToken = s.newStatic(0)
	return s.cred.StaticToken
}

// EndTokens makes every access token of today answer 401: as expired, or as unusable. The grants live on.
func (s *Sim) EndTokens(asExpired bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, b := range s.bearers {
		if b.refresh != "" {
			s.endToken(token, asExpired)
		}
	}
}

func (s *Sim) endToken(token string, asExpired bool) {
	if b := s.bearers[token]; b == nil {
		return
	} else if now := s.now().UnixMilli(); !asExpired {
		delete(s.bearers, token)
	} else if b.expiresAt == 0 || b.expiresAt > now {
		b.expiresAt = now
	}
}

// Revoke ends logins, as a person who uninstalls the app does: the refresh token, or every one of the app when it is
// "". Access tokens that are out live on until they expire
// (https://developers.hubspot.com/docs/api-reference/legacy/authentication/oauth-tokens/v1/guide, read 2026-11-22).
// With accountGone the answer to a refresh is BAD_HUB instead of BAD_REFRESH_TOKEN. It fails for a token that does not
// work.
func (s *Sim) Revoke(refreshToken string, accountGone bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if refreshToken != "" && s.grants[refreshToken] == nil {
		return fmt.Errorf("revoke login: %w", errNoToken)
	}
	for token, g := range s.grants {
		switch {
		case refreshToken != "" && token != refreshToken:
		case accountGone:
			g.gone = true
		default:
			delete(s.grants, token)
		}
	}
	return nil
}

// RotateClient changes the app's client secret, and with newID its client id too, as if the tokens had been carried to
// another app: a refresh then answers MISMATCH_REFRESH_TOKEN_CLIENT.
func (s *Sim) RotateClient(newID bool) Credentials {
	s.mu.Lock()
	s.cred.ClientSecret = uuid(s.rng)
	if newID {
		s.cred.ClientID = uuid(s.rng)
	}
	s.mu.Unlock()
	return s.Credentials()
}

// secondsLeft of a token, never negative.
func secondsLeft(expiresAt, now int64) int64 { return max(0, (expiresAt-now)/1000) }

// agoText is how long ago in the largest whole unit, as the messages seen have it: the unit varies from second(s) to
// day(s) (https://github.com/hubspotdev/devslackarchive, 2023-10-30 and 2024-05-24).
func agoText(ms int64) string {
	n, unit := ms/1000, "second(s)"
	for _, next := range []struct {
		n    int64
		unit string
	}{{60, "minute(s)"}, {60, "hour(s)"}, {24, "day(s)"}} {
		if n < next.n {
			break
		}
		n, unit = n/next.n, next.unit
	}
	return strconv.FormatInt(n, 10) + " " + unit
}
