package push

import "leadsync/internal/hubspot"

// Waits reports whether nothing may be sent to HubSpot now, also not by those who share the account with push: a limit, a token that
// is refused, an outage. What pauses push alone (a rule of the portal, a scope that only writes need) does not count.
func (w *Worker) Waits() bool {
	g := w.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cond != Running && g.cond != Paused && earliest(g.until, g.freshAt).After(w.now())
}

// Heard takes in what somebody else who uses the account learnt: nil for an answered request whose result is stored. Only what holds for
// the whole account counts; an outage of one endpoint says nothing about the others.
func (w *Worker) Heard(err error) {
	switch hubspot.Classify(err) {
	case hubspot.ClassUnauthorized, hubspot.ClassDaily, hubspot.ClassMigrating:
		w.gate.trouble(err, w.now())
	}
	if err != nil {
		return
	}
	now := w.now()
	w.gate.mu.Lock()
	cond, passed := w.gate.cond, !w.gate.until.After(now)
	w.gate.mu.Unlock()
	if cond == Running || cond == Degraded || cond == NeedsLogin || cond == Limited && passed {
		w.gate.good(now)
	}
}
