package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/push"
	"leadsync/internal/settlement"
	"leadsync/internal/testsize"
)

// world is what people and the application do for thirty days. It keeps to one rule: what search has not certainly
// shown yet is not done over by the same hand, since a value that stood for a moment between two looks is not to be
// seen.
type world struct {
	*rig
	rnd    *rand.Rand
	n      int // of the values so far
	bodies []*body
	ours   map[string]bool // values of the application
	extra  []string        // what the application is told besides the changes of people: contacts that a lead adopts
	nextID int
}

// body is a person in HubSpot.
type body struct {
	id, lead, email string
	out, gone       bool
	passive         bool
	next            map[string]time.Time // by property: when it may be changed again
	free            time.Time            // when anything may be done to the contact
}

// quiet is how long after a change nobody touches the same thing: index lag of half an hour, the lagged stream's hour,
// and runs that failed.
const quiet = 4 * time.Hour

const worldMapping = `pull: {unknown: inbox}
mapping:
  fields:
    - {lead: name, contact: firstname}
    - {lead: mail, contact: email, direction: both, winner: hubspot}
    - {lead: firm, contact: company, direction: both, winner: hubspot}
    - {lead: town, contact: city, direction: both, winner: newest}
    - {lead: note, contact: message, direction: pull}
`

var worldFields = map[string]string{"email": "mail", "company": "firm", "city": "town", "message": "note"}

func (w *world) value() string {
	w.n++
	return fmt.Sprintf("v%d", w.n)
}

func (w *world) add(b *body) *body {
	b.next = map[string]time.Time{}
	b.free = time.Now().Add(quiet)
	w.bodies = append(w.bodies, b)
	return b
}

// rested lists the contacts that everybody has done with.
func (w *world) rested(want func(*body) bool) []*body {
	var out []*body
	for _, b := range w.bodies {
		busy := b.free.After(time.Now()) || b.passive
		for _, at := range b.next {
			busy = busy || at.After(time.Now())
		}
		if !busy && want(b) {
			out = append(out, b)
		}
	}
	return out
}

func (w *world) pick(want func(*body) bool) *body {
	if all := w.rested(want); len(all) > 0 {
		return all[w.rnd.IntN(len(all))]
	}
	return nil
}

