// Package people holds how a person may appear outside the tables: as a keyed hash, and how the keys for that are kept:
// sealed by the operator's token key.
//
// Guarantee: without the hash key nobody can tell from a hash whose address or lead id it is, even by trying all known
// addresses; with it, `leadsync hash TEXT` finds every line about a person. A sealed text that was changed, moved to
// another place, or sealed by an unknown key does not open.
//
// It stores nothing: the sealed hash key lives in the database, the token key in a credential file.
//
// Design: the hash key is random, made once and never rotated, since every log line and tombstone ever written refers
// to it; the token key seals it and may be rotated. Deriving the hash key from the token key was rejected: the first
// rotation would break every search. A plain SHA-256 of an address was rejected, since a list of addresses undoes it.
package people

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// KeySize is the length of every key in bytes.
const KeySize = 32

// HashLength is the length of a hash in hex digits.
const HashLength = 12

// Hasher turns a lead id or an address into the word that stands for the person in logs. Safe for concurrent use.
type Hasher struct{ key []byte }

// New makes a Hasher of a key of KeySize random bytes.
func New(key []byte) (*Hasher, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("hash key has %d bytes, want %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "leadsync person hash v1", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive hash key: %w", err)
	}
	return &Hasher{key: derived}, nil
}

// Hash is the first 12 hex digits of HMAC-SHA256 over the exact text of a lead id: 'Ab', 'aB' and 'Ab ' are three
// leads, and nobody's line is another's. The empty text has the empty hash.
func (h *Hasher) Hash(text string) string {
	if text == "" {
		return ""
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))[:HashLength]
}

// Tombstone is the whole HMAC-SHA256, 64 hex digits, over a kind ("lead", "contact", "address") and the exact text:
// what is kept of an erased person: a match is never an accident.
func (h *Hasher) Tombstone(kind, text string) string {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte("tombstone\x00" + kind + "\x00" + text))
	return hex.EncodeToString(mac.Sum(nil))
}

// HashKeyName is the name under which the sealed hash key is kept in the database, and part of what it is sealed for.
const HashKeyName = "person hash"

// NewHashKey makes a random hash key and seals it; the result is what the database keeps.
func NewHashKey(keys *Keyring) (sealed string, err error) {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails since Go 1.24
	return keys.Seal(HashKeyName, key)
}

// Open makes the Hasher of a sealed hash key.
func Open(keys *Keyring, sealed string) (*Hasher, error) {
	key, err := keys.Open(HashKeyName, sealed)
	if errors.Is(err, ErrUnknownKey) {
		return nil, fmt.Errorf("open hash key: %w; put the key that sealed it back as a further line of the token key file", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open hash key: %w", err)
	}
	return New(key)
}

// KeyMark is the text by which a sealed hash key is known again, whatever sealed it: a hash that says nothing of the
// key. It stands beside the tombstones that were made with the key.
func KeyMark(keys *Keyring) func(sealed string) (string, error) {
	return func(sealed string) (string, error) {
		h, err := Open(keys, sealed)
		if err != nil {
			return "", fmt.Errorf("hubspot.auth.token_key_file: %w", err)
		}
		return h.Tombstone("key", ""), nil
	}
}

// Reseal seals a hash key anew when another key than the first one sealed it, so that after a rotation the old line of
// the token key file can go; "" when there is nothing to do.
func Reseal(keys *Keyring, sealed string) (string, error) {
	if !keys.Stale(sealed) {
		return "", nil
	}
	key, err := keys.Open(HashKeyName, sealed)
	if err != nil {
		return "", fmt.Errorf("open hash key: %w", err)
	}
	return keys.Seal(HashKeyName, key)
}
