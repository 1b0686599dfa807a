package app

import (
	"context"
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

// toldOf counts the inbox rows by contact and change type.
func (r *rig) toldOf() map[string]map[string]int {
	r.t.Helper()
	out := map[string]map[string]int{}
	for _, i := range r.inbox() {
		if out[i.Contact] == nil {
			out[i.Contact] = map[string]int{}
		}
		out[i.Contact][i.Type]++
	}
	return out
}

func (r *rig) wantEach(n int, change string, times int) {
	r.t.Helper()
	all := r.toldOf()
	bad := 0
	for id, kinds := range all {
		if kinds[change] != times {
			if bad++; bad < 5 {
				r.t.Errorf("contact %s: %v, want %s %d times", id, kinds, change, times)
			}
		}
	}
	if len(all) != n || bad > 0 {
		r.t.Errorf("%d contacts were told, %d of them wrong, want %d", len(all), bad, n)
	}
}

// More contacts than a search can page through, changed on one millisecond by a job of HubSpot's: each is told once,
// and the search stays within its limits.
func TestG8PullManyOnOneMillisecond(t *testing.T) {
	t.Parallel()
	n := testsize.Of(25_000, 1_500)
	inBubble(t, hubspotsim.Config{Seed: 701, Latency: 20 * time.Millisecond, SearchLimit: 5, IndexLag: time.Second}, worldMapping, func(r *rig) {
		r.pass(time.Minute, nil, pull.Changes)
		_, _, err := r.sim.Import(hubspotsim.Bulk{Count: n, Properties: map[string]string{"email": "p{n}@example.com", "company": "Looms"}})
		must(t, err)
		time.Sleep(time.Minute)
		r.pass(5*time.Minute, nil, pull.Changes)
		r.wantEach(n, "contact.created", 1)
		edited, err := r.sim.EditAll(map[string]string{"city": "Turin"})
		must(t, err)
		time.Sleep(time.Minute)
		for range 3 { // the daemon is gone before it has read half of them
			r.pass(time.Duration(n/1000)*time.Second, nil, pull.Changes)
		}
		r.pass(5*time.Minute, nil, pull.Changes)
		time.Sleep(2 * time.Hour)
		r.pass(10*time.Minute, nil, pull.Changes, pull.Lagged)
		r.wantEach(edited, "contact.updated", 1)
		r.wantEach(n, "contact.created", 1)
		if s := r.sim.Stats(); s.Statuses["400"] > 0 || s.Statuses["429"] > 0 {
			t.Errorf("statuses %v", s.Statuses)
		}
	})
}

// Contacts are edited while a scan is on its way past them, behind it and before it, and daemons are killed in the
// middle: nothing is missed and nothing told twice. An edit that comes before its contact is first read is told with
// it.
func TestG8PullEditsDuringTheScan(t *testing.T) {
	t.Parallel()
	n := testsize.Of(4_000, 1_500)
	inBubble(t, hubspotsim.Config{Seed: 702, Latency: 300 * time.Millisecond, IndexLag: time.Second, IndexSpread: 20 * time.Second}, worldMapping, func(r *rig) {
		r.pass(time.Minute, nil, pull.Changes)
		_, _, err := r.sim.Import(hubspotsim.Bulk{Count: n, Properties: map[string]string{"email": "p{n}@example.com", "company": "Looms"}})
		must(t, err)
		var ids []string
		for _, c := range r.sim.Contacts() {
			ids = append(ids, c.ID)
		}
		time.Sleep(time.Minute)
		rnd := rand.New(rand.NewPCG(702, 1))
		kills := rand.New(rand.NewPCG(702, 2)) // the people have theirs
		edited := map[string]bool{}
		var people sync.WaitGroup
		people.Go(func() {
			for i := range n / 5 {
				id := ids[rnd.IntN(len(ids))]
				if edited[id] {
					continue
				}
				edited[id] = true
				must(t, r.sim.Edit(hubspotsim.Target{ID: id}, map[string]string{"city": fmt.Sprint("v", i)}))
				time.Sleep(80 * time.Millisecond)
			}
		})
		for range 6 {
			r.pass(time.Duration(2000+kills.IntN(6000))*time.Millisecond, nil, pull.Changes)
		}
		people.Wait()
		r.pass(5*time.Minute, nil, pull.Changes)
		time.Sleep(2 * time.Hour)
		r.pass(5*time.Minute, nil, pull.Changes, pull.Lagged)
		r.wantEach(n, "contact.created", 1)
		r.wantToldValues("town", len(edited))
	})
}

// wantToldValues counts the rows that tell a value of a field, and that no two tell the same.
func (r *rig) wantToldValues(field string, n int) {
	r.t.Helper()
	var rows, distinct int
	must(r.t, r.db.QueryRow(`SELECT count(*), count(DISTINCT contact_id || json_extract(properties, '$.' || ? || '.value')) FROM lead_inbox
  WHERE json_extract(properties, '$.' || ? || '.value') IS NOT NULL`, field, field).Scan(&rows, &distinct))
	if rows != n || distinct != n {
		r.t.Errorf("%d rows tell %s, %d different ones, want %d", rows, field, distinct, n)
	}
}

// Our clock and HubSpot's differ by an hour either way, and HubSpot's is set back and forth: only HubSpot's counts, and
// nothing is missed.
func TestG8PullClocksThatDiffer(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{time.Hour, -time.Hour, 0} {
		t.Run(skew.String(), func(t *testing.T) {
			inBubble(t, hubspotsim.Config{Seed: 703, Skew: skew, IndexLag: time.Second, IndexSpread: 5 * time.Minute}, worldMapping, func(r *rig) {
				r.event("1", "lead.registered", "ada@example.com", `{"firm":"Engines"}`)
				r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
				ada, edits := hubspotsim.Target{Email: "ada@example.com"}, 0
				for i := range testsize.Of(20, 6) {
					if skew == 0 { // set back and forth by up to five minutes
						r.sim.SetSkew(time.Duration((i+1)%3-1) * 5 * time.Minute)
					}
					must(t, r.sim.Edit(ada, map[string]string{"city": fmt.Sprint("v", i)}))
					edits++
					for range 9 {
						time.Sleep(14 * time.Minute)
						r.pass(time.Minute, nil, pull.Changes, pull.Lagged)
					}
				}
				r.wantToldValues("town", edits)
			})
		})
	}
}

// A scan uses the whole search budget: the next page is searched for while one is applied, also when every contact of
// it is new.
func TestPullSpeed(t *testing.T) {
	t.Parallel()
	n := testsize.Of(20_000, 4_000)
	for _, unknown := range []string{"ignore", "inbox"} {
		yaml := strings.Replace(worldMapping, "unknown: inbox", "start: all, unknown: "+unknown, 1)
		inBubble(t, hubspotsim.Config{Seed: 706, Latency: 150 * time.Millisecond, SearchLimit: 5}, yaml, func(r *rig) {
			_, _, err := r.sim.Import(hubspotsim.Bulk{Count: n, Properties: map[string]string{"email": "p{n}@example.com", "company": "Looms"}})
			must(t, err)
			time.Sleep(time.Hour)
			began := time.Now()
			done, err := r.app().PullOnce(context.Background(), pull.Once{Stream: string(pull.Changes)})
			must(t, err)
			took := time.Since(began) - time.Second // what comes before the first search
			rate := float64(done[0].Seen) / took.Seconds()
			t.Logf("%s: %.0f contacts a second", unknown, rate)
			if done[0].Seen != n || rate < 0.95*5*200 {
				t.Errorf("%s: %d contacts in %s, %.0f a second, want 950", unknown, done[0].Seen, took, rate)
			}
			if r.sim.Stats().Statuses["429"] > 0 {
				t.Error("the search budget was overdrawn")
			}
		})
	}
}

// A poll that finds nothing costs one request a stream, and none for a mapping that is as it was.
func TestPullEmptyPollCostsOneRequest(t *testing.T) {
	t.Parallel()
	inBubble(t, hubspotsim.Config{Seed: 704}, worldMapping, func(r *rig) {
		r.pass(time.Minute, nil, pull.Streams()...)
		time.Sleep(2 * time.Hour)
		for _, s := range pull.Streams() {
			before := r.sim.Stats()
			r.pass(time.Minute, nil, s)
			after := r.sim.Stats()
			n := after.Ops["search"] + after.Ops["list"] + after.Ops["batch_read"] - before.Ops["search"] - before.Ops["list"] - before.Ops["batch_read"]
			want := 1
			if s == pull.Mapping {
				want = 0
			}
			if n != want {
				t.Errorf("%s: %d requests, want %d", s, n, want)
			}
		}
	})
}

// More mapped properties than fit into a search: what does not fit is read by id, and no search is too long.
func TestPullLongPropertyLists(t *testing.T) {
	t.Parallel()
	cfg := hubspotsim.Config{Seed: 705}
	yaml := "mapping:\n  fields:\n"
	for i := range 120 {
		name := fmt.Sprintf("a_property_with_a_name_that_is_rather_long_%03d", i)
		cfg.Properties = append(cfg.Properties, hubspotsim.Property{Name: name, Type: "string", FieldType: "text"})
		yaml += fmt.Sprintf("    - {lead: f%d, contact: %s, direction: both, winner: hubspot}\n", i, name)
	}
	inBubble(t, cfg, yaml, func(r *rig) {
		r.event("1", "lead.registered", "ada@example.com", `{"f0":"a","f119":"b"}`)
		r.pass(time.Minute, nil, pull.Changes)
		must(t, r.sim.Edit(hubspotsim.Target{Email: "ada@example.com"}, map[string]string{
			"a_property_with_a_name_that_is_rather_long_000": "v1", "a_property_with_a_name_that_is_rather_long_119": "v2"}))
		time.Sleep(time.Minute)
		r.pass(time.Minute, nil, pull.Changes)
		r.wantTold(`1 contact.updated {"f0":{"value":"v1","was":"a"},"f119":{"value":"v2","was":"b"}}`)
		if s := r.sim.Stats(); s.Statuses["400"] > 0 || s.Statuses["414"] > 0 {
			t.Errorf("statuses %v", s.Statuses)
		}
	})
}
