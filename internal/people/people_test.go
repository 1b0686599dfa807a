package people

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func ring(t *testing.T, lines ...string) *Keyring {
	t.Helper()
	k, err := ParseKeys(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHash(t *testing.T) {
	key := bytes.Repeat([]byte{7}, KeySize)
	h, err := New(key)
	if err != nil {
		t.Fatal(err)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "leadsync person hash v1", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, derived)
	mac.Write([]byte("ada@example.com"))
	want := hex.EncodeToString(mac.Sum(nil))[:12]
	if got := h.Hash("ada@example.com"); got != want {
		t.Errorf("Hash is %s, want %s", got, want)
	}
	// Each of these is a lead of its own: case, white space, the two ways of Unicode to write one letter.
	hashes := map[string]string{}
	for _, id := range []string{"ada@example.com", " ADA@Example.com\n", "Ab", "aB", "AB", "ab", "ab ", " ab", "ab\t", "\u00e9", "e\u0301", "\u212b", "\u00c5", "İ", "i̇", " "} {
		if other, ok := hashes[h.Hash(id)]; ok {
			t.Errorf("%q and %q have one hash", id, other)
		}
		hashes[h.Hash(id)] = id
	}
	// openssl kdf ... HKDF (SHA-256, this key, no salt, that info) and openssl dgst -mac HMAC give the same.
	if want != "00990fb6a073" {
		t.Errorf("the hash of a known text is %s: every log line and tombstone written before no longer matches", want)
	}
	if h.Hash("bob@example.com") == want || h.Hash("") != "" {
		t.Error("two people with one hash, or a hash of nothing")
	}
	other, _ := New(bytes.Repeat([]byte{8}, KeySize))
	if other.Hash("ada@example.com") == want {
		t.Error("the hash does not depend on the key")
	}
	if _, err := New(key[1:]); err == nil {
		t.Error("short key accepted")
	}
}

func TestHashKeyOutlivesRotation(t *testing.T) {
	first, second := NewKey(), NewKey()
	sealed, err := NewHashKey(ring(t, first))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(ring(t, first), sealed)
	if err != nil {
		t.Fatal(err)
	}
	rotated := ring(t, "# new", second, "", first)
	b, err := Open(rotated, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash("x") != b.Hash("x") {
		t.Error("rotation changed the hash")
	}
	if !rotated.Stale(sealed) || ring(t, first).Stale(sealed) {
		t.Error("Stale is wrong")
	}
	if _, err := Open(ring(t, second), sealed); !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), "put the key that sealed it back") {
		t.Errorf("without the old key: %v", err)
	}
}

// After a rotation the hash key is sealed by the new key, and the old line can go.
func TestResealAfterRotation(t *testing.T) {
	first, second := NewKey(), NewKey()
	old, rotated := ring(t, first), ring(t, second, first)
	sealed, err := NewHashKey(old)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Reseal(old, sealed); again != "" || err != nil {
		t.Errorf("nothing to do: %q, %v", again, err)
	}
	fresh, err := Reseal(rotated, sealed)
	if err != nil || fresh == "" {
		t.Fatalf("%q, %v", fresh, err)
	}
	a, err := Open(old, sealed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(ring(t, second), fresh)
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash("x") != b.Hash("x") {
		t.Error("sealing anew changed the hash")
	}
	if _, err := Reseal(ring(t, second), sealed); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("without the old key: %v", err)
	}
	was, known := rotated.KeyID(sealed)
	is, _ := rotated.KeyID(fresh)
	if len(was) != 8 || !known || was == is {
		t.Errorf("key ids %q and %q", was, is)
	}
	if _, known := ring(t, second).KeyID(sealed); known {
		t.Error("a key that is not there is known")
	}
	if id, known := rotated.KeyID("pat-na1-x"); id != "" || known {
		t.Errorf("no sealed text has the key id %q", id)
	}
}

func TestSealOpensOnlyInItsPlace(t *testing.T) {
	k := ring(t, NewKey())
	sealed, err := k.Seal("portal/a/refresh", []byte("secret text"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(sealed, "secret") {
		t.Error("not encrypted")
	}
	if again, _ := k.Seal("portal/a/refresh", []byte("secret text")); again == sealed {
		t.Error("two seals of one text are equal")
	}
	plain, err := k.Open("portal/a/refresh", sealed)
	if err != nil || string(plain) != "secret text" {
		t.Fatalf("%q %v", plain, err)
	}
	if _, err := k.Open("portal/b/refresh", sealed); !errors.Is(err, ErrSealBroken) {
		t.Errorf("moved to another place: %v", err)
	}
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if plain, err := k.Open("portal/a/refresh", string(changed)); err == nil && i < len(sealed)-1 {
			t.Errorf("opened with byte %d changed: %q", i, plain)
		}
	}
	for _, broken := range []string{"", "v1", "v1.", "v1..", "v2." + sealed[3:], sealed[:20], sealed + "!"} {
		if _, err := k.Open("portal/a/refresh", broken); err == nil {
			t.Errorf("opened %q", broken)
		}
	}
}

func TestKeyFile(t *testing.T) {
	if key := NewKey(); len(key) != 44 || NewKey() == key {
		t.Errorf("NewKey gave %d characters, want 44", len(key))
	}
	good := NewKey()
	raw, _ := base64.StdEncoding.DecodeString(good)
	for text, want := range map[string]string{
		"":                            "holds no key",
		"# only a comment\n":          "holds no key",
		"secretword!":                 "line 1 is not base64",
		good + "\n" + good:            "line 2 repeats a key",
		good + "\n\nc2VjcmV0d29yZA==": "line 3 holds 10 bytes, want 32",
		hex.EncodeToString(raw):       "line 1 holds 48 bytes, want 32",
		strings.TrimRight(good, "="):  "line 1 is not base64",
		"token-key: " + good:          "line 1 is not base64",
		good + good:                   "line 1 is not base64",
	} {
		_, err := ParseKeys(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "secretword") || strings.Contains(err.Error(), good)) {
			t.Errorf("the error repeats the key: %v", err)
		}
	}
	k := ring(t, "\r", good+"\r")
	if out := fmt.Sprintf("%v %+v %s", k, k, k); strings.Contains(out, good) || out != "keyring of 1 keyring of 1 keyring of 1" {
		t.Errorf("a keyring prints as %s", out)
	}
}

// A tombstone tells lead ids apart that differ in case only, and a lead from an address of the same text.
func TestTombstone(t *testing.T) {
	h, err := New(bytes.Repeat([]byte{7}, KeySize))
	if err != nil {
		t.Fatal(err)
	}
	ab := h.Tombstone("lead", "Ab")
	if len(ab) != 64 || ab != h.Tombstone("lead", "Ab") {
		t.Errorf("tombstone %q", ab)
	}
	for _, other := range []string{h.Tombstone("lead", "aB"), h.Tombstone("lead", "Ab "), h.Tombstone("address", "Ab"), h.Hash("Ab")} {
		if ab == other {
			t.Errorf("two things have one tombstone")
		}
	}
	if got, want := h.Tombstone("address", "ada@example.com"), "4949676e70fc9541971269641d88964e5a6f0f4f4692c37017c799dce5062b1c"; got != want {
		t.Errorf("the tombstone of a known text is %s, want %s: every tombstone written before no longer matches", got, want)
	}
}
