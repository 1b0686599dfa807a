package hubspotsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// innerNames are the properties in the JSON array that an invalid-values message carries.
func innerNames(t *testing.T, message any) []string {
	t.Helper()
	text, ok := strings.CutPrefix(fmt.Sprint(message), "Property values were not valid: ")
	if !ok {
		t.Fatalf("message: %v", message)
	}
	var list []struct {
		IsValid     bool
		Name, Error string
		PortalID    int64
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range list {
		if one.IsValid || one.PortalID == 0 {
			t.Errorf("inner entry %+v", one)
		}
		names = append(names, one.Name+"="+one.Error)
	}
	return names
}

// Without trace ids one bad input refuses the whole batch; https://github.com/rudderlabs/rudder-transformer/pull/3308
func TestBatchWithoutTraceIdsIsAllOrNothing(t *testing.T) {
	for _, op := range []string{"create", "upsert"} {
		s := newSim(t, Config{})
		key := ""
		if op == "upsert" {
			key = `,"idProperty":"email"`
		}
		g := batch(t, s, op, false,
			`{"id":"a@example.com","properties":{"email":"a@example.com"}`+key+`}`,
			`{"id":"b@example.com","properties":{"email":"b@example.com","nope":"1","createdate":"2","lifecyclestage":"king"}`+key+`}`,
			`{"id":"c@example.com","properties":{"email":"c@example.comtttt"}`+key+`}`)
		want(t, "status", g.status, 400)
		want(t, "category", g.body["category"], "VALIDATION_ERROR")
		want(t, "all bad values", innerNames(t, g.body["message"]),
			"[createdate=READ_ONLY_VALUE lifecyclestage=INVALID_OPTION nope=PROPERTY_DOESNT_EXIST email=INVALID_EMAIL]")
		want(t, "errors", len(g.errors()), 4)
		want(t, "first error", g.errors()[2], `map[code:PROPERTY_DOESNT_EXIST context:map[propertyName:[nope]] message:Property "nope" does not exist]`)
		want(t, "contacts", len(s.Contacts()), 0)
	}
}

// Trace ids must be on every input and unique; https://developers.hubspot.com/docs/api-reference/error-handling
func TestTraceIdsMustBeUniqueOnEveryInput(t *testing.T) {
	s := newSim(t, Config{})
	for _, ids := range [][2]string{{`"x"`, `"x"`}, {`"x"`, `""`}, {`null`, `"x"`}} {
		g := post(t, s, contactsPath+"/batch/create", `{"inputs":[{"properties":{"email":"a@example.com"},"objectWriteTraceId":`+ids[0]+
			`},{"properties":{"email":"bad"},"objectWriteTraceId":`+ids[1]+`}]}`)
		want(t, "status", g.status, 400)
	}
	want(t, "contacts", len(s.Contacts()), 0)
	want(t, "untraced", s.Stats().Untraced, 3)
}

func TestBatchWithTraceIdsFailsPerRow(t *testing.T) {
	for _, q := range []Quirks{{}, {Partial200: true, DetailedRowErrors: true, TraceOnSuccess: true}} {
		s := newSim(t, Config{Quirks: q})
		old := s.mustCreate(t, `{"email":"Old@Example.com"}`)
		g := batch(t, s, "create", true,
			`{"properties":{"email":"A@Example.com","firstname":"Ada"}}`,
			`{"properties":{"email":"bad@","age":"x"}}`,
			`{"properties":{"email":"old@example.com"}}`,
			`{"properties":{"email":"a@example.com"}}`)
		status := map[bool]int{false: 207, true: 201}[q.Partial200]
		want(t, "status", g.status, status)
		want(t, "envelope", []any{g.body["status"], g.body["numErrors"]}, "[COMPLETE 3]")
		var made map[string]any
		for _, r := range g.results() {
			made = r
		}
		props := made["properties"].(map[string]any)
		want(t, "lower-cased", props["email"], "a@example.com")
		want(t, "default stage", props["lifecyclestage"], "lead")
		want(t, "id", props["hs_object_id"], made["id"])
		trace, echoed := made["objectWriteTraceId"]
		want(t, "trace id of a success", []any{trace, echoed}, map[bool]string{false: "[<nil> false]", true: "[row-0 true]"}[q.TraceOnSuccess])
		for i, e := range g.errors() {
			want(t, "trace id", e["context"], fmt.Sprintf("map[objectWriteTraceId:[row-%d]]", i+1))
			want(t, "entry", []any{e["status"], e["links"]}, "[error map[]]")
		}
		want(t, "invalid", innerNames(t, g.errors()[0]["message"]), "[age=PROPERTY_DOESNT_EXIST email=INVALID_EMAIL]")
		want(t, "details", len(g.errors()[0]["errors"].([]any)), map[bool]int{false: 0, true: 2}[q.DetailedRowErrors])
		want(t, "conflict", []any{g.errors()[1]["category"], g.errors()[1]["message"]}, "[CONFLICT Contact already exists. Existing ID: "+old+"]")
		want(t, "conflict within the batch", g.errors()[2]["message"], "Contact already exists. Existing ID: "+made["id"].(string))
		want(t, "contacts", len(s.Contacts()), 2)
	}
}

// https://github.com/HubSpot/hubspot-api-python/issues/51 and https://github.com/Joystream/youtube-synch/pull/355
func TestBatchCreateOfKnownAddressWithoutTraceIds(t *testing.T) {
	s := newSim(t, Config{})
	first := s.mustCreate(t, `{"email":"a@example.com"}`)
	s.mustCreate(t, `{"email":"b@example.com"}`)
	g := batch(t, s, "create", false, `{"properties":{"email":"n@example.com"}}`, `{"properties":{"email":"a@example.com"}}`, `{"properties":{"email":"b@example.com"}}`)
	want(t, "answer", []any{g.status, g.body["category"], g.body["message"]}, "[409 CONFLICT Contact already exists. Existing ID: "+first+"]")
	g = batch(t, s, "create", false, `{"properties":{"email":"n@example.com"}}`, `{"properties":{"email":"N@example.com"}}`)
	want(t, "two of one address", []any{g.status, g.body["category"]}, "[409 CONFLICT]")
	want(t, "contacts", len(s.Contacts()), 2)
}

// https://github.com/rudderlabs/rudder-transformer: the exact body.
func TestDuplicateIdsRefuseTheBatch(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	for _, traced := range []bool{false, true} {
		g := batch(t, s, "update", traced, `{"id":"`+id+`","properties":{"firstname":"A"}}`, `{"id":"`+id+`","properties":{"firstname":"B"}}`)
		want(t, "status", g.status, 400)
		delete(g.body, "correlationId")
		want(t, "body", g.body, "map[category:VALIDATION_ERROR context:map[ids:["+id+"]] message:Duplicate IDs found in batch input: ["+id+"]. IDs must be unique status:error]")
	}
	want(t, "unwritten", s.value(t, id, "firstname"), "")
	for _, folds := range []bool{false, true} {
		if err := s.SetQuirks(Quirks{DuplicateFoldsCase: folds}); err != nil {
			t.Fatal(err)
		}
		g := batch(t, s, "upsert", true, `{"id":"x@example.com","idProperty":"email","properties":{}}`, `{"id":"X@example.com","idProperty":"email","properties":{}}`)
		want(t, fmt.Sprint("case folds ", folds), g.status, map[bool]int{false: 200, true: 400}[folds])
	}
}

// https://github.com/HubSpot/hubspot-api-php/issues/619: one entry names all of them.
func TestMissingIdsShareOneError(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com"}`)
	for _, op := range []string{"update", "read"} {
		g := batch(t, s, op, op == "update", `{"id":"999001","properties":{}}`, `{"id":"`+id+`","properties":{"firstname":"A"}}`, `{"id":"999002","properties":{}}`)
		want(t, "status", []any{g.status, g.body["numErrors"], len(g.results())}, "[207 1 1]")
		e := g.errors()[0]
		want(t, "error", []any{e["category"], e["message"], e["context"]},
			"[OBJECT_NOT_FOUND Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid. map[ids:[999001 999002]]]")
	}
	want(t, "written", s.value(t, id, "firstname"), "A")
}

func TestBatchUpdateOddKeys(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "app_lead_id", HasUniqueValue: true}}})
	id := s.mustCreate(t, `{"email":"a@example.com","app_lead_id":"7"}`)
	// https://github.com/HubSpot/hubspot-api-nodejs/issues/548
	g := batch(t, s, "update", true, `{"id":"a@example.com","properties":{"firstname":"A"}}`)
	want(t, "by address without idProperty", []any{g.status, len(g.results()), len(g.errors())}, "[200 0 0]")
	want(t, "nothing changed", s.value(t, id, "firstname"), "")
	for _, name := range []string{"email", "hs_object_id", "firstname", "nope"} {
		g = batch(t, s, "update", true, `{"id":"a@example.com","idProperty":"`+name+`","properties":{"firstname":"A"}}`)
		want(t, name, []any{g.status, g.body["message"]}, "[400 Unable to perform update/upsert by non-unique 0-1 property]")
	}
	g = batch(t, s, "upsert", true, `{"id":"`+id+`","idProperty":"hs_object_id","properties":{"firstname":"A"}}`)
	want(t, "upsert by record id", g.status, 400)
	g = batch(t, s, "update", true, `{"id":"7","idProperty":"app_lead_id","properties":{"firstname":"A"}}`)
	want(t, "by unique property", []any{g.status, len(g.results())}, "[200 1]")
	want(t, "changed", s.value(t, id, "firstname"), "A")
}

