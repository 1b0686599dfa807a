package app

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"leadsync/internal/hubspotsim"
)

// Random histories in which both sides work: the application registers, changes, unsubscribes, deletes and erases
// people, people edit, move, archive, restore, merge and purge contacts and opt out, requests fail, the daemon
// restarts. Held against a plain oracle: G1, G3, G7, G8 and G9, and an application that applies its inbox, late and by
// the README's rule, ends with the values that HubSpot holds. Environment as for TestModel.
func TestModelBothWays(t *testing.T) {
	t.Parallel()
	playHistories(t, 100, 25, bothHistory)
}

// twoWay are the properties that flow both ways, with their winners; firstname and zip flow to HubSpot only.
var twoWay = map[string]string{"company": "hubspot", "city": "app", "jobtitle": "newest"}

var bothFields = []string{"firstname", "company", "city", "jobtitle"}

const bothYAML = `pull: {schedule: "@every 15s", lagged_schedule: "@every 2m", optout_schedule: "@every 1m", archived_schedule: "@every 2m"}
push: {max_attempts: 3}
mapping:
  fields:
    - {lead: zip, contact: zip}
    - {lead: firstname, contact: firstname}
    - {lead: company, contact: company, direction: both, winner: hubspot}
    - {lead: city, contact: city, direction: both, winner: app}
    - {lead: jobtitle, contact: jobtitle, direction: both, winner: newest}
`

// bothOps and bothKinds are the faults that heal by themselves. A 403 is left out, since a missing scope waits for an
// hour.
var (
	bothOps   = []string{"batch_create", "batch_update", "batch_read", "search", "list", "subscriptions", "gdpr_delete", "batch_archive", "any"}
	bothKinds = []string{"500", "502html", "524", "hang", "lost", "cut", "slow:2s", "429", "423", "late:3s"}
)

var bothQuirks = []string{"merge_keeps_primary_id", "read_follows_merges", "keep_old_address", "archived_conflicts", "optout_bumps_modified",
	"restore_keeps_modified", "purge_missing_404"}

func bothHistory(rt *rapid.T) script {
	s := script{both: true, lateness: rapid.IntRange(0, 3).Draw(rt, "lateness") == 3}
	if rapid.IntRange(0, 2).Draw(rt, "odd") == 2 {
		s.quirk = rapid.SampledFrom(bothQuirks).Draw(rt, "quirk")
	}
	few := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step { return drawBoth(rt, s.lateness) }), 0, 10)
	for range 4 {
		s.steps = append(s.steps, few.Draw(rt, "steps")...)
	}
	return s
}

func drawBoth(rt *rapid.T, late bool) step {
	st := step{lead: rapid.IntRange(1, modelLeads).Draw(rt, "lead"), email: -1}
	st.word = rapid.SampledFrom([]string{"insert", "insert", "insert", "insert", "insert", "insert", "insert", "insert", "hold", "commit", "sleep", "sleep",
		"sleep", "sleep", "faults", "restart", "requeue", "consume", "consume", "edit", "edit", "edit", "toggle", "toggle", "toggle", "address", "archive", "restore", "merge", "optout", "purge",
		"person"}).Draw(rt, "word")
	words := []string{"lead.registered", "lead.registered", "lead.updated", "lead.updated", "lead.updated", "lead.unsubscribed", "lead.unsubscribed",
		"lead.resubscribed", "lead.deleted", "lead.erased"}
	switch st.word {
	case "hold": // the values of a row that commits late have their place by its id, and the application's own order of them is not known
		words = []string{"lead.unsubscribed", "lead.resubscribed", "lead.deleted", "lead.erased"}
		fallthrough
	case "insert":
		st.typ = rapid.SampledFrom(words).Draw(rt, "type")
		st.n = rapid.IntRange(0, 9).Draw(rt, "lane")
		moves := rapid.IntRange(0, 3).Draw(rt, "moves") == 3
		if st.typ == "lead.registered" || moves && st.typ != "lead.deleted" && st.typ != "lead.erased" && st.word == "insert" {
			st.email = rapid.IntRange(0, 2).Draw(rt, "email")
		}
		st.fields = map[string]string{}
		if st.typ == "lead.registered" || st.typ == "lead.updated" {
			for range rapid.IntRange(0, 2).Draw(rt, "fields") {
				f := rapid.SampledFrom(bothFields).Draw(rt, "field")
				st.fields[f] = modelValue(f, rapid.IntRange(0, 3).Draw(rt, "value"))
				if st.fields[f] != "" {
					st.fields[f] = fmt.Sprintf("v%d-%s", st.lead, st.fields[f])
				}
			}
		}
	case "faults":
		kinds := bothKinds
		if late {
			kinds = append([]string{"late:40s", "late:20s"}, kinds...)
		}
		var parts []string
		for range rapid.IntRange(0, 3).Draw(rt, "faults") {
			parts = append(parts, rapid.SampledFrom(bothOps).Draw(rt, "op")+"="+rapid.SampledFrom(kinds).Draw(rt, "kind")+"x"+
				strconv.Itoa(rapid.IntRange(1, 3).Draw(rt, "times")))
		}
		st.text = strings.Join(parts, ",")
	case "sleep":
		st.text = rapid.SampledFrom([]string{"200ms", "1s", "4s", "16s", "40s", "150s"}).Draw(rt, "time")
	default:
		st.n = rapid.IntRange(0, 3).Draw(rt, "n")
	}
	return st
}

