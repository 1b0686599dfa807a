package app

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/testsize"
)

// A portal in which nobody plays by the book: sales has contacts of its own beside the leads', people merge in chains,
// edit and opt out, the application forges rows with addresses and ids of others, operators skip and retry, answers are
// lost, processes are killed. At rest no contact of sales was touched, nobody is out and mailable, both sides agree or
// somebody was told, and every row has an end that the history explains.
func TestHistoriesHarmNobody(t *testing.T) {
	t.Parallel()
	first := testsize.Seed(t)
	for seed := first; seed < first+uint64(testsize.Histories(200, 4)) && !t.Failed(); seed++ {
		types := [][]int64{nil, {1, 2}}[seed%2]
		yaml := rarely.Replace(bothYAML) + "consent: {resubscribe: allow}\n"
		if types != nil {
			yaml = rarely.Replace(bothYAML) + "consent: {resubscribe: allow, unsubscribe: [1, 2]}\n"
		}
		cfg := hubspotsim.Config{Seed: 79, IndexLag: 2 * time.Second, Subscriptions: twoTypes,
			Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts", MergeKeepsPrimaryID: seed%4 > 1, ReadFollowsMerges: seed%8 > 3}}
		consentTest(t, yaml, cfg, func(r *rig) {
			h := &harmHistory{consentHistory: &consentHistory{rig: r, types: types, rnd: rand.New(rand.NewPCG(seed, 1843))}, app: r.application(),
				merged: map[int]bool{}, twins: map[int]bool{}, erased: map[int]bool{}, left: map[int][]leftForm{}, skipped: map[int64]bool{}, forged: map[int64]bool{}}
			r.pull, r.patient = true, true
			r.between = func(s Store) Store { return dying{s, &h.dead} }
			h.play()
			h.account()
			if t.Failed() {
				t.Logf("LEADSYNC_SEED=%d LEADSYNC_TEST=1 plays it again\n%s", seed, strings.Join(h.lines, "\n"))
			}
		})
	}
}

// rarely lets the streams of pull run seldom enough for hours of rest.
var rarely = strings.NewReplacer("15s", "1m", "2m", "10m", "1m", "10m")

const harmLeads = 3

// salesContact is a contact of sales that is nobody's lead, as its people left it.
type salesContact struct {
	id, address string
	holds       map[string]string
}

type harmHistory struct {
	*consentHistory
	app     *appTable
	rows    []*modelRow
	sales   []*salesContact
	merged  map[int]bool // leads whose contact was merged with another lead's
	twins   map[int]bool // leads whose contact was merged with others of the same person
	erased  map[int]bool // leads of which an erase was asked for
	left    map[int][]leftForm
	skipped map[int64]bool // rows that an operator skipped
	forged  map[int64]bool // rows that name what is another's
	lost    bool           // some answer was lost, or a process was killed
	made    int
}

func harmAddress(lead, n int) string { return fmt.Sprintf("lead%d-a%d@example.com", lead, n) }

// write commits one row of the application, in one transaction with its own table.
func (h *harmHistory) write(lead int, typ, email string, fields map[string]string) int64 {
	now := time.Now()
	row := &modelRow{lead: lead, typ: typ, email: email, fields: fields, at: now}
	props := map[string]any{}
	if typ == "lead.registered" || typ == "lead.updated" {
		row.fields = map[string]string{"zip": marker(lead)}
		maps.Copy(row.fields, fields)
		for f, v := range row.fields {
			if props[f] = v; v == "" {
				props[f] = nil
			}
		}
	}
	text := toJSON(props)
	if typ == "lead.resubscribed" {
		text = evidenceOf(0)
	}
	row.id = h.row(0, fmt.Sprint("lead-", lead), typ, email, text, now.UnixMilli())
	h.app.commits(row)
	h.rows = append(h.rows, row)
	return row.id
}

func (h *harmHistory) play() {
	h.began = time.Now()
	for i := range 3 {
		h.salesMakes(i)
	}
	h.start()
	for lead := 1; lead <= harmLeads; lead++ {
		h.write(lead, "lead.registered", harmAddress(lead, 0), map[string]string{"company": "First"})
	}
	for range 15 + h.rnd.IntN(25) {
		h.move(1 + h.rnd.IntN(harmLeads))
		time.Sleep([]time.Duration{0, 200 * time.Millisecond, 3 * time.Second, 20 * time.Second, time.Minute, 3 * time.Minute}[h.rnd.IntN(6)])
	}
	h.say("at rest")
	must(h.t, h.sim.SetFaults(""))
	for end := time.Now().Add(8 * time.Hour); h.open() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Minute)
	}
	time.Sleep(90 * time.Minute)
	for h.app.consume() > 0 {
		time.Sleep(10 * time.Minute)
	}
}

