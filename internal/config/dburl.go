package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// DatabaseURL is the address of the database. Every printed form of it (fmt, slog, JSON, YAML) hides the password;
// Reveal gives the whole text to open the database with.
type DatabaseURL string

// Reveal returns the text as configured.
func (u DatabaseURL) Reveal() string { return string(u) }

// String hides the password; a text that is no URL is hidden whole unless it is a path of SQLite.
func (u DatabaseURL) String() string {
	text := string(u)
	if text == "" || strings.HasPrefix(text, "sqlite:") {
		return text
	}
	parsed, err := url.Parse(text)
	if err != nil || parsed.Scheme == "" || parsed.Opaque != "" {
		return "(hidden)"
	}
	if parsed.User != nil {
		if _, has := parsed.User.Password(); has {
			parsed.User = url.UserPassword(parsed.User.Username(), "xxxxx")
		}
	}
	if query := parsed.Query(); len(query) > 0 {
		for key := range query {
			if strings.Contains(strings.ToLower(key), "pass") {
				query.Set(key, "xxxxx")
			}
		}
		parsed.RawQuery = query.Encode()
	}
	return parsed.String()
}

// Format serves every fmt verb.
func (u DatabaseURL) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = fmt.Fprintf(f, "%q", u.String())
		return
	}
	_, _ = io.WriteString(f, u.String())
}

// LogValue serves slog.
func (u DatabaseURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText serves JSON and YAML.
func (u DatabaseURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
