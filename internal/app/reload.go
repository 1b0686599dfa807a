package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"leadsync/internal/config"
	"leadsync/internal/observe"
)

// fixed are the keys that a running daemon keeps: they name what it has opened, or what systemd handed it at the start.
var fixed = []string{"portal", "database.url", "database.url_file", "hubspot.auth.token_key_file", "log.format", "status.listen"}

// Reload reads the configuration again. A sound one takes the place of the present one: requests under way end first,
// under the old one. One that is refused, or that changes what only a restart can change, changes nothing; the log
// names file and line. Reload is called by one goroutine, while Run runs.
func (a *App) Reload(ctx context.Context) {
	_ = a.notify.Reloading() // systemd waits for Ready then; without it it waits for the signal alone
	next, problems := a.read()
	if len(problems) > 0 {
		for _, p := range problems {
			a.log.LogAttrs(ctx, slog.LevelError, observe.ConfigRefused, slog.String(observe.Where, p.Where), slog.String(observe.Key, p.Key),
				slog.String(observe.Reason, p.Text), slog.String(observe.Hint, "the configuration in force stays; correct this and reload again"))
		}
		a.status.note("reload refused: " + problems[0].String())
		_ = a.notify.Ready(a.status.now())
		return
	}
	changed := config.Changed(a.accepted.Config, next.Config)
	a.accepted = next
	a.warn(next)
	if a.level != nil {
		_ = a.level.UnmarshalText([]byte(next.Log.Level)) // Load has checked the word
	}
	a.status.note("")
	a.log.Info(observe.ConfigReloaded, observe.Changed, strings.Join(changed, " "))
	if !slices.ContainsFunc(changed, func(key string) bool { return key != "log.level" }) {
		_ = a.notify.Ready("")
		return
	}
	a.next.Store(next)
	if o := a.serving.Load(); o != nil {
		o.leave(errReloaded)
	} else { // nothing depends on it yet; it is taken before the portal is
		_ = a.notify.Ready("")
	}
}

// read loads and checks; the problems say why there is nothing to take over.
func (a *App) read() (*config.Loaded, []config.Problem) {
	next, err := a.load()
	if err != nil {
		if refused, ok := errors.AsType[*config.Error](err); ok {
			return nil, refused.Problems
		}
		return nil, []config.Problem{{Text: observe.Mask(err.Error())}}
	}
	problems := next.Missing()
	for _, key := range config.Changed(a.accepted.Config, next.Config) {
		if slices.Contains(fixed, key) {
			problems = append(problems, config.Problem{Where: next.Place(key), Key: key,
				Text: "cannot be changed while the daemon runs; put the old value back, or restart it: systemctl restart leadsync"})
		}
	}
	return next, problems
}

// adopt puts a configuration that a reload brought into force. Nothing that was built from the old one runs any more.
func (a *App) adopt() {
	next := a.next.Swap(nil)
	if next == nil {
		return
	}
	a.cfg = next
	a.requestTimeout.Store(int64(next.HubSpot.Timeout))
	_ = a.notify.Ready("")
}