func TestBatchLimits(t *testing.T) {
	s := newSim(t, Config{})
	var inputs []string
	for i := range 101 {
		inputs = append(inputs, fmt.Sprintf(`{"id":"c%d@example.com","idProperty":"email","properties":{"email":"c%d@example.com"}}`, i, i))
	}
	for _, op := range []string{"create", "update", "upsert", "read", "archive"} {
		want(t, op, batch(t, s, op, false, slices.Clone(inputs)...).status, 400)
	}
	want(t, "contacts", len(s.Contacts()), 0)
	// https://github.com/rudderlabs/rudder-transformer/pull/5147
	for _, body := range []string{`{}`, `{"inputs":[]}`, `{"input":[{"properties":{"email":"a@example.com"}}]}`} {
		g := post(t, s, contactsPath+"/batch/create", body)
		want(t, body, []any{g.status, g.body["status"], g.body["results"]}, "[200 COMPLETE []]")
	}
	for _, body := range []string{`{`, `[]`, `{"inputs":[{"properties":{"email":{"a":1}}}]}`, ``} {
		want(t, body, post(t, s, contactsPath+"/batch/create", body).status, 400)
	}
	want(t, "contacts", len(s.Contacts()), 0)
}

// https://github.com/HubSpot/hubspot-api-nodejs/issues/190
func TestResultsAreShuffled(t *testing.T) {
	s := newSim(t, Config{})
	var inputs []string
	for i := range 50 {
		inputs = append(inputs, fmt.Sprintf(`{"properties":{"email":"c%d@example.com"}}`, i))
	}
	g := batch(t, s, "create", true, inputs...)
	var ids []string
	for _, one := range g.body["results"].([]any) {
		ids = append(ids, one.(map[string]any)["id"].(string))
	}
	want(t, "results", len(ids), 50)
	if slices.IsSorted(ids) {
		t.Error("results are in input order")
	}
}

