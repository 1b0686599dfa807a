package push

import (
	"context"
	"slices"
	"strings"

	"leadsync/internal/contact"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// findPerson looks for what HubSpot holds of a lead: by its link, by the contacts that it had in this account, by the
// id property and by the addresses under which one may be. What it finds is the lead's only with evidence. It only
// reads. nil: another lead's request about one of the addresses is under way, and the contact that it makes is not this
// person's.
func (w *Worker) findPerson(ctx context.Context, k *work) (*found, error) {
	f := &found{Person: Person{Lead: k.id, Row: k.plan.del.ID}, by: map[lead.ContactID]Evidence{}}
	var err error
	if f.claim, err = w.claimOf(ctx, k, k.erases()); err != nil {
		return nil, err
	}
	if err := w.traces(ctx, k, f); err != nil {
		return nil, err
	}
	if !w.claimMore(k, f.look()) {
		k.hint.until = w.now().Add(addressWait)
		return nil, nil
	}
	views, err := w.contactsOf(ctx, k, f)
	if err != nil {
		return nil, err
	}
	others, err := w.heldByOthers(ctx, k, views)
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		e, err := w.evidence(ctx, f.claim, v)
		if err != nil {
			return nil, err
		}
		mark := w.table().IDProperty() != "" && v.Mark != "" && v.Mark != string(k.id) && e != ByLink && e != ByMerge
		f.judge(v, e, others[v.ID] || mark, w.cfg.AskAdopted)
	}
	f.bound()
	if len(f.live) > 0 {
		t, err := w.store.Tombstoned(ctx, w.hubID(), nil, f.live, nil)
		if err != nil {
			return nil, w.withTrouble(err)
		}
		f.fresh = slices.ContainsFunc(f.live, func(id lead.ContactID) bool { return !t.Contacts[id] })
	}
	return f, nil
}

