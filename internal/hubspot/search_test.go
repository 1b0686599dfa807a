package hubspot

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
)

// window is the search of a scan: a time window and ids above the last.
func window(after string) SearchRequest {
	return SearchRequest{
		Filters: []Filter{
			{Property: "lastmodifieddate", Operator: "BETWEEN", Value: "1000", HighValue: "4102444800000"},
			{Property: "hs_object_id", Operator: "GT", Value: after},
		},
		Properties: []string{"email", "hs_email_optout"}, Limit: 2,
	}
}

// A scan by id finds every contact once, says when it is at its end, and dates each answer by HubSpot's clock.
func TestSearchScan(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	ids := seed(t, c, "a@example.com", "b@example.com", "c@example.com", "d@example.com", "e@example.com")
	var got []lead.ContactID
	last := lead.ContactID("0")
	for _, want := range []struct{ hits, total int }{{2, 5}, {2, 3}, {1, 1}} {
		page, err := c.Search(t.Context(), window(string(last)))
		if err != nil || len(page.Contacts) != want.hits || page.Total != want.total || page.After != "" || page.Date.IsZero() {
			t.Fatalf("after %s: %+v, %v, want %+v", last, page, err, want)
		}
		if lag := time.Since(page.Date); lag < -2*time.Second || lag > time.Minute {
			t.Errorf("the answer is dated %s", page.Date)
		}
		for _, one := range page.Contacts {
			if shown(one, "email") == "" {
				t.Errorf("no address in %+v", one)
			}
			got, last = append(got, one.ID), one.ID
		}
	}
	all := make([]lead.ContactID, 0, len(ids))
	for _, id := range ids {
		all = append(all, id)
	}
	slices.Sort(all)
	if !slices.Equal(got, all) {
		t.Errorf("found %v of %v", got, all)
	}
	if err := sim.Archive(hubspotsim.Target{ID: string(last)}); err != nil {
		t.Fatal(err)
	}
	if page, err := c.Search(t.Context(), window(string(all[3]))); err != nil || len(page.Contacts) != 0 || page.Total != 0 {
		t.Errorf("archived: %+v, %v", page, err)
	}
}

func TestListScan(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	ids := seed(t, c, "a@example.com", "b@example.com", "c@example.com", "gone@example.com")
	if err := sim.Archive(hubspotsim.Target{Email: "gone@example.com"}); err != nil {
		t.Fatal(err)
	}
	var seen []string
	r := ListRequest{Limit: 2, Properties: []string{"email"}}
	for pages := 1; ; pages++ {
		page, err := c.List(t.Context(), r)
		if err != nil || page.Total != 0 || page.Date.IsZero() {
			t.Fatalf("page %d: %+v, %v", pages, page, err)
		}
		for _, one := range page.Contacts {
			seen = append(seen, shown(one, "email"))
		}
		if r.After = page.After; r.After == "" {
			if pages != 2 {
				t.Errorf("%d pages", pages)
			}
			break
		}
	}
	if !slices.Equal(seen, []string{"a@example.com", "b@example.com", "c@example.com"}) {
		t.Errorf("seen %v", seen)
	}
	page, err := c.List(t.Context(), ListRequest{Archived: true})
	if err != nil || len(page.Contacts) != 1 || page.Contacts[0].ID != ids["gone@example.com"] || !page.Contacts[0].Archived || page.Contacts[0].ArchivedAt.IsZero() {
		t.Errorf("archived: %+v, %v", page, err)
	}
}

