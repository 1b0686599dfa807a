package hubspot

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"leadsync/internal/hubspotsim"
)

// heavies is a portal with contacts of two long texts each: a full page of them is over 16 MiB.
func heavies(t *testing.T, n int) (*hubspotsim.Sim, *Client, []string) {
	t.Helper()
	sim := portal(t, hubspotsim.Config{})
	text := strings.Repeat("é", 65_000)
	ids, _, err := sim.Import(hubspotsim.Bulk{Count: n, Properties: map[string]string{"email": "p{n}@example.com", "message": text, "address": text}})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range sim.Contacts() {
		all = append(all, fmt.Sprint(c.ID))
	}
	_ = ids
	return sim, clientFor(t, sim, nil, nil), all
}

// Whatever is read, an answer over 16 MiB costs requests and never stops a reader: everything is there in the end.
func TestHeavyAnswersAreAskedForInParts(t *testing.T) {
	sim, c, ids := heavies(t, 150)
	props := []string{"email", "message", "address"}
	seen, after := 0, ""
	for {
		r := SearchRequest{Filters: []Filter{{Property: "lastmodifieddate", Operator: "GTE", Value: "1000"}}, Properties: props}
		if after != "" {
			r.Filters = append(r.Filters, Filter{Property: "hs_object_id", Operator: "GT", Value: after})
		}
		page, err := c.Search(t.Context(), r)
		if err != nil {
			t.Fatal("search:", err)
		}
		for _, one := range page.Contacts {
			if len(shown(one, "message")) != 130_000 {
				t.Fatal("a search shows a text that is not whole")
			}
			after = string(one.ID)
		}
		if seen += len(page.Contacts); page.Total <= len(page.Contacts) {
			break
		}
	}
	if seen != len(ids) {
		t.Errorf("searches show %d contacts, want %d", seen, len(ids))
	}
	got, err := c.BatchRead(t.Context(), ReadRequest{IDs: append(ids[:99:99], "99999999"), Properties: props})
	if err != nil || len(got.Results) != 99 || len(got.Errors) != 1 {
		t.Fatalf("batch read: %v, %+v", err, got)
	}
	list, err := c.List(t.Context(), ListRequest{Properties: props})
	if err != nil || len(list.Contacts) == 0 || list.After == "" {
		t.Errorf("list: %v, %+v", err, list)
	}
	if n := sim.Stats().Requests; n > 20 {
		t.Errorf("%d requests", n)
	}
}

// One contact that is too heavy by itself is read property by property.
func TestOneHeavyContactIsReadInParts(t *testing.T) {
	for _, most := range []int{1, 5} { // properties that an answer holds
		c := tooHeavyOver(t, most)
		props := []string{"a", "b", "c", "d", "e", "f", "g"}
		got, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{"7"}, Properties: props})
		if err != nil || len(got.Results) != 1 || len(got.Results[0].Properties) != len(props) {
			t.Fatalf("most %d: batch read: %v, %+v", most, err, got)
		}
		one, err := c.Contact(t.Context(), "7", props, false)
		if err != nil || len(one.Properties) != len(props) {
			t.Fatalf("most %d: contact: %v, %+v", most, err, one)
		}
		page, err := c.Search(t.Context(), SearchRequest{Filters: []Filter{{Property: "x", Operator: "EQ", Value: "1"}}, Properties: props})
		if err != nil || len(page.Contacts) != 1 || len(page.Contacts[0].Properties) > most || len(page.Contacts[0].Properties) == 0 {
			t.Fatalf("most %d: search: %v, %+v", most, err, page)
		}
	}
	c := tooHeavyOver(t, 0)
	if _, err := c.BatchRead(t.Context(), ReadRequest{IDs: []string{"7"}, Properties: []string{"a"}}); !errors.Is(err, ErrAnswerTooLarge) {
		t.Errorf("one property over 16 MiB: %v", err)
	}
}

// More names of properties than an address holds are asked for in several requests.
func TestManyPropertiesFitIntoAddresses(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	id := seed(t, c, "ada@example.com")["ada@example.com"]
	var props []string
	for i := range 500 {
		props = append(props, fmt.Sprintf("a_rather_long_name_of_a_property_%03d", i))
	}
	props = append(props, "firstname")
	one, err := c.Contact(t.Context(), id, props, false)
	if err != nil || shown(*one, "firstname") != "Ada" {
		t.Errorf("%v, %+v", err, one)
	}
	if _, err := c.List(t.Context(), ListRequest{Properties: props}); !errors.Is(err, ErrMisuse) {
		t.Errorf("a list of them: %v", err)
	}
}
