package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// write puts text into a file called leadsync.yaml in an own folder and makes that the working directory.
func write(t *testing.T, text string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("leadsync.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// loadText loads a file with that text and these variables.
func loadText(t *testing.T, text string, environ ...string) (*Loaded, error) {
	t.Helper()
	write(t, text)
	return Load(Source{File: "leadsync.yaml", Environ: environ})
}

func mustLoad(t *testing.T, text string, environ ...string) *Loaded {
	t.Helper()
	l, err := loadText(t, text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestDefaultIsSound(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default(), mustLoad(t, "").Config); diff != "" {
		t.Errorf("an empty file changes the defaults:\n%s", diff)
	}
	if diff := cmp.Diff(Default(), mustLoad(t, "# all keys are commented out\nhubspot:\n  # timeout: 3s\nmapping:\n  fields:\n").Config); diff != "" {
		t.Errorf("a file of empty sections changes the defaults:\n%s", diff)
	}
}

func TestExampleHoldsEveryDefault(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash("../../config/leadsync.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	d := &decoder{file: "example", places: map[string]string{}}
	got := Config{} // not Default: a key that is missing in the file must show
	d.node(d.parse(text, ""), reflect.ValueOf(&got).Elem(), "")
	if len(d.problems) > 0 {
		t.Fatal(&Error{d.problems})
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("example and defaults differ (-default +example):\n%s", diff)
	}
	keys(reflect.ValueOf(Default()), "", func(path string, _ reflect.Value) {
		if d.places[path] == "" {
			t.Errorf("%s is not in the example", path)
		}
	})
	lines := strings.Split(string(text), "\n")
	commented := false
	for i, line := range lines {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			commented = true
		case line == "":
			commented = false
		case strings.HasSuffix(line, ":"), strings.HasPrefix(line, "- "): // a section, an item
		case !commented:
			t.Errorf("line %d has no comment above it: %s", i+1, line)
		}
	}
}

func TestFileOverDefaults(t *testing.T) {
	got := mustLoad(t, `
portal: eu-2
database: {url: "sqlite:rel.db"}
hubspot:
  base_url: http://127.0.0.1:8979
  api_version: 2026-09
  limits: {requests_per_10s: 0, share: 1}
  auth: {mode: static, scopes: [oauth]}
push: {linger: 0, poll_interval: 1m30s, notify: true}
pull: {start: 2026-01-31, unknown: inbox, schedule: "*/5 * * * *"}
retention: {dead: 720h}
consent: {unsubscribe: [39644612, 7], resubscribe: allow, legal_basis: CONSENT_WITH_NOTICE, explanation: asked, business_unit_id: 3}
mapping:
  fields:
    - {lead: first_name, contact: firstname}
    - lead: plan
      contact: plan_name
      direction: both
      winner: fill_empty
`)
	want := Default()
	want.Portal = "eu-2"
	want.Database.URL = "sqlite:rel.db"
	want.HubSpot.BaseURL = "http://127.0.0.1:8979"
	want.HubSpot.Limits.RequestsPer10s, want.HubSpot.Limits.Share = 0, 1
	want.HubSpot.Auth.Mode, want.HubSpot.Auth.Scopes = AuthStatic, []string{"oauth"}
	want.Push.Linger, want.Push.PollInterval, want.Push.Notify = 0, 90*time.Second, true
	want.Pull.Start, want.Pull.Unknown, want.Pull.Schedule = "2026-01-31", InboxUnknown, "*/5 * * * *"
	want.Retention.Dead = 720 * time.Hour
	want.Consent = Consent{Unsubscribe: Subscriptions{IDs: []int64{39644612, 7}}, Resubscribe: AllowResubscribe, LegalBasis: "CONSENT_WITH_NOTICE",
		Explanation: "asked", BusinessUnitID: 3}
	want.Mapping.Fields = []Field{
		{Lead: "first_name", Contact: "firstname", Direction: DirectionPush, Winner: WinnerApp},
		{Lead: "plan", Contact: "plan_name", Direction: DirectionBoth, Winner: WinnerFillEmpty},
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(got.Warnings, []string{"leadsync.yaml:9: push.notify: has no effect on SQLite"}) {
		t.Errorf("warnings %q", got.Warnings)
	}
}

func TestEnvironmentOverFile(t *testing.T) {
	got := mustLoad(t, "push: {concurrency: 2, linger: 1s}\nretention: {dead: 1h}\n",
		"LEADSYNC_PUSH_CONCURRENCY=7",
		"LEADSYNC_RETENTION={settled: 24h}", // a section; what it does not name stays
		"LEADSYNC_RETENTION_INBOX=48h",
		"LEADSYNC_CONSENT_UNSUBSCRIBE=[3, 4]",
		"LEADSYNC_MAPPING_FIELDS=[{lead: a, contact: b, direction: pull}]",
		"LEADSYNC_STATUS_LISTEN=", // an empty text is a value
		"LEADSYNC_HUBSPOT_AUTH_CLIENT_ID=true",
		"LEADSYNC_TEST_POSTGRES_URL=x", "LEADSYNC_CONFIG=y", "LEADSYNC_PUSH_LINGR=3s", "LEADSYNCX=1", "HOME=/")
	want := Default()
	want.Push.Concurrency, want.Push.Linger = 7, time.Second
	want.Retention = Retention{Settled: 24 * time.Hour, Dead: time.Hour, Inbox: 48 * time.Hour}
	want.Consent.Unsubscribe = Subscriptions{IDs: []int64{3, 4}}
	want.Mapping.Fields = []Field{{Lead: "a", Contact: "b", Direction: DirectionPull, Winner: WinnerApp}}
	want.Status.Listen = ""
	want.HubSpot.Auth.ClientID = "true"
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Error(diff)
	}
	warning := "LEADSYNC_PUSH_LINGR is no setting of leadsync and is ignored, did you mean LEADSYNC_PUSH_LINGER?"
	if !slices.Equal(got.Warnings, []string{warning}) {
		t.Errorf("warnings %q, want %q", got.Warnings, warning)
	}
}

func TestEveryKeyHasItsOwnVariable(t *testing.T) {
	seen := map[string]string{}
	keys(reflect.ValueOf(Default()), "", func(path string, _ reflect.Value) {
		name := VariableOf(path)
		if other, twice := seen[name]; twice || name == FileVariable || strings.HasPrefix(name, testPrefix) {
			t.Errorf("%s belongs to %s and %s", name, path, other)
		}
		seen[name] = path
	})
	if len(seen) < 40 {
		t.Errorf("only %d keys found", len(seen))
	}
}

func TestWhichFile(t *testing.T) {
	write(t, "portal: from-file\n")
	for _, src := range []Source{
		{File: "leadsync.yaml", Environ: []string{"LEADSYNC_CONFIG=missing.yaml"}},
		{Environ: []string{"LEADSYNC_CONFIG=leadsync.yaml"}},
	} {
		l, err := Load(src)
		if err != nil || l.Portal != "from-file" || l.File != "leadsync.yaml" || l.Credentials.Beside != "." {
			t.Errorf("%+v: %v %+v", src, err, l)
		}
	}
	for _, c := range []struct {
		src  Source
		want string
	}{
		{Source{File: "missing.yaml"}, "missing.yaml: no such file, though --config names it"},
		{Source{Environ: []string{"LEADSYNC_CONFIG=missing.yaml"}}, "missing.yaml: no such file, though LEADSYNC_CONFIG names it"},
		{Source{File: "."}, ".: is a directory, want a file"},
	} {
		_, err := Load(c.src)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.src, err, c.want)
		}
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%+v: %T, want *Error", c.src, err)
		}
	}
	if _, err := os.Stat(DefaultFile); err == nil {
		t.Log("a configuration is installed here, the rest does not apply")
		return
	}
	if _, err := Load(Source{}); err == nil || !strings.HasPrefix(err.Error(), DefaultFile+": no such file; name one with --config") {
		t.Errorf("nothing at all: %v", err)
	}
	if l, err := Load(Source{Environ: []string{"LEADSYNC_DATABASE_URL=sqlite:x.db"}}); err != nil || l.File != "" || l.Database.URL != "sqlite:x.db" {
		t.Errorf("environment alone: %v %+v", err, l)
	}
}

