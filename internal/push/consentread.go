package push

import (
	"cmp"
	"context"
	"slices"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/contact"
	"leadsync/internal/hubspot"
	"leadsync/internal/intent"
	"leadsync/internal/lead"
	"leadsync/internal/ledger"
	"leadsync/internal/outbox"
)

// owingLeads is how many leads without a row are looked at in one reading.
const owingLeads = 3 * BatchSize

// readConsent reads what the unsubscribe lane has to do, claims the leads and decides what their rows say. more: there
// is more to read.
func (w *Worker) readConsent(ctx context.Context) (works []*work, more bool, err error) {
	room, again := w.consentRoom(), w.consent.due(w.now(), w.suspectRoom())
	if room == 0 && len(again) == 0 {
		return nil, true, nil
	}
	if err := w.ids.Load(ctx, w.store.HighMark); err != nil {
		return nil, false, err
	}
	var parts [][]lead.ID
	if room > 0 {
		ids, further, err := w.consentLeads(ctx, room)
		if err != nil {
			return nil, false, err
		}
		ids, left := w.claimConsent(ids, room)
		more = further || left
		parts = append(parts, ids)
	}
	for _, id := range again {
		ids, _ := w.claimConsent([]lead.ID{id}, 1)
		parts = append(parts, ids)
	}
	for i, ids := range parts {
		if len(ids) == 0 {
			continue
		}
		var part []*work
		panicked, err := guarded(func() (err error) {
			part, err = w.consentWorks(ctx, ids)
			return err
		}, func(p any) error { return consentPanicked(ctx, w, ids, p) })
		if err = w.withTrouble(err); err != nil && (breaker.ForAll(err) || hubspot.OpOf(err) == "" || ctx.Err() != nil) {
			w.leaveConsent(works, parts[i+1:])
			return nil, false, err
		}
		if err != nil { // one of them may be the cause: the others do not wait for it
			w.consent.breaker.FailFor(err, w.readingFailed(ids, err))
			continue
		}
		if !panicked {
			w.consent.found(ids, part)
		}
		works = append(works, part...)
	}
	return works, more, nil
}

// leaveConsent lets leads go that were claimed and are not worked on.
func (w *Worker) leaveConsent(works []*work, parts [][]lead.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range works {
		w.leaveConsentLocked(k)
	}
	for _, ids := range parts {
		for _, id := range ids {
			w.leaveConsentLocked(&work{id: id, revisit: true})
		}
	}
}

// consentLeads lists leads with rows that speak of consent, and those that owe an opt-out without one.
func (w *Worker) consentLeads(ctx context.Context, room int) (ids []lead.ID, more bool, err error) {
	now := outbox.Millis(w.now())
	for _, id := range w.queue.PreemptedFree() {
		if !w.consent.isSuspect(id) {
			ids = append(ids, id)
		}
	}
	due, err := w.store.DueConsent(ctx, now, scanRows)
	if err != nil {
		return nil, false, err
	}
	for _, r := range due {
		if !r.IsOrphan() && !w.passOn(r) && !w.consent.isSuspect(r.Lead()) {
			ids = append(ids, r.Lead())
		}
	}
	owing, err := w.store.LinksOwingOptOut(ctx, w.hubID(), now, owingLeads)
	if err != nil {
		return nil, false, err
	}
	for i := range owing {
		if !w.consent.isSuspect(owing[i].LeadID) {
			ids = append(ids, owing[i].LeadID)
		}
	}
	more = len(due) == scanRows || len(owing) == owingLeads
	for len(ids) < room {
		rows, err := w.store.ReadyConsent(ctx, w.consent.after, scanRows)
		if err != nil {
			return nil, false, err
		}
		if err := w.ids.Check(rows); err != nil {
			return nil, false, err
		}
		end := len(rows) < scanRows
		var orphans []outbox.EntryID
		for i, r := range rows {
			w.consent.after = r.ID
			if r.IsOrphan() {
				orphans = append(orphans, r.ID)
				continue
			}
			if w.passOn(r) || w.consent.isSuspect(r.Lead()) {
				continue
			}
			if ids = append(ids, r.Lead()); len(ids) >= room && i < len(rows)-1 {
				end = false
				break
			}
		}
		if err := w.endOrphans(ctx, orphans); err != nil {
			return nil, false, err
		}
		if end {
			w.consent.after = 0
			w.consent.handed, w.consent.seen = w.consent.seen, map[outbox.EntryID]bool{}
			return ids, more, nil
		}
	}
	return ids, true, nil
}

