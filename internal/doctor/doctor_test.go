package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/config"
	"leadsync/internal/hubspot"
	"leadsync/internal/outbox"
	"leadsync/internal/status"
	"leadsync/internal/store"
)

func TestAllIsWell(t *testing.T) {
	for name, prepare := range map[string]func(*patient){
		"oauth":   func(*patient) {},
		"static":  func(p *patient) { p.cfg.HubSpot.Auth.Mode = config.AuthStatic; p.in.Granted = nil },
		"running": func(p *patient) { p.running(status.Snapshot{State: breaker.Running}) },
		"PostgreSQL": func(p *patient) {
			p.db.seen = store.Inspection{Engine: "PostgreSQL", Mode: "read-write", Clock: today.UnixMilli()}
		},
		"no unit":         func(p *patient) { p.in.Host.UnitDirs = nil },
		"no mapping":      func(p *patient) { p.cfg.Mapping = config.Mapping{} },
		"subscriptions":   func(p *patient) { p.cfg.Consent.Unsubscribe = config.Subscriptions{IDs: []int64{11}} },
		"blind":           func(p *patient) { p.in.Host = Host{}; p.in.Budget = nil },
		"HubSpot's clock": func(p *patient) { p.now = today.Add(900 * time.Millisecond) },
	} {
		p := healthy(t)
		prepare(p)
		r := Examine(t.Context(), p.in)
		for _, f := range r.Findings {
			if f.Level != Fact {
				t.Errorf("%s: %+v", name, f)
			}
			if f.What == "" || f.Level == Fact && f.Cure != "" {
				t.Errorf("%s: an odd finding %+v", name, f)
			}
		}
		if !r.OK() || r.Checks < 10 {
			t.Errorf("%s: %d checks", name, r.Checks)
		}
		if p.hub.asked > 12 {
			t.Errorf("%s: HubSpot was asked %d times", name, p.hub.asked)
		}
	}
}

