// Package secret holds text that must never be printed: tokens, client secrets, keys, passwords.
//
// Guarantee: a String shows the same placeholder through every printing road of the standard library and of our
// configuration library: all fmt verbs, slog, JSON, YAML and anything else that asks for text. Only Reveal gives the
// content, so one search for "Reveal(" lists every place where a secret leaves the type.
//
// It does not protect memory: a core dump or a debugger shows the content.
//
// Design: the content sits in an unexported field of a struct, behind a pointer, and the type answers every printing
// interface itself. A plain named string was rejected, because a struct that embeds it in an unexported field is
// printed by fmt through reflection, without asking any method; through a pointer, reflection reaches an address and
// stops there.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Placeholder is what is printed instead of a set secret.
const Placeholder = "(secret)"

// String is a text that prints as Placeholder, or as nothing when it is empty. The zero value is the empty secret. It
// is immutable and safe for concurrent use. Two Strings are compared with Equal; == compares identity only.
type String struct{ content *string }

// New wraps s.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{content: &s}
}

// Reveal gives the content. Call it at the last moment, where the secret is used, and keep the result out of errors and
// logs.
func (s String) Reveal() string {
	if s.content == nil {
		return ""
	}
	return *s.content
}

// Empty says whether there is no content.
func (s String) Empty() bool { return s.content == nil }

// Equal compares the contents in a time that depends on their length alone.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String is the placeholder, or "" for the empty secret.
func (s String) String() string {
	if s.Empty() {
		return ""
	}
	return Placeholder
}

// Format serves every fmt verb, %#v, %x and %d included.
func (s String) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", s.String())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// GoString serves callers that use the interface without fmt.
func (s String) GoString() string { return s.String() }

// LogValue serves slog's handlers.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText serves JSON, YAML and every other text encoder. There is no UnmarshalText: secrets come from files, never
// out of a configuration text.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
