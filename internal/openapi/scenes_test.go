package openapi

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/secret"
)

// scene is something our clients and the simulator do with each other; every exchange in it must fit.
type scene struct {
	name string
	cfg  hubspotsim.Config
	play func(*stage)
}

func scenes() []scene {
	all := []scene{
		{"refusals of the limits", hubspotsim.Config{Limit: 2, Daily: 6}, limits},
		{"refusals of the token", hubspotsim.Config{}, tokens},
		{"rules of the account", hubspotsim.Config{}, rules},
		{"faults of the data API", hubspotsim.Config{}, dataFaults},
		{"faults of single rows", hubspotsim.Config{}, rowFaults},
		{"OAuth", hubspotsim.Config{TokenLife: 30 * time.Minute}, oauth},
		{"OAuth with rotation", hubspotsim.Config{Quirks: hubspotsim.Quirks{RotateRefresh: true, LoginEndsOlder: true}}, oauth},
		{"faults of OAuth", hubspotsim.Config{}, oauthFaults},
		{"old faults of OAuth", hubspotsim.Config{Quirks: hubspotsim.Quirks{OldTokenErrors: true, BadHubIs403: true}}, oauthFaults},
		{"scans and removals", hubspotsim.Config{}, scans},
		{"what our client does not use", hubspotsim.Config{}, others},
	}
	for name, q := range map[string]hubspotsim.Quirks{
		"as usual": {}, "lifted": {SubscribeAfterAll: "lifts", Consent207: true, ConsentErrorsUnnamed: true},
		"refused": {SubscribeAfterAll: "refused", ConsentWhole400: true, LegalBasisRequired: true},
	} {
		all = append(all, scene{"consent, " + name, hubspotsim.Config{Quirks: q}, consenting})
	}
	all = append(all, scene{"consent, brands", hubspotsim.Config{Brands: []int64{7},
		Subscriptions: append(subscriptions(), hubspotsim.Subscription{ID: 7, Name: "Other", BusinessUnitID: 7})}, consenting})
	for name, q := range map[string]hubspotsim.Quirks{
		"as usual":          {},
		"partial 200":       {Partial200: true},
		"details and trace": {DetailedRowErrors: true, TraceOnSuccess: true},
		"blanks, defaults":  {UpsertByEmailBlanks: true, DefaultsOnly: true, KeepOldAddress: true, NoWarnings: true},
		"taken is 400":      {TakenIs400: true, SecondaryMisses: true, DuplicateFoldsCase: true, RewritesValues: true},
		"merges":            {MergeKeepsPrimaryID: true, ReadFollowsMerges: true, ArchivedConflicts: true},
		"whole named":       {Whole400: "named"},
		"whole unnamed":     {Whole400: "unnamed"},
	} {
		all = append(all, scene{"operations, " + name, hubspotsim.Config{Quirks: q, TimeZone: "Europe/Berlin"}, operations})
	}
	return all
}