// Each thing that can be wrong is found once, by its own subject, with why and cure, and nothing else beside it.
func TestEachFault(t *testing.T) {
	refused := func(status int, category string) error {
		return &hubspot.Error{Op: hubspot.OpAccount, Status: status, Category: category, Sent: true, Scopes: []string{"some.scope"}}
	}
	for _, tc := range []struct {
		name        string
		change      func(*patient)
		level       Level
		check, what string
		cure        string
	}{
		{"warning", func(p *patient) { p.cfg.Warnings = []string{"LEADSYNC_FOO is not known"} }, Note, checkConfig, "LEADSYNC_FOO", "leadsync.yaml"},
		{"credential", func(p *patient) { _ = os.Remove(filepath.Join(p.dir, "token-key")) }, Wrong, checkConfig, "token_key_file", "as root"},
		{"old version", func(p *patient) {
			p.cfg.HubSpot.APIVersion = "2026-03"
			p.now = today.AddDate(1, 0, 0)
			p.hub.date = p.now
		}, Wrong, checkHubSpot, "ended on 2027-09-30", "newer leadsync"},
		{"version ends", func(p *patient) {
			p.cfg.HubSpot.APIVersion = "2026-03"
			p.now = time.Date(2027, 8, 1, 0, 0, 0, 0, time.UTC)
			p.hub.date = p.now
		}, Note, checkHubSpot, "ends on 2027-09-30", "newer leadsync"},
		{"another version", func(p *patient) { p.cfg.HubSpot.APIVersion = "2031-09" }, Note, checkHubSpot, "2031-09", "2026-09"},
		{"legal basis", func(p *patient) { p.cfg.Consent.LegalBasis = "BECAUSE" }, Wrong, checkConsent, "BECAUSE", "NON_GDPR"},
		{"disk", func(p *patient) {
			p.in.Host.Free = func(string) (uint64, uint64, error) { return 10 << 20, 1 << 40, nil }
		}, Wrong, checkHost, "10 MB", "retention"},
		{"small disk", func(p *patient) {
			p.in.Host.Free = func(string) (uint64, uint64, error) { return 100 << 20, 1 << 30, nil }
		}, Wrong, checkHost, "100 MB", "make room"},
		{"open credential", func(p *patient) { _ = os.Chmod(filepath.Join(p.dir, "token-key"), 0o644) }, Wrong, checkHost, "0644", "chmod 600"},
		{"key of a group", func(p *patient) {
			_ = os.Chown(filepath.Join(p.dir, "token-key"), 0, 1234)
			_ = os.Chmod(filepath.Join(p.dir, "token-key"), 0o640)
		}, Note, checkHost, "group 1234 may read", "chmod 600"},
		{"key that all may write", func(p *patient) { _ = os.Chmod(filepath.Join(p.dir, "token-key"), 0o602) }, Wrong, checkHost, "may write to", "chmod o-w"},
		{"configuration that all may write", func(p *patient) { _ = os.Chmod(p.cfg.File, 0o602) }, Wrong, checkHost, "may write to", "chmod o-w"},
		{"folder that all may write", func(p *patient) { _ = os.Chmod(p.dir, 0o777) }, Wrong, checkHost, "may write to", "chmod o-w"},
		{"password", func(p *patient) {
			p.cfg.Database.URL = "postgres://app:s3cret@db/leads"
			_ = os.Chmod(p.cfg.File, 0o644)
		}, Wrong, checkHost, "password of the database", "url_file"},
		{"stop timeout", func(p *patient) { p.cfg.StopTimeout = time.Minute }, Wrong, checkHost, "TimeoutStopSec=30", "systemctl edit"},
		{"78", func(p *patient) {
			p.write(t, "etc/leadsync.service.d/a.conf", "[Service]\nRestartPreventExitStatus=\n")
		}, Wrong, checkHost, "RestartPreventExitStatus", "this version"},
		{"unit without credential", func(p *patient) { p.cfg.HubSpot.Auth.TokenKeyFile = "key2"; p.write(t, "key2", "x") }, Wrong, checkHost, "no credential key2", "LoadCredential=key2:"},
		{"no database", func(p *patient) { p.in.Database, p.in.OpenError = nil, store.ErrNoDatabase }, Wrong, checkDatabase, "does not exist", "migrate up"},
		{"away", func(p *patient) { p.in.Database, p.in.OpenError = nil, errors.New("connection refused") }, Wrong, checkDatabase, "connection refused", "bring it back"},
		{"lost key", func(p *patient) { p.in.KeyError = store.ErrKeyLost }, Wrong, checkDatabase, "is gone from leadsync_keys", "from a backup"},
		{"other key", func(p *patient) { p.in.KeyError = store.ErrKeyReplaced }, Wrong, checkDatabase, "not the one that the tombstones", "from a backup"},
		{"key that does not open", func(p *patient) { p.in.KeyError = errors.New("broken seal") }, Wrong, checkDatabase, "cannot be used", "leadsync_keys"},
		{"no answer", func(p *patient) { p.db.inspectErr = errors.New("gone") }, Wrong, checkDatabase, "does not answer", "cause"},
		{"standby", func(p *patient) { p.db.seen = store.Inspection{Engine: "PostgreSQL", Mode: "standby", ReadOnly: true} }, Wrong, checkDatabase, "standby", "primary"},
		{"session", func(p *patient) {
			p.db.seen = store.Inspection{Engine: "PostgreSQL", Mode: "read-write", Odd: "lock_timeout is 0 and not 5000"}
		}, Wrong, checkDatabase, "lock_timeout is 0", "settings of a session"},
		{"long reader", func(p *patient) { p.db.seen.Journal = 108 << 20 }, Note, checkDatabase, "has 108 MB", "end transactions"},
		{"journal", func(p *patient) { p.db.seen.Mode = "delete" }, Wrong, checkDatabase, "journal mode delete", "network share"},
		{"database clock", func(p *patient) { p.db.seen.Clock = today.Add(3 * time.Minute).UnixMilli() }, Wrong, checkDatabase, "3m ahead of", "timedatectl"},
		{"old schema", func(p *patient) { p.db.current = 4 }, Wrong, checkDatabase, "version 4", "migrate up"},
		{"new schema", func(p *patient) { p.db.current = 6 }, Wrong, checkDatabase, "version 6", "newer leadsync"},
		{"schema unknown", func(p *patient) { p.db.schemaErr = errors.New("x") }, Wrong, checkDatabase, "cannot be read", "migrate status"},
		{"no daemon", func(p *patient) {
			p.db.counts = []store.CountRow{{Portal: "default", State: outbox.Pending, Type: "lead.updated", Count: 3}}
		}, Wrong, checkStatus, "3 rows wait", "systemctl start"},
		{"lane", func(p *patient) {
			p.running(status.Snapshot{State: breaker.Paused, Cause: "INVALID_OPTION plan", Kind: "rule"})
		}, Wrong, checkStatus, "paused", ""},
		{"no login", func(p *patient) {
			p.in.Hub, p.in.Token = nil, []Problem{{Code: "not_connected", Text: "no HubSpot account is connected", Cure: "run `leadsync auth login`"}}
		}, Wrong, checkToken, "no HubSpot account", "auth login"},
		{"unasked", func(p *patient) { p.in.Hub, p.in.Unasked = nil, errors.New("bad key") }, Wrong, checkToken, "bad key", "auth status"},
		{"nothing to ask with", func(p *patient) { p.in.Hub = nil }, Note, checkHubSpot, "not asked", "again"},
		{"limited", func(p *patient) {
			p.running(status.Snapshot{State: breaker.Limited, Cause: "daily_limit", Until: today.Add(time.Hour).UnixMilli()})
		}, Note, checkHubSpot, "until 2026-11-25 09:00:00", "again then"},
		{"unreachable", func(p *patient) { p.hub.accountErr = &hubspot.Error{Op: hubspot.OpAccount, Err: hubspot.ErrTimeout} }, Wrong, checkHubSpot, "cannot be asked", "proxy"},
		{"refused token", func(p *patient) { p.hub.accountErr = refused(401, "") }, Wrong, checkHubSpot, "401", "static_token_file"},
		{"other account", func(p *patient) { p.in.PinnedID = 8 }, Wrong, checkHubSpot, "account 7, this portal to 8", "portal_id"},
		{"time zone", func(p *patient) { p.hub.account.TimeZone = "Mars/Olympus" }, Note, checkHubSpot, "Mars/Olympus", "time zone"},
		{"contacts", func(p *patient) { p.hub.listErr = refused(403, "MISSING_SCOPES") }, Wrong, checkHubSpot, "contacts cannot be read", "some.scope"},
		{"slow clock", func(p *patient) { p.hub.date = today.Add(2 * time.Hour) }, Wrong, checkHubSpot, "2h ahead of", "timedatectl"},
		{"fast clock", func(p *patient) { p.hub.date = today.Add(-90 * time.Second) }, Wrong, checkHubSpot, "90s behind", "timedatectl"},
		{"no consent scope", func(p *patient) {
			p.in.Granted = []string{"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "communication_preferences.read"}
		}, Wrong, checkHubSpot, "communication_preferences.read_write", "auth login"},
		{"no write scope", func(p *patient) {
			p.in.Granted = []string{"oauth", "crm.objects.contacts.read", "communication_preferences.read_write"}
		}, Wrong, checkHubSpot, "crm.objects.contacts.write", "auth login"},
		{"definitions", func(p *patient) { p.hub.propErr = refused(403, "MISSING_SCOPES") }, Wrong, checkProperties, "definitions", "some.scope"},
		{"missing property", func(p *patient) { p.hub.properties = slices.Delete(p.hub.properties, 1, 2) }, Wrong, checkProperties, "plan", "internal name plan"},
		{"archived property", func(p *patient) { p.hub.properties[1].Archived = true }, Wrong, checkProperties, "plan", "restore"},
		{"read-only property", func(p *patient) { p.hub.properties[1].ReadOnlyValue = true }, Wrong, checkProperties, "plan", "direction: pull"},
		{"no options", func(p *patient) { p.hub.properties[1].Options = nil }, Note, checkProperties, "without options", "add options"},
		{"no id property", func(p *patient) { p.hub.properties = p.hub.properties[1:] }, Wrong, checkProperties, "app_lead_id does not exist", "--create-id-property"},
		{"id property not unique", func(p *patient) { p.hub.properties[0].HasUniqueValue = false }, Wrong, checkProperties, "unique", "new name"},
		{"id property read-only", func(p *patient) { p.hub.properties[0].ReadOnlyValue = true }, Wrong, checkProperties, "read-only", "new name"},
		{"id property archived", func(p *patient) { p.hub.properties[0].Archived = true }, Wrong, checkProperties, "ARCHIVED", "restore"},
		{"id property of numbers", func(p *patient) { p.hub.properties[0].Type = "number" }, Note, checkProperties, "type number", "text property"},
		{"types", func(p *patient) { p.hub.typesErr = refused(403, "") }, Wrong, checkConsent, "subscription types", "subscription"},
		{"unknown type", func(p *patient) { p.cfg.Consent.Unsubscribe = config.Subscriptions{IDs: []int64{13}} }, Wrong, checkConsent, "type 13", "11, 12"},
		{"type not active", func(p *patient) { p.cfg.Consent.Unsubscribe = config.Subscriptions{IDs: []int64{12}} }, Note, checkConsent, "type 12", "activate"},
		{"unknown brand", func(p *patient) { p.cfg.Consent.BusinessUnitID = 5 }, Wrong, checkConsent, "is 5", "[0]"},
		{"brands", func(p *patient) { p.hub.types[1].BusinessUnitID = 5 }, Note, checkConsent, "2 brands", "business_unit_id"},
		{"lower limit", func(p *patient) { p.cfg.HubSpot.Limits.RequestsPer10s = 190 }, Note, checkLimits, "allows 100", "requests_per_10s: 100"},
	} {
		p := healthy(t)
		tc.change(p)
		r := Examine(t.Context(), p.in)
		var got []Finding
		for _, f := range r.Findings {
			if f.Level != Fact {
				got = append(got, f)
			}
		}
		if len(got) != 1 || got[0].Level != tc.level || got[0].Check != tc.check || !strings.Contains(got[0].What, tc.what) || !strings.Contains(got[0].Cure, tc.cure) ||
			got[0].Why == "" || got[0].Cure == "" {
			t.Errorf("%s: %+v, want one %s of %s with %q and cure %q", tc.name, got, tc.level, tc.check, tc.what, tc.cure)
		}
		if r.OK() != (tc.level != Wrong) {
			t.Errorf("%s: ok %t", tc.name, r.OK())
		}
		text, _ := json.Marshal(r.Findings)
		if strings.Contains(string(text), "s3cret") {
			t.Errorf("%s: the report holds a secret: %s", tc.name, text)
		}
	}
}

// Rules of the account cannot be read; what they refused is in the rows.
func TestPortalRules(t *testing.T) {
	p := healthy(t)
	p.db.counts = []store.CountRow{{Portal: "default", State: outbox.Dead, Reason: "portal_rule", Count: 4}, {Portal: "west", State: outbox.Dead, Reason: "portal_rule", Count: 9}}
	r := Examine(t.Context(), p.in)
	if !r.OK() || !slices.ContainsFunc(r.Findings, func(f Finding) bool {
		return f.Level == Note && f.Check == checkProperties && strings.Contains(f.What, "4 rows") && strings.Contains(f.Cure, "--reason portal_rule")
	}) {
		t.Errorf("%+v", r.Findings)
	}
	if slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == checkProperties && strings.Contains(f.What, "9 rows") }) {
		t.Errorf("another portal's rows: %+v", r.Findings)
	}
}

