package app

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/outbox"
	"leadsync/internal/people"
	"leadsync/internal/store"
)

// model is one history under way: the rig, and what the checks must remember of it.
type model struct {
	*rig
	script
	rows   []*modelRow
	held   []*modelRow
	nextID int64
	at     int // number of the step

	faults    map[string]bool // kinds that were ever set
	strangers map[string]bool // addresses that people gave to contacts
	edits     map[int]map[string]string
	under     atomic.Int32
	told      map[string]int  // what the inbox says, by lead, field and value
	racy      map[string]bool // values that people wrote while a request was under way
	archived, purged, merged,
	unknown map[int]bool // leads whose contact people touched before leadsync knew it
	broken []string
}

// modelRow is one inserted row and, at the end, how it stands.
type modelRow struct {
	id            int64
	lead          int
	typ, email    string
	fields        map[string]string
	lane          string
	state, reason string
	note          string
	attempts      int
	at            time.Time // when it was committed; only of TestModelBothWays
}

func (m *model) breaks(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// emptyDatabase is a migrated SQLite file, made once.
var emptyDatabase = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "leadsync-model")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	db, err := store.Open(context.Background(), "sqlite://"+filepath.Join(dir, "leads.db"), store.Options{CreateSQLite: true})
	if err != nil {
		return nil, err
	}
	if _, _, err := db.Migrate(context.Background()); err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, "leads.db"))
})

// run plays the script and returns the rules it broke.
func (s script) run(t *testing.T) (broken []string) {
	t.Helper()
	if s.both {
		return s.runBoth(t)
	}
	empty, err := emptyDatabase()
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		m := s.model()
		cfg := hubspotsim.Config{Seed: 77, Latency: 20 * time.Millisecond,
			Properties: []hubspotsim.Property{{Name: "lead_key", Type: "string", FieldType: "text", HasUniqueValue: true}}}
		setQuirk(&cfg.Quirks, s.quirk)
		yaml := "push: {max_attempts: 3, poll_interval: 2s, on_invalid_field: drop}\n"
		if s.dead {
			yaml = strings.Replace(yaml, "drop", "dead", 1)
		}
		yaml += s.mapping()
		m.rig = rigOn(t, cfg, yaml, empty)
		defer m.close()
		m.base = func(inner http.RoundTripper) http.RoundTripper {
			return counting{maybeTraced(inner, t), &m.under}
		}
		m.start()
		time.Sleep(200 * time.Millisecond) // the definitions are read
		m.defineStatus("NEW", "NOTHING")   // OPEN was an option when they were
		for i, st := range s.steps {
			m.at = i
			m.do(st)
			m.account()
		}
		m.end()
		m.check()
		broken = m.broken
	})
	return broken
}

func (s script) model() *model {
	return &model{script: s, nextID: 1, faults: map[string]bool{}, strangers: map[string]bool{}, edits: map[int]map[string]string{}, racy: map[string]bool{},
		archived: map[int]bool{}, purged: map[int]bool{}, merged: map[int]bool{}, unknown: map[int]bool{}}
}

// mapping is the block of the configuration.
func (s script) mapping() string {
	var b strings.Builder
	if s.idProp || s.winner != "" {
		b.WriteString("mapping:\n")
	}
	if s.idProp {
		b.WriteString("  id_property: lead_key\n")
	}
	if s.winner != "" {
		b.WriteString("  fields:\n    - {lead: zip, contact: zip}\n    - {lead: hs_lead_status, contact: hs_lead_status}\n")
		for _, f := range bothWays {
			fmt.Fprintf(&b, "    - {lead: %s, contact: %s, direction: both, winner: %s}\n", f, f, s.winner)
		}
	}
	return b.String()
}

