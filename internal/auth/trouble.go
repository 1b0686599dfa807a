package auth

import (
	"errors"
	"fmt"
	"time"
)

// The troubles of an OAuth grant. Each is its own type, because each has another cure; none of their texts holds a
// token, a code, a secret or anything that HubSpot said beyond its machine words.

// LoginError says that there is no grant that works: only a person can give a new one. The stored rows wait.
type LoginError struct {
	// Word is HubSpot's (BAD_REFRESH_TOKEN, BAD_HUB, invalid_grant), or notConnected.
	Word string
	// Doubt says that an earlier refresh never told how it ended, so HubSpot may have given a newer token that was lost
	// with it.
	Doubt bool
}

// notConnected is the Word of a portal that has no grant, before the first login and after a logout.
const notConnected = "not connected"

func (e *LoginError) Error() string {
	switch {
	case e.Word == notConnected:
		return "the HubSpot account is not connected"
	case e.Word == wordBadHub:
		return "HubSpot does not know the account any more, or it has disconnected the app (" + e.Word + ")"
	case e.Doubt:
		return "HubSpot refuses the refresh token (" + e.Word + "); an earlier refresh was cut off before its answer was stored, " +
			"so HubSpot may have replaced the token in that answer"
	}
	return "HubSpot refuses the refresh token (" + e.Word + "): the app was uninstalled, or its access was revoked"
}

// Unauthorized says that a person must act; package hubspot asks for it.
func (e *LoginError) Unauthorized() bool { return true }

// Cure is the one thing to do.
func (e *LoginError) Cure() string {
	return "run `leadsync auth login`; the rows wait and go on by themselves"
}

// RefusedError says that HubSpot refuses calls with a token that it had just renewed. It is asked again when the
// cool-down is over.
type RefusedError struct{ Wait time.Duration }

func (e *RefusedError) Error() string { return "HubSpot answers 401 also to a renewed token" }

// Unauthorized says that a person must act; package hubspot asks for it.
func (e *RefusedError) Unauthorized() bool { return true }

// After is the least wait before the next try.
func (e *RefusedError) After() time.Duration { return e.Wait }

// Cure is the one thing to do.
func (e *RefusedError) Cure() string {
	return "look at the app's page in HubSpot; if it is installed and well, run `leadsync auth login`; it is tried again by itself"
}

// FaultError is a fault of the configuration or of this program: HubSpot refuses how it is asked, not the grant. The
// grant is kept.
type FaultError struct {
	Word string // HubSpot's machine word, or one of ours in capitals
	text string
	cure string
	err  error
}

func (e *FaultError) Error() string { return e.text }

// Unwrap gives the cause, or nil.
func (e *FaultError) Unwrap() error { return e.err }

// Cure is the one thing to do.
func (e *FaultError) Cure() string { return e.cure }

// Local says that the fault is in a file of this machine, and not in what HubSpot said.
func (e *FaultError) Local() bool { return e.Word == faultTokenKey || e.Word == faultClientSecret }

// The words of local faults.
const (
	faultTokenKey     = "TOKEN_KEY"
	faultClientSecret = "CLIENT_SECRET"
)

// Misconfigured says that a person must correct something, and that logging in again is not it; package hubspot asks
// for it.
func (e *FaultError) Misconfigured() bool { return true }

// WaitError is trouble that passes by itself: the token endpoint or the database is away or busy. It never means that
// the grant is lost.
type WaitError struct {
	text string
	// Wait is what the other side asked for, 0 = nothing.
	Wait time.Duration
	// Unknown says that HubSpot may have carried the request out all the same.
	Unknown bool
	err     error
}

func (e *WaitError) Error() string { return e.text }

// Unwrap gives the cause, or nil.
func (e *WaitError) Unwrap() error { return e.err }

// After is the least wait before the next try.
func (e *WaitError) After() time.Duration { return e.Wait }

// AccountError says that the grant in the database belongs to another account than the one this source was made for: a
// person has logged in to another one meanwhile.
type AccountError struct{ Want, Have int64 }

func (e *AccountError) Error() string {
	return fmt.Sprintf("the login was changed from HubSpot account %d to %d", e.Want, e.Have)
}

// ErrClosed is the answer of a source that was closed.
var ErrClosed = errors.New("the token source is closed")
