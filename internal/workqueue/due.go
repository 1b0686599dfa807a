package workqueue

import (
	"slices"
	"time"

	"leadsync/internal/lead"
)

// Due lists leads that were added, are free and need not wait: at most most of them, and at most apart of those that
// failed, the one that failed longest ago first. They stay due until they are claimed.
func (q *Queue) Due(most, apart int) []lead.ID {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	var ids, failed []lead.ID
	for id := range q.dirty {
		w := q.waits[id]
		switch {
		case q.takenLocked(id) || w.Until.After(now):
		case w.Apart:
			failed = append(failed, id)
		case len(ids) < most:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(failed, func(a, b lead.ID) int { return q.waits[a].FailedAt.Compare(q.waits[b].FailedAt) })
	return append(ids, failed[:min(len(failed), max(0, apart))]...)
}

// NextDue is how long until a lead is due, negative when none will be by itself. apart is how long those that failed
// wait at least.
func (q *Queue) NextDue(apart time.Duration) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, least := q.now(), time.Duration(-1)
	for id := range q.dirty {
		if q.takenLocked(id) {
			continue
		}
		w := q.waits[id]
		left := max(0, w.Until.Sub(now))
		if w.Apart {
			left = max(left, apart)
		}
		if least < 0 || left < least {
			least = left
		}
	}
	return least
}

// takenLocked reports whether somebody has a lead or comes first.
func (q *Queue) takenLocked(id lead.ID) bool {
	return q.processing[id] || q.preempted[id] || q.reserved[id] > 0
}