func TestUpsert(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "app_lead_id", HasUniqueValue: true}}})
	g := batch(t, s, "upsert", true,
		`{"id":"A@example.com","idProperty":"email","properties":{"firstname":"Ada"}}`,
		`{"id":"17","idProperty":"app_lead_id","properties":{"email":"b@example.com"}}`)
	want(t, "created", []any{g.status, len(g.results())}, "[200 2]")
	for _, r := range g.results() {
		want(t, "new", r["new"], true)
	}
	g = batch(t, s, "upsert", true,
		`{"id":"a@example.com","idProperty":"email","properties":{"lastname":"L"}}`,
		`{"id":"17","idProperty":"app_lead_id","properties":{"lastname":"M"}}`,
		`{"id":"18","idProperty":"app_lead_id","properties":{"email":"a@example.com"}}`)
	want(t, "status", []any{g.status, len(g.results()), len(g.errors())}, "[207 2 1]")
	for _, r := range g.results() {
		want(t, "new", r["new"], false)
	}
	want(t, "address of another contact", g.errors()[0]["category"], "CONFLICT")
	want(t, "contacts", len(s.Contacts()), 2)
	for _, c := range s.Contacts() {
		if c.Properties["app_lead_id"] == "" {
			want(t, "kept by default", c.Properties["firstname"], "Ada")
		}
	}
	// The other answer to "partial upserts are not supported".
	if err := s.SetQuirks(Quirks{UpsertByEmailBlanks: true}); err != nil {
		t.Fatal(err)
	}
	batch(t, s, "upsert", true, `{"id":"a@example.com","idProperty":"email","properties":{"city":"Ulm"}}`, `{"id":"17","idProperty":"app_lead_id","properties":{"city":"Ulm"}}`)
	for _, c := range s.Contacts() {
		want(t, "blanked by address only", c.Properties["lastname"], map[bool]string{true: "", false: "M"}[c.Properties["app_lead_id"] == ""])
		want(t, "city", c.Properties["city"], "Ulm")
	}
}

