package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"leadsync/internal/backoff"
	"leadsync/internal/config"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
	"leadsync/internal/people"
	"leadsync/internal/store"
)

// startPatience is asked of systemd again and again while the start waits for the database.
const startPatience = 90 * time.Second

// open opens and migrates the database and opens the hash key of people; it waits while the database is away.
func (a *App) open(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := a.openOnce(ctx)
		if err == nil {
			a.ran = true
			a.noise.Recovered(ctx, troubleDatabase, observe.DatabaseRecovered, slog.String(observe.Database, a.db.String()))
			return nil
		}
		if ctx.Err() != nil || !a.canWait(err) {
			return err
		}
		wait := a.databaseAway(err, attempt)
		if a.ran {
			wait = min(wait, standbyPatience)
		}
		a.loops.turn(loopStart, wait)
		_ = a.notify.ExtendTimeout(startPatience + wait) // systemd's clock of the start; a failure is told by Status
		if backoff.Sleep(ctx, wait) != nil {
			return ctx.Err()
		}
	}
}

// reopen goes over to the file that was put in place of the SQLite file that is open (a backup that was restored, where
// the application writes from now on), or to a server that refused us.
func (a *App) reopen(ctx context.Context) error {
	a.close()
	return a.open(ctx)
}

// troubleDatabase is the database's name in the limiter of repeated lines.
const troubleDatabase = "database"

// databaseAway says what is waited for and returns for how long.
func (a *App) databaseAway(err error, attempt int) time.Duration {
	wait, name := databaseWaits.Delay(attempt), a.databaseName()
	text := fmt.Sprintf("waiting for database %s: %s; retry in %s", name, store.Cause(err), wait.Round(100*time.Millisecond))
	a.status.show(text)
	a.noise.Log(context.Background(), slog.LevelWarn, troubleDatabase, observe.WaitingDatabase, slog.String(observe.Database, name),
		slog.String(observe.Cause, store.Cause(err)), slog.Duration(observe.RetryIn, wait.Round(time.Millisecond)))
	return wait
}

// databaseName is the URL without user and password.
func (a *App) databaseName() string {
	url, err := a.cfg.DatabaseURL()
	if err != nil {
		return "database"
	}
	return store.Redact(url.Reveal())
}

// openOnce opens the database, brings the schema up to date and opens the hash key.
func (a *App) openOnce(ctx context.Context) error {
	url, err := a.cfg.DatabaseURL()
	if err != nil {
		return &ConfigError{err}
	}
	if err := store.CheckSharing(url.Reveal()); err != nil {
		return a.orConfig(err)
	}
	db, err := store.Open(ctx, url.Reveal(), store.Options{Log: a.log, WakeEvery: a.wakeEvery, Announce: a.cfg.Push.Notify, Fresh: fresh(a.cfg)})
	if err != nil {
		return a.orConfig(err)
	}
	fail := func(err error) error { return errors.Join(a.orConfig(err), db.Close()) }
	if err := a.long("migrating the schema of "+db.String(), func() error { _, _, err := db.Migrate(ctx); return err }); err != nil {
		return fail(err)
	}
	keys, err := a.cfg.TokenKeys()
	if err != nil {
		return fail(&ConfigError{err})
	}
	ring, err := people.ParseKeys(keys.Reveal())
	if err != nil {
		return fail(&ConfigError{fmt.Errorf("hubspot.auth.token_key_file: %w", err)})
	}
	sealed, err := db.Tokens().PersonKey(ctx, people.HashKeyName, func() (string, error) { return people.NewHashKey(ring) }, people.KeyMark(ring))
	if errors.Is(err, people.ErrUnknownKey) || errors.Is(err, people.ErrSealBroken) {
		return fail(&ConfigError{err})
	}
	if err != nil {
		return fail(err)
	}
	hasher, err := people.Open(ring, sealed)
	if err != nil {
		return fail(&ConfigError{fmt.Errorf("hubspot.auth.token_key_file: %w", err)})
	}
	if fresh, err := people.Reseal(ring, sealed); err == nil && fresh != "" { // a new first line of the token key file
		if _, err := db.Tokens().ReplaceKey(ctx, people.HashKeyName, sealed, fresh); err != nil {
			return fail(err)
		}
	}
	a.db, a.hasher, a.keys = db, hasher, ring
	return nil
}

