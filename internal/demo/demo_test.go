package demo

import (
	"bytes"
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

	"leadsync/internal/config"
)

func TestAccountLines(t *testing.T) {
	a := Account{Inserted: 3000, Delivered: 2990, Pending: 1, Skipped: map[string]int{"unchanged": 4, "duplicate": 2}, Dead: map[string]int{"refused": 3},
		ChangedThere: 7, Conflicts: 2, Inbox: map[string]int{"contact.updated": 3, "contact.deleted": 1},
		UnsubscribeMs: 90, Overtook: 800, Deleted: 2, Erased: 3, Contacts: 1000, Requests: 50, WriteRequests: 40, LatencyP50: 80, LatencyP99: 210, Restarts: 1, Balanced: true}
	var text bytes.Buffer
	if err := a.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	want := `inserted 3000
delivered 2990
skipped.duplicate 2
skipped.unchanged 4
dead.refused 3
pending 1
changed_there 7
inbox.contact.deleted 1
inbox.contact.updated 3
conflicts 2
unsubscribe_ms 90
unsubscribe_overtook 800
deleted 2
erased 3
contacts 1000
requests 50
write_requests_per_1000 13.3
latency_p50_ms 80
latency_p99_ms 210
restarts 1
balance ok
`
	if text.String() != want {
		t.Errorf("the account is\n%s\nwant\n%s", &text, want)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	for _, l := range a.Lines() {
		if fmt.Sprint(back[l.Name]) != fmt.Sprint(l.Value) {
			t.Errorf("JSON has %v for %s, the text has %v", back[l.Name], l.Name, l.Value)
		}
	}
	if len(back) != len(a.Lines()) {
		t.Errorf("JSON has %d names, the text %d lines", len(back), len(a.Lines()))
	}
	if lines := (Account{}).Lines(); lines[len(lines)-1].Value != "broken" {
		t.Error("an account without a word is not broken")
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(i + 1)
	}
	for _, tt := range []struct {
		sorted []int64
		p      int
		want   int64
	}{{hundred, 50, 50}, {hundred, 99, 99}, {[]int64{7}, 50, 7}, {[]int64{7}, 99, 7}, {[]int64{1, 2}, 50, 1}, {[]int64{1, 2, 3}, 99, 3}} {
		if got := percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("p%d of %d values is %d, want %d", tt.p, len(tt.sorted), got, tt.want)
		}
	}
}

// The latency is that of delivered live rows in calm parts alone.
func TestAddMeasuresCalmLiveRows(t *testing.T) {
	at := time.UnixMilli(1_000_000)
	row := func(id int64, calm bool, lane string) inserted {
		return inserted{event: event{leadID: fmt.Sprint(id), lane: lane}, id: id, committedAt: at, calm: calm}
	}
	journal := []inserted{row(1, true, ""), row(2, true, "live"), row(3, false, ""), row(4, true, "backfill"), row(5, true, ""), row(6, true, "")}
	settled := func(state string, after int64) ending { return ending{state: state, settledAt: at.UnixMilli() + after} }
	a := add(journal, map[int64]ending{1: settled("delivered", 10), 2: settled("delivered", 30), 3: settled("delivered", 5000), 4: settled("delivered", 6000),
		5: settled("skipped", 7000), 6: settled("delivered", -3)})
	if a.LatencyP50 != 10 || a.LatencyP99 != 30 {
		t.Errorf("p50 %d and p99 %d, want 10 and 30", a.LatencyP50, a.LatencyP99)
	}
	if a := add(nil, nil); a.LatencyP50 != -1 || a.LatencyP99 != -1 {
		t.Errorf("nothing measured is %d and %d, want -1", a.LatencyP50, a.LatencyP99)
	}
}

func TestG1BalanceFindsEveryGap(t *testing.T) {
	journal := []inserted{{event: event{leadID: "a", want: wellEnded}, id: 1}, {event: event{leadID: "b", want: dead("refused")}, id: 2}, {event: event{leadID: "c"}, id: 3}}
	good := map[int64]ending{1: {state: "delivered"}, 2: {state: "dead", reason: "refused"}, 3: {state: "pending"}}
	if broken := balance(journal, good); broken != nil {
		t.Fatalf("the balance is broken: %q", broken)
	}
	for name, change := range map[string]func(map[int64]ending){
		"row 1 of lead a is not in the outbox":                      func(m map[int64]ending) { delete(m, 1) },
		"row 9 is in the outbox, and nobody committed it":           func(m map[int64]ending) { m[9] = ending{state: "delivered"} },
		"row 3 of lead c has no state of the contract":              func(m map[int64]ending) { m[3] = ending{state: "running"} },
		"row 2 of lead b ended delivered, the story has dead/refus": func(m map[int64]ending) { m[2] = ending{state: "delivered"} },
		"row 1 of lead a ended dead/gave_up":                        func(m map[int64]ending) { m[1] = ending{state: "dead", reason: "gave_up"} },
	} {
		changed := map[int64]ending{1: good[1], 2: good[2], 3: good[3]}
		change(changed)
		if broken := balance(journal, changed); len(broken) != 1 || !strings.HasPrefix(broken[0], name) {
			t.Errorf("the balance says %q, want %q", broken, name)
		}
	}
}

