package openapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/hubspotsim"
)

// The account's subscription types: one in use, one that is not.
const newsletter, retired = 4711, 4712

func subscriptions() []hubspotsim.Subscription {
	return []hubspotsim.Subscription{{ID: newsletter, Name: "Newsletter"}, {ID: retired, Name: "Old news", Inactive: true}}
}

// consentOps are the client's operations of consent, as dataOps has the others.
func consentOps(c *hubspot.Client, fresh func() string) map[string]func(context.Context) error {
	basis := hubspot.Basis{LegalBasis: "LEGITIMATE_INTEREST_OTHER", Explanation: "asked for it"}
	return map[string]func(context.Context) error{
		"sub_definitions": func(ctx context.Context) error { _, err := c.SubscriptionDefinitions(ctx); return err },
		"sub_read":        func(ctx context.Context) error { _, err := c.Statuses(ctx, "ada@example.com", 0); return err },
		"sub_all_read":    func(ctx context.Context) error { _, err := c.OptedOutOfAll(ctx, "out@example.com", 0); return err },
		"sub_write":       func(ctx context.Context) error { _, err := c.OptOut(ctx, fresh(), newsletter, basis); return err },
		"sub_all":         func(ctx context.Context) error { _, err := c.OptOutOfAll(ctx, "out@example.com", 0); return err },
		"sub_batch_write": func(ctx context.Context) error {
			_, err := c.BatchOptOut(ctx, []hubspot.OptOutInput{{Address: fresh(), SubscriptionID: newsletter}, {Address: fresh(), SubscriptionID: newsletter}}, basis)
			return err
		},
		"sub_batch_all": func(ctx context.Context) error {
			_, err := c.BatchOptOutOfAll(ctx, []string{"out@example.com", fresh()}, 0)
			return err
		},
	}
}

// consenting opts out, in again and reads, one address at a time and many, taken and refused.
func consenting(s *stage) {
	c, ctx := s.good(), s.Context()
	unit := int64(0)
	for _, one := range s.sim.Subscriptions() {
		unit = max(unit, one.BusinessUnitID)
	}
	basis := hubspot.Basis{LegalBasis: "CONSENT_WITH_NOTICE", Explanation: "form of 2026"}
	evidence := hubspot.Evidence{At: time.Now(), Source: "form", Basis: basis}
	_, err := c.SubscriptionDefinitions(ctx)
	s.done("definitions", err)
	_, err = c.OptOut(ctx, "ada@example.com", newsletter, basis)
	s.done("opt out", err)
	_, err = c.OptOut(ctx, "ada@example.com", newsletter, hubspot.Basis{})
	refused(s, "opt out without a basis", err)
	_, err = c.OptIn(ctx, "ada@example.com", newsletter, evidence)
	s.done("opt in", err)
	list, err := c.OptOutOfAll(ctx, "ada@example.com", unit)
	s.done("opt out of all", err)
	if len(list) == 0 || list[0].Status != hubspot.StatusUnsubscribed {
		s.Fatalf("an opt-out of all shows %+v", list)
	}
	_, err = c.OptIn(ctx, "ada@example.com", newsletter, evidence)
	refused(s, "opt in after that", err)
	for _, id := range []int64{1, retired} {
		_, err = c.OptOut(ctx, "ada@example.com", id, basis)
		refused(s, "opt out of no type", err)
	}
	_, err = c.OptOutOfAll(ctx, "ada@no-domain", unit)
	refused(s, "no address", err)
	for _, address := range []string{"ada@example.com", "nobody@example.com"} {
		_, err = c.Statuses(ctx, address, unit)
		s.done("statuses", err)
		_, err = c.OptedOutOfAll(ctx, address, unit)
		s.done("opted out of all", err)
	}
	_, err = c.BatchOptOutOfAll(ctx, []string{"ada@example.com", "grace@example.org", "ada@no-domain"}, unit)
	refused(s, "batch of all", err)
	_, err = c.BatchOptOut(ctx, []hubspot.OptOutInput{{Address: "ada@example.com", SubscriptionID: newsletter}, {Address: "joan@example.net", SubscriptionID: 1}}, basis)
	refused(s, "batch", err)
	query := fmt.Sprintf("?channel=EMAIL&businessUnitId=%d", unit)
	s.send(200, http.MethodPost, "/communication-preferences/VERSION/statuses/batch/read"+query, `{"inputs":["ada@example.com","nobody@example.com"]}`)
	s.send(200, http.MethodPost, "/communication-preferences/VERSION/statuses/batch/unsubscribe-all/read"+query, `{"inputs":["ada@example.com","nobody@example.com"]}`)
}
