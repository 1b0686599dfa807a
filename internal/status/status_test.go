package status

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"leadsync/internal/breaker"
	"leadsync/internal/outbox"
	"leadsync/internal/store"
)

// now is the time of every report here.
var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func ago(d time.Duration) int64 { return now.Add(-d).UnixMilli() }

func saved(t *testing.T, s Snapshot) string {
	t.Helper()
	text, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// served is a portal whose daemon is alive and has just reported s.
func served(t *testing.T, portal string, s Snapshot) Input {
	t.Helper()
	return Input{Version: "1.2.3", Now: now, Portal: portal, AlertAfter: 15 * time.Minute,
		Portals: []store.PortalRow{{Portal: portal, HubID: 62515, Owner: "host-1", Status: saved(t, s), StatusAt: ago(time.Second), StartedAt: ago(time.Hour)}},
		Owners:  map[string]store.OwnerInfo{portal: {Alive: true, Owner: "host-1", Since: ago(time.Hour)}}}
}

func pending(portal string, kind outbox.Type, n int64, waited time.Duration) store.CountRow {
	return store.CountRow{Portal: portal, State: outbox.Pending, Type: kind, Count: n, OldestCreatedAt: ago(waited)}
}

func codes(r Report) string {
	var all []string
	for _, p := range r.Problems {
		all = append(all, p.Code)
		if p.Text == "" || p.Cure == "" {
			all = append(all, "(without words)")
		}
	}
	return strings.Join(all, " ")
}

// The object of design 1.2, key by key and in its order.
func TestReportIsTheContractsObject(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Limited, Cause: "rate_limited", Since: ago(time.Minute), LastSuccessAt: ago(2 * time.Second),
		Budget: Budget{WindowUsed: new(int64(17)), WindowLimit: new(int64(90)), DailyUsed: new(int64(1200)), DailyLimit: new(int64(225000))},
		Token:  Token{Mode: new("oauth"), ExpiresAt: new(now.Add(time.Hour).UnixMilli())}, Streams: []Stream{{Stream: "changes", LastRunAt: new(now.Add(-30 * time.Second).UnixMilli()), Watermark: new(now.Add(-time.Minute).UnixMilli()), Lag: new(int64(1)), Applied: 2}}})
	in.Owed = map[string]store.Owed{"default": {Leads: 3, Fields: 4}}
	in.Counts = []store.CountRow{pending("default", outbox.Registered, 12, time.Minute),
		{Portal: "default", State: outbox.Delivered, Count: 998}, {Portal: "default", State: outbox.Skipped, Reason: outbox.Unchanged, Count: 3},
		{Portal: "default", State: outbox.Dead, Reason: outbox.InvalidEmail, Count: 2}}
	text, err := json.Marshal(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":"1.2.3","now":1795334400000,"ok":true,"problems":[{"code":"dead_rows","text":"portal default: 2 rows are dead: invalid_email 2",` +
		`"cure":"see why: leadsync outbox list --portal default --state dead; when that is mended: leadsync outbox retry --portal default --state dead"}],` +
		`"daemon":{"alive":true,"owner":"host-1","since":1795330800000},` +
		`"portals":[{"portal":"default","portal_id":62515,"state":"limited","cause":"rate_limited","since":1795334340000,` +
		`"queue":{"pending":12,"delivered":998,"skipped":3,"dead":2},"oldest_pending_at":1795334340000,"dead_reasons":{"invalid_email":2},` +
		`"last_success_at":1795334398000,"budget":{"window_used":17,"window_limit":90,"daily_used":1200,"daily_limit":225000},` +
		`"token":{"mode":"oauth","expires_at":1795338000000},"streams":[{"stream":"changes","last_run_at":1795334370000,"watermark":1795334340000,"lag":60000,` +
		`"next_run_at":null,"running_since":null,"failing":null,"seen":0,"applied":2,"conflicts":0,"skipped":0}],"owed":{"leads":3,"fields":4}}]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Error(diff)
	}
	text, err = json.Marshal(Build(Input{Now: now, Portal: "default"}))
	if err != nil {
		t.Fatal(err)
	}
	want = `{"version":"","now":1795334400000,"ok":true,"problems":[],"daemon":{"alive":false,"owner":null,"since":null},` +
		`"portals":[{"portal":"default","portal_id":null,"state":null,"cause":null,"since":null,` +
		`"queue":{"pending":0,"delivered":0,"skipped":0,"dead":0},"oldest_pending_at":null,"dead_reasons":{},` +
		`"last_success_at":null,"budget":{"window_used":null,"window_limit":null,"daily_used":null,"daily_limit":null},` +
		`"token":{"mode":null,"expires_at":null},"streams":[],"owed":{"leads":0,"fields":0}}]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("nothing is known: %s", diff)
	}
}