// passOn gives a row whose word is done to the contact lane. It reports whether it is one.
func (w *Worker) passOn(r ReadyRow) bool {
	if !w.consent.handed[r.ID] {
		return false
	}
	w.consent.seen[r.ID] = true
	w.queue.AddFree(r.Lead())
	return true
}

// claimConsent takes the leads that are in no job, and those that a batch which is not sent yet holds. What a request
// is under way for is wanted: its job lets it go as soon as it can. left: there was no room for all.
func (w *Worker) claimConsent(ids []lead.ID, room int) (out []lead.ID, left bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[lead.ID]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		if len(out) == room {
			return out, true
		}
		if !w.queue.TakeOver(id) {
			k := (*work)(nil)
			if w.pools != nil {
				k = w.pools.remove(id)
			}
			if k == nil {
				continue
			}
			w.putBackLocked(k, nil, w.now()) // the lead passes from hand to hand
			w.queue.EndPreempt(id)
		}
		out = append(out, id)
	}
	return out, false
}

// consentWorks reads rows and links of claimed leads and decides. Leads with nothing to do are let go.
func (w *Worker) consentWorks(ctx context.Context, ids []lead.ID) (works []*work, err error) {
	var all []*work
	kept := map[lead.ID]bool{}
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, id := range ids {
			if !kept[id] {
				w.leaveConsentLocked(&work{id: id, revisit: true})
			}
		}
	}()
	rows, err := w.store.PendingOf(ctx, ids, readRows, readSize)
	if err != nil {
		return nil, err
	}
	links, err := w.store.Links(ctx, w.hubID(), ids)
	if err != nil {
		return nil, err
	}
	duplicate, err := w.duplicates(ctx, rows)
	if err != nil {
		return nil, err
	}
	var read []*work
	for _, id := range ids {
		k := w.newWork(id, rows[id], links[id], duplicate)
		if k.more { // the word may stand further on
			if k, err = w.widen(ctx, id, links[id]); err != nil {
				return nil, err
			}
		}
		read = append(read, k)
	}
	if err := w.endErased(ctx, read); err != nil {
		return nil, err
	}
	read = slices.DeleteFunc(read, func(k *work) bool {
		r := k.erasing()
		if r == nil || r.Parked() {
			return false
		}
		k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool { // nobody is subscribed any more; the erase ends what came after its tombstone
			return r.Consent == ledger.In || k.tomb != nil && !r.Erased
		})
		return len(k.words) == 0 && k.link.OptOutDue() == 0
	})
	for _, k := range read {
		k.unread, k.hint = true, &hint{} // what the contact lane remembers of the lead is not touched
		if panicked, err := guarded(func() error { w.hearWords(k); return nil },
			func(p any) error { return consentPanicked(ctx, w, []lead.ID{k.id}, p) }); err != nil {
			return nil, err
		} else if panicked {
			continue
		}
		k.words = slices.DeleteFunc(k.words, func(r *intent.Row) bool {
			if r.Folded {
				w.consent.handed[r.ID], w.consent.seen[r.ID] = true, true
			}
			return r.Folded
		})
		if len(k.words) > 0 || len(k.ended) > 0 || k.link.OptOutDue() != 0 {
			all = append(all, k)
		}
	}
	if err := w.findTargets(ctx, all); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range all {
		k.claims = slices.Clone(k.outs)
		if k.survivor != "" && !slices.Contains(k.claims, k.survivor) {
			k.claims = append(k.claims, k.survivor)
		}
		if k.in != nil {
			k.claims = append(k.claims, k.resubscribes())
		}
		if len(w.queue.ClaimAddresses(k.id, k.claims)) > 0 {
			k.claims = nil
			w.leaveConsentLocked(k)
			w.queue.Preempt(k.id)
			kept[k.id] = true // it is let go already
			continue
		}
		kept[k.id] = true
		works = append(works, k)
	}
	return works, nil
}

// resubscribes is the address that the lead's resubscribe is about; empty when none is known.
func (k *work) resubscribes() string {
	if k.link.State == ledger.Linked && k.link.Address != "" {
		return k.link.Address
	}
	if k.in.Address != "" {
		return k.in.Address
	}
	if all := intent.Addresses(k.rows); len(all) > 0 {
		return all[len(all)-1]
	}
	return k.link.Address
}

