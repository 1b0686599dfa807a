package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCredentialIsLookedUpInOrder(t *testing.T) {
	system, beside, elsewhere := t.TempDir(), t.TempDir(), t.TempDir()
	c := Credentials{System: system, Beside: beside}
	put(t, beside, "both", "beside")
	put(t, system, "both", " system\n")
	put(t, beside, "one", "beside\n")
	absolute := put(t, elsewhere, "x", "absolute")
	for value, want := range map[string]string{"both": "system", "one": "beside", absolute: "absolute"} {
		got, err := c.Read(value)
		if err != nil || got.Reveal() != want {
			t.Errorf("%s: %q %v, want %q", value, got.Reveal(), err, want)
		}
	}
}

func TestAbsentCredential(t *testing.T) {
	system, beside := t.TempDir(), t.TempDir()
	c := Credentials{System: system, Beside: beside}
	put(t, system, "unset", "unset\n")
	put(t, system, "empty", "\n")
	for _, value := range []string{"unset", "empty", "missing", "", filepath.Join(system, "missing")} {
		if got, err := c.Read(value); !errors.Is(err, ErrAbsent) || !got.Empty() {
			t.Errorf("%q: %v, want ErrAbsent", value, err)
		}
	}
	if _, err := c.Read("missing"); !strings.Contains(err.Error(), filepath.Join(system, "missing")+" nor "+filepath.Join(beside, "missing")) {
		t.Errorf("does not say where it looked: %v", err)
	}
	if _, err := c.Read("unset"); !strings.Contains(err.Error(), filepath.Join(system, "unset")+` is empty or says "unset"`) {
		t.Errorf("does not say what it found: %v", err)
	}
	// A unit that sets what nobody gave does not hide the file beside the configuration.
	put(t, beside, "unset", "found")
	if got, err := c.Read("unset"); err != nil || got.Reveal() != "found" {
		t.Errorf("behind an unset one: %v", err)
	}
	put(t, system, "binary", "a\x00b")
	put(t, system, "large", strings.Repeat("x", maxCredential+1))
	for _, value := range []string{"binary", "large", "."} {
		if _, err := c.Read(value); err == nil || errors.Is(err, ErrAbsent) {
			t.Errorf("%q: %v, want another error", value, err)
		}
	}
}

func TestMissingCredentialsDependOnTheMode(t *testing.T) {
	names := func(l *Loaded) (out []string) {
		for _, p := range l.Missing() {
			out = append(out, p.Key)
		}
		return out
	}
	oauth := mustLoad(t, "")
	if got := strings.Join(names(oauth), " "); got != "hubspot.auth.token_key_file hubspot.auth.client_secret_file hubspot.auth.client_id" {
		t.Errorf("oauth: %s", got)
	}
	static := mustLoad(t, "hubspot: {auth: {mode: static}}\ndatabase: {url_file: db-url}\n")
	if got := strings.Join(names(static), " "); got != "hubspot.auth.token_key_file hubspot.auth.static_token_file database.url_file" {
		t.Errorf("static: %s", got)
	}
	put(t, ".", "token-key", "k")
	put(t, ".", "hubspot-token", "t")
	put(t, ".", "db-url", "postgres://u:p@h/x?sslmode=verify-full\n")
	if got := names(static); len(got) > 0 {
		t.Errorf("all there: %q", got)
	}
	static.HubSpot.CAFile = "ca.pem"
	if got := strings.Join(names(static), " "); got != "hubspot.ca_file" {
		t.Errorf("authorities: %s", got)
	}
	put(t, ".", "ca.pem", strings.Repeat("x", 300<<10)) // as large as a whole system's bundle
	if got := names(static); len(got) > 0 {
		t.Errorf("authorities are there: %q", got)
	}
	if url, err := static.DatabaseURL(); err != nil || url.Reveal() != "postgres://u:p@h/x?sslmode=verify-full" {
		t.Errorf("url_file: %v", err)
	}
	if token, err := static.StaticToken(); err != nil || token.Reveal() != "t" {
		t.Errorf("token: %v", err)
	}
	put(t, ".", "db-url", "postgres://u:"+canary+"@h")
	if _, err := static.DatabaseURL(); err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "names no database") {
		t.Errorf("bad url in file: %v", err)
	}
}

func TestDatabaseURLByEnvironmentBeatsTheFile(t *testing.T) {
	l := mustLoad(t, "database: {url_file: u}\n", "LEADSYNC_DATABASE_URL=sqlite:x.db")
	if url, err := l.DatabaseURL(); err != nil || url != "sqlite:x.db" {
		t.Errorf("%v %v", url, err)
	}
	l = mustLoad(t, "database: {url: \"sqlite:x.db\"}\n", "LEADSYNC_DATABASE_URL_FILE=u")
	if _, err := l.DatabaseURL(); !errors.Is(err, ErrAbsent) && err == nil {
		t.Error("url_file by environment was ignored")
	}
	if _, err := loadText(t, "", "LEADSYNC_DATABASE_URL_FILE=u", "LEADSYNC_DATABASE_URL=sqlite:x.db"); err == nil {
		t.Error("both by environment accepted")
	}
}