// rigOn is newRig on a copy of a database file, without a log.
func rigOn(t *testing.T, cfg hubspotsim.Config, yaml string, file []byte) *rig {
	t.Helper()
	sim, err := hubspotsim.New(cfg)
	must(t, err)
	dir := t.TempDir()
	r := &rig{t: t, dir: dir, sim: sim, url: "sqlite://" + filepath.Join(dir, "leads.db"), yaml: yaml, log: slog.New(slog.DiscardHandler)}
	r.write("token-key", people.NewKey())
	r.write("hubspot-token", sim.Credentials().StaticToken)
	r.write("leads.db", string(file))
	r.db, err = sql.Open("sqlite", "file:"+filepath.Join(dir, "leads.db")+"?_pragma=busy_timeout(10000)")
	must(t, err)
	return r
}

func (m *model) defineStatus(options ...string) {
	p := hubspotsim.Property{Name: "hs_lead_status"}
	for i, o := range options {
		p.Options = append(p.Options, hubspotsim.Option{Label: o, Value: o, DisplayOrder: i})
	}
	must(m.t, m.sim.DefineProperty(p))
}

func (m *model) address(lead, n int) string {
	switch {
	case n < 0:
		return ""
	case m.shared:
		return fmt.Sprintf("a%d@example.com", n)
	}
	return fmt.Sprintf("lead%d-a%d@example.com", lead, n)
}

// marker is a value that every row of a lead carries, so that a contact shows whose it is.
func marker(lead int) string { return fmt.Sprint("L", lead) }

func (m *model) do(st step) {
	switch st.word {
	case "insert", "hold":
		row := m.row(st.lead, st.typ, m.address(st.lead, st.email), st.fields)
		if st.n == 0 {
			row.lane = "backfill"
		}
		if st.word == "hold" {
			m.held = append(m.held, row)
			return
		}
		m.commit(row)
	case "commit":
		if len(m.held) > 0 {
			i := st.n % len(m.held)
			m.commit(m.held[i])
			m.held = slices.Delete(m.held, i, i+1)
		}
	case "swap":
		other := st.lead%modelLeads + 1
		a, b := m.lastAddress(st.lead), m.lastAddress(other)
		if a != "" && b != "" {
			m.commit(m.row(st.lead, "lead.updated", b, nil))
			m.commit(m.row(other, "lead.updated", a, nil))
		}
	case "requeue":
		m.change(st.n, `state = 'dead'`, `state = 'pending', attempts = 0, not_before = NULL, reason = NULL, note = NULL, settled_at = NULL`)
	case "skip":
		for _, lead := range m.change(st.n, `state IN ('pending', 'dead')`, `state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = `+fmt.Sprint(time.Now().UnixMilli())) {
			m.unknown[lead] = true // HubSpot may have made its contact, and nobody looks any more
		}
	case "restart":
		m.stop()
		m.start()
	case "sleep":
		d, err := time.ParseDuration(st.text)
		must(m.t, err)
		time.Sleep(d)
	case "faults":
		must(m.t, m.sim.SetFaults(st.text))
		for part := range strings.SplitSeq(st.text, ",") {
			if _, kind, ok := strings.Cut(part, "="); ok {
				kind, _, _ = strings.Cut(kind, ":")
				if head, _, ok := strings.Cut(kind, "x"); ok && kind != "502html" {
					kind = head
				}
				m.faults[strings.TrimSuffix(kind, "x")] = true
			}
		}
	default:
		m.person(st)
	}
}

func (m *model) row(lead int, typ, email string, fields map[string]string) *modelRow {
	row := &modelRow{id: m.nextID, lead: lead, typ: typ, email: email, fields: maps.Clone(fields), lane: "live"}
	if row.fields == nil {
		row.fields = map[string]string{}
	}
	row.fields["zip"] = marker(lead)
	m.nextID++
	return row
}

