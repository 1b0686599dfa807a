package storetest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// designInsert is the minimal insert of the public contract, letter by letter.
const designInsert = `INSERT INTO lead_outbox (lead_id, event_type, email, properties)
VALUES ('42', 'lead.registered', 'ada@example.com', '{"firstname":"Ada","company":"Analytical Engines"}');`

func (e *env) checkDesignRow(before int64) {
	e.Helper()
	ids := e.ready(outbox.Live)
	if len(ids) != 1 {
		e.Fatalf("%d ready rows, want 1", len(ids))
	}
	r := e.entry(ids[0])
	if r.Portal != "default" || r.Lane != outbox.Live || r.State != outbox.Pending || r.Attempts != 0 || r.Lead() != "42" ||
		deref(r.Type) != "lead.registered" || deref(r.Email) != "ada@example.com" ||
		deref(r.Properties) != `{"firstname":"Ada","company":"Analytical Engines"}` ||
		r.EventID != nil || r.Reason != nil || r.Note != nil || r.NotBefore != nil || r.ContactID != nil || r.SettledAt != nil {
		e.Errorf("row %+v has other defaults than the contract", r)
	}
	after := time.Now().UnixMilli()
	if r.CreatedAt < before-2 || r.CreatedAt > after+2 {
		e.Errorf("created_at %d is not now (%d to %d)", r.CreatedAt, before, after)
	}
	if r.OccurredAt == nil || *r.OccurredAt < before-2 || *r.OccurredAt > after+2 {
		e.Errorf("occurred_at %v is not now", r.OccurredAt)
	}
}

// fourColumnInsert is done by a session in another time zone.
func fourColumnInsert(e *env) {
	conn, err := e.app.Conn(e.Context())
	e.must(err)
	defer conn.Close()
	if zone := map[string]string{"postgres": `SET TIME ZONE 'America/New_York'`, "mysql": `SET time_zone = '-05:00'`}[e.db.Dialect()]; zone != "" {
		_, err := conn.ExecContext(e.Context(), zone)
		e.must(err)
	}
	before := time.Now().UnixMilli()
	_, err = conn.ExecContext(e.Context(), designInsert)
	e.must(err)
	e.checkDesignRow(before)
}

func fourColumnInsertByTool(e *env) {
	var tool string
	var args []string
	switch e.db.Dialect() {
	case "sqlite":
		tool, args = "sqlite3", []string{strings.TrimPrefix(e.url, "sqlite://"), designInsert}
	case "postgres":
		tool, args = "psql", []string{"-X", "-q", "-v", "ON_ERROR_STOP=1", e.url, "-c", designInsert}
	case "mysql":
		tool, args = mysqlTool(e)
	}
	if _, err := exec.LookPath(tool); err != nil {
		missingTools.Store(tool, true)
		e.Skipf("%s is not on PATH: THE INSERT THROUGH ITS COMMAND LINE WAS NOT TESTED", tool)
	}
	before := time.Now().UnixMilli()
	if out, err := exec.CommandContext(e.Context(), tool, args...).CombinedOutput(); err != nil {
		e.Fatalf("%s: %v\n%s", tool, err, out)
	}
	e.checkDesignRow(before)
}

// missingTools are the command line clients that a test looked for and did not find.
var missingTools sync.Map

// missingPooler says that a test looked for PgBouncer.
var missingPooler atomic.Bool

// mysqlTool is the command of the client, by whichever name it has.
func mysqlTool(e *env) (string, []string) {
	u, err := url.Parse(e.url)
	e.must(err)
	args := []string{"--no-defaults", "--user=" + u.User.Username(), "--database=" + strings.TrimPrefix(u.Path, "/"), "--execute=" + designInsert}
	if password, ok := u.User.Password(); ok {
		args = append(args, "--password="+password)
	}
	if s := u.Query().Get("socket"); s != "" {
		args = append(args, "--socket="+s)
	} else {
		args = append(args, "--protocol=tcp", "--host="+u.Hostname(), "--port="+cmp.Or(u.Port(), "3306"))
	}
	for _, name := range []string{"mariadb", "mysql"} {
		if _, err := exec.LookPath(name); err == nil {
			return name, args
		}
	}
	return "mariadb", args
}