func TestUniqueValueTaken(t *testing.T) {
	s := newSim(t, Config{Properties: []Property{{Name: "app_lead_id", HasUniqueValue: true}}})
	a := s.mustCreate(t, `{"email":"a@example.com","app_lead_id":"7"}`)
	g := post(t, s, contactsPath, `{"properties":{"email":"b@example.com","app_lead_id":"7"}}`)
	want(t, "status", g.status, 400)
	if !strings.Contains(g.text, "already has that value") {
		t.Errorf("text: %s", g.text)
	}
	ask(t, s, http.MethodPatch, contactsPath+"/"+a, `{"properties":{"app_lead_id":"8"}}`)
	want(t, "freed value", post(t, s, contactsPath, `{"properties":{"email":"b@example.com","app_lead_id":"7"}}`).status, 201)
}

// Whole400: the batch is refused although every row has a trace id.
func TestWhole400(t *testing.T) {
	for mode, names := range map[string]int{"named": 1, "unnamed": 0} {
		s := newSim(t, Config{Quirks: Quirks{Whole400: mode}})
		g := batch(t, s, "create", true, `{"properties":{"email":"a@example.com"}}`, `{"properties":{"email":"bad"}}`)
		want(t, mode, []any{g.status, len(g.errors())}, []any{400, names})
		want(t, "contacts", len(s.Contacts()), 0)
		want(t, "good batch", batch(t, s, "create", true, `{"properties":{"email":"a@example.com"}}`).status, 201)
	}
}

func TestUpdateAnswerShows(t *testing.T) {
	for _, only := range []bool{false, true} {
		s := newSim(t, Config{Quirks: Quirks{DefaultsOnly: only}})
		id := s.mustCreate(t, `{"email":"a@example.com"}`)
		g := batch(t, s, "update", true, `{"id":"`+id+`","properties":{"city":"Ulm"}}`)
		city, shown := g.results()[id]["properties"].(map[string]any)["city"]
		want(t, "city", []any{city, shown}, map[bool]string{false: "[Ulm true]", true: "[<nil> false]"}[only])
	}
}

// Rows that hold their values already are written without a change, and counted.
func TestUnchangedRowsAreCounted(t *testing.T) {
	s := newSim(t, Config{})
	id := s.mustCreate(t, `{"email":"a@example.com","city":"Ulm"}`)
	batch(t, s, "update", true, `{"id":"`+id+`","properties":{"city":"Ulm"}}`)
	batch(t, s, "update", true, `{"id":"`+id+`","properties":{"city":"Bonn"}}`)
	st := s.Stats()
	want(t, "rows", []int{st.Created, st.Updated, st.Unchanged, st.WriteRequests}, []int{1, 1, 1, 3})
}
