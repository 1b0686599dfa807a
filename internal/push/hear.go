package push

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// hear takes the answers of one round into the works: what is done, what is planned anew, what is put off.
func (w *Worker) hear(ctx context.Context, works []*work, held map[*work]bool) error {
	for _, k := range works {
		if k.done {
			continue
		}
		if k.plan.op == opSettle {
			w.heardNothingToSend(k)
			continue
		}
		if held[k] {
			k.hint.until, k.done = w.now().Add(w.cfg.Retry.Delay(1)), true
			continue
		}
		a := k.answer
		switch a.kind {
		case unasked, heldBack: // the request failed or was not made; the error or the brake says why
			k.done, k.revisit = true, true
		case accepted:
			w.accept(k, a.contact)
		case refused:
			if err := w.refused(ctx, k, a.refusal); err != nil {
				return err
			}
		case conflict:
			if err := w.conflicted(ctx, k, a.refusal); err != nil {
				return err
			}
		case missingContact:
			if err := w.whereIs(ctx, k); err != nil {
				return err
			}
		case located:
		case unnamed:
			k.unseen, k.read, k.looked, k.hint.unknown = true, false, false, true
			if k.plan.op == opCreate {
				k.hint.tried = k.plan.addr
			}
		}
		if !k.done && a.kind != conflict {
			k.answer = answer{}
		}
	}
	return nil
}

// heardNothingToSend ends the fold of a lead that needs no request (any more).
func (w *Worker) heardNothingToSend(k *work) {
	if k.again {
		k.again = false
		return
	}
	switch {
	case len(k.plan.all.rows) == 0:
		k.done, k.revisit = true, k.revisit || len(k.rows) > 0 || k.more
		if k.more && len(k.ended) == 0 { // all that could be read waits
			k.hint.until = w.now().Add(time.Hour)
		}
	case k.link.State != ledger.Linked: // its addresses are blocked
		w.putOff(k, k.rows)
		k.done = true
	case k.hint.unknown || k.linked:
		if k.hint.unknown {
			k.link.SecondLookAt = outbox.Millis(w.now().Add(w.cfg.SecondLook))
		}
		w.finish(k, outbox.Delivered, "", nil) // the reading shows the values
	default:
		w.finish(k, outbox.Skipped, outbox.Unchanged, nil)
	}
}

// accept records a write that HubSpot named in its results.
func (w *Worker) accept(k *work, v *contactView) {
	fresh := k.link.State != ledger.Linked
	if fresh {
		k.link.State, k.link.ContactID = ledger.Linked, v.id
		for p, f := range k.link.Fields { // of a contact before it
			k.link.Fields[p] = ledger.Field{Set: f.Set}
		}
	}
	notTaken := map[string]bool{}
	t := w.table()
	for p, c := range k.plan.diff.changes {
		if !k.link.Wrote(p, c.canon, c.set, v.shown(p)) && t.Exact(p) {
			notTaken[p] = true
		}
	}
	switch {
	case k.plan.diff.addr != nil:
		c := k.plan.diff.addr
		k.link.Wrote(ledger.AddressField, c.canon, c.set, v.shown(ledger.AddressField))
	case fresh:
		k.link.Wrote(ledger.AddressField, k.plan.addr, k.link.Field(ledger.AddressField).Set, v.shown(ledger.AddressField))
	}
	if k.hint.unknown || k.link.Unshown() {
		k.link.SecondLookAt = outbox.Millis(w.now().Add(w.cfg.SecondLook))
	}
	w.finish(k, outbox.Delivered, "", notTaken)
}

// finish settles the rows of the fold together. Rows whose fields were overtaken inside the fold share the outcome.
func (w *Worker) finish(k *work, state outbox.State, reason outbox.Reason, notTaken map[string]bool) {
	var waiting []*row
	for _, r := range k.plan.all.rows {
		for _, v := range r.values {
			k.link.Raise(v.Property, r.id())
		}
		for _, l := range r.left {
			k.link.Refuse(l.Property, l.Code)
		}
		if k.waits(r) {
			waiting = append(waiting, r)
			continue
		}
		if r.addr != "" {
			k.link.Raise(ledger.AddressField, r.id())
		}
		k.link.AppliedID = max(k.link.AppliedID, r.id())
		note := joinNotes(leftNote(r.left), notTakenNote(r, notTaken))
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: state, Reason: reason, Note: note, Attempts: r.Attempts, ContactID: k.link.ContactID})
	}
	w.putOff(k, waiting)
	k.dirty, k.done, k.fill, k.hint.unknown = true, true, nil, false
	more := len(k.plan.all.rows) < len(k.rows) || k.more
	if more {
		k.hint.take = 0
		k.revisit = true
	}
}

