package hubspotsim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func search(t *testing.T, s *Sim, body string) got {
	t.Helper()
	return post(t, s, contactsPath+"/search", body)
}

// found are the addresses of the hits, in their order.
func found(g got) []string {
	var all []string
	list, _ := g.body["results"].([]any)
	for _, one := range list {
		all = append(all, fmt.Sprint(one.(map[string]any)["properties"].(map[string]any)["email"]))
	}
	return all
}

func filters(list ...string) string {
	return `{"filterGroups":[{"filters":[` + strings.Join(list, ",") + `]}],"properties":["email"],"limit":200}`
}

// The operators of section 2.1.
func TestSearchOperators(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now, Properties: []Property{{Name: "age", Type: "number"},
		{Name: "plan", Type: "enumeration", FieldType: "select", Options: []Option{{Value: "gold"}, {Value: "tin"}}}}})
	var ids []string
	for i, p := range []string{`"city":"Ulm","age":"9","plan":"gold"`, `"city":"Bonn","age":"10","plan":"tin"`, `"city":"bonn","age":"11"`} {
		ids = append(ids, s.mustCreate(t, fmt.Sprintf(`{"email":"%c@example.com",%s}`, 'a'+i, p)))
		w.pass(time.Second)
	}
	for body, names := range map[string]string{
		filters(`{"propertyName":"city","operator":"EQ","value":"BONN"}`):                                                   "b c",
		filters(`{"propertyName":"city","operator":"NEQ","value":"Bonn"}`):                                                  "a",
		filters(`{"propertyName":"age","operator":"GT","value":"9"}`):                                                       "b c",
		filters(`{"propertyName":"age","operator":"LTE","value":"10"}`):                                                     "a b",
		filters(`{"propertyName":"age","operator":"BETWEEN","value":"10","highValue":"11"}`):                                "b c",
		filters(`{"propertyName":"age","operator":"LT","value":"10"}`, `{"propertyName":"city","operator":"HAS_PROPERTY"}`): "a",
		filters(`{"propertyName":"plan","operator":"NOT_HAS_PROPERTY"}`):                                                    "c",
		filters(`{"propertyName":"plan","operator":"EQ","value":"GOLD"}`):                                                   "", // enumerations with their case
		filters(`{"propertyName":"city","operator":"IN","values":["bonn"]}`):                                                "b c",
		filters(`{"propertyName":"city","operator":"IN","values":["Bonn"]}`):                                                "", // must be lower-case
		filters(`{"propertyName":"city","operator":"NOT_IN","values":["bonn"]}`):                                            "a",
		filters(`{"propertyName":"email","operator":"CONTAINS_TOKEN","value":"*example*"}`):                                 "a b c",
		filters(`{"propertyName":"email","operator":"NOT_CONTAINS_TOKEN","value":"a@"}`):                                    "b c",
		filters(`{"propertyName":"hs_object_id","operator":"GT","value":"` + ids[0] + `"}`):                                 "b c",
		filters(`{"propertyName":"hs_object_id","operator":"IN","values":["` + ids[1] + `"]}`):                              "b",
		// Times as milliseconds and as ISO text.
		filters(`{"propertyName":"lastmodifieddate","operator":"BETWEEN","value":"1795507200000","highValue":"2026-11-24T08:00:01Z"}`):                                                     "a b",
		filters(`{"propertyName":"createdate","operator":"GTE","value":"2026-11-24T08:00:02Z"}`):                                                                                           "c",
		filters(`{"propertyName":"nope","operator":"EQ","value":"x"}`):                                                                                                                     "",
		`{"properties":["email"],"sorts":[{"propertyName":"age","direction":"DESCENDING"}]}`:                                                                                               "c b a",
		`{"properties":["email"],"sorts":[{"propertyName":"city","direction":"ASCENDING"}]}`:                                                                                               "b c a",
		`{"properties":["email"],"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}]}`:                                                                                       "a b c",
		`{"properties":["email"],"filterGroups":[{"filters":[{"propertyName":"plan","operator":"EQ","value":"tin"}]},{"filters":[{"propertyName":"age","operator":"EQ","value":"9.0"}]}]}`: "a b",
	} {
		g := search(t, s, body)
		if g.status != 200 {
			t.Errorf("%s: %d %s", body, g.status, g.text)
		}
		wanted := "[]"
		if names != "" {
			wanted = "[" + strings.ReplaceAll(names, " ", "@example.com ") + "@example.com]"
		}
		want(t, body, found(g), wanted)
		want(t, body+" total", g.body["total"], len(strings.Fields(names)))
	}
}