func TestStateDecidesOverOK(t *testing.T) {
	for state, ok := range map[breaker.State]bool{breaker.Running: true, breaker.Limited: true, breaker.Paused: false, breaker.NeedsLogin: false, breaker.Degraded: false, breaker.Down: false, "later": false} {
		r := Build(served(t, "default", Snapshot{State: state, Cause: "why", Since: ago(time.Minute)}))
		if r.OK != ok || *r.Portals[0].State != state {
			t.Errorf("%s: ok is %v, state %s", state, r.OK, *r.Portals[0].State)
		}
		want := ""
		if !ok {
			want = string(state)
		}
		if codes(r) != want {
			t.Errorf("%s: problems %q", state, codes(r))
		}
		if !ok && !strings.Contains(r.Problems[0].Text, "why, since 2026-11-22 07:59:00 UTC") {
			t.Errorf("%s: %s", state, r.Problems[0].Text)
		}
	}
}

func TestCureFitsTheCase(t *testing.T) {
	for want, s := range map[string]Snapshot{
		"leadsync auth login":            {State: breaker.NeedsLogin, Token: Token{Mode: new("oauth")}},
		"hubspot.auth.static_token_file": {State: breaker.NeedsLogin, Token: Token{Mode: new("static")}},
		"the daemon's own word":          {State: breaker.Paused, Cure: "the daemon's own word"},
		"the lane probes and goes on":    {State: breaker.Paused},
		"none needed while HubSpot":      {State: breaker.Degraded},
		"when the database answers":      {State: breaker.Down},
		"this version does not know":     {State: "later"},
		"journalctl -u leadsync | grep":  {State: breaker.Running, Streams: []Stream{{Stream: "changes", Failing: new("transient")}}},
		"grant the missing scopes":       {State: breaker.Running, Streams: []Stream{{Stream: "optout", Failing: new("scope_missing")}}},
		"take it out of mapping.fields":  {State: breaker.Running, PropertyProblems: []string{"plan is no property of the account"}},
		"systemctl restart leadsync":     {State: breaker.Running, Version: "1.2.4"},
	} {
		r := Build(served(t, "default", s))
		if len(r.Problems) != 1 || !strings.Contains(r.Problems[0].Cure, want) {
			t.Errorf("%+v: %+v, want %q", s, r.Problems, want)
		}
	}
}

// On a full disk the daemon cannot save that it waits: the last snapshot says that it runs.
func TestFullDiskIsRed(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Running})
	in.Full = "/var/lib/leadsync"
	if r := Build(in); r.OK || codes(r) != CodeDatabase || !strings.Contains(r.Problems[0].Text, in.Full) {
		t.Errorf("%+v", r)
	}
	in = served(t, "default", Snapshot{State: breaker.Down, Kind: CodeDatabase, Cause: "database: no space left", Cure: "make room"})
	in.Full = "/var/lib/leadsync"
	if r := Build(in); r.OK || codes(r) != CodeDatabase {
		t.Errorf("told twice: %+v", r.Problems)
	}
}

