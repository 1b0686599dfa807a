package contact

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
)

// ChangedAt is when the property got the value that HubSpot holds.
func (r *Reader) ChangedAt(ctx context.Context, v *View, property string) (time.Time, error) {
	known, err := r.revisions(ctx, v, property)
	if err != nil || len(known) > 0 && !known[0].At.IsZero() {
		return newestAt(known), err
	}
	return v.UpdatedAt, nil
}

func newestAt(known []hubspot.Revision) (at time.Time) {
	if len(known) > 0 {
		at = known[0].At
	}
	return at
}

// historyOf lists the properties whose history is asked for together: the one, and those whose winner is the newest.
func (r *Reader) historyOf(v *View, property string) []string {
	list := []string{property}
	for _, p := range r.table().Properties() {
		if _, winner := r.table().Rule(p); winner == mapping.Newest && v.History == nil {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Ours reports whether the value that a property has in HubSpot was put there by a request of ours, as the property's
// own history says. Writes of an app have the source INTEGRATION and the app's id; which source a service key has is
// not known, and how far a history goes back neither: where it does not say that it was us, it was not.
func (r *Reader) Ours(ctx context.Context, v *View, property string, sent string) (bool, error) {
	known, err := r.revisions(ctx, v, property)
	if err != nil || len(known) == 0 || !appSource[known[0].SourceType] {
		return false, err
	}
	t := r.table()
	if t.Canon(property, known[0].Value) != v.Values[property] {
		return false, nil // it was changed since the reading
	}
	for _, old := range known[1:] { // whose id our own last write has
		if appSource[old.SourceType] && t.Canon(property, old.Value) == sent {
			return old.SourceID == known[0].SourceID, nil
		}
	}
	return true, nil
}

// appSource are the sources of an app's writes in a property's history: INTEGRATION in captures of answers; API is seen
// too. What people do is CRM_UI and others
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22).
var appSource = map[string]bool{"INTEGRATION": true, "API": true}

// revisions is the history of a property, newest first; one more reading of the contact for each that is asked for.
func (r *Reader) revisions(ctx context.Context, v *View, property string) ([]hubspot.Revision, error) {
	if known, asked := v.History[property]; asked {
		return known, nil
	}
	list := r.historyOf(v, property)
	res, err := r.hub.BatchRead(ctx, hubspot.ReadRequest{IDs: []string{string(v.ID)}, Properties: list, History: list})
	if err != nil && !NotFound(err) {
		return nil, err
	}
	if v.History == nil {
		v.History = map[string][]hubspot.Revision{}
	}
	for _, p := range list {
		v.History[p] = nil
	}
	for i := 0; err == nil && i < len(res.Results); i++ {
		if res.Results[i].ID == v.ID {
			for p, known := range res.Results[i].History {
				v.History[p] = known
			}
		}
	}
	return v.History[property], nil
}

// markMargin forgives clocks that differ, HubSpot's and ours, in ms.
const markMargin = 60_000

// MadeSince reports whether an app gave the contact its first address at or after a time: a request of ours that got no
// answer may have. Property history names INTEGRATION for what apps write
// (https://developers.hubspot.com/docs/api-reference/latest/crm/objects/contacts/guide, read 2026-11-22); a contact
// that people made, or that was there before, is not it.
func (r *Reader) MadeSince(ctx context.Context, v *View, since int64) (bool, error) {
	res, err := r.hub.BatchRead(ctx, hubspot.ReadRequest{IDs: []string{string(v.ID)}, Properties: []string{ledger.AddressField},
		History: []string{ledger.AddressField}, Archived: v.Archived})
	if NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := range res.Results {
		if past := res.Results[i].History[ledger.AddressField]; res.Results[i].ID == v.ID && len(past) > 0 {
			first := slices.MinFunc(past, func(a, b hubspot.Revision) int { return a.At.Compare(b.At) })
			return first.SourceType == "INTEGRATION" && first.At.UnixMilli() >= since-markMargin, nil
		}
	}
	return false, nil
}
