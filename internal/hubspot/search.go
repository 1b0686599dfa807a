package hubspot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of search. https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm (read 2026-11-22). The
// 3,000 characters are said of the "query" in one place and of the body in another; the body is the stricter reading.
// Six filters in a group is the smallest of three numbers that HubSpot gives.
const (
	MaxSearchPage    = 200
	MaxSearchFilters = 6
	maxSearchBody    = 3000
)

// MaxListPage is the largest page of the list.
// https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide (read 2026-11-22).
const MaxListPage = 100

// Filter is one condition of a search. Which of the values count is up to the operator: Value for EQ, NEQ, LT, LTE, GT
// and GTE, Value and HighValue for BETWEEN, both inclusive, Values for IN and NOT_IN (lower case for texts), none for
// HAS_PROPERTY and NOT_HAS_PROPERTY. Times are milliseconds and start at 1000: 0 was seen to be answered with 500
// (https://github.com/estuary/connectors, source-hubspot-native, shared.py, read 2026-11-22).
type Filter struct {
	Property  string
	Operator  string
	Value     string
	HighValue string
	Values    []string
}

// SearchRequest asks for the contacts that all filters hold for, in one group, sorted by id ascending unless Newest is
// set.
type SearchRequest struct {
	Filters    []Filter
	Properties []string // empty = HubSpot's default set
	Limit      int      // 0 = MaxSearchPage
	// Newest is a property whose largest value comes first; empty = in the order of ids.
	Newest string
}

// ListRequest asks for a page of all contacts.
type ListRequest struct {
	After      string // Page.After of the page before; empty = first page
	Limit      int    // 0 = MaxListPage
	Archived   bool   // true = only archived contacts
	Properties []string
}

// Page is one answer of Search or List. Every contact has an id.
type Page struct {
	Contacts []Contact
	// Total is how many contacts a search found, those of this page included. A scan by id is at its end when Total is not
	// over len(Contacts). List answers none: 0.
	Total int
	After string // List: cursor of the next page, empty on the last; not set by Search
	// Limit is how many contacts the search asked for in the end: fewer than wanted where the answer would have been over
	// 16 MiB.
	Limit int
	Date  time.Time // the Date header, HubSpot's clock in whole seconds; zero when absent
}

// Search finds contacts that are not archived, in the order of their ids. It never pages: a scan asks again for ids
// above the last. What it finds is as old as HubSpot's index, which lags without a bound. It has a budget of its own
// (KindSearch). A request over 3,000 characters is ErrMisuse: fewer properties, or values, fit.
func (c *Client) Search(ctx context.Context, r SearchRequest) (*Page, error) {
	limit, err := pageSize(OpSearch, r.Limit, MaxSearchPage)
	if err != nil {
		return nil, err
	}
	switch n := len(r.Filters); {
	case n == 0:
		return nil, misuse(OpSearch, "no filters") // it would find everybody
	case n > MaxSearchFilters:
		return nil, misuse(OpSearch, fmt.Sprintf("%d filters, over %d", n, MaxSearchFilters))
	}
	for _, f := range r.Filters {
		if f.Property == "" || f.Operator == "" {
			return nil, misuse(OpSearch, "a filter without property or operator")
		}
	}
	return c.searchLighter(ctx, r, limit)
}

func (c *Client) search(ctx context.Context, r SearchRequest, limit int) (*Page, error) {
	body := encodeSearch(r, limit)
	if n := utf8.RuneCount(body); n > maxSearchBody {
		return nil, misuse(OpSearch, fmt.Sprintf("%d characters, over %d", n, maxSearchBody))
	}
	got, err := c.do(ctx, OpSearch, http.MethodPost, fmt.Sprintf(pathContacts, c.version)+"/search", body)
	if err != nil {
		return nil, err
	}
	page, err := decodePage(got.body, true)
	if err != nil {
		return nil, garbled(OpSearch, got, err)
	}
	page.Date = got.date
	return page, nil
}

// List reads all contacts page by page, or all archived ones: those are there for 90 days, with ArchivedAt; contacts
// that were purged or merged away are in neither list. Properties whose names do not fit into an address are ErrMisuse;
// BatchRead takes any number. A page that is too heavy is asked for again with half as many contacts.
func (c *Client) List(ctx context.Context, r ListRequest) (*Page, error) {
	limit, err := pageSize(OpList, r.Limit, MaxListPage)
	if err != nil {
		return nil, err
	}
	if len(inAddresses(r.Properties)) > 1 {
		return nil, misuse(OpList, "more names of properties than an address holds")
	}
	for {
		page, err := c.list(ctx, r, limit)
		if !errors.Is(err, ErrAnswerTooLarge) || limit == 1 {
			return page, err
		}
		limit /= 2
	}
}

func (c *Client) list(ctx context.Context, r ListRequest, limit int) (*Page, error) {
	query := url.Values{"archived": {boolText(r.Archived)}, "limit": {strconv.Itoa(limit)}}
	if r.After != "" {
		query.Set("after", r.After)
	}
	if len(r.Properties) > 0 {
		query.Set("properties", strings.Join(r.Properties, ","))
	}
	got, err := c.do(ctx, OpList, http.MethodGet, fmt.Sprintf(pathContacts, c.version)+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	page, err := decodePage(got.body, false)
	if err != nil {
		return nil, garbled(OpList, got, err)
	}
	page.Date = got.date
	return page, nil
}

func pageSize(op string, asked, most int) (int, error) {
	switch {
	case asked == 0:
		return most, nil
	case asked < 0 || asked > most:
		return 0, misuse(op, fmt.Sprintf("a page of %d, want 1 to %d", asked, most))
	}
	return asked, nil
}

// searchFilter, searchGroup and searchSort are parts of the body of a search.
type (
	searchFilter struct {
		Property  string   `json:"propertyName"`
		Operator  string   `json:"operator"`
		Value     string   `json:"value,omitempty"`
		HighValue string   `json:"highValue,omitempty"`
		Values    []string `json:"values,omitempty"`
	}
	searchGroup struct {
		Filters []searchFilter `json:"filters"`
	}
	searchSort struct {
		Property  string `json:"propertyName"`
		Direction string `json:"direction"`
	}
)

// encodeSearch leaves `after` out, as the guide's examples do, although the description marks it required.
func encodeSearch(r SearchRequest, limit int) []byte {
	filters := make([]searchFilter, len(r.Filters))
	for i, f := range r.Filters {
		filters[i] = searchFilter(f)
	}
	sort := searchSort{"hs_object_id", "ASCENDING"}
	if r.Newest != "" {
		sort = searchSort{r.Newest, "DESCENDING"}
	}
	return encode(struct {
		Groups     []searchGroup `json:"filterGroups"`
		Sorts      []searchSort  `json:"sorts"`
		Properties []string      `json:"properties"`
		Limit      int           `json:"limit"`
	}{[]searchGroup{{filters}}, []searchSort{sort}, listed(r.Properties), limit})
}
