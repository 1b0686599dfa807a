package breaker

import (
	"time"

	"leadsync/internal/observe"
)

// ProbeEvery is how often a row that was refused is sent again during a pause; others go sooner, see probeWait.
const ProbeEvery = time.Minute

// Pause opens the breaker until somebody acts: rows that showed the fault are asked again every ProbeEvery, and of the
// others (fresh) one at a time, the later the more of them have shown it.
func (b *Breaker) Pause(cause string, fresh bool) {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.paused || b.verdict.Cause != cause {
		b.cfg.Log.Error(observe.PushPaused, observe.Reason, cause, observe.Until, now.Add(ProbeEvery).UTC())
		b.set(Verdict{State: Paused, Kind: KindRule, Cause: cause, Cure: cureRule}, now, now.Add(ProbeEvery))
		b.paused, b.freshFails = true, 0
		b.freshAt = now.Add(probeWait(0)) // the one that is asked again for its refusal says nothing of the others
	}
	if b.probe = 1; fresh {
		b.freshFails++
		b.freshAt = now.Add(probeWait(b.freshFails))
	} else {
		b.until = now.Add(ProbeEvery)
	}
	b.wake()
}

// probeWait is how long after that many rows in a row that showed the fault the next one is asked for that has not: the
// first ones soon, since a few bad rows must not stop the good ones, then ever later, since it is a rule.
func probeWait(n int) time.Duration {
	const soon = 8
	if n <= soon {
		return ProbeEvery / 120
	}
	return min(ProbeEvery, ProbeEvery/60<<min(n-soon, 10))
}

// Resume ends a Pause.
func (b *Breaker) Resume() {
	now := b.cfg.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.paused {
		return
	}
	b.cfg.Log.Info(observe.PushResumed, observe.PausedFor, now.Sub(b.since).Round(time.Second), observe.Reason, b.verdict.Cause)
	b.freshFails, b.aloneFails, b.probe = 0, 0, 0
	b.set(Verdict{State: Running}, now, time.Time{})
}
