package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/push"
	"leadsync/internal/testsize"
)

// In any order of unsubscribes, resubscribes, changes of address, deletes, an erase, late commits, lost answers and
// crashes, with two addresses, two types and a second lead: nobody ends out and mailable.
func TestG7RandomHistories(t *testing.T) {
	t.Parallel()
	n, first := testsize.Histories(60, 9), int(testsize.Seed(t))
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		h := &consentHistory{rnd: rand.New(rand.NewPCG(uint64(seed), 7))}
		h.types = [][]int64{nil, {1}, {1, 2}}[seed%3]
		yaml := "consent: {resubscribe: allow}"
		if h.types != nil {
			yaml = fmt.Sprintf("consent: {resubscribe: allow, unsubscribe: %s}", toJSON(h.types))
		}
		consentTest(t, yaml, hubspotsim.Config{Seed: uint64(seed), Subscriptions: twoTypes, Quirks: hubspotsim.Quirks{SubscribeAfterAll: "lifts"}}, func(r *rig) {
			h.rig = r
			r.patient = true
			r.between = func(s Store) Store { return dying{s, &h.dead} }
			h.run()
			h.judge()
			if t.Failed() {
				t.Logf("seed %d, %s\n%s", seed, yaml, strings.Join(h.lines, "\n"))
			}
		})
	}
}

// dying is a database that takes no outcome any more: what HubSpot did is forgotten, as in a crash.
type dying struct {
	Store
	dead *atomic.Bool
}

