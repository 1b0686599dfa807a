package push

import (
	"context"
	"slices"
	"time"

	"leadsync/internal/lead"
	"leadsync/internal/ledger"
)

// addressWait is how long a lead waits while another one's request about the same address is under way.
const addressWait = 200 * time.Millisecond

// claimAddresses keeps the leads whose addresses are in no other lead's job; of two new ones the lower outbox id goes
// first.
func (w *Worker) claimAddresses(works []*work) []*work {
	kept := works[:0]
	for _, k := range works {
		k.claims = k.addresses()
		for _, a := range k.hint.claims {
			if !slices.Contains(k.claims, a) {
				k.claims = append(k.claims, a)
			}
		}
		taken := w.queue.ClaimAddresses(k.id, k.claims)
		// Two leads in doubt may each want what the other one holds: this one finds out about its own addresses first.
		for len(taken) > 0 && len(k.hint.claims) > 0 {
			for _, a := range taken {
				k.block(a, blockage{note: "waits for another lead's request about the address", wait: time.Second})
			}
			k.claims = slices.DeleteFunc(k.claims, func(a string) bool { return slices.Contains(taken, a) })
			taken = w.queue.ClaimAddresses(k.id, k.claims)
		}
		if len(taken) > 0 {
			w.waitForAddress(k)
			continue
		}
		kept = append(kept, k)
	}
	return kept
}

// waitForAddress puts a lead off whose address is in another lead's job.
func (w *Worker) waitForAddress(k *work) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k.hint.until = w.now().Add(addressWait)
	w.rememberLocked(k)
	w.queue.Add(k.id)
}

// blockTaken finds addresses that are known to belong to another lead's contact, without a request. Before a row would
// be dead of it HubSpot is asked all the same, since the other contact may have moved on unseen.
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
		w.queue.ReleaseAddresses(id, h.claims)
	}
	delete(w.hints, id)
	w.queue.Forget(id)
}

// claimMore claims further addresses for a lead in a job; false, and none claimed, when another lead has one of them.
func (w *Worker) claimMore(k *work, addresses []string) bool {
	if len(w.queue.ClaimAddresses(k.id, addresses)) > 0 {
		return false
	}
	for _, a := range addresses {
		if !slices.Contains(k.claims, a) {
			k.claims = append(k.claims, a)
		}
	}
	return true
}

// Hold keeps push and the second look away from leads, see workqueue.Queue.Reserve. Planned leads that wait for their
// batch are given up at once and planned anew after the release, so that no plan outlives what the holder finds out.
func (w *Worker) Hold(ctx context.Context, leads []lead.ID) (release func(), err error) {
	return w.queue.Reserve(ctx, leads)
}

// turnWith is one turn of the loop: leads that are wanted by a holder are taken out of the pools.
func (w *Worker) turnWith(p *pools) {
	w.turn()
	if !w.queue.AnyReserved() || p.empty() {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range p.giveUp(w.queue.Reserved) {
		w.releaseLocked(k, nil, w.now())
	}
}