// What a dead, stopped, hung or starting daemon left behind is not what the lane does now.
func TestStaleSnapshotIsNotBelieved(t *testing.T) {
	running := Snapshot{State: breaker.Running, LastSuccessAt: ago(time.Hour), Budget: Budget{WindowUsed: new(int64(5))}, Token: Token{Mode: new("static")}}
	tests := []struct {
		name    string
		change  func(*Input)
		state   breaker.State // "" = null
		cause   string
		ok      bool
		problem string
	}{
		{"alive", func(*Input) {}, breaker.Running, "", true, ""},
		{"killed", func(in *Input) { in.Owners["default"] = store.OwnerInfo{Owner: "host-1", Since: ago(time.Hour)} }, breaker.Down, "daemon died", false, "down"},
		{"stopped", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{Owner: "host-1", Since: ago(time.Hour)}
			in.Portals[0].Clean = true
		}, "", "stopped", true, ""},
		{"stopped, and rows wait", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{Owner: "host-1", Since: ago(time.Hour)}
			in.Portals[0].Clean = true
			in.Counts = []store.CountRow{pending("default", outbox.Updated, 1, time.Second)}
		}, "", "stopped", false, "no_daemon"},
		{"killed, and rows wait", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{Owner: "host-1", Since: ago(time.Hour)}
			in.Counts = []store.CountRow{pending("default", outbox.Updated, 1, time.Second)}
		}, breaker.Down, "daemon died", false, "down no_daemon"},
		{"a successor has not reported yet", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{Alive: true, Owner: "host-2", Since: ago(0)}
		}, "", "starting", true, ""},
		{"a successor never reports", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{Alive: true, Owner: "host-2", Since: ago(StaleAfter + time.Second)}
			in.Portals[0].StatusAt = ago(time.Hour)
		}, breaker.Down, "no report", false, "down"},
		{"hung", func(in *Input) { in.Portals[0].StatusAt = ago(StaleAfter + time.Second) }, breaker.Down, "no report", false, "down"},
		{"slow to save", func(in *Input) { in.Portals[0].StatusAt = ago(StaleAfter - time.Second) }, breaker.Running, "", true, ""},
		{"unreadable", func(in *Input) { in.Portals[0].Status = "{" }, "", "starting", true, "status_unreadable"},
		{"never served, the day's count alone", func(in *Input) {
			in.Owners["default"] = store.OwnerInfo{}
			in.Portals[0] = store.PortalRow{Portal: "default", Clean: true}
		}, "", "", true, ""},
	}
	for _, tt := range tests {
		in := served(t, "default", running)
		tt.change(&in)
		r := Build(in)
		p := r.Portals[0]
		state, cause := breaker.State(""), ""
		if p.State != nil {
			state = *p.State
		}
		if p.Cause != nil {
			cause = *p.Cause
		}
		if state != tt.state || cause != tt.cause || r.OK != tt.ok || codes(r) != tt.problem {
			t.Errorf("%s: state %q, cause %q, ok %v, problems %q", tt.name, state, cause, r.OK, codes(r))
		}
		if state != breaker.Running && p.Budget.WindowUsed != nil {
			t.Errorf("%s: a budget of the past", tt.name)
		}
	}
}

func TestRowsThatNobodyServes(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Running})
	in.Counts = []store.CountRow{pending("typo", outbox.Registered, 3, time.Hour), pending("typo", "", 1, time.Minute),
		{Portal: "old", State: outbox.Delivered, Count: 5}, {Portal: "app", State: "odd", Count: 2}}
	in.Portals = append(in.Portals, store.PortalRow{Portal: "west", Owner: "host-2", Clean: true})
	in.Owners["west"] = store.OwnerInfo{Owner: "host-2"}
	r := Build(in)
	var names []string
	for _, p := range r.Portals {
		names = append(names, p.Portal)
	}
	if !reflect.DeepEqual(names, []string{"default", "app", "old", "typo", "west"}) {
		t.Errorf("portals %q", names)
	}
	if r.OK || codes(r) != "stray_rows no_daemon" || r.Problems[1].Text != "portal typo: 4 rows wait and no daemon is alive" ||
		!strings.Contains(r.Problems[1].Cure, "leadsync outbox skip --portal typo --state pending") {
		t.Errorf("ok %v, %+v", r.OK, r.Problems)
	}
	if *r.Portals[3].OldestPendingAt != ago(time.Hour) || r.Portals[1].Queue.Pending != 2 || r.Portals[1].OldestPendingAt != nil {
		t.Errorf("%+v", r.Portals)
	}
}

// The brake of deletes is a problem that names its command, and the lane runs all the same.
func TestDeletesPaused(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Running, DeletesPausedAt: ago(time.Hour)})
	in.Counts = []store.CountRow{pending("default", outbox.Deleted, 3, time.Minute)}
	r := Build(in)
	if !r.OK || codes(r) != "deletes_paused" || !strings.Contains(r.Problems[0].Cure, "leadsync resume --deletes") {
		t.Errorf("ok %v, %+v", r.OK, r.Problems)
	}
}

