package contact

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/mapping"
	_ "leadsync/internal/testnet"
)

// hub answers with what its functions say, and keeps the ids of each request.
type hub struct {
	read  func(r hubspot.ReadRequest) (*hubspot.BatchResult, error)
	one   func(id lead.ContactID) (*hubspot.Contact, error)
	asked []string
}

func (h *hub) BatchRead(_ context.Context, r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
	h.asked = append(h.asked, strings.Join(r.IDs, " "))
	return h.read(r)
}

func (h *hub) Contact(_ context.Context, id lead.ContactID, _ []string, _ bool) (*hubspot.Contact, error) {
	return h.one(id)
}

var table = mapping.New([]mapping.Field{{Lead: "company", Contact: "company"}}, "lead_key")

func reader(h *hub) *Reader {
	return NewReader(Config{HubSpot: h, Table: func() *mapping.Table { return table }, Succeeded: func(string) {},
		Now: func() time.Time { return time.UnixMilli(1000) }})
}

func shown(id string, values ...string) hubspot.Contact {
	c := hubspot.Contact{ID: lead.ContactID(id), Properties: map[string]*string{}}
	for i := 0; i < len(values); i += 2 {
		c.Properties[values[i]] = &values[i+1]
	}
	return c
}

func ids(views []*View) string {
	var out []string
	for _, v := range views {
		out = append(out, string(v.ID))
	}
	return strings.Join(out, " ")
}

// What an answer shows of a contact, its other addresses, the records that were merged into it and its opt-out among
// it.
func TestOf(t *testing.T) {
	c := shown("5", "email", "Ada@Example.com", MoreAddresses, "B@example.com; c@example.com;", MergedIDs, "3; 4;", OptedOut, "true",
		"lead_key", "Lead-1", "company", "Acme")
	c.Properties["city"] = nil
	v := Of(&c, table)
	if v.Email != "ada@example.com" || strings.Join(v.Addresses(), " ") != "ada@example.com b@example.com c@example.com" || !v.OptedOut || v.Mark != "Lead-1" {
		t.Errorf("%+v", v)
	}
	if fmt.Sprint(v.Merged) != "[3 4]" || !v.Swallowed("4") || v.Swallowed("5") || v.Swallowed("9") {
		t.Errorf("merged %v", v.Merged)
	}
	if v.AskedAs = "9"; !v.Swallowed("9") {
		t.Error("an answer to an old id is word of a merge")
	}
	if s := v.Shown("company"); s == nil || *s != "Acme" {
		t.Errorf("company %v", s)
	}
	if s := v.Shown("city"); s == nil || *s != "" || v.Shown("plan") != nil {
		t.Error("unset is shown, what was not asked for is not")
	}
	c = shown("6", MoreAddresses, "b@example.com")
	if v := Of(&c, table); strings.Join(v.Addresses(), " ") != "b@example.com" || v.Mark != "" {
		t.Errorf("%+v", v)
	}
}

// An id of which an answer says nothing is asked for once more; one that it names, found or not, is not.
func TestBatchAsksTheSilentOnceMore(t *testing.T) {
	h := &hub{}
	h.read = func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		if len(h.asked) > 1 {
			return &hubspot.BatchResult{Results: []hubspot.Contact{shown("3")}}, nil
		}
		return &hubspot.BatchResult{Results: []hubspot.Contact{shown("1")}, Errors: []hubspot.BatchError{{IDs: []string{"2"}}}}, nil
	}
	views, err := reader(h).Batch(t.Context(), "", []string{"4", "3", "2", "1", "1"}, nil)
	if err != nil || ids(views) != "1 3" || !slices.Equal(h.asked, []string{"1 2 3 4", "3 4"}) || views[0].Begun != 1000 {
		t.Errorf("%s, %v, asked %q", ids(views), err, h.asked)
	}
}

