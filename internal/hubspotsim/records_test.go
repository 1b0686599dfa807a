package hubspotsim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func properties(g got) map[string]any {
	m, _ := g.body["properties"].(map[string]any)
	return m
}

// A single create: the object of contacts-and-subscriptions.md section 1.2, times without a fraction of zero.
func TestCreateAnswer(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	g := post(t, s, contactsPath, `{"properties":{"email":"  Ada@Example.COM ","firstname":"Ada","city":null},"associations":[]}`)
	want(t, "status", g.status, 201)
	want(t, "times", []any{g.body["createdAt"], g.body["updatedAt"], g.body["archived"]}, "[2026-11-24T08:00:00Z 2026-11-24T08:00:00Z false]")
	p := properties(g)
	want(t, "values", []any{p["email"], p["firstname"], p["lifecyclestage"], p["hs_object_id"], p["lastname"]}, []any{"ada@example.com", "Ada", "lead", g.body["id"], nil})
	w.pass(1234 * time.Millisecond)
	g = ask(t, s, http.MethodPatch, contactsPath+"/ADA%40example.com?idProperty=email", `{"properties":{"city":"Ulm"}}`)
	want(t, "by address", []any{g.status, g.body["updatedAt"], properties(g)["city"]}, "[200 2026-11-24T08:00:01.234Z Ulm]")
	// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide: one of three is needed.
	for body, status := range map[string]int{`{"properties":{"lastname":"L"}}`: 201, `{"properties":{"firstname":"F"}}`: 201, `{"properties":{"city":"X"}}`: 400, `{"properties":{}}`: 400} {
		want(t, body, post(t, s, contactsPath, body).status, status)
	}
}

// What an answer shows; section 1.2. A requested unknown property is left out, an unset one is null.
func TestGetShowsWhatWasAskedFor(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
	g := ask(t, s, http.MethodGet, contactsPath+"/"+id+"?properties=city,phone&properties=nope", "")
	p := properties(g)
	_, phone := p["phone"]
	_, nope := p["nope"]
	_, email := p["email"]
	want(t, "asked for", []any{p["city"], phone, p["phone"], nope, email}, "[Ulm true <nil> false false]")
	p = properties(ask(t, s, http.MethodGet, contactsPath+"/"+id, ""))
	want(t, "by default", len(p), len(defaultShown))
	// Bodies seen in captures: no category for a number.
	g = ask(t, s, http.MethodGet, contactsPath+"/999999", "")
	want(t, "unknown number", []any{g.status, g.body["message"], g.body["category"]}, "[404 resource not found <nil>]")
	g = ask(t, s, http.MethodGet, contactsPath+"/abc", "")
	want(t, "unknown word", []any{g.status, g.body["message"], g.body["category"]}, "[404 Object not found.  objectId are usually numeric. OBJECT_NOT_FOUND]")
	want(t, "patch of nobody", ask(t, s, http.MethodPatch, contactsPath+"/999999", `{"properties":{"city":"X"}}`).status, 404)
}