// While a limit lasts HubSpot is not asked at all, and a wrong account is asked for nothing more.
func TestHubSpotIsLeftAlone(t *testing.T) {
	p := healthy(t)
	p.running(status.Snapshot{State: breaker.Limited, Until: today.Add(time.Minute).UnixMilli()})
	if Examine(t.Context(), p.in); p.hub.asked != 0 {
		t.Errorf("asked %d times under a limit", p.hub.asked)
	}
	p.running(status.Snapshot{State: breaker.Limited, Until: today.Add(-time.Minute).UnixMilli()})
	if Examine(t.Context(), p.in); p.hub.asked == 0 {
		t.Error("not asked when the limit was over")
	}
	p = healthy(t)
	p.in.PinnedID = 8
	if Examine(t.Context(), p.in); p.hub.asked != 1 {
		t.Errorf("asked %d times in another account", p.hub.asked)
	}
}

// The id property is created once, when asked for and missing, and only what HubSpot shows of it is believed.
func TestCreateIDProperty(t *testing.T) {
	for _, tc := range []struct {
		name    string
		change  func(*patient)
		created int
		level   Level
		what    string
	}{
		{"missing", func(p *patient) { p.hub.properties = p.hub.properties[1:] }, 1, Note, "was created"},
		{"there", func(*patient) {}, 0, Note, "there already"},
		{"not unique", func(p *patient) { p.hub.properties[0].HasUniqueValue = false }, 0, Wrong, "unique"},
		{"none configured", func(p *patient) { p.cfg.Mapping.IDProperty = "" }, 0, Wrong, "nothing to create"},
		{"restored", func(p *patient) { p.hub.properties = p.hub.properties[1:]; p.hub.made.HasUniqueValue = false }, 1, Wrong, "restored"},
		{"no scope", func(p *patient) {
			p.hub.properties = p.hub.properties[1:]
			p.hub.makeErr = &hubspot.Error{Op: hubspot.OpCreateProperty, Status: 403, Category: "MISSING_SCOPES", Scopes: []string{"crm.schemas.contacts.write"}}
		}, 1, Wrong, "was not created"},
		{"lost answer", func(p *patient) {
			p.hub.properties = p.hub.properties[1:]
			p.hub.makeErr = &hubspot.Error{Op: hubspot.OpCreateProperty, Sent: true, Err: hubspot.ErrTimeout}
		}, 1, Wrong, "is not known"},
	} {
		p := healthy(t)
		p.in.CreateIDProperty = true
		tc.change(p)
		r := Examine(t.Context(), p.in)
		if len(p.hub.created) != tc.created || tc.created == 1 && (p.hub.created[0].Name != "app_lead_id" || !p.hub.created[0].Unique) {
			t.Errorf("%s: created %+v", tc.name, p.hub.created)
		}
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == tc.level && strings.Contains(f.What, tc.what) }) {
			t.Errorf("%s: %+v", tc.name, r.Findings)
		}
	}
}

