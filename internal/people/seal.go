package people

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of Open. Their texts hold nothing of what was sealed.
var (
	// ErrUnknownKey means that the sealed text names a key that is not in the ring.
	ErrUnknownKey = errors.New("sealed by a key that the token key file does not hold")
	// ErrSealBroken means that the text is not a sealed one, was changed, or was sealed for another place.
	ErrSealBroken = errors.New("sealed text is broken or belongs elsewhere")
)

// sealVersion is the first part of a sealed text; a new way of sealing gets a new one.
const sealVersion = "v1"

// Keyring is the content of the token key file: the first key seals, every key opens. Immutable and safe for concurrent
// use. It prints as nothing but its number of keys.
type Keyring struct {
	keys []ringKey
}

type ringKey struct {
	id   string // 8 hex digits, tells keys apart without showing them
	aead cipher.AEAD
}

// ParseKeys reads a token key file: 32 random bytes in base64, one key a line; empty lines and lines that begin with #
// are left out. Errors name the line, never its content.
func ParseKeys(text string) (*Keyring, error) {
	ring := &Keyring{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("token key file line %d is not base64; `leadsync auth key` prints a key", i+1)
		}
		if len(raw) != KeySize {
			return nil, fmt.Errorf("token key file line %d holds %d bytes, want %d; `leadsync auth key` prints a key", i+1, len(raw), KeySize)
		}
		key, err := newRingKey(raw)
		if err != nil {
			return nil, fmt.Errorf("token key file line %d: %w", i+1, err)
		}
		for _, other := range ring.keys {
			if other.id == key.id {
				return nil, fmt.Errorf("token key file line %d repeats a key", i+1)
			}
		}
		ring.keys = append(ring.keys, key)
	}
	if len(ring.keys) == 0 {
		return nil, errors.New("token key file holds no key; `leadsync auth key` prints one")
	}
	return ring, nil
}

// NewKey makes a line for a token key file: 32 random bytes in base64, 44 characters.
func NewKey() string {
	raw := make([]byte, KeySize)
	_, _ = rand.Read(raw) // never fails since Go 1.24
	return base64.StdEncoding.EncodeToString(raw)
}

func newRingKey(raw []byte) (ringKey, error) {
	id, err := hkdf.Key(sha256.New, raw, nil, "leadsync key id v1", 4)
	if err != nil {
		return ringKey{}, fmt.Errorf("derive key id: %w", err)
	}
	sealing, err := hkdf.Key(sha256.New, raw, nil, "leadsync seal v1", KeySize)
	if err != nil {
		return ringKey{}, fmt.Errorf("derive sealing key: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return ringKey{}, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return ringKey{}, fmt.Errorf("make cipher: %w", err)
	}
	return ringKey{id: hex.EncodeToString(id), aead: aead}, nil
}

// String says how many keys there are, and nothing of them.
func (k *Keyring) String() string { return fmt.Sprintf("keyring of %d", len(k.keys)) }

// Seal encrypts plain for one place, e.g. "portal/default/refresh": the result opens for that place only. It is
// printable.
func (k *Keyring) Seal(place string, plain []byte) (string, error) {
	if len(k.keys) == 0 {
		return "", errors.New("seal: the keyring is empty")
	}
	key := k.keys[0]
	return sealVersion + "." + key.id + "." + base64.RawURLEncoding.EncodeToString(key.aead.Seal(nil, nil, plain, boundTo(key, place))), nil
}

// Open decrypts what Seal made for the same place. The error is ErrUnknownKey or ErrSealBroken.
func (k *Keyring) Open(place, sealed string) ([]byte, error) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, body, ok := strings.Cut(rest, ".")
	if version != sealVersion || !ok {
		return nil, ErrSealBroken
	}
	box, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return nil, ErrSealBroken
	}
	for _, key := range k.keys {
		if key.id != id {
			continue
		}
		plain, err := key.aead.Open(nil, nil, box, boundTo(key, place))
		if err != nil {
			return nil, ErrSealBroken
		}
		return plain, nil
	}
	return nil, ErrUnknownKey
}

// KeyID is the name of the key that a text was sealed with, 8 hex digits, and whether that key is in the ring; "" for
// what is no sealed text.
func (k *Keyring) KeyID(sealed string) (id string, known bool) {
	version, rest, _ := strings.Cut(sealed, ".")
	id, _, ok := strings.Cut(rest, ".")
	if version != sealVersion || !ok {
		return "", false
	}
	return id, slices.ContainsFunc(k.keys, func(key ringKey) bool { return key.id == id })
}

// Stale says whether a sealed text was made by another key than the first, so that rotation can seal it anew.
func (k *Keyring) Stale(sealed string) bool {
	return len(k.keys) > 0 && !strings.HasPrefix(sealed, sealVersion+"."+k.keys[0].id+".")
}

func boundTo(key ringKey, place string) []byte { return []byte(key.id + "|" + place) }