// randomText is n characters that do not compress.
func randomText(n int) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// anythingGoes inserts what the contract says must be accepted; each row is read back by its own id and stops nobody.
func anythingGoes(e *env) {
	orphans := []outbox.EntryID{
		e.insert(randomText(10_000), `{}`),
		e.insert(strings.Repeat("語", 5000), `{}`),
		e.insert("", `{}`),
		e.insertWith(`lead_id, event_type`, `NULL, NULL`),
		e.insertWith(`event_id, lead_id, event_type, email, properties, occurred_at`, `$1, $2, $3, $4, $5, NULL`, randomText(10_000),
			randomText(256), randomText(9000), randomText(9000), "[1,"),
	}
	plain := []outbox.EntryID{
		e.insert(randomText(255), strings.Repeat("x", 10<<20)),
		e.insert("🦊 مرحبا", `not json`),
		e.insertWith(`lead_id, lane`, `'l', 'FAST'`),
	}
	if e.db.Dialect() == "sqlite" {
		orphans = append(orphans,
			e.insertWith(`lead_id`, `'a'||char(0)||'b'`),
			e.insertWith(`lead_id`, `x'fffe41'`))
		plain = append(plain,
			e.insertWith(`lead_id, occurred_at, email`, `x'3432', 'yesterday', 7`), // a blob is the lead of its text
			e.insertWith(`lead_id, occurred_at, created_at, properties`, `42, 1.5, 'now', x'7b7d'`))
	}
	rows, err := e.db.View(portal).Ready(e.Context(), outbox.Live, 0, 100)
	e.must(err)
	var gotOrphans, gotPlain []outbox.EntryID
	var leads []lead.ID
	for _, r := range rows {
		if r.IsOrphan() {
			gotOrphans = append(gotOrphans, r.ID)
			if r.Lead() != "" {
				e.Errorf("orphan %d has a lead", r.ID)
			}
			continue
		}
		gotPlain = append(gotPlain, r.ID)
		leads = append(leads, r.Lead())
	}
	slices.Sort(orphans)
	e.same("orphans", gotOrphans, orphans)
	e.same("rows of leads", gotPlain, plain)
	all, err := e.db.Operator().Entries(e.Context(), append(slices.Clone(orphans), plain...))
	e.must(err)
	if len(all) != len(orphans)+len(plain) {
		e.Errorf("%d rows read by id, want %d", len(all), len(orphans)+len(plain))
	}
	of, err := e.db.View(portal).PendingOf(e.Context(), leads, 100, 8<<20)
	e.must(err)
	var found []outbox.EntryID
	for _, l := range of {
		found = append(found, entryIDs(l.Rows)...)
	}
	slices.Sort(found)
	e.same("rows found by lead", found, plain)
	big := e.entry(plain[0])
	if big.Properties != nil || big.PropertiesBytes != 10<<20 {
		e.Errorf("ten megabytes: loaded %t, length %d", big.Properties != nil, big.PropertiesBytes)
	}
	if e.db.Dialect() == "sqlite" {
		if r := e.entry(9); deref(r.LeadID) != "a\x00b" {
			e.Errorf("a lead_id with a NUL reads %q", deref(r.LeadID))
		}
		if n := len(of["42"].Rows); n != 2 {
			e.Errorf("lead 42 as blob and as number: %d rows, want 2", n)
		}
		if r := of["42"].Rows[0]; r.OccurredAt != nil || deref(r.Email) != "7" {
			e.Errorf("text in occurred_at reads %v, a number as address %s", r.OccurredAt, deref(r.Email))
		}
	}
}

func leadIDsAreBytes(e *env) {
	ids := []lead.ID{"Ab", "aB", "Ab ", "ab", "é", "e\u0301"}
	want := map[lead.ID]outbox.EntryID{}
	for _, id := range ids {
		want[id] = e.insert(string(id), `{}`)
	}
	got, err := e.db.View(portal).PendingOf(e.Context(), append(ids, "Ab", "none"), 10, 1<<20)
	e.must(err)
	if len(got) != len(ids) {
		e.Errorf("%d leads, want %d", len(got), len(ids))
	}
	for _, id := range ids {
		e.same(fmt.Sprintf("rows of %q", id), entryIDs(got[id].Rows), []outbox.EntryID{want[id]})
	}
	l := e.acquire("one")
	a, b := linked("Ab", "1"), linked("Ab ", "2")
	e.settle(decided{Lease: l, Links: []ledger.Link{a, b}})
	links, err := e.db.View(portal).Links(e.Context(), hub, ids)
	e.must(err)
	if len(links) != 2 || links["Ab"].ContactID != "1" || links["Ab "].ContactID != "2" {
		e.Errorf("links of 'Ab' and 'Ab ' are mixed up: %v", links)
	}
}