// notTakenNote names the properties of the row that HubSpot kept as they were although it accepted the write.
func notTakenNote(r *row, notTaken map[string]bool) string {
	var names []string
	for _, v := range r.values {
		if notTaken[v.Property] {
			names = append(names, safeName(v.Property))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "not taken: " + strings.Join(names, ", ")
}

// putOff ends rows whose address cannot be written now: each waits for its next attempt, or is dead after its last. Rows of the lead
// without an address wait along, so that the lead is not read again before something can have changed.
func (w *Worker) putOff(k *work, rows []*row) {
	var along []*row
	var until int64
	for _, r := range rows {
		why, no := k.blocked[r.addr]
		if !no || r.addr == "" {
			along = append(along, r)
			continue
		}
		o := outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: why.note, NotBefore: outbox.Millis(w.now().Add(why.wait))}
		if why.reason != "" {
			o = w.retryLater(r, k, why.reason, why.note)
		}
		if o.NotBefore != 0 && (until == 0 || o.NotBefore < until) {
			until = o.NotBefore
		}
		k.ended = append(k.ended, o)
	}
	if k.more && until != 0 { // rows that were not read have no not_before
		k.hint.until = time.UnixMilli(until)
	}
	for _, r := range along {
		k.ended = append(k.ended, outbox.Outcome{ID: r.ID, State: outbox.Pending, Attempts: r.Attempts, Note: "waits for an address", NotBefore: until})
	}
}

// conflicted: another contact has the address. A lead without a contact looks it up and follows the first-link rule; a linked lead
// is never linked anew: only the rows that carry the address wait, the rest goes on.
func (w *Worker) conflicted(ctx context.Context, k *work, r refusal) error {
	if k.link.State == ledger.Linked {
		if k.plan.diff.addr == nil { // a unique property, not the address
			return w.refused(ctx, k, r)
		}
		k.block(k.plan.diff.addr.canon, taken(lead.ContactID(r.existing)))
		k.answer = answer{}
		return nil
	}
	switch {
	case k.looked && k.answer.whole: // it was looked up, and is written again
		k.answer = answer{}
	case k.looked && r.existing == "":
		k.block(k.plan.addr, taken(""))
		k.answer = answer{}
	default:
		k.looked, k.hint.lookup = false, true
	}
	return nil
}

// addressTaken asks HubSpot whether another contact has the address that a refused write carried: not every refusal of a taken
// address says so. One read a work and address.
func (w *Worker) addressTaken(ctx context.Context, k *work) (hubspot.ContactID, error) {
	addr := k.plan.addr
	if k.link.State == ledger.Linked {
		if addr = ""; k.plan.diff.addr != nil {
			addr = k.plan.diff.addr.canon
		}
	}
	if addr == "" || addr == k.askedFor {
		return "", nil
	}
	k.askedFor = addr
	views, err := w.readBatch(ctx, ledger.AddressField, []string{addr}, []string{ledger.AddressField, moreAddresses})
	if err != nil || len(views) == 0 || views[0].id == k.link.ContactID {
		return "", err
	}
	return hubspot.ContactID(views[0].id), nil
}

// refused acts on a refusal of one row: properties it names are stripped (or their rows are dead), the rest is folded again; a
// refusal that names none is narrowed down row by row.
func (w *Worker) refused(ctx context.Context, k *work, r refusal) error {
	acted, rule := false, false
	for _, d := range r.details {
		rule = rule || strings.HasPrefix(d.Code, "MISSING_")
	}
	if r.maybeTaken() && !rule {
		holder, err := w.addressTaken(ctx, k)
		if err != nil {
			return err
		}
		if holder != "" {
			r.existing = holder
			return w.conflicted(ctx, k, r)
		}
	}
	for _, d := range r.details {
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
	rows := k.plan.all.rows
	if len(rows) > 1 {
		k.hint.take = (len(rows) + 1) / 2
		return nil
	}
	reason := outbox.Refused
	if rule {
		reason = outbox.PortalRule
	}
	k.ended = append(k.ended, outbox.Outcome{ID: rows[0].ID, State: outbox.Dead, Reason: reason, Attempts: rows[0].Attempts + 1,
		Note: refusalNote(r), ContactID: k.link.ContactID, CorrelationID: r.correlationID})
	k.drop(rows)
	k.hint.take = 0
	k.done = len(k.rows) == 0
	return nil
}

// maybeTaken reports whether the refusal may be about a taken address: it names nothing, or the address without calling it invalid.
func (r refusal) maybeTaken() bool {
	for _, d := range r.details {
		if d.Code != "INVALID_EMAIL" && slices.Contains(d.Properties, ledger.AddressField) {
			return true
		}
	}
	return !slices.ContainsFunc(r.details, func(d hubspot.Detail) bool { return len(d.Properties) > 0 || d.Code == "INVALID_EMAIL" })
}

// refusedProperty acts on one property that a refusal names. It reports whether some row gave it its value.
func (w *Worker) refusedProperty(k *work, property, code string, r refusal) bool {
	if property == ledger.AddressField {
		addr := k.plan.addr
		if k.plan.diff.addr != nil {
			addr = k.plan.diff.addr.canon
		}
		hit := false
		for _, x := range k.rows {
			if x.addr == addr && addr != "" {
				x.ends(outbox.Dead, outbox.InvalidEmail, fmt.Sprintf("%s (%s)", property, code)).end.CorrelationID = r.correlationID
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
	c, ok := k.plan.diff.changes[property]
	if ok && c.row == nil { // the portal no longer takes what a contact before it held: no row of now is to blame
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
		code = r.key().code
	}
	k.hint.refuse(c.row.ID, property, code)
	c.row.strip(k.hint.refused[c.row.ID])
	if w.mode() == Dead || c.row.emptied() {
		c.row.ends(outbox.Dead, outbox.InvalidProperty, leftNote(c.row.left)).end.CorrelationID = r.correlationID
	}
	return true
}

func refusalNote(r refusal) string {
	var parts []string
	for _, d := range r.details {
		for _, p := range d.Properties {
			parts = append(parts, fmt.Sprintf("%s (%s)", safeName(p), d.Code))
		}
		if len(d.Properties) == 0 && d.Code != "" {
			parts = append(parts, d.Code)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, fmt.Sprintf("HTTP %d %s", r.status, r.category))
	}
	return "refused: " + strings.Join(parts, ", ")
}
