package app

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"leadsync/internal/hubspot"
	"leadsync/internal/metrics"
	"leadsync/internal/outbox"
	"leadsync/internal/push"
	"leadsync/internal/status"
)

// meters counts what the daemon does, over all its times of owning the portal. Safe for concurrent use.
type meters struct {
	registry               *prometheus.Registry
	rows, putOff, requests *metrics.Counter
	delivery, answers      *metrics.Histogram

	mu     sync.Mutex
	moved  progress
	minute minute
	// answered is when HubSpot last answered an owner before well, unix ms.
	answered int64
}

// progress is when rows last got somewhere.
type progress struct {
	at         int64 // unix ms, 0 = never
	dead       int64 // since then
	lastDeadAt int64
	reason     outbox.Reason
}

// minute is what happened since the last sample of the history.
type minute struct {
	delivered, skipped, dead int
	waits                    []time.Duration // of deliveries, at most mostWaiting
	requests, failed         int
}

// mostWaiting bounds what is kept to find a middle value.
const mostWaiting = 2000

func newMeters() *meters {
	r := metrics.NewRegistry()
	return &meters{registry: r, rows: metrics.NewCounter(r, metrics.RowsSettled), putOff: metrics.NewCounter(r, metrics.RowsPutOff),
		requests: metrics.NewCounter(r, metrics.Requests), delivery: metrics.NewHistogram(r, metrics.DeliverySeconds),
		answers: metrics.NewHistogram(r, metrics.RequestSeconds)}
}

// Settled counts rows.
func (m *meters) Settled(rows []push.SettledRow) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rows {
		switch r.State {
		case outbox.Pending:
			m.putOff.Add(1)
			continue
		case outbox.Dead:
			m.minute.dead++
			m.moved.dead++
			m.moved.lastDeadAt, m.moved.reason = now.UnixMilli(), r.Reason
		case outbox.Delivered:
			m.minute.delivered++
			m.delivery.Observe(max(0, r.Waited).Seconds())
			if len(m.minute.waits) < mostWaiting {
				m.minute.waits = append(m.minute.waits, max(0, r.Waited))
			}
			m.moved = progress{at: now.UnixMilli()}
		default:
			m.minute.skipped++
			m.moved = progress{at: now.UnixMilli()}
		}
		m.rows.Add(1, string(r.State), string(r.Reason))
	}
}

// request counts one request to HubSpot.
func (m *meters) request(op string, class hubspot.Class, elapsed time.Duration) {
	word := string(class)
	if class == hubspot.ClassNone {
		word = "ok"
	}
	m.requests.Add(1, op, word)
	m.answers.Observe(elapsed.Seconds(), op)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.minute.requests++
	if class != hubspot.ClassNone {
		m.minute.failed++
	}
}

// progress writes into a snapshot when rows last got somewhere.
func (m *meters) progress(s *status.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.LastProgressAt, s.Dead, s.DeadReason, s.LastDeadAt = m.moved.at, m.moved.dead, string(m.moved.reason), m.moved.lastDeadAt
	s.LastSuccessAt = max(s.LastSuccessAt, m.answered)
}

// resume takes over what an owner before saw, so that a restart does not make work that stands still look young.
func (m *meters) resume(s status.Snapshot) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answered = max(m.answered, s.LastSuccessAt)
	if max(m.moved.at, m.moved.lastDeadAt) < max(s.LastProgressAt, s.LastDeadAt) {
		m.moved = progress{s.LastProgressAt, s.Dead, s.LastDeadAt, outbox.Reason(s.DeadReason)}
	}
}

// forgive forgets the rows that ended dead: none is there any more.
func (m *meters) forgive() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.moved.dead, m.moved.lastDeadAt, m.moved.reason = 0, 0, ""
}

// takeMinute gives what happened since the last call.
func (m *meters) takeMinute() minute {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.minute
	m.minute = minute{}
	return taken
}

// watch passes what push did on to all who keep it.
type watch struct {
	*meters
	memory *memory
}

// Asked remembers the request for `leadsync explain`.
func (w watch) Asked(a push.Asked) { w.memory.asked(a) }