// By address a contact answers for all its addresses, and by a unique property for its value, whatever the case.
func TestBatchByProperty(t *testing.T) {
	h := &hub{read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		if r.IDProperty == "email" {
			return &hubspot.BatchResult{Results: []hubspot.Contact{shown("1", "email", "a@example.com", MoreAddresses, "b@example.com")}}, nil
		}
		return &hubspot.BatchResult{Results: []hubspot.Contact{shown("2", "lead_key", "LEAD-1")}}, nil
	}}
	if _, err := reader(h).Batch(t.Context(), "email", []string{"a@example.com", "b@example.com"}, nil); err != nil || len(h.asked) != 1 {
		t.Errorf("%v, asked %q", err, h.asked)
	}
	if _, err := reader(h).Batch(t.Context(), "lead_key", []string{"lead-1"}, nil); err != nil || len(h.asked) != 2 {
		t.Errorf("%v, asked %q", err, h.asked)
	}
}

// A contact without an id is an error when it is shown twice; that there are none of them is none.
func TestBatchFails(t *testing.T) {
	h := &hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		return &hubspot.BatchResult{Results: []hubspot.Contact{shown("")}}, nil
	}}
	if _, err := reader(h).Batch(t.Context(), "", []string{"1"}, nil); !errors.Is(err, errNameless) || len(h.asked) != 2 {
		t.Errorf("%v, asked %q", err, h.asked)
	}
	h = &hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, &hubspot.Error{Status: 404} }}
	if views, err := reader(h).Batch(t.Context(), "", []string{"1"}, nil); err != nil || len(views) != 0 || len(h.asked) != 1 {
		t.Errorf("%v, %v", views, err)
	}
	away := errors.New("away")
	h = &hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, away }}
	if _, err := reader(h).Batch(t.Context(), "", []string{"1"}, nil); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
}

// No request is too large, and none holds an id twice that differs in case alone.
func TestParts(t *testing.T) {
	var many []string
	for i := range 250 {
		many = append(many, fmt.Sprint(i))
	}
	all := parts(append([]string{"A", "a"}, many...))
	if len(all) != 3 || len(all[0]) != hubspot.MaxBatch || len(all[1]) != hubspot.MaxBatch || len(all[2]) != 52 || all[1][0] != "a" {
		t.Errorf("%d parts", len(all))
	}
}

// By id a contact is found where it is: as it is, in the recycle bin, or as the survivor of a merge; what nobody has is
// missing.
func TestByID(t *testing.T) {
	h := &hub{read: func(r hubspot.ReadRequest) (*hubspot.BatchResult, error) {
		id := map[bool]string{false: "1", true: "2"}[r.Archived]
		res := &hubspot.BatchResult{Results: []hubspot.Contact{shown(id)}}
		for _, other := range r.IDs {
			if other != id {
				res.Errors = append(res.Errors, hubspot.BatchError{IDs: []string{other}})
			}
		}
		return res, nil
	}, one: func(id lead.ContactID) (*hubspot.Contact, error) {
		if id == "3" {
			c := shown("33")
			return &c, nil
		}
		return nil, lead.ErrNotFound
	}}
	views, missing, err := reader(h).ByID(t.Context(), []lead.ContactID{"4", "3", "2", "1", "1", "", "x9"}, nil)
	if err != nil || ids(views) != "1 2 33" || fmt.Sprint(missing) != "[4]" {
		t.Fatalf("%s, missing %v, %v", ids(views), missing, err)
	}
	if !views[1].Archived || views[0].Archived || views[2].AskedAs != "3" {
		t.Errorf("%+v", views)
	}
	if views, missing, err := reader(h).ByID(t.Context(), nil, nil); len(views)+len(missing) != 0 || err != nil {
		t.Errorf("%v %v %v", views, missing, err)
	}
}

// That the recycle bin cannot be asked by address means that there is nothing; by id a refusal is an error.
func TestArchivedByAddress(t *testing.T) {
	h := &hub{read: func(hubspot.ReadRequest) (*hubspot.BatchResult, error) { return nil, &hubspot.Error{Status: 400} }}
	if views, err := reader(h).Archived(t.Context(), "email", []string{"a@example.com"}, nil); err != nil || len(views) != 0 {
		t.Errorf("%v, %v", views, err)
	}
	if _, err := reader(h).Archived(t.Context(), "", []string{"1"}, nil); err == nil {
		t.Error("a refusal by id is no error")
	}
}