// act does one thing.
func (w *world) act() {
	live := func(b *body) bool { return !b.gone }
	switch n := w.rnd.IntN(100); {
	case n < 45: // a person edits
		b := w.bodies[w.rnd.IntN(len(w.bodies))]
		p := []string{"company", "city", "message", "firstname", "email"}[w.rnd.IntN(5)]
		if b.gone || b.passive || b.free.After(time.Now()) || b.next[p].After(time.Now()) || p == "email" && b.out {
			return
		}
		v := w.value()
		if p == "email" {
			v += "@example.com"
			b.email = v
		}
		must(w.t, w.sim.Edit(hubspotsim.Target{ID: b.id}, map[string]string{p: v}))
		b.next[p] = time.Now().Add(quiet)
	case n < 60: // the application writes
		b := w.bodies[w.rnd.IntN(len(w.bodies))]
		p := []string{"company", "city", "firstname"}[w.rnd.IntN(3)]
		if b.lead == "" || b.gone || b.passive || b.free.After(time.Now()) || b.next[p].After(time.Now()) {
			return
		}
		v, field := w.value(), map[string]string{"company": "firm", "city": "town", "firstname": "name"}[p]
		w.ours[v] = true
		w.takeInbox() // an application that does not take what it is told does not win over it
		w.event(b.lead, "lead.updated", "", `{"`+field+`":"`+v+`"}`)
		b.next[p] = time.Now().Add(quiet)
	case n < 66: // a person makes a contact
		v := w.value()
		id, err := w.sim.Create(map[string]string{"email": v + "@example.com", "company": v})
		must(w.t, err)
		w.add(&body{id: id, email: v + "@example.com"})
	case n < 70: // the application has a new lead
		v := w.value()
		w.ours[v] = true
		w.nextID++
		w.event(fmt.Sprint(w.nextID), "lead.registered", v+"@example.com", `{"firm":"`+v+`"}`)
		w.ours[v+"@example.com"] = true
		w.add(&body{lead: fmt.Sprint(w.nextID), email: v + "@example.com"})
	case n < 76: // to the bin
		if b := w.pick(live); b != nil && b.id != "" {
			must(w.t, w.sim.Archive(hubspotsim.Target{ID: b.id}))
			b.gone, b.free = true, time.Now().Add(4*quiet)
		}
	case n < 84: // and back
		if b := w.pick(func(b *body) bool { return b.gone }); b != nil {
			must(w.t, w.sim.Restore(hubspotsim.Target{ID: b.id}))
			b.gone, b.free = false, time.Now().Add(4*quiet)
		}
	case n < 90: // two become one
		a := w.pick(func(b *body) bool { return !b.gone && b.id != "" && !b.out })
		b := w.pick(func(b *body) bool { return !b.gone && b.id != "" && !b.out && b != a && (b.lead == "" || a.lead != "") })
		if a == nil || b == nil || len(w.bodies) < 12 {
			return
		}
		id, err := w.sim.Merge(hubspotsim.Target{ID: a.id}, hubspotsim.Target{ID: b.id})
		must(w.t, err)
		a.id, a.free, b.passive = id, time.Now().Add(quiet), true
	case n < 94: // no more e-mail
		if b := w.pick(func(b *body) bool { return !b.gone && !b.out && b.id != "" }); b != nil {
			w.sim.Optout(b.email, true)
			b.out, b.free = true, time.Now().Add(quiet)
		}
	default: // the application gets to know somebody who was there before
		b := w.pick(func(b *body) bool { return !b.gone && b.lead == "" && b.id != "" })
		if b == nil {
			return
		}
		for _, c := range w.sim.Contacts() {
			if c.ID != b.id {
				continue
			}
			for p, field := range worldFields {
				if v := c.Properties[p]; v != "" && p != "email" {
					w.extra = append(w.extra, strings.Join([]string{"updated", b.id, field, v}, " "))
				}
			}
			if b.out {
				w.extra = append(w.extra, "unsubscribed "+b.id)
			}
		}
		w.nextID++
		b.lead, b.free = fmt.Sprint(w.nextID), time.Now().Add(quiet)
		w.takeInbox()
		w.event(b.lead, "lead.registered", b.email, `{"name":"Somebody"}`)
	}
}

// learnIDs finds the contacts of the application's own leads.
func (w *world) learnIDs() {
	byEmail := map[string]string{}
	for _, c := range w.sim.Contacts() {
		byEmail[c.Properties["email"]] = c.ID
	}
	for _, b := range w.bodies {
		if b.id == "" {
			b.id = byEmail[b.email]
		}
	}
}

// faultyPages fails commits of pull: some before they are made, some after.
type faultyPages struct {
	pull.Store
	fault func() (before, after error)
}

func (f faultyPages) Commit(ctx context.Context, p settlement.Page) error {
	before, after := f.fault()
	if before != nil {
		return before
	}
	return errors.Join(f.Store.Commit(ctx, p), after)
}

// faultySettles does the same to push.
type faultySettles struct {
	Store
	fault func() (before, after error)
}

func (f faultySettles) Settle(ctx context.Context, s push.Settlement) (int, error) {
	before, after := f.fault()
	if before != nil {
		return 0, before
	}
	n, err := f.Store.Settle(ctx, s)
	return n, errors.Join(err, after)
}

var errCutOff = errors.New("disk cut off by the test")

// pass is a daemon that lives for a moment: it pushes, looks again and pulls at the same time, and is gone.
func (r *rig) pass(life time.Duration, fault func() (before, after error), streams ...pull.Stream) {
	r.t.Helper()
	r.passAfter(0, life, fault, streams...)
}

