package doctor

import (
	"context"
	"fmt"
	"slices"

	"leadsync/internal/hubspot"
)

// consent looks whether people can be unsubscribed as the configuration says.
func (r *Report) consent(ctx context.Context, in Input) {
	r.looked()
	defs, err := in.Hub.SubscriptionDefinitions(ctx)
	if err != nil {
		r.refused(checkConsent, "the subscription types of the account cannot be read", "lead.unsubscribed rows wait: nobody is unsubscribed", err)
		return
	}
	cfg := in.Config.Consent
	for _, id := range cfg.Unsubscribe.IDs {
		r.looked()
		i := slices.IndexFunc(defs, func(d hubspot.SubscriptionDefinition) bool { return d.ID == id })
		switch {
		case i < 0:
			r.wrong(checkConsent, fmt.Sprintf("consent.unsubscribe names subscription type %d, which the account does not have", id), "an unsubscribe for it is refused",
				"take one of: "+typesOf(defs))
		case !defs[i].Active:
			r.note(checkConsent, fmt.Sprintf("consent.unsubscribe names subscription type %d, which is not active", id), "HubSpot may refuse to change it", "activate it in HubSpot, or take it out of the list")
		}
	}
	var brands []int64
	for _, d := range defs {
		if !slices.Contains(brands, d.BusinessUnitID) {
			brands = append(brands, d.BusinessUnitID)
		}
	}
	r.looked()
	if unit := cfg.BusinessUnitID; unit != 0 && !slices.Contains(brands, unit) {
		r.wrong(checkConsent, fmt.Sprintf("consent.business_unit_id is %d, and no subscription type belongs to that brand", unit), "unsubscribes would go to a brand that sends nothing",
			fmt.Sprintf("take one of %v; 0 is the account's own", brands))
	}
	if cfg.BusinessUnitID == 0 && cfg.Unsubscribe.All && len(brands) > 1 {
		r.note(checkConsent, fmt.Sprintf("the account has %d brands and consent.business_unit_id is 0", len(brands)), "an unsubscribe of all e-mail may be for the account's own brand alone",
			"name the brand in consent.business_unit_id, or list the subscription types in consent.unsubscribe")
	}
	r.fact(checkConsent, "%d subscription types", len(defs))
}

// typesOf lists the ids; names are an account's own words and may be anything, so they are left to HubSpot's page.
func typesOf(defs []hubspot.SubscriptionDefinition) string {
	text := ""
	for i, d := range defs {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(d.ID)
	}
	return text
}
