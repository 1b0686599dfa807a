package workqueue

import "leadsync/internal/lead"

// Preempt asks for a lead before all others: Claim leaves it alone from now on, and whoever has it lets it go as soon
// as it can.
func (q *Queue) Preempt(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.preempted[id] = true
}

// Preempted reports whether the lead is asked for.
func (q *Queue) Preempted(id lead.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.preempted[id]
}

// AnyPreempted reports whether some lead is asked for.
func (q *Queue) AnyPreempted() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.preempted) > 0
}

// PreemptedFree lists the leads that are asked for and in nobody's hand.
func (q *Queue) PreemptedFree() []lead.ID {
	q.mu.Lock()
	defer q.mu.Unlock()
	var ids []lead.ID
	for id := range q.preempted {
		if !q.processing[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// EndPreempt asks for a lead no more.
func (q *Queue) EndPreempt(id lead.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.preempted, id)
}

// EndPreempts asks for no lead any more; those that were asked for are due.
func (q *Queue) EndPreempts() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id := range q.preempted {
		q.dirty[id] = true
	}
	clear(q.preempted)
}

// TakeOver takes a lead for the one who comes first, whatever it waits for, or asks for it where another hand has it or
// a reservation comes first.
func (q *Queue) TakeOver(id lead.ID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.processing[id] || q.reserved[id] > 0 {
		q.preempted[id] = true
		return false
	}
	q.processing[id] = true
	delete(q.preempted, id)
	return true
}
