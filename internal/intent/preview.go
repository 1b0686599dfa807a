package intent

import (
	"slices"
	"strconv"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/mapping"
	"leadsync/internal/outbox"
)

// Preview is what a row would come to if it were pending now, as far as that can be known without asking HubSpot: its
// refusals, its property definitions where the table has none, and what people changed there meanwhile are not in it.
// It holds names of properties, never values.
type Preview struct {
	ID outbox.EntryID
	// Outcome is a state and reason where the row is decided by itself ("dead/invalid_email", "skipped/overtaken"), "waits
	// for an address", "create or link a contact", or "update contact 901".
	Outcome string
	// Send are the properties that would be written, email among them.
	Send []string
	// Unchanged are those that HubSpot is known to hold.
	Unchanged []string
	// Overtaken names, by property, the event that has set it since, or will in the same write.
	Overtaken map[string]outbox.EntryID
	// LeftOut is the note about values that may not be sent; empty for none.
	LeftOut string
}

// PreviewRow tells what e would come to. pending are the pending rows of its lead, link may be nil, duplicate says that
// its event was there before.
func PreviewRow(e outbox.Entry, pending []outbox.Entry, link *ledger.Link, t *mapping.Table, duplicate bool) Preview {
	e.State, e.Reason = outbox.Pending, nil
	r := NewRow(&e, t, duplicate)
	p := Preview{ID: e.ID, LeftOut: OmittedNote(r.Omitted), Overtaken: map[string]outbox.EntryID{}}
	if r.End != nil {
		p.Outcome = string(r.End.State)
		if r.End.Reason != "" {
			p.Outcome += "/" + string(r.End.Reason)
		}
		if r.End.State == outbox.Pending {
			p.Outcome = r.End.Note
		}
		return p
	}
	if link == nil {
		link = &ledger.Link{}
	}
	later := map[string]outbox.EntryID{}
	address := link.Address
	for i := range pending {
		other := NewRow(&pending[i], t, false)
		if other.End != nil || other.ID == e.ID {
			continue
		}
		if address == "" {
			address = other.Address
		}
		if other.ID < e.ID {
			continue
		}
		for _, v := range other.Values {
			later[v.Property] = other.ID
		}
		if other.Address != "" {
			later[ledger.AddressField] = other.ID
		}
	}
	judge := func(property, canon string) {
		name := lead.SafeName(property)
		switch {
		case later[property] != 0:
			p.Overtaken[name] = later[property]
		case link.Overtaken(property, r.Num()):
			p.Overtaken[name] = outbox.EntryID(link.Field(property).Set)
		case link.State == ledger.Linked && link.Field(property).Holds(canon):
			p.Unchanged = append(p.Unchanged, name)
		default:
			p.Send = append(p.Send, name)
		}
	}
	for _, v := range r.Values {
		judge(v.Property, v.Canon)
	}
	if r.Address != "" {
		judge(ledger.AddressField, r.Address)
		address = r.Address
	}
	slices.Sort(p.Send)
	p.Outcome = r.previewOutcome(p, link, address)
	return p
}

func (r *Row) previewOutcome(p Preview, link *ledger.Link, address string) string {
	word := func(state outbox.State, reason outbox.Reason) string { return string(state) + "/" + string(reason) }
	switch {
	case link.State == ledger.Purged:
		return word(outbox.Dead, outbox.ContactPurged)
	case link.State == ledger.Gone && !(r.Event == outbox.Registered && r.Num() > link.AppliedID):
		return word(outbox.Dead, outbox.ContactGone)
	case len(p.Send)+len(p.Unchanged)+len(p.Overtaken) == 0 && p.LeftOut != "":
		return word(outbox.Dead, outbox.InvalidProperty)
	case len(p.Send)+len(p.Unchanged)+len(p.Overtaken) == 0 && r.Unmapped > 0:
		return word(outbox.Skipped, outbox.NotMapped)
	case link.State != ledger.Linked && address == "":
		return "waits for an address"
	case link.State != ledger.Linked:
		return "create or link a contact"
	case len(p.Send) > 0:
		return "update contact " + string(link.ContactID)
	case len(p.Unchanged) == 0 && len(p.Overtaken) > 0:
		return word(outbox.Skipped, outbox.Overtaken)
	}
	return word(outbox.Skipped, outbox.Unchanged)
}

// OvertakenWords lists what was overtaken and by which event: "firstname by 17, plan by 18".
func (p Preview) OvertakenWords() string {
	var out string
	names := make([]string, 0, len(p.Overtaken))
	for name := range p.Overtaken {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			out += ", "
		}
		out += name + " by " + strconv.FormatInt(int64(p.Overtaken[name]), 10)
	}
	return out
}