// passAfter is a pass whose streams begin some time after its push.
func (r *rig) passAfter(wait, life time.Duration, fault func() (before, after error), streams ...pull.Stream) {
	r.t.Helper()
	ctx, kill := context.WithTimeout(context.Background(), life)
	defer kill()
	a := r.app()
	if fault != nil {
		a.between = func(s Store) Store { return faultySettles{s, fault} }
		a.betweenPull = func(s pull.Store) pull.Store { return faultyPages{s, fault} }
	}
	must(r.t, a.openOnce(context.Background()))
	defer a.close()
	lease, err := a.db.Acquire(context.Background(), a.cfg.Portal, a.owner)
	must(r.t, err)
	o, err := a.own(lease)
	must(r.t, err)
	var parts sync.WaitGroup
	if o.worker.Account().Connect(ctx) == nil {
		parts.Go(func() { o.worker.LookAgain(ctx) })
		parts.Go(func() { _ = o.worker.Once(ctx, ctx) })
		for _, s := range streams {
			parts.Go(func() {
				time.Sleep(wait)
				if _, err := o.pulls.Puller.Run(ctx, s, pull.RunOptions{}); err != nil && fault == nil && ctx.Err() == nil {
					r.t.Errorf("%s: %v", s, err)
				}
			})
		}
		<-ctx.Done()
		parts.Wait()
	}
	o.hub.tokens.close()
	must(r.t, release(lease, true))
}

// Thirty days in which people edit, make, archive, restore and merge contacts and opt out, the application writes,
// search shows everything up to half an hour late and in another order, requests and commits fail, and no daemon lives
// longer than a moment: the changes in the inbox are the changes people made, each once, and nothing of our own.
func TestG8PullTellsEveryChangeOnce(t *testing.T) {
	t.Parallel()
	first := testsize.Seed(t)
	for seed := first; seed < first+uint64(testsize.Histories(1, 1)); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			q := hubspotsim.Quirks{MergeKeepsPrimaryID: seed%2 == 1, ReadFollowsMerges: seed%3 == 1, RestoreKeepsModified: seed%3 == 2, OptoutBumpsModified: seed%2 == 0,
				SearchShowsNow: seed%4 == 3}
			cfg := hubspotsim.Config{Seed: 600 + seed, Latency: 100 * time.Millisecond, IndexLag: 2 * time.Second, IndexSpread: 30 * time.Minute, Quirks: q}
			inBubble(t, cfg, worldMapping, func(r *rig) { liveThirtyDays(t, r, seed, time.Duration(testsize.Of(30, 5))*24*time.Hour) })
		})
	}
}