// Unsubscribes that wait while everything else goes on are not well: somebody may be mailed who must not be.
func TestG7UnsubscribesThatWaitAreAProblem(t *testing.T) {
	r := Build(served(t, "default", Snapshot{State: breaker.Running, ConsentCause: "scope_missing: a", ConsentCure: "grant it"}))
	if r.OK || codes(r) != "unsubscribes_wait" || !strings.Contains(r.Problems[0].Text, "scope_missing: a") || r.Problems[0].Cure != "grant it" {
		t.Errorf("ok %v, %+v", r.OK, r.Problems)
	}
}

func TestOldRowsAreAProblem(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Running})
	in.Counts = []store.CountRow{pending("default", outbox.Registered, 1, 14*time.Minute)}
	if r := Build(in); !r.OK || codes(r) != "" {
		t.Errorf("young: %+v", r.Problems)
	}
	in.Counts[0].OldestCreatedAt = ago(16 * time.Minute)
	if r := Build(in); !r.OK || codes(r) != "old_rows" || !strings.Contains(r.Problems[0].Text, "16m") {
		t.Errorf("old: %+v", r.Problems)
	}
	in.Counts[0].OldestCreatedAt = 0 // an application wrote no time there
	if r := Build(in); !r.OK || codes(r) != "" || r.Portals[0].OldestPendingAt != nil || r.Portals[0].Waiting != 1 {
		t.Errorf("without a time: %+v", r.Problems)
	}
}

func TestSnapshotComesBack(t *testing.T) {
	s := Snapshot{State: breaker.Paused, Cause: "c", Cure: "d", Since: 1, Until: 2, LastSuccessAt: 3, Budget: Budget{WindowUsed: new(int64(0))},
		Token: Token{Mode: new("static")}, Streams: []Stream{{Stream: "lagged", Watermark: new(int64(5))}}, PropertyProblems: []string{"p"}, Version: "v"}
	back, err := Parse(saved(t, s))
	if diff := cmp.Diff(s, back); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if s, err := Parse(""); err != nil || s.State != "" {
		t.Errorf("empty: %+v, %v", s, err)
	}
	if s, err := Parse(`{"state":"running","of_a_later_version":{}}`); err != nil || s.State != breaker.Running {
		t.Errorf("later version: %+v, %v", s, err)
	}
	if _, err := Parse(`{"state":`); err == nil {
		t.Error("broken text accepted")
	}
}

// database answers as the store would, and notes whom it was asked about.
type database struct {
	rows   []store.PortalRow
	asked  []string
	counts error
}

func (d *database) Portals(context.Context) ([]store.PortalRow, error) { return d.rows, nil }
func (d *database) Strays(context.Context) ([]store.StrayRow, error)   { return nil, nil }
func (d *database) Pauses(context.Context) ([]store.Pause, error)      { return nil, nil }

func (d *database) Owed(_ context.Context, portal string, hubID int64) (store.Owed, error) {
	return store.Owed{Leads: hubID, Fields: 2 * hubID}, nil
}

func (d *database) Counts(context.Context) ([]store.CountRow, error) {
	return []store.CountRow{pending(strings.Repeat("x", 1000), outbox.Registered, 1, 0)}, d.counts
}
func (d *database) Owner(_ context.Context, portal string) (store.OwnerInfo, error) {
	d.asked = append(d.asked, portal)
	return store.OwnerInfo{Alive: true}, nil
}

func TestCollectAsksForOwnersOfKnownPortalsAlone(t *testing.T) {
	db := &database{rows: []store.PortalRow{{Portal: "west", HubID: 7}}}
	in, err := Collect(t.Context(), db, Input{Portal: "default"})
	if err != nil || strings.Join(db.asked, " ") != "default west" || len(in.Owners) != 2 || len(in.Counts) != 1 || in.Owed["west"] != (store.Owed{Leads: 7, Fields: 14}) || len(in.Portals) != 1 {
		t.Errorf("asked for %q: %+v, %v", db.asked, in, err)
	}
	db.counts = errors.New("away")
	if _, err := Collect(t.Context(), db, Input{}); !errors.Is(err, db.counts) {
		t.Errorf("%v", err)
	}
}