// Newest first, an app's writes as INTEGRATION with its id, a person's as CRM_UI; section 2.5.
func TestPropertyHistory(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
	w.pass(time.Second)
	if err := s.Edit(Target{ID: id}, map[string]string{"city": "Bonn"}); err != nil {
		t.Fatal(err)
	}
	g := post(t, s, contactsPath+"/batch/read", `{"inputs":[{"id":"`+id+`"}],"properties":["city"],"propertiesWithHistory":["city","nope"]}`)
	list := g.results()[id]["propertiesWithHistory"].(map[string]any)["city"].([]any)
	want(t, "newest", list[0], "map[sourceId:userId:12345 sourceType:CRM_UI timestamp:2026-11-24T08:00:01Z value:Bonn]")
	want(t, "oldest", list[1], fmt.Sprintf("map[sourceId:%d sourceType:INTEGRATION timestamp:2026-11-24T08:00:00Z value:Ulm]", s.appID))
	for i := range 2 * historyDepth {
		if err := s.Edit(Target{ID: id}, map[string]string{"city": fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	g = ask(t, s, http.MethodGet, contactsPath+"/"+id+"?propertiesWithHistory=city", "")
	want(t, "depth", len(g.body["propertiesWithHistory"].(map[string]any)["city"].([]any)), historyDepth)
}

// null is ignored, "" clears, and a cleared property reads back as "", a never-set one as null; section 3.1.
func TestNullAndEmpty(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
	one := contactsPath + "/" + id
	ask(t, s, http.MethodPatch, one, `{"properties":{"city":null}}`)
	want(t, "null", s.value(t, id, "city"), "Ulm")
	ask(t, s, http.MethodPatch, one, `{"properties":{"city":"","phone":""}}`)
	p := properties(ask(t, s, http.MethodGet, one+"?properties=city,phone,state", ""))
	want(t, "cleared, cleared though never set, never set", []any{p["city"], p["phone"], p["state"]}, []any{"", nil, nil})
	// Numbers and booleans are taken as their text: a number sent to a string property is stored silently.
	ask(t, s, http.MethodPatch, one, `{"properties":{"city":17,"state":true,"annualrevenue":1.50}}`)
	p = properties(ask(t, s, http.MethodGet, one+"?properties=city,state,annualrevenue", ""))
	want(t, "as text", []any{p["city"], p["state"], p["annualrevenue"]}, "[17 true 1.50]")
}

// Merges; section 1.8: a new id, both old ones lead to it, but a batch update of an old id is silently skipped.
func TestMerge(t *testing.T) {
	for _, q := range []Quirks{{}, {MergeKeepsPrimaryID: true}, {ReadFollowsMerges: true, SecondaryMisses: true}} {
		s := newSim(t, Config{Quirks: q})
		a := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
		b := s.mustCreate(t, `{"email":"b@example.com","city":"Bonn","phone":"1"}`)
		bystander := s.mustCreate(t, `{"email":"c@example.com"}`)
		g := post(t, s, contactsPath+"/merge", `{"primaryObjectId":"`+a+`","objectIdToMerge":"`+b+`"}`)
		want(t, "merge", g.status, 200)
		into := g.body["id"].(string)
		want(t, "id kept", into == a, q.MergeKeepsPrimaryID)
		gone := map[bool]string{false: a + ";" + b, true: b}[q.MergeKeepsPrimaryID]
		for _, id := range []string{a, b, into} {
			g = ask(t, s, http.MethodGet, contactsPath+"/"+id+"?properties=email,city,phone,hs_additional_emails,hs_merged_object_ids", "")
			p := properties(g)
			want(t, "by "+id, []any{g.body["id"], p["email"], p["city"], p["phone"], p["hs_additional_emails"], p["hs_merged_object_ids"]},
				[]any{into, "a@example.com", "Ulm", "1", "b@example.com", gone})
		}
		// https://github.com/rudderlabs/rudder-transformer: 200, missing from the results, no error.
		g = batch(t, s, "update", true, `{"id":"`+b+`","properties":{"city":"X"}}`, `{"id":"`+bystander+`","properties":{"city":"Y"}}`)
		want(t, "batch update", []any{g.status, len(g.results()), len(g.errors()), g.body["numErrors"]}, "[200 1 0 <nil>]")
		want(t, "unchanged", s.value(t, into, "city"), "Ulm")
		g = batch(t, s, "read", false, `{"id":"`+b+`"}`)
		want(t, "batch read of the old id", []any{g.status, len(g.results())}, map[bool][]any{false: {207, 0}, true: {200, 1}}[q.ReadFollowsMerges])
		g = post(t, s, contactsPath+"/batch/read", `{"idProperty":"email","inputs":[{"id":"b@example.com"}]}`)
		want(t, "batch read by the second address", len(g.results()), map[bool]int{false: 1, true: 0}[q.SecondaryMisses])
		// The second address is taken, too.
		g = post(t, s, contactsPath, `{"properties":{"email":"B@example.com"}}`)
		want(t, "create with the second address", []any{g.status, g.body["message"]}, "[409 Contact already exists. Existing ID: "+into+"]")
		g = ask(t, s, http.MethodGet, contactsPath+"/b%40example.com?idProperty=email", "")
		want(t, "single get by the second address", g.body["id"], into)
		want(t, "listed", len(s.Contacts()), 2)
		want(t, "with itself", post(t, s, contactsPath+"/merge", `{"primaryObjectId":"`+into+`","objectIdToMerge":"`+into+`"}`).status, 400)
		want(t, "with an old id", post(t, s, contactsPath+"/merge", `{"primaryObjectId":"`+into+`","objectIdToMerge":"`+b+`"}`).status, 404)
		// Once more, so that an old id leads over two steps.
		g = post(t, s, contactsPath+"/merge", `{"primaryObjectId":"`+bystander+`","objectIdToMerge":"`+into+`"}`)
		want(t, "two steps", ask(t, s, http.MethodGet, contactsPath+"/"+b, "").body["id"], g.body["id"])
	}
}

// At most 250 identities; section 4.2 of the limits: 414.
func TestMergeHasAnEnd(t *testing.T) {
	s := newSim(t, Config{})
	into := s.mustCreate(t, `{"email":"m@example.com"}`)
	for i := range maxIdentities {
		one := s.mustCreate(t, fmt.Sprintf(`{"email":"m%d@example.com"}`, i))
		g := post(t, s, contactsPath+"/merge", `{"primaryObjectId":"`+into+`","objectIdToMerge":"`+one+`"}`)
		if g.status == http.StatusRequestURITooLong {
			want(t, "message", g.body["message"], "Cannot have more than 250 identities on a profile")
			return
		}
		into = g.body["id"].(string)
	}
	t.Error("merging had no end")
}

// Changing an address: the old one is freed or kept, a taken one is a conflict; section 1.7.
func TestAddressChange(t *testing.T) {
	for _, q := range []Quirks{{}, {KeepOldAddress: true, TakenIs400: true}} {
		s := newSim(t, Config{Quirks: q})
		a := s.mustCreate(t, `{"email":"a@example.com"}`)
		b := s.mustCreate(t, `{"email":"b@example.com"}`)
		g := ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"email":"B@example.com"}}`)
		want(t, "taken", g.status, map[bool]int{false: 409, true: 400}[q.TakenIs400])
		if !strings.Contains(g.text, b) {
			t.Errorf("the owner is not named: %s", g.text)
		}
		ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"email":"new@example.com"}}`)
		want(t, "kept", s.value(t, a, "hs_additional_emails"), map[bool]string{false: "", true: "a@example.com"}[q.KeepOldAddress])
		want(t, "old one", post(t, s, contactsPath, `{"properties":{"email":"a@example.com"}}`).status, map[bool]int{false: 201, true: 409}[q.KeepOldAddress])
		if q.KeepOldAddress {
			ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"email":"a@example.com"}}`)
			want(t, "swapped back", []string{s.value(t, a, "email"), s.value(t, a, "hs_additional_emails")}, "[a@example.com new@example.com]")
		}
		want(t, "its own address again", ask(t, s, http.MethodPatch, contactsPath+"/"+b, `{"properties":{"email":"b@example.com"}}`).status, 200)
	}
}

// Archived contacts: out of sight, their address free unless the quirk says otherwise; purged ones leave nothing.
func TestArchiveAndPurge(t *testing.T) {
	for _, conflicts := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{ArchivedConflicts: conflicts}})
		a := s.mustCreate(t, `{"email":"a@example.com"}`)
		b := s.mustCreate(t, `{"email":"b@example.com"}`)
		c := s.mustCreate(t, `{"email":"c@example.com"}`)
		want(t, "archive", ask(t, s, http.MethodDelete, contactsPath+"/"+a, "").status, 204)
		want(t, "again", ask(t, s, http.MethodDelete, contactsPath+"/"+a, "").status, 204)
		want(t, "batch", batch(t, s, "archive", false, `{"id":"`+b+`"}`, `{"id":"999999"}`).status, 204)
		want(t, "get", ask(t, s, http.MethodGet, contactsPath+"/"+a, "").status, 404)
		g := ask(t, s, http.MethodGet, contactsPath+"/"+a+"?archived=true", "")
		want(t, "get archived", []any{g.status, g.body["archived"], g.body["archivedAt"] != nil}, "[200 true true]")
		g = ask(t, s, http.MethodGet, contactsPath+"?archived=true", "")
		want(t, "archived list", len(g.results()), 2)
		g = batch(t, s, "update", true, `{"id":"`+a+`","properties":{"city":"X"}}`)
		want(t, "update", []any{g.status, g.errors()[0]["category"]}, "[207 OBJECT_NOT_FOUND]")
		g = post(t, s, contactsPath+"/batch/read?archived=true", `{"inputs":[{"id":"`+b+`"},{"id":"`+c+`"}]}`)
		want(t, "read archived", []any{g.status, len(g.results())}, "[207 1]")
		want(t, "same address", post(t, s, contactsPath, `{"properties":{"email":"a@example.com"}}`).status, map[bool]int{false: 201, true: 409}[conflicts])

		want(t, "gdpr by address", post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"C@example.com","idProperty":"email"}`).status, 204)
		want(t, "gdpr by id", post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"`+b+`"}`).status, 204)
		want(t, "gdpr of nobody", post(t, s, contactsPath+"/gdpr-delete", `{"objectId":"x@example.com","idProperty":"email"}`).status, 204)
		for _, query := range []string{"", "?archived=true"} {
			want(t, "purged"+query, ask(t, s, http.MethodGet, contactsPath+"/"+c+query, "").status, 404)
			want(t, "purged from the bin"+query, ask(t, s, http.MethodGet, contactsPath+"/"+b+query, "").status, 404)
		}
		want(t, "can come back by API", post(t, s, contactsPath, `{"properties":{"email":"c@example.com"}}`).status, 201)
	}
}

// Pages by id: after is the next record, 100 at most, 50 with history; section 2.3.
func TestList(t *testing.T) {
	s := newSim(t, Config{})
	for i := range 25 {
		s.mustCreate(t, fmt.Sprintf(`{"email":"c%02d@example.com"}`, i))
	}
	var ids []string
	after := ""
	for pages := 0; ; pages++ {
		g := ask(t, s, http.MethodGet, contactsPath+"?limit=10"+after, "")
		for _, one := range g.body["results"].([]any) {
			ids = append(ids, one.(map[string]any)["id"].(string))
		}
		paging, more := g.body["paging"].(map[string]any)
		if !more {
			want(t, "pages", pages, 2)
			break
		}
		next := paging["next"].(map[string]any)["after"].(string)
		after = "&after=" + next
	}
	want(t, "contacts", len(ids), 25)
	for query, status := range map[string]int{"limit=100": 200, "limit=101": 400, "limit=0": 400, "limit=x": 400, "after=x": 400,
		"limit=50&propertiesWithHistory=city": 200, "limit=51&propertiesWithHistory=city": 400} {
		want(t, query, ask(t, s, http.MethodGet, contactsPath+"?"+query, "").status, status)
	}
	want(t, "by default", len(ask(t, s, http.MethodGet, contactsPath, "").results()), 10)
}

// The opt-out belongs to the address; section 4.6.
func TestOptout(t *testing.T) {
	w := newWatch()
	s := newSim(t, Config{Clock: w.now})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	s.Optout("A@example.com", true)
	want(t, "flag", s.value(t, id, "hs_email_optout"), "true")
	want(t, "read only", ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"hs_email_optout":"false"}}`).status, 400)
	ask(t, s, http.MethodPatch, contactsPath+"/"+id, `{"properties":{"email":"b@example.com"}}`)
	want(t, "another address", s.value(t, id, "hs_email_optout"), "")
	other := s.mustCreate(t, `{"email":"a@example.com"}`)
	want(t, "the address elsewhere", s.value(t, other, "hs_email_optout"), "true")
	for _, bumps := range []bool{false, true} {
		if err := s.SetQuirks(Quirks{OptoutBumpsModified: bumps}); err != nil {
			t.Fatal(err)
		}
		before := s.value(t, id, "lastmodifieddate")
		w.pass(time.Second)
		s.Optout("b@example.com", !bumps)
		want(t, "modified", s.value(t, id, "lastmodifieddate") != before, bumps)
	}
}

