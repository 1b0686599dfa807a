// Package workqueue says who may act for a lead, and when again. A lead is a key: it has one hand at a time, whichever
// loop that is of, and so has an address. It knows nothing of rows, links or HubSpot.
//
// It guarantees: never two hands on one lead or one address; a lead that was added is due until it is claimed, however
// many others had it meanwhile; and no two reservations wait for each other in a circle.
//
// Design: a lead is found by reading the pending rows, which are the truth; the queue only remembers leads that a
// reading has passed by and must come back to, and what keeps them from being taken. So all of it may be lost in a
// crash. Three kinds of hands exist: a loop claims what is free and leaves the rest; one with precedence asks whoever
// has a lead for it (Preempt) and takes it when it is free; and who needs certain leads waits for them (Reserve). The
// rejected way was a lock a lead: two loops that each need several leads wait for each other, and a lock does not say
// which leads to read again.
package workqueue

import (
	"sync"
	"time"

	"leadsync/internal/lead"
)

// Wait is what keeps a lead from being claimed once it is free.
type Wait struct {
	Until time.Time // leave it alone before
	// Apart: a request with it failed. It is claimed only by those that ask for such leads, and the one that failed
	// longest ago first.
	Apart    bool
	FailedAt time.Time
}

// Queue is safe for concurrent use. No method waits but Reserve.
type Queue struct {
	now  func() time.Time
	wake func()

	mu           sync.Mutex // guards what follows
	processing   map[lead.ID]bool
	freed        chan struct{} // closed when a lead becomes free; nil when nobody waits
	dirty        map[lead.ID]bool
	waits        map[lead.ID]Wait
	preempted    map[lead.ID]bool
	reserved     map[lead.ID]int // how many want or have it by Reserve
	addressOwner map[string]lead.ID
}

// New returns an empty queue. wake is called, without a lock held, when leads are to be given up for a reservation, and
// when one ended that leads in the queue had to wait for.
func New(now func() time.Time, wake func()) *Queue {
	return &Queue{now: now, wake: wake, processing: map[lead.ID]bool{}, dirty: map[lead.ID]bool{}, waits: map[lead.ID]Wait{},
		preempted: map[lead.ID]bool{}, reserved: map[lead.ID]int{}, addressOwner: map[string]lead.ID{}}
}

// Claim takes those of the leads that are free and need not wait, each once. The others are left: those that wait, or
// are reserved, are due later. apart: also those that failed.
func (q *Queue) Claim(ids []lead.ID, apart bool) []lead.ID {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	var out []lead.ID
	for _, id := range ids {
		w := q.waits[id]
		switch {
		case q.reserved[id] > 0:
			q.dirty[id] = true
		case q.processing[id] || q.preempted[id]:
		case w.Until.After(now) || w.Apart && !apart:
			q.dirty[id] = true
		default:
			q.processing[id] = true
			delete(q.dirty, id)
			out = append(out, id)
		}
	}
	return out
}

// ClaimOne takes a lead that is free and not reserved, for a step beside its rows: whatever it waits for, and it stays
// due.
func (q *Queue) ClaimOne(id lead.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.processing[id] || q.reserved[id] > 0 {
		return false
	}
	q.processing[id] = true
	return true
}

// Done ends what Claim, ClaimOne or TakeOver began. Its addresses stay the lead's until they are released.
func (q *Queue) Done(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.doneLocked(id)
}

func (q *Queue) doneLocked(id lead.ID) {
	delete(q.processing, id)
	if q.freed != nil {
		close(q.freed)
		q.freed = nil
	}
}

// Add has a lead read again when it is free and its wait is over.
func (q *Queue) Add(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.dirty[id] = true
}

// AddFree is Add for a lead that is free; whoever has it now reads it again where that is needed.
func (q *Queue) AddFree(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.processing[id] {
		q.dirty[id] = true
	}
}

// Delay says what a lead has to wait for; the zero Wait is nothing. It does not add the lead.
func (q *Queue) Delay(id lead.ID, w Wait) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w == (Wait{}) {
		delete(q.waits, id)
	} else {
		q.waits[id] = w
	}
}

// Forget drops what is remembered of a lead for which there is nothing to do.
func (q *Queue) Forget(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waits, id)
	delete(q.dirty, id)
}
