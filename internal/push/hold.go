package push

import (
	"context"
	"slices"
	"sync"

	"leadsync/internal/lead"
)

// holds are the leads that somebody beside the worker's own jobs wants or has. Guarded by Worker.mu.
type holds struct {
	// wanted counts who wants or has the lead: no job and no second look takes it meanwhile.
	wanted map[lead.ID]int
	// missed are leads that a reading passed over for it; they are read again when the lead is let go.
	missed map[lead.ID]bool
	// freed is closed when a lead becomes free; nil when nobody waits.
	freed chan struct{}
}

// Hold waits until no request is under way for any of the leads and keeps push and the second look away from them until release is
// called; calling it again does nothing. Planned leads that wait for their batch are given up at once and planned anew after the release,
// so that no plan outlives what the holder finds out. Two holders never wait for each other in a circle: each takes the leads in the same
// order, and no job waits for a lead. The error is that of ctx; then nothing is held.
func (w *Worker) Hold(ctx context.Context, leads []lead.ID) (release func(), err error) {
	ids := slices.Clone(leads)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	w.mu.Lock()
	for _, id := range ids {
		w.holds.wanted[id]++
	}
	w.mu.Unlock()
	held := 0
	release = sync.OnceFunc(func() { w.endHold(ids, held) })
	w.Wake() // so that leads in the pools are given up
	for held < len(ids) {
		freed := w.claimHeld(ids[held])
		if freed == nil {
			held++
			continue
		}
		select {
		case <-ctx.Done():
			release()
			return nil, context.Cause(ctx)
		case <-freed:
		}
	}
	return release, nil
}

// claimHeld takes a lead that is free, or returns what is closed when one becomes free.
func (w *Worker) claimHeld(id lead.ID) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.busyLead[id] {
		w.busyLead[id] = true
		return nil
	}
	if w.holds.freed == nil {
		w.holds.freed = make(chan struct{})
	}
	return w.holds.freed
}

// endHold ends the wants of a holder that has the first leads of the list.
func (w *Worker) endHold(ids []lead.ID, held int) {
	w.mu.Lock()
	again := false
	for i, id := range ids {
		if i < held {
			w.freeLocked(id)
		}
		if w.holds.wanted[id]--; w.holds.wanted[id] > 0 {
			continue
		}
		delete(w.holds.wanted, id)
		if w.holds.missed[id] {
			delete(w.holds.missed, id)
			w.revisit[id], again = true, true
		}
	}
	w.mu.Unlock()
	if again {
		w.Wake()
	}
}

// freeLocked makes a lead free for the next who wants it.
func (w *Worker) freeLocked(id lead.ID) {
	delete(w.busyLead, id)
	if w.holds.freed != nil {
		close(w.holds.freed)
		w.holds.freed = nil
	}
}

// turnWith is one turn of the loop: leads that are wanted by a holder are taken out of the pools.
func (w *Worker) turnWith(p *pools) {
	w.turn()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.holds.wanted) == 0 || p.empty() {
		return
	}
	for _, k := range p.giveUp(func(id lead.ID) bool { return w.holds.wanted[id] > 0 }) {
		w.releaseLocked(k, nil, w.now())
	}
}

// giveUp takes the leads out of the pools that out names.
func (p *pools) giveUp(out func(lead.ID) bool) []*work {
	p.mu.Lock()
	defer p.mu.Unlock()
	var works []*work
	for key, ks := range p.byKey {
		kept := ks[:0]
		for _, x := range ks {
			if !out(x.id) {
				kept = append(kept, x)
				continue
			}
			works = append(works, x.work)
			p.countLocked(x.work, -1)
		}
		if p.byKey[key] = kept; len(kept) == 0 {
			delete(p.byKey, key)
		}
	}
	return works
}
