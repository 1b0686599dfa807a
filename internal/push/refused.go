package push

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"leadsync/internal/batch"
	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// conflicted: another contact has the address. A lead without a contact looks it up and follows the first-link rule; a
// linked lead is never linked anew: only the rows that carry the address wait, the rest goes on.
func (w *Worker) conflicted(ctx context.Context, k *work, r batch.Refusal) error {
	if k.link.State == ledger.Linked {
		if k.plan.diff.Address == nil { // a unique property, not the address
			return w.refused(ctx, k, r)
		}
		k.block(k.plan.diff.Address.Canon, taken(r.Existing, r.CorrelationID))
		k.answer = answer{}
		return nil
	}
	switch {
	case k.looked && k.answer.whole: // it was looked up, and is written again
		k.answer = answer{}
	case k.looked && r.Existing == "":
		k.block(k.plan.addr, taken("", r.CorrelationID))
		k.answer = answer{}
	default:
		k.looked, k.hint.lookup = false, true
	}
	return nil
}

// addressTaken asks HubSpot whether another contact has the address that a refused write carried: not every refusal of
// a taken address says so. One read a work and address.
func (w *Worker) addressTaken(ctx context.Context, k *work) (lead.ContactID, error) {
	addr := k.plan.addr
	if k.link.State == ledger.Linked {
		if addr = ""; k.plan.diff.Address != nil {
			addr = k.plan.diff.Address.Canon
		}
	}
	if addr == "" || addr == k.askedFor {
		return "", nil
	}
	k.askedFor = addr
	views, err := w.contacts.Batch(ctx, ledger.AddressField, []string{addr}, []string{ledger.AddressField, contact.MoreAddresses})
	if err != nil || len(views) == 0 || views[0].ID == k.link.ContactID {
		return "", err
	}
	return views[0].ID, nil
}

// refused acts on a refusal of one row: properties it names are stripped (or their rows are dead), the rest is folded
// again; a refusal that names none is narrowed down row by row.
func (w *Worker) refused(ctx context.Context, k *work, r batch.Refusal) error {
	acted, rule := false, false
	for _, d := range r.Details {
		rule = rule || strings.HasPrefix(d.Code, "MISSING_")
	}
	if maybeTaken(r) && !rule {
		holder, err := w.addressTaken(ctx, k)
		if err != nil {
			return err
		}
		if holder != "" {
			r.Existing = holder
			return w.conflicted(ctx, k, r)
		}
	}
	for _, d := range r.Details {
		for _, p := range d.Properties {
			acted = w.refusedProperty(k, p, d.Code, r) || acted
		}
		if len(d.Properties) == 0 && d.Code == "INVALID_EMAIL" {
			acted = w.refusedProperty(k, ledger.AddressField, d.Code, r) || acted
		}
	}
	if acted {
		return nil
	}
	rows := k.plan.all.Rows
	if len(rows) > 1 {
		k.hint.take = (len(rows) + 1) / 2
		return nil
	}
	reason := outbox.Refused
	if rule {
		reason = outbox.PortalRule
	}
	k.ended = append(k.ended, outbox.Outcome{ID: rows[0].ID, State: outbox.Dead, Reason: reason, Attempts: rows[0].Attempts + 1,
		Note: refusalNote(r), ContactID: k.link.ContactID, CorrelationID: r.CorrelationID})
	k.drop(rows)
	k.hint.take = 0
	k.done = len(k.rows) == 0
	return nil
}

// maybeTaken reports whether the refusal may be about a taken address: it names nothing, or the address without calling
// it invalid.
func maybeTaken(r batch.Refusal) bool {
	for _, d := range r.Details {
		if d.Code != "INVALID_EMAIL" && slices.Contains(d.Properties, ledger.AddressField) {
			return true
		}
	}
	return !slices.ContainsFunc(r.Details, func(d hubspot.Detail) bool { return len(d.Properties) > 0 || d.Code == "INVALID_EMAIL" })
}

// refusedProperty acts on one property that a refusal names. It reports whether some row gave it its value.
func (w *Worker) refusedProperty(k *work, property, code string, r batch.Refusal) bool {
	if property == ledger.AddressField {
		addr := k.plan.addr
		if k.plan.diff.Address != nil {
			addr = k.plan.diff.Address.Canon
		}
		hit := false
		for _, x := range k.rows {
			if x.Address == addr && addr != "" {
				x.EndAs(outbox.Dead, outbox.InvalidEmail, fmt.Sprintf("%s (%s)", property, code)).End.CorrelationID = r.CorrelationID
				hit = true
			}
		}
		if !hit && addr != "" && addr == k.link.Address && k.link.State != ledger.Linked {
			k.link.Address, k.dirty = "", true
			hit = true
		}
		return hit
	}
	if property == w.table().IDProperty() && k.unmarked {
		k.unmarked, k.markTaken = false, true // the link holds without it
		return true
	}
	c, ok := k.plan.diff.Changes[property]
	if ok && c.Row == nil { // the portal no longer takes what a contact before it held: no row of now is to blame
		if k.unfit == nil {
			k.unfit = map[string]bool{}
		}
		k.unfit[property] = true
		return true
	}
	if !ok {
		return false
	}
	if code == "" {
		code = r.Key().Code
	}
	k.hint.refuse(c.Row.ID, property, code)
	c.Row.Omit(k.hint.refused[c.Row.ID])
	if w.mode() == Dead || c.Row.AllOmitted() {
		c.Row.EndAs(outbox.Dead, outbox.InvalidProperty, intent.OmittedNote(c.Row.Omitted)).End.CorrelationID = r.CorrelationID
	}
	return true
}

func refusalNote(r batch.Refusal) string {
	var parts []string
	for _, d := range r.Details {
		for _, p := range d.Properties {
			parts = append(parts, fmt.Sprintf("%s (%s)", lead.SafeName(p), d.Code))
		}
		if len(d.Properties) == 0 && d.Code != "" {
			parts = append(parts, d.Code)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d %s", r.Status, r.Category))
	}
	return "refused: " + strings.Join(parts, ", ")
}

// judge asks the refusal breaker which refusals must not be acted on yet.
func (w *Worker) judge(works []*work) map[lead.ID]bool {
	var answers []breaker.Answer
	for _, k := range works {
		switch k.answer.kind {
		case accepted:
			answers = append(answers, breaker.Answer{Lead: k.id})
		case missingContact:
			answers = append(answers, breaker.Answer{Lead: k.id, Rule: breaker.Rule{Code: "OBJECT_NOT_FOUND"}})
		case refused, heldBack:
			answers = append(answers, breaker.Answer{Lead: k.id, Rule: rule(k.answer.refusal), Unasked: k.answer.kind == heldBack,
				OwnValue: ownValue(k.answer.refusal)})
		}
	}
	return w.refusals.Judge(answers)
}

// ownValue reports whether the refusal is about a value that the row gave, as an address is.
func ownValue(r batch.Refusal) bool {
	return slices.ContainsFunc(r.Details, func(d hubspot.Detail) bool {
		return strings.HasPrefix(d.Code, "INVALID_") && (len(d.Properties) > 0 || d.Code == "INVALID_EMAIL")
	})
}
