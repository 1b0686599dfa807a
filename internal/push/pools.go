package push

import (
	"slices"
	"strings"
	"sync"
	"time"

	"leadsync/internal/lead"
)

// poolKey parts the planned leads by what a job of them would do, and by how far a failing batch was narrowed down.
type poolKey struct {
	op      op
	size    int // most leads in one job
	suspect bool
}

// pools hold planned leads until there are enough for a full batch, or until they have lingered. One goroutine uses
// them; another may remove a lead.
type pools struct {
	mu    sync.Mutex
	byKey map[poolKey][]pooled
	// n are the leads that have not failed, live those of them; suspects are the others, which no good one waits for.
	n, live, suspects int
}

type pooled struct {
	*work
	at time.Time // when it was planned
}

func newPools() *pools { return &pools{byKey: map[poolKey][]pooled{}} }

func (p *pools) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

func (p *pools) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n+p.suspects == 0
}

// countLocked counts a lead in, or out again by -1.
func (p *pools) countLocked(k *work, by int) {
	switch {
	case k.hint.suspect:
		p.suspects += by
	case k.live:
		p.live += by
		p.n += by
	default:
		p.n += by
	}
}

// liveSize is how many of the leads are live.
func (p *pools) liveSize() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// remove takes a lead out; nil when it is in none.
func (p *pools) remove(id lead.ID) *work {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, ks := range p.byKey {
		i := slices.IndexFunc(ks, func(x pooled) bool { return x.id == id })
		if i < 0 {
			continue
		}
		k := ks[i].work
		if p.byKey[key] = slices.Delete(ks, i, i+1); len(p.byKey[key]) == 0 {
			delete(p.byKey, key)
		}
		p.countLocked(k, -1)
		return k
	}
	return nil
}

// full reports whether some pool holds a whole batch.
func (p *pools) full() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, ks := range p.byKey {
		if len(ks) >= key.size && !key.suspect {
			return true
		}
	}
	return false
}

func (p *pools) add(k *work, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := poolKey{k.plan.op, BatchSize, k.hint.suspect}
	if s := k.hint.size; s > 0 && s < BatchSize {
		key.size = s
	}
	p.byKey[key] = append(p.byKey[key], pooled{k, now})
	p.countLocked(k, 1)
}

// patience is the longest a planned lead waits for its batch to fill while other batches keep the jobs busy.
const patience = time.Second

// ripe tells how long until a planned lead need not wait for company any more. The linger counts from the commit of its
// oldest row, so a row that a poll found late is not delayed again; a database clock that differs from ours cannot
// prolong it.
func (x pooled) ripe(now time.Time, linger time.Duration) time.Duration {
	waited := max(now.Sub(x.at), now.Sub(time.UnixMilli(x.oldest)))
	return min(linger, linger-waited)
}

// ripeIn is the least time until a lead is ripe, -1 when there is none; liveOnly leaves backfill out.
func (p *pools) ripeIn(now time.Time, linger time.Duration, liveOnly bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	least := time.Duration(-1)
	for key, ks := range p.byKey {
		for _, x := range ks {
			if liveOnly && !x.live || key.suspect {
				continue
			}
			if d := max(0, x.ripe(now, linger)); least < 0 || d < least {
				least = d
			}
		}
	}
	return least
}

// slots are how many jobs may be formed: any are for leads that have not failed, live may be used beyond them by jobs
// with a live lead, and suspects are for the others. probe is the most leads in each while the last ones failed, 0 = as
// many as fit.
type slots struct{ any, live, suspects, probe int }

// take forms jobs: those with live leads that wait no longer come first, then whole batches, then what has lingered
// when nothing more is there to read. Live leads come first in each batch.
func (p *pools) take(now time.Time, linger time.Duration, read reading, free slots) []*job {
	p.mu.Lock()
	defer p.mu.Unlock()
	var jobs []*job
	suspects := false
	form := func(most int, ready func([]pooled, poolKey) bool) {
		for _, key := range p.keys() {
			for key.suspect == suspects && len(jobs) < most && ready(p.byKey[key], key) {
				limit := key.size
				if free.probe > 0 {
					limit = min(limit, free.probe)
				}
				jobs = append(jobs, p.form(key, limit))
			}
		}
	}
	waited := func(x pooled) bool {
		end := free.probe > 0 || !read.more || x.live && !read.moreLive
		return end && x.ripe(now, linger) <= 0 || now.Sub(x.at) >= patience
	}
	form(free.live, func(ks []pooled, key poolKey) bool {
		live, ripe := 0, false
		for _, x := range ks {
			if x.live {
				live++
				ripe = ripe || waited(x)
			}
		}
		return ripe || live >= key.size
	})
	form(free.any, func(ks []pooled, key poolKey) bool { return len(ks) >= key.size })
	form(free.any, func(ks []pooled, _ poolKey) bool { return slices.ContainsFunc(ks, waited) })
	suspects = true
	form(len(jobs)+free.suspects, func(ks []pooled, _ poolKey) bool { return len(ks) > 0 })
	return jobs
}

// keys are the pools in a fixed order.
func (p *pools) keys() []poolKey {
	keys := make([]poolKey, 0, len(p.byKey))
	for key := range p.byKey {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b poolKey) int {
		return 1000*(int(a.op)-int(b.op)) + a.size - b.size
	})
	return keys
}

// form takes up to limit leads out of a pool. No id stands twice in a batch, compared in lower case: HubSpot would
// refuse it whole.
func (p *pools) form(key poolKey, limit int) *job {
	ks := p.byKey[key]
	slices.SortStableFunc(ks, func(a, b pooled) int {
		switch {
		case a.live == b.live:
			return 0
		case a.live:
			return -1
		}
		return 1
	})
	j := &job{suspect: key.suspect}
	seen := map[string]bool{}
	var rest []pooled
	for _, x := range ks {
		id := strings.ToLower(string(x.id))
		if len(j.works) == limit || key.op == opUpsert && seen[id] {
			rest = append(rest, x)
			continue
		}
		seen[id] = true
		j.works = append(j.works, x.work)
		j.live = j.live || x.live
		p.countLocked(x.work, -1)
	}
	p.byKey[key] = rest
	if len(rest) == 0 {
		delete(p.byKey, key)
	}
	return j
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

// abandon lets the planned leads go that no job has taken. The pools stay: they belong to the run, and are filled
// again.
func (w *Worker) abandon(p *pools) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range p.giveUp(func(lead.ID) bool { return true }) {
		w.releaseLocked(k, nil, w.now())
	}
}
