package doctor

import (
	"context"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
)

// facts settles by reading what HubSpot's documents leave open and leadsync is built to bear either way. It changes
// nothing; an account that holds no case of it says nothing.
func (r *Report) facts(ctx context.Context, in Input) {
	r.mergedAway(ctx, in)
	r.optOutMoves(ctx, in)
}

// mergedAway finds out what a batch read says of an id that was merged away.
func (r *Report) mergedAway(ctx context.Context, in Input) {
	page, err := in.Hub.Search(ctx, hubspot.SearchRequest{Limit: 1, Properties: []string{"hs_merged_object_ids"},
		Filters: []hubspot.Filter{{Property: "hs_merged_object_ids", Operator: "HAS_PROPERTY"}}})
	if err != nil || len(page.Contacts) == 0 {
		return
	}
	list := page.Contacts[0].Properties["hs_merged_object_ids"]
	if list == nil {
		return
	}
	old, _, _ := strings.Cut(*list, ";")
	if old == "" || lead.ContactID(old) == page.Contacts[0].ID {
		return
	}
	got, err := in.Hub.BatchRead(ctx, hubspot.ReadRequest{IDs: []string{old}, Properties: []string{"hs_object_id"}})
	switch {
	case err != nil:
	case slices.ContainsFunc(got.Results, func(c hubspot.Contact) bool { return c.ID == page.Contacts[0].ID }):
		r.fact(checkHubSpot, "settled on this account: a batch read of an id that was merged away gives the contact it went into")
	case len(got.Results) > 0:
		r.fact(checkHubSpot, "settled on this account: a batch read of an id that was merged away gives a contact under the old id")
	case len(got.Errors) > 0:
		r.fact(checkHubSpot, "settled on this account: a batch read names an id that was merged away as not found")
	default:
		r.fact(checkHubSpot, "settled on this account: a batch read passes over an id that was merged away in silence")
	}
}

// optOutMoves finds out whether an opt-out moves lastmodifieddate, which is what the quick pull sees. Only "it does
// not" can be proved by reading: a later change would have moved it too.
func (r *Report) optOutMoves(ctx context.Context, in Input) {
	page, err := in.Hub.Search(ctx, hubspot.SearchRequest{Limit: 10, Properties: []string{"hs_email_optout"},
		Filters: []hubspot.Filter{{Property: "hs_email_optout", Operator: "EQ", Value: "true"}}})
	if err != nil || len(page.Contacts) == 0 {
		return
	}
	ids := make([]string, len(page.Contacts))
	for i, c := range page.Contacts {
		ids[i] = string(c.ID)
	}
	got, err := in.Hub.BatchRead(ctx, hubspot.ReadRequest{IDs: ids, Properties: []string{"lastmodifieddate"}, History: []string{"hs_email_optout"}})
	if err != nil {
		return
	}
	moved := false
	for _, c := range got.Results {
		list := c.History["hs_email_optout"]
		if len(list) == 0 || c.UpdatedAt.IsZero() {
			continue
		}
		if list[0].At.Sub(c.UpdatedAt) > time.Second {
			r.fact(checkHubSpot, "settled on this account: an opt-out does not move lastmodifieddate, so the opt-out stream alone sees it")
			return
		}
		moved = moved || list[0].At.Sub(c.UpdatedAt).Abs() <= time.Second
	}
	if moved {
		r.fact(checkHubSpot, "seen on this account: contacts whose last change is their opt-out, so it moves lastmodifieddate")
	}
}
