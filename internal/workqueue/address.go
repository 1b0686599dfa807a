package workqueue

import "leadsync/internal/lead"

// ClaimAddresses makes addresses a lead's own, all of them or none: taken are those that another lead has. What the
// lead has already it may claim again.
func (q *Queue) ClaimAddresses(id lead.ID, addresses []string) (taken []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range addresses {
		if owner, there := q.addressOwner[a]; there && owner != id {
			taken = append(taken, a)
		}
	}
	if len(taken) > 0 {
		return taken
	}
	for _, a := range addresses {
		q.addressOwner[a] = id
	}
	return nil
}

// ReleaseAddresses lets those of the addresses go that are the lead's.
func (q *Queue) ReleaseAddresses(id lead.ID, addresses []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, a := range addresses {
		if q.addressOwner[a] == id {
			delete(q.addressOwner, a)
		}
	}
}
