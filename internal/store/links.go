package store

import (
	"context"
	"encoding/json"
	"fmt"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// Links reads the links of leads in one HubSpot account; a lead without one is not in the map. The caller owns the
// result.
func (v *View) Links(ctx context.Context, hubID int64, leads []lead.ID) (map[lead.ID]*ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	if len(leads) == 0 {
		return map[lead.ID]*ledger.Link{}, nil
	}
	all, err := v.queryLinks(ctx, "read links", v.dialect.sql().links, v.portal, hubID, v.dialect.texts(distinct(leads)))
	if err != nil {
		return nil, err
	}
	m := make(map[lead.ID]*ledger.Link, len(all))
	for i := range all {
		m[all[i].LeadID] = &all[i]
	}
	return m, nil
}

// LinksByAddress reads the links of an account, of any portal name and in any state, that have one of the normalised
// addresses.
func (v *View) LinksByAddress(ctx context.Context, hubID int64, addresses []string) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	if len(addresses) == 0 {
		return nil, nil
	}
	return v.queryLinks(ctx, "read links by address", v.dialect.sql().byAddress, hubID, v.dialect.texts(distinct(addresses)))
}

// LinksByContact reads the links of an account, of any portal name and in any state, that name one of the contacts. At
// most one link of a contact is linked or gone; others may be passive or purged.
func (v *View) LinksByContact(ctx context.Context, hubID int64, contacts []lead.ContactID) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	if len(contacts) == 0 {
		return nil, nil
	}
	return v.queryLinks(ctx, "read links by contact", v.dialect.sql().byContact, hubID, v.dialect.texts(distinct(contacts)))
}

// LinksToLookAt reads links whose second look has come, the longest due first.
func (v *View) LinksToLookAt(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.queryLinks(ctx, "read links to look at", v.dialect.sql().lookAt, v.portal, hubID, now, limit)
}

// LinksOwingOptOut reads links for which the unsubscribe lane has work without any row, the longest due first: the lead
// is out and its present address is not evidenced, or an opt-out is to be posted again.
func (v *View) LinksOwingOptOut(ctx context.Context, hubID, now int64, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.queryLinks(ctx, "read links that owe an opt-out", v.dialect.sql().optOutDue, v.portal, hubID, now, limit)
}

// LinksWaiting reads links whose second look stands beyond look, or the opt-out they owe beyond optOut, unix ms: at
// most limit of each, and one that is both twice.
func (v *View) LinksWaiting(ctx context.Context, hubID, look, optOut int64, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	looks, err := v.queryLinks(ctx, "read links that wait", beyond(v.dialect.sql().lookAt), v.portal, hubID, look, limit)
	if err != nil {
		return nil, err
	}
	outs, err := v.queryLinks(ctx, "read links that wait", beyond(v.dialect.sql().optOutDue), v.portal, hubID, optOut, limit)
	return append(looks, outs...), err
}

// LinksOwing reads links that owe HubSpot a value that was left out, of leads greater than after, in their order.
func (v *View) LinksOwing(ctx context.Context, hubID int64, after lead.ID, limit int) ([]ledger.Link, error) {
	ctx, cancel := v.bound(ctx)
	defer cancel()
	return v.queryLinks(ctx, "read links that owe a value", v.dialect.sql().owingAfter, v.portal, hubID, string(after), limit)
}

// Owed counts leads that owe HubSpot values that were left out, and the values.
type Owed struct{ Leads, Fields int64 }

// MostOwed is up to how many such leads are counted.
const MostOwed = 100_000

// Owed counts them for one account.
func (o *Operator) Owed(ctx context.Context, portal string, hubID int64) (n Owed, err error) {
	if err := o.one(ctx, o.read, []any{&n.Leads, &n.Fields}, o.dialect.sql().owedCount, portal, hubID, MostOwed); err != nil {
		return Owed{}, fmt.Errorf("count what is owed: %w", err)
	}
	return n, nil
}

func (v *View) queryLinks(ctx context.Context, doing, text string, args ...any) ([]ledger.Link, error) {
	rows, err := v.rows(ctx, v.read, text, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	defer rows.Close()
	var all []ledger.Link
	for rows.Next() {
		var l ledger.Link
		var fields, out []byte
		var look, due, owed *int64 // the last two are made of the others
		if err := rows.Scan(&l.Portal, &l.HubID, &l.LeadID, &l.State, &l.ContactID, &l.Address, &l.Consent, &l.ConsentID, &fields,
			&l.AppliedID, &l.ClosedAtID, &look, &out, &due, &owed); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		if look != nil {
			l.SecondLookAt = *look
		}
		if l.Fields, err = decodeFields(fields); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		if l.OptOut, err = decodeOptOut(out); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		l.Remember()
		all = append(all, l)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return all, nil
}

// encodeOptOut writes the rest of a link's consent; empty when there is nothing to say.
func encodeOptOut(o ledger.OptOut) string {
	b, _ := json.Marshal(o) // numbers and texts cannot fail
	if string(b) == "{}" {
		return ""
	}
	return string(b)
}

// decodeOptOut reads it. The error repeats nothing of the text, which holds addresses.
func decodeOptOut(text []byte) (o ledger.OptOut, err error) {
	if len(text) == 0 {
		return o, nil
	}
	if json.Unmarshal(text, &o) != nil {
		return ledger.OptOut{}, fmt.Errorf("the consent of a link is not the JSON that was written (%d bytes)", len(text))
	}
	return o, nil
}

// encodeFields writes the ledger of a link, keys in order.
func encodeFields(fields map[string]ledger.Field) (string, error) {
	if len(fields) == 0 {
		return "{}", nil
	}
	b, err := json.Marshal(fields)
	return string(b), err
}

// decodeFields reads it. The error repeats nothing of the text, which holds people's values.
func decodeFields(text []byte) (map[string]ledger.Field, error) {
	fields := map[string]ledger.Field{}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("the ledger of a link is not the JSON that was written (%d bytes)", len(text))
	}
	return fields, nil
}