// A batch read gives each contact once, under whatever key, and names its unknown keys together.
func TestBatchReadKeys(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "app_lead_id", HasUniqueValue: true}}})
	id := s.mustCreate(t, `{"email":"a@example.com","app_lead_id":"7"}`)
	g := post(t, s, contactsPath+"/batch/read", `{"idProperty":"email","inputs":[{"id":"A@example.com"},{"id":"a@example.com"},{"id":"n@example.com"}],"properties":["app_lead_id"]}`)
	want(t, "by address", []any{g.status, len(g.body["results"].([]any)), g.errors()[0]["context"]}, "[207 1 map[ids:[n@example.com]]]")
	want(t, "value", g.results()[id]["properties"].(map[string]any)["app_lead_id"], "7")
	g = post(t, s, contactsPath+"/batch/read", `{"idProperty":"app_lead_id","inputs":[{"id":"7"}]}`)
	want(t, "by unique property", len(g.results()), 1)
	g = post(t, s, contactsPath+"/batch/read", `{"idProperty":"city","inputs":[{"id":"7"}]}`)
	want(t, "by another property", g.status, 400)
	g = batch(t, s, "read", false, `{"id":"abc"}`)
	want(t, "a word as id", []any{g.status, len(g.errors())}, "[207 1]")
}