// commit inserts a row under the id it took before.
func (m *model) commit(row *modelRow) {
	props := map[string]any{}
	for f, v := range row.fields {
		if props[f] = v; v == "" {
			props[f] = nil
		}
	}
	var mail any
	if row.email != "" {
		mail = row.email
	}
	_, err := m.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, properties, lane) VALUES (?, ?, ?, ?, ?, ?)`, row.id,
		fmt.Sprint("lead-", row.lead), row.typ, mail, toJSON(props), row.lane)
	must(m.t, err)
	m.rows = append(m.rows, row)
	slices.SortFunc(m.rows, func(a, b *modelRow) int { return cmp.Compare(a.id, b.id) })
}

func (m *model) lastAddress(lead int) string {
	last := ""
	for _, row := range m.rows {
		if row.lead == lead && row.email != "" {
			last = row.email
		}
	}
	return last
}

// change does what `outbox retry` and `outbox skip` do to one row. It returns the row's lead when that has no contact
// yet.
func (m *model) change(n int, which, set string) (unlinked []int) {
	var ids []int64
	rows, err := m.db.Query(`SELECT id FROM lead_outbox WHERE ` + which + ` ORDER BY id`)
	must(m.t, err)
	for rows.Next() {
		var id int64
		must(m.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	must(m.t, rows.Close())
	if len(ids) == 0 {
		return nil
	}
	id := ids[n%len(ids)]
	_, err = m.db.Exec(`UPDATE lead_outbox SET `+set+` WHERE `+which+` AND id = ?`, id)
	must(m.t, err)
	i := slices.IndexFunc(m.rows, func(row *modelRow) bool { return row.id == id })
	if lead := m.rows[i].lead; m.links()[lead].state == "" {
		return []int{lead}
	}
	return nil
}

// account: every row inserted is there, in one of the four states (G1).
func (m *model) account() {
	sum := 0
	for word, n := range m.counts() {
		state, reason, _ := strings.Cut(word, "/")
		if state != "pending" && state != "delivered" && reason == "" || !slices.Contains([]string{"pending", "delivered", "skipped", "dead"}, state) {
			m.breaks("G1: %d rows are %q", n, word)
		}
		sum += n
	}
	if sum != len(m.rows) {
		m.breaks("G1: %d rows in the table, %d inserted", sum, len(m.rows))
	}
}

// end takes all trouble away and waits until nothing more moves.
func (m *model) end() {
	must(m.t, m.sim.SetFaults(""))
	for began, wait := time.Now(), time.Second; ; {
		time.Sleep(wait)
		wait = min(wait*3/2, 30*time.Second)
		var pending, looks int
		must(m.t, m.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE state = 'pending' AND coalesce(not_before, 0) <> ?`, outbox.Parked).Scan(&pending))
		must(m.t, m.db.QueryRow(`SELECT count(*) FROM leadsync_links WHERE second_look_at IS NOT NULL`).Scan(&looks))
		if pending+looks == 0 || time.Since(began) > time.Hour {
			break
		}
	}
	rows, err := m.db.Query(`SELECT id, state, coalesce(reason, ''), coalesce(note, ''), attempts FROM lead_outbox ORDER BY id`)
	must(m.t, err)
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		var id int64
		row := m.rows[i]
		must(m.t, rows.Scan(&id, &row.state, &row.reason, &row.note, &row.attempts))
		if id != row.id {
			m.t.Fatalf("row %d where %d was expected", id, row.id)
		}
	}
}

// modelLink is what leadsync knows of a lead.
type modelLink struct{ state, contact string }

func (m *model) links() map[int]modelLink {
	rows, err := m.db.Query(`SELECT lead_id, state, contact_id FROM leadsync_links`)
	must(m.t, err)
	defer rows.Close()
	out := map[int]modelLink{}
	for rows.Next() {
		var id string
		var l modelLink
		must(m.t, rows.Scan(&id, &l.state, &l.contact))
		var n int
		_, err := fmt.Sscanf(id, "lead-%d", &n)
		must(m.t, err)
		out[n] = l
	}
	return out
}

func pretty(v any) string {
	b, _ := json.Marshal(v) // maps of text
	return string(b)
}