// Changes show after the lag; what a hit shows lags too, or not.
func TestSearchIndexLag(t *testing.T) {
	for _, now := range []bool{false, true} {
		w := newWatch()
		s := newSim(t, Config{Clock: w.now, IndexLag: 5 * time.Second, Quirks: Quirks{SearchShowsNow: now}})
		id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
		body := filters(`{"propertyName":"lastmodifieddate","operator":"GTE","value":"2026-11-24T08:00:10Z"}`)
		all := `{"properties":["city","lastmodifieddate"]}`
		want(t, "too new", search(t, s, all).body["total"], 0)
		w.pass(10 * time.Second)
		want(t, "there", search(t, s, all).body["total"], 1)
		if err := s.Edit(Target{ID: id}, map[string]string{"city": "Bonn"}); err != nil {
			t.Fatal(err)
		}
		want(t, "the change is too new", search(t, s, body).body["total"], 0)
		one := search(t, s, all).results()[id]
		wanted := []any{"Ulm", "2026-11-24T08:00:00Z", "2026-11-24T08:00:00Z"}
		if now {
			wanted = []any{"Bonn", "2026-11-24T08:00:10Z", "2026-11-24T08:00:10Z"}
		}
		p := one["properties"].(map[string]any)
		want(t, "shown", []any{p["city"], p["lastmodifieddate"], one["updatedAt"]}, wanted)
		w.pass(5 * time.Second)
		want(t, "the change", search(t, s, body).body["total"], 1)
		want(t, "shown later", search(t, s, all).results()[id]["properties"].(map[string]any)["city"], "Bonn")
		// An archived contact is never returned.
		if err := s.Archive(Target{ID: id}); err != nil {
			t.Fatal(err)
		}
		want(t, "archived", search(t, s, all).body["total"], 0)
	}
}

// The limits of section 2.1: page, cap of 10,000, one sort, groups and filters, 3,000 characters, epoch 0.
func TestSearchRefuses(t *testing.T) {
	s := newSim(t, Config{})
	f := `{"propertyName":"city","operator":"EQ","value":"x"}`
	group := func(n int) string { return `{"filters":[` + strings.TrimSuffix(strings.Repeat(f+",", n), ",") + `]}` }
	groups := func(n, each int) string {
		return `{"filterGroups":[` + strings.TrimSuffix(strings.Repeat(group(each)+",", n), ",") + `]}`
	}
	for body, status := range map[string]int{
		`{"limit":200}`: 200, `{"limit":201}`: 400, `{"limit":-1}`: 400, `{"limit":100,"after":"9900"}`: 200, `{"limit":100,"after":"9901"}`: 400, `{"after":"x"}`: 400,
		groups(1, 6): 200, groups(1, 7): 400, groups(5, 3): 200, groups(6, 1): 400, groups(3, 6): 200, groups(4, 5): 400,
		`{"sorts":[{"propertyName":"city"},{"propertyName":"state"}]}`: 400, `{"sorts":[{"propertyName":"nope"}]}`: 400,
		`{"properties":["` + strings.Repeat("x", 3000-len(`{"properties":[""]}`)) + `"]}`: 200, `{"properties":["` + strings.Repeat("x", 3000) + `"]}`: 400,
		`{`: 400, filters(`{"propertyName":"lastmodifieddate","operator":"GTE","value":"0"}`): 500, filters(`{"propertyName":"lastmodifieddate","operator":"GTE","value":"1000"}`): 200,
		filters(`{"propertyName":"hs_object_id","operator":"GT","value":"0"}`): 200,
	} {
		if g := search(t, s, body); g.status != status {
			t.Errorf("%.120s: got %d, want %d: %s", body, g.status, status, g.text)
		}
	}
}

// More than 10,000 contacts of one millisecond: after cannot get past the cap, the keyset on the id can; section 2.2.
func TestSearchKeysetGetsPastTheCap(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	const n = 10_500
	for i := 0; i < n; i += 100 {
		var inputs []string
		for k := range 100 {
			inputs = append(inputs, fmt.Sprintf(`{"properties":{"email":"c%d@example.com"}}`, i+k))
		}
		batch(t, s, "create", true, inputs...)
	}
	last, seen := "1", 0
	for {
		g := search(t, s, `{"filterGroups":[{"filters":[{"propertyName":"lastmodifieddate","operator":"BETWEEN","value":"1795507200000","highValue":"1795507200000"},
			{"propertyName":"hs_object_id","operator":"GT","value":"`+last+`"}]}],"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"limit":200}`)
		list := g.body["results"].([]any)
		if want(t, "left", g.body["total"], n-seen); len(list) == 0 || t.Failed() {
			break
		}
		seen += len(list)
		last = list[len(list)-1].(map[string]any)["id"].(string)
	}
	want(t, "seen", seen, n)
}