// What a search sends: one group, sorted by id, no cursor, and nothing where a filter has no value.
func TestSearchBody(t *testing.T) {
	var body string
	c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(req.Body)
		body = string(raw)
		return reply(req, 200, `{"total":0,"results":[]}`), nil
	}))
	for _, tc := range []struct {
		r    SearchRequest
		want string
	}{
		{window("51"), `{"filterGroups":[{"filters":[{"propertyName":"lastmodifieddate","operator":"BETWEEN","value":"1000","highValue":"4102444800000"},` +
			`{"propertyName":"hs_object_id","operator":"GT","value":"51"}]}],"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":["email","hs_email_optout"],"limit":2}`},
		{SearchRequest{Filters: []Filter{{Property: "hs_merged_object_ids", Operator: "HAS_PROPERTY"}, {Property: "hs_object_id", Operator: "IN", Values: []string{"1", "2"}}}},
			`{"filterGroups":[{"filters":[{"propertyName":"hs_merged_object_ids","operator":"HAS_PROPERTY"},{"propertyName":"hs_object_id","operator":"IN","values":["1","2"]}]}],` +
				`"sorts":[{"propertyName":"hs_object_id","direction":"ASCENDING"}],"properties":[],"limit":200}`},
	} {
		if _, err := c.Search(t.Context(), tc.r); err != nil || body != tc.want {
			t.Errorf("sent %s, %v\nwant %s", body, err, tc.want)
		}
	}
}

// The 3,000th character is sent, the next is not. Characters count, not bytes.
func TestSearchSize(t *testing.T) {
	sent := 0
	c := clientOf(t, roundTrip(func(req *http.Request) (*http.Response, error) {
		raw, _ := io.ReadAll(req.Body)
		sent = len(raw)
		return reply(req, 200, `{"total":0,"results":[]}`), nil
	}))
	r := SearchRequest{Filters: []Filter{{Property: "lastname", Operator: "EQ", Value: ""}}}
	empty := len(encodeSearch(SearchRequest{Filters: []Filter{{Property: "lastname", Operator: "EQ", Value: "x"}}}, MaxSearchPage)) - 1
	for _, letter := range []string{"x", "å"} {
		sent = 0
		r.Filters[0].Value = strings.Repeat(letter, maxSearchBody-empty)
		if _, err := c.Search(t.Context(), r); err != nil || sent != empty+(maxSearchBody-empty)*len(letter) {
			t.Errorf("%d characters: %v, %d bytes sent", maxSearchBody, err, sent)
		}
		sent = 0
		r.Filters[0].Value += letter
		if _, err := c.Search(t.Context(), r); !errors.Is(err, ErrMisuse) || sent != 0 || strings.Contains(err.Error(), letter+letter) {
			t.Errorf("%d characters: %v, %d bytes sent", maxSearchBody+1, err, sent)
		}
	}
}

