package openapi

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
	"leadsync/internal/lead"
	"leadsync/internal/secret"
)

// dataOps are the client's operations by the name that a fault script has for them; known is the id of a contact that
// is there.
func dataOps(c *hubspot.Client, known string) map[string]func(context.Context) error {
	n := 0
	fresh := func() string { n++; return fmt.Sprintf("lead%d@example.com", n) }
	two := func(first, second string) []hubspot.Input {
		return []hubspot.Input{row("a", first, "email", fresh()), row("b", second, "email", fresh())}
	}
	ops := map[string]func(context.Context) error{
		"account":    func(ctx context.Context) error { _, err := c.Account(ctx); return err },
		"properties": func(ctx context.Context) error { _, err := c.ContactProperties(ctx); return err },
		"get": func(ctx context.Context) error {
			_, err := c.Contact(ctx, lead.ContactID(known), []string{"email"}, false)
			return err
		},
		"batch_create": func(ctx context.Context) error { _, err := c.BatchCreate(ctx, two("", "")); return err },
		"batch_update": func(ctx context.Context) error { _, err := c.BatchUpdate(ctx, two(known, "999999999")); return err },
		"batch_upsert": func(ctx context.Context) error {
			_, err := c.BatchUpsert(ctx, "email", two(fresh(), fresh()))
			return err
		},
		"batch_read": func(ctx context.Context) error {
			_, err := c.BatchRead(ctx, hubspot.ReadRequest{IDs: []string{known, "999999999"}, Properties: []string{"email"}})
			return err
		},
		"search": func(ctx context.Context) error { _, err := c.Search(ctx, window("0", 1)); return err },
		"list":   func(ctx context.Context) error { _, err := c.List(ctx, hubspot.ListRequest{Limit: 1}); return err },
		"batch_archive": func(ctx context.Context) error {
			return c.BatchArchive(ctx, []lead.ContactID{"999999998", "999999999"})
		},
		"gdpr_delete": func(ctx context.Context) error { return c.GDPRDelete(ctx, "999999999") },
	}
	maps.Copy(ops, consentOps(c, fresh))
	return ops
}

// faults are all kinds of fault, with arguments where they take one.
func faults(s *stage, op string) []string {
	arguments := map[string][]string{
		"400[:STATUS]": {"400"}, "409[:ID]": {"409", "409:51"}, "477[:SECONDS]": {"477:30"}, "late:DURATION": {"late:1s"}, "slow:DURATION": {"slow:1s"},
		"drop:N": {"drop:1"},
	}
	if strings.HasPrefix(op, "token") || op == "introspect" || op == "revoke" {
		arguments["400[:STATUS]"] = nil
		for _, status := range tokenRefusals {
			arguments["400[:STATUS]"] = append(arguments["400[:STATUS]"], "400:"+status)
		}
	}
	var all []string
	for _, form := range hubspotsim.FaultKinds() {
		given, has := arguments[form]
		if !has && strings.ContainsAny(form, "[:") {
			s.Fatalf("a kind of fault that this test has no argument for: %s", form)
		}
		if !has {
			given = []string{form}
		}
		all = append(all, given...)
	}
	return all
}

// tokenRefusals are the statuses of the token endpoint.
var tokenRefusals = []string{
	"BAD_REFRESH_TOKEN", "BAD_HUB", "MISMATCH_REFRESH_TOKEN_CLIENT", "BAD_AUTH_CODE", "EXPIRED_AUTH_CODE", "MISMATCH_REDIRECT_URI_AUTH_CODE",
	"BAD_REDIRECT_URI", "BAD_CODE_VERIFIER", "BAD_CLIENT_ID", "BAD_CLIENT_SECRET", "BAD_GRANT_TYPE", "BAD_SCOPES",
	"USER_LEVEL_CLIENT_CREDENTIALS_NOT_SUPPORTED",
}

// unlike says which faults are answers that HubSpot's documents do not have, on purpose: results without the ids they
// must have, and success with nothing in it. TestWrongAnswersAreCaught wants a complaint about each.
func unlike(op, kind string) bool {
	if strings.HasPrefix(op, "sub_") {
		return kind == "noids" && op != "sub_definitions"
	}
	removes := op == "batch_archive" || op == "gdpr_delete" // they answer nothing at all
	batch := strings.HasPrefix(op, "batch_") && !removes
	return kind == "noids" && (batch || slices.Contains([]string{"get", "search", "list"}, op)) || kind == "empty200" && !batch && op != "revoke"
}

// dataFaults runs every operation into every fault.
func dataFaults(s *stage) {
	ops := dataOps(s.good(), s.ada())
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		for _, kind := range faults(s, op) {
			if unlike(op, kind) {
				continue
			}
			s.done("script", s.sim.SetFaults(op+"="+kind+"x1"))
			_ = ops[op](s.Context()) // what it means to the client is package hubspot's to test
			if left := s.sim.FaultsLeft(); left != "" {
				s.Errorf("the fault was not met: %s", left)
			}
		}
	}
}

// oauthOps are the operations of the OAuth client.
func oauthOps(s *stage) map[string]func(context.Context) error {
	app := s.app()
	refresh := func() secret.String { return secret.New(s.sim.Credentials().RefreshToken) }
	return map[string]func(context.Context) error{
		"token":      func(ctx context.Context) error { _, err := app.Refresh(ctx, refresh()); return err },
		"introspect": func(ctx context.Context) error { _, err := app.Introspect(ctx, refresh(), "refresh_token"); return err },
		"revoke":     func(ctx context.Context) error { return app.Revoke(ctx, secret.New("na1-unknown")) },
	}
}

func oauthFaults(s *stage) {
	ops := oauthOps(s)
	for _, op := range slices.Sorted(maps.Keys(ops)) {
		for _, kind := range faults(s, op) {
			if unlike(op, kind) {
				continue
			}
			s.done("script", s.sim.SetFaults(op+"="+kind+"x1"))
			_ = ops[op](s.Context())
			if left := s.sim.FaultsLeft(); left != "" {
				s.Errorf("the fault was not met: %s", left)
			}
		}
	}
}
