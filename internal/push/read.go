package push

import (
	"context"
	"slices"

	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// readProperties is the list of properties to ask for: the mapped ones, those of the rows and, for whole contacts, of
// the ledger.
func (w *Worker) readProperties(works []*work) []string {
	props := append(w.table().Properties(), ledger.AddressField, contact.MoreAddresses, contact.OptedOut, contact.MergedIDs)
	for _, id := range w.types() {
		props = append(props, typeProperty(id))
	}
	for _, k := range works {
		for _, r := range k.rows {
			for _, v := range r.Values {
				props = append(props, v.Property)
			}
		}
		for p := range k.link.Fields {
			props = append(props, p)
		}
	}
	slices.Sort(props)
	return slices.Compact(props)
}

// readLinked reads the contacts of linked leads and takes the readings into their ledgers.
func (w *Worker) readLinked(ctx context.Context, works []*work) error {
	ids := make([]string, len(works))
	for i, k := range works {
		ids[i] = string(k.link.ContactID)
	}
	begun := w.now()
	views, err := w.contacts.Batch(ctx, "", ids, w.readProperties(works))
	if err != nil {
		w.tellAsked(hubspot.OpBatchRead, begun, 0, "", err, works, nil)
		return err
	}
	byID := map[lead.ContactID]*contact.View{}
	for _, v := range views {
		byID[v.ID] = v
	}
	w.tellAsked(hubspot.OpBatchRead, begun, 0, "", nil, works, func(k *work) string { return foundWord(byID[k.link.ContactID] != nil) })
	for _, k := range works {
		if v := byID[k.link.ContactID]; v == nil {
			k.answer = answer{kind: missingContact}
		} else if err := w.take(ctx, k, v); err != nil {
			k.failed(err, 1)
			return err
		}
	}
	if err := w.recycled(ctx, works); err != nil {
		return err
	}
	for _, k := range works {
		if k.answer.kind == missingContact {
			if err := w.whereIs(ctx, k); err != nil {
				k.failed(err, 1)
				return err
			}
		}
		k.answer = answer{}
	}
	return nil
}