func TestShareGivesEveryLeadToOnePart(t *testing.T) {
	for _, n := range []int{0, 1, 3, 7, 10, 99, 1000, 1001} {
		s := &source{first: make([]event, n)}
		for i := range s.first {
			s.first[i].leadID = fmt.Sprint(i)
		}
		var got []event
		for _, part := range s.share(10, 30, 10, 10, 20, 10, 10) {
			got = append(got, part...)
		}
		if len(got) != n || !slices.IsSortedFunc(got, func(a, b event) int { return len(a.leadID) - len(b.leadID) }) {
			t.Errorf("%d leads come out as %d", n, len(got))
		}
	}
}

func TestSourceReadsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leads.csv")
	text := "lead_id,email,city,portal\n1,a@example.com,Lyon,\n,b@example.com,,\n1,a@example.com,Lyon,\n3,c@example.com,,other\n4,,Oslo,\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	s, err := readSource(t.Context(), Options{File: file, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.first) != 2 || s.own || s.first[0].leadID != "1" || s.first[0].properties != `{"city":"Lyon"}` || s.first[0].lane != "live" || s.first[1].email != nil {
		t.Errorf("the file comes out as %+v", s.first)
	}
	if !strings.Contains(out.String(), ":3: no lead_id") || !strings.Contains(out.String(), ":5: unknown portal") || !strings.Contains(out.String(), "2 records are refused, 1 are in the file twice") {
		t.Errorf("said:\n%s", &out)
	}
	if _, err := readSource(t.Context(), Options{File: file + "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file is %v", err)
	}
}

func TestChildEnvironHasNothingOfAService(t *testing.T) {
	got := childEnviron([]string{"PATH=/bin", "NOTIFY_SOCKET=/run/x", "WATCHDOG_USEC=1", "WATCHDOG_PID=2", "LEADSYNC_DATABASE_URL=postgres://x/y", "LEADSYNC_CONFIG=z",
		"CREDENTIALS_DIRECTORY=/c", "JOURNAL_STREAM=1:2", "HOME=/h", "LEADSYNCX=kept"})
	if want := []string{"PATH=/bin", "HOME=/h", "LEADSYNCX=kept"}; !slices.Equal(got, want) {
		t.Errorf("the child gets %q, want %q", got, want)
	}
}

func TestFolder(t *testing.T) {
	// A name that must be escaped in the URL and quoted in the configuration.
	dir := filepath.Join(t.TempDir(), `a "b" %41 #c ü`)
	f, err := makeFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.write("http://127.0.0.1:1", "client", "secret-1"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{File: f.config()})
	if err != nil {
		t.Fatal(err)
	}
	if problems := cfg.Missing(); len(problems) > 0 || len(cfg.Warnings) > 0 {
		t.Errorf("the configuration has problems %v and warnings %v", problems, cfg.Warnings)
	}
	if secret, err := cfg.Credentials.ReadFile(cfg.HubSpot.Auth.ClientSecretFile); err != nil || string(secret) != "secret-1" {
		t.Errorf("the file of the client secret holds %q, %v", secret, err)
	}
	if got := cfg.HubSpot.Auth.ClientID; got != "client" {
		t.Errorf("client id %q", got)
	}
	if err := os.WriteFile(f.database(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeFolder(dir); err == nil {
		t.Error("a folder with the database of an earlier demo is used again")
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.config()); err != nil {
		t.Errorf("the folder to keep is gone: %v", err)
	}

	t.Setenv("TMPDIR", t.TempDir())
	f, err = makeFolder("")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := &progress{w: &out, live: true}
	p.begin(strings.Repeat("ü", 200))
	p.show(counts{rows: 1_000_000, delivered: 999_998, dead: 1, due: 1})
	for line := range strings.SplitSeq(out.String(), "\r\x1b[K") {
		if n := len([]rune(line)); n > lineWidth {
			t.Errorf("a line of %d characters wraps", n)
		}
	}
	if strings.Contains(out.String(), "\n") {
		t.Error("the line is not redrawn")
	}
	p.clear()
	if !strings.HasSuffix(out.String(), "\r\x1b[K") {
		t.Error("the line is not taken away")
	}
	out.Reset()
	p = &progress{w: &out}
	p.begin("one")
	p.show(counts{rows: 2, due: 2})
	p.done(counts{rows: 2, delivered: 2})
	p.clear()
	if want := "demo: one\ndemo:   2 of 2 rows settled: 2 delivered, 0 skipped, 0 dead\n"; out.String() != want {
		t.Errorf("off a terminal it says %q, want %q", out.String(), want)
	}
}
