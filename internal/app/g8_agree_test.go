package app

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/pull"
	"leadsync/internal/testsize"
)

// Both sides write the same fields over and over, at random moments, while requests and commits fail and daemons are
// killed: nothing of our own is told, nothing is told twice, and in the end the application and HubSpot agree. What a
// person wrote last stands and was the last thing told; or an event of the application stands that came after
// everything it was told.
func TestG8PullBothSidesAgree(t *testing.T) {
	t.Parallel()
	for _, winner := range []string{"app", "hubspot", "newest", "fill_empty"} {
		t.Run(winner, func(t *testing.T) {
			theirs, ours, first := 0, 0, testsize.Seed(t)
			// A winner's luck of a few seeds tests nothing: more are drawn until both sides have stood.
			for n := 0; n < testsize.Histories(20, 4) || n < 40 && (theirs == 0 || ours == 0); n++ {
				seed := first + uint64(n)
				yaml := "mapping:\n  fields:\n    - {lead: firm, contact: company, direction: both, winner: " + winner + "}\n" +
					"    - {lead: town, contact: city, direction: both, winner: " + winner + "}\n"
				cfg := hubspotsim.Config{Seed: 900 + seed, Latency: 700 * time.Millisecond, IndexLag: time.Second, IndexSpread: time.Minute}
				inBubble(t, cfg, yaml, func(r *rig) { fight(r, seed, &theirs, &ours) })
			}
			t.Logf("a person's value stood %d times, the application's %d", theirs, ours)
			if theirs == 0 || ours == 0 {
				t.Error("one side always won: nothing was tested")
			}
		})
	}
}

// takeInbox is an application that takes all it was told.
func (r *rig) takeInbox() {
	r.t.Helper()
	_, err := r.db.Exec(`UPDATE lead_inbox SET acked_at = ? WHERE acked_at IS NULL`, time.Now().UnixMilli())
	must(r.t, err)
}

func fight(r *rig, seed uint64, theirs, ours *int) {
	t, rnd := r.t, rand.New(rand.NewPCG(seed, 9))
	fields := map[string]string{"firm": "company", "town": "city"}
	r.eventAt(time.Now(), "1", "lead.registered", "ada@example.com", `{"firm":"a0","town":"b0"}`)
	r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
	inserted := map[string]time.Time{"a0": time.Now(), "b0": time.Now()} // values of the application
	var one sync.Mutex
	draw := func(n int) int { one.Lock(); defer one.Unlock(); return rnd.IntN(n) }
	n := 0
	write := func() {
		field := []string{"firm", "town"}[draw(2)]
		n++
		v := fmt.Sprintf("v%d", n)
		if draw(2) == 0 {
			r.takeInbox() // an application that has not yet taken what it was told does not win over it
			inserted[v] = time.Now()
			r.eventAt(time.Now(), "1", "lead.updated", "", `{"`+field+`":"`+v+`"}`)
			return
		}
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{fields[field]: v}))
	}
	fault := func() (before, after error) {
		switch draw(12) {
		case 0:
			return errCutOff, nil
		case 1:
			return nil, errCutOff
		}
		return nil, nil
	}
	for range 12 {
		life := 40 * time.Second
		switch draw(5) {
		case 0:
			life = time.Duration(draw(6000)) * time.Millisecond
		case 1:
			must(t, r.sim.Inject([]string{"batch_update=lostx1", "batch_update=500x1", "batch_read=lostx1", "batch_read=slow:2sx1", "search=slow:3sx1"}[draw(5)]))
		}
		var people sync.WaitGroup
		people.Go(func() {
			for range draw(4) {
				time.Sleep(time.Duration(draw(5000)) * time.Millisecond)
				write()
			}
		})
		r.passAfter(time.Duration(draw(4000))*time.Millisecond, life, fault, pull.Changes, pull.Lagged)
		people.Wait()
		must(t, r.sim.SetFaults(""))
		time.Sleep(time.Duration(draw(240)) * time.Second)
	}
	for range 12 {
		r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
		time.Sleep(10 * time.Minute)
	}
	told, last, lastAt := map[string]int{}, map[string]string{}, map[string]time.Time{}
	rows, err := r.db.Query(`SELECT properties, pulled_at, coalesce(above_id, 0) FROM lead_inbox ORDER BY id`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		var at, above int64
		must(t, rows.Scan(&text, &at, &above))
		var values map[string]struct{ Value string }
		must(t, json.Unmarshal([]byte(text), &values))
		for field, v := range values {
			one := fmt.Sprintf("%s above %d", v.Value, above) // told again when an event in between did not win over it
			told[one]++
			last[field], lastAt[field] = v.Value, time.UnixMilli(at)
			if _, own := inserted[v.Value]; own || told[one] > 1 {
				t.Errorf("%s = %s was told %d times; it is our own: %t", field, one, told[one], own)
			}
		}
	}
	must(t, rows.Err())
	c := r.contact("ada@example.com")
	for field, property := range fields {
		switch at, own := inserted[c[property]]; {
		case own && at.Before(lastAt[field]):
			t.Errorf("HubSpot holds %s = %s, which the application wrote before it was told %s", field, c[property], last[field])
		case own:
			*ours++
		case last[field] != c[property]:
			t.Errorf("HubSpot holds a person's %s = %s, and the application was last told %q", field, c[property], last[field])
		default:
			*theirs++
		}
	}
	if s := r.counts(); s["pending"] > 0 {
		t.Errorf("rows %v", s)
	}
	if t.Failed() {
		t.Logf("seed %d: told %s; rows %v", seed, strings.Join(r.told(), "\n"), r.counts())
	}
}