// erases are the rows of the lead that ask for its erase: an operator's word for one of them counts.
func (k *work) erases() []outbox.EntryID {
	var ids []outbox.EntryID
	for _, r := range k.every {
		if r.Event == outbox.Erased && r.End == nil {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// judge decides about one contact: it is erased, it is left alone, or a person is asked. other: another lead has it
// too.
func (f *found) judge(v *contact.View, e Evidence, other, askAdopted bool) {
	known, own := f.claim.known, e == ByLink || e == ByMerge
	also := known.Also[v.ID] || known.Shared && other && e != ""
	switch {
	case slices.Contains(f.seen, v.ID):
		return
	case known.Leave[v.ID], e == "" && !also && (other || !f.claim.near(v, f.named)):
		if f.spared = append(f.spared, v.Addresses()...); other {
			f.left++
		} else {
			f.strangers++
		}
	case e == "" && !also:
		f.asks, f.why = append(f.asks, v.ID), "nothing shows that it is this lead's"
	case other && !also:
		f.asks, f.why = append(f.asks, v.ID), "another lead has it too"
	case own && askAdopted && !also && (known.Found[v.ID] || slices.ContainsFunc(v.Merged, func(id lead.ContactID) bool { return known.Found[id] })):
		f.asks, f.why = append(f.asks, v.ID), "it was there before the lead (erase.adopted: ask)"
	default:
		if e == "" {
			e = SaidSo
		}
		if f.take(v, e); !own && !also && !v.Archived {
			f.extra = append(f.extra, v.ID)
		}
	}
	f.seen = append(f.seen, v.ID)
}

// bound holds back an erase that would touch several live contacts that are not the lead's by its link: one lead_id may
// stand for everybody.
func (f *found) bound() {
	if len(f.extra) > 1 {
		f.asks, f.why = append(f.asks, f.extra...), "it is not the lead's by its link, and there are several"
	}
}

// take adds a contact that is to be erased, with the addresses it has now.
func (f *found) take(v *contact.View, e Evidence) {
	f.live = append(f.live, v.ID)
	f.by[v.ID] = e
	f.contact(v.ID)
	for _, a := range v.Addresses() {
		f.address(a)
	}
}

// look are the addresses under which a contact of the lead may be.
func (f *found) look() []string {
	all := append(f.claim.addresses(), f.named...)
	for a := range f.claim.asked {
		all = append(all, a)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (f *found) contact(id lead.ContactID) {
	if id != "" && !slices.Contains(f.Contacts, id) && strings.Trim(string(id), "0123456789") == "" {
		f.Contacts = append(f.Contacts, id)
	}
}

func (f *found) address(a string) {
	if a != "" && !slices.Contains(f.Addresses, a) {
		f.Addresses = append(f.Addresses, a)
		f.needle(a)
	}
}

// maxNeedles bounds the texts that a file is searched for.
const maxNeedles = 400

func (f *found) needle(s string) {
	if s != "" && len(f.needles) < maxNeedles && !slices.Contains(f.needles, s) {
		f.needles = append(f.needles, s)
	}
}

// traces collects what the database knows of a lead: contacts, addresses, and texts to search the files for. In a file
// the columns of a row stand beside each other, so that even a short lead id can be told from other digits.
func (w *Worker) traces(ctx context.Context, k *work, f *found) error {
	for _, word := range []string{"lead.", string(outbox.Pending), string(outbox.Delivered), string(outbox.Skipped), string(outbox.Dead)} {
		f.needle(w.cfg.Portal + string(k.id) + word)
	}
	f.needle(string(k.id))
	for _, a := range f.claim.addresses() {
		f.address(a)
	}
	for _, a := range append(k.link.OptOut.Addresses(), k.link.Address) {
		f.needle(a)
	}
	var waits []string // addresses of rows that wait
	err := w.store.EachRow(ctx, k.id, func(e outbox.Entry) error {
		r := intent.NewRow(&e, w.table(), false)
		f.needle(r.Address)
		f.needle(r.LookFor)
		if e.Email != nil {
			f.needle(*e.Email)
		}
		if e.Properties != nil && len(*e.Properties) > len("{}") {
			f.needle(*e.Properties)
		}
		if r.Event == outbox.Erased && e.State == outbox.Pending && r.LookFor != "" {
			f.named = append(f.named, r.LookFor)
		}
		if e.State == outbox.Pending && (r.Event == outbox.Registered || r.Event == outbox.Updated) {
			waits = append(waits, r.Address)
		}
		if r.Address != "" && len(f.written) < mostWritten && !slices.Contains(f.written, r.Address) {
			f.written = append(f.written, r.Address)
		}
		return nil
	})
	if err != nil {
		return w.withTrouble(err)
	}
	w.askedBefore(f.claim, waits)
	told, err := w.store.InboxOf(ctx, k.id)
	for _, r := range told {
		f.needle(lead.LowerKey(r.Email))
		if len(r.Properties) > len("{}") {
			f.needle(r.Properties)
		}
	}
	return w.withTrouble(err)
}

// mostWritten bounds the addresses of rows that are looked at only to tell how many contacts were left.
const mostWritten = 300

// contactsOf reads what HubSpot has: the lead's own contacts, live, merged into another or in the recycle bin, and
// those that have one of its addresses. Those that are found in several ways come first by the one that says most.
func (w *Worker) contactsOf(ctx context.Context, k *work, f *found) (all []*contact.View, err error) {
	t := w.table()
	props := []string{ledger.AddressField, contact.MoreAddresses, contact.MergedIDs}
	if t.IDProperty() != "" {
		props = append(props, t.IDProperty())
		if all, err = w.contacts.Batch(ctx, t.IDProperty(), []string{string(k.id)}, props); err != nil {
			return nil, err
		}
	}
	var ids []lead.ContactID
	if k.link.ContactID != "" && k.link.State != ledger.None {
		ids = append(ids, k.link.ContactID)
	}
	for id := range f.claim.known.Had {
		ids = append(ids, id)
	}
	for id := range f.claim.known.Also {
		ids = append(ids, id)
	}
	own, missing, err := w.contacts.ByID(ctx, ids, props)
	if err != nil {
		return nil, err
	}
	for _, id := range missing { // of nobody any more
		if f.contact(id); f.claim.known.Also[id] {
			delete(f.claim.known.Also, id)
		}
	}
	look := append(f.look(), f.written...)
	byAddress, err := w.contacts.Batch(ctx, ledger.AddressField, slices.Clone(look), props)
	if err != nil {
		return nil, err
	}
	slices.Sort(look)
	bin, err := w.contacts.Archived(ctx, ledger.AddressField, slices.Compact(look), props)
	return slices.Concat(own, all, byAddress, bin), err
}

// heldByOthers tells which of the contacts are another lead's, as they are or since a merge.
func (w *Worker) heldByOthers(ctx context.Context, k *work, views []*contact.View) (map[lead.ContactID]bool, error) {
	var ids []lead.ContactID
	for _, v := range views {
		ids = append(append(ids, v.ID), v.Merged...)
	}
	out := map[lead.ContactID]bool{}
	if len(ids) == 0 {
		return out, nil
	}
	slices.Sort(ids)
	links, err := w.store.LinksByContact(ctx, w.hubID(), slices.Compact(ids))
	if err != nil {
		return nil, w.withTrouble(err)
	}
	others := map[lead.ContactID]bool{}
	for _, l := range links {
		switch l.State {
		case ledger.Linked, ledger.Gone, ledger.Passive:
			others[l.ContactID] = others[l.ContactID] || l.LeadID != k.id || l.Portal != w.cfg.Portal
		}
	}
	for _, v := range views {
		out[v.ID] = others[v.ID] || slices.ContainsFunc(v.Merged, func(id lead.ContactID) bool { return others[id] })
	}
	return out, nil
}