func (d dying) Settle(ctx context.Context, s push.Settlement) (int, error) {
	if d.dead.Load() {
		return 0, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return d.Store.Settle(ctx, s)
}

// utterance is one row that speaks of consent, as the application wrote it.
type utterance struct {
	id          int64
	lead, email string
	in          bool
	at          int64 // when it was spoken, or the time of the evidence
	afterErase  bool
}

// leftForm is a form that the person left in HubSpot.
type leftForm struct {
	form int64
	at   int64
}

type consentHistory struct {
	*rig
	rnd    *rand.Rand
	types  []int64
	dead   atomic.Bool
	lines  []string
	spoken []utterance
	left   []leftForm
	late   []utterance // ids that are taken and do not commit yet
	erased bool
	began  time.Time
}

func (h *consentHistory) say(format string, args ...any) {
	h.lines = append(h.lines, fmt.Sprintf("%7.1fs ", time.Since(h.began).Seconds())+fmt.Sprintf(format, args...))
}

// row inserts an event under an id; 0 = the next one.
func (h *consentHistory) row(id int64, lead, typ, email, properties string, at int64) int64 {
	var key, mail any
	if id != 0 {
		key = id
	}
	if email != "" {
		mail = email
	}
	res, err := h.db.Exec(`INSERT INTO lead_outbox (id, lead_id, event_type, email, properties, occurred_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		key, lead, typ, mail, properties, at, at)
	must(h.t, err)
	id, err = res.LastInsertId()
	must(h.t, err)
	h.say("%d %s %s %s", id, lead, typ, email)
	return id
}

var twoAddresses = []string{"one@example.com", "two@example.com"}

func (h *consentHistory) address() string { return twoAddresses[h.rnd.IntN(2)] }

func (h *consentHistory) run() {
	h.began = time.Now()
	h.row(0, "1", "lead.registered", "one@example.com", `{"firstname":"Ada"}`, time.Now().UnixMilli())
	h.start()
	for range 6 + h.rnd.IntN(10) {
		h.step()
		switch h.rnd.IntN(6) {
		case 0:
		case 1:
			time.Sleep(5 * time.Minute)
		case 2:
			time.Sleep(time.Minute)
		default:
			time.Sleep(time.Duration(h.rnd.IntN(20_000)) * time.Millisecond)
		}
	}
	must(h.t, h.sim.SetFaults(map[bool]string{true: "gdpr_delete=400"}[h.erased]))
	for len(h.late) > 0 {
		h.commit()
	}
	h.say("at rest")
	for end := time.Now().Add(8 * time.Hour); h.open() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Minute)
	}
	if n := h.open(); n > 0 {
		h.t.Errorf("%d rows are still pending", n)
	}
	time.Sleep(time.Hour)
}

// open counts the rows that are not settled, but for those that have no address yet.
func (h *consentHistory) open() (n int) {
	h.t.Helper()
	must(h.t, h.db.QueryRow(`SELECT count(*) FROM lead_outbox WHERE state = 'pending' AND coalesce(note, '') <> 'waits for an address'`).Scan(&n))
	return n
}

func (h *consentHistory) step() {
	now := time.Now().UnixMilli()
	switch h.rnd.IntN(22) {
	case 0, 1, 2, 3:
		email := ""
		if h.rnd.IntN(2) == 0 {
			email = h.address()
		}
		h.spoken = append(h.spoken, utterance{h.row(0, "1", "lead.unsubscribed", email, "{}", now), "1", email, false, now, h.erased})
	case 4, 5, 6:
		at := time.UnixMilli(now).Truncate(time.Second).UnixMilli()
		h.spoken = append(h.spoken, utterance{h.row(0, "1", "lead.resubscribed", "", evidenceOf(0), now), "1", "", true, at, h.erased})
	case 7, 8, 9:
		h.row(0, "1", "lead.updated", h.address(), fmt.Sprintf(`{"company":"C%d"}`, h.rnd.IntN(9)), now)
	case 10, 11:
		h.row(0, "1", "lead.registered", h.address(), "{}", now)
	case 12:
		h.row(0, "1", "lead.deleted", "", "{}", now)
	case 13:
		if h.rnd.IntN(3) > 0 || h.erased {
			return
		}
		h.erased = true
		must(h.t, h.sim.SetFaults("gdpr_delete=400"))
		h.row(0, "1", "lead.erased", "", "{}", now)
	case 14:
		h.reserve(now)
	case 15:
		if len(h.late) > 0 {
			h.commit()
		}
	case 16:
		email := h.address()
		h.spoken = append(h.spoken, utterance{h.row(0, "2", "lead.unsubscribed", email, "{}", now), "2", email, false, now, h.erased})
	case 17:
		h.leave()
	case 18, 19, 20:
		f := []string{"batch_update=lostx1", "batch_update=late:60sx1", "sub_all=lostx1", "sub_all=500x1", "sub_write=lostx1", "sub_write=late:80sx1",
			"batch_create=lostx1", "batch_archive=lostx1", "sub_batch_all=lostx1", "sub_write=late:60sx2", "batch_read=500x1"}[h.rnd.IntN(11)]
		h.say("fault %s", f)
		must(h.t, h.sim.Inject(f))
	case 21:
		h.say("crash")
		h.dead.Store(true)
		time.Sleep(time.Duration(h.rnd.IntN(3000)) * time.Millisecond)
		h.stop()
		h.dead.Store(false)
		h.start()
	}
}

// reserve takes an id for an unsubscribe of now that commits later.
func (h *consentHistory) reserve(now int64) {
	id := h.row(0, "nobody", "lead.updated", "", "{}", now)
	_, err := h.db.Exec(`DELETE FROM lead_outbox WHERE id = ?`, id)
	must(h.t, err)
	email := ""
	if h.rnd.IntN(2) == 0 {
		email = h.address()
	}
	h.late = append(h.late, utterance{id, "1", email, false, now, false})
}

func (h *consentHistory) commit() {
	l := h.late[0]
	h.late, l.afterErase = h.late[1:], h.erased
	h.row(l.id, l.lead, "lead.unsubscribed", l.email, "{}", l.at)
	h.spoken = append(h.spoken, l)
}

// leave makes the person leave all e-mail or a type in HubSpot, at the address that the contact has.
func (h *consentHistory) leave() {
	all := h.sim.Contacts()
	if len(all) != 1 || all[0].Properties["email"] == "" || h.erased {
		return
	}
	form, address := int64(h.rnd.IntN(3)), all[0].Properties["email"]
	if form == 0 && h.sim.OptedOut(address) || form != 0 && h.sim.Status(address, form) == "UNSUBSCRIBED" {
		return // HubSpot keeps the time of the first one
	}
	h.say("leaves %d at %s", form, address)
	h.rig.leave(address, form)
	h.left = append(h.left, leftForm{form, time.Now().UnixMilli()})
}

// judge holds the end against what was said, by a plain reading of the rows: the last resubscribe that was carried out
// lifts what was said before its evidence, and nothing else is lifted.
func (h *consentHistory) judge() {
	last := utterance{}
	for _, s := range h.spoken {
		if o := h.outcome(s.id); s.in && (o.State == "delivered" || o.word() == "skipped/unchanged") && s.id > last.id {
			last = s
		}
	}
	out := false
	named := map[string]bool{}
	for _, s := range h.spoken {
		switch {
		case s.in, s.afterErase:
		case s.lead == "2":
			named[s.email] = true
		case last.id == 0 || s.id > last.id || s.at >= last.at:
			out = true
			if s.email != "" {
				named[s.email] = true
			}
		}
	}
	for a := range named {
		h.holdsOut(a, "a row names it")
	}
	for _, c := range h.sim.Contacts() {
		a := c.Properties["email"]
		if out {
			h.holdsOut(a, "the lead is out")
		}
		for _, l := range h.left {
			if last.id != 0 && last.at > l.at {
				continue
			}
			if l.form == 0 && !h.sim.OptedOut(a) || l.form != 0 && h.sim.Status(a, l.form) != "UNSUBSCRIBED" {
				h.t.Errorf("%s is mailable, and the person left %d in HubSpot", a, l.form)
			}
		}
	}
	rows, err := h.db.Query(`SELECT id, coalesce(lead_id, '-'), event_type, state, coalesce(reason, ''), coalesce(note, '') FROM lead_outbox ORDER BY id`)
	must(h.t, err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		var lead, typ, state, reason, note string
		must(h.t, rows.Scan(&id, &lead, &typ, &state, &reason, &note))
		h.say("%d %s %s: %s %s %s", id, lead, typ, state, reason, note)
	}
}

func (h *consentHistory) holdsOut(address, why string) {
	if len(h.types) == 0 && !h.sim.OptedOut(address) {
		h.t.Errorf("%s is mailable: %s", address, why)
	}
	for _, id := range h.types {
		if s := h.sim.Status(address, id); s != "UNSUBSCRIBED" {
			h.t.Errorf("%s is %s of type %d: %s", address, s, id, why)
		}
	}
}
