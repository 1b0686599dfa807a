package push

import (
	"context"
	"slices"
	"strings"

	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// findPerson looks for everything that HubSpot holds of a lead: by its link, by the contacts that its rows name, by the id property and by
// every address that it ever had here. It only reads. nil: another lead's request about one of the addresses is under way, and the contact
// that it makes is not this person's.
func (w *Worker) findPerson(ctx context.Context, k *work) (*found, error) {
	f := &found{Person: Person{Lead: k.id, Row: k.plan.del.ID}}
	if err := w.traces(ctx, k, f); err != nil {
		return nil, err
	}
	if !w.claimMore(k, f.Addresses) {
		k.hint.until = w.now().Add(addressWait)
		return nil, nil
	}
	own, byAddress, err := w.contactsOf(ctx, k, f)
	if err != nil {
		return nil, err
	}
	others, err := w.heldByOthers(ctx, k, append(slices.Clone(own), byAddress...))
	if err != nil {
		return nil, err
	}
	shared := withShared(k.plan.del)
	for _, v := range own {
		if others[v.id] {
			if f.shared = true; !shared {
				continue
			}
		}
		f.take(v)
	}
	for _, v := range byAddress {
		mark := v.values[w.table().IDProperty()]
		switch {
		case slices.Contains(f.live, v.id):
		case others[v.id] || w.table().IDProperty() != "" && mark != "" && mark != string(k.id):
			f.left++
		default:
			f.take(v)
		}
	}
	if len(f.live) > 0 {
		t, err := w.store.Tombstoned(ctx, w.hubID(), nil, f.live, nil)
		if err != nil {
			return nil, w.withTrouble(err)
		}
		f.fresh = slices.ContainsFunc(f.live, func(id lead.ContactID) bool { return !t.Contacts[id] })
	}
	return f, nil
}

// take adds a contact that is to be erased, with the addresses it has now.
func (f *found) take(v *contactView) {
	if slices.Contains(f.live, v.id) {
		return
	}
	f.live = append(f.live, v.id)
	f.contact(v.id)
	for _, a := range append([]string{v.email}, v.more...) {
		f.address(a)
	}
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

// traces collects what the database knows of a lead: contacts, addresses, and texts to search the files for. In a file the columns of a
// row stand beside each other, so that even a short lead id can be told from other digits.
func (w *Worker) traces(ctx context.Context, k *work, f *found) error {
	for _, word := range []string{"lead.", string(outbox.Pending), string(outbox.Delivered), string(outbox.Skipped), string(outbox.Dead)} {
		f.needle(w.cfg.Portal + string(k.id) + word)
	}
	f.needle(string(k.id))
	l := k.link
	f.contact(l.ContactID)
	f.address(l.Address)
	f.address(l.Field(ledger.AddressField).Sent)
	f.address(l.Field(ledger.AddressField).Seen)
	for _, a := range l.OptOut.Evidenced {
		f.address(a)
	}
	err := w.store.EachRow(ctx, k.id, func(e outbox.Entry) error {
		r := newRow(&e, w.table(), false)
		f.address(r.addr)
		f.address(r.lookFor)
		if e.Email != nil {
			f.needle(*e.Email)
			if a, err := lead.NormalizeAddress(*e.Email); err == nil {
				f.address(string(a))
			}
		}
		if e.Properties != nil && len(*e.Properties) > len("{}") {
			f.needle(*e.Properties)
		}
		if e.ContactID != nil {
			f.contact(lead.ContactID(*e.ContactID))
		}
		return nil
	})
	if err != nil {
		return w.withTrouble(err)
	}
	told, err := w.store.InboxOf(ctx, k.id)
	for _, r := range told {
		f.contact(r.ContactID)
		f.address(lead.LowerKey(r.Email))
		if len(r.Properties) > len("{}") {
			f.needle(r.Properties)
		}
	}
	return w.withTrouble(err)
}

// contactsOf reads what HubSpot has: the lead's own contacts, live, merged into another or in the recycle bin, and those that only have
// one of its addresses.
func (w *Worker) contactsOf(ctx context.Context, k *work, f *found) (own, byAddress []*contactView, err error) {
	t := w.table()
	props := []string{ledger.AddressField, moreAddresses, mergedIDs}
	if t.IDProperty() != "" {
		props = append(props, t.IDProperty())
		if own, err = w.readBatch(ctx, t.IDProperty(), []string{string(k.id)}, props); err != nil {
			return nil, nil, err
		}
	}
	missing := map[lead.ContactID]bool{}
	ids := make([]string, len(f.Contacts))
	for i, id := range f.Contacts {
		ids[i], missing[id] = string(id), true
	}
	live, err := w.readBatch(ctx, "", slices.Clone(ids), props)
	if err != nil {
		return nil, nil, err
	}
	bin, err := w.readArchived(ctx, "", ids, props)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range append(live, bin...) {
		own = append(own, v)
		delete(missing, v.id)
	}
	for _, id := range f.Contacts {
		if !missing[id] {
			continue
		}
		c, err := w.hub.Contact(ctx, hubspot.ContactID(id), props, false) // follows merges
		if notFound(err) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		own = append(own, w.view(c))
	}
	if byAddress, err = w.readBatch(ctx, ledger.AddressField, slices.Clone(f.Addresses), props); err != nil {
		return nil, nil, err
	}
	bin, err = w.readArchived(ctx, ledger.AddressField, f.Addresses, props)
	return own, append(byAddress, bin...), err
}

// readArchived reads contacts in the recycle bin. That they can be asked for by address is not documented: a refusal means none.
func (w *Worker) readArchived(ctx context.Context, idProperty string, ids, props []string) ([]*contactView, error) {
	var out []*contactView
	for _, part := range parts(ids) {
		res, err := w.hub.BatchRead(ctx, hubspot.ReadRequest{IDProperty: idProperty, IDs: part, Properties: props, Archived: true})
		if notFound(err) || idProperty != "" && hubspot.Classify(err) == hubspot.ClassInvalid {
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range res.Results {
			if v := w.view(&res.Results[i]); v.id != "" {
				out = append(out, v)
			}
		}
	}
	return out, nil
}

// heldByOthers tells which of the contacts are another lead's, as they are or since a merge.
func (w *Worker) heldByOthers(ctx context.Context, k *work, views []*contactView) (map[lead.ContactID]bool, error) {
	var ids []lead.ContactID
	for _, v := range views {
		ids = append(append(ids, v.id), v.merged...)
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
		if (l.State == ledger.Linked || l.State == ledger.Gone) && (l.LeadID != k.id || l.Portal != w.cfg.Portal) {
			others[l.ContactID] = true
		}
	}
	for _, v := range views {
		out[v.id] = others[v.id] || slices.ContainsFunc(v.merged, func(id lead.ContactID) bool { return others[id] })
	}
	return out, nil
}
