package push

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// claimFree marks leads as busy that are in no job and need not wait, each once.
func (w *Worker) claimFree(ids []lead.ID) []lead.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	suspects := w.breaker.SuspectsIn() <= 0
	var out []lead.ID
	for _, id := range ids {
		if w.holds.wanted[id] > 0 {
			w.holds.missed[id] = true
			continue
		}
		if w.busyLead[id] || w.wanted[id] {
			continue
		}
		if h := w.hints[id]; h != nil && (h.until.After(now) || h.suspect && !suspects) {
			w.revisit[id] = true
			continue
		}
		w.busyLead[id] = true
		delete(w.revisit, id)
		out = append(out, id)
	}
	return out
}

// addressWait is how long a lead waits while another one's request about the same address is under way.
const addressWait = 200 * time.Millisecond

// claimAddresses keeps the leads whose addresses are in no other lead's job; of two new ones the lower outbox id goes first.
func (w *Worker) claimAddresses(works []*work) []*work {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := works[:0]
	for _, k := range works {
		k.claims = k.addresses()
		for _, a := range k.hint.claims {
			if !slices.Contains(k.claims, a) {
				k.claims = append(k.claims, a)
			}
		}
		claimed := func(a string) bool {
			o, ok := w.busyAddr[a]
			return ok && o != k.id
		}
		switch clash := slices.ContainsFunc(k.claims, claimed); {
		case clash && len(k.hint.claims) > 0:
			// Two leads in doubt may each want what the other one holds: this one finds out about its own addresses first.
			for _, a := range k.claims {
				if claimed(a) {
					k.block(a, blockage{note: "waits for another lead's request about the address", wait: time.Second})
				}
			}
			k.claims = slices.DeleteFunc(k.claims, claimed)
		case clash:
			k.hint.until = w.now().Add(addressWait)
			w.hints[k.id] = k.hint
			w.revisit[k.id] = true
			continue
		}
		for _, a := range k.claims {
			w.busyAddr[a] = k.id
		}
		kept = append(kept, k)
	}
	return kept
}

// blockTaken finds addresses that are known to belong to another lead's contact, without a request. Before a row would be dead of
// it HubSpot is asked all the same, since the other contact may have moved on unseen.
func (w *Worker) blockTaken(ctx context.Context, works []*work) error {
	var asked []string
	wants := map[string]*work{} // an address is in one work at a time
	for _, k := range works {
		for _, r := range k.rows {
			if r.Address == "" || r.End != nil || r.Address == k.link.Address {
				continue
			}
			if _, known := wants[r.Address]; !known {
				asked = append(asked, r.Address)
			}
			wants[r.Address] = k
		}
		for _, r := range k.rows {
			if r.Attempts+1 >= w.cfg.MaxAttempts {
				delete(wants, r.Address)
			}
		}
	}
	if len(wants) == 0 {
		return nil
	}
	links, err := w.store.LinksByAddress(ctx, w.hubID(), asked)
	if err != nil {
		return err
	}
	for _, l := range links {
		if k := wants[l.Address]; k != nil && k.id != l.LeadID && l.State == ledger.Linked {
			k.block(l.Address, taken(l.ContactID, ""))
		}
	}
	return nil
}

// forgetLead drops what is remembered of a lead that has no pending rows: they were settled, by us or by an operator.
func (w *Worker) forgetLead(id lead.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h := w.hints[id]; h != nil {
		w.unclaimLocked(id, h.claims)
	}
	delete(w.hints, id)
	delete(w.revisit, id)
}

// claimMore claims further addresses for a lead in a job; false, and none claimed, when another lead has one of them.
func (w *Worker) claimMore(k *work, addresses []string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range addresses {
		if o, ok := w.busyAddr[a]; ok && o != k.id {
			return false
		}
	}
	for _, a := range addresses {
		if w.busyAddr[a] = k.id; !slices.Contains(k.claims, a) {
			k.claims = append(k.claims, a)
		}
	}
	return true
}