// findTargets finds the addresses that are to be opted out for each lead that is out.
func (w *Worker) findTargets(ctx context.Context, works []*work) error {
	var borrowed []string // addresses that only a contact row names: they may be another lead's
	byAddress := map[string][]*work{}
	for _, k := range works {
		if k.in != nil {
			continue
		}
		k.outs = nil
		named := false
		for _, r := range k.words {
			if r.Consent == ledger.Out && r.Address != "" {
				named = true
			}
			if k.owesNamed(r) {
				k.aim(r.Address)
			}
		}
		if err := w.aimAtDoubted(ctx, k); err != nil {
			return err
		}
		if k.link.OwesSurvivor() {
			if err := w.findSurvivor(ctx, k); err != nil {
				return err
			}
		}
		if k.link.Consent != ledger.Out {
			continue
		}
		k.aim(k.survivor)
		k.aim(k.link.Address)
		if k.link.State == ledger.Linked && k.link.Address != "" {
			continue
		}
		if all := intent.Addresses(k.rows); !named && len(all) > 0 && k.link.Address == "" {
			a := all[len(all)-1]
			borrowed, byAddress[a] = append(borrowed, a), append(byAddress[a], k)
		}
	}
	if err := w.aimAtPresent(ctx, works); err != nil {
		return err
	}
	if len(borrowed) == 0 {
		return nil
	}
	links, err := w.store.LinksByAddress(ctx, w.hubID(), borrowed)
	if err != nil {
		return err
	}
	for a, ks := range byAddress {
		for _, k := range ks {
			if !slices.ContainsFunc(links, func(l ledger.Link) bool {
				return l.Address == a && l.State == ledger.Linked && (l.LeadID != k.id || l.Portal != w.cfg.Portal)
			}) {
				k.aim(a)
			}
		}
	}
	return nil
}

// aimAtDoubted takes the addresses of which a SUBSCRIBED of ours was in doubt and can be carried out no more: whoever
// says that they are out, the opt-out is posted again and read back, and the doubt ends.
func (w *Worker) aimAtDoubted(ctx context.Context, k *work) error {
	for _, a := range k.link.Doubted(outbox.Millis(w.now())) {
		k.dirty = true
		if k.link.Consent != ledger.Out {
			why, err := w.optedOutByOthers(ctx, k, a)
			if err != nil {
				return err
			}
			if why == "" {
				k.link.Doubt(a, 0)
				continue
			}
			w.sawOptOut(k, a, time.Time{})
		}
		k.readBack = true
		k.link.Distrust(a)
		k.aim(a)
	}
	return nil
}

// aimAtPresent reads the contacts of leads with a row that carries another address than the one the link names: a
// request of ours that changed it may have been carried out without an answer, and the person is mailed where the
// contact is now.
func (w *Worker) aimAtPresent(ctx context.Context, works []*work) error {
	byID := map[lead.ContactID]*work{}
	var ids []lead.ContactID
	for _, k := range works {
		if k.in == nil && k.link.Consent == ledger.Out && k.link.State == ledger.Linked && slices.ContainsFunc(k.every, func(r *intent.Row) bool {
			return r.End == nil && r.Address != "" && r.Address != k.link.Address
		}) {
			byID[k.link.ContactID] = k
			ids = append(ids, k.link.ContactID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	views, _, err := w.contacts.ByID(hubspot.WithGate(hubspot.WithPriority(ctx, hubspot.PriorityUnsubscribe), w.mayWrite), ids,
		[]string{ledger.AddressField, contact.MoreAddresses, contact.OptedOut, contact.MergedIDs})
	if err != nil {
		return err
	}
	for _, v := range views {
		if k := byID[cmp.Or(v.AskedAs, v.ID)]; k != nil && !v.Archived {
			k.aim(v.Email)
		}
	}
	return nil
}

// aim adds an address to those that are to be opted out, unless HubSpot has said so of it already.
func (k *work) aim(address string) {
	if address != "" && !k.link.Evidenced(address) && !slices.Contains(k.outs, address) {
		k.outs = append(k.outs, address)
	}
}

// findSurvivor: after a merge the person is mailed at the address of the contact that was kept, so an opt-out counts
// for it too. The contact that was kept may have been merged since, in any number of steps: HubSpot is asked for the
// record that has it now.
func (w *Worker) findSurvivor(ctx context.Context, k *work) error {
	views, _, err := w.contacts.ByID(hubspot.WithGate(hubspot.WithPriority(ctx, hubspot.PriorityUnsubscribe), w.mayWrite),
		[]lead.ContactID{k.link.ContactID}, []string{ledger.AddressField, contact.MoreAddresses, contact.OptedOut, contact.MergedIDs})
	if err != nil {
		return err
	}
	for _, v := range views {
		if v.Archived {
			continue
		}
		if k.survivor = v.Email; v.ID != k.link.ContactID {
			k.link.ContactID, k.dirty = v.ID, true
		}
	}
	return nil
}
