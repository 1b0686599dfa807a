package hubspotsim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"leadsync/internal/testsize"
)

// Each thing that a person does is in Changes, with its value before and after, and nothing that an app did.
func TestChangesArePeoplesOnly(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	a := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
	if g := ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"city":"Bonn"}}`); g.status != 200 {
		t.Fatal(g.text)
	}
	want(t, "of an app", len(s.Changes()), 0)
	var wanted []string
	step := func(do error, lines ...string) {
		t.Helper()
		if do != nil {
			t.Fatal(do)
		}
		wanted = append(wanted, lines...)
		w.pass(time.Second)
	}
	b, err := s.Create(map[string]string{"email": "B@Example.com", "phone": "1", "city": ""})
	step(err, "created b@example.com "+b, "updated b@example.com "+b+" email -> b@example.com", "updated b@example.com "+b+" phone -> 1")
	step(s.Edit(Target{ID: a}, map[string]string{"city": "Kiel", "email": "a@example.com"}), "updated a@example.com "+a+" city Bonn -> Kiel")
	step(s.Edit(Target{ID: a}, map[string]string{"email": "new@example.com"}), "updated new@example.com "+a+" email a@example.com -> new@example.com")
	step(s.Archive(Target{ID: b}), "archived b@example.com "+b)
	step(s.Restore(Target{ID: b}), "restored b@example.com "+b)
	s.Optout("New@example.com", true)
	s.Optout("new@example.com", true) // nothing changes
	step(nil, "optout new@example.com "+a)
	s.Optout("new@example.com", false)
	s.Optout("nobody@example.com", true)
	step(nil, "optin new@example.com "+a, "optout nobody@example.com ")
	c, err := s.Merge(Target{ID: a}, Target{ID: b})
	step(err, "merged new@example.com "+c+"  -> "+a+";"+b, "updated new@example.com "+c+" phone -> 1")
	step(s.Purge(Target{ID: c}), "purged new@example.com "+c)
	var have []string
	for _, one := range s.Changes() {
		line := one.Kind + " " + one.Email + " " + one.ContactID
		if one.Property+one.Value != "" {
			line += " " + one.Property
		}
		if one.Was != "" {
			line += " " + one.Was
		}
		if one.Value != "" {
			line += " -> " + one.Value
		}
		have = append(have, line)
		want(t, "who", one.Who, "CRM_UI userId:12345")
	}
	want(t, "changes", strings.Join(have, "\n"), strings.Join(wanted, "\n"))
	want(t, "the last two", len(s.ChangesSince(len(have)-2)), 2)
	want(t, "of none", len(s.ChangesSince(len(have)+5)), 0)
	want(t, "time", s.Changes()[3].At, time.Date(2026, 11, 24, 8, 0, 1, 0, time.UTC).UnixMilli())
}

// An archived contact is in the list of archived ones with its time, for 90 days; it comes back with its id, values,
// address and unique value, unless others have taken them. Section 2.3.
func TestRestore(t *testing.T) {
	for _, keeps := range []bool{false, true} {
		w := newWatch()
		s := newSim(t, Config{Clock: w.now, Quirks: Quirks{RestoreKeepsModified: keeps}, Properties: []Property{{Name: "app_id", HasUniqueValue: true}}})
		id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm","app_id":"7"}`)
		w.pass(time.Hour)
		if err := s.Archive(Target{ID: id}); err != nil {
			t.Fatal(err)
		}
		one := ask(t, s, http.MethodGet, contactsPath+"?archived=true", "").results()[id]
		want(t, "in the bin", []any{one["archived"], one["archivedAt"]}, "[true 2026-11-24T09:00:00Z]")
		want(t, "not among the live", len(ask(t, s, http.MethodGet, contactsPath, "").results()), 0)
		want(t, "read of the bin", len(post(t, s, contactsPath+"/batch/read?archived=true", `{"inputs":[{"id":"`+id+`"}]}`).results()), 1)
		w.pass(time.Hour)
		if err := s.Restore(Target{Email: "a@example.com"}); err != nil {
			t.Fatal(err)
		}
		g := ask(t, s, http.MethodGet, contactsPath+"/a@example.com?idProperty=email&properties=city,app_id", "")
		modified := "2026-11-24T10:00:00Z"
		if keeps {
			modified = "2026-11-24T09:00:00Z"
		}
		want(t, "back", []any{g.body["id"], properties(g)["city"], properties(g)["lastmodifieddate"]}, []any{id, "Ulm", modified})
		want(t, "left the bin", len(ask(t, s, http.MethodGet, contactsPath+"?archived=true", "").results()), 0)
		want(t, "live", s.Stats().Contacts, 1)
		want(t, "unique value", batch(t, s, "upsert", true, `{"id":"7","idProperty":"app_id","properties":{"city":"Bonn"}}`).results()[id]["new"], false)

		if err := s.Archive(Target{ID: id}); err != nil {
			t.Fatal(err)
		}
		other := s.mustCreate(t, `{"email":"a@example.com"}`)
		want(t, "address taken", errors.Is(s.Restore(Target{ID: id}), errTaken), true)
		if err := s.Edit(Target{ID: other}, map[string]string{"email": "b@example.com"}); err != nil {
			t.Fatal(err)
		}
		want(t, "live is not in the bin", errors.Is(s.Restore(Target{ID: other}), errNotInBin), true)
		w.pass(90*24*time.Hour - time.Millisecond)
		want(t, "last moment", len(ask(t, s, http.MethodGet, contactsPath+"?archived=true", "").results()), 1)
		w.pass(time.Millisecond)
		want(t, "after 90 days", len(ask(t, s, http.MethodGet, contactsPath+"?archived=true", "").results()), 0)
		want(t, "read after 90 days", post(t, s, contactsPath+"/batch/read?archived=true", `{"inputs":[{"id":"`+id+`"}]}`).errors()[0]["category"], categoryMissing)
		want(t, "too late", errors.Is(s.Restore(Target{ID: id}), errNotInBin), true)
	}
}