// spoken is one request as it left.
type spoken struct {
	at         time.Time
	path, body string
}

// listener keeps what is said to HubSpot, and counts what is under way.
type listener struct {
	inner http.RoundTripper
	m     *bothModel
}

func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	s := spoken{at: time.Now(), path: r.URL.RequestURI()}
	if r.GetBody != nil {
		if b, err := r.GetBody(); err == nil {
			text, _ := io.ReadAll(b) // bytes in memory
			s.body = string(text)
		}
	}
	l.m.mu.Lock()
	l.m.said = append(l.m.said, s)
	l.m.mu.Unlock()
	return counting{l.inner, &l.m.under}.RoundTrip(r)
}

// bothModel is a model of histories in which both sides work, and what its checks must remember.
type bothModel struct {
	*model
	mu   sync.Mutex
	said []spoken

	toggled  map[string]bool   // by lead, field and value: people set the field to what the application had said
	app      *appTable         // what the application knows; it reads its inbox late
	outThere map[int]time.Time // when people opted the lead out, at the contact that it was linked to
	optouts  map[int]int       // by lead, how often people did; the same of the next
	archives map[int]int
	restores map[int]int
	moved    map[int]bool // people changed the address
	took     map[int]bool // people made a contact with an address of the lead
	bins     map[int][]string
}

func (s script) runBoth(t *testing.T) (broken []string) {
	t.Helper()
	empty, err := emptyDatabase()
	must(t, err)
	synctest.Test(t, func(t *testing.T) {
		m := &bothModel{model: s.model(), toggled: map[string]bool{}, outThere: map[int]time.Time{}, optouts: map[int]int{}, archives: map[int]int{}, restores: map[int]int{},
			moved: map[int]bool{}, took: map[int]bool{}, bins: map[int][]string{}}
		cfg := hubspotsim.Config{Seed: 78, Latency: 20 * time.Millisecond, IndexLag: 2 * time.Second}
		setQuirk(&cfg.Quirks, s.quirk)
		m.rig = rigOn(t, cfg, bothYAML, empty)
		m.pull, m.patient = true, true
		m.app = m.application()
		defer m.close()
		m.base = func(inner http.RoundTripper) http.RoundTripper { return listener{maybeTraced(inner, t), m} }
		m.start()
		time.Sleep(200 * time.Millisecond)
		for i, st := range s.steps {
			m.at = i
			m.doBoth(st)
			m.account()
		}
		m.rest()
		m.checkBoth()
		broken = m.broken
	})
	return broken
}

