package config

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"encoding/json"
)

// refusals has one case per rule: the file and every line that must come out, without the file's name.
var refusals = []struct {
	name, text string
	want       []string // beginnings of the lines
}{
	{"unknown key, sibling", "push:\n  polling: 3s\n", []string{`2: unknown key "polling", did you mean "poll_interval"?`}},
	{"unknown key, other section", "linger: 3s\n", []string{`1: unknown key "linger", did you mean "push.linger"?`}},
	{"unknown key, secret", "hubspot: {auth: {client_secret: abc}}\n", []string{`1: unknown key "client_secret", did you mean "client_secret_file"?`}},
	{"unknown key, secret without a neighbour", "log: {apitoken: abc}\n", []string{`1: unknown key "apitoken"; secrets are given by file only`}},
	{"unknown key, far from all", "zzzz: 1\n", []string{`1: unknown key "zzzz"; `}},
	{"unknown key in a list", "mapping:\n  fields:\n    - {lead: a, contact: b}\n    - {lead: c, contact: d, win: app}\n", []string{`4: unknown key "win"`}},
	{"set twice", "portal: a\nlog: {}\nportal: b\n", []string{"3: portal: is set twice, first at leadsync.yaml:1"}},
	{"no value", "portal:\n", []string{"1: portal: has no value"}},
	{"section for a value", "portal: {a: 1}\n", []string{"1: portal: is a section, want a text"}},
	{"list for a value", "portal: [a]\n", []string{"1: portal: is a list, want a text"}},
	{"value for a section", "push: 3\n", []string{"1: push: is a single value, want a section"}},
	{"value for a list", "hubspot: {auth: {scopes: oauth}}\n", []string{"1: hubspot.auth.scopes: is a single value, want a list"}},
	{"anchor", "log: &x {level: info}\n", []string{"1: log: uses an anchor, alias or tag"}},
	{"merge key", "log:\n  <<: {level: info}\n", []string{"2: "}},
	{"duration without unit", "push: {linger: 50}\n", []string{`1: push.linger: "50", want a duration like 250ms, 15s or 168h; a number needs its unit, e.g. 50s`}},
	{"duration nonsense", "push: {linger: soon}\n", []string{`1: push.linger: "soon", want a duration`}},
	{"duration in days", "retention: {settled: 7d}\n", []string{`1: retention.settled: "7d", want a duration like 250ms, 15s or 168h; units are ms, s, m and h`}},
	{"number nonsense", "push: {concurrency: 0x10}\n", []string{`1: push.concurrency: "0x10", want a whole number in plain digits`}},
	{"number with fraction", "push: {concurrency: 1.5}\n", []string{`1: push.concurrency: "1.5", want a whole number`}},
	{"number too large", "hubspot: {portal_id: 99999999999999999999}\n", []string{`1: hubspot.portal_id: "99999999999999999999", want a whole number; this one is too large`}},
	{"share not a number", "hubspot: {limits: {share: .nan}}\n", []string{`1: hubspot.limits.share: ".nan", want a number`}},
	{"bool as a word", "push: {notify: yes}\n", []string{`1: push.notify: "yes", want true or false`}},
	{"choice", "log: {level: warning}\n", []string{`1: log.level: "warning", want one of info, debug, warn, error, did you mean "warn"?`}},
	{"two documents", "portal: a\n---\nportal: b\n", []string{"3: a second YAML document"}},
	{"not UTF-8", "portal: \xff\n", []string{" is not UTF-8 text"}},
	{"syntax", "portal: \"a\nlog: {}\n", []string{"1: not valid YAML"}},
	{"tab", "push:\n\tlinger: 1s\n", []string{"2: not valid YAML"}},
	{"portal name", "portal: a b\n", []string{`1: portal: "a b", want 1 to 64`}},
	{"portal empty", "portal: \"\"\n", []string{`1: portal: "", want 1 to 64`}},
	{"url no scheme", "database: {url: /var/lib/x.db}\n", []string{"1: database.url: has no scheme"}},
	{"url scheme", "database: {url: \"oracle://x\"}\n", []string{"1: database.url: has an unknown scheme"}},
	{"sqlite two slashes", "database: {url: \"sqlite://x.db\"}\n", []string{"1: database.url: has two slashes"}},
	{"sqlite no file", "database: {url: \"sqlite:\"}\n", []string{"1: database.url: names no file"}},
	{"sqlite memory", "database: {url: \"sqlite::memory:\"}\n", []string{"1: database.url: is a database in memory"}},
	{"postgres without database", "database: {url: \"postgres://h\"}\n", []string{"1: database.url: names no database"}},
	{"url and file", "database:\n  url: sqlite:x.db\n  url_file: u\n", []string{"2: database.url: is set, and database.url_file too (leadsync.yaml:3)"}},
	{"base_url http", "hubspot: {base_url: \"http://api.example.com\"}\n", []string{`1: hubspot.base_url: "http://api.example.com" is http to another machine`}},
	{"base_url no url", "hubspot: {base_url: api.example.com}\n", []string{`1: hubspot.base_url: "api.example.com" is no web address`}},
	{"base_url query", "hubspot: {base_url: \"https://api.example.com?a=b\"}\n", []string{`1: hubspot.base_url: "https://api.example.com?a=b" has a query`}},
	{"redirect http", "hubspot: {auth: {redirect_url: \"http://127.0.0.1:1/c\"}}\n", []string{`1: hubspot.auth.redirect_url: "http://127.0.0.1:1/c" is http, which HubSpot takes for`}},
	{"api_version", "hubspot: {api_version: v3}\n", []string{`1: hubspot.api_version: "v3", want a dated version`}},
	{"portal_id", "hubspot: {portal_id: -1}\n", []string{"1: hubspot.portal_id: -1, want"}},
	{"timeout", "hubspot: {timeout: 0}\n", []string{"1: hubspot.timeout: 0, want 1s to 5m"}},
	{"scope", "hubspot: {auth: {scopes: [oauth, \"a b\", oauth]}}\n", []string{`1: hubspot.auth.scopes[1]: "a b", want the name of a scope`, `1: hubspot.auth.scopes[2]: "oauth" is listed twice`}},
	{"no scopes", "hubspot: {auth: {scopes: []}}\n", []string{"1: hubspot.auth.scopes: is empty"}},
	{"token file needed", "hubspot: {auth: {mode: static, static_token_file: \"\"}}\n", []string{"1: hubspot.auth.static_token_file: is empty"}},
	{"token key needed", "hubspot: {auth: {token_key_file: \"\"}}\n", []string{"1: hubspot.auth.token_key_file: is empty"}},
	{"no limit", "hubspot: {limits: {requests_per_10s: 0}}\n", []string{"1: hubspot.limits.requests_per_10s: 0, which means no limit"}},
	{"limit", "hubspot: {limits: {requests_per_10s: -1, daily: -1, search_per_second: 6, share: 1.1}}\n", []string{
		"1: hubspot.limits.requests_per_10s: -1, want", "1: hubspot.limits.daily: -1, want",
		"1: hubspot.limits.share: 1.1, want above 0", "1: hubspot.limits.search_per_second: 6, want 1 to 5"}},
	{"share too small", "hubspot: {limits: {requests_per_10s: 5, share: 0.1}}\n", []string{"1: hubspot.limits.share: 0.1 of 5 requests is less than one"}},
	{"push", "push: {poll_interval: 1ms, linger: 1m, concurrency: 0, max_attempts: 0}\n", []string{"1: push.poll_interval: 1ms, want 10ms to 1h",
		"1: push.linger: 1m, want 0 to 10s", "1: push.concurrency: 0, want 1 to 64", "1: push.max_attempts: 0, want 1 to 100"}},
	{"second look", "push: {second_look: 2s}\n", []string{"1: push.second_look: 2s, and less than 1m is accepted only when hubspot.base_url is a loopback address"}},
	{"second look on loopback", "push: {second_look: 10ms}\nhubspot: {base_url: \"http://127.0.0.1:1\"}\n", []string{"1: push.second_look: 10ms, want 1s to 1h"}},
	{"schedule", "pull: {schedule: \"61 * * * *\"}\n", []string{`1: pull.schedule: "61 * * * *" is not a schedule`}},
	{"schedule that panics", "pull: {schedule: \"TZ=UTC\"}\n", []string{`1: pull.schedule: "TZ=UTC" is not a schedule`}},
	{"schedule that never comes", "pull: {lagged_schedule: \"0 0 31 2 *\"}\n", []string{`1: pull.lagged_schedule: "0 0 31 2 *" never comes`}},
	{"schedule below a second", "pull: {optout_schedule: \"@every 10ms\"}\n", []string{`1: pull.optout_schedule: "@every 10ms" is not a schedule, want @every and a duration of 1s or more`}},
	{"schedule backwards", "pull: {archived_schedule: \"@every -5m\"}\n", []string{`1: pull.archived_schedule: "@every -5m" is not a schedule`}},
	{"start", "pull: {start: soon}\n", []string{`1: pull.start: "soon", want now, all, or a time like`}},
	{"start without a zone", "pull: {start: \"2026-01-31T08:00:00\"}\n", []string{`1: pull.start: "2026-01-31T08:00:00", want now`}},
	{"start in the future", "pull: {start: 2126-01-31}\n", []string{`1: pull.start: "2126-01-31" is in the future`}},
	{"mapping", "mapping:\n  id_property: Lead\n  fields:\n    - {lead: a, contact: b}\n    - {lead: a, contact: c}\n    - {lead: d, contact: b}\n    - {contact: e}\n    - {lead: f}\n", []string{
		`2: mapping.id_property: "Lead", want the internal name`,
		`5: mapping.fields[1].lead: "a" is mapped already by mapping.fields[0]`,
		`6: mapping.fields[2].contact: "b" is mapped already by mapping.fields[0]`,
		"7: mapping.fields[3].lead: is missing", `8: mapping.fields[4].contact: "", want the internal name`}},
	{"id property in fields", "mapping: {id_property: key, fields: [{lead: a, contact: key}]}\n", []string{`1: mapping.fields[0].contact: "key" is mapping.id_property`}},
	{"id property email", "mapping: {id_property: email}\n", []string{"1: mapping.id_property: email is how contacts are found"}},
	{"unsubscribe word", "consent: {unsubscribe: none}\n", []string{`1: consent.unsubscribe: "none", want all, or a list`}},
	{"unsubscribe list", "consent: {unsubscribe: [1, 0, 1]}\n", []string{"1: consent.unsubscribe[1]: 0, want the positive id", "1: consent.unsubscribe[2]: 1 is listed twice"}},
	{"unsubscribe empty", "consent: {unsubscribe: []}\n", []string{"1: consent.unsubscribe: is an empty list"}},
	{"legal basis", "consent: {legal_basis: BECAUSE}\n", []string{`1: consent.legal_basis: "BECAUSE", want one of`, "1: consent.explanation: is empty, but"}},
	{"retention", "retention: {dead: 1s, inbox: -1h}\n", []string{"1: retention.dead: 1s, want at least 1m, or 0", "1: retention.inbox: -1h, want"}},
	{"stop timeout", "stop_timeout: 1h\n", []string{"1: stop_timeout: 1h, want 1s to 10m"}},
	{"listen", "status: {listen: \"0.0.0.0:80\"}\n", []string{`1: status.listen: "0.0.0.0:80" can be reached from other machines`}},
	{"listen all", "status: {listen: \":80\"}\n", []string{`1: status.listen: ":80" can be reached from other machines`}},
	{"listen form", "status: {listen: localhost}\n", []string{`1: status.listen: "localhost", want host:port`}},
	{"alert after", "status: {alert_after: 0}\n", []string{"1: status.alert_after: 0, want 1s to 720h"}},
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			_, err := loadText(t, c.text)
			if err == nil {
				t.Fatal("accepted")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(c.want) {
				t.Fatalf("got %d lines, want %d:\n%s", len(got), len(c.want), err)
			}
			for i, want := range c.want {
				if !strings.HasPrefix(got[i], "leadsync.yaml:"+want) {
					t.Errorf("got  %s\nwant leadsync.yaml:%s...", got[i], want)
				}
			}
		})
	}
}

func TestAllProblemsAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, err := loadText(t, "status: {listen: \"1.2.3.4:1\"}\nportal: a b\npush: {lingr: 1s, concurrency: many}\npush2: {}\n",
		"LEADSYNC_RETENTION_DEAD=never", "LEADSYNC_PUSH_MAX_ATTEMPTS=")
	want := []string{"leadsync.yaml:1: status.listen", "leadsync.yaml:2: portal", `leadsync.yaml:3: unknown key "lingr"`,
		"leadsync.yaml:3: push.concurrency", `leadsync.yaml:4: unknown key "push2", did you mean "push"?`,
		"LEADSYNC_PUSH_MAX_ATTEMPTS: push.max_attempts: is empty, want a whole number", `LEADSYNC_RETENTION_DEAD: retention.dead: "never"`}
	got := strings.Split(fmt.Sprint(err), "\n")
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d\n got %s\nwant %s...", i+1, got[i], want[i])
		}
	}
}

// canary stands wherever an operator could put a secret by mistake; no error and no printed form may repeat it.
const canary = "kanariegeheim"

func TestG9NoSecretInErrorsAndPrintedForms(t *testing.T) {
	for _, text := range []string{
		"database: {url: \"postgres://u:" + canary + "@h:port/x\"}\n",
		"database: {url: \"" + canary + "\"}\n",
		"database: {url: [" + canary + "]}\n",
		"database:\n  url: \"postgres://u:" + canary + "@h/x\n  portal: x\n",
		"database: postgres://u:" + canary + "@h/x\nzzz: 1\n",
		"hubspot: {auth: {static_token_file: pat-na1-" + canary + "-1234}}\n",
		"hubspot: {auth: {mode: pat-na1-" + canary + "-1234}}\n",
		"hubspot: {auth: {client_id: [" + canary + "]}}\n",
		"hubspot: {base_url: \"https://u:" + canary + "@h/x?y\"}\n",
		"hubspot:\n  auth:\n    x: \"" + canary + "\n    y: |\n   " + canary + "\n",
		"pat-na1-" + canary + "-1234: x\n",
		"\"" + canary + " with spaces\": x\n",
		"portal: " + canary + "@example.com\n",
		"%YAML \"" + canary + "\n---\na: 1\n",
		"a: !<" + canary + " x\n",
		"a: |" + canary + "\n",
	} {
		_, err := loadText(t, text)
		if err == nil {
			t.Errorf("accepted: %s", text)
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("leaked from %q:\n%v", text, err)
		}
	}
	for _, url := range []string{"postgres://u:" + canary + "@h/x", "mysql://u:" + canary + "@h/x?password=" + canary,
		"postgres://h/x?user=u&password=" + canary, "postgres://u:" + canary + "%zz@h/x"} {
		c := Default()
		c.Database.URL = DatabaseURL(url)
		var out strings.Builder
		encoded, _ := json.Marshal(c)
		out.Write(encoded)
		_ = c.WriteYAML(&out)
		fmt.Fprintf(&out, "%v %+v %#v %s %q %x %d", c, c, c, c.Database.URL, c.Database.URL, c.Database.URL, c.Database.URL)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "c", c, "url", c.Database.URL)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "c", c, "url", c.Database.URL)
		if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
			t.Errorf("leaked from %s:\n%s", url, out.String())
		}
	}
}
