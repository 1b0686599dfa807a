package hubspotsim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The limits of search. https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm, read 2026-11-22.
// The description allows 6 groups and a changelog 10 filters in a group and 25 in all
// (https://developers.hubspot.com/changelog/breaking-change-expanded-filtering-capabilities-and-error-messaging-in-hubspots-search-api):
// the guide's are the smallest, so whoever keeps them is right everywhere.
const (
	searchPage    = 200
	searchWindow  = 10_000
	searchBody    = 3_000 // characters; of the whole body, the stricter reading
	searchGroups  = 5
	searchFilters = 6 // in a group
	searchAll     = 18
	searchSorts   = 1
)

type searchRequest struct {
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Sorts []struct {
		Name      string `json:"propertyName"`
		Direction string `json:"direction"`
	} `json:"sorts"`
	Properties []string `json:"properties"`
	Limit      int      `json:"limit"`
	After      scalar   `json:"after"`
}

// badSearch says what is wrong with a request, or "".
func (in *searchRequest) badSearch(body []byte) string {
	all := 0
	for _, g := range in.Groups {
		if all += len(g.Filters); len(g.Filters) > searchFilters {
			return "A filter group can have at most " + itoa(searchFilters) + " filters"
		}
	}
	switch {
	case utf8.RuneCount(body) > searchBody:
		return "The request body is longer than " + itoa(searchBody) + " characters"
	case len(in.Groups) > searchGroups:
		return "A search can have at most " + itoa(searchGroups) + " filter groups"
	case all > searchAll:
		return "A search can have at most " + itoa(searchAll) + " filters"
	case len(in.Sorts) > searchSorts:
		return "A search can have one sort only"
	}
	return ""
}

// searchCall is a simple search: it looks at every live contact as the index has it. Archived contacts are never
// returned. Groups are alternatives, the filters in one must all hold. A hit shows the values of the index too.
func (s *Sim) searchCall(c *call) reply {
	var in searchRequest
	if err := json.Unmarshal(c.body, &in); err != nil {
		return c.badRequest(errBody.Error())
	}
	if wrong := in.badSearch(c.body); wrong != "" {
		return c.badRequest(wrong)
	}
	limit := cmp.Or(in.Limit, 10)
	after := 0
	if in.After.text != "" {
		n, err := strconv.Atoi(in.After.text)
		if err != nil || n < 0 {
			return c.badRequest("after is not a paging cursor")
		}
		after = n
	}
	if limit < 1 || limit > searchPage || after+limit > searchWindow {
		return c.badRequest("limit or after is beyond what search allows")
	}
	var order *property
	if len(in.Sorts) > 0 {
		if order = s.usable(in.Sorts[0].Name); order == nil {
			return c.badRequest("There was a problem with the request: unknown sort property")
		}
	}
	groups, from, ok := s.compileAll(&in)
	if !ok {
		// https://github.com/estuary/connectors, source-hubspot-native, shared.py: epoch 0 is answered so
		return c.refuse(http.StatusInternalServerError, problem{Message: "internal error"})
	}
	falling := order != nil && in.Sorts[0].Direction == "DESCENDING"
	byID := !falling && (order == nil || order.Name == "hs_object_id") // the order they are kept in
	hits := s.hits(groups, from, c.now, byID)
	if !byID {
		s.sortHits(hits, order, falling, c.now)
	}
	c.shown = in.Properties
	b := []byte(`{"total":` + itoa(len(hits)) + `,"results":[`)
	end := min(after+limit, len(hits))
	for _, one := range hits[min(after, len(hits)):end] {
		s.stats.Read++
		if v, ok := s.viewOf(one, c.now); ok && !s.quirks.SearchShowsNow {
			c.seen = &v
		}
		b = s.appendResult(comma(b), c, &outcome{c: one})
	}
	b = append(b, ']')
	if end < len(hits) {
		b = append(appendKey(b, "paging"), mustJSON(map[string]any{"next": map[string]string{"after": itoa(end)}})...)
	}
	return reply{status: http.StatusOK, body: append(b, '}')}
}

// compileAll makes the filter groups ready. from is the smallest id that can be a hit: in the one group there is, ids
// above a bound. ok is false for epoch 0 in a time.
func (s *Sim) compileAll(in *searchRequest) (groups [][]condition, from int64, ok bool) {
	groups = make([][]condition, len(in.Groups))
	for i, g := range in.Groups {
		for _, f := range g.Filters {
			one, ok := s.compile(f)
			if !ok {
				return nil, 0, false
			}
			if len(in.Groups) == 1 && one.Operator == "GT" && one.isID() {
				from = max(from, one.low+1)
				continue
			}
			groups[i] = append(groups[i], one)
		}
	}
	return groups, from, true
}

// hits are the live contacts that the index shows and that fit, by rising id. The caller may sort them when keep is
// false.
func (s *Sim) hits(groups [][]condition, from, now int64, keep bool) []*contact {
	scan := func(from int64) []*contact {
		var hits []*contact
		start, _ := s.position(from)
		for _, one := range s.ordered[start:] {
			if one.archivedAt != 0 {
				continue
			}
			if v, ok := s.viewOf(one, now); ok && s.matches(groups, one, &v) {
				hits = append(hits, one)
			}
		}
		return hits
	}
	if !keep || !s.settled(now) {
		return scan(from)
	}
	query := fmt.Sprint(groups) // the filters as sent, and what they were compiled to
	if s.cache.query != query || s.cache.revision != s.revision || s.cache.hits == nil {
		s.cache = hitsCache{query, s.revision, scan(0)}
	}
	start, _ := slices.BinarySearchFunc(s.cache.hits, from, func(c *contact, id int64) int { return cmp.Compare(c.id, id) })
	return s.cache.hits[start:]
}

// sortHits orders what is in the order of ids by one property.
func (s *Sim) sortHits(hits []*contact, by *property, falling bool, now int64) {
	number := by.number
	slices.SortStableFunc(hits, func(a, b *contact) int {
		var order int
		x, _ := s.viewOf(a, now)
		y, _ := s.viewOf(b, now)
		if number != nil {
			order = cmp.Compare(number(a, &x), number(b, &y))
		} else {
			order = compareValues(by, s.indexed(by, a, &x), s.indexed(by, b, &y))
		}
		if falling {
			return -order
		}
		return order
	})
}