// What a person types is HubSpot's own: history says CRM_UI, and an address on the blocklist is refused, which the API
// takes.
func TestCreateByAPerson(t *testing.T) {
	s := newSim(t, Config{})
	id, err := s.Create(map[string]string{"email": "A@Example.com", "date_of_birth": "1990-05-01"})
	if err != nil {
		t.Fatal(err)
	}
	g := ask(t, s, http.MethodGet, contactsPath+"/"+id+"?propertiesWithHistory=email,lifecyclestage", "")
	for name, value := range map[string]string{"email": "a@example.com", "lifecyclestage": "lead"} {
		v := g.body["propertiesWithHistory"].(map[string]any)[name].([]any)[0].(map[string]any)
		want(t, name, []any{v["value"], v["sourceType"], v["sourceId"]}, []any{value, "CRM_UI", "userId:12345"})
	}
	for _, bad := range []map[string]string{{"email": "a@example.com"}, {"city": "Ulm"}, {"email": "none"}, {"email": "b@example.com", "nope": "1"}, {"email": "b@example.com", "hs_object_id": "1"}} {
		if _, err := s.Create(bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if err := s.Purge(Target{ID: id}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(map[string]string{"email": "a@example.com"})
	want(t, "blocked", errors.Is(err, errBlocked), true)
	want(t, "nobody came back", s.Stats().Erased, 0)
	s.mustCreate(t, `{"email":"a@example.com"}`)
	want(t, "somebody came back", s.Stats().Erased, 1)
}

// Merged-away addresses are additional ones of the survivor: it is found by them, and they stay taken. Batch read names
// a merged-away id as unknown, or follows it: both are tried, since nobody knows.
func TestMergedIDsAndAddresses(t *testing.T) {
	for _, follows := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{ReadFollowsMerges: follows}})
		a, b := s.mustCreate(t, `{"email":"a@example.com"}`), s.mustCreate(t, `{"email":"b@example.com"}`)
		c, err := s.Merge(Target{ID: a}, Target{ID: b})
		if err != nil {
			t.Fatal(err)
		}
		g := post(t, s, contactsPath+"/batch/read", `{"inputs":[{"id":"`+a+`"},{"id":"`+b+`"},{"id":"`+c+`"}],"properties":["hs_additional_emails","hs_merged_object_ids"]}`)
		p := g.results()[c]["properties"].(map[string]any)
		want(t, "survivor", []any{p["hs_additional_emails"], p["hs_merged_object_ids"]}, []any{"b@example.com", a + ";" + b})
		want(t, "one result", len(g.results()), 1)
		if follows {
			want(t, "no error", len(g.errors()), 0)
		} else {
			want(t, "unknown", g.errors()[0]["context"], fmt.Sprintf("map[ids:[%s %s]]", a, b))
		}
		want(t, "old id", ask(t, s, http.MethodGet, contactsPath+"/"+b, "").body["id"], c)
		want(t, "old address", ask(t, s, http.MethodGet, contactsPath+"/b@example.com?idProperty=email", "").body["id"], c)
		want(t, "taken", post(t, s, contactsPath, `{"properties":{"email":"b@example.com"}}`).status, 409)
		want(t, "neither is archived", len(ask(t, s, http.MethodGet, contactsPath+"?archived=true", "").results()), 0)
	}
}