// move is one step of the history, about one lead.
func (h *harmHistory) move(lead int) {
	field := []string{"company", "city", "jobtitle"}[h.rnd.IntN(3)]
	value := map[string]string{field: fmt.Sprint("v", h.rnd.IntN(4))}
	switch h.rnd.IntN(30) {
	case 0, 1, 2:
		h.write(lead, "lead.updated", "", value)
	case 3, 4:
		h.write(lead, "lead.registered", harmAddress(lead, h.rnd.IntN(3)), value)
	case 5, 6:
		h.write(lead, "lead.updated", harmAddress(lead, h.rnd.IntN(3)), value)
	case 7, 8:
		email := []string{"", "", harmAddress(lead, h.rnd.IntN(3))}[h.rnd.IntN(3)]
		h.speaks(lead, "lead.unsubscribed", email)
	case 9:
		h.speaks(lead, "lead.resubscribed", "")
	case 10:
		h.write(lead, "lead.deleted", "", nil)
	case 11:
		if h.rnd.IntN(2) == 0 {
			h.erased[lead] = true
			h.write(lead, "lead.erased", "", nil)
		}
	case 12, 13, 14, 15:
		h.forge(lead)
	case 16, 17:
		h.salesEdits(h.sales[h.rnd.IntN(len(h.sales))])
	case 18, 19:
		h.twin(lead)
	case 20:
		h.mergeLeads(lead)
	case 21:
		h.operator("skipped", `state IN ('pending', 'dead') AND event_type IN ('lead.registered', 'lead.updated')`,
			fmt.Sprintf(`state = 'skipped', reason = 'by_operator', not_before = NULL, settled_at = %d`, time.Now().UnixMilli()))
	case 22:
		h.operator("retried", `state = 'dead'`, `state = 'pending', attempts = 0, not_before = NULL, reason = NULL, note = NULL, settled_at = NULL`)
	case 23, 24:
		if c := h.contactOf(lead); c != nil {
			h.say("a person sets %s of %s", field, c.ID)
			must(h.t, h.sim.Edit(hubspotsim.Target{ID: c.ID}, map[string]string{field: fmt.Sprint("p", len(h.lines))}))
		}
	case 25:
		h.leaves(lead)
	case 26, 27:
		f := []string{"batch_update=lostx1", "batch_update=late:20sx1", "batch_create=lostx1", "batch_create=cutx1", "batch_archive=lostx1", "gdpr_delete=lostx1",
			"sub_all=lostx1", "sub_write=lostx1", "sub_write=late:60sx1", "batch_read=500x2", "gdpr_delete=500x1", "search=500x1"}[h.rnd.IntN(12)]
		h.say("fault %s", f)
		h.lost = true
		must(h.t, h.sim.Inject(f))
	case 28:
		h.say("killed")
		h.lost = true
		h.dead.Store(true)
		time.Sleep(time.Duration(h.rnd.IntN(3000)) * time.Millisecond)
		h.stop()
		h.dead.Store(false)
		h.start()
	case 29:
		h.app.consume()
	}
}

func (h *harmHistory) speaks(lead int, typ, email string) {
	at := time.Now().UnixMilli()
	if typ == "lead.resubscribed" {
		at = time.UnixMilli(at).Truncate(time.Second).UnixMilli()
	}
	id := h.write(lead, typ, email, nil)
	h.spoken = append(h.spoken, utterance{id, fmt.Sprint(lead), email, typ == "lead.resubscribed", at, h.erased[lead]})
}

// forge writes a row of a lead with a contact that names the address, or the id, of a contact of sales, and says of
// itself what only an operator may say.
func (h *harmHistory) forge(lead int) {
	state := ""
	_ = h.db.QueryRow(`SELECT state FROM leadsync_links WHERE lead_id = ?`, fmt.Sprint("lead-", lead)).Scan(&state) // none yet
	if state != "linked" || h.waitsFor(lead, "lead.deleted", "lead.erased") {
		return // of a lead without a contact it would be a registration, which takes whom it names
	}
	victim := h.sales[h.rnd.IntN(len(h.sales))]
	odd := map[string]string{"with_shared": "true", "also": "*", "hs_object_id": victim.id, "contact_id": victim.id}
	id := h.write(lead, []string{"lead.updated", "lead.registered"}[h.rnd.IntN(2)], []string{"", victim.address}[h.rnd.IntN(2)], odd)
	h.forged[id] = true
	if h.rnd.IntN(2) == 0 {
		_, err := h.db.Exec(`UPDATE lead_outbox SET contact_id = ? WHERE id = ?`, victim.id, id)
		must(h.t, err)
	}
}

// waitsFor reports whether a row of the lead of one of the types has not been settled.
func (h *harmHistory) waitsFor(lead int, types ...string) bool {
	return slices.ContainsFunc(h.rows, func(row *modelRow) bool {
		return row.lead == lead && slices.Contains(types, row.typ) && h.outcome(row.id).State == "pending"
	})
}

// operator changes one row as `outbox skip` and `outbox retry` do.
func (h *harmHistory) operator(word, which, set string) {
	var ids []int64
	rows, err := h.db.Query(`SELECT id FROM lead_outbox WHERE ` + which)
	must(h.t, err)
	for rows.Next() {
		var id int64
		must(h.t, rows.Scan(&id))
		ids = append(ids, id)
	}
	must(h.t, rows.Close())
	if len(ids) == 0 {
		return
	}
	id := ids[h.rnd.IntN(len(ids))]
	res, err := h.db.Exec(`UPDATE lead_outbox SET `+set+` WHERE id = ? AND `+which, id)
	must(h.t, err)
	if n, _ := res.RowsAffected(); n == 1 {
		h.say("an operator: %d is %s", id, word)
		h.skipped[id] = h.skipped[id] || word == "skipped"
	}
}
