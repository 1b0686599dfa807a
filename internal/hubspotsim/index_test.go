package hubspotsim

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

const everything = `{"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":["email","city","lastmodifieddate"],"limit":200}`

// Each change waits a share of the spread that the seed decides: some are shown before earlier ones, all after the
// longest lag, and the same seed shows them in the same order. Section 2.1: results near now are not in the order of
// time.
func TestIndexShowsChangesOutOfOrder(t *testing.T) {
	const n = 60
	order := func(seed uint64) (ids []string) {
		w := newWatch()
		s := newSim(t, Config{Clock: w.now, Seed: seed, IndexLag: 5 * time.Second, IndexSpread: 10 * time.Minute})
		for i := range n {
			s.mustCreate(t, fmt.Sprintf(`{"email":"c%d@example.com"}`, i))
			w.pass(time.Second)
		}
		from := w.at
		for w.at.Sub(from) < 605*time.Second {
			for _, one := range found(search(t, s, everything)) {
				if !slices.Contains(ids, one) {
					ids = append(ids, one)
				}
			}
			if w.at.Sub(from) == 0 && len(ids) > n/4 {
				t.Errorf("seed %d: %d of %d are shown at once", seed, len(ids), n)
			}
			w.pass(time.Second)
		}
		return ids
	}
	a, b, c := order(1), order(1), order(2)
	want(t, "shown in the end", len(a), n)
	if slices.IsSortedFunc(a, func(x, y string) int { return number(x) - number(y) }) {
		t.Error("they are shown in the order they were made")
	}
	want(t, "same seed", slices.Equal(a, b), true)
	want(t, "other seed", slices.Equal(a, c), false)
}

// number is the one in c12@example.com.
func number(address string) int {
	var n int
	_, _ = fmt.Sscanf(address, "c%d@example.com", &n)
	return n
}

// The index never goes back: what it shows of a contact only gets newer, in value and in lastmodifieddate together,
// however many changes come within the lag, and ends at what the contact holds.
func TestIndexOfOneContactOnlyGetsNewer(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, IndexLag: time.Second, IndexSpread: 30 * time.Second})
	id := s.mustCreate(t, `{"email":"a@example.com","city":"0"}`)
	stamps := map[string]string{"0": "2026-11-24T08:00:00Z"}
	last, passed := 0, map[int]bool{}
	for i := 1; i <= 60; i++ {
		w.pass(time.Second)
		if i <= 20 {
			if err := s.Edit(Target{ID: id}, map[string]string{"city": strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
			stamps[strconv.Itoa(i)] = isoTime(w.at.UnixMilli())
		}
		one, ok := search(t, s, everything).results()[id]
		if !ok {
			continue
		}
		p := one["properties"].(map[string]any)
		city, _ := strconv.Atoi(p["city"].(string))
		passed[city] = true
		if city < last {
			t.Fatalf("after %d the index shows %d", last, city)
		}
		last = city
		want(t, "lastmodifieddate of "+p["city"].(string), p["lastmodifieddate"], stamps[p["city"].(string)])
	}
	want(t, "in the end", last, 20)
	if len(passed) < 3 {
		t.Errorf("it was shown in %d states only", len(passed))
	}
}

// A record that a merge made is in the index after its lag, as is a contact that came back.
func TestIndexLagOfMergeAndRestore(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, IndexLag: 10 * time.Second})
	a, b := s.mustCreate(t, `{"email":"a@example.com"}`), s.mustCreate(t, `{"email":"b@example.com"}`)
	w.pass(time.Minute)
	c, err := s.Merge(Target{ID: a}, Target{ID: b})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "neither the old ones nor the new one", search(t, s, everything).body["total"], 0)
	w.pass(10 * time.Second)
	want(t, "the new one", search(t, s, everything).results()[c]["id"], c)
	if err := s.Archive(Target{ID: c}); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute)
	if err := s.Restore(Target{ID: c}); err != nil {
		t.Fatal(err)
	}
	want(t, "back, not yet", search(t, s, everything).body["total"], 0)
	w.pass(10 * time.Second)
	want(t, "back", search(t, s, everything).body["total"], 1)
}

// The kept hits of a scan are those that a look at every contact finds, whatever happens between two pages.
func TestSearchKeepsHitsOnlyWhileNothingChanges(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, IndexLag: time.Second})
	for i := range 30 {
		s.mustCreate(t, fmt.Sprintf(`{"email":"c%d@example.com","city":"Ulm"}`, i))
	}
	w.pass(time.Minute)
	page := func(last string) got {
		return search(t, s, `{"filterGroups":[{"filters":[{"propertyName":"city","operator":"EQ","value":"Ulm"},{"propertyName":"hs_object_id","operator":"GT","value":"`+last+
			`"}]}],"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":["email"],"limit":5}`)
	}
	want(t, "first page", page("1").body["total"], 30)
	if s.cache.hits == nil {
		t.Fatal("nothing is kept")
	}
	kept := s.cache.hits
	want(t, "second page", page(kept[4].idText()).body["total"], 25)
	for what, change := range map[string]func() error{
		"archived": func() error { return s.Archive(Target{Email: "c7@example.com"}) },
		"edited":   func() error { return s.Edit(Target{Email: "c8@example.com"}, map[string]string{"city": "Bonn"}) },
		"purged":   func() error { return s.Purge(Target{Email: "c9@example.com"}) },
		"made": func() error {
			_, err := s.Create(map[string]string{"email": "new@example.com", "city": "Ulm"})
			return err
		},
		"merged": func() error {
			_, err := s.Merge(Target{Email: "c10@example.com"}, Target{Email: "c11@example.com"})
			return err
		},
	} {
		before := number(fmt.Sprintf("c%v@example.com", page("1").body["total"]))
		if err := change(); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		after, step := number(fmt.Sprintf("c%v@example.com", page("1").body["total"])), -1
		if what == "made" {
			step = 1
		}
		want(t, what, after-before, step)
	}
}

// HubSpot's clock is its own: answers, values and histories carry it, also when it is wrong.
func TestSkew(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Skew: 90 * time.Second})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	g := ask(t, s, http.MethodGet, contactsPath+"/"+id+"?propertiesWithHistory=email", "")
	want(t, "made at", g.body["createdAt"], "2026-11-24T08:01:30Z")
	want(t, "Date", g.header.Get("Date"), "Tue, 24 Nov 2026 08:01:30 GMT")
	want(t, "history", g.body["propertiesWithHistory"].(map[string]any)["email"].([]any)[0].(map[string]any)["timestamp"], "2026-11-24T08:01:30Z")
	s.SetSkew(-time.Hour)
	for path, status := range map[string]int{contactsPath + "/" + id: 200, contactsPath + "/1": 404, "/nowhere": 404, AdminPath + "/stats": 200, AuthorizePath: 0} {
		g := ask(t, s, http.MethodGet, path, "")
		if status != 0 {
			want(t, path, g.status, status)
		}
		want(t, "Date of "+path, g.header.Get("Date"), "Tue, 24 Nov 2026 07:00:00 GMT")
	}
	g, err := try(t, s, "no-such-token", http.MethodGet, contactsPath, "")
	if err != nil {
		t.Fatal(err)
	}
	want(t, "Date of a refusal", []any{g.status, g.header.Get("Date")}, "[401 Tue, 24 Nov 2026 07:00:00 GMT]")
}