// 25,000 contacts on one millisecond, and all of them edited on another, in well under a second each; section 2.2.
func TestImportAndEditAll(t *testing.T) {
	n := testsize.Of(25_000, 2_500)
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	first, last, err := s.Import(Bulk{Count: n, Properties: map[string]string{"email": "c{n}@example.com", "city": "Ulm"}, First: 5})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "ids", []any{s.value(t, first, "email"), s.value(t, last, "email")}, fmt.Sprintf("[c5@example.com c%d@example.com]", n+4))
	want(t, "changes", len(s.Changes()), 3*n)
	w.pass(time.Minute)
	edited, err := s.EditAll(map[string]string{"city": "Bonn {n}"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "edited", edited, n)
	want(t, "changes", len(s.Changes()), 4*n)
	same := search(t, s, filters(fmt.Sprintf(`{"propertyName":"lastmodifieddate","operator":"BETWEEN","value":"%[1]d","highValue":"%[1]d"}`, w.at.UnixMilli())))
	want(t, "on one millisecond", same.body["total"], n)
	want(t, "of its own", s.value(t, first, "city"), "Bonn "+first)
	_, _, err = s.Import(Bulk{Count: 2, Properties: map[string]string{"email": "again@example.com"}})
	want(t, "the second one is refused", err != nil && strings.Contains(err.Error(), "contact 1: refused as CONFLICT"), true)
	_, _, err = s.Import(Bulk{Count: 10, Properties: map[string]string{"firstname": "F{n}"}, At: w.at.Add(-time.Hour).UnixMilli(), Step: 1000, Quiet: true})
	want(t, "quiet", []any{err, len(s.Changes())}, []any{nil, 4*n + 2})
	old := search(t, s, filters(fmt.Sprintf(`{"propertyName":"createdate","operator":"BETWEEN","value":"%d","highValue":"%d"}`, w.at.Add(-time.Hour).UnixMilli(), w.at.Add(-time.Hour+9*time.Second).UnixMilli())))
	want(t, "an hour ago, a second each", old.body["total"], 10)
}

// The same over the admin paths.
func TestAdminPeople(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	do := func(path, body string, status int) got {
		t.Helper()
		g := post(t, s, AdminPath+"/"+path, body)
		if g.status != status {
			t.Fatalf("%s %s: got %d, want %d: %s", path, body, g.status, status, g.text)
		}
		return g
	}
	a := do("create", `{"properties":{"email":"a@example.com"}}`, 200).body["id"].(string)
	do("create", `{"properties":{"email":"a@example.com"}}`, 400)
	do("edit", `{"email":"a@example.com","properties":{"city":"Ulm"}}`, 200)
	do("archive", `{"id":"`+a+`"}`, 200)
	do("archive", `{"id":"`+a+`"}`, 404)
	do("restore", `{"id":"`+a+`"}`, 200)
	do("restore", `{"id":"`+a+`"}`, 404)
	do("optout", `{"email":"a@example.com"}`, 200)
	do("optout", `{"email":"a@example.com","in":true}`, 200)
	b := do("bulk", `{"count":2,"properties":{"email":"b{n}@example.com"}}`, 200).body["first"].(string)
	want(t, "edited", do("editall", `{"properties":{"city":"Bonn"}}`, 200).body["edited"], 3)
	do("merge", `{"primary":"`+a+`","other":"b0@example.com"}`, 200)
	do("merge", `{"primary":"`+b+`","other":"a@example.com"}`, 400) // they are one already
	do("purge", `{"email":"b1@example.com"}`, 200)
	g := ask(t, s, http.MethodGet, AdminPath+"/changes?since=1", "")
	var kinds []string
	for line := range strings.Lines(g.text) {
		kinds = append(kinds, strings.Split(line, `"`)[3])
	}
	want(t, "changes", kinds, "[updated updated archived restored optout optin created updated created updated updated updated updated merged purged]")
	do("clock", `{"skew":"-1h"}`, 200)
	want(t, "clock", ask(t, s, http.MethodGet, AdminPath+"/clock", "").body["skew"], "-1h0m0s")
	do("clock", `{"skew":"soon"}`, 400)
	do("index", `{"lag":"5s","spread":"30m"}`, 200)
	want(t, "index", []any{s.indexLag, s.indexSpread}, "[5s 30m0s]")
	do("index", `{"lag":"-5s"}`, 400)
}
