package app

import (
	"context"
	"sync"
	"time"

	"leadsync/internal/observe"
	"leadsync/internal/people"
	"leadsync/internal/push"
	"leadsync/internal/store"
)

// memory keeps the last requests about each lead for `leadsync explain`. It is written behind the work: what was asked
// in the last seconds before a crash may be missing, and nothing is decided by it.
type memory struct {
	app    *App
	portal *store.Portal
	hasher *people.Hasher

	mu   sync.Mutex
	rows []store.RequestRow
	lost int
}

const (
	// memoryEvery is how often the requests are written down.
	memoryEvery = 5 * time.Second
	// memoryRows is how many are held until then; more are counted as lost.
	memoryRows = 20_000
	// memoryPerLead is how many of one lead are kept, and memoryKeep for how long.
	memoryPerLead = 20
	memoryKeep    = 14 * 24 * time.Hour
	// memoryPurge is how often old ones are taken away, in pieces of memoryChunk.
	memoryPurge = time.Hour
	memoryChunk = 1000
)

func (a *App) newMemory(portal *store.Portal) *memory {
	return &memory{app: a, portal: portal, hasher: a.hasher}
}

func (m *memory) asked(a push.Asked) {
	rows := make([]store.RequestRow, len(a.Leads))
	for i, l := range a.Leads {
		rows[i] = store.RequestRow{Portal: m.app.cfg.Portal, LeadHash: m.hasher.Hash(string(l.ID)), StartedAt: a.StartedAt.UnixMilli(),
			Elapsed: a.Elapsed.Milliseconds(), Op: a.Op, Status: a.Status, Answer: atMost(l.Answer, 64), CorrelationID: atMost(a.CorrelationID, 64)}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	room := max(0, memoryRows-len(m.rows))
	if len(rows) > room {
		m.lost += len(rows) - room
		rows = rows[:room]
	}
	m.rows = append(m.rows, rows...)
}

func atMost(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

// keep writes the requests down until ctx ends, then once more.
func (m *memory) keep(ctx context.Context) {
	t := time.NewTicker(memoryEvery)
	defer t.Stop()
	purged := time.Time{}
	for {
		m.app.loops.turn(loopMemory, memoryEvery)
		select {
		case <-ctx.Done():
			m.flush(context.WithoutCancel(ctx))
			return
		case <-t.C:
		}
		m.flush(ctx)
		if time.Since(purged) >= memoryPurge {
			purged = time.Now()
			m.purge(ctx)
		}
	}
}

func (m *memory) flush(ctx context.Context) {
	m.mu.Lock()
	rows, lost := m.rows, m.lost
	m.rows, m.lost = nil, 0
	m.mu.Unlock()
	if len(rows) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := m.portal.KeepRequests(ctx, rows, memoryPerLead); err != nil {
		m.app.log.Debug(msgMemory, observe.Count, len(rows)+lost, observe.Err, err) // the lane says what is wrong with the database
	} else if lost > 0 {
		m.app.log.Debug(msgMemory, observe.Count, lost)
	}
}

const msgMemory = "requests were not kept for explain"

func (m *memory) purge(ctx context.Context) {
	before := time.Now().Add(-memoryKeep).UnixMilli()
	for ctx.Err() == nil {
		n, err := m.portal.PurgeRequests(ctx, before, memoryChunk)
		if err != nil || n < memoryChunk {
			return
		}
	}
}
