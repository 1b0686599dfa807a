package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"leadsync/internal/files"
	"leadsync/internal/secret"
)

// Credentials finds and reads the files that _file keys name. The zero value knows absolute paths only. Safe for
// concurrent use.
type Credentials struct {
	// System is $CREDENTIALS_DIRECTORY, where systemd puts what LoadCredential names. Looked in first.
	System string
	// Beside is the folder of the configuration file. Looked in second.
	Beside string
	// Instance is the name of the configuration file without its ending. Outside the service, where System is empty,
	// root's commands look into credentials/INSTANCE and credentials below Beside too: the folders that the units hand to
	// the daemon.
	Instance string
}

// ErrAbsent means that a credential is not there: no file, an empty one, or one whose content is "unset".
var ErrAbsent = errors.New("credential is absent")

// maxCredential is far above any token, key or URL, and above the largest bundle of certificate authorities.
const maxCredential = 1 << 20

// shutFolder is the folder of credentials that the package makes beside the configuration, for root alone.
const shutFolder = "credentials"

// unset is what a unit's SetCredential= gives for a credential that nobody has set.
const unset = "unset"

// ReadFile reads the file that value names and returns its content without surrounding white space. Absolute values are
// read as they are; others are looked up in System, then Beside. A file that is empty or says "unset" counts as one
// that is not there: a unit's SetCredential=NAME:unset does not hide what an operator put beside the configuration. The
// error wraps ErrAbsent when there is nothing anywhere, and says where it looked.
func (c Credentials) ReadFile(value string) ([]byte, error) {
	if value == "" {
		return nil, fmt.Errorf("no credential file is named: %w", ErrAbsent)
	}
	void := ""
	for _, path := range c.candidates(value) {
		text, err := readCredential(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case len(text) == 0 || string(text) == unset:
			void = path
		default:
			return text, nil
		}
	}
	if void != "" {
		return nil, fmt.Errorf("no file %s with a value (%s is empty or says %q): %w", c.searched(value), void, unset, ErrAbsent)
	}
	return nil, fmt.Errorf("no file %s: %w", c.searched(value), ErrAbsent)
}

// Read is ReadFile for a secret.
func (c Credentials) Read(value string) (secret.String, error) {
	text, err := c.ReadFile(value)
	if err != nil {
		return secret.String{}, err
	}
	return secret.New(string(text)), nil
}

// Places lists where a file is looked for, in order. It reads nothing of them.
func (c Credentials) Places(value string) []string { return c.candidates(value) }

func (c Credentials) candidates(value string) []string {
	if filepath.IsAbs(value) {
		return []string{value}
	}
	var paths []string
	for _, folder := range []string{c.System, c.Beside} {
		if folder != "" {
			paths = append(paths, filepath.Join(folder, value))
		}
	}
	if shut := filepath.Join(c.Beside, shutFolder); c.System == "" && c.Beside != "" {
		for _, folder := range []string{filepath.Join(shut, c.Instance), shut} {
			if _, err := os.Stat(folder); err == nil && (folder != shut || c.Instance != "") {
				paths = append(paths, filepath.Join(folder, value))
			}
		}
	}
	return paths
}

// searched words where a file was looked for.
func (c Credentials) searched(value string) string {
	paths := c.candidates(value)
	if len(paths) == 0 {
		return value + " (no $CREDENTIALS_DIRECTORY and no configuration file to look beside; use an absolute path)"
	}
	return strings.Join(paths, " nor ")
}

func readCredential(path string) ([]byte, error) {
	text, err := files.ReadRegular(path, maxCredential)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s may not be read by this user", path)
	case errors.Is(err, files.ErrTooLarge):
		return nil, fmt.Errorf("%s is larger than %d bytes, which no credential is", path, maxCredential)
	case err != nil:
		return nil, err
	}
	if trimmed := strings.TrimSpace(string(text)); strings.ContainsRune(trimmed, 0) {
		return nil, fmt.Errorf("%s is not a text", path)
	} else {
		return []byte(trimmed), nil
	}
}

// DatabaseURL is the URL to open: the content of database.url_file when that is set, else database.url. The error is an
// *Error.
func (l *Loaded) DatabaseURL() (DatabaseURL, error) {
	if l.Database.URLFile == "" {
		return l.Database.URL, nil
	}
	const key = "database.url_file"
	text, err := l.Credentials.ReadFile(l.Database.URLFile)
	if err != nil {
		return "", refused("", key, err.Error())
	}
	if problem := databaseProblem(string(text)); problem != "" {
		return "", refused("", key, "the URL in the file "+problem)
	}
	return DatabaseURL(text), nil
}

// TokenKeys reads the file of hubspot.auth.token_key_file, which every mode needs. The error is an *Error that names
// the cure.
func (l *Loaded) TokenKeys() (secret.String, error) {
	return l.needed("hubspot.auth.token_key_file", l.HubSpot.Auth.TokenKeyFile, "make one with `leadsync auth key`")
}

// StaticToken reads the file of hubspot.auth.static_token_file, which mode static needs. The error is an *Error.
func (l *Loaded) StaticToken() (secret.String, error) {
	return l.needed("hubspot.auth.static_token_file", l.HubSpot.Auth.StaticTokenFile, "put the token of the app or service key there")
}

// ClientSecret reads the file of hubspot.auth.client_secret_file, which mode oauth needs. The error is an *Error.
func (l *Loaded) ClientSecret() (secret.String, error) {
	return l.needed("hubspot.auth.client_secret_file", l.HubSpot.Auth.ClientSecretFile, "put the client secret of the app there")
}

func (l *Loaded) needed(key, value, cure string) (secret.String, error) {
	text, err := l.Credentials.Read(value)
	if err != nil {
		return secret.String{}, refused("", key, err.Error()+"; "+cure)
	}
	return text, nil
}

// Missing lists the credentials and files that `leadsync run` would refuse to start without, in the present mode.
func (l *Loaded) Missing() []Problem {
	wanted := []func() (secret.String, error){l.TokenKeys}
	if l.HubSpot.Auth.Mode == AuthStatic {
		wanted = append(wanted, l.StaticToken)
	} else {
		wanted = append(wanted, l.ClientSecret)
	}
	var out []Problem
	for _, read := range wanted {
		if _, err := read(); err != nil {
			if e, ok := errors.AsType[*Error](err); ok {
				out = append(out, e.Problems...)
			}
		}
	}
	if _, err := l.DatabaseURL(); err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			out = append(out, e.Problems...)
		}
	}
	if file := l.HubSpot.CAFile; file != "" {
		if _, err := l.Credentials.ReadFile(file); err != nil {
			out = append(out, Problem{Key: "hubspot.ca_file", Text: err.Error()})
		}
	}
	if l.HubSpot.Auth.Mode == AuthOAuth && l.HubSpot.Auth.ClientID == "" {
		out = append(out, Problem{Key: "hubspot.auth.client_id", Text: "is empty, mode oauth needs the client id of the app"})
	}
	return out
}
