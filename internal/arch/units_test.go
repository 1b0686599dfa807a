package arch

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/config"
)

// unit is a systemd unit as its lines: each a key and a value, in order.
type unit [][2]string

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(root + "/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var u unit
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		u = append(u, [2]string{key, value})
	}
	return u
}

// values are all values of a key.
func (u unit) values(key string) []string {
	var out []string
	for _, line := range u {
		if line[0] == key {
			out = append(out, line[1])
		}
	}
	return out
}

func TestUnitsDifferOnlyInTheInstance(t *testing.T) {
	template := readUnit(t, "leadsync@.service")
	for i, line := range template {
		value := strings.ReplaceAll(line[1], "/etc/leadsync/%i.yaml", "/etc/leadsync/leadsync.yaml")
		value = strings.ReplaceAll(value, "/credentials/%i/", "/credentials/")
		template[i][1] = strings.TrimSuffix(value, " (%i)")
	}
	single := readUnit(t, "leadsync.service")
	for i := range max(len(single), len(template)) {
		switch {
		case i >= len(single) || i >= len(template):
			t.Fatalf("leadsync.service has %d settings, leadsync@.service %d", len(single), len(template))
		case single[i] != template[i]:
			t.Fatalf("leadsync.service says %q where leadsync@.service says %q", single[i], template[i])
		}
	}
}

func TestUnitFitsTheProgram(t *testing.T) {
	u := readUnit(t, "leadsync.service")
	one := func(key string) string {
		t.Helper()
		values := u.values(key)
		if len(values) != 1 {
			t.Fatalf("%s is set %d times", key, len(values))
		}
		return values[0]
	}
	defaults := config.Default()

	if got := one("ExecStart"); got != "/usr/bin/leadsync run --config "+config.DefaultFile {
		t.Errorf("ExecStart=%s", got)
	}
	stop, err := time.ParseDuration(one("TimeoutStopSec") + "s")
	if err != nil {
		t.Fatal(err)
	}
	// After stop_timeout the outcomes are still written and the portal released.
	if stop < defaults.StopTimeout+5*time.Second {
		t.Errorf("TimeoutStopSec is %s, too near to the default stop_timeout of %s", stop, defaults.StopTimeout)
	}
	if watchdog, err := time.ParseDuration(one("WatchdogSec") + "s"); err != nil || watchdog < 2*defaults.HubSpot.Timeout {
		t.Errorf("WatchdogSec is %s (%v), a healthy loop may wait %s for HubSpot", watchdog, err, defaults.HubSpot.Timeout)
	}
	if got := strings.Fields(one("RestartPreventExitStatus")); !slices.Equal(got, []string{"78", "243"}) {
		t.Errorf("RestartPreventExitStatus=%q, want 78 (configuration) and 243 (credentials)", got)
	}
	if state := "/var/lib/" + one("StateDirectory") + "/"; !strings.Contains(string(defaults.Database.URL), state) {
		t.Errorf("the default database %s is outside of the only writable folder %s", defaults.Database.URL, state)
	}

	unset := u.values("SetCredential")
	var names []string
	for _, load := range u.values("LoadCredential") {
		name, _, _ := strings.Cut(load, ":")
		names = append(names, name)
		if !slices.Contains(unset, name+":unset") {
			t.Errorf("LoadCredential=%s has no SetCredential=%s:unset, so a missing file ends in 243 instead of a sentence", name, name)
		}
	}
	auth := defaults.HubSpot.Auth
	for _, want := range []string{auth.TokenKeyFile, auth.ClientSecretFile, auth.StaticTokenFile} {
		if !slices.Contains(names, want) {
			t.Errorf("no LoadCredential for %s, the default name of a credential", want)
		}
	}
}