func TestShownConfigurationLoadsAgain(t *testing.T) {
	text := `
portal: "yes"
hubspot: {auth: {client_id: "007 \"x\" \\ # y"}, limits: {share: 0.125}}
consent: {unsubscribe: [5], legal_basis: NON_GDPR, explanation: "they: said so"}
pull: {start: "2026-01-31T08:00:00Z"}
mapping: {id_property: lead_key, fields: [{lead: "Ünïcode: {x}", contact: b, winner: newest}]}
push: {poll_interval: 1h}
`
	first := mustLoad(t, text)
	var shown strings.Builder
	if err := first.WriteYAML(&shown); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.Config, mustLoad(t, shown.String()).Config); diff != "" {
		t.Errorf("%s\n%s", diff, shown.String())
	}
}

func TestPullStart(t *testing.T) {
	for text, want := range map[PullStart]string{"2026-01-31": "2026-01-31T00:00:00Z", "2026-01-31T08:00:00+02:00": "2026-01-31T06:00:00Z"} {
		if at, ok := text.Time(); !ok || at.Format(time.RFC3339) != want {
			t.Errorf("%s is %v, want %s", text, at, want)
		}
	}
	for _, text := range []PullStart{StartNow, StartAll, "", "2026-02-30"} {
		if at, ok := text.Time(); ok {
			t.Errorf("%q is a time: %v", text, at)
		}
	}
}

func TestDurationText(t *testing.T) {
	for want, d := range map[string]time.Duration{"0": 0, "250ms": 250 * time.Millisecond, "15s": 15 * time.Second, "1m": time.Minute,
		"1m30s": 90 * time.Second, "168h": 168 * time.Hour, "1h30m": 90 * time.Minute, "10h0m5s": 10*time.Hour + 5*time.Second} {
		if got := Duration(d); got != want {
			t.Errorf("%v is shown as %s, want %s", d, got, want)
		}
	}
}