// What reading can settle is said as a fact.
func TestFacts(t *testing.T) {
	survivor := func(p *patient) {
		old := "51;52"
		p.hub.found = map[string][]hubspot.Contact{"hs_merged_object_ids": {{ID: "53", Properties: map[string]*string{"hs_merged_object_ids": &old}}}}
	}
	optOut := func(moved bool) func(*patient) {
		return func(p *patient) {
			at := today
			if moved {
				at = today.Add(200 * time.Millisecond)
			}
			p.hub.found = map[string][]hubspot.Contact{"hs_email_optout": {{ID: "53"}}}
			p.hub.read = &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "53", UpdatedAt: at.Add(-map[bool]time.Duration{false: time.Hour}[moved]),
				History: map[string][]hubspot.Revision{"hs_email_optout": {{Value: "true", At: today}}}}}}
		}
	}
	for _, tc := range []struct {
		name, want string
		change     func(*patient)
	}{
		{"follows", "gives the contact it went into", func(p *patient) {
			survivor(p)
			p.hub.read = &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "53"}}}
		}},
		{"not found", "as not found", func(p *patient) {
			survivor(p)
			p.hub.read = &hubspot.BatchResult{Errors: []hubspot.BatchError{{IDs: []string{"51"}}}}
		}},
		{"silence", "in silence", func(p *patient) { survivor(p); p.hub.read = &hubspot.BatchResult{} }},
		{"old id", "under the old id", func(p *patient) {
			survivor(p)
			p.hub.read = &hubspot.BatchResult{Results: []hubspot.Contact{{ID: "51"}}}
		}},
		{"not moved", "does not move", optOut(false)},
		{"moved", "so it moves", optOut(true)},
		{"nothing to see", "", func(*patient) {}},
	} {
		p := healthy(t)
		tc.change(p)
		var said []string
		for _, f := range Examine(t.Context(), p.in).Findings {
			if strings.Contains(f.What, "on this account") {
				said = append(said, f.What)
			}
		}
		if tc.want == "" && said != nil || tc.want != "" && (len(said) != 1 || !strings.Contains(said[0], tc.want)) {
			t.Errorf("%s: %q", tc.name, said)
		}
	}
}

func TestUnitTimes(t *testing.T) {
	for text, want := range map[string]time.Duration{"30": 30 * time.Second, "30s": 30 * time.Second, "1min 30s": 90 * time.Second, "2min": 2 * time.Minute, "5 sec": 0, "infinity": 0} {
		got, ok := span(text)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("%q: %s %t", text, got, ok)
		}
	}
	h := Host{Unit: "leadsync.service", UnitDirs: []string{"/x"}, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrPermission }}
	if _, path := h.unit(); path != "" {
		t.Errorf("a unit that cannot be read: %s", path)
	}
	if got := fmt.Sprint(ThisHost("shop").Unit, " ", ThisHost("").Unit); got != "leadsync@.service leadsync.service" {
		t.Error(got)
	}
}
