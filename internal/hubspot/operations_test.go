package hubspot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/secret"
)

// row is one input; pairs are a property and its value in turn.
func row(trace, id string, pairs ...string) Input {
	in := Input{ID: id, TraceID: trace, Properties: map[string]string{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		in.Properties[pairs[i]] = pairs[i+1]
	}
	return in
}

// byAddress gives the results by their address.
func byAddress(t *testing.T, r *BatchResult) map[string]Contact {
	t.Helper()
	all := map[string]Contact{}
	for _, c := range r.Results {
		all[shown(c, "email")] = c
	}
	if len(all) != len(r.Results) {
		t.Fatalf("%d results with %d addresses", len(r.Results), len(all))
	}
	return all
}

func shown(c Contact, property string) string {
	if v := c.Properties[property]; v != nil {
		return *v
	}
	return ""
}

func seed(t *testing.T, c *Client, addresses ...string) map[string]lead.ContactID {
	t.Helper()
	var in []Input
	for i, a := range addresses {
		in = append(in, row(fmt.Sprint("seed-", i), "", "email", a, "firstname", "Ada"))
	}
	got, err := c.BatchCreate(t.Context(), in)
	if err != nil || len(got.Results) != len(addresses) {
		t.Fatalf("seed: %v", err)
	}
	ids := map[string]lead.ContactID{}
	for a, one := range byAddress(t, got) {
		ids[a] = one.ID
	}
	return ids
}

func TestAccount(t *testing.T) {
	sim := portal(t, hubspotsim.Config{TimeZone: "Europe/Berlin"})
	got, err := clientFor(t, sim, nil, nil).Account(t.Context())
	if err != nil || got.PortalID != sim.Credentials().PortalID || got.TimeZone != "Europe/Berlin" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestContactProperties(t *testing.T) {
	sim := portal(t, hubspotsim.Config{Properties: []hubspotsim.Property{
		{Name: "app_lead_id", Label: "App lead id", GroupName: "contactinformation", Type: "string", FieldType: "text", HasUniqueValue: true}}})
	got, err := clientFor(t, sim, nil, nil).ContactProperties(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	find := func(name string) Property {
		i := slices.IndexFunc(got, func(p Property) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("no definition of %s", name)
		}
		return got[i]
	}
	if p := find("app_lead_id"); !p.HasUniqueValue || p.Type != "string" || p.ReadOnlyValue || p.Archived {
		t.Errorf("app_lead_id: %+v", p)
	}
	if p := find("createdate"); !p.ReadOnlyValue || p.Type != "datetime" || p.FieldType != "date" {
		t.Errorf("createdate: %+v", p)
	}
	if p := find("hs_email_domain"); !p.Calculated {
		t.Errorf("hs_email_domain: %+v", p)
	}
	if p := find("lifecyclestage"); len(p.Options) < 5 || p.Options[1] != (Option{Label: "Lead", Value: "lead"}) || p.FieldType != "radio" {
		t.Errorf("lifecyclestage: %+v", p)
	}
}

// One row is refused for its values, one because its address is taken; the others are written. The same under every
// answer that HubSpot may give to that.
func TestBatchCreate(t *testing.T) {
	for _, quirks := range []hubspotsim.Quirks{{}, {Partial200: true}, {DetailedRowErrors: true}, {TraceOnSuccess: true, DefaultsOnly: true}} {
		sim := portal(t, hubspotsim.Config{Quirks: quirks})
		c := clientFor(t, sim, nil, nil)
		old := seed(t, c, "grace@example.org")["grace@example.org"]
		got, err := c.BatchCreate(t.Context(), []Input{
			row("r1", "", "email", "Ada@Example.com", "firstname", "Ada 🦜 \"\\\x01 שלום"),
			row("r2", "", "email", "grace@example.org"),
			row("r3", "", "email", "joan@example.net", "hs_language", "klingon", "hs_timezone", "moon"),
			row("r4", "", "email", "katherine@example.com"),
		})
		if err != nil {
			t.Fatalf("%+v: %v", quirks, err)
		}
		if want := map[bool]int{true: 200, false: 207}[quirks.Partial200]; got.Status != want && got.Status != 201 {
			t.Errorf("%+v: status %d", quirks, got.Status)
		}
		ok := byAddress(t, got)
		ada := ok["ada@example.com"] // lower case, as HubSpot answers it
		if len(ok) != 2 || ada.ID == "" || ada.CreatedAt.IsZero() || ada.Archived || ada.New || got.CorrelationID == "" {
			t.Errorf("%+v: results %+v", quirks, got.Results)
		}
		if (ada.TraceID == "r1") != quirks.TraceOnSuccess {
			t.Errorf("%+v: trace id %q", quirks, ada.TraceID)
		}
		if v := sim.Contacts(); v[1].Properties["firstname"] != "Ada 🦜 \"\\\x01 שלום" {
			t.Errorf("%+v: stored %q", quirks, v[1].Properties)
		}
		slices.SortFunc(got.Errors, func(a, b BatchError) int { return cmp.Compare(a.TraceIDs[0], b.TraceIDs[0]) })
		want := []BatchError{
			{Category: "CONFLICT", TraceIDs: []string{"r2"}, ExistingID: old},
			{Category: "VALIDATION_ERROR", TraceIDs: []string{"r3"}, Details: []Detail{
				{Code: "INVALID_OPTION", Properties: []string{"hs_language"}}, {Code: "INVALID_OPTION", Properties: []string{"hs_timezone"}}}},
		}
		if !reflect.DeepEqual(got.Errors, want) {
			t.Errorf("%+v: errors %+v", quirks, got.Errors)
		}
	}
}

func TestBatchUpdate(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	ids := seed(t, c, "ada@example.com", "grace@example.org", "joan@example.net")
	survivor, err := sim.Merge(hubspotsim.Target{Email: "grace@example.org"}, hubspotsim.Target{Email: "joan@example.net"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.BatchUpdate(t.Context(), []Input{
		row("r1", string(ids["ada@example.com"]), "jobtitle", "Engineer", "firstname", ""),
		row("r2", "999999999", "jobtitle", "x"),
		row("r3", string(ids["joan@example.net"]), "jobtitle", "merged away"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Results) != 1 || got.Results[0].ID != ids["ada@example.com"] || shown(got.Results[0], "jobtitle") != "Engineer" {
		t.Errorf("results %+v", got.Results)
	}
	if len(got.Errors) != 1 || got.Errors[0].Category != "OBJECT_NOT_FOUND" || !slices.Contains(got.Errors[0].IDs, "999999999") {
		t.Errorf("errors %+v", got.Errors)
	}
	one, err := c.Contact(t.Context(), ids["ada@example.com"], []string{"firstname", "jobtitle"}, false)
	if err != nil || shown(*one, "jobtitle") != "Engineer" || shown(*one, "firstname") != "" {
		t.Errorf("after the update: %+v, %v", one, err)
	}
	// A single read follows the merge.
	one, err = c.Contact(t.Context(), ids["joan@example.net"], []string{"email"}, false)
	if err != nil || one.ID != lead.ContactID(survivor) || one.ID == ids["joan@example.net"] {
		t.Errorf("merged away: %+v, %v", one, err)
	}
}

func TestBatchUpsert(t *testing.T) {
	sim := portal(t, hubspotsim.Config{Properties: []hubspotsim.Property{
		{Name: "app_lead_id", Label: "App lead id", GroupName: "contactinformation", Type: "string", FieldType: "text", HasUniqueValue: true}}})
	c := clientFor(t, sim, nil, nil)
	in := []Input{row("r1", "42", "app_lead_id", "42", "email", "ada@example.com"), row("r2", "43", "app_lead_id", "43", "email", "grace@example.org")}
	for round, created := range []bool{true, false} {
		got, err := c.BatchUpsert(t.Context(), "app_lead_id", in)
		if err != nil || len(got.Results) != 2 || len(got.Errors) != 0 {
			t.Fatalf("round %d: %+v, %v", round, got, err)
		}
		for _, one := range got.Results {
			if one.New != created {
				t.Errorf("round %d: new = %t", round, one.New)
			}
		}
	}
	if n := len(sim.Contacts()); n != 2 {
		t.Errorf("%d contacts", n)
	}
}

func TestBatchRead(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	ids := seed(t, c, "ada@example.com", "grace@example.org")
	if err := sim.Archive(hubspotsim.Target{Email: "grace@example.org"}); err != nil {
		t.Fatal(err)
	}
	all := []string{string(ids["ada@example.com"]), string(ids["grace@example.org"])}
	got, err := c.BatchRead(t.Context(), ReadRequest{IDs: all, Properties: []string{"email", "phone", "no_such_property"}})
	if err != nil || len(got.Results) != 1 || len(got.Errors) != 1 || got.Errors[0].Category != "OBJECT_NOT_FOUND" {
		t.Fatalf("got %+v, %v", got, err)
	}
	phone, asked := got.Results[0].Properties["phone"]
	if _, unknown := got.Results[0].Properties["no_such_property"]; !asked || phone != nil || unknown {
		t.Errorf("an unset property must be nil, an unknown one absent: %v", got.Results[0].Properties)
	}
	got, err = c.BatchRead(t.Context(), ReadRequest{IDs: all, Archived: true})
	if err != nil || len(got.Results) != 1 || got.Results[0].ID != ids["grace@example.org"] || !got.Results[0].Archived {
		t.Errorf("archived: %+v, %v", got, err)
	}
	got, err = c.BatchRead(t.Context(), ReadRequest{IDProperty: "email", IDs: []string{"ADA@example.com", "nobody@example.com"}})
	if err != nil || len(got.Results) != 1 || got.Results[0].ID != ids["ada@example.com"] {
		t.Errorf("by address: %+v, %v", got, err)
	}
}

func TestContact(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientFor(t, sim, nil, nil)
	id := seed(t, c, "ada@example.com")["ada@example.com"]
	one, err := c.Contact(t.Context(), id, []string{"email", "firstname"}, false)
	if err != nil || one.ID != id || shown(*one, "firstname") != "Ada" {
		t.Errorf("got %+v, %v", one, err)
	}
	_, err = c.Contact(t.Context(), "999999999", nil, false)
	if !errors.Is(err, ErrNotFound) || Classify(err) != ClassNotFound {
		t.Errorf("unknown id: %v", err)
	}
	if err := sim.Archive(hubspotsim.Target{ID: string(id)}); err != nil {
		t.Fatal(err)
	}
	if _, err = c.Contact(t.Context(), id, nil, false); !errors.Is(err, ErrNotFound) {
		t.Errorf("archived: %v", err)
	}
	if one, err = c.Contact(t.Context(), id, nil, true); err != nil || !one.Archived {
		t.Errorf("archived, asked for: %+v, %v", one, err)
	}
	before := sim.Stats().Requests
	for _, odd := range []lead.ContactID{"", "ada@example.com", "51/../52", "-1"} {
		if _, err := c.Contact(t.Context(), odd, nil, false); !errors.Is(err, ErrMisuse) || strings.Contains(err.Error(), "ada") {
			t.Errorf("id %q: %v", odd, err)
		}
	}
	if sim.Stats().Requests != before {
		t.Error("an odd id was sent")
	}
	// A page of the edge under 404 says nothing about the contact.
	_, err = answering(t, 404, "<html>").Contact(t.Context(), id, nil, false)
	if errors.Is(err, ErrNotFound) || Classify(err) != ClassTransient {
		t.Errorf("404 as a web page: %v", err)
	}
}

// reloading is a token source that reads the portal's present token after a refusal, as one over a file does.
type reloading struct {
	sim        *hubspotsim.Sim
	token      string
	generation int64
}

func (r *reloading) Token(context.Context) (secret.String, int64, error) {
	if now := r.sim.Credentials().StaticToken; r.token == "" {
		r.token = now
		r.generation++
	}
	return secret.New(r.token), r.generation, nil
}

func (r *reloading) Reject(_ context.Context, generation int64) error {
	if generation == r.generation {
		r.token = ""
	}
	return nil
}

// A token that was rotated costs one refused request and nothing else.
func TestRotatedToken(t *testing.T) {
	sim := portal(t, hubspotsim.Config{})
	c := clientOf(t, NewTransport(TransportConfig{Base: sim.Transport(), Tokens: &reloading{sim: sim}}))
	seed(t, c, "ada@example.com")
	sim.RotateToken(true)
	seed(t, c, "grace@example.org")
	if s := sim.Stats(); s.Unauthorized != 1 || s.Created != 2 || s.Requests != 3 {
		t.Errorf("%d requests, %d unauthorized, %d contacts", s.Requests, s.Unauthorized, s.Created)
	}
}
