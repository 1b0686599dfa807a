package workqueue

import (
	"context"
	"slices"
	"sync"

	"leadsync/internal/lead"
)

// Reserve waits until no other hand has any of the leads and keeps Claim and ClaimOne away from them until release is
// called; calling it again does nothing. Two reservations never wait for each other in a circle: each takes the leads
// in the same order, and no other hand waits for a lead. The error is that of ctx; then nothing is reserved.
func (q *Queue) Reserve(ctx context.Context, leads []lead.ID) (release func(), err error) {
	ids := slices.Clone(leads)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	q.mu.Lock()
	for _, id := range ids {
		q.reserved[id]++
	}
	q.mu.Unlock()
	held := 0
	release = sync.OnceFunc(func() { q.endReservation(ids, held) })
	q.wake() // so that planned leads are given up
	for held < len(ids) {
		freed := q.claimReserved(ids[held])
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

// claimReserved takes a lead that is free, or returns what is closed when one becomes free.
func (q *Queue) claimReserved(id lead.ID) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.processing[id] {
		q.processing[id] = true
		return nil
	}
	if q.freed == nil {
		q.freed = make(chan struct{})
	}
	return q.freed
}

// endReservation ends one that has the first leads of the list.
func (q *Queue) endReservation(ids []lead.ID, held int) {
	q.mu.Lock()
	due := false
	for i, id := range ids {
		if i < held {
			q.doneLocked(id)
		}
		if q.reserved[id]--; q.reserved[id] == 0 {
			delete(q.reserved, id)
			due = due || q.dirty[id]
		}
	}
	q.mu.Unlock()
	if due {
		q.wake()
	}
}

// Reserved reports whether somebody wants or has the lead by a reservation: who has it planned gives it up.
func (q *Queue) Reserved(id lead.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.reserved[id] > 0
}

// AnyReserved reports whether some lead is.
func (q *Queue) AnyReserved() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.reserved) > 0
}
