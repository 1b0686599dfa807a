package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leadsync/internal/config"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

func newOutboxCommand(env *environment) *cobra.Command {
	return group("outbox", "Add, list and settle rows of lead_outbox",
		newOutboxAddCommand(env),
		newOutboxListCommand(env),
		newOutboxShowCommand(env),
		newOutboxRetryCommand(env),
		newOutboxSkipCommand(env),
	)
}

// onDatabase runs the body of a command with the configuration and its database.
func (e *environment) onDatabase(c *cobra.Command, do func(cfg *config.Loaded, db *store.DB) error) (err error) {
	cfg, err := e.load()
	if err != nil {
		return err
	}
	e.warn(cfg)
	db, err := e.openStore(c.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = do(cfg, db)
	if _, file := errors.AsType[*fs.PathError](err); !file && store.IsUnavailable(err) {
		return fmt.Errorf("database %s: %s", db, store.Cause(err))
	}
	return err
}

// parseID reads an outbox id of the command line.
func parseID(text string) (outbox.EntryID, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, &exitError{exitUsage, fmt.Errorf("%q is not an outbox id, want a number like 17", text)}
	}
	return outbox.EntryID(id), nil
}

// sinceHelp explains --since.
const sinceHelp = "only rows settled, or while they are pending made, since this `TIME`: 90m, 2h, 7d, 2026-11-20, 2026-11-20T08:00:00Z"

// parseSince reads a moment, or how long ago it was, as unix milliseconds; 0 for an empty text. A day without a zone is
// UTC.
func parseSince(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 100_000 {
			return now.AddDate(0, 0, -n).UnixMilli(), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d).UnixMilli(), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UnixMilli(), nil
		}
	}
	return 0, &exitError{exitUsage, fmt.Errorf("--since %q, want how long ago (90m, 2h, 7d) or a time (2026-11-20, 2026-11-20T08:00:00Z)", text)}
}

// parseState reads --state; allowed holds the words that make sense for the command.
func parseState(text string, allowed ...outbox.State) (outbox.State, error) {
	words := ""
	for i, s := range allowed {
		switch {
		case text == string(s):
			return s, nil
		case i > 0 && i == len(allowed)-1:
			words += " or "
		case i > 0:
			words += ", "
		}
		words += string(s)
	}
	if text == "" {
		return "", nil
	}
	return "", &exitError{exitUsage, fmt.Errorf("--state %q, want %s", text, words)}
}