// row is one input; pairs are a property and its value in turn.
func row(trace, id string, pairs ...string) hubspot.Input {
	in := hubspot.Input{ID: id, TraceID: trace, Properties: map[string]string{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		in.Properties[pairs[i]] = pairs[i+1]
	}
	return in
}

// operations runs every operation of the client, with rows that are taken and rows that are refused.
func operations(s *stage) {
	c, ctx := s.good(), s.Context()
	whole := s.sim.Quirks().Whole400 != ""
	_, err := c.Account(ctx)
	s.done("account", err)
	_, err = c.ContactProperties(ctx)
	s.done("properties", err)

	made, err := c.BatchCreate(ctx, []hubspot.Input{
		row("c1", "", "email", "ada@example.com", "firstname", "Ada 🦜 \"\\\x01", "lead_key", "1"),
		row("c2", "", "email", "grace@example.org", "date_of_birth", "1906-12-09"),
		row("c3", "", "email", "joan@example.net"), row("c4", "", "lastname", "Perlman"),
	})
	s.done("batch create", err)
	ids := map[string]string{}
	for _, one := range made.Results {
		ids[value(one, "email")] = string(one.ID)
	}
	bad := []hubspot.Input{
		row("c5", "", "email", "ada@example.com"), row("c6", "", "email", "no address"), row("c7", "", "no_such_property", "1"),
		row("c8", "", "email", "katherine@example.com", "hs_language", "klingon", "createdate", "1"), row("c9", "", "email", "radia@example.com"),
	}
	got, err := c.BatchCreate(ctx, bad)
	partly(s, "batch create", got, err, whole)

	got, err = c.BatchUpdate(ctx, []hubspot.Input{
		row("u1", ids["ada@example.com"], "jobtitle", "Engineer", "firstname", ""),
		row("u2", "999999999", "jobtitle", "x"), row("u3", ids["joan@example.net"], "email", "ada@example.com"),
		row("u4", ids["grace@example.org"], "email", "admiral@example.org", "date_of_birth", "1906-12-09T10:00:00Z"), // refused before 2026-09
	})
	partly(s, "batch update", got, err, whole)
	for _, property := range []string{"email", "lead_key"} {
		var in []hubspot.Input
		for i, v := range []string{"ada@example.com", "new@example.com", "bad"} {
			in = append(in, row(fmt.Sprint("p", i), v, property, v, "firstname", "Ada"))
		}
		_, err := c.BatchUpsert(ctx, property, append(in, row("p3", "dated@example.com", property, "dated@example.com", "firstname", "Edith",
			"date_of_birth", "1883-08-07T10:00:00Z")))
		refused(s, "batch upsert", err)
	}
	_, err = c.BatchUpsert(ctx, "jobtitle", []hubspot.Input{row("p9", "1", "jobtitle", "1")})
	refused(s, "upsert by what is not unique", err)
	_, err = c.BatchUpdate(ctx, []hubspot.Input{row("t1", "Ada", "jobtitle", "x"), row("t2", "999999998", "jobtitle", "y")})
	refused(s, "update of unknown ids", err)

	survivor := "new@example.com"
	if whole { // the upsert that would have made it was refused for its neighbour
		survivor = "grace@example.org"
	}
	_, err = s.sim.Merge(hubspotsim.Target{Email: survivor}, hubspotsim.Target{Email: "joan@example.net"})
	s.done("merge", err)
	s.done("archive", s.sim.Archive(hubspotsim.Target{Email: "ada@example.com"}))
	reads(s, c, ids)
}

// reads looks at every contact in every way.
func reads(s *stage, c *hubspot.Client, ids map[string]string) {
	ctx := s.Context()
	properties := []string{"email", "phone", "firstname", "no_such_property", "hs_additional_emails", "date_of_birth"}
	for _, archived := range []bool{false, true} {
		for _, r := range []hubspot.ReadRequest{
			{IDs: append(values(ids), "999999999"), Properties: properties},
			{IDs: values(ids)},
			{IDProperty: "email", IDs: []string{"ADA@example.com", "joan@example.net", "nobody@example.com"}, Properties: properties},
			{IDProperty: "lead_key", IDs: []string{"1", "new@example.com", "nobody"}, Properties: properties},
		} {
			r.Archived = archived
			_, err := c.BatchRead(ctx, r)
			s.done("batch read", err)
		}
		for _, id := range append(values(ids), "999999999") {
			_, err := c.Contact(ctx, lead.ContactID(id), properties, archived)
			if err != nil && !errors.Is(err, hubspot.ErrNotFound) {
				s.Fatalf("read a contact: %v", err)
			}
			_, _ = c.Contact(ctx, lead.ContactID(id), nil, archived)
		}
	}
	_, err := c.BatchRead(ctx, hubspot.ReadRequest{IDProperty: "jobtitle", IDs: []string{"1"}})
	refused(s, "read by what is not unique", err)
	got, err := c.BatchRead(ctx, hubspot.ReadRequest{IDs: values(ids), Properties: properties, History: []string{"email", "firstname"}})
	s.done("read with history", err)
	if !slices.ContainsFunc(got.Results, func(one hubspot.Contact) bool { return len(one.History["email"]) > 0 }) && len(got.Results) > 1 {
		s.Fatalf("no history of %d contacts", len(got.Results))
	}
}

// window is a search of a scan.
func window(after string, limit int) hubspot.SearchRequest {
	return hubspot.SearchRequest{Limit: limit, Properties: []string{"email", "hs_email_optout", "hs_merged_object_ids"}, Filters: []hubspot.Filter{
		{Property: "lastmodifieddate", Operator: "BETWEEN", Value: "1000", HighValue: "4102444800000"}, {Property: "hs_object_id", Operator: "GT", Value: after}}}
}

// scans goes through all contacts, live and archived, and removes some.
func scans(s *stage) {
	c, ctx := s.good(), s.Context()
	made, err := c.BatchCreate(ctx, []hubspot.Input{row("a", "", "email", "ada@example.com"), row("b", "", "email", "grace@example.org"), row("c", "", "email", "joan@example.net")})
	s.done("create", err)
	last, found := "0", 0
	for {
		page, err := c.Search(ctx, window(last, 2))
		s.done("search", err)
		if found += len(page.Contacts); page.Total <= len(page.Contacts) {
			break
		}
		last = string(page.Contacts[len(page.Contacts)-1].ID)
	}
	if found != len(made.Results) {
		s.Fatalf("found %d of %d", found, len(made.Results))
	}
	for _, f := range []hubspot.Filter{{Property: "hs_email_optout", Operator: "EQ", Value: "true"}, {Property: "hs_merged_object_ids", Operator: "HAS_PROPERTY"},
		{Property: "email", Operator: "IN", Values: []string{"ada@example.com"}}} {
		_, err := c.Search(ctx, hubspot.SearchRequest{Filters: []hubspot.Filter{f}})
		s.done("search", err)
	}
	_, err = c.Search(ctx, hubspot.SearchRequest{Filters: []hubspot.Filter{{Property: "no_such_property", Operator: "HAS_PROPERTY"}}})
	refused(s, "search for what does not exist", err)
	s.done("archive", c.BatchArchive(ctx, []lead.ContactID{made.Results[0].ID, "999999999"}))
	for _, archived := range []bool{true, false} {
		r := hubspot.ListRequest{Archived: archived, Limit: 1, Properties: []string{"email", "phone"}}
		for {
			page, err := c.List(ctx, r)
			s.done("list", err)
			if r.After = page.After; r.After == "" {
				break
			}
		}
	}
	s.done("erase", c.GDPRDelete(ctx, made.Results[1].ID))
}

func value(c hubspot.Contact, property string) string {
	if v := c.Properties[property]; v != nil {
		return *v
	}
	return ""
}

func values(ids map[string]string) []string {
	var all []string
	for _, id := range ids {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// partly wants an answer with results and errors, or the refusal of the whole.
func partly(s *stage, what string, got *hubspot.BatchResult, err error, whole bool) {
	s.Helper()
	if whole {
		if err == nil {
			s.Fatalf("%s: nothing was refused", what)
		}
		return
	}
	s.done(what, err)
	if len(got.Results) == 0 || len(got.Errors) == 0 {
		s.Fatalf("%s: %d results and %d errors, want some of each", what, len(got.Results), len(got.Errors))
	}
}

// refused takes success and any refusal of HubSpot, but no misuse: what is meant to be asked must be asked.
func refused(s *stage, what string, err error) {
	s.Helper()
	if errors.Is(err, hubspot.ErrMisuse) {
		s.Fatalf("%s: %v", what, err)
	}
}

// limits runs into the window, then into the day.
func limits(s *stage) {
	c := s.good()
	kinds := 0
	for range 12 {
		_, err := c.Account(s.Context())
		if _, ok := errors.AsType[*hubspot.RateLimitError](err); ok {
			kinds++
			time.Sleep(11 * time.Second)
		}
	}
	if kinds < 5 {
		s.Fatalf("%d requests met a limit", kinds)
	}
}

// tokens are refused: unknown, expired, without the scope.
func tokens(s *stage) {
	old := s.sim.Credentials().StaticToken
	known := s.ada()
	call := func(token string) {
		for name, run := range dataOps(s.client(token), known) {
			if err := run(s.Context()); err == nil && name != "account" {
				s.Errorf("%s went through", name)
			}
		}
	}
	s.done("scopes", s.sim.SetScopes("", []string{"oauth"}))
	call(old)
	s.sim.RotateToken(true)
	time.Sleep(time.Minute)
	call(old)
	call("no-such-token")
}

// rules are the account's own: refused rows carry codes.
func rules(s *stage) {
	s.sim.SetRules([]hubspotsim.Rule{{Property: "company"}, {Property: "phone", WhenProperty: "jobtitle"}})
	c := s.good()
	_, err := c.BatchCreate(s.Context(), []hubspot.Input{row("a", "", "email", "ada@example.com", "jobtitle", "x"),
		row("b", "", "email", "grace@example.org", "company", "Navy")})
	s.done("create under rules", err)
	_, err = c.BatchUpsert(s.Context(), "email", []hubspot.Input{row("a", "ada@example.com", "email", "ada@example.com", "jobtitle", "x")})
	s.done("upsert under rules", err)
	s.try(http.MethodPost, "/crm/objects/VERSION/contacts", `{"properties":{"email":"joan@example.net","jobtitle":"x"},"associations":[]}`)
}

// rowFaults are chosen by the address.
func rowFaults(s *stage) {
	c := s.good()
	for _, kind := range []string{"invalid", "refused", "whole400", "whole400named", "drop", "dropapplied", "409", "423", "477", "500", "lost"} {
		address := "fault-" + kind + "@example.com"
		in := []hubspot.Input{row("a", address, "email", address), row("b", kind+"@example.com", "email", kind+"@example.com")}
		_, err := c.BatchUpsert(s.Context(), "email", in)
		refused(s, kind, err)
		_, err = c.BatchCreate(s.Context(), []hubspot.Input{row("c", "", "email", address)})
		refused(s, kind, err)
	}
}

// oauth is a login, a refresh, looks at every token, and the end of the grant.
func oauth(s *stage) {
	app, ctx := s.app(), s.Context()
	attempt, err := app.Begin()
	s.done("begin", err)
	code := s.code(attempt)
	pair, err := app.Exchange(ctx, code, attempt.Verifier())
	s.done("exchange", err)
	_, err = app.Exchange(ctx, code, attempt.Verifier())
	if err == nil {
		s.Fatal("a code was taken twice")
	}
	pair, err = app.Refresh(ctx, pair.Refresh)
	s.done("refresh", err)
	for kind, token := range map[string]secret.String{"access_token": pair.Access, "refresh_token": pair.Refresh} {
		known, err := app.Introspect(ctx, token, kind)
		s.done("introspect", err)
		unknown, err := app.Introspect(ctx, secret.New("no-such-token"), kind)
		s.done("introspect", err)
		if !known.Active || unknown.Active {
			s.Errorf("%s: active %t, and %t of an unknown one", kind, known.Active, unknown.Active)
		}
	}
	s.done("call", func() error { _, err := s.client(pair.Access.Reveal()).Account(ctx); return err }())
	s.done("revoke", app.Revoke(ctx, pair.Refresh))
	s.done("revoke again", app.Revoke(ctx, pair.Refresh))
	if _, err := app.Refresh(ctx, pair.Refresh); err == nil {
		s.Fatal("a revoked token was refreshed")
	}
	s.sim.RotateClient(true)
	if _, err := app.Introspect(ctx, pair.Access, "access_token"); err == nil {
		s.Fatal("a wrong client was let in")
	}
	if err := app.Revoke(ctx, pair.Refresh); err == nil {
		s.Fatal("a wrong client was let in")
	}
}
