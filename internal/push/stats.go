package push

import (
	"cmp"
	"context"
	"strings"
	"sync"
	"time"

	"leadsync/internal/breaker"
	"leadsync/internal/intent"
	"leadsync/internal/observe"
	"leadsync/internal/outbox"
)

// stats counts what was settled since the last summary. Safe for concurrent use.
type stats struct {
	mu                                      sync.Mutex
	rows, delivered, skipped, dead, retried int
	leftOut                                 int // rows of which a field was not sent
}

func (s *stats) settled(out []outbox.Outcome, _ int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range out {
		s.rows++
		if strings.HasPrefix(o.Note, intent.OmittedPrefix) {
			s.leftOut++
		}
		switch o.State {
		case outbox.Delivered:
			s.delivered++
		case outbox.Skipped:
			s.skipped++
		case outbox.Dead:
			s.dead++
		default:
			s.retried++
		}
	}
}

// drain returns the counts and starts anew.
func (s *stats) drain() (rows, delivered, skipped, dead, retried, leftOut int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, delivered, skipped, dead, retried, leftOut = s.rows, s.delivered, s.skipped, s.dead, s.retried, s.leftOut
	s.rows, s.delivered, s.skipped, s.dead, s.retried, s.leftOut = 0, 0, 0, 0, 0, 0
	return
}

// Summarise writes one line a minute that sums the pushing up, and none while nothing happens. It returns when ctx
// ends.
func (w *Worker) Summarise(ctx context.Context) {
	t := time.NewTicker(time.Minute)
	defer t.Stop()
	for {
		w.cfg.Turn(LoopSummary, time.Minute)
		select {
		case <-ctx.Done():
			w.summary()
			return
		case <-t.C:
			w.summary()
		}
	}
}

func (w *Worker) summary() {
	rows, delivered, skipped, dead, retried, leftOut := w.stats.drain()
	if rows == 0 {
		return
	}
	w.cfg.Log.Info(observe.PushSummary, "rows", rows, "delivered", delivered, "skipped", skipped, "dead", dead, "retried", retried, observe.LeftOut, leftOut)
}

// Status is how the lane stands.
type Status struct {
	breaker.Status
	HubID    int64 // zero while the account is not known
	TimeZone string
	Problems []string // faults of mapped properties
	// ConsentCause is why the unsubscribe lane waits while the lane itself does not for the same reason, empty = it does
	// not; ConsentCure is a sentence.
	ConsentCause, ConsentCure string
	// Refused are sentences about operations that HubSpot does not allow, while the lane goes on.
	Refused []string
	// DeletesPausedAt is since when the brake of deletes is on, unix ms; 0 = it is not, or nothing has asked it since the
	// start.
	DeletesPausedAt int64
}

// Status tells how the lane stands. Safe for concurrent use.
func (w *Worker) Status() Status {
	lane := w.breaker.Status()
	s := Status{Status: w.pausedLanes().Over(lane), DeletesPausedAt: w.deletesPaused.Load(), Refused: w.refusedNow()}
	if c := w.consent.breaker.Status(); !c.State.Well() && c.State != lane.State {
		s.ConsentCause, s.ConsentCure = cmp.Or(c.Cause, string(c.State)), c.Cure
	}
	s.HubID, s.TimeZone, s.Problems = w.account.ID(), w.account.TimeZone(), w.account.Problems()
	return s
}

// perMinute lets a bounded number of lines a minute through.
type perMinute struct {
	mu    sync.Mutex
	start time.Time
	n     int
}

func (p *perMinute) allow(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now.Sub(p.start) >= time.Minute {
		p.start, p.n = now, 0
	}
	p.n++
	return p.n <= deadLines
}
