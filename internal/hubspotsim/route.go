package hubspotsim

import (
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// api is the version of a path: rules differ between them.
type api int

const (
	apiV3 api = iota
	api202603
	api202609
)

// call is one API request on its way through the Sim.
type call struct {
	op          string
	api         api
	method      string
	id          string // record id or property name in the path
	v1          bool   // OAuth v1, which is neither of the three
	query       url.Values
	form        url.Values // of the token endpoints; nil when the body is no form
	body        []byte
	correlation string
	now         int64 // unix ms at the moment it acts

	// decoded body of contact operations
	rows        []row
	subscribers []subscriberRow // of operations on subscriptions
	idProp      string
	shown       []string
	history     []string
	traced      bool  // every row has a trace id, and no two the same
	noRows      bool  // the body has no inputs at all
	broken      error // the body cannot be read

	fault   fault
	hub     int64           // the account of the token
	static  bool            // the token is a static one
	mangle  bool            // results without ids
	seen    *view           // of a search hit: values are shown as the index has them; nil = as they are
	claimed map[string]bool // addresses and unique values that earlier rows of a batch without trace ids will take
}

// row is one input of a contact operation.
type row struct {
	ID         scalar            `json:"id"`
	IDProperty string            `json:"idProperty"`
	Properties map[string]scalar `json:"properties"`
	TraceID    string            `json:"objectWriteTraceId"`

	skip, hide, noID bool   // not applied, not shown, shown without id
	poison           string // refused for its address
	warnings         []warning
}

// versions of the path prefixes.
var versions = map[string]api{"2026-09": api202609, "2026-03": api202603, "v3": apiV3}

// writes are the operations that change contacts.
var writes = map[string]bool{
	"create": true, "update": true, "archive": true, "merge": true, "gdpr_delete": true,
	"batch_create": true, "batch_update": true, "batch_upsert": true, "batch_archive": true,
}

// route finds the operation of a method and path. status is 0 when there is one, else 404 or 405.
//
// It serves /crm/objects/{2026-09,2026-03}/{contacts,0-1} and /crm/v3/objects/..., /crm/properties/... in the same two
// forms, /account-info/{version}/details, and the paths of routeOAuth and routeConsent
// (https://developers.hubspot.com/docs/developer-tooling/platform/versioning).
func route(method, path string) (c *call, status int) {
	seg := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range seg {
		if plain, err := url.PathUnescape(s); err == nil {
			seg[i] = plain
		}
	}
	if len(seg) >= 3 && seg[0] == "account-info" {
		v, ok := versions[seg[1]]
		rest := strings.Join(seg[2:], "/")
		if !ok || rest != "details" && rest != "api-usage/daily/private-apps" {
			return nil, http.StatusNotFound
		}
		return only(method, http.MethodGet, &call{op: "account", api: v, id: seg[2]})
	}
	if len(seg) >= 3 && seg[0] == "oauth" {
		return routeOAuth(method, seg)
	}
	if len(seg) >= 3 && seg[0] == "communication-preferences" {
		return routeConsent(method, seg)
	}
	if len(seg) < 4 || seg[0] != "crm" {
		return nil, http.StatusNotFound
	}
	version, area := seg[2], seg[1]
	if seg[1] == "v3" {
		version, area = seg[1], seg[2]
	}
	v, ok := versions[version]
	if !ok || seg[3] != "contacts" && seg[3] != "0-1" && seg[3] != "contact" {
		return nil, http.StatusNotFound
	}
	rest := seg[4:]
	switch area {
	case "objects":
		return routeContacts(method, v, rest)
	case "properties":
		if len(rest) > 1 {
			return nil, http.StatusNotFound
		}
		c := &call{op: "properties", api: v}
		if len(rest) == 1 {
			c.id = rest[0]
		}
		return c, 0
	}
	return nil, http.StatusNotFound
}

func only(method, want string, c *call) (*call, int) {
	if method != want {
		return nil, http.StatusMethodNotAllowed
	}
	return c, 0
}

func routeContacts(method string, v api, rest []string) (*call, int) {
	switch {
	case len(rest) == 0 && method == http.MethodGet:
		return &call{op: "list", api: v}, 0
	case len(rest) == 0 && method == http.MethodPost:
		return &call{op: "create", api: v}, 0
	case len(rest) == 2 && rest[0] == "batch":
		op := "batch_" + rest[1]
		if op != "batch_read" && !writes[op] {
			return nil, http.StatusNotFound
		}
		return only(method, http.MethodPost, &call{op: op, api: v})
	case len(rest) != 1:
		return nil, http.StatusNotFound
	case method == http.MethodPost:
		switch rest[0] {
		case "search", "merge":
			return &call{op: rest[0], api: v}, 0
		case "gdpr-delete":
			return &call{op: "gdpr_delete", api: v}, 0
		}
		return nil, http.StatusMethodNotAllowed
	}
	op, ok := map[string]string{http.MethodGet: "get", http.MethodPatch: "update", http.MethodDelete: "archive"}[method]
	if !ok {
		return nil, http.StatusMethodNotAllowed
	}
	return &call{op: op, api: v, id: rest[0]}, 0
}

// errBody is the answer to a body that cannot be read.
//
//lint:ignore ST1005 HubSpot's words
var errBody = errors.New("Invalid input JSON: the body cannot be read as the expected object")

// decode reads the body of a contact operation into rows, and that of a token endpoint into a form. Single writes are
// one row.
func (c *call) decode(contentType string) error {
	switch {
	case tokenOps[c.op]:
		if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "application/x-www-form-urlencoded" {
			c.form, _ = url.ParseQuery(string(c.body)) // what can be read of it
		}
	case consentScopes[c.op] != nil:
		return c.decodeConsent()
	case strings.HasPrefix(c.op, "batch_"):
		var b struct {
			Inputs     []row    `json:"inputs"`
			IDProperty string   `json:"idProperty"`
			Properties []string `json:"properties"`
			History    []string `json:"propertiesWithHistory"`
		}
		if err := json.Unmarshal(c.body, &b); err != nil {
			return errBody
		}
		c.rows, c.idProp, c.shown, c.history, c.noRows = b.Inputs, b.IDProperty, b.Properties, b.History, len(b.Inputs) == 0
		seen := make(map[string]bool, len(c.rows))
		for _, r := range c.rows {
			if r.TraceID != "" {
				seen[r.TraceID] = true
			}
		}
		c.traced = len(seen) == len(c.rows)
	case c.op == "create", c.op == "update":
		var r row
		if err := json.Unmarshal(c.body, &r); err != nil {
			return errBody
		}
		r.ID.text, r.IDProperty = c.id, c.query.Get("idProperty")
		c.rows = []row{r}
	case c.op == "archive":
		c.rows = []row{{ID: scalar{text: c.id}}}
	}
	if q := c.query["properties"]; len(q) > 0 {
		c.shown = splitList(q)
	}
	if q := c.query["propertiesWithHistory"]; len(q) > 0 {
		c.history = splitList(q)
	}
	return nil
}

// splitList reads a list that is repeated or comma separated.
func splitList(values []string) []string {
	var all []string
	for _, v := range values {
		for one := range strings.SplitSeq(v, ",") {
			if one = strings.TrimSpace(one); one != "" {
				all = append(all, one)
			}
		}
	}
	return all
}