func liveThirtyDays(t *testing.T, r *rig, seed uint64, span time.Duration) {
	w := &world{rig: r, rnd: rand.New(rand.NewPCG(seed, 8)), ours: map[string]bool{}}
	for range 8 {
		v := w.value()
		w.ours[v], w.ours[v+"@example.com"] = true, true
		w.nextID++
		w.event(fmt.Sprint(w.nextID), "lead.registered", v+"@example.com", `{"name":"`+v+`","firm":"`+v+`"}`)
		w.add(&body{lead: fmt.Sprint(w.nextID), email: v + "@example.com"})
	}
	all := pull.Streams()
	w.pass(time.Minute, nil, all...)
	fault := func() (before, after error) {
		switch w.rnd.IntN(20) {
		case 0:
			return errCutOff, nil
		case 1:
			return nil, errCutOff
		}
		return nil, nil
	}
	var one sync.Mutex // the random numbers of one seed are drawn in one order
	locked := func() (error, error) { one.Lock(); defer one.Unlock(); return fault() }
	end := time.Now().Add(span)
	for step := 0; time.Now().Before(end); step++ {
		w.learnIDs()
		streams := []pull.Stream{pull.Changes, pull.Lagged}
		if step%4 == 0 {
			streams = append(streams, pull.OptOut)
		}
		if step%16 == 0 {
			streams = append(streams, pull.Archived)
		}
		life, faulty := time.Minute, locked
		switch w.rnd.IntN(6) {
		case 0:
			life = time.Duration(w.rnd.IntN(2000)) * time.Millisecond // killed in the middle of something
		case 1:
			spec := []string{"search=500x1", "search=lostx1", "batch_read=500x1", "batch_update=lostx1", "batch_create=lostx1", "list=500x1", "batch_update=500x1", "search=429x1"}
			must(t, r.sim.Inject(spec[w.rnd.IntN(len(spec))]))
		default:
			faulty = nil
		}
		acts := w.rnd.IntN(4)
		during := w.rnd.IntN(2) == 0
		var people sync.WaitGroup
		if during {
			people.Go(func() {
				for range acts {
					time.Sleep(time.Duration(200+137*acts) * time.Millisecond)
					one.Lock()
					w.act()
					one.Unlock()
				}
			})
		}
		w.pass(life, faulty, streams...)
		people.Wait()
		must(t, r.sim.SetFaults(""))
		for range acts {
			if !during {
				w.act()
			}
		}
		time.Sleep(14*time.Minute + time.Duration(w.rnd.IntN(60))*time.Second)
	}
	for range 16 { // what is left comes to rest
		w.pass(5*time.Minute, nil, all...)
		time.Sleep(10 * time.Minute)
	}
	w.compare()
}

// compare holds the inbox against what people did.
func (w *world) compare() {
	t := w.t
	want := map[string]int{}
	kinds := map[string]int{}
	for _, c := range w.sim.Changes() {
		kinds[c.Kind]++
		switch c.Kind {
		case hubspotsim.ChangeCreated:
			want["created "+c.ContactID]++
		case hubspotsim.ChangeArchived:
			want["deleted "+c.ContactID]++
		case hubspotsim.ChangeRestored:
			want["restored "+c.ContactID]++
		case hubspotsim.ChangeOptout:
			want["unsubscribed "+c.ContactID]++
		case hubspotsim.ChangeMerged:
			for old := range strings.SplitSeq(c.Value, ";") {
				want["merged "+c.ContactID+" "+old]++
			}
		case hubspotsim.ChangeUpdated:
			if field := worldFields[c.Property]; field != "" {
				want[strings.Join([]string{"updated", c.ContactID, field, c.Value}, " ")]++
			}
		}
	}
	for _, line := range w.extra {
		want[line]++
	}
	have := map[string]int{}
	for _, i := range w.inbox() {
		kind := strings.TrimPrefix(i.Type, "contact.")
		var values map[string]struct{ Value string }
		must(t, json.Unmarshal([]byte(i.Properties), &values))
		if kind == "merged" {
			for old := range strings.SplitSeq(values["merged"].Value, ";") {
				have["merged "+i.Contact+" "+old]++
			}
			continue
		}
		if kind != "updated" {
			have[kind+" "+i.Contact]++
		}
		for field, v := range values {
			line := strings.Join([]string{"updated", i.Contact, field, v.Value}, " ")
			if w.ours[v.Value] && want[line] == 0 { // a merge may bring it to another lead
				t.Errorf("our own %s = %s came back to lead %q", field, v.Value, i.Lead)
			}
			have[line]++
		}
	}
	for _, line := range slices.Sorted(maps.Keys(want)) {
		if have[line] != want[line] {
			t.Errorf("%q was told %d times, want %d", line, have[line], want[line])
		}
	}
	for _, line := range slices.Sorted(maps.Keys(have)) {
		if want[line] == 0 {
			t.Errorf("%q was told %d times, and nobody did it", line, have[line])
		}
	}
	t.Logf("%d changes of people: %v", len(want), kinds)
	if c := w.counts(); c["pending"] > 0 || len(kinds) < 6 {
		t.Errorf("rows %v, kinds of changes %v: something did not happen", c, kinds)
	}
}
