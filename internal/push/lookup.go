package push

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// lookup looks for a contact of each unlinked lead: by the id property, then by every address of its pending rows in
// row order, and by the contact that a conflict named. A contact found is linked by the first-link rule.
func (w *Worker) lookup(ctx context.Context, works []*work) error {
	t := w.table()
	props := w.readProperties(works)
	byKey := map[string]*contact.View{}
	if t.IDProperty() != "" {
		ids := make([]string, len(works))
		for i, k := range works {
			ids[i] = string(k.id)
		}
		views, err := w.contacts.Batch(ctx, t.IDProperty(), ids, props)
		if err != nil {
			return err
		}
		for _, v := range views {
			byKey["id:"+v.Mark] = v
		}
	}
	var emails, named []string
	for _, k := range works {
		if k.byMark {
			continue
		}
		emails = append(emails, k.addresses()...)
		if id := k.answer.refusal.Existing; id != "" {
			named = append(named, string(id))
		}
	}
	begun := w.now()
	views, err := w.contacts.Batch(ctx, ledger.AddressField, emails, props)
	if err != nil {
		w.tellAsked(hubspot.OpBatchRead, begun, 0, "", err, works, nil)
		return err
	}
	if len(named) > 0 {
		more, err := w.contacts.Batch(ctx, "", named, props)
		if err != nil {
			return err
		}
		views = append(views, more...)
	}
	for _, v := range views {
		byKey[v.Email] = v
		for _, a := range v.More {
			if byKey[a] == nil {
				byKey[a] = v
			}
		}
		byKey["contact:"+string(v.ID)] = v
	}
	w.tellAsked(hubspot.OpBatchRead, begun, 0, "", nil, works, func(k *work) string {
		return foundWord(slices.ContainsFunc(k.addresses(), func(a string) bool { return byKey[a] != nil }))
	})
	holders, err := w.holders(ctx, byKey)
	if err != nil {
		return err
	}
	for _, k := range works {
		k.looked, k.marked, k.byMark = k.looked || !k.byMark, true, false
		if err := w.claimForDelete(ctx, k); err != nil {
			return err
		}
		if err := w.firstLink(ctx, k, byKey, holders); err != nil {
			k.failed(err, 1)
			return err
		}
		if k.doubt && k.link.State == ledger.None && k.link.EndDoubt(outbox.Millis(begun)) {
			k.dirty = true
		}
	}
	return nil
}

// addresses are all addresses a lead may be known by: those of its pending rows, then the one of its link. Blocked ones
// are not asked for: they are another lead's.
func (k *work) addresses() []string {
	out := intent.Addresses(k.lookedFor())
	more := append(slices.Clone(k.past), k.triedBefore()...)
	if k.link.Address != "" && !k.namedLater() && (!k.closes || k.link.State == ledger.None || k.link.State == ledger.Linked) {
		more = append(more, k.link.Address)
	}
	for _, a := range more {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return slices.DeleteFunc(out, k.blocked.has)
}

// triedBefore are addresses with which a contact of the lead may have been made: a create of ours is in doubt.
func (k *work) triedBefore() []string {
	if k.link.State != ledger.None {
		return nil
	}
	return k.link.Field(ledger.AddressField).Maybe
}

// holders maps contacts to the lead that is linked to them, or to one that was merged into them.
func (w *Worker) holders(ctx context.Context, found map[string]*contact.View) (map[lead.ContactID]lead.ID, error) {
	out := map[lead.ContactID]lead.ID{}
	var ids []lead.ContactID
	for _, v := range found {
		ids = append(append(ids, v.ID), v.Merged...)
	}
	if len(ids) == 0 {
		return out, nil
	}
	slices.Sort(ids)
	links, err := w.store.LinksByContact(ctx, w.hubID(), slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	byContact := map[lead.ContactID]lead.ID{}
	for _, l := range links {
		if l.State != ledger.Linked {
			continue
		}
		if byContact[l.ContactID] = l.LeadID; l.Portal != w.cfg.Portal {
			byContact[l.ContactID] = "" // no lead of ours, whatever its id
		}
	}
	for _, v := range found {
		for _, id := range append([]lead.ContactID{v.ID}, v.Merged...) {
			if holder, held := byContact[id]; held {
				out[v.ID] = holder
				break
			}
		}
	}
	return out, nil
}

// firstLink links a lead to the contact that was found for it, if no other lead has it.
func (w *Worker) firstLink(ctx context.Context, k *work, byKey map[string]*contact.View, holders map[lead.ContactID]lead.ID) error {
	keys := []string{"id:" + string(k.id)}
	for _, a := range append([]string{k.hint.tried}, k.triedBefore()...) {
		if slices.Contains(k.addresses(), a) {
			keys = append(keys, a)
		}
	}
	keys = append(keys, k.addresses()...)
	if id := k.answer.refusal.Existing; id != "" {
		keys = append(keys, "contact:"+string(id))
	}
	for _, key := range keys {
		v := byKey[key]
		if v == nil {
			continue
		}
		holder, held := holders[v.ID]
		other := v.Mark
		if held && holder != k.id || w.table().IDProperty() != "" && other != "" && other != string(k.id) {
			switch {
			case strings.HasPrefix(key, "contact:"):
				k.block(k.plan.addr, taken(v.ID, ""))
			case strings.HasPrefix(key, "id:"): // an upsert would write on it
				for _, a := range k.addresses() {
					k.block(a, taken(v.ID, ""))
				}
			default:
				k.block(key, taken(v.ID, ""))
			}
			continue
		}
		if mine, err := w.mayLink(ctx, k, v); err != nil {
			return err
		} else if !mine {
			continue
		}
		holders[v.ID] = k.id
		if k.link.State == ledger.Gone {
			k.begin()
		}
		k.link.State, k.link.ContactID, k.linked, k.dirty = ledger.Linked, v.ID, true, true
		k.answer = answer{}
		return w.take(ctx, k, v)
	}
	if _, known := k.blocked[k.plan.addr]; k.answer.kind == conflict && !k.answer.whole && !known {
		k.block(k.plan.addr, taken(k.answer.refusal.Existing, k.answer.refusal.CorrelationID))
	}
	k.answer = answer{}
	return nil
}

func heldBy(id lead.ContactID) string {
	if _, err := strconv.ParseInt(string(id), 10, 64); err != nil {
		return "another contact has the address"
	}
	return "held by contact " + string(id)
}

// learnExisting counts how many of a batch's leads existed already: when it is more than a fifth, the next ones are
// looked up before they are created, so that errors stay low; when it is not, creating first costs one request instead
// of two.
func (w *Worker) learnExisting(works []*work) {
	found := 0
	for _, k := range works {
		if k.linked || len(k.blocked) > 0 {
			found++
		}
	}
	if len(works) >= BatchSize/5 && !w.readFirst.Load() && found >= BatchSize/5 {
		w.readFirst.Store(true)
	} else if w.readFirst.Load() && len(works) >= BatchSize/5 && 5*found <= len(works) {
		w.readFirst.Store(false)
	}
}