func (m *bothModel) doBoth(st step) {
	switch st.word {
	case "insert", "hold":
		row := m.row(st.lead, st.typ, m.address(st.lead, st.email), st.fields)
		if st.typ != "lead.registered" && st.typ != "lead.updated" {
			row.fields = map[string]string{}
		}
		if st.n == 0 {
			row.lane = "backfill"
		}
		if st.word == "hold" {
			m.held = append(m.held, row)
			return
		}
		m.commitNow(row)
	case "consume":
		m.app.consume()
	case "commit":
		if len(m.held) > 0 {
			i := st.n % len(m.held)
			m.commitNow(m.held[i])
			m.held = slices.Delete(m.held, i, i+1)
		}
	case "edit", "toggle", "address", "archive", "restore", "merge", "optout", "purge", "person":
		m.people(st)
	default:
		m.do(st)
	}
}

// commitNow inserts the row with the bubble's time, since the database's own clock is another one.
func (m *bothModel) commitNow(row *modelRow) {
	row.at = time.Now()
	m.commit(row)
	m.app.commits(row)
	_, err := m.db.Exec(`UPDATE lead_outbox SET created_at = ?, occurred_at = NULL WHERE id = ?`, row.at.UnixMilli(), row.id)
	must(m.t, err)
}

// people does what people do in HubSpot's screens.
func (m *bothModel) people(st step) {
	lead := st.lead
	switch st.word {
	case "person":
		address := m.address(lead, st.n%3)
		if _, err := m.sim.Create(map[string]string{"email": address, "company": fmt.Sprintf("p%d-%d", lead, m.at)}); err == nil { // refused when there is one
			m.took[lead] = true
		}
		return
	case "restore":
		for _, id := range m.bins[lead] {
			if m.sim.Restore(hubspotsim.Target{ID: id}) == nil { // refused when its address is taken
				m.restores[lead]++
			}
		}
		m.bins[lead] = nil
		return
	}
	c := m.contactOf(lead)
	if c == nil {
		return
	}
	m.touch(lead, c.ID)
	target := hubspotsim.Target{ID: c.ID}
	switch st.word {
	case "edit":
		f := bothFields[st.n]
		value := fmt.Sprintf("p%d-%d", lead, m.at)
		must(m.t, m.sim.Edit(target, map[string]string{f: value}))
		m.edited(lead, f, value)
	case "toggle": // back to a value that the application said before, or emptied
		f, value := []string{"company", "city", "jobtitle"}[m.at%3], ""
		for _, row := range m.rows {
			if v, ok := row.fields[f]; ok && row.lead == lead && v != c.Properties[f] && st.n > 0 {
				value = v
			}
		}
		must(m.t, m.sim.Edit(target, map[string]string{f: value}))
		m.edited(lead, f, value)
		m.toggled[fmt.Sprint(lead, f, value)] = true
	case "address":
		address := fmt.Sprintf("lead%d-p%d@example.org", lead, m.at)
		if st.n == 0 {
			address = m.address(lead, 1)
		}
		if m.sim.Edit(target, map[string]string{"email": address}) == nil { // refused when another contact has it
			m.strangers[address], m.moved[lead] = true, true
		}
	case "archive":
		must(m.t, m.sim.Archive(target))
		m.archived[lead] = true
		m.archives[lead]++
		m.bins[lead] = append(m.bins[lead], c.ID)
	case "purge":
		must(m.t, m.sim.Purge(target))
		m.purged[lead] = true
	case "optout":
		if m.sim.OptedOut(c.Properties["email"]) {
			return
		}
		m.sim.Optout(c.Properties["email"], true)
		m.optouts[lead]++
		if m.under.Load() == 0 && m.links()[lead].contact == c.ID && m.outThere[lead].IsZero() {
			m.outThere[lead] = time.Now()
		}
	case "merge":
		other := (lead+st.n)%modelLeads + 1
		o := m.contactOf(other)
		if o == nil || o.ID == c.ID {
			return
		}
		m.touch(other, o.ID)
		_, err := m.sim.Merge(target, hubspotsim.Target{ID: o.ID})
		must(m.t, err)
		m.merged[lead], m.merged[other] = true, true
	}
}

// rest takes all trouble away and waits until nothing more moves: also what search shows late has been seen by then.
func (m *bothModel) rest() {
	m.end()
	for range 2 {
		m.stop()
		time.Sleep(40 * time.Minute)
		m.start()
		time.Sleep(5 * time.Minute)
	}
	for m.app.consume() > 0 {
		time.Sleep(5 * time.Minute)
	}
	m.end()
}