// fresh reads the URL again for each new session, so that a password may be changed in its file.
func fresh(cfg *config.Loaded) func() (string, error) {
	return func() (string, error) {
		url, err := cfg.DatabaseURL()
		return url.Reveal(), err
	}
}

func (a *App) close() {
	if a.db == nil {
		return
	}
	if err := a.db.Close(); err != nil {
		a.log.Warn(msgClose, observe.Err, err)
	}
	a.db = nil
}

const msgClose = "closing the database"

// canWait reports whether time may heal the error. A server that takes no writes may be a standby that becomes the
// primary. What ran once has a configuration that can work: exit code 78 would keep systemd from ever starting it
// again, so whatever it is now is waited for.
func (a *App) canWait(err error) bool {
	return a.ran || store.IsUnavailable(err) || store.IsFull(err) || store.IsReadOnly(err) && !a.onFile() || errors.Is(err, context.DeadlineExceeded)
}

func (a *App) onFile() bool { return strings.HasPrefix(a.databaseName(), "sqlite:") }

// orConfig makes a *ConfigError with its cure of what a person must correct before anything ran: no time heals a wrong
// password or a file that may not be written. Any other error is returned as it is.
func (a *App) orConfig(err error) error {
	if a.ran {
		return err
	}
	return a.refused(err)
}

// refused is orConfig at any time.
func (a *App) refused(err error) error {
	sharing, isSharing := errors.AsType[*store.SharingError](err)
	switch {
	case isSharing:
		return &ConfigError{fmt.Errorf("database %s: %w", a.databaseName(), sharing)}
	case errors.Is(err, store.ErrURL):
		return &ConfigError{err}
	case errors.Is(err, store.ErrNoDatabase):
		return &ConfigError{fmt.Errorf("%w; create it with `leadsync migrate up`", err)}
	case errors.Is(err, store.ErrKeyLost), errors.Is(err, store.ErrKeyReplaced):
		return &ConfigError{fmt.Errorf("%w; %s", err, store.KeyCure)}
	case errors.Is(err, store.ErrSchemaNewer):
		return &ConfigError{fmt.Errorf("%w; install a newer leadsync", err)}
	case errors.Is(err, store.ErrSchemaOlder):
		return &ConfigError{fmt.Errorf("%w; bring it up to date with `leadsync migrate up`", err)}
	case errors.Is(err, store.ErrUnfit):
		return &ConfigError{err}
	case errors.Is(err, store.ErrServerTooOld):
		return &ConfigError{fmt.Errorf("%w; install a newer one, or name another in database.url", err)}
	case (store.IsReadOnly(err) || store.IsDenied(err)) && a.onFile():
		return &ConfigError{fmt.Errorf("database %s: %s; give the user that runs leadsync (uid %d) the right to write the file and its folder",
			a.databaseName(), store.Cause(err), os.Getuid())}
	case store.IsDenied(err):
		return &ConfigError{fmt.Errorf("database %s: %s; correct user, password, database name or rights, in the server or in database.url",
			a.databaseName(), store.Cause(err))}
	}
	return err
}

// pendingOf counts the pending rows of a portal that this version acts on.
func pendingOf(counts []store.CountRow, portal string) int64 {
	var n int64
	for _, c := range counts {
		if c.Portal == portal && c.State == outbox.Pending && (c.Type == "" || !c.Type.Known() || c.Type.Supported()) {
			n += c.Count
		}
	}
	return n
}
