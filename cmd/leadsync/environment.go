package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/observe"
	"leadsync/internal/people"
	"leadsync/internal/store"
)

// environment is what a command has of the world. Commands read and write nothing else.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	args           []string // the command line, for better words about a wrong one

	configFile string // --config
	started    bool   // a command's own code has begun
}

// getenv is os.Getenv on the command's environment.
func (e *environment) getenv(name string) string {
	value := ""
	for _, pair := range e.environ {
		if key, v, ok := strings.Cut(pair, "="); ok && key == name {
			value = v
		}
	}
	return value
}

// load reads the configuration. Its error is a *config.Error and ends with exit code 78. The warnings are the caller's
// to show: with warn, or in the log.
func (e *environment) load() (*config.Loaded, error) {
	return config.Load(config.Source{File: e.configFile, Environ: e.environ})
}

// warn prints the configuration's warnings to standard error.
func (e *environment) warn(cfg *config.Loaded) {
	for _, w := range cfg.Warnings {
		fmt.Fprintln(e.stderr, "leadsync: warning: "+visible(observe.Mask(w)))
	}
}

// logger builds the logger of the configuration, on standard error.
func (e *environment) logger(cfg *config.Loaded) (*slog.Logger, *slog.LevelVar, error) {
	return observe.New(observe.Options{Out: e.stderr, Format: string(cfg.Log.Format), Level: string(cfg.Log.Level)})
}

// openStore opens the database of the configuration and checks its schema. A database or schema that is not there, and
// a schema newer than this binary, end with exit code 78. The caller closes it.
func (e *environment) openStore(ctx context.Context, cfg *config.Loaded) (*store.DB, error) {
	db, err := e.openUnchecked(ctx, cfg, store.Options{})
	if err != nil {
		return nil, err
	}
	err = db.CheckSchema(ctx)
	if err == nil {
		return db, nil
	}
	_ = db.Close()
	switch {
	case errors.Is(err, store.ErrSchemaNewer):
		return nil, &exitError{exitConfig, fmt.Errorf("database %s: %w; install a newer leadsync", db, err)}
	case errors.Is(err, store.ErrSchemaOlder):
		return nil, &exitError{exitConfig, fmt.Errorf("database %s: %w; run `leadsync migrate up`", db, err)}
	}
	return nil, fmt.Errorf("check schema of %s: %w", db, err)
}

// openUnchecked opens the database whatever its schema.
func (e *environment) openUnchecked(ctx context.Context, cfg *config.Loaded, o store.Options) (*store.DB, error) {
	url, err := cfg.DatabaseURL()
	if err != nil {
		return nil, err
	}
	if o.Log, _, err = e.logger(cfg); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, url.Reveal(), o)
	if errors.Is(err, store.ErrNoDatabase) {
		return nil, &exitError{exitConfig, fmt.Errorf("%w; create it with `leadsync migrate up`", err)}
	}
	if errors.Is(err, store.ErrUnfit) || errors.Is(err, store.ErrServerTooOld) {
		return nil, &exitError{exitConfig, err}
	}
	return db, err
}

// keyring reads the token keys.
func (e *environment) keyring(cfg *config.Loaded) (*people.Keyring, error) {
	text, err := cfg.TokenKeys()
	if err != nil {
		return nil, err
	}
	keys, err := people.ParseKeys(text.Reveal())
	if err != nil {
		return nil, &exitError{exitConfig, fmt.Errorf("hubspot.auth.token_key_file: %w", err)}
	}
	return keys, nil
}

// hasher opens the hash key of people, which is kept in the database, and makes it on first use.
func (e *environment) hasher(ctx context.Context, cfg *config.Loaded, db *store.DB) (*people.Hasher, error) {
	keys, err := e.keyring(cfg)
	if err != nil {
		return nil, err
	}
	sealed, err := db.Tokens().PersonKey(ctx, people.HashKeyName, func() (string, error) { return people.NewHashKey(keys) }, people.KeyMark(keys))
	switch {
	case errors.Is(err, store.ErrKeyLost), errors.Is(err, store.ErrKeyReplaced):
		return nil, &exitError{exitConfig, fmt.Errorf("%w; %s", err, store.KeyCure)}
	case errors.Is(err, people.ErrUnknownKey), errors.Is(err, people.ErrSealBroken):
		return nil, &exitError{exitConfig, err}
	case err != nil:
		return nil, err
	}
	hasher, err := people.Open(keys, sealed)
	if err != nil {
		return nil, &exitError{exitConfig, fmt.Errorf("hubspot.auth.token_key_file: %w", err)}
	}
	return hasher, nil
}

// printJSON writes one object on one line.
func (e *environment) printJSON(value any) error {
	encoder := json.NewEncoder(safeJSON{e.stdout})
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// jsonFlag adds --json.
func jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print the result as JSON")
}

// wantArgs accepts exactly the named arguments, in words that do not guess at a subcommand.
func wantArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}