// What a scan would take for its end must be HubSpot's word: an answer without results, without total, with results
// that have no id, or with a cursor that cannot be read, is an error that passes.
func TestGarbledPages(t *testing.T) {
	const one = `{"id":"51","properties":{"email":"ada@example.com"}}`
	search := func(c *Client) (*Page, error) { return c.Search(t.Context(), window("0")) }
	list := func(c *Client) (*Page, error) { return c.List(t.Context(), ListRequest{}) }
	for _, tc := range []struct {
		name string
		call func(*Client) (*Page, error)
		body string
		want string // ids, "" = garbled
	}{
		{"search", search, `{"total":1,"results":[` + one + `]}`, "51"},
		{"search, another type of total and id", search, `{"total":"2","results":[{"id":51,"properties":{"age":7},"archived":"false","updatedAt":1}]}`, "51"},
		{"search, nothing found", search, `{"total":0,"results":[]}`, "none"},
		{"search, {}", search, `{}`, ""},
		{"search, results null", search, `{"total":0,"results":null}`, ""},
		{"search, results no list", search, `{"total":0,"results":{}}`, ""},
		{"search, no total", search, `{"results":[` + one + `]}`, ""},
		{"search, total is no number", search, `{"total":"many","results":[` + one + `]}`, ""},
		{"search, total below the results", search, `{"total":0,"results":[` + one + `]}`, ""},
		{"search, no id", search, `{"total":2,"results":[` + one + `,{"properties":{}}]}`, ""},
		{"search, a result that is none", search, `{"total":2,"results":[` + one + `,null]}`, ""},
		{"search, cut", search, `{"total":1,"results":[` + one, ""},
		{"list", list, `{"results":[` + one + `]}`, "51"},
		{"list, more", list, `{"results":[` + one + `],"paging":{"next":{"after":"52","link":"x"}}}`, "51 52"},
		{"list, cursor as a number", list, `{"results":[` + one + `],"paging":{"next":{"after":52}}}`, "51 52"},
		{"list, paging null", list, `{"results":[` + one + `],"paging":null}`, "51"},
		{"list, next null", list, `{"results":[],"paging":{"next":null,"prev":{}}}`, "none"},
		{"list, {}", list, `{}`, ""},
		{"list, no cursor in next", list, `{"results":[` + one + `],"paging":{"next":{}}}`, ""},
		{"list, paging no object", list, `{"results":[` + one + `],"paging":"x"}`, ""},
		{"list, no id", list, `{"results":[{"id":""}]}`, ""},
	} {
		page, err := tc.call(answering(t, 200, tc.body))
		if tc.want == "" {
			if Classify(err) != ClassTransient || OutcomeUnknown(err) || page != nil {
				t.Errorf("%s: %+v, %v", tc.name, page, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		got := []string{}
		for _, c := range page.Contacts {
			got = append(got, string(c.ID))
		}
		if page.After != "" {
			got = append(got, page.After)
		}
		if text := strings.Join(got, " "); text != strings.TrimPrefix(tc.want, "none") {
			t.Errorf("%s: %q, want %q", tc.name, text, tc.want)
		}
	}
}

// History comes newest first, whatever order and types it arrives in, in a batch read only.
func TestHistory(t *testing.T) {
	revisions := `[{"value":"old","timestamp":"2026-11-20T10:00:00.000Z","sourceType":"CRM_UI","sourceId":"userId:12"},
		{"value":VALUE,"timestamp":TIME,"sourceType":"INTEGRATION","sourceId":ID}]`
	at := time.Date(2026, 11, 22, 8, 0, 0, 123e6, time.UTC)
	for name, swap := range map[string][]string{
		"as published": {"VALUE", `"7"`, "TIME", `"2026-11-22T08:00:00.123Z"`, "ID", `"5670736"`},
		"other types":  {"VALUE", `7`, "TIME", fmt.Sprint(at.UnixMilli()), "ID", `5670736`},
	} {
		list := strings.NewReplacer(swap...).Replace(revisions)
		got, err := answering(t, 200, `{"results":[{"id":"51","properties":{},"archivedAt":null,"propertiesWithHistory":{"phone":`+list+`,"fax":[]}}]}`).
			BatchRead(t.Context(), ReadRequest{IDs: []string{"51"}, History: []string{"phone", "fax"}})
		if err != nil || len(got.Results) != 1 || !got.Results[0].ArchivedAt.IsZero() {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		want := []Revision{{"7", at, "INTEGRATION", "5670736"}, {"old", time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), "CRM_UI", "userId:12"}}
		have := got.Results[0].History["phone"]
		for i := range have {
			have[i].At = have[i].At.UTC()
		}
		if !reflect.DeepEqual(have, want) || len(got.Results[0].History["fax"]) != 0 {
			t.Errorf("%s: %+v", name, got.Results[0].History)
		}
	}
}

func TestHistoryOfThePortal(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	id := seed(t, c, "ada@example.com")["ada@example.com"]
	for i, phone := range []string{"1", "2"} {
		if _, err := c.BatchUpdate(t.Context(), []Input{row(fmt.Sprint("u", i), string(id), "phone", phone)}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{string(id)}, Properties: []string{"phone"}, History: []string{"phone"}})
	if err != nil || len(got.Results) != 1 || got.Date.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
	list := got.Results[0].History["phone"]
	if len(list) < 2 || list[0].Value != "2" || list[1].Value != "1" || list[0].SourceType != "INTEGRATION" || list[0].At.IsZero() {
		t.Errorf("history %+v", list)
	}
}

// A Date header that is none, or missing, is no time and no error.
func TestDateHeader(t *testing.T) {
	for header, want := range map[string]time.Time{
		"Sun, 22 Nov 2026 08:00:00 GMT": time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), "yesterday": {}, "": {},
	} {
		c := answering(t, 200, `{"total":0,"results":[]}`, "Date", header)
		page, err := c.Search(t.Context(), window("0"))
		if err != nil || !page.Date.Equal(want) {
			t.Errorf("%q: %v, %v", header, page, err)
		}
		if got, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{"1"}}); err != nil || !got.Date.Equal(want) {
			t.Errorf("%q: %v, %v", header, got, err)
		}
	}
}