// A portal may have any name; in a text and in the command of a cure it is harmless, and the shell reads it back as it
// was.
func TestNameIsSafe(t *testing.T) {
	if got := Name("eu-2.x_Y"); got != "eu-2.x_Y" {
		t.Errorf("plain name became %s", got)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Log("NOT CHECKED: there is no bash to read the names back")
	}
	for _, name := range []string{"", "a b", "it's", `"quoted"`, `back\slash`, "\x1b[31m", "new\nline", "$(id)", "`id`", "ü\u202e🦜", "-x;y&z|"} {
		safe := Name(name)
		for _, r := range safe {
			if r < ' ' || r > '~' {
				t.Errorf("%q is shown as %q", name, safe)
			}
		}
		if bash == "" {
			continue
		}
		cmd := exec.Command(bash, "-c", "printf %s "+safe)
		cmd.Env = []string{"LC_ALL=C.UTF-8"}
		if out, err := cmd.Output(); err != nil || string(out) != name {
			t.Errorf("%q is written %s, and the shell reads %q, %v", name, safe, out, err)
		}
	}
}

func TestElapsed(t *testing.T) {
	for want, d := range map[string]time.Duration{"0s": -time.Second, "1s": 1999 * time.Millisecond, "119s": 119 * time.Second, "2m": 120 * time.Second,
		"119m": 119 * time.Minute, "2h": 2 * time.Hour, "3h5m": 3*time.Hour + 5*time.Minute + 59*time.Second, "47h59m": 48*time.Hour - time.Second,
		"2d": 48 * time.Hour, "4d7h": 103*time.Hour + 59*time.Minute} {
		if got := Elapsed(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// Work that waits while nothing succeeds is not OK, with the code of its cause; a stream that does not run is told too.
func TestStall(t *testing.T) {
	base := Snapshot{State: breaker.Running, LastProgressAt: ago(20 * time.Minute), WaitingSince: ago(30 * time.Minute)}
	tests := []struct {
		name   string
		change func(*Snapshot, *Input)
		want   string
	}{
		{"nothing says why", func(*Snapshot, *Input) {}, "stalled"},
		{"progress lately", func(s *Snapshot, _ *Input) { s.LastProgressAt = ago(14 * time.Minute) }, ""},
		{"nothing waits", func(s *Snapshot, _ *Input) { s.WaitingSince = 0 }, ""},
		{"it came lately", func(s *Snapshot, _ *Input) { s.WaitingSince = ago(14 * time.Minute) }, ""},
		{"never any progress", func(s *Snapshot, _ *Input) { s.LastProgressAt = 0 }, "stalled"},
		{"just begun", func(_ *Snapshot, in *Input) {
			in.Owners["default"] = store.OwnerInfo{Alive: true, Owner: "host-1", Since: ago(time.Minute)}
		}, ""},
		{"just begun, and never any progress", func(s *Snapshot, in *Input) {
			s.LastProgressAt = 0
			in.Owners["default"] = store.OwnerInfo{Alive: true, Owner: "host-1", Since: ago(14 * time.Minute)}
		}, ""},
		{"no alarm wanted", func(_ *Snapshot, in *Input) { in.AlertAfter = 0 }, ""},
		{"poison", func(s *Snapshot, _ *Input) { s.Dead, s.DeadReason, s.LastDeadAt = 5, "refused", ago(time.Minute) }, "poison"},
		{"poison, and nothing waits", func(s *Snapshot, _ *Input) {
			s.WaitingSince, s.Dead, s.DeadReason, s.LastDeadAt = 0, 5, "refused", ago(time.Minute)
		}, "poison"},
		{"a few bad rows", func(s *Snapshot, _ *Input) { s.WaitingSince, s.Dead, s.LastDeadAt = 0, 4, ago(time.Minute) }, ""},
		{"poison of long ago", func(s *Snapshot, _ *Input) { s.WaitingSince, s.Dead, s.LastDeadAt = 0, 9, ago(16*time.Hour) }, "poison"},
		{"poison, and the rows are gone", func(s *Snapshot, in *Input) {
			s.WaitingSince, s.Dead, s.LastDeadAt, in.Counts = 0, 9, ago(time.Minute), nil
		}, ""},
		{"quota", func(s *Snapshot, _ *Input) { s.State, s.Cause, s.Kind = breaker.Limited, "daily_limit", "quota" }, "quota"},
		{"login", func(s *Snapshot, _ *Input) { s.State, s.Kind = breaker.NeedsLogin, "login" }, "needs_login"},
		{"network", func(s *Snapshot, _ *Input) { s.State, s.Kind = breaker.Degraded, "network" }, "network"},
		{"database", func(s *Snapshot, _ *Input) {
			s.State, s.Kind, s.WaitingSince, s.Since = breaker.Down, "database", 0, ago(16*time.Minute)
		}, "database"},
		{"rule", func(s *Snapshot, _ *Input) { s.State, s.Kind = breaker.Paused, "rule" }, "paused"},
		{"cron", func(s *Snapshot, _ *Input) {
			s.WaitingSince, s.Streams = 0, []Stream{{Stream: "changes", NextRunAt: new(ago(16 * time.Minute))},
				{Stream: "archived", NextRunAt: new(ago(16 * time.Minute)), RunningSince: new(ago(time.Minute))}}
		}, "schedule"},
		{"cron, paused by hand", func(s *Snapshot, in *Input) {
			s.WaitingSince, s.Streams = 0, []Stream{{Stream: "changes", NextRunAt: new(int64(1))}}
			in.Pauses = []store.Pause{{Portal: "default", Lane: LanePull, Since: 1}}
		}, "paused_by_hand"},
	}
	for _, tt := range tests {
		s := base
		in := served(t, "default", s)
		tt.change(&s, &in)
		in.Portals[0].Status = saved(t, s)
		if s.Dead > 0 && tt.name != "poison, and the rows are gone" {
			in.Counts = append(in.Counts, store.CountRow{Portal: "default", State: outbox.Dead, Reason: outbox.Refused, Count: s.Dead})
		}
		r := Build(in)
		r.Problems = slices.DeleteFunc(r.Problems, func(p Problem) bool { return p.Code == CodeDeadRows })
		if codes(r) != tt.want || r.OK != (tt.want == "" || tt.want == CodePausedByHand) {
			t.Errorf("%s: problems %q, ok %v, want %q", tt.name, codes(r), r.OK, tt.want)
			continue
		}
		if len(r.Problems) == 1 && r.Problems[0].Code != CodeSchedule && !r.OK && !strings.Contains(r.Problems[0].Text, "nothing has succeeded for") {
			t.Errorf("%s: %s", tt.name, r.Problems[0].Text)
		}
	}
}

// A pause by hand of the live lane explains a lane that is paused; each paused lane is told with its cure.
func TestPausedByHand(t *testing.T) {
	in := served(t, "default", Snapshot{State: breaker.Paused, Cause: "by operator", Since: ago(time.Hour)})
	in.Pauses = []store.Pause{{Portal: "default", Lane: LaneLive, Since: ago(time.Hour), By: "ada"}, {Portal: "default", Lane: LaneUnsubscribe, Since: ago(time.Hour)},
		{Portal: "west", Lane: LaneLive, Since: 1}}
	r := Build(in)
	if r.OK || codes(r) != "paused_by_hand paused_by_hand" || r.Problems[0].Cure != "let it go on: leadsync resume live" ||
		!strings.Contains(r.Problems[0].Text, "lane live was paused by hand by ada at 2026-11-22 07:00:00 UTC") || !strings.HasSuffix(r.Problems[1].Cure, "resume --all") {
		t.Errorf("%v %+v", r.OK, r.Problems)
	}
	in.Portals[0].Status = saved(t, Snapshot{State: breaker.Paused, Kind: "rule", Cause: "most rows are refused"})
	if r := Build(in); codes(r) != "paused paused_by_hand paused_by_hand" {
		t.Errorf("the rule is not told: %q", codes(r))
	}
}

// TestRowsNobodyLooksAtAreTold names each kind of them, counts them as pending and stays well.
func TestRowsNobodyLooksAtAreTold(t *testing.T) {
	in := Input{Portal: "default", Now: time.UnixMilli(1_800_000_000_000), Owners: map[string]store.OwnerInfo{},
		Counts: []store.CountRow{{Portal: "default", State: "d\x1bone", Count: 3}},
		Strays: []store.StrayRow{{Portal: "default", Why: store.StrayID, Count: 1}, {Portal: "west", Why: store.StrayTime, Count: 2}}}
	r := Build(in)
	if !r.OK || codes(r) != "stray_rows stray_rows" || r.Portals[0].Queue.Pending != 4 || r.Portals[0].Waiting != 0 {
		t.Errorf("%t %s %+v", r.OK, codes(r), r.Portals[0].Queue)
	}
	for i, want := range []string{`3 rows with the state "d\x1bone", 1 row with an id below 1`, "2 rows with text in not_before"} {
		if !strings.Contains(r.Problems[i].Text, want) {
			t.Errorf("told %q", r.Problems[i].Text)
		}
	}
}
