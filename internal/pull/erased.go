package pull

import (
	"context"
	"slices"

	"leadsync/internal/inbox"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// passErased leaves out contacts of people who were erased: they are nobody's business any more.
func (r *run) passErased(ctx context.Context, d *draft) error {
	if len(d.unknown) == 0 {
		return nil
	}
	var ids []lead.ContactID
	var addresses []string
	for _, v := range d.unknown {
		ids, addresses = append(ids, v.ids()...), append(addresses, v.Email)
	}
	erased, err := r.p.store.Tombstoned(ctx, r.hubID, nil, ids, addresses)
	d.unknown = slices.DeleteFunc(d.unknown, func(v *view) bool {
		return erased.Addresses[v.Email] || slices.ContainsFunc(v.ids(), func(id lead.ContactID) bool { return erased.Contacts[id] })
	})
	return err
}

// silence asks once more, of what a page is about to write, since the page may have been read before an erase that has
// come to its end meanwhile. An erase that begins after this question overwrites what the page writes: between its
// first phase and its last lies the second look. Rows of leads that were read again need no question: no erase goes on
// while they are held.
func (r *run) silence(ctx context.Context, d *draft) error {
	var ids []lead.ContactID
	var addresses []string
	for i := range d.Strangers {
		ids, addresses = append(ids, d.Strangers[i].ContactID), append(addresses, d.Strangers[i].Address)
	}
	for i := range d.Inbox {
		ids, addresses = append(ids, d.Inbox[i].ContactID), append(addresses, d.Inbox[i].Email)
	}
	if len(ids) == 0 {
		return nil
	}
	erased, err := r.p.store.Tombstoned(ctx, r.hubID, nil, ids, addresses)
	d.Strangers = slices.DeleteFunc(d.Strangers, func(l ledger.Link) bool { return erased.Contacts[l.ContactID] || erased.Addresses[l.Address] })
	d.Inbox = slices.DeleteFunc(d.Inbox, func(row inbox.Row) bool {
		return !slices.Contains(d.reread, row.LeadID) && (erased.Contacts[row.ContactID] || row.LeadID == "" && erased.Addresses[row.Email])
	})
	return err
}
